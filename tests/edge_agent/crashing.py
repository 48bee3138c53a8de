"""A street, a gateway and a centre around a real engine that may die between any two steps.

Pictures are painted and what is detected in them is scripted; the tracker, cases, database, outbox, evidence,
SMS worker and log gateway are the real ones. One beat is one second of stream time: a picture, a tick, and
what the world does.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from edge_agent.attention import Camera
from edge_agent.cases import Case
from edge_agent.config import AgentConfig
from edge_agent.effects import EffectWriter, unsealed
from edge_agent.engine import Engine, Event
from edge_agent.evidence import AgentKey, EvidenceStore, Sealer
from edge_agent.frames import Frame
from edge_agent.identity import Identity
from edge_agent.notices import answer_of, notice_request
from edge_agent.plates import PlateDesk
from edge_agent.ruling import Permits
from edge_agent.sealing import FrameSealer
from edge_agent.stays import Seen, StayRules
from edge_agent.store import Store
from edge_agent.vault import Vault
from notifier import outbox
from notifier.backoff import Backoff
from notifier.outbox import FileTransactions, OutboxItem
from notifier.sms import Accepted, LogGateway, SmsPolicy, SmsRequest, SmsResult, SmsWorker
from protocol.clock import ManualClock
from protocol.errors import UnavailableError
from protocol.messages import EvidenceRef, NoticeResult
from tests.edge_agent.scripted import (
    BEAT_MS,
    PHONES,
    T0,
    ZONES,
    Beat,
    Owners,
    ScriptedEyes,
    ScriptedReader,
    picture,
    unanimous,
)
from zones import ZoneFile

_CONFIG = AgentConfig.model_validate(
    {
        "agent": {"id": "a", "jurisdiction": "j", "data_dir": "data", "time_zone": "UTC"},
        "mqtt": {"url": "mqtt://127.0.0.1"},
        "camera": [{"id": "cam1", "url": "rtsp://127.0.0.1/1", "zones": "zones.toml"}],
    }
)
"""What the requests to the centre say of the box."""


class Crash(BaseException):
    """The process is gone: no handler of the agent may see it."""


class Fate:
    """Ends the process, or refuses the disk, after a given number of steps.

    Args:
        gaps: how many steps each life has; after the last the process lives on.
        refuse: the disk is full for one statement instead.
    """

    def __init__(self, gaps: Sequence[int] = (), *, refuse: bool = False) -> None:
        self._gaps = list(gaps)
        self._refuse = refuse
        self._left = self._gaps.pop(0) if self._gaps else None
        self.dead = False
        self.asleep = False
        self.fired: list[str] = []

    def step(self, what: str) -> None:
        """One step of the process. Dead processes take none; while it is asleep, the test looks on."""
        if self.dead:
            raise Crash(what)
        if self.asleep or self._left is None or (self._refuse and not what.startswith(_WRITES)):
            return
        self._left -= 1
        if self._left <= 0:
            self.fired.append(what)
            self._left = None
            if self._refuse:
                self.revive()
                raise sqlite3.OperationalError("database or disk is full")
            self.dead = True
            raise Crash(what)

    def revive(self) -> None:
        """The next life begins."""
        self.dead = False
        self._left = self._gaps.pop(0) if self._gaps else None


_WRITES = ("before BEGIN", "before INSERT", "before UPDATE", "before DELETE", "before COMMIT")


class FatedConnection:
    """An SQLite connection at each of whose statements the process may die, before or after it took effect."""

    def __init__(self, real: sqlite3.Connection, fate: Fate) -> None:
        self._real = real
        self._fate = fate

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        if sql != "ROLLBACK" or self._fate.dead:
            self._fate.step(f"before {sql}")
        cursor = self._real.execute(sql, *parameters)
        self._fate.step(f"after {sql}")
        return cursor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class WitnessedGateway:
    """The log gateway, with a witness of every call; the process may die on either side of it."""

    def __init__(self, real: LogGateway, fate: Fate, calls: list[str]) -> None:
        self._real = real
        self._fate = fate
        self._calls = calls

    def send(self, request: SmsRequest) -> SmsResult:
        self._fate.step("before the gateway")
        self._calls.append(request.key)
        result = self._real.send(request)
        self._fate.step("after the gateway")
        return result

    def lookup(self, request: SmsRequest, since_ms: int) -> SmsResult | None:
        return self._real.lookup(request, since_ms)


class FatedSealer:
    """The real sealer; the process may die before and after it, so also between seal and commit."""

    def __init__(self, real: FrameSealer, fate: Fate) -> None:
        self._real = real
        self._fate = fate

    def seal(self, case: Case, role: str, frame: Frame, seen: tuple[Seen, ...]) -> EvidenceRef:
        self._fate.step("before sealing")
        ref = self._real.seal(case, role, frame, seen)
        self._fate.step("after sealing")
        return ref


@dataclass
class Outside:
    """What lives outside the box and survives its crashes."""

    received: dict[str, bytes] = field(default_factory=dict)
    topics: dict[str, str] = field(default_factory=dict)
    since_ms: dict[str, int] = field(default_factory=dict)
    sms_calls: list[str] = field(default_factory=list)
    answers: dict[str, NoticeResult] = field(default_factory=dict)

    def take(self, item: OutboxItem, at_ms: int) -> None:
        """At least once: a repetition must be the same message."""
        self.since_ms.setdefault(item.key, at_ms)
        known = self.received.setdefault(item.key, item.payload)
        assert known == item.payload, f"{item.key} changed between two deliveries"
        self.topics[item.key] = str(item.meta["topic"])

    def messages(self, kind: str) -> list[dict[str, Any]]:
        """Received JSON messages of one kind, in order of arrival."""
        texts = [p for k, p in self.received.items() if self.topics[k].split("/")[-2] != "evidence"]
        return [m for m in map(json.loads, texts) if m["kind"] == kind]


class Box:
    """One life after another of the agent's deciding part on one data folder."""

    def __init__(
        self,
        folder: Path,
        fate: Fate,
        zones: ZoneFile = ZONES,
        permits: Permits | None = None,
        *,
        plates_covered: bool = False,
        centre_warns: bool = False,
    ) -> None:
        self.centre_warns = centre_warns
        self.folder = folder
        self.fate = fate
        self.zones = zones
        self.permits = permits
        self.plates_covered = plates_covered
        self.outside = Outside()
        self.told: list[Event] = []
        self.clock_ends: dict[str, int] = {}
        self._start()

    def _start(self) -> None:
        """Open the folder; a start may be cut off as well."""
        while True:
            try:
                self._open()
                return
            except Crash:
                self.close()
                self.fate.revive()

    def _open(self) -> None:
        vault = Vault.open(self.folder / "keys" / "box.key")
        self.store = Store(self.folder / "agent.db", vault)
        self._raw = self.store.db
        self._files = FileTransactions(self.store.path)
        self.store.db = FatedConnection(self._raw, self.fate)  # type: ignore[assignment]
        key = AgentKey.load_or_create(self.folder / "keys" / "evidence.pem")
        sealer = Sealer(jurisdiction_id="j", agent_id="a", device="test box", app_version="1")
        evidence = EvidenceStore(self.folder / "evidence", key, sealer)
        self.eyes = ScriptedEyes(self.zones)
        reader = ScriptedReader(self.eyes)
        reader.covered = self.plates_covered
        self.identity = Identity("j", "a")
        self.engine = Engine(
            self.store,
            FatedSealer(FrameSealer(evidence, "scripted", "0" * 64, ZoneInfo("UTC"), lambda: 0), self.fate),
            EffectWriter(
                self.identity,
                vault,
                evidence,
                lambda case, plate: f"{plate}: please leave",
                ask=notice_request(_CONFIG, self.identity) if self.centre_warns else None,
            ),
            plates=PlateDesk(reader, unanimous, 6),
            plate_wait_ms=5_000,
            permits=self.permits,
            on_event=self.told.append,
        )
        self.engine.add_camera(
            Camera(
                id="cam1",
                eyes=self.eyes,  # type: ignore[arg-type]
                rules=StayRules.for_period(BEAT_MS / 1000),
                state=self.store.camera("cam1"),
                place="12 Kerb Street",
                street="Kerb Street",
            )
        )
        self.clock = ManualClock(T0)
        self._worker = SmsWorker(
            self._transact,
            WitnessedGateway(LogGateway(self.sms_file, self.clock), self.fate, self.outside.sms_calls),
            Owners(),
            self._on_sms_result,
            self.clock,
            policy=SmsPolicy(retry=Backoff(first_ms=0, cap_ms=0, floor_ms=0), settle_ms=0, looks=1),
            unseal=unsealed(vault),
        )

    @property
    def sms_file(self) -> Path:
        return self.folder / "sms.jsonl"

    def close(self) -> None:
        self._files.close()
        if self._raw.in_transaction:  # a cursor that is still held would keep the lock of a closed connection
            self._raw.rollback()
        self._raw.close()

    def _begin_again(self) -> None:
        """The process is gone, its connections with it; the next one opens the same folder."""
        self.close()
        self.fate.revive()
        self._start()

    # The world

    def live(self, script: Sequence[Beat]) -> None:
        """Play the script; after each crash the camera repeats what the box does not remember."""
        number = 0
        while number < len(script):
            try:
                self._catch_up(script, number)
                self._beat(script, number)
            except Crash:
                self._begin_again()
                continue
            except (UnavailableError, sqlite3.OperationalError):
                continue  # the disk refused; the same second is tried again by the same process
            self._check()
            number += 1
        self.fate.asleep = True
        self._deliver(T0 + len(script) * BEAT_MS)

    def _catch_up(self, script: Sequence[Beat], number: int) -> None:
        last_ms = self.engine.cameras["cam1"].state.last_ms
        first = 0 if last_ms is None else (last_ms - T0) // BEAT_MS + 1
        for past in range(first, number):
            self._look(script, past)

    def _beat(self, script: Sequence[Beat], number: int) -> None:
        beat, at_ms = script[number], T0 + number * BEAT_MS
        self.clock.set_utc(at_ms)
        self._look(script, number)
        self.engine.tick(at_ms)
        for deed in beat.deeds:
            match deed:
                case "sms" if self.centre_warns:
                    self._centre(at_ms)
                case "sms":
                    while self._worker.run_once():
                        pass
                case "deliver":
                    self._deliver(at_ms)
                case "outcome" | "outcome again":
                    self._outcomes(deed, at_ms)
        while self.engine.arrivals(at_ms):
            pass

    def _look(self, script: Sequence[Beat], number: int) -> None:
        beat, before = script[number], script[max(0, number - 1)]
        if beat.scene != "gone":
            self.eyes.scene = beat.scene
            self.eyes.before = picture(before.scene if before.scene != "gone" else "empty", number - 1)
            at_ms = T0 + number * BEAT_MS
            self.engine.frame(Frame("cam1", at_ms, picture(beat.scene, number), number))

    def _deliver(self, at_ms: int) -> None:
        """A worker that delivers at least once, like the link: the message may arrive and nobody notes it."""
        opener = unsealed(self.store.vault)
        while True:
            with self._transact() as db:
                due = outbox.claim(db, "mqtt", at_ms, 100, ("pending", "sending"))
            if not due:
                return
            for entry in due:
                with self._transact() as db:
                    outbox.mark_sending(db, entry.item.key, at_ms, due_ms=at_ms)
                self.outside.take(opener(entry.item), at_ms)
                self.fate.step("after a delivery")
                with self._transact() as db:
                    outbox.mark_done(db, entry.item.key, at_ms)

    def _centre(self, at_ms: int) -> None:
        """The centre sends what was asked of it in time, once, and repeats its answer until a record names it."""
        taken = {record["notice_result_id"] for record in self.outside.messages("case_record")}
        for request in self.outside.messages("notice_request"):
            key = request["idempotency_key"]
            if self.outside.since_ms[key] >= at_ms:
                continue
            answer = self.outside.answers.get(key)
            if answer is None:
                known = request["plate"] in PHONES and at_ms < request["give_up_ms"]
                answer = NoticeResult(
                    result_id=f"n-{request['case_id']}",
                    key=key,
                    case_id=request["case_id"],
                    state="accepted" if known else "refused",
                    at_ms=at_ms,
                    told_until_ms=at_ms + round(request["grace_s"] * 1000) if known else None,
                    reason="" if known else "not_found",
                )
                self.outside.answers[key] = answer
                if known:
                    self.outside.sms_calls.append(key)
            if answer.result_id not in taken:
                with self._transact() as db:
                    kind, body = answer_of(answer)
                    self.store.arrive(db, kind, answer.case_id, body, f"notice/{answer.result_id}")

    def _outcomes(self, deed: str, at_ms: int) -> None:
        """The officers answer every task that the centre had a second ago, once more each time."""
        for task in self.outside.messages("enforcement_task"):
            if self.outside.since_ms[task["idempotency_key"]] >= at_ms:
                continue
            number = 2 if deed == "outcome again" else 1
            outcome = f"O{number}-{task['case_id']}"
            with self._transact() as db:
                body = {"outcome_id": outcome, "result": "ticketed"}
                self.store.arrive(db, "outcome", task["case_id"], body, f"outcome/{outcome}")

    def _on_sms_result(self, db: sqlite3.Connection, item: OutboxItem, result: SmsResult) -> None:
        kind = "notice_accepted" if isinstance(result, Accepted) else "notice_refused"
        body = {} if isinstance(result, Accepted) else {"reason": getattr(result, "reason", "")}
        self.store.arrive(db, kind, str(item.meta["case_id"]), body, f"{item.key}#result")

    @contextmanager
    def _transact(self) -> Iterator[sqlite3.Connection]:
        with self._files() as real:
            yield FatedConnection(real, self.fate)  # type: ignore[misc]
            self.fate.step("before COMMIT")
        self.fate.step("after COMMIT")

    def _check(self) -> None:
        """Memory says what the database says, and a clock once started never ends earlier."""
        self.fate.asleep = True
        assert self.engine.open_cases == len(self.store.open_cases())
        for (case_id,) in self._raw.execute("SELECT case_id FROM cases").fetchall():
            case = self.store.case(case_id)
            assert case is not None
            if case.clock_ends_ms is not None:
                assert case.clock_ends_ms >= self.clock_ends.get(case_id, 0)
                self.clock_ends[case_id] = case.clock_ends_ms
        self.fate.asleep = False

    # What is to be seen

    def events(self) -> list[Event]:
        """Everything that was decided, as stored."""
        return [body for _, body in self.store.events()]

    def sms_sent(self) -> list[dict[str, Any]]:
        """What reached the gateway."""
        return [json.loads(line) for line in self.sms_file.read_text("utf-8").splitlines()]

    def outbox_keys(self) -> list[str]:
        return [row[0] for row in self._raw.execute("SELECT key FROM outbox ORDER BY key")]

    def case_ids(self) -> list[str]:
        return [row[0] for row in self._raw.execute("SELECT case_id FROM cases ORDER BY case_id")]


@contextmanager
def box(
    folder: Path,
    fate: Fate | None = None,
    zones: ZoneFile = ZONES,
    permits: Permits | None = None,
    *,
    plates_covered: bool = False,
    centre_warns: bool = False,
) -> Iterator[Box]:
    """A box in a folder of its own."""
    one = Box(
        folder, fate or Fate(), zones, permits, plates_covered=plates_covered, centre_warns=centre_warns
    )
    try:
        yield one
    finally:
        one.close()
