"""At no point are two SMS sent for one item, none is lost silently, and every case hears one result."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifier import outbox
from notifier.items import notice_item, notice_key
from notifier.outbox import FileTransactions, OutboxItem
from notifier.owners import NoOwner, Owner
from notifier.sms import (
    Accepted,
    Refused,
    Retry,
    SmsConfig,
    SmsPolicy,
    SmsRequest,
    SmsResult,
    SmsWorker,
    Unknown,
    make_gateway,
    reference,
)
from protocol.clock import ManualClock, SystemClock
from protocol.errors import UnavailableError
from tests.servers.twilio_gateway import ACCOUNT, TOKEN, Fault, TwilioGateway

PHONE = "+8613800138000"
POLICY = SmsPolicy(settle_ms=20_000, looks=2)


class Crash(BaseException):
    """The process dies here."""


class Fate:
    """Kills the process at given steps, counted over all its lives."""

    def __init__(self, deadly: frozenset[int] = frozenset()) -> None:
        self.deadly = deadly
        self.step = 0

    def __call__(self) -> None:
        self.step += 1
        if self.step in self.deadly:
            raise Crash


@dataclass(frozen=True)
class Behaviour:
    """How the gateway treats one request: whether it makes the message, what it says, when a look shows it."""

    takes: bool
    says: SmsResult | None  # None: what is true
    surfaces_after_ms: int = 0


class MemoryGateway:
    """Twilio's semantics without a network: no idempotency, look-ups see a message some time after it was made."""

    def __init__(self, clock: ManualClock, fate: Fate, behaviours: list[Behaviour]) -> None:
        self.clock = clock
        self.fate = fate
        self.behaviours = behaviours
        self.phones: list[tuple[str, str, int]] = []  # key, number, when a look shows it
        self.looks_that_fail = 0

    def send(self, request: SmsRequest) -> SmsResult:
        self.fate()
        behaviour = self.behaviours.pop(0) if self.behaviours else Behaviour(True, None)
        if behaviour.takes:
            self.phones.append((request.key, request.to, self.clock.utc_ms() + behaviour.surfaces_after_ms))
        self.fate()
        return behaviour.says or (Accepted("SM1") if behaviour.takes else Refused("no", "1"))

    def lookup(self, request: SmsRequest, since_ms: int) -> SmsResult | None:
        self.fate()
        if self.looks_that_fail:
            self.looks_that_fail -= 1
            return Unknown("look-up failed")
        now = self.clock.utc_ms()
        known = any(key == request.key and shown <= now for key, _, shown in self.phones)
        return Accepted("SM1") if known else None


class Directory:
    """Knows one number for every plate; may be down."""

    def __init__(self, answer: Owner | NoOwner | None = None) -> None:
        self.answer = answer or Owner(PHONE)
        self.down = False
        self.purposes: list[str] = []

    def find(self, plate: str, purpose: str) -> Owner | NoOwner:
        self.purposes.append(purpose)
        if self.down:
            raise UnavailableError("the directory is down")
        return self.answer


