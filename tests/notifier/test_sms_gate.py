"""A box that sends by itself: texts are written when they are sent, its own ledger judges, held messages wait."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from notifier import outbox
from notifier.letter import Letter, Written
from notifier.outbox import FileTransactions, OutboxItem
from notifier.owners import Owner
from notifier.policy import NoticePolicy
from notifier.sms import Accepted, Held, LogGateway, Retry, SmsRequest, SmsResult, SmsWorker
from notifier.sms.ledger import LocalGate
from protocol.clock import ManualClock, iso
from tests.notifier.test_sms_worker import POLICY

NOON = 1_767_240_000_000
MINUTE = 60_000
HOUR = 60 * MINUTE
PHONE = "+8613800138000"


class Owners:
    """Everybody has the same number."""

    def find(self, plate: str, purpose: str) -> Owner:
        return Owner(PHONE)


class Gateway:
    """The log gateway, which can be told to be busy."""

    def __init__(self, real: LogGateway) -> None:
        self._real = real
        self.busy = 0

    def send(self, request: SmsRequest) -> SmsResult:
        if self.busy:
            self.busy -= 1
            return Retry("429", 60.0)
        return self._real.send(request)

    def lookup(self, request: SmsRequest, since_ms: int) -> SmsResult | None:
        return self._real.lookup(request, since_ms)


class Box:
    """A worker on a database, at noon in China."""

    def __init__(self, folder: Path, policy: NoticePolicy) -> None:
        self.clock = ManualClock(NOON)
        self.transact = FileTransactions(folder / "a.db")
        with self.transact() as conn:
            outbox.migrate(conn)
            LocalGate.migrate(conn)
        self.file = folder / "sms.jsonl"
        self.gateway = Gateway(LogGateway(self.file, self.clock))
        self.results: list[tuple[str, SmsResult | Held]] = []
        self.worker = SmsWorker(
            self.transact,
            self.gateway,
            Owners(),
            self._on_result,
            self.clock,
            policy=POLICY,
            compose=self._compose,
            gate=LocalGate(policy, ZoneInfo("Asia/Shanghai"), lambda phone: f"mark of {len(phone)}"),
        )

    @staticmethod
    def _compose(item: OutboxItem, language: str | None, now_ms: int) -> Written:
        return Letter.model_validate_json(item.payload).write(now_ms, language)

    def _on_result(self, conn: sqlite3.Connection, item: OutboxItem, result: SmsResult | Held) -> None:
        self.results.append((item.key, result))

    def put(self, name: str) -> None:
        letter = Letter(
            plate="京A12345",
            place="长安街12号",
            grace_ms=10 * MINUTE,
            time_zone="Asia/Shanghai",
            reference="7K3QAZ",
        )
        now = self.clock.utc_ms()
        meta = {"plate": "京A12345", "case_id": name, "give_up_ms": now + 10 * MINUTE}
        with self.transact() as conn:
            outbox.put(conn, OutboxItem(name, "sms", letter.model_dump_json().encode(), meta, now))

    def live(self, for_ms: int, step_ms: int = 1_000) -> None:
        end = self.clock.utc_ms() + for_ms
        while self.clock.utc_ms() < end:
            while self.worker.run_once():
                pass
            self.clock.advance(step_ms)

    def sent(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self.file.read_text("utf-8").splitlines()]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[object]:
    boxes: list[Box] = []

    def box(**policy: object) -> Box:
        boxes.append(Box(tmp_path, NoticePolicy.model_validate(policy)))
        return boxes[-1]

    yield box
    for one in boxes:
        one.transact.close()


QUIET = {"quiet": [{"from": "11:00", "to": "13:00"}]}


def test_the_deadline_counts_from_the_sending_and_not_from_the_decision(make) -> None:
    box = make()
    box.put("c1")
    box.gateway.busy = 3
    box.live(5 * MINUTE)
    [message] = box.sent()
    assert message["at"] >= iso(NOON + 3 * MINUTE)
    assert "12:13前" in message["text"]


def test_attempts_at_one_message_count_once(make) -> None:
    box = make(per_number_per_day=2)
    box.put("c1")
    box.gateway.busy = 4
    box.live(6 * MINUTE)
    box.put("c2")
    box.live(MINUTE)
    box.put("c3")
    box.live(MINUTE)
    assert [type(result) for _, result in box.results] == [Accepted, Accepted, type(box.results[2][1])]
    assert box.results[2][1].reason == "this number has had its messages of the day"
    box.clock.advance(24 * HOUR)
    box.put("c4")
    box.live(MINUTE)
    assert isinstance(box.results[3][1], Accepted), "a day later the number may be written to again"


def test_in_quiet_hours_nobody_is_written_to(make) -> None:
    box = make(**QUIET)
    box.put("c1")
    box.live(MINUTE)
    [(_, result)] = box.results
    assert result.reason == "no messages are sent at this hour"
    assert not box.sent()


def test_a_held_message_is_told_once_and_leaves_at_its_hour(make) -> None:
    box = make(**QUIET, quiet_then="hold")
    box.put("c1")
    box.live(HOUR - 1_000, 30_000)
    assert box.results == [("c1", Held(NOON + HOUR, "the message waits until 13:00"))]
    box.live(2 * MINUTE)
    assert isinstance(box.results[1][1], Accepted)
    assert "13:10前" in box.sent()[0]["text"]


def test_a_held_message_has_its_whole_time_from_its_hour_on_and_not_more(make) -> None:
    """Also where the gateway is busy then: what was held is not forgotten by a failed attempt."""
    box = make(**QUIET, quiet_then="hold")
    box.put("c1")
    box.live(2_000)
    box.clock.set_utc(NOON + HOUR + 5 * MINUTE)
    box.gateway.busy = 2
    box.live(4 * MINUTE)
    assert isinstance(box.results[-1][1], Accepted)
    box.put("c2")
    box.clock.set_utc(NOON + HOUR + 40 * MINUTE)
    box.live(2_000)
    assert box.results[-1][1].reason == "gave up: not sent in time"


def test_the_ledger_holds_no_number(make) -> None:
    box = make()
    box.put("c1")
    box.live(2_000)
    with box.transact() as conn:
        rows = conn.execute("SELECT * FROM sms_sent").fetchall()
    assert len(rows) == 1
    assert "138" not in str(rows).replace(str(NOON), "")
