"""One thread per web process reads new changes and wakes the pages that follow them.

Polling one index ten times a second is the same on SQLite and PostgreSQL, costs about a thousandth of a
core, and needs nothing beside the database. Numbers are given out before the commit, so on PostgreSQL a
lower number can appear after a higher one: each poll therefore asks again for the numbers of the last seconds
that were left out.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Container
from contextlib import asynccontextmanager

from django.db import DatabaseError, connection
from django.db.models import Q

from central.live.models import Change
from central.project import metrics
from protocol.clock import SystemClock

log = logging.getLogger(__name__)

POLL_S = 0.1
LOOK_BACK_MS = 10_000
"""Longer than any of our transactions lasts. A number that is still missing then was given up."""

LOOK_BACK = 500
"""So many numbers below a new one may be missing; a sequence that jumped further has skipped the rest."""

Subscriber = tuple[asyncio.AbstractEventLoop, "asyncio.Queue[frozenset[str] | None]", "frozenset[str] | None"]


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
    async def follow(
        self, wanted: frozenset[str] | None = None
    ) -> AsyncIterator[asyncio.Queue[frozenset[str] | None]]:
        """A queue of sets of topics that changed, '*' meaning all; None ends it.

        It opens with '*', because something may have changed since the page was drawn.

        Args:
            wanted: nothing else wakes the follower; None for every topic.
        """
        queue: asyncio.Queue[frozenset[str] | None] = asyncio.Queue(maxsize=100)
        queue.put_nowait(frozenset({"*"}))
        subscriber = (asyncio.get_running_loop(), queue, wanted)
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
            for loop, queue, _ in self._subscribers:
                loop.call_soon_threadsafe(_offer, queue, None)
        self._stop.set()

    def _run(self) -> None:
        newest: int | None = None
        missing: dict[int, int] = {}
        while not self._stop.wait(POLL_S):
            with self._lock:
                if not self._subscribers:
                    self._thread = None
                    break
            now = self._clock.monotonic_ms()
            try:
                if newest is None:
                    found = dict(Change.objects.order_by("-id").values_list("id", "topic")[:LOOK_BACK])
                    newest = max(found, default=0)
                    missing = dict.fromkeys(_left_out(newest - LOOK_BACK, newest, found), now)
                    self._tell(frozenset({"*"}))
                    continue
                wanted = Q(id__gt=newest)
                if missing:
                    wanted |= Q(id__in=list(missing))
                found = dict(Change.objects.filter(wanted).values_list("id", "topic"))
            except DatabaseError as error:
                log.warning("following changes: %s; trying again", str(error).strip())
                connection.close()
                continue
            highest = max(found, default=newest)
            missing |= dict.fromkeys(_left_out(newest, highest, found), now)
            missing = {
                number: at
                for number, at in missing.items()
                if number not in found and at >= now - LOOK_BACK_MS
            }
            newest = max(newest, highest)
            topics = set(found.values())
            if topics:
                self._tell(frozenset(topics))
        connection.close()

    def _tell(self, topics: frozenset[str]) -> None:
        with self._lock:
            for loop, queue, wanted in self._subscribers:
                if wanted is None or "*" in topics or topics & wanted:
                    loop.call_soon_threadsafe(_offer, queue, topics)


def _left_out(after: int, last: int, found: Container[int]) -> list[int]:
    """Numbers above `after` and below `last` that were given out and are not there: yet, or for good."""
    return [number for number in range(max(1, after + 1, last - LOOK_BACK), last) if number not in found]


def _offer(queue: asyncio.Queue[frozenset[str] | None], topics: frozenset[str] | None) -> None:
    """Hand over without waiting; a page that reads nothing for long is told once that all may have changed."""
    if queue.full():
        while not queue.empty():
            queue.get_nowait()
        topics = None if topics is None else frozenset({"*"})
    queue.put_nowait(topics)


feed = Feed()
"""This process's feed."""
