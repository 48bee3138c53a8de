"""Which pictures of a stream are worth decoding: times go in, decisions come out."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import pairwise

from protocol.clock import Millis

EARLY_SHARE = 0.1
"""A keyframe this share of a period early is taken: cameras' keyframes jitter around their interval."""


_GOLDEN = (5**0.5 - 1) / 2

SPREAD_FROM_MS = 4_000
"""Cameras with a period from here on are spread over it; shorter ones spread by themselves."""


class Spread:
    """Gives each camera its own point of the period, so that any number of them fills it evenly.

    Points are multiples of the golden ratio: the next always falls into one of the widest gaps. Drawn by a hash of addresses
    that differ in a digit they lie up to four times as dense in one half of the period as in the other.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers: dict[str, int] = {}

    def point(self, name: str) -> float:
        """Where in the period the camera of this name is looked at, from 0 up to 1; always the same for it."""
        with self._lock:
            return self._numbers.setdefault(name, len(self._numbers)) * _GOLDEN % 1.0

    def second_share(self, name: str, period_ms: int, now_ms: Millis) -> float:
        """After which share of its period a camera whose first picture was taken now is looked at again, so that it comes to
        its point whenever it is connected: less than 1.1, and no less than a picture may be early; 1 for short periods."""
        if period_ms < SPREAD_FROM_MS:
            return 1.0
        share = (self.point(name) - now_ms / period_ms) % 1.0
        return share if share >= EARLY_SHARE else share + 1.0


SPREAD = Spread()
"""Of the process: all its cameras share its processor."""


class Grid:
    """Boundaries at whole multiples of a period; the first picture at or after each is taken.

    Args:
        period_ms: distance of the boundaries in milliseconds of stream time.
    """

    def __init__(self, period_ms: int) -> None:
        self._period = period_ms
        self.boundary_ms = 0

    def reached(self, at_ms: int) -> bool:
        """True if a picture at `at_ms` answers the boundary that waits."""
        return at_ms >= self.boundary_ms

    def took(self, at_ms: int) -> None:
        """Note that the picture at `at_ms` was taken. One picture may answer several boundaries."""
        self.boundary_ms = (at_ms // self._period + 1) * self._period


class Pace:
    """Says when the next picture of a live stream is due, and measures how often keyframes come.

    Args:
        period_ms: sampling period in milliseconds of stream time.
    """

    def __init__(self, period_ms: int) -> None:
        self._period = period_ms
        self._wait: float = period_ms
        self._last_taken: int | None = None
        self._last_key: int | None = None
        self.key_interval_ms: int | None = None
        """Milliseconds between the two newest keyframes, if two were seen."""

    def saw_keyframe(self, pts_ms: int) -> None:
        """Note a keyframe, whether or not it is decoded."""
        if self._last_key is not None and pts_ms > self._last_key:
            self.key_interval_ms = pts_ms - self._last_key
        self._last_key = pts_ms

    def due(self, pts_ms: int) -> bool:
        """True if a period has passed since the last picture taken, or the time stamps jumped back."""
        if self._last_taken is None or pts_ms < self._last_taken:
            return True
        return pts_ms - self._last_taken >= self._wait - self._period * EARLY_SHARE

    def took(self, pts_ms: int, next_share: float = 1.0) -> None:
        """Note that this picture was decoded and delivered. The next is due after `next_share` of the period: a street of
        cameras that was connected in one instant is spread over the period by its second pictures."""
        self._wait = self._period * next_share
        self._last_taken = pts_ms

    @property
    def too_sparse(self) -> bool:
        """True if keyframes come less often than every second period."""
        return self.key_interval_ms is not None and self.key_interval_ms > 2 * self._period


def keyframes_suffice(keyframes_ms: Sequence[int], first_ms: int, end_ms: int, period_ms: int) -> bool:
    """True if a recording's keyframes alone give a picture in the first half of every period.

    Args:
        keyframes_ms: times of the keyframes, rising.
        first_ms: time of the recording's first packet.
        end_ms: time of its end.
        period_ms: sampling period.
    """
    marks = [first_ms, *keyframes_ms, end_ms]
    return bool(keyframes_ms) and all(b - a <= period_ms / 2 for a, b in pairwise(marks))
