"""One thread per web process reads new changes and wakes the pages that follow them.

Polling one index five times a second is the same on SQLite and PostgreSQL, costs about a thousandth of a
core, and needs nothing beside the database. Numbers are given out before the commit, so on PostgreSQL a
lower number can appear after a higher one: each poll therefore looks back over the last seconds and skips
what it has already seen.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from django.db import DatabaseError, connection

from central.live.models import Change
from central.project import metrics
from protocol.clock import SystemClock

log = logging.getLogger(__name__)

POLL_S = 0.2
LOOK_BACK_MS = 10_000
"""Longer than any of our transactions lasts."""

Subscriber = tuple[asyncio.AbstractEventLoop, "asyncio.Queue[frozenset[str] | None]"]


class Feed:
    """Followers of changes in this process. The thread runs only while somebody follows."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscribers: set[Subscriber] = set()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._closed = False
        self._clock = SystemClock()

    @asynccontextmanager
    async def follow(self) -> AsyncIterator[asyncio.Queue[frozenset[str] | None]]:
        """A queue of sets of topics that changed, '*' meaning all; None ends it.

        It opens with '*', because something may have changed since the page was drawn.
        """
        queue: asyncio.Queue[frozenset[str] | None] = asyncio.Queue(maxsize=100)
        queue.put_nowait(frozenset({"*"}))
        subscriber = (asyncio.get_running_loop(), queue)
        metrics.followers.inc()
        with self._lock:
            if self._closed:
                queue.put_nowait(None)
            self._subscribers.add(subscriber)
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="live-feed", daemon=True)
                self._thread.start()
        try:
            yield queue
        finally:
            metrics.followers.dec()
            with self._lock:
                self._subscribers.discard(subscriber)

    def close(self) -> None:
        """End every follower, now and later: the server is stopping."""
        with self._lock:
            self._closed = True
            for loop, queue in self._subscribers:
                loop.call_soon_threadsafe(_offer, queue, None)
        self._stop.set()

    def _run(self) -> None:
        seen: dict[int, int] = {}
        floor: int | None = None
        while not self._stop.wait(POLL_S):
            with self._lock:
                if not self._subscribers:
                    self._thread = None
                    break
            try:
                if floor is None:
                    newest = Change.objects.order_by("-id").values_list("id", flat=True).first() or 0
                    floor = max(0, newest - 1000)
                    seen = dict.fromkeys(
                        Change.objects.filter(id__gt=floor).values_list("id", flat=True),
                        self._clock.monotonic_ms(),
                    )
                    self._tell(frozenset({"*"}))
                    continue
                rows = list(Change.objects.filter(id__gt=floor).values_list("id", "topic"))
            except DatabaseError as error:
                log.warning("following changes: %s; trying again", str(error).strip())
                connection.close()
                continue
            now = self._clock.monotonic_ms()
            topics = {topic for number, topic in rows if number not in seen}
            for number, _ in rows:
                seen.setdefault(number, now)
            old = [number for number, at in seen.items() if at < now - LOOK_BACK_MS]
            if old:
                floor = max(floor, *old)
                seen = {number: at for number, at in seen.items() if number > floor}
            if topics:
                self._tell(frozenset(topics))
        connection.close()

    def _tell(self, topics: frozenset[str]) -> None:
        with self._lock:
            for loop, queue in self._subscribers:
                loop.call_soon_threadsafe(_offer, queue, topics)


def _offer(queue: asyncio.Queue[frozenset[str] | None], topics: frozenset[str] | None) -> None:
    """Hand over without waiting; a page that reads nothing for long is told once that all may have changed."""
    if queue.full():
        while not queue.empty():
            queue.get_nowait()
        topics = None if topics is None else frozenset({"*"})
    queue.put_nowait(topics)


feed = Feed()
"""This process's feed."""
