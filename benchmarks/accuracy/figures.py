"""Outcomes summed up: by stratum, with confidence intervals. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import clips
from benchmarks.accuracy.run import LONG, Outcome
from benchmarks.accuracy.score import WINDOW_MS
from benchmarks.accuracy.script import BUS_S

_RESAMPLES = 1000
_Z = 1.959964

GOALS: dict[str, float] = {"day": 0.99, "dusk": 0.95, "night": 0.95, "rain": 0.95}
"""Light -> least F1."""

NEAR_GOAL = 0.9
"""Least share of stays whose start and end are both within ten seconds."""

STRATA: tuple[tuple[str, Callable[[Outcome], str]], ...] = (
    ("light", lambda one: one.light),
    ("situation", lambda one: one.situation),
    ("angle", lambda one: one.angle),
    ("distance", lambda one: one.distance),
    ("crowding", lambda one: one.crowding),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One stratum.

    Attributes:
        kind, name: which; all scenes are `all`, `all`.
        scenes, events: how many.
        precision, recall, f1: strict; None where there is nothing to divide by.
        f1_low, f1_high: 95 % of the F1 of scenes drawn again from these.
        window_f1: lenient F1.
        near: share of stays whose both ends are within ten seconds; `near_low`, `near_high`: Wilson's interval.
        cases_per_stay: mean of those found.
        fragments: mean of the agent's stays for an event.
        switches, wrongful, tasks, tasks_due, tasks_right: counts.
        wrongful_below: the largest share of wrongful tasks that is still likely (95 %); None without tasks.
    """

    kind: str
    name: str
    scenes: int
    events: int
    precision: float | None
    recall: float | None
    f1: float | None
    f1_low: float | None
    f1_high: float | None
    window_f1: float | None
    near: float | None
    near_low: float | None
    near_high: float | None
    cases_per_stay: float | None
    fragments: float | None
    switches: int
    wrongful: int
    tasks: int
    tasks_due: int
    tasks_right: int
    wrongful_below: float | None


@dataclass(frozen=True, slots=True)
class Spread:
    """Errors of moments, seconds without sign."""

    count: int
    median_s: float | None
    p95_s: float | None
    near: float | None


def share(part: float, whole: float) -> float | None:
    """Part of a whole, or None of nothing."""
    return part / whole if whole else None


def f1(right: int, missed: int, false: int) -> float | None:
    """Harmonic mean of precision and recall; None where there was nothing to find and nothing was found."""
    return share(2 * right, 2 * right + missed + false)


def wilson(part: int, whole: int) -> tuple[float | None, float | None]:
    """Wilson's 95 % interval of a share."""
    if not whole:
        return None, None
    p, z2 = part / whole, _Z**2
    middle = (p + z2 / (2 * whole)) / (1 + z2 / whole)
    half = _Z * math.sqrt(p * (1 - p) / whole + z2 / (4 * whole**2)) / (1 + z2 / whole)
    return max(0.0, middle - half), min(1.0, middle + half)


def most_likely_none(count: int) -> float | None:
    """The largest rate that is still likely (95 %) after `count` tries without one."""
    return None if count == 0 else 1 - 0.05 ** (1 / count)


def row(kind: str, name: str, outcomes: Sequence[Outcome]) -> Row:
    """Sum up a stratum."""
    marks = [one.judgement for one in outcomes]
    right, missed, false = (sum(getattr(m, what) for m in marks) for what in ("right", "missed", "false"))
    window = [sum(getattr(m, f"window_{what}") for m in marks) for what in ("right", "missed", "false")]
    counts = np.array([[m.right, m.missed, m.false] for m in marks], dtype=np.int64).reshape(-1, 3)
    low, high = f1_interval(counts)
    wrongful, tasks = sum(m.wrongful for m in marks), sum(m.tasks for m in marks)
    both = [m for mark in marks for m in mark.moments if m.start_ms is not None and m.end_ms is not None]
    near = sum(m.near for m in both)
    cases = [n for mark in marks for n in mark.cases]
    fragments = [n for mark in marks for n in mark.fragments]
    return Row(
        kind, name, len(outcomes), right + missed,
        share(right, right + false), share(right, right + missed), f1(right, missed, false), low, high, f1(*window),
        share(near, len(both)), *wilson(near, len(both)),
        share(sum(cases), len(cases)), share(sum(fragments), len(fragments)),
        sum(m.switches for m in marks), wrongful, tasks,
        sum(m.tasks_due for m in marks), sum(m.tasks_right for m in marks), wrongful_below(wrongful, tasks),
    )  # fmt: skip


def real_row(outcomes: Sequence[clips.Outcome]) -> Row:
    """The real clips as a stratum. Their truth is by eye and has no moments; vehicles stand through the whole clip."""
    counts = [(len(one.found), len(one.missed), len(one.false) + len(one.extra)) for one in outcomes]
    right, missed, false = (sum(each) for each in zip(*counts, strict=True)) if counts else (0, 0, 0)
    low, high = f1_interval(np.array(counts, dtype=np.int64).reshape(-1, 3))
    wrongful, tasks = sum(one.wrongful for one in outcomes), sum(one.tasks for one in outcomes)
    due = [one for one in outcomes if one.tasks_due]
    return Row(
        "real", "real clips", len(outcomes), right + missed,
        share(right, right + false), share(right, right + missed), f1(right, missed, false), low, high, None,
        None, None, None, share(right + sum(len(one.extra) for one in outcomes), right), None,
        0, wrongful, tasks, sum(one.tasks_due or 0 for one in due),
        sum(min(one.tasks, one.tasks_due or 0) for one in due), wrongful_below(wrongful, tasks),
    )  # fmt: skip


