"""The process that reminds of what is late and talks with the city platform. Any number may run, and die at any time."""

from __future__ import annotations

import logging
import signal
import threading

import requests
from django.db import DatabaseError, InterfaceError, connection

from central.hotline import config, errands
from central.hotline.city.exchange import turn
from central.hotline.city.link import CityLink
from central.live import beats
from central.project import faults
from protocol.clock import Clock, SystemClock
from protocol.errors import PatrolError

log = logging.getLogger(__name__)

POLL_S = 0.5
REMIND_EVERY_MS = 15_000
DATABASE_RETRY_S = (0.5, 10.0)


class HotlineWorker:
    """Works until told to stop."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._stop = threading.Event()
        self._pulse = beats.Pulse(beats.HOTLINE, clock=self._clock)
        self._session = requests.Session()
        self._reminded_ms: int | None = None

    def stop(self) -> None:
        """Finish what is in hand, then leave. Safe to call from a signal handler."""
        self._stop.set()

    def run(self) -> None:
        """Work until told to stop; the database may come and go."""
        wait = DATABASE_RETRY_S[0]
        try:
            while not self._stop.is_set():
                try:
                    worked = self.turn()
                except (DatabaseError, InterfaceError) as error:
                    self._pulse.failed(error)
                    log.warning("hotline: the database fails: %s", str(error).strip().splitlines()[0])
                    connection.close()
                    self._stop.wait(wait)
                    wait = min(wait * 2, DATABASE_RETRY_S[1])
                    continue
                wait = DATABASE_RETRY_S[0]
                if not worked:
                    self._stop.wait(POLL_S)
        finally:
            self._pulse.stop()
            self._session.close()
            connection.close()

    def turn(self) -> bool:
        """Once around; whether anything was done.

        Raises:
            DatabaseError, InterfaceError: the database cannot be used; nothing is lost.
        """
        now = self._clock.monotonic_ms()
        worked = False
        if self._reminded_ms is None or now - self._reminded_ms >= REMIND_EVERY_MS:
            self._reminded_ms = now
            worked = errands.remind() > 0
        try:
            conf = config.load()
            if conf.city is not None:
                worked = turn(CityLink(conf.city, self._session), conf) or worked
        except PatrolError as error:
            self._pulse.beat(beats.TROUBLE, error.problem)
            return worked
        except Exception as error:
            if not faults.of_this_alone(error):
                raise
            # An error of our own with one order must neither stop the reminders nor kill the process.
            log.exception("hotline: an internal error")
            self._pulse.beat(beats.TROUBLE, "an internal error; see the log")
            return False
        self._pulse.worked()
        self._pulse.beat()
        return worked


def run_worker() -> None:
    """Run one worker in this process until SIGTERM or Ctrl-C."""
    worker = HotlineWorker()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    worker.run()
