"""A day of one field as plain SVG geometry: the span of each quarter, its mean, and where the alarms lie. The template draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext

from central.iot.points import QUARTER_MS, SLOTS, Bucket
from central.iot.types import DeviceType, Measured

WIDTH, HEIGHT, FOOT, LEFT = 640.0, 200.0, 30.0, 72.0
"""In the units of the drawing: half a desk is wide, so that a phone shows the whole day as well."""

WORD = 22.0
"""The widest that one Chinese character is drawn, on a phone; a Latin letter takes half of it."""

DAY_MS = SLOTS * QUARTER_MS


@dataclass(frozen=True, slots=True)
class Line:
    """A level of an alarm: where it is drawn, and its value."""

    y: float
    value: str
    severity: str

    @property
    def dy(self) -> int:
        """Its words stand above it, below where there is no room."""
        return -5 if self.y > 18 else 16


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark of an axis."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """One field of one day."""

    field: Measured
    band: str
    mean: str
    dots: tuple[tuple[float, float], ...]
    lines: tuple[Line, ...]
    hours: tuple[Tick, ...]
    values: tuple[Tick, ...]
    least: str
    most: str
    rows: tuple[tuple[int, str, str, str], ...]
    view: str = f"0 0 {WIDTH:g} {HEIGHT + FOOT:g}"
    left: float = LEFT
    width: float = WIDTH
    height: float = HEIGHT
    foot: float = HEIGHT + FOOT - 6


@dataclass(frozen=True, slots=True)
class Strip:
    """A flag or a word: the stretches for which it was so."""

    field: Measured
    parts: tuple[tuple[float, float, str, str, bool], ...]
    """Left, width, how it is drawn, the word as people read it, and whether the word has room."""

    rows: tuple[tuple[int, int, str], ...]
    """From, until and word, the newest first."""

    hours: tuple[Tick, ...]
    view: str = f"0 0 {WIDTH:g} 62"


def charts(made: DeviceType, quarters: Sequence[Bucket], now_ms: int, language: str) -> list[Chart | Strip]:
    """One for each field of which anything was heard in the last day."""
    first = now_ms - now_ms % QUARTER_MS - DAY_MS + QUARTER_MS
    seen = sorted((q for q in quarters if q.start_ms >= first), key=lambda q: q.start_ms)
    found: list[Chart | Strip] = []
    for field in made.fields:
        mine = [(q.start_ms, q.fields[field.name]) for q in seen if field.name in q.fields]
        if not mine:
            continue
        found.append(
            _chart(made, field, mine, first)
            if field.kind == "number"
            else _strip(made, field, mine, first, language)
        )
    return found


def shown(field: Measured, value: float) -> str:
    """A number as pages write it."""
    return f"{value:.{field.digits}f}"


def worded(field: Measured, value: float | bool | str, language: str) -> str:
    """A value as people read it, with its unit."""
    if field.kind == "number":
        return f"{shown(field, float(value))} {field.unit}".rstrip()
    if field.kind == "flag":
        return gettext("yes") if value else gettext("no")
    said = field.says.get(str(value))
    return said.text(language) if said is not None else str(value)


def _x(at_ms: int, first: int) -> float:
    return LEFT + (at_ms - first) / DAY_MS * (WIDTH - LEFT)


def _hours(first: int) -> tuple[Tick, ...]:
    """Every fourth full hour of the day's own zone."""
    step = 4 * 3_600_000
    offset = timezone.localtime(
        timezone.datetime.fromtimestamp(first / 1000, timezone.get_default_timezone())
    )
    shift = int(offset.utcoffset().total_seconds() * 1000)  # type: ignore[union-attr]
    start = first + (-(first + shift)) % step
    return tuple(
        Tick(_x(at, first), f"{(at + shift) // 3_600_000 % 24}:00")
        for at in range(start, first + DAY_MS, step)
    )


