"""Room for pictures that are decoded and not looked at yet, of all cameras together.

Whoever decodes ahead of those who look takes the processor from them, and six megabytes a picture of 1080p.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict

AHEAD = 8
"""Pictures a core that may wait to be looked at."""

LATE_S = 0.5
"""Who has waited so long for a place is late."""


class Room:
    """Places for pictures. Who comes when all are taken waits, and those who wait go in in the order in which they came.

    Args:
        places: how many there are.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._lock = threading.Lock()
        self._inside = 0
        self._queue: OrderedDict[threading.Event, float] = OrderedDict()

    @property
    def crowded(self) -> bool:
        """Whether somebody is late: there is more to look at than is looked at."""
        with self._lock:
            since_s = next(iter(self._queue.values()), None)
            late = since_s is not None and time.monotonic() - since_s >= LATE_S
            return late or self._inside > self._places

    @property
    def waiting(self) -> int:
        """Who waits for a place."""
        return len(self._queue)

    @property
    def inside(self) -> int:
        """Places that are taken."""
        return self._inside

    def enter(self, patience_s: float, turn: threading.Event | None = None) -> None:
        """Take a place, after waiting for one at most so long: who has lost patience goes in all the same, for nobody
        promises that the others' pictures are ever looked at. `turn`: who waits with it goes in at once when it is set."""
        turn = turn or threading.Event()
        with self._lock:
            if patience_s <= 0 or (self._inside < self._places and not self._queue):
                self._inside += 1
                return
            self._queue[turn] = time.monotonic()
        turn.wait(patience_s)
        with self._lock:
            if turn in self._queue:
                del self._queue[turn]
                self._inside += 1

    def leave(self) -> None:
        """Give a place back, or pass it on."""
        with self._lock:
            if self._queue and self._inside <= self._places:
                self._queue.popitem(last=False)[0].set()
            else:
                self._inside -= 1


ROOM = Room(AHEAD * len(os.sched_getaffinity(0)))
"""The process's."""