class Box:
    """A box with a database file: workers come and go, the file and the gateway stay."""

    def __init__(
        self, file: Path, fate: Fate | None = None, behaviours: list[Behaviour] | None = None
    ) -> None:
        self.clock = ManualClock()
        self.fate = fate or Fate()
        self.gateway = MemoryGateway(self.clock, self.fate, behaviours or [])
        self.directory = Directory()
        self.transact = FileTransactions(file)
        self.policy = POLICY
        with self.transact() as conn:
            outbox.migrate(conn)
            conn.execute("CREATE TABLE results (key TEXT, kind TEXT, detail TEXT)")
        self.worker = self.start()

    def start(self) -> SmsWorker:
        """A new process."""
        self.worker = SmsWorker(
            self._fatal, self.gateway, self.directory, self._on_result, self.clock, policy=self.policy
        )
        return self.worker

    @contextmanager
    def _fatal(self) -> Iterator[sqlite3.Connection]:
        self.fate()
        with self.transact() as conn:
            yield conn
            self.fate()  # before the commit: nothing of it happened
        self.fate()  # after the commit, before anything else

    @staticmethod
    def _on_result(conn: sqlite3.Connection, item: OutboxItem, result: SmsResult) -> None:
        detail = result.provider_id if isinstance(result, Accepted) else result.reason
        conn.execute("INSERT INTO results VALUES (?, ?, ?)", (item.key, type(result).__name__, detail))

    def put(self, case: str, **more: int) -> str:
        key = notice_key("j", "a", "c", case)
        text = f"Please move. Ref {reference(key)}"
        with self.transact() as conn:
            outbox.put(
                conn,
                notice_item(key, text, plate="京A12345", case_id=case, now_ms=self.clock.utc_ms(), **more),
            )
        return key

    def live(self, for_ms: int, step_ms: int = 1_000) -> None:
        """Let time pass; a crash starts the next process."""
        end = self.clock.utc_ms() + for_ms
        while self.clock.utc_ms() < end:
            try:
                while self.worker.run_once():
                    pass
            except Crash:
                self.start()
            self.clock.advance(step_ms)

    def results(self) -> dict[str, list[tuple[str, str]]]:
        with self.transact() as conn:
            rows = conn.execute("SELECT key, kind, detail FROM results").fetchall()
        found: dict[str, list[tuple[str, str]]] = {}
        for key, kind, detail in rows:
            found.setdefault(key, []).append((kind, detail))
        return found

    def entry(self, key: str) -> outbox.Entry:
        with self.transact() as conn:
            entry = outbox.find(conn, key)
        assert entry is not None
        return entry


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    box = Box(tmp_path / "a.db")
    yield box
    box.transact.close()


BEHAVIOURS = st.one_of(
    st.just(Behaviour(True, None)),
    st.just(Behaviour(False, Retry("429", 5.0))),
    st.just(Behaviour(False, Unknown("time-out"))),
    # A message whose request timed out may surface at the gateway up to just before the last look.
    st.builds(
        Behaviour,
        st.just(True),
        st.just(Unknown("time-out")),
        st.integers(0, POLICY.settle_ms * POLICY.looks - 1),
    ),
)


@given(
    deadly=st.frozensets(st.integers(1, 60), max_size=12),
    behaviours=st.lists(BEHAVIOURS, max_size=8),
    cases=st.integers(1, 3),
    looks_that_fail=st.integers(0, 3),
)
@settings(max_examples=120, deadline=None)
def test_killed_at_any_step_it_sends_each_notice_exactly_once(
    tmp_path_factory: pytest.TempPathFactory,
    deadly: frozenset[int],
    behaviours: list[Behaviour],
    cases: int,
    looks_that_fail: int,
) -> None:
    box = Box(tmp_path_factory.mktemp("crash") / "a.db", Fate(), list(behaviours))
    box.gateway.looks_that_fail = looks_that_fail
    keys = [box.put(f"case{number}") for number in range(cases)]
    box.fate.deadly = deadly
    box.live(1_500_000, step_ms=5_000)
    sent = [key for key, _, _ in box.gateway.phones]
    assert sorted(sent) == sorted(keys)
    assert box.results() == {key: [("Accepted", "SM1")] for key in keys}
    with box.transact() as conn:
        assert outbox.waiting(conn).total == 0
    box.transact.close()


