"""One thread that reads every camera's connection a few times a second.

Nothing here waits for one camera: the kernel collects what cameras send, and each round takes all of it with one
system call per camera. That is why a round is rare; a 25 Hz camera would otherwise wake the process 25 times a second.
"""

from __future__ import annotations

import logging
import threading
from typing import Protocol

TICK_S = 0.2
"""Seconds between two rounds. A picture is at most this much older than it could be."""

SCRATCH_BYTES = 1024 * 1024
"""Shared by all connections; what one has left of a packet is kept apart until the next round."""

log = logging.getLogger(__name__)


class Link(Protocol):
    """One connection that is read."""

    def read(self, scratch: bytearray, view: memoryview) -> bool:
        """Take what has come. False when it is over. Must not wait and not raise."""


class Hub:
    """Reads all links in turn. Its thread lives while there is any."""

    def __init__(self, tick_s: float = TICK_S) -> None:
        self._tick_s = tick_s
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._links: list[Link] = []
        self._running = False

    def add(self, link: Link) -> None:
        """Begin to read it."""
        with self._lock:
            self._links.append(link)
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="ingest-receive", daemon=True).start()

    def remove(self, link: Link) -> None:
        """Read it no longer. One read may still be under way."""
        with self._lock:
            if link in self._links:
                self._links.remove(link)
                self._wake.notify_all()

    def _run(self) -> None:
        scratch = bytearray(SCRATCH_BYTES)
        view = memoryview(scratch)
        while True:
            with self._lock:
                self._wake.wait_for(lambda: not self._links, self._tick_s)
                if not self._links:
                    self._running = False
                    return
                links = tuple(self._links)
            for link in links:
                try:
                    going = link.read(scratch, view)
                except Exception as error:
                    log.error("a connection could not be read: %s", type(error).__name__)
                    going = False
                if not going:
                    self.remove(link)


HUB = Hub()
"""The process's hub."""
