"""One timer for all cameras, so that two hundred of them wake the process no oftener than one."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import math
from collections.abc import Callable

GRID_S = 0.004
"""Pictures go out on this grid of seconds: a tenth of a frame's time at 25 pictures a second, and at most 250
wake-ups a second whatever the number of cameras. RTP timestamps are exact all the same."""

log = logging.getLogger(__name__)

Fire = Callable[[float], float | None]
"""Does what is due at an instant and returns when it is to be called again (loop time), or None."""


class Pacer:
    """Calls many callbacks at their times, many of them per wake-up."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._heap: list[tuple[float, int, Fire]] = []
        self._numbers = itertools.count()
        self._handle: asyncio.TimerHandle | None = None
        self._wake_at = math.inf

    def schedule(self, due: float, fire: Fire) -> None:
        """Call `fire` at loop time `due` or up to one grid step later, never from within this call."""
        heapq.heappush(self._heap, (due, next(self._numbers), fire))
        self._arm()

    def close(self) -> None:
        """Forget everything that was scheduled."""
        self._heap.clear()
        if self._handle is not None:
            self._handle.cancel()

    def _arm(self) -> None:
        if not self._heap:
            return
        at = math.ceil(self._heap[0][0] / GRID_S) * GRID_S
        if at >= self._wake_at:
            return
        if self._handle is not None:
            self._handle.cancel()
        self._wake_at = at
        self._handle = self._loop.call_at(at, self._wake)

    def _wake(self) -> None:
        self._handle, self._wake_at = None, math.inf
        now = self._loop.time()
        heap = self._heap
        while heap and heap[0][0] <= now:
            _, _, fire = heapq.heappop(heap)
            try:
                again = fire(now)
            except Exception:
                log.exception("a camera failed and stopped; the others go on")
                continue
            if again is not None:
                heapq.heappush(heap, (again, next(self._numbers), fire))
        self._arm()
