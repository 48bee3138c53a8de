"""A brake for floods: so many calls at once, so many a minute, for each caller. In this process's memory, bounded."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest

CALLERS = 20_000
"""Callers that are remembered; of more, the one that was silent longest is forgotten."""


@dataclass(slots=True)
class _Bucket:
    left: float
    at_ms: int


class Brake:
    """A token bucket for each caller.

    With N web processes a caller gets up to N times as much: it protects the machine, it is no quota.

    Args:
        burst: calls at once.
        per_minute: calls that come back each minute.
    """

    def __init__(self, burst: int, per_minute: float) -> None:
        self._burst = float(burst)
        self._per_ms = per_minute / 60_000
        self._callers: OrderedDict[str, _Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def wait_s(self, caller: str, per_minute: int | None = None) -> int:
        """0 and the call counts, or the seconds after which it may be tried again.

        Args:
            caller: whose call it is.
            per_minute: this caller's own number; as many at once as come back in a sixth of a minute.
        """
        burst = self._burst if per_minute is None else max(1.0, per_minute / 6)
        per_ms = self._per_ms if per_minute is None else per_minute / 60_000
        now = settings.PATROL_CLOCK.monotonic_ms()
        with self._lock:
            bucket = self._callers.get(caller)
            if bucket is None:
                bucket = self._callers[caller] = _Bucket(burst, now)
                if len(self._callers) > CALLERS:
                    self._callers.popitem(last=False)
            self._callers.move_to_end(caller)
            bucket.left = min(burst, bucket.left + max(0, now - bucket.at_ms) * per_ms)
            bucket.at_ms = now
            if bucket.left >= 1:
                bucket.left -= 1
                return 0
            return max(1, math.ceil((1 - bucket.left) / per_ms / 1000))

    def waits_s(self, caller: str) -> int:
        """The seconds after which a call may be tried again, 0 for now. Counts nothing."""
        now = settings.PATROL_CLOCK.monotonic_ms()
        with self._lock:
            bucket = self._callers.get(caller)
            if bucket is None:
                return 0
            left = bucket.left + max(0, now - bucket.at_ms) * self._per_ms
            return 0 if left >= 1 else max(1, math.ceil((1 - left) / self._per_ms / 1000))

    def reset(self) -> None:
        """Forget every caller."""
        with self._lock:
            self._callers.clear()


def address_of(request: HttpRequest) -> str:
    """The network address that a call comes from; strangers are braked by it."""
    return str(request.META.get("REMOTE_ADDR", ""))
