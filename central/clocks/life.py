"""What follows when a clock has run for so long: pure, so that a sweep that dies is simply done again.

A clock warns once, breaks once, and then takes the matter up the tree of grids, a grid at a time. Each event names the
instant at which it fell due by the calendar, whenever it is found.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from protocol.clock import Millis

__all__ = ["Breach", "Escalate", "Event", "Standing", "Warn", "advance", "next_look"]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a running clock stands.

    Attributes:
        due_at_ms: when the promise is broken.
        warn_at_ms: when to warn; None: nobody is warned.
        warned: the warning was given, or is pointless.
        breached_at_ms: when the promise was broken.
        level: how many grids up the matter has been taken.
        top: how many grids there are above.
    """

    due_at_ms: Millis
    warn_at_ms: Millis | None = None
    warned: bool = False
    breached_at_ms: Millis | None = None
    level: int = 0
    top: int = 0


@dataclass(frozen=True, slots=True)
class Warn:
    """The promise will be broken soon."""

    at_ms: Millis


@dataclass(frozen=True, slots=True)
class Breach:
    """The promise is broken since `at_ms`."""

    at_ms: Millis


@dataclass(frozen=True, slots=True)
class Escalate:
    """The matter goes to the grid that is `level` above the case's own."""

    at_ms: Millis
    level: int


Event = Warn | Breach | Escalate

ClimbAt = Callable[[int], Millis]
"""When the matter goes to the grid so many levels up: 1 at the breach itself, 2 a period later."""


def advance(standing: Standing, now_ms: Millis, climb_at: ClimbAt) -> tuple[Standing, list[Event]]:
    """Everything that is due by now, in order, and where the clock stands afterwards.

    A warning whose promise is broken by now is left out: it would tell of the past as if it were to come.
    """
    events: list[Event] = []
    while (at := next_look(standing, climb_at)) is not None and at <= now_ms:
        if standing.breached_at_ms is not None:
            standing = replace(standing, level=standing.level + 1)
            events.append(Escalate(at, standing.level))
        elif now_ms >= standing.due_at_ms:
            standing = replace(standing, warned=True, breached_at_ms=standing.due_at_ms)
            events.append(Breach(standing.due_at_ms))
        else:
            standing = replace(standing, warned=True)
            events.append(Warn(at))
    return standing, events


def next_look(standing: Standing, climb_at: ClimbAt) -> Millis | None:
    """When something happens next by itself; None: nothing any more."""
    if standing.breached_at_ms is not None:
        if standing.level >= standing.top:
            return None
        return max(standing.breached_at_ms, climb_at(standing.level + 1))
    if standing.warn_at_ms is not None and not standing.warned:
        return min(standing.warn_at_ms, standing.due_at_ms)
    return standing.due_at_ms
