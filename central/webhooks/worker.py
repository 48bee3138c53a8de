"""The process that tells other systems. Any number may run; each has a few threads."""

from __future__ import annotations

import logging
import signal
import threading

from django.db import DatabaseError, connection

from central.live import beats
from central.webhooks import courier
from protocol.clock import Clock, SystemClock

log = logging.getLogger(__name__)

THREADS = 4
POLL_S = 0.3
SWEEP_MS = 3_600_000
DATABASE_RETRY_S = (0.5, 10.0)


class WebhookWorker:
    """Threads that carry events until told to stop; each subscription is served by one of them at a time."""

    def __init__(self, clock: Clock | None = None, threads: int = THREADS) -> None:
        self._clock = clock or SystemClock()
        self._stop = threading.Event()
        self._pulse = beats.Pulse(beats.WEBHOOKS, clock=self._clock)
        self._threads = threads
        self._lock = threading.Lock()
        self._busy: set[int] = set()
        self._swept_ms: int | None = None

    def stop(self) -> None:
        """Finish what is in hand, then leave. Safe to call from a signal handler."""
        self._stop.set()

    def run(self) -> None:
        """Work until told to stop."""
        threads = [
            threading.Thread(target=self._carry, name=f"webhooks {number}", daemon=True)
            for number in range(self._threads)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._pulse.stop()
        connection.close()

    def _carry(self) -> None:
        wait = DATABASE_RETRY_S[0]
        try:
            while not self._stop.is_set():
                try:
                    worked = self._turn()
                    self._pulse.worked()
                    self._pulse.beat()
                except DatabaseError as error:
                    self._pulse.failed(error)
                    log.warning("webhooks: the database fails: %s", str(error).strip().splitlines()[0])
                    connection.close()
                    self._stop.wait(wait)
                    wait = min(wait * 2, DATABASE_RETRY_S[1])
                    continue
                wait = DATABASE_RETRY_S[0]
                if not worked:
                    self._stop.wait(POLL_S)
        finally:
            connection.close()

    def _turn(self) -> bool:
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
    worker = WebhookWorker()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    worker.run()