def wrongful_below(wrongful: int, tasks: int) -> float | None:
    """The largest share of wrongful tasks that is still likely (95 %): exact (rule of three) for none, else Wilson's."""
    return wilson(wrongful, tasks)[1] if wrongful else most_likely_none(tasks)


def f1_interval(counts: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> tuple[float | None, float | None]:
    """95 % of F1.

    Args:
        counts: right, missed and false of each scene, a row each.

    Scenes are drawn again - but where nothing went wrong, drawing again shows nothing but that. Then Wilson's bound for the
    share of events without fault counts: of a share J, F1 is 2 J / (1 + J).
    """
    right, missed, false = (int(n) for n in counts.sum(axis=0))
    if right and not missed and not false:
        least, _ = wilson(right, right)
        assert least is not None
        return 2 * least / (1 + least), 1.0
    return _resampled(counts)


def _resampled(counts: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> tuple[float | None, float | None]:
    """95 % of F1 when whole scenes are drawn again; events of one scene hang together."""
    if len(counts) < 2:
        return None, None
    lots = np.random.default_rng(1).integers(0, len(counts), (_RESAMPLES, len(counts)))
    sums = counts[lots].sum(axis=1)
    below = 2 * sums[:, 0] + sums[:, 1] + sums[:, 2]
    values = 2 * sums[below > 0, 0] / below[below > 0]
    if not len(values):
        return None, None
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def rows(outcomes: Iterable[Outcome]) -> list[Row]:
    """All scenes, then each stratum. The long stay is not among them."""
    drawn = sorted((one for one in outcomes if one.number != LONG), key=lambda one: one.number)
    found = [row("all", "all", drawn)]
    for kind, name_of in STRATA:
        for name in dict.fromkeys(name_of(one) for one in drawn):
            found.append(row(kind, name, [one for one in drawn if name_of(one) == name]))
    return found


def spread(outcomes: Iterable[Outcome], end: bool) -> Spread:
    """How far starts, or ends, are off."""
    offs = [
        abs(off) / 1000
        for one in outcomes
        for moment in one.judgement.moments
        if one.number != LONG and (off := moment.end_ms if end else moment.start_ms) is not None
    ]
    if not offs:
        return Spread(0, None, None, None)
    near = sum(off * 1000 <= WINDOW_MS for off in offs)
    return Spread(len(offs), float(np.median(offs)), float(np.percentile(offs, 95)), near / len(offs))


def hidden_behind_buses(outcomes: Iterable[Outcome]) -> dict[str, tuple[int, int]]:
    """Situation -> scenes in which the car was hidden for at least as long as the bus stood, and scenes."""
    found: dict[str, tuple[int, int]] = {}
    for one in outcomes:
        if one.hidden_s is not None:
            held, scenes = found.get(one.situation, (0, 0))
            found[one.situation] = (held + (one.hidden_s >= BUS_S[one.situation]), scenes + 1)
    return {name: found[name] for name in BUS_S if name in found}


def worst(outcomes: Iterable[Outcome], count: int = 10) -> list[Outcome]:
    """The scenes with most that went wrong; scenes without any fault are never among them."""

    def weight(one: Outcome) -> float:
        m = one.judgement
        far = sum(not moment.near for moment in m.moments)
        return (
            100 * m.wrongful
            + 20 * m.switches
            + 10 * (m.missed + m.false)
            + 3 * (m.tasks_due - m.tasks_right)
            + 2 * far
        )

    return sorted((one for one in outcomes if weight(one) > 0), key=lambda one: (-weight(one), one.number))[
        :count
    ]


def summary(outcomes: Sequence[Outcome], real: Row | None) -> dict[str, object]:
    """The figures by which the benchmark is compared. Stays of twelve hours without a case count with none."""
    table = {(one.kind, one.name): one for one in rows(outcomes)}
    whole = table["all", "all"]
    long_ones = [one.judgement for one in outcomes if one.number == LONG]
    long_cases = [n for one in long_ones for n in one.cases]
    # Not `missed`: with half a minute between looks, a case within ten seconds is nothing to ask for.
    long_cases += [0 for one in long_ones for fault in one.faults if fault.what == "no case"]

    def rounded(value: float | None) -> float | None:
        return None if value is None else round(value, 4)

    lights = {
        light: rounded(table["light", light].f1) if ("light", light) in table else None for light in GOALS
    }
    return {
        "f1": {**lights, "real": rounded(None if real is None else real.f1)},
        "within_10s": rounded(whole.near),
        "cases_per_stay_12h": rounded(share(sum(long_cases), len(long_cases))),
        "cases_per_stay_12h_min": min(long_cases, default=None),
        "cases_per_stay_12h_max": max(long_cases, default=None),
        "false_cases_12h": sum(one.false for one in long_ones) if long_ones else None,
        "wrongful_tasks": sum(one.judgement.wrongful for one in outcomes)
        + (0 if real is None else real.wrongful),
    }


def goals_missed(figures: dict[str, Any], near: float | None) -> list[str]:
    """What the summary's figures miss, in words; what was not measured is not missed."""
    found = [
        f"F1 {light} below {goal}"
        for light, goal in GOALS.items()
        if figures["f1"][light] is not None and figures["f1"][light] < goal
    ]
    if near is not None and near < NEAR_GOAL:
        found.append(f"less than {NEAR_GOAL:.0%} of stays within 10 s at both ends")
    if {figures["cases_per_stay_12h_min"], figures["cases_per_stay_12h_max"]} - {1, None}:
        found.append("not every stay of twelve hours has one case")
    if figures["false_cases_12h"]:
        found.append("false cases in twelve hours")
    if figures["wrongful_tasks"]:
        found.append("wrongful tasks")
    return found
