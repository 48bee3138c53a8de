"""What every worker's process does: turns until it is told to stop, patience with a database that fails, a beating heart."""

from __future__ import annotations

import logging
import signal
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable

from django.db import DatabaseError, InterfaceError, connection

from central.live import beats
from protocol.clock import Clock, SystemClock

log = logging.getLogger(__name__)

DATABASE_RETRY_S = (0.2, 10.0)
"""How long to wait after the first failure of the database, and at most after many."""


class Worker(ABC):
    """One worker; `run` returns after `stop`.

    Args:
        kind: one of `beats.KINDS`.
        name: how this process is known; see `beats.Pulse`.
        clock: for whatever is done now and then.
    """

    def __init__(self, kind: str, name: str = "", clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._stop = threading.Event()
        self._pulse = beats.Pulse(kind, name, self._clock)
        self._due: dict[str, int] = {}

    def stop(self) -> None:
        """Finish what is in hand, then leave. Safe to call from a signal handler."""
        self._stop.set()

    def run(self) -> None:
        """Work until told to stop; the database may come and go."""
        try:
            self._work()
        finally:
            self._pulse.stop()
            connection.close()

    @abstractmethod
    def _work(self) -> None:
        """All that is done until told to stop."""

    def _take_turns(
        self, turn: Callable[[], bool], rest_s: float, goes_on: Callable[[], bool] = lambda: True
    ) -> None:
        """Take turns until told to stop; threads may do so side by side.

        Args:
            turn: does what is due and tells the pulse; returns whether more may be due at once.
            rest_s: how long to rest when nothing is.
            goes_on: asked before each turn; the end where it says no.
        """
        wait = DATABASE_RETRY_S[0]
        while not self._stop.is_set() and goes_on():
            try:
                more = turn()
            except (DatabaseError, InterfaceError) as error:
                self._database_failed(error)
                self._stop.wait(wait)
                wait = min(wait * 2, DATABASE_RETRY_S[1])
                continue
            wait = DATABASE_RETRY_S[0]
            if not more:
                self._stop.wait(rest_s)

    def _is_due(self, name: str, every_ms: int) -> bool:
        """Whether something that is done now and then is to be done now; it counts as done when asked."""
        now = self._clock.monotonic_ms()
        if now < self._due.get(name, 0):
            return False
        self._due[name] = now + every_ms
        return True

    def _in_threads(self, number: int, work: Callable[[], None]) -> None:
        """The same work in several threads, to their end."""

        def one() -> None:
            try:
                work()
            finally:
                connection.close()

        threads = [
            threading.Thread(target=one, name=f"{self._pulse.kind} {each}", daemon=True)
            for each in range(number)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _database_failed(self, error: Exception) -> None:
        """Count and tell a failure of the database, and let go of a connection that may be dead."""
        self._pulse.failed(error)
        log.warning("%s: the database fails: %s; trying again", self._pulse.kind, first_line(error))
        connection.close()


def run_here(worker: Worker) -> None:
    """Run a worker in this process until SIGTERM or Ctrl-C."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    worker.run()


def first_line(error: Exception) -> str:
    """What an error says, without the statement that a database's repeats."""
    return (str(error).strip().splitlines() or ["unknown"])[0]
