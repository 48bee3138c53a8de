"""The live agent: cameras, the deciding loop, and the workers that carry its effects out."""

from __future__ import annotations

import logging
import sqlite3
import threading
from contextlib import ExitStack
from importlib.metadata import version
from typing import Any
from zoneinfo import ZoneInfo

from edge_agent.build import Perceiver, make_engine, open_perceiver
from edge_agent.config import AgentConfig
from edge_agent.effects import unsealed
from edge_agent.engine import Engine, Listener
from edge_agent.identity import Identity
from edge_agent.ingest import ROOM, SteadyClock, open_source
from edge_agent.lock import FolderLock
from edge_agent.notices import answer_of, composer, notice_request, notice_text, refused_request, wall_clock
from edge_agent.rechecks import Rechecks
from edge_agent.rests import RestLog
from edge_agent.rests import prune as prune_rests
from edge_agent.rounds import Feed, Rounds, default_workers
from edge_agent.safe import Safe
from edge_agent.second_log import DamagedError, is_damage, kind_of
from edge_agent.timebase import Mark, boot_id, step_since
from edge_agent.vault import Vault
from edge_agent.zone_rules import read_all_rules
from edge_agent.zone_telling import through_outbox
from edge_agent.zone_updates import ZoneUpdates
from notifier import outbox
from notifier.mqtt import MqttLink
from notifier.outbox import OutboxItem
from notifier.owners.config import make_directory
from notifier.sms import Accepted, Held, Refused, SmsResult, SmsWorker, make_gateway
from notifier.sms.ledger import LocalGate
from protocol.clock import Clock, Millis, SystemClock
from protocol.errors import PatrolError
from protocol.messages import Accept, AgentHealth, NoticeResult, Outcome, RecheckRequest, Refuse

_log = logging.getLogger(__name__)

_POLL_S = 0.05
"""How long the loop rests when no camera has a picture: a twentieth of a second is nothing to a parked car."""

_TICK_MS = 500
"""How often time is let pass for open cases."""

_MARK_MS = 5_000
"""How often the time base is noted. After a crash the clock may end this much later, never earlier."""

_PRUNE_MS = 3_600_000
_KEEP_OUTBOX_MS = 30 * 86_400_000
"""Finished messages are forgotten after a month; their keys make repetitions harmless until then."""

_CLOCK_STEP_MS = 1_000
"""A wall clock that is off by more than this is told: evidence may err by one second at most (GA/T 832)."""


def check_config(config: AgentConfig) -> dict[str, Any]:
    """Load everything that the configuration names, without starting or writing anything.

    Raises:
        PatrolError: something in it, or in a file that it names, is wrong.
    """
    cameras = [
        {
            "id": camera.id,
            "url": camera.url,
            "zones": [zone.id for zone in rules.zones.zone],
            "zone_file": rules.told().model_dump(exclude_none=True),
        }
        for camera, rules in read_all_rules(config.camera, config.zones)
    ]
    for camera in config.camera:
        open_source(camera.id, camera.source(), clock=SystemClock())
    perceiver = _perceiver(config)
    if config.sms.twilio is not None:
        config.sms.twilio.auth_token()
    if config.sms.aliyun is not None:
        config.sms.aliyun.access_key_secret()
    return {"agent": config.agent.id, "model": perceiver.model_name, "cameras": cameras}


def _perceiver(config: AgentConfig) -> Perceiver:
    return open_perceiver(
        config.detector.model,
        threads=config.detector.threads,
        score_threshold=config.detector.score_threshold,
        providers=config.detector.providers,
        plates=config.plates.enabled,
        max_looks=config.plates.max_looks,
        plate_wait_s=config.plates.wait_s,
    )


