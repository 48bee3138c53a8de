"""The process that finds officers: offers what waits, ends what nobody answered, tells devices. Any number may run."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import threading

from django.conf import settings
from django.db import DatabaseError, connection

from central.dispatch import lease, rerouting
from central.dispatch.pushes import Pushes
from central.ingest.link import Link
from central.ingest.state import CONNECTED
from central.live import beats
from central.project.broker import Broker
from protocol.clock import SystemClock

log = logging.getLogger(__name__)

POLL_S = 0.1
"""How long it rests when nothing is due: a tenth of the second within which a task must reach its officer."""

SWEEP_EVERY_MS = 60_000
REROUTE_EVERY_MS = 1_000
"""Grids are handed over a few times a day."""

DATABASE_RETRY_S = (0.2, 10.0)


class DispatchWorker:
    """One worker; `run` returns after `stop`. A broker that is away keeps nobody from being asked: pages follow anyway."""

    def __init__(self, broker: Broker) -> None:
        name = f"patrol-dispatch-{os.getpid()}-{secrets.token_hex(4)}"
        self._link = Link(broker, name, filters=(), session_s=0)
        self._pushes = Pushes(self._link.publish_for)
        self._stop = threading.Event()
        self._clock = SystemClock()
        self._pulse = beats.Pulse(beats.DISPATCH, clock=self._clock)
        self._swept_ms: int | None = None
        self._reroute_ms = 0

    def stop(self) -> None:
        """Finish what is in hand, then leave. Safe to call from a signal handler."""
        self._stop.set()

    def run(self) -> None:
        """Work until told to stop."""
        self._link.start()
        wait = DATABASE_RETRY_S[0]
        try:
            while not self._stop.is_set():
                try:
                    moved = self._turn()
                    self._pulse.worked()
                    state, reason = self._link.state
                    self._pulse.beat(beats.WORKING if state == CONNECTED else state, reason)
                except DatabaseError as error:
                    self._pulse.failed(error)
                    log.warning(
                        "dispatch: the database fails: %s; trying again", str(error).strip().splitlines()[0]
                    )
                    connection.close()
                    self._stop.wait(wait)
                    wait = min(wait * 2, DATABASE_RETRY_S[1])
                    continue
                wait = DATABASE_RETRY_S[0]
                if moved < lease.BATCH:
                    self._stop.wait(POLL_S)
        finally:
            self._link.stop()
            self._pulse.stop()
            connection.close()

    def _reroute(self) -> int:
        now = self._clock.monotonic_ms()
        if now < self._reroute_ms:
            return 0
        done = rerouting.work()
        self._reroute_ms = now if done else now + REROUTE_EVERY_MS
        return done

    def _turn(self) -> int:
        moved = self._reroute() + lease.work()
        if self._link.state[0] == CONNECTED:
            self._pushes.work()
        else:
            self._pushes.forget()
        now = self._clock.monotonic_ms()
        if self._swept_ms is None or now - self._swept_ms >= SWEEP_EVERY_MS:
            lease.sweep()
            self._swept_ms = now
        return moved


def run_worker() -> None:
    """Run one worker in this process until SIGTERM or Ctrl-C."""
    worker = DispatchWorker(settings.PATROL.broker)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    worker.run()
