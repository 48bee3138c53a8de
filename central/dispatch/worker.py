"""The process that finds officers: offers what waits, ends what nobody answered, tells devices. Any number may run."""

from __future__ import annotations

import os
import secrets

from django.conf import settings

from central.dispatch import lease, rerouting
from central.dispatch.pushes import Pushes
from central.ingest.link import Link
from central.ingest.state import CONNECTED
from central.live import beats
from central.live.work import Worker, run_here
from central.project.broker import Broker

POLL_S = 0.1
"""How long it rests when nothing is due: a tenth of the second within which a task must reach its officer."""

SWEEP_EVERY_MS = 60_000
REROUTE_EVERY_MS = 1_000
"""Grids are handed over a few times a day."""


class DispatchWorker(Worker):
    """One worker; `run` returns after `stop`. A broker that is away keeps nobody from being asked: pages follow anyway."""

    def __init__(self, broker: Broker) -> None:
        super().__init__(beats.DISPATCH)
        name = f"patrol-dispatch-{os.getpid()}-{secrets.token_hex(4)}"
        self._link = Link(broker, name, filters=(), session_s=0)
        self._pushes = Pushes(self._link.publish_for)
        self._swept_ms: int | None = None
        self._reroute_ms = 0

    def _work(self) -> None:
        self._link.start()
        try:
            self._take_turns(self._turn, POLL_S)
        finally:
            self._link.stop()

    def _turn(self) -> bool:
        moved = self._move()
        self._pulse.worked()
        state, reason = self._link.state
        self._pulse.beat(beats.WORKING if state == CONNECTED else state, reason)
        return moved >= lease.BATCH

    def _reroute(self) -> int:
        now = self._clock.monotonic_ms()
        if now < self._reroute_ms:
            return 0
        done = rerouting.work()
        self._reroute_ms = now if done else now + REROUTE_EVERY_MS
        return done

    def _move(self) -> int:
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
    run_here(DispatchWorker(settings.PATROL.broker))