@given(
    deadly=st.frozensets(st.integers(1, 40), max_size=8),
    behaviours=st.lists(BEHAVIOURS, min_size=1, max_size=6),
    looks_that_fail=st.integers(0, 12),
    give_up_ms=st.integers(1_000, 120_000),
)
@settings(max_examples=120, deadline=None)
def test_when_it_gives_up_it_tells_the_truth(
    tmp_path_factory: pytest.TempPathFactory,
    deadly: frozenset[int],
    behaviours: list[Behaviour],
    looks_that_fail: int,
    give_up_ms: int,
) -> None:
    box = Box(tmp_path_factory.mktemp("late") / "a.db", Fate(), list(behaviours))
    box.gateway.looks_that_fail = looks_that_fail
    key = box.put("case", give_up_ms=box.clock.utc_ms() + give_up_ms)
    box.fate.deadly = deadly
    box.live(1_500_000, step_ms=5_000)
    (only,) = box.results()[key]
    sent = len(box.gateway.phones)
    assert sent <= 1
    if only[0] == "Accepted":
        assert sent == 1
    elif only[0] == "Refused":
        assert sent == 0, "said that nobody was warned, and somebody was"
    else:
        assert only[0] == "Unknown"


@pytest.mark.parametrize("reason", ["not_found", "ambiguous", "opted_out", "no_directory"])
def test_a_plate_without_one_owner_says_why(box: Box, reason: str) -> None:
    box.directory.answer = NoOwner(reason)  # type: ignore[arg-type]
    key = box.put("case")
    box.live(5_000)
    assert box.gateway.phones == []
    assert box.results() == {key: [("Refused", reason)]}
    assert box.entry(key).state == "dead"


def test_a_directory_that_is_down_is_asked_again(box: Box) -> None:
    box.directory.down = True
    key = box.put("case")
    box.live(60_000)
    assert box.results() == {}
    assert box.entry(key).state == "pending"
    assert box.worker.problems == ("sms: the directory of owners does not answer: the directory is down",)
    box.directory.down = False
    box.live(200_000)
    assert len(box.gateway.phones) == 1
    assert box.worker.problems == ()


def test_look_ups_of_owners_name_their_purpose(box: Box) -> None:
    box.put("case7")
    box.live(2_000)
    assert box.directory.purposes == ["warning case7"]


def test_too_many_requests_wait_as_long_as_the_gateway_says(box: Box) -> None:
    box.gateway.behaviours = [Behaviour(False, Retry("429", 600.0))]
    key = box.put("case")
    box.live(599_000)
    assert box.gateway.phones == []
    assert box.entry(key).reason == "429"
    box.live(3_000)
    assert len(box.gateway.phones) == 1


def test_a_vehicle_that_leaves_before_the_message_does_is_not_warned(box: Box) -> None:
    box.gateway.behaviours = [Behaviour(False, Retry("429", 60.0))]
    key = box.put("case")
    box.live(5_000)
    with box.transact() as conn:
        assert outbox.cancel(conn, key, box.clock.utc_ms())
    box.live(100_000)
    assert box.gateway.phones == []
    assert box.results() == {}


def test_an_error_of_our_own_neither_stops_nor_loses_the_others(box: Box) -> None:
    with box.transact() as conn:
        outbox.put(conn, OutboxItem("broken", "sms", b"\xff", {"plate": "京A12345"}, box.clock.utc_ms()))
    good = box.put("case")
    box.live(10_000)
    assert [key for key, _, _ in box.gateway.phones] == [good]
    assert box.entry("broken").state == "pending"
    assert box.entry("broken").reason == "an internal error; see the log"


def test_a_box_that_was_off_for_an_hour_looks_before_it_gives_up(tmp_path: Path) -> None:
    box = Box(tmp_path / "a.db")
    key = box.put("case")
    # Three steps to claim, three to store the intent, and the second one inside the gateway.
    box.fate.deadly = frozenset({8})
    with pytest.raises(Crash):
        box.worker.run_once()
    assert len(box.gateway.phones) == 1, "it died after the gateway took the message"
    box.clock.advance(3_600_000)
    box.start()
    box.live(30_000)
    assert box.results() == {key: [("Accepted", "SM1")]}
    assert len(box.gateway.phones) == 1
    box.transact.close()