class Agent:
    """Runs until told to stop. All that matters is on disk at any moment.

    Args:
        config: the whole configuration.
        on_event: told of every stored event.
        clock: the machine's clocks.

    Raises:
        PatrolError: something in the configuration, or in a file that it names, is wrong.
        UnavailableError: the data folder cannot be written, or another agent works on it.
    """

    def __init__(
        self, config: AgentConfig, *, on_event: Listener | None = None, clock: Clock | None = None
    ) -> None:
        self._config = config
        self._clock = SteadyClock(clock or SystemClock())
        self._identity = Identity(config.agent.jurisdiction, config.agent.id)
        self._rechecks = Rechecks(self._identity.jurisdiction_id, self._identity.agent_id)
        self._problems: dict[str, str] = {}
        self._complaints: frozenset[str] = frozenset()
        self._stop = threading.Event()
        if not (config.agent.data_dir / "agent.db").exists():  # no copy of earlier zones either
            read_all_rules(config.camera, config.zones)
        self._perceiver = _perceiver(config)
        data = config.agent.data_dir
        self._lock = FolderLock(data)
        copies, vault = config.copies, Vault.open(data / "keys" / "box.key")
        folder = copies.folder or data / "copies"
        self._safe = Safe(data / "agent.db", vault, folder, keep=copies.keep, every_s=copies.every_s)
        try:
            self._store = self._safe.open(self._clock.utc_ms())
        except PatrolError:
            self._lock.release()
            raise
        self._transactions = self._safe.transactions()
        self._engine: Engine = make_engine(
            self._store,
            self._identity,
            data,
            self._perceiver,
            time_zone=config.agent.time_zone,
            clock_offset_ms=self._clock.wall_error_ms,
            text=notice_text(config, self._identity),
            ask=notice_request(config, self._identity) if config.centre_warns else None,
            on_event=on_event,
            rests=RestLog(self._store, pictures=config.rests.pictures) if config.rests.keep_days else None,
            rechecks=self._rechecks,
        )
        try:
            tell = None if config.mqtt is None else through_outbox(self._identity, self._store)
            self._zones = ZoneUpdates(config.camera, config.zones, data, self._store, tell)
        except PatrolError:
            self._store.close()
            self._lock.release()
            raise
        self._feeds = {
            camera.id: Feed(camera, open_source(camera.id, camera.source(), clock=self._clock))
            for camera in config.camera
        }
        self._rounds = Rounds(
            self._feeds,
            self._engine,
            self._zones,
            self._perceiver,
            self._clock,
            self._guarded,
            self._wake,
            workers=config.detector.workers or default_workers(),
            behind=lambda: ROOM.crowded,
        )
        opener = unsealed(self._store.vault)
        self._sms = SmsWorker(
            self._transactions,
            make_gateway(config.sms, self._clock),
            make_directory(config.owners, self._clock),
            self._on_sms_result,
            self._clock,
            unseal=opener,
            compose=composer(wall_clock(self._clock, self._clock.wall_error_ms)),
            gate=LocalGate(config.notices, ZoneInfo(config.agent.time_zone), self._store.vault.mark),
        )
        with self._store.transaction() as db:
            LocalGate.migrate(db)
        self._link: MqttLink | None = None
        if config.mqtt is not None:
            self._link = MqttLink(
                config.mqtt,
                self._identity.topics,
                self._transactions,
                self._on_inbox,
                self._clock,
                version=version("street-patrol"),
                unseal=opener,
            )
            self._link.check()

    def run(self, stop: threading.Event) -> None:
        """Watch, decide and carry out until `stop` is set; then leave tidily.

        Raises:
            DamagedError: the database is damaged; an agent made anew restores it.
        """
        try:
            self._run(stop)
        except sqlite3.DatabaseError as error:
            if is_damage(error):
                raise DamagedError(f"is damaged: {error}", file=self._store.path) from error
            raise

    def _run(self, stop: threading.Event) -> None:
        with ExitStack() as stack:
            stack.callback(self._lock.release)
            stack.callback(self._safe.log.close)
            stack.callback(self._store.close)
            stack.callback(self._engine.rules.close)
            stack.callback(self._transactions.close)
            stack.callback(self._rounds.close)
            self._note_time_base()
            workers = [threading.Thread(target=self._sms.run, args=(self._stop,), name="sms", daemon=True)]
            if self._link is not None:
                stack.callback(self._link.close)
                workers.append(
                    threading.Thread(target=self._link.run, args=(self._stop,), name="mqtt", daemon=True)
                )
            for worker in workers:
                worker.start()
            stack.callback(self._join, workers)
            for feed in self._feeds.values():
                stack.callback(feed.source.stop)
                feed.source.start()
            self._loop(stop)

    def _join(self, workers: list[threading.Thread]) -> None:
        self._stop.set()
        self._sms.wake()
        if self._link is not None:
            self._link.wake()
        for worker in workers:
            worker.join(timeout=15)

    # The loop

    def _loop(self, stop: threading.Event) -> None:
        next_tick = next_mark = next_health = next_prune = next_zones = 0
        while not stop.is_set():
            self._safe.check()
            worked = self._rounds.look()
            now = self._clock.monotonic_ms()
            self._safe.copy_if_due(now)
            if now >= next_tick:
                next_tick = now + _TICK_MS
                self._guarded("deciding", lambda: self._engine.tick(self._clock.utc_ms()))
                self._send_bays()
            self._guarded("results", self._take_results)
            if now >= next_mark:
                next_mark = now + _MARK_MS
                self._guarded("time base", self._mark_time)
            if now >= next_zones:
                next_zones = now + round(self._config.zones.poll_s * 1000)
                self._guarded("zones", lambda: self._zones.poll(self._engine, self._clock.utc_ms()))
            if now >= next_health:
                next_health = now + round(self._config.agent.health_every_s * 1000)
                self._send_health()
            if now >= next_prune:
                next_prune = now + _PRUNE_MS
                self._guarded("tidying", self._prune)
            if not worked:
                stop.wait(_POLL_S)

    def _take_results(self) -> None:
        if self._engine.arrivals(self._clock.utc_ms()):
            self._wake()

    def _wake(self) -> None:
        self._sms.wake()
        if self._link is not None:
            self._link.wake()

    def _guarded(self, what: str, act: Any) -> None:
        """Do it; a disk that refuses, or stored data that is damaged, is a named state of health, and the next round
        tries again. Nothing else stops for it."""
        try:
            act()
        except DamagedError:
            raise
        except PatrolError as error:
            if what not in self._problems:
                _log.error("%s: %s", what, error)
            self._problems[what] = f"{kind_of(error)}: {error}"
        else:
            self._problems.pop(what, None)

    # Results and messages, in the workers' threads and transactions: they only store

    def _on_sms_result(self, db: sqlite3.Connection, item: OutboxItem, result: SmsResult | Held) -> None:
        case_id = str(item.meta["case_id"])
        if isinstance(result, Held):
            body = {"until_ms": result.until_ms, "reason": result.reason}
            self._store.arrive(db, "notice_held", case_id, body, f"{item.key}#held-{result.until_ms}")
            return
        if isinstance(result, Accepted):
            self._store.arrive(db, "notice_accepted", case_id, {}, f"{item.key}#result")
            return
        reason = (
            result.reason
            if isinstance(result, Refused)
            else f"nobody knows whether the warning went out: {result.reason}"
        )
        self._store.arrive(db, "notice_refused", case_id, {"reason": reason}, f"{item.key}#result")

    def _on_inbox(
        self, db: sqlite3.Connection, message: Accept | Refuse | Outcome | NoticeResult | RecheckRequest
    ) -> None:
        if isinstance(message, RecheckRequest):
            self._rechecks.ask(message, self._clock.utc_ms())
        elif isinstance(message, Outcome):
            body: dict[str, Any] = {"outcome_id": message.outcome_id, "result": message.result}
            self._store.arrive(db, "outcome", message.case_id, body, f"outcome/{message.outcome_id}")
        elif isinstance(message, NoticeResult):
            kind, body = answer_of(message)
            self._store.arrive(db, kind, message.case_id, body, f"notice/{message.result_id}")
        elif isinstance(message, Refuse) and message.key.endswith("/notice"):
            self._store.arrive(db, "notice_refused", *refused_request(message), f"{message.key}#refused")

    # Time, health, tidying

    def _note_time_base(self) -> None:
        saved = self._store.meta("time_base")
        if saved is None:
            # Before the first picture: what is remembered of one is of no use where nobody knows by which clock.
            self._mark_time()
            return
        now = self._mark()
        step = step_since(
            Mark.model_validate_json(saved), boot=now.boot, utc_ms=now.utc_ms, monotonic_ms=now.monotonic_ms
        )
        if abs(step) > _CLOCK_STEP_MS:
            _log.warning(
                "clock_step: time stepped by %+.1f s while the agent was off; running clocks keep what was left",
                step / 1000,
            )
        if step:
            self._engine.step_clock(step, now.model_dump_json())

    def _mark(self) -> Mark:
        return Mark(boot=boot_id(), utc_ms=self._clock.utc_ms(), monotonic_ms=self._clock.monotonic_ms())

    def _mark_time(self) -> None:
        mark = self._mark()
        with self._store.transaction():
            self._store.set_meta("time_base", mark.model_dump_json())

    def _prune(self) -> None:
        now = self._clock.utc_ms()
        with self._store.transaction() as db:
            outbox.prune(db, now - _KEEP_OUTBOX_MS)
            prune_rests(db, now, self._config.rests.keep_days)

    def health(self, now: Millis | None = None) -> AgentHealth:
        """What the agent would report now."""
        problems = [
            *self._problems.values(),
            *self._sms.problems,
            *self._zones.problems,
            *self._rounds.problems,
        ]
        problems.extend(feed.problem for feed in self._feeds.values() if feed.problem is not None)
        if self._link is not None:
            problems.extend(self._link.problems)
        problems.extend(self._engine.rules.problems(self._zones.files(), self._clock.utc_ms()))
        problems.extend(self._safe.problems(self._store, now or self._clock.utc_ms()))
        if abs(self._clock.wall_error_ms()) > _CLOCK_STEP_MS:
            problems.append(
                f"clock_step: the wall clock moved by {self._clock.wall_error_ms() / 1000:+.1f} s since the start; "
                "restart the agent when no case is open"
            )
        return AgentHealth(
            jurisdiction_id=self._identity.jurisdiction_id,
            agent_id=self._identity.agent_id,
            at_ms=now or self._clock.utc_ms(),
            version=version("street-patrol"),
            cameras=tuple(
                feed.source.health().model_copy(update={"zones": self._zones.told(camera_id)})
                for camera_id, feed in self._feeds.items()
            ),
            outbox_waiting=outbox.waiting(self._store.db).total,
            open_cases=self._engine.open_cases,
            problems=tuple(dict.fromkeys(problems)),
        )

    def _send_bays(self) -> None:
        if self._link is None:
            return
        now = self._clock.utc_ms()
        for camera_id, camera in self._engine.cameras.items():
            if camera.bays is None:
                continue
            report = camera.bays.report(
                self._identity.jurisdiction_id, self._identity.agent_id, camera_id, now
            )
            if report is not None and self._link.publish_bays(report):
                camera.bays.told(report)

    def _send_health(self) -> None:
        health = self.health()
        for problem in health.problems:
            if problem not in self._complaints:
                _log.warning("%s", problem)
        for name in sorted({p.partition(":")[0] for p in self._complaints.difference(health.problems)}):
            if not any(p.startswith(f"{name}:") for p in health.problems):
                _log.warning("%s: over", name)
        self._complaints = frozenset(health.problems)
        if self._link is not None:
            self._link.publish_health(health)
