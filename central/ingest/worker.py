"""The ingest process: takes messages in batches, commits, then acknowledges and answers; sends letters.

Any number may run; each holds one numbered slot and with it one session at the broker. A batch is one
transaction with a savepoint per message. Only after its commit does the broker hear an acknowledgement and
the agent an `Accept`, so killing this process at any point repeats work and loses none.
"""

from __future__ import annotations

import fcntl
import logging
import os
import queue
import secrets
from collections import defaultdict
from pathlib import Path
from typing import IO

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection

from central.bays import services as bays
from central.driver import picture as driver_views
from central.fleet.services import take_due_letters
from central.ingest import intake, state
from central.ingest.link import Incoming, Link
from central.live import beats
from central.live import services as live
from central.live.work import DATABASE_RETRY_S, Worker, first_line, run_here
from central.notices import services as notices
from central.owners import services as owners
from central.people import services as people
from central.project.broker import Broker
from protocol.errors import UnavailableError
from protocol.messages import Accept, Refuse
from protocol.topics import AgentTopics

log = logging.getLogger(__name__)

BATCH = 32
IDLE_S = 0.1
"""How long the loop waits for a message before it looks at letters and its heartbeat."""

GATHER_S = 0.08
"""How long it waits for others after the first: five messages in one transaction cost two thirds of five transactions,
and a message has a second to reach its officer."""

LETTERS_EVERY_MS = 250
SWEEP_EVERY_MS = 60_000
SLOTS = 64


class Slot:
    """One of a few numbered places, held as long as the process lives: a lock that the kernel lets go of.

    Args:
        data: the data folder.
        kind: of worker; each kind has places of its own.

    Raises:
        UnavailableError: all are taken, or the data folder cannot be written.
    """

    def __init__(self, data: Path, kind: str = "ingest") -> None:
        folder = data / kind
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.installation = _installation(folder / "installation")
            for number in range(SLOTS):
                file = (folder / f"slot-{number}.lock").open("a")
                if _locked(file):
                    self._file = file
                    self.number = number
                    return
                file.close()
        except OSError as error:
            raise UnavailableError(
                f"the {kind} worker cannot hold its place: {error.strerror}", file=folder
            ) from error
        raise UnavailableError(f"{SLOTS} {kind} workers run already", file=folder)

    @property
    def client_id(self) -> str:
        """This worker's name at the broker, the same after a restart."""
        return f"patrol-central-{self.installation}-{self.number}"

    def release(self) -> None:
        """Let the next worker have it."""
        self._file.close()


class IngestWorker(Worker):
    """One worker; `run` returns after `stop`."""

    def __init__(self, broker: Broker, slot: Slot) -> None:
        self._name = f"{slot.installation}-{slot.number}"
        super().__init__(beats.INGEST, f"ingest-{self._name}")
        self._link = Link(broker, slot.client_id)
        self._trouble: tuple[str, str] | None = None
        self._taken = 0
        self._reported: tuple[str, str] | None = None

    def _work(self) -> None:
        self._link.start()
        try:
            while not self._stop.is_set():
                batch = self._next_batch()
                if batch:
                    self._take(batch)
                self._upkeep()
        finally:
            self._link.stop()
            try:
                state.beat(self._name, state.STOPPED, "", self._taken)
            except DatabaseError:
                log.warning("the last heartbeat could not be written")

    def _next_batch(self) -> list[Incoming]:
        try:
            batch = [self._link.incoming.get(timeout=IDLE_S)]
        except queue.Empty:
            return []
        ends_ms = self._clock.monotonic_ms() + GATHER_S * 1000
        while len(batch) < BATCH and not self._stop.is_set():
            left = max(0.0, ends_ms - self._clock.monotonic_ms()) / 1000
            try:
                batch.append(
                    self._link.incoming.get(timeout=left) if left else self._link.incoming.get_nowait()
                )
            except queue.Empty:
                break
        return batch

    def _take(self, batch: list[Incoming]) -> None:
        """Apply, commit, acknowledge, answer. Tries for as long as database or disk fail; they come back."""
        messages = [(message.topic, message.payload) for message in batch]
        wait = DATABASE_RETRY_S[0]
        while True:
            try:
                answers = intake.take_all(messages)
                break
            except (OperationalError, InterfaceError) as error:
                self._pulse.failed(error)
                self._in_trouble("database_unavailable", first_line(error))
                connection.close()
            except OSError as error:
                self._in_trouble(state.DISK_FULL, f"a picture could not be written: {error.strerror}")
            if self._stop.wait(wait):
                return
            wait = min(wait * 2, DATABASE_RETRY_S[1])
        self._trouble = None
        self._taken += len(batch)
        beats.count("ingest_messages", "accepted", sum(answer.accepted is not None for answer in answers))
        beats.count("ingest_messages", "refused", sum(answer.refused is not None for answer in answers))
        self._link.acknowledge(batch)
        self._answer(answers)

    def _answer(self, answers: list[intake.Answer]) -> None:
        accepted: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
        for answer in answers:
            agent = (answer.jurisdiction_id, answer.agent_id)
            if answer.accepted is not None:
                accepted[agent][answer.accepted] = None
            if answer.refused is not None:
                refuse = Refuse(key=answer.refused, reason=answer.reason)
                self._link.publish(AgentTopics(*agent).of("inbox"), refuse.model_dump_json())
        for agent, keys in accepted.items():
            accept = Accept(keys=tuple(keys))
            self._link.publish(AgentTopics(*agent).of("inbox"), accept.model_dump_json())

    def _upkeep(self) -> None:
        """Heartbeat, letters that are due, old rows."""
        try:
            current = self._trouble or self._link.state
            if self._is_due("beat", state.BEAT_MS) or current != self._reported:
                state.beat(self._name, *current, self._taken)
                self._reported = current
            if current[0] == state.CONNECTED:
                self._pulse.worked()
            self._pulse.beat(beats.WORKING if current[0] == state.CONNECTED else current[0], current[1])
            if current[0] == state.CONNECTED and self._is_due("letters", LETTERS_EVERY_MS):
                for letter in take_due_letters():
                    topic = AgentTopics(letter.jurisdiction_id, letter.agent_id).of("inbox")
                    self._link.publish(topic, letter.payload)
            if self._is_due("sweep", SWEEP_EVERY_MS):
                live.sweep()
                intake.sweep()
                people.sweep()
                bays.sweep()
                owners.sweep()
                notices.sweep()
                driver_views.sweep()
        except DatabaseError as error:
            self._pulse.failed(error)
            self._in_trouble("database_unavailable", first_line(error))
            connection.close()
            self._stop.wait(DATABASE_RETRY_S[0])

    def _in_trouble(self, name: str, reason: str) -> None:
        if self._trouble is None or self._trouble[0] != name:
            log.warning("ingest: %s, %s; trying again", name, reason)
        self._trouble = (name, reason)


def run_worker() -> None:
    """Run one worker in this process until SIGTERM or Ctrl-C.

    Raises:
        UnavailableError: no place is free.
        PatrolError: the broker's settings are wrong.
    """
    slot = Slot(settings.PATROL.data)
    try:
        run_here(IngestWorker(settings.PATROL.broker, slot))
    finally:
        slot.release()


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _installation(path: Path) -> str:
    """A short random name of this installation, made once, so that two centres can share a broker."""
    if not path.exists():
        draft = path.with_name(f".installation.{os.getpid()}.{secrets.token_hex(4)}")
        draft.write_text(secrets.token_hex(4))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
