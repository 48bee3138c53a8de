"""One life after another of an agent on one data folder: what the live agent does each second, without its threads."""

from __future__ import annotations

import functools
import json
import random
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from benchmarks.faults.centre import JURISDICTION
from benchmarks.faults.fate import Crash, Fate, FatedConnection, FatedOs
from benchmarks.faults.net import Broker, Line
from benchmarks.faults.script import Script
from benchmarks.faults.street import BOXES, Directory, ScriptedEyes, ScriptedReader, Street, unanimous
from edge_agent import files
from edge_agent.attention import Camera
from edge_agent.cases import Case
from edge_agent.effects import EffectWriter, unsealed
from edge_agent.engine import Engine
from edge_agent.evidence import AgentKey, EvidenceStore, Sealer
from edge_agent.frames import Frame
from edge_agent.identity import Identity
from edge_agent.plates import PlateDesk
from edge_agent.safe import Safe
from edge_agent.sealing import FrameSealer
from edge_agent.second_log import DamagedError, is_damage
from edge_agent.stays import Seen, StayRules
from edge_agent.timebase import Mark, step_since
from edge_agent.vault import Vault
from notifier.backoff import Backoff
from notifier.outbox import OutboxItem
from notifier.sms import Accepted, Retry, SmsPolicy, SmsRequest, SmsResult, SmsWorker, Unknown
from protocol.errors import PatrolError, UnavailableError
from protocol.messages import EvidenceRef, Outcome
from zones.geometry import iou

T0 = 1_767_225_600_000
BEAT_MS = 1_000

_os = FatedOs()
files.os = _os  # type: ignore[attr-defined]


@dataclass(slots=True)
class Sealed:
    """A picture as it was sealed: for which case, when in truth, who stood there in plain sight."""

    case_id: str
    role: str
    true_ms: int
    stay: str | None


@dataclass(slots=True)
class Witness:
    """What happened in truth; survives the agent."""

    sealed: dict[str, Sealed] = field(default_factory=dict)
    stay_of: dict[str, str | None] = field(default_factory=dict)
    clock_ends: dict[str, int] = field(default_factory=dict)
    warned: dict[str, list[int]] = field(default_factory=dict)
    seen: list[int] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)

    def forget(self) -> None:
        """Drop what is known of the vehicles so far."""
        for memory in (self.sealed, self.stay_of, self.clock_ends, self.warned, self.seen):
            memory.clear()


class WorldClock:
    """The box's clocks: true time, and a wall clock that may be set. Steady within one life, as the agent's is."""

    def __init__(self) -> None:
        self.true_ms = T0
        self.wall_off_ms = 0
        self.offset_ms = 0

    def utc_ms(self) -> int:
        """Steady time of this life."""
        return self.true_ms + self.offset_ms

    def monotonic_ms(self) -> int:
        return self.true_ms - T0 + 1_000_000


class Gateway:
    """An SMS gateway that sometimes takes a message and does not say so. Its memory survives everything."""

    def __init__(self, fate: Fate, witness: Witness, clock: WorldClock) -> None:
        self._fate, self._witness, self._clock = fate, witness, clock

    def send(self, request: SmsRequest) -> SmsResult:
        """As any gateway; each call that reaches it is one more message on the owner's phone."""
        fate = self._fate
        fate.step("before the gateway")
        if fate.chance(0.08):
            fate.note("gateway", "refuses for now")
            return Retry("busy")
        if fate.chance(0.06):
            fate.note("gateway", "took nothing, said nothing")
            return Unknown("no answer")
        self._witness.warned.setdefault(request.key, []).append(self._clock.true_ms)
        fate.step("after the gateway")
        if fate.chance(0.08):
            fate.note("gateway", "took it, said nothing")
            return Unknown("no answer")
        return Accepted("id")

    def lookup(self, request: SmsRequest, since_ms: int) -> SmsResult | None:  # noqa: ARG002
        """What became of it."""
        if self._fate.chance(0.1):
            self._fate.note("gateway", "does not look")
            return Retry("busy")
        return Accepted("id") if request.key in self._witness.warned else None


class FatedSealer:
    """The real sealer, with a witness of what the picture shows in truth."""

    def __init__(self, real: FrameSealer, box: Box) -> None:
        self._real, self._box = real, box

    def seal(self, case: Case, role: str, frame: Frame, seen: tuple[Seen, ...]) -> EvidenceRef:
        """As the real one; the process may die before and after it."""
        box = self._box
        box.fate.step("before sealing")
        ref = self._real.seal(case, role, frame, seen)
        street = box.street
        place = max(range(len(BOXES)), key=lambda n: iou(BOXES[n], case.box))
        stand = street.standing[place] if street.light == "day" else None
        who = None if stand is None else stand.name
        # Sealing again gives the first picture again: that one counts.
        box.witness.sealed.setdefault(ref.sha256, Sealed(case.id, role, box.clock.true_ms, who))
        if role == "confirm":
            box.witness.stay_of.setdefault(case.id, who)
        box.fate.step("after sealing")
        return ref


