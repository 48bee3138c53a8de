"""One thread that looks at all cameras of the process, whatever their own threads are stuck in."""

from __future__ import annotations

import logging
import threading
from typing import Protocol

TICK_S = 0.25
"""How often every camera is looked at."""

log = logging.getLogger(__name__)


class Watched(Protocol):
    """What the watchdog looks at."""

    def check(self) -> None:
        """Compare the time since the last sign of life with the limits. Must be quick and not raise."""


class Watchdog:
    """Calls `check` on everything that was added, four times a second. Its thread lives while there is any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watched: list[Watched] = []
        self._changed = threading.Condition(self._lock)
        self._running = False

    def add(self, watched: Watched) -> None:
        """Begin to look at it."""
        with self._lock:
            self._watched.append(watched)
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="ingest-watchdog", daemon=True).start()

    def remove(self, watched: Watched) -> None:
        """Look at it no longer. One check may still be under way."""
        with self._lock:
            if watched in self._watched:
                self._watched.remove(watched)
                self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._lock:
                self._changed.wait_for(lambda: not self._watched, TICK_S)
                if not self._watched:
                    self._running = False
                    return
                watched = tuple(self._watched)
            for one in watched:
                try:
                    one.check()
                except Exception as error:
                    log.error("a camera could not be checked: %s", type(error).__name__)


WATCHDOG = Watchdog()
"""The process's watchdog."""
