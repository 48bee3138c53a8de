"""Values that take long to read: the last one is shown at once while one thread reads the next."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db import connections

T = TypeVar("T")
log = logging.getLogger(__name__)

COSTLY_MS = 10
"""What takes less is read anew each time."""

AGE_PER_COST = 20
"""A value is good for so many times as long as it took: reading it takes a twentieth of one core at most."""

WAITING_MS = 15_000
"""How much older than that it may be and still be shown, while the next is read."""

MOST = 1000
"""Values kept at the same time."""


@dataclass(frozen=True, slots=True)
class _Held(Generic[T]):
    value: T
    good_until_ms: int


class Kept(Generic[T]):
    """Costly values by key.

    A value that was cheap to read is never kept. A costly one is given out again for `AGE_PER_COST` times as long as it
    took. After that it is given out for `WAITING_MS` more, and a thread reads the next; at no time do two such threads
    run. Whoever finds no value, or one older still, reads it himself and waits.

    Args:
        begin: runs a task beside the caller's; a thread that closes its database connections, if not given.
    """

    def __init__(self, begin: Callable[[Callable[[], None]], None] | None = None) -> None:
        self._held: dict[Hashable, _Held[T]] = {}
        self._lock = threading.Lock()
        self._reading = False
        self._begin = begin or _in_thread

    def get(self, key: Hashable, read: Callable[[], T], monotonic_ms: Callable[[], int]) -> T:
        """The value of a key.

        Args:
            key: names the value.
            read: reads it; called here or in another thread.
            monotonic_ms: the clock.

        Raises:
            Exception: whatever `read` raises, where the caller had to read it himself.
        """
        now = monotonic_ms()
        with self._lock:
            held = self._held.get(key)
            usable = held is not None and now < held.good_until_ms + WAITING_MS
            due = held is not None and now >= held.good_until_ms
            begins = usable and due and not self._reading
            self._reading = self._reading or begins
        if held is None or not usable:
            return self._read(key, read, monotonic_ms)
        if begins:
            self._begin(lambda: self._read_beside(key, read, monotonic_ms))
        return held.value

    def _read(self, key: Hashable, read: Callable[[], T], monotonic_ms: Callable[[], int]) -> T:
        started = monotonic_ms()
        value = read()
        ended = monotonic_ms()
        cost = ended - started
        with self._lock:
            if cost < COSTLY_MS:
                self._held.pop(key, None)
                return value
            if len(self._held) >= MOST:
                self._held.clear()
            self._held[key] = _Held(value, ended + AGE_PER_COST * cost)
        return value

    def _read_beside(self, key: Hashable, read: Callable[[], T], monotonic_ms: Callable[[], int]) -> None:
        try:
            self._read(key, read, monotonic_ms)
        except Exception:
            # The old value is shown until it is too old; then the page's own reading says what is wrong.
            log.exception("a figure could not be counted")
        finally:
            with self._lock:
                self._reading = False


def _in_thread(task: Callable[[], None]) -> None:
    def run() -> None:
        try:
            task()
        finally:
            connections.close_all()  # this thread's

    threading.Thread(target=run, name="figures", daemon=True).start()
