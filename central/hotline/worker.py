"""The process that reminds of what is late and talks with the city platform. Any number may run, and die at any time."""

from __future__ import annotations

import logging

import requests

from central.hotline import config, errands
from central.hotline.city.exchange import turn
from central.hotline.city.link import CityLink
from central.live import beats
from central.live.work import Worker, run_here
from central.project import faults
from protocol.clock import Clock
from protocol.errors import PatrolError

log = logging.getLogger(__name__)

POLL_S = 0.5
REMIND_EVERY_MS = 15_000


class HotlineWorker(Worker):
    """Works until told to stop."""

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(beats.HOTLINE, clock=clock)
        self._session = requests.Session()

    def _work(self) -> None:
        try:
            self._take_turns(self.turn, POLL_S)
        finally:
            self._session.close()

    def turn(self) -> bool:
        """Once around; whether anything was done.

        Raises:
            DatabaseError, InterfaceError: the database cannot be used; nothing is lost.
        """
        worked = self._is_due("remind", REMIND_EVERY_MS) and errands.remind() > 0
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
    run_here(HotlineWorker())
