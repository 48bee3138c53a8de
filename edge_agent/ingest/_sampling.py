"""Which pictures of a stream are worth decoding. Pure: times go in, decisions come out."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from itertools import pairwise

EARLY_SHARE = 0.1
"""A keyframe this share of a period early is taken: cameras' keyframes jitter around their interval."""


SPREAD_FROM_MS = 4_000
"""Cameras with a period from here on are spread over it; shorter ones spread by themselves."""


def second_share(name: str, period_ms: int) -> float:
    """Where in the period a camera of this name is looked at, always the same, from 0 up to 1; 1 for short periods."""
    return 1.0 if period_ms < SPREAD_FROM_MS else zlib.crc32(name.encode()) % 1024 / 1024


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
        second_share: the second picture comes after this share of the period. A street of cameras that was connected in
            one instant is spread over the period that way, instead of asking for all its pictures at once.
    """

    def __init__(self, period_ms: int, second_share: float = 1.0) -> None:
        self._period = period_ms
        self._wait: float = period_ms
        self._second_wait = period_ms * second_share
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

    def took(self, pts_ms: int) -> None:
        """Note that this picture was decoded and delivered."""
        self._wait = self._second_wait if self._last_taken is None else self._period
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
