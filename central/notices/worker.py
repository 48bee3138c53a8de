"""The process that hands warnings to the gateway. Any number may run; each has a few threads."""

from __future__ import annotations

import logging
import signal
import threading

from django.db import DatabaseError, InterfaceError, connection

from central.contact import reporters
from central.contact.carrier import Carrier
from central.live import beats
from central.notices import config
from central.notices.courier import Courier, status_url
from notifier.sms import make_gateway
from protocol.clock import Clock, SystemClock
from protocol.errors import PatrolError

log = logging.getLogger(__name__)

POLL_S = 0.2
"""How long a thread rests when nothing is due: a small part of the seconds within which a message must leave."""

DATABASE_RETRY_S = (0.5, 10.0)
RELOAD_S = 5.0
CATCH_UP_MS = 60_000


class NoticeWorker:
    """Threads that carry notices until told to stop."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._stop = threading.Event()
        self._turn = threading.Lock()
        self._catch_up_at_ms = 0
        self._pulse = beats.Pulse(beats.NOTICES, clock=self._clock)

    def stop(self) -> None:
        """Finish what is in hand, then leave. Safe to call from a signal handler."""
        self._stop.set()

    def run(self) -> None:
        """Work until told to stop. A configuration that cannot be used is tried again until somebody mends it: what
        was asked for waits meanwhile, and gives up in time."""
        try:
            self._work()
        finally:
            self._pulse.stop()
            connection.close()

    def _work(self) -> None:
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
            threads = [
                threading.Thread(
                    target=self._carry, args=(courier, carrier), name=f"notices {number}", daemon=True
                )
                for number in range(conf.parallel)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    def _say(self, trouble: str) -> None:
        try:
            self._pulse.beat(beats.TROUBLE, trouble)
        except DatabaseError as error:
            self._pulse.failed(error)
            connection.close()

    def _carry(self, courier: Courier, carrier: Carrier) -> None:
        """One thread's work, until told to stop or the configuration has changed."""
        wait = DATABASE_RETRY_S[0]
        try:
            while not self._stop.is_set() and _current(courier):
                try:
                    # Owners first: their clock runs. Then whoever else is written to.
                    worked = courier.run_once() or carrier.run_once() or self._catch_up()
                    self._pulse.worked()
                    self._pulse.beat()
                except (DatabaseError, InterfaceError) as error:
                    self._pulse.failed(error)
                    log.warning(
                        "notices: the database fails: %s; trying again", str(error).strip().splitlines()[0]
                    )
                    connection.close()
                    self._stop.wait(wait)
                    wait = min(wait * 2, DATABASE_RETRY_S[1])
                    continue
                wait = DATABASE_RETRY_S[0]
                if not worked:
                    self._stop.wait(POLL_S)
        finally:
            connection.close()

    def _catch_up(self) -> bool:
        """Now and then: steps that reporters could not be told of when they were taken."""
        now = self._clock.monotonic_ms()
        with self._turn:
            if now < self._catch_up_at_ms:
                return False
            self._catch_up_at_ms = now + CATCH_UP_MS
        return reporters.catch_up() > 0


def _current(courier: Courier) -> bool:
    """Whether the configuration is still the one that this courier was made with."""
    try:
        return config.load() is courier.conf
    except PatrolError:
        return False


def run_worker() -> None:
    """Run one worker in this process until SIGTERM or Ctrl-C."""
    worker = NoticeWorker()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    worker.run()
