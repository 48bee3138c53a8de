"""The only door to the machine's clocks. The deciding core never reads a clock: times come to it as data."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

Millis = int
"""UTC milliseconds since 1970-01-01, the unit of every instant in the core and the database."""


class Clock(Protocol):
    """A source of time that tests can hold still."""

    def utc_ms(self) -> Millis:
        """Wall clock, UTC milliseconds. May step."""

    def monotonic_ms(self) -> int:
        """Milliseconds that never step and go on while the machine sleeps. Only differences mean anything."""


class SystemClock:
    """The machine's own clocks."""

    def utc_ms(self) -> Millis:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


class ManualClock:
    """A clock that moves only when told, for tests and for replays.

    Args:
        utc_ms: the first instant, UTC milliseconds.
    """

    def __init__(self, utc_ms: Millis = 1_767_225_600_000) -> None:
        self._utc = utc_ms
        self._monotonic = 0

    def utc_ms(self) -> Millis:
        return self._utc

    def monotonic_ms(self) -> int:
        return self._monotonic

    def advance(self, ms: int) -> None:
        """Let `ms` milliseconds pass on both clocks."""
        self._utc += ms
        self._monotonic += ms

    def set_utc(self, utc_ms: Millis) -> None:
        """Step the wall clock; the monotonic clock stays."""
        self._utc = utc_ms


class ScaledClock:
    """A wall clock that runs faster than the machine's, for simulated days; durations stay the machine's own.

    Args:
        speed: seconds of this clock per second.
        real_ms: the machine's instant at which both clocks are tied together, UTC milliseconds.
        scaled_ms: what this clock says at that instant, UTC milliseconds.
        system: the machine's clocks.
    """

    def __init__(self, speed: float, real_ms: Millis, scaled_ms: Millis, system: Clock | None = None) -> None:
        self.speed, self.real_ms, self.scaled_ms = speed, real_ms, scaled_ms
        self._system = system or SystemClock()

    def utc_ms(self) -> Millis:
        return self.scaled_ms + round((self._system.utc_ms() - self.real_ms) * self.speed)

    def monotonic_ms(self) -> int:
        return self._system.monotonic_ms()


def iso(at_ms: Millis) -> str:
    """``2026-01-01T00:00:00.000Z`` for UTC milliseconds."""
    moment = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"


def from_iso(text: str) -> Millis:
    """UTC milliseconds of an ISO 8601 instant that names its offset.

    Raises:
        ValueError: the text is not ISO 8601, or has no offset.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} names no offset from UTC; write e.g. 2026-01-01T00:00:00Z")
    return round(moment.timestamp() * 1000)
