"""The process that tells other systems. Any number may run; each has a few threads."""

from __future__ import annotations

import threading

from central.live import beats
from central.live.work import Worker, run_here
from central.webhooks import courier
from protocol.clock import Clock

THREADS = 4
POLL_S = 0.3
SWEEP_MS = 3_600_000


class WebhookWorker(Worker):
    """Threads that carry events until told to stop; each subscription is served by one of them at a time."""

    def __init__(self, clock: Clock | None = None, threads: int = THREADS) -> None:
        super().__init__(beats.WEBHOOKS, clock=clock)
        self._threads = threads
        self._lock = threading.Lock()
        self._busy: set[int] = set()
        self._swept_ms: int | None = None

    def _work(self) -> None:
        self._in_threads(self._threads, lambda: self._take_turns(self._turn, POLL_S))

    def _turn(self) -> bool:
        worked = self._carry()
        self._pulse.worked()
        self._pulse.beat()
        return worked

    def _carry(self) -> bool:
        with self._lock:
            found = courier.claim(self._busy)
            if found is None:
                self._sweep()
                return False
            self._busy.add(found.subscription_id)
        try:
            if not found.ended_at_ms:
                courier.carry(found)
        finally:
            with self._lock:
                self._busy.discard(found.subscription_id)
        return True

    def _sweep(self) -> None:
        now = self._clock.monotonic_ms()
        if self._swept_ms is None or now - self._swept_ms >= SWEEP_MS:
            courier.sweep()
            self._swept_ms = now


def run_worker() -> None:
    """Run one worker in this process until SIGTERM or Ctrl-C."""
    run_here(WebhookWorker())
