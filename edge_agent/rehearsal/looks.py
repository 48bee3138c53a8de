"""When a resting vehicle was looked at, without a list of all looks."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from edge_agent.rests import Rest, Span
from protocol.clock import Millis


@dataclass(frozen=True, slots=True)
class Look:
    """One look that saw the vehicle.

    Attributes:
        at_ms: when.
        span: number of the time without gaps that it belongs to.
        number: number of the look in it.
        proven: whether it proved that it was the same vehicle.
    """

    at_ms: Millis
    span: int
    number: int
    proven: bool


class Looks:
    """The looks of a rest, evenly apart in each span.

    Args:
        rest: what was seen.
    """

    def __init__(self, rest: Rest) -> None:
        self._spans = rest.spans
        self._starts = [span.start_ms for span in rest.spans]
        self._ends = [span.end_ms for span in rest.spans]
        self._doubtful = rest.doubtful
        self.edges: tuple[Millis, ...] = tuple(
            sorted(
                {*self._starts, *self._ends, *(t for pair in rest.doubtful for t in (pair[0], pair[1] + 1))}
            )
        )
        """Instants at which something changes."""

    def first(self) -> Look:
        """The look with which it came to rest."""
        return self._look(0, 0)

    def at_or_after(self, at_ms: Millis) -> Look | None:
        """The first look not before an instant; None after the last."""
        number = bisect_left(self._ends, at_ms)
        if number == len(self._spans):
            return None
        span = self._spans[number]
        step = _step(span)
        look = 0 if at_ms <= span.start_ms or step == 0 else int((at_ms - span.start_ms) / step)
        while look < span.looks - 1 and _at(span, look) < at_ms:
            look += 1
        return self._look(number, look)

    def before(self, at_ms: Millis) -> Look | None:
        """The last look before an instant; None before the first."""
        number = bisect_left(self._starts, at_ms) - 1
        if number < 0:
            return None
        span = self._spans[number]
        step = _step(span)
        look = span.looks - 1 if at_ms > span.end_ms or step == 0 else min(
            span.looks - 1, int((at_ms - span.start_ms) / step) + 1
        )  # fmt: skip
        while look > 0 and _at(span, look) >= at_ms:
            look -= 1
        return self._look(number, look)

    def after(self, look: Look) -> Look | None:
        """The next look."""
        if look.number + 1 < self._spans[look.span].looks:
            return self._look(look.span, look.number + 1)
        return self._look(look.span + 1, 0) if look.span + 1 < len(self._spans) else None

    def _look(self, span: int, number: int) -> Look:
        at_ms = _at(self._spans[span], number)
        place = bisect_right(self._doubtful, (at_ms, float("inf"))) - 1
        doubted = place >= 0 and self._doubtful[place][0] <= at_ms <= self._doubtful[place][1]
        return Look(at_ms, span, number, not doubted)


def _step(span: Span) -> float:
    return (span.end_ms - span.start_ms) / (span.looks - 1) if span.looks > 1 else 0.0


def _at(span: Span, number: int) -> Millis:
    return (
        span.end_ms
        if number >= span.looks - 1 and number > 0
        else span.start_ms + round(number * _step(span))
    )