def test_a_second_worker_by_mistake_neither_sends_again_nor_reports_twice(box: Box) -> None:
    key = box.put("case")
    second = SmsWorker(box.transact, box.gateway, box.directory, box._on_result, box.clock, policy=POLICY)

    class SlowGateway(MemoryGateway):
        """While the first worker waits for its answer, the second finds the item and looks it up."""

        def send(self, request: SmsRequest) -> SmsResult:
            result = super().send(request)
            self.clock.advance(POLICY.settle_ms)
            assert second.run_once()
            return result

    slow = SlowGateway(box.clock, box.fate, [])
    slow.phones = box.gateway.phones
    box.gateway = slow
    box.start()
    box.live(5_000)
    assert len(slow.phones) == 1
    assert box.results() == {key: [("Accepted", "SM1")]}


def test_a_worker_in_its_thread_wakes_and_stops_at_once(tmp_path: Path) -> None:
    box = Box(tmp_path / "a.db")
    stop = threading.Event()
    arrived = threading.Event()
    box.gateway.fate = lambda: arrived.set() if box.gateway.phones else None  # type: ignore[assignment]
    thread = threading.Thread(target=box.worker.run, args=(stop, 60.0))
    thread.start()
    try:
        box.put("case")
        box.worker.wake()
        assert arrived.wait(10)
    finally:
        stop.set()
        box.worker.wake()
        thread.join(10)
    assert not thread.is_alive()
    box.transact.close()


PROGRAM = """
import sqlite3, sys
from pathlib import Path
from notifier.outbox import FileTransactions
from notifier.owners import Owner
from notifier.sms import SmsConfig, SmsPolicy, SmsWorker, make_gateway
from protocol.clock import SystemClock

class Directory:
    def find(self, plate, purpose):
        return Owner("+8613800138000")

def on_result(conn, item, result):
    conn.execute("INSERT INTO results VALUES (?, ?, '')", (item.key, type(result).__name__))

config = SmsConfig.model_validate_json(sys.argv[2])
worker = SmsWorker(FileTransactions(Path(sys.argv[1])), make_gateway(config, SystemClock()), Directory(),
                   on_result, SystemClock(), policy=SmsPolicy(settle_ms=100, looks=2))
import threading
worker.run(threading.Event(), 0.05)
"""


def test_kill_9_while_the_real_gateway_holds_the_request(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., None]
) -> None:
    """A real process, a real HTTP server: taken but not answered, killed, started again."""
    monkeypatch.setenv("TEST_TWILIO_TOKEN", TOKEN)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    box = Box(tmp_path / "a.db")
    box.clock.set_utc(SystemClock().utc_ms())
    key = box.put("case")
    with TwilioGateway() as server:
        server.faults.append(Fault(then="hang", takes=True))
        config = {
            "gateway": "twilio",
            "twilio": {
                "account_sid": ACCOUNT,
                "auth_token_env": "TEST_TWILIO_TOKEN",
                "from_number": "+15005550006",
                "api_base": server.url,
            },
        }
        command = [sys.executable, "-c", PROGRAM, str(tmp_path / "a.db"), json.dumps(config)]
        first = subprocess.Popen(command, cwd=root)
        try:
            wait_until(lambda: server.messages, within=30, what="the first request")
        finally:
            os.kill(first.pid, signal.SIGKILL)
            first.wait(10)
        assert box.entry(key).state == "sending"
        second = subprocess.Popen(command, cwd=root)
        try:
            wait_until(box.results, within=30, what="the result")
        finally:
            second.kill()
            second.wait(10)
        assert len(server.sent_to(PHONE)) == 1
    assert box.results() == {key: [("Accepted", "")]}
    box.transact.close()


def test_a_box_without_a_gateway_refuses_and_says_so(box: Box) -> None:
    box.gateway = make_gateway(SmsConfig(), box.clock)  # type: ignore[assignment]
    box.start()
    key = box.put("case")
    box.live(2_000)
    assert box.results() == {key: [("Refused", "no SMS gateway is configured")]}