def _chart(made: DeviceType, field: Measured, mine: list[tuple[int, Any]], first: int) -> Chart:
    low, high = min(v[0] for _, v in mine), max(v[1] for _, v in mine)
    levels = [
        (rule.above if rule.above is not None else rule.below, rule.severity)
        for rule in made.alarms
        if rule.field == field.name and (rule.above is not None or rule.below is not None)
    ]
    # A level is drawn where the values come near it: else a calm line would lie flat under an empty chart.
    span = max(high - low, abs(high) * 0.1, 10.0**-field.digits)
    near = [each for each in levels if each[0] is not None and low - 3 * span <= each[0] <= high + 3 * span]
    bottom = min([low, *(level for level, _ in near)])  # type: ignore[type-var]
    top = max([high, *(level for level, _ in near)])  # type: ignore[type-var]
    margin = max((top - bottom) * 0.08, 10.0**-field.digits / 2)  # type: ignore[operator]
    bottom, top = bottom - margin, top + margin  # type: ignore[operator]

    def y(value: float) -> float:
        return HEIGHT * (1 - (value - bottom) / (top - bottom))

    bands, means, dots = [], [], []
    for run in _runs(mine):
        if len(run) == 1:
            at, (_, _, total, count) = run[0]
            dots.append((_x(at + QUARTER_MS // 2, first), y(total / count)))
        xs = [_x(at + QUARTER_MS // 2, first) for at, _ in run]
        upper = [f"{x:.1f} {y(v[1]):.1f}" for x, (_, v) in zip(xs, run, strict=True)]
        lower = [f"{x:.1f} {y(v[0]):.1f}" for x, (_, v) in zip(xs, run, strict=True)]
        bands.append("M" + "L".join([*upper, *reversed(lower)]) + "Z")
        means.append(
            "M" + "L".join(f"{x:.1f} {y(v[2] / v[3]):.1f}" for x, (_, v) in zip(xs, run, strict=True))
        )
    rows = tuple(
        (at, shown(field, v[0]), shown(field, v[2] / v[3]), shown(field, v[1])) for at, v in reversed(mine)
    )
    return Chart(
        field,
        "".join(bands),
        "".join(means),
        tuple(dots),
        tuple(Line(y(level), shown(field, level), severity) for level, severity in near),  # type: ignore[arg-type]
        _hours(first),
        tuple(Tick(y(value), shown(field, value)) for value in ({low, high} if low != high else {low})),
        shown(field, low),
        shown(field, high),
        rows,
    )


def _strip(
    made: DeviceType, field: Measured, mine: list[tuple[int, Any]], first: int, language: str
) -> Strip:
    """Stretches of one word each. What raises an alarm is drawn as that; of the others each word has its own shade."""
    alarming = {rule.equals: rule.severity for rule in made.alarms if rule.field == field.name}
    shades = list(dict.fromkeys(field.words.values())) if field.kind == "word" else [False, True]
    stretches: list[tuple[int, int, Any]] = []
    for number, (at, value) in enumerate(mine):
        until = mine[number + 1][0] if number + 1 < len(mine) else at + QUARTER_MS
        if stretches and stretches[-1][2] == value:
            at = stretches.pop()[0]
        stretches.append((at, until, value))
    parts = []
    for at, until, value in stretches:
        x, end = _x(at, first), _x(until, first)
        said = worded(field, value, language)
        room = sum(WORD if ord(letter) > 0x2E80 else WORD / 2 for letter in said) + 12 < end - x
        look = f"sev-{alarming[value]}" if value in alarming else f"shade-{shades.index(value) % 3}"
        parts.append((x, end - x, look, said, room))
    rows = tuple((at, until, worded(field, value, language)) for at, until, value in reversed(stretches))
    return Strip(field, tuple(parts), rows, _hours(first))


def _runs(mine: list[tuple[int, Any]]) -> list[list[tuple[int, Any]]]:
    """Stretches without a gap of more than an hour between two quarters."""
    runs: list[list[tuple[int, Any]]] = []
    for at, value in mine:
        if runs and at - runs[-1][-1][0] <= 4 * QUARTER_MS:
            runs[-1].append((at, value))
        else:
            runs.append([(at, value)])
    return runs
