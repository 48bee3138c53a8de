"""Bars of days as plain SVG geometry; the template draws it, colours come from the style sheet."""

from __future__ import annotations

from dataclasses import dataclass

from central.statistics.figures import Day

WIDTH, HEIGHT, FOOT = 960.0, 200.0, 24.0
LABELS = 10
WIDEST = 44.0
"""A bar of a short period is no wider than this."""


@dataclass(frozen=True, slots=True)
class Rect:
    """One bar: the name of what it counts, and its place in units of the drawing."""

    kind: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One day: three bars from the same ground, and its name under some of them."""

    day: Day
    middle: float
    label: str
    rects: tuple[Rect, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """What to draw."""

    bars: list[Bar]
    lines: list[tuple[float, int]]
    top: int
    width: float = WIDTH
    height: float = HEIGHT
    foot: float = FOOT

    @property
    def view(self) -> str:
        """The viewBox."""
        return f"0 0 {WIDTH:g} {HEIGHT + FOOT:g}"

    @property
    def baseline(self) -> float:
        """Where the words under the bars stand."""
        return HEIGHT + FOOT - 6


def bars(days: list[Day]) -> Chart:
    """Bars and lines for these days; the top is a round number, so that lines stand at whole counts."""
    most = max((max(day.cases, day.warned, day.tasks) for day in days), default=0)
    step = _round_step(max(most, 1))
    top = step * -(-max(most, 1) // step)
    slot = WIDTH / max(len(days), 1)
    every = -(-len(days) // LABELS)
    found = []
    for n, day in enumerate(days):
        width = min(slot * 0.76 / 3, WIDEST)
        rects = tuple(
            Rect(
                kind,
                (n + 0.5) * slot + (place - 1.5) * width,
                HEIGHT * (1 - count / top),
                width,
                HEIGHT * count / top,
            )
            for place, (kind, count) in enumerate(
                (("cases", day.cases), ("warned", day.warned), ("tasks", day.tasks))
            )
        )
        label = f"{day.day.month}/{day.day.day}" if n % every == 0 else ""
        found.append(Bar(day, (n + 0.5) * slot, label, rects))
    return Chart(found, [(HEIGHT - HEIGHT * value / top, value) for value in range(0, top + 1, step)], top)


def _round_step(most: int) -> int:
    """1, 2 or 5 times a power of ten, so that there are five lines at most."""
    step = 1
    while most / step > 5:
        step = {1: 2, 2: 5, 5: 10}[int(str(step)[0])] * 10 ** (len(str(step)) - 1)
    return step