class Box:
    """The agent.

    Args:
        folder: its data folder, empty at first.
        agent_id: enrolled at the centre.
        directory: of owners; by default that of the script.
        copies_s: seconds between copies of the database.
    """

    def __init__(
        self,
        folder: Path,
        agent_id: str,
        script: Script,
        fate: Fate,
        broker: Broker,
        *,
        directory: Any = None,
        copies_s: float = 20,
    ) -> None:
        self._directory = directory or Directory(script.stands)
        self._copies_s = copies_s
        self.folder, self.script, self.fate, self.broker = folder, script, fate, broker
        self.agent_id = agent_id
        self.clock, self.witness, self.street = WorldClock(), Witness(), Street()
        self.gateway = Gateway(fate, self.witness, self.clock)
        self._identity = Identity(JURISDICTION, agent_id)
        self._raw: sqlite3.Connection | None = None
        self.start()

    # Lives

    def start(self) -> None:
        """Open the folder; a start may be cut off, and is tried again as systemd does."""
        while True:
            try:
                self._open()
                return
            except Crash:
                self.kill()
            except UnavailableError:
                self.kill()
            except sqlite3.OperationalError:
                self.kill()

    def _open(self) -> None:
        self.fate.revive()
        _os.fate = self.fate
        self.clock.offset_ms = self.clock.wall_off_ms
        vault = _vault(self.folder / "keys" / "box.key")
        self._safe = Safe(self.folder / "agent.db", vault, self.folder / "copies", every_s=self._copies_s)
        self.store = self._safe.open(self.clock.utc_ms())
        self._raw = self.store.db
        self._files = self._safe.transactions()
        real_write = self._safe.log.write

        def write(handle: int, data: Any) -> int:
            self.fate.step("before the second log", writes=True, file=True)
            done = real_write(handle, data)
            self.fate.step("after the second log")
            return done

        self._safe.log.write = write
        told = self.store.meta("restored")
        if told is not None and told not in self.witness.told:
            self.witness.told.append(told)
        self.store.db = FatedConnection(self._raw, self.fate)  # type: ignore[assignment]
        sealer = Sealer(jurisdiction_id=JURISDICTION, agent_id=self.agent_id, device="box", app_version="1")
        key = _agent_key(self.folder / "keys" / "evidence.pem")
        evidence = EvidenceStore(self.folder / "evidence", key, sealer)
        self.engine = Engine(
            self.store,
            FatedSealer(FrameSealer(evidence, "scripted", "0" * 64, ZoneInfo("UTC"), lambda: 0), self),
            EffectWriter(self._identity, vault, evidence, _text),
            plates=PlateDesk(ScriptedReader(self.street), unanimous, 6),
            plate_wait_ms=5_000,
        )
        camera = Camera(
            id="cam1",
            eyes=ScriptedEyes(self.street),  # type: ignore[arg-type]
            rules=StayRules.for_period(BEAT_MS / 1000),
            state=self.store.camera("cam1"),
            place="12 Kerb Street",
            street="Kerb Street",
        )
        opener = unsealed(vault)
        self._sms = SmsWorker(
            self.transact,
            self.gateway,
            self._directory,
            self._on_sms_result,
            self.clock,
            policy=SmsPolicy(retry=Backoff(first_ms=0, cap_ms=0, floor_ms=0), settle_ms=0, looks=1),
            unseal=opener,
            dice=random.Random(1),
        )
        self.line = Line(self.fate, self.broker, self.transact, self.clock, self._on_inbox, opener)
        self._note_time_base()
        camera.state = self.store.camera("cam1")
        self.engine.add_camera(camera)

    def _note_time_base(self) -> None:
        saved = self.store.meta("time_base")
        if saved is None:
            with self.store.transaction():
                self.store.set_meta("time_base", self._mark().model_dump_json())
        else:
            now = self._mark()
            step = step_since(
                Mark.model_validate_json(saved),
                boot=now.boot,
                utc_ms=now.utc_ms,
                monotonic_ms=now.monotonic_ms,
            )
            if step:
                self.engine.step_clock(step, now.model_dump_json())

    def _mark(self) -> Mark:
        return Mark(boot="b", utc_ms=self.clock.utc_ms(), monotonic_ms=self.clock.monotonic_ms())

    def kill(self) -> None:
        """The process is gone; what lies on the disk stays as it is, the write-ahead log too."""
        left = {p: p.read_bytes() for p in self.folder.glob("agent.db*") if p.is_file()}
        self.close()
        for path in self.folder.glob("agent.db*"):
            path.unlink()
        for path, data in left.items():
            if not path.name.endswith("-shm"):
                path.write_bytes(data)

    def close(self) -> None:
        """Let go of all files."""
        _os.fate = None
        raw, self._raw = self._raw, None
        if raw is None:
            return
        with suppress(sqlite3.Error):
            self._files.close()
        if raw.in_transaction:
            raw.rollback()
        raw.close()
        self._safe.log.close()

    # One second

    def beat(self, number: int) -> None:
        """What the agent's loop and workers do in a second. Crashes and damage begin its next life."""
        self.clock.true_ms = T0 + number * BEAT_MS
        self.broker.beat = number
        self.street.standing = self.script.at(number)
        self.street.light = self.script.light(number)
        self.street.beat = number
        now = self.clock.utc_ms()
        parts = [
            lambda: self._look(number),
            lambda: self.engine.tick(now),
            lambda: self._drain_arrivals(now),
            lambda: self._mark_time(number),
            lambda: self._copy(number),
            self._send_sms,
            self.line.turn,
            lambda: self._drain_arrivals(now),
        ]
        try:
            for part in parts:
                self._guarded(part)
        except Crash:
            self.kill()
            self.start()
        except (DamagedError, sqlite3.DatabaseError) as error:
            if not (isinstance(error, DamagedError) or is_damage(error)):
                raise
            self.close()
            self.start()
        self._note_clocks()

    def _guarded(self, part: Any) -> None:
        try:
            part()
        except DamagedError:
            raise
        except (PatrolError, sqlite3.OperationalError):
            pass  # told in its health; the next second tries again

    def _look(self, number: int) -> None:
        if self.street.light == "gone":
            return
        self.engine.frame(Frame("cam1", self.clock.utc_ms(), self.street.picture(), number))
        if self.street.light == "day":
            self.witness.seen.append(number)

    def _drain_arrivals(self, now: int) -> None:
        while self.engine.arrivals(now):
            pass

    def _mark_time(self, number: int) -> None:
        if number % 5 == 0:
            with self.store.transaction():
                self.store.set_meta("time_base", self._mark().model_dump_json())

    def _copy(self, number: int) -> None:
        # At most: copying costs much more than the rest of a second.
        if number % 25 == 3:
            self._safe.copy_if_due(self.clock.monotonic_ms())

    def _send_sms(self) -> None:
        for _ in range(6):
            if not self._sms.run_once():
                return

    def _note_clocks(self) -> None:
        asleep, self.fate.asleep = self.fate.asleep, True
        for case in self.engine._cases.values():
            if case.clock_ends_ms is not None and case.state in ("notified", "unnotifiable", "rechecking"):
                self.witness.clock_ends[case.id] = case.clock_ends_ms - self.clock.offset_ms
        self.fate.asleep = asleep

    @contextmanager
    def transact(self) -> Iterator[sqlite3.Connection]:
        """A worker's transaction, in a connection of its own."""
        self.fate.step("before BEGIN", writes=True)
        with self._files() as real:
            yield FatedConnection(real, self.fate)  # type: ignore[misc]
            self.fate.step("before COMMIT", writes=True)
        self.fate.step("after COMMIT")

    def _on_sms_result(self, db: sqlite3.Connection, item: OutboxItem, result: Any) -> None:
        case_id = str(item.meta["case_id"])
        if isinstance(result, Accepted):
            self.store.arrive(db, "notice_accepted", case_id, {}, f"{item.key}#result")
        else:
            body = {"reason": getattr(result, "reason", "")}
            self.store.arrive(db, "notice_refused", case_id, body, f"{item.key}#result")

    def _on_inbox(self, db: sqlite3.Connection, message: Any) -> None:
        if isinstance(message, Outcome):
            body: dict[str, Any] = {"outcome_id": message.outcome_id, "result": message.result}
            self.store.arrive(db, "outcome", message.case_id, body, f"outcome/{message.outcome_id}")

    # Afterwards

    def waiting(self) -> list[str]:
        """What has not arrived, or never will."""
        assert self._raw is not None
        rows = self._raw.execute("SELECT key, state FROM outbox WHERE open = 1 OR state = 'dead'").fetchall()
        found = [f"{state} {key}" for key, state in rows if not (state == "dead" and key.endswith("/notice"))]
        found += [f"arrival {a.kind} {a.case_id}" for a in self.store.arrivals()]
        return found

    def own_cases(self) -> dict[str, str]:
        """The cases that the agent itself knows, with their states."""
        assert self._raw is not None
        return dict(self._raw.execute("SELECT case_id, state FROM cases").fetchall())

    def told(self) -> list[str]:
        """Restorations that its health has told of."""
        return [str(json.loads(text)["text"]) for text in self.witness.told]


def _text(_case: Case, plate: str) -> str:
    return f"{plate}: please leave"


@functools.cache
def _key_bytes() -> bytes:
    return random.Random(7).randbytes(32)


def _vault(path: Path) -> Vault:
    path.parent.mkdir(parents=True, exist_ok=True)
    return Vault(_key_bytes())


_keys: dict[str, AgentKey] = {}


def _agent_key(path: Path) -> AgentKey:
    """One key for all runs of this process: making one costs more than a second of the street."""
    if "key" not in _keys:
        fate, _os.fate = _os.fate, None
        _keys["key"] = AgentKey.load_or_create(path)
        _os.fate = fate
    return _keys["key"]
