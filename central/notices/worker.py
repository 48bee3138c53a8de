"""The process that hands warnings to the gateway. Any number may run; each has a few threads."""

from __future__ import annotations

import logging
import threading
from functools import partial

from django.db import DatabaseError, connection

from central.contact import reporters
from central.contact.carrier import Carrier
from central.live import beats
from central.live.work import Worker, run_here
from central.notices import config
from central.notices.courier import Courier, status_url
from notifier.sms import make_gateway
from protocol.clock import Clock
from protocol.errors import PatrolError

log = logging.getLogger(__name__)

POLL_S = 0.2
"""How long a thread rests when nothing is due: a small part of the seconds within which a message must leave."""

RELOAD_S = 5.0
CATCH_UP_MS = 60_000


class NoticeWorker(Worker):
    """Threads that carry notices until told to stop."""

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(beats.NOTICES, clock=clock)
        self._turn = threading.Lock()

    def _work(self) -> None:
        """A configuration that cannot be used is tried again until somebody mends it: what was asked for waits
        meanwhile, and gives up in time."""
        while not self._stop.is_set():
            try:
                conf = config.load()
                gateway = make_gateway(conf.sms, self._clock, status_url=status_url())
            except PatrolError as error:
                log.error("notices: %s", error)
                self._say(str(error))
                self._stop.wait(RELOAD_S)
                continue
            courier = Courier(gateway, conf)
            carrier = Carrier(
                gateway, conf.sms.gateway, conf.policy_of, round(conf.sms.longest_call_s * 1000)
            )
            self._in_threads(conf.parallel, partial(self._carry, courier, carrier))

    def _say(self, trouble: str) -> None:
        try:
            self._pulse.beat(beats.TROUBLE, trouble)
        except DatabaseError as error:
            self._pulse.failed(error)
            connection.close()

    def _carry(self, courier: Courier, carrier: Carrier) -> None:
        """One thread's work, until told to stop or the configuration has changed."""

        def turn() -> bool:
            # Owners first: their clock runs. Then whoever else is written to.
            worked = courier.run_once() or carrier.run_once() or self._catch_up()
            self._pulse.worked()
            self._pulse.beat()
            return worked

        self._take_turns(turn, POLL_S, partial(_current, courier))

    def _catch_up(self) -> bool:
        """Now and then: steps that reporters could not be told of when they were taken."""
        with self._turn:
            if not self._is_due("catch up", CATCH_UP_MS):
                return False
        return reporters.catch_up() > 0


def _current(courier: Courier) -> bool:
    """Whether the configuration is still the one that this courier was made with."""
    try:
        return config.load() is courier.conf
    except PatrolError:
        return False


def run_worker() -> None:
    """Run one worker in this process until SIGTERM or Ctrl-C."""
    run_here(NoticeWorker())
