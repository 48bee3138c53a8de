"""Figures of the plate reader as rows: real crops, the drawn set, simulated stays, time per stage."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.plates.camera import CONDITIONS
from benchmarks.plates.drawn import Read, Stay
from benchmarks.plates.layout import KINDS
from benchmarks.plates.timing import STAGES
from models.plates.calibration import accepted, wilson
from models.plates.evaluate import Report

COMMON = "皖"
"""The region that fills the public set of crops; others are reported apart."""

FULL_PLATE, COVERAGE, PRECISION, BY_DAY, MILLISECONDS = 0.985, 0.92, 0.999, 0.98, 60.0
"""Goals: whole plates of real crops; coverage and precision at a threshold; drawn plates by day; per vehicle crop."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `goal` and `met` are None where there is no goal; intervals are 95% Wilson intervals."""

    table: str
    what: str
    n: int
    value: float
    unit: str = "%"
    low: float | None = None
    high: float | None = None
    goal: str = ""
    met: bool | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON; shares as they are, 0 to 1."""
        interval = (
            None if self.low is None or self.high is None else [round(self.low, 5), round(self.high, 5)]
        )
        return {
            "table": self.table,
            "what": self.what,
            "n": self.n,
            "value": round(self.value, 5),
            "unit": self.unit,
            "interval_95": interval,
            "goal": self.goal or None,
            "met": self.met,
        }


def share(table: str, what: str, right: int, n: int, least: float | None = None) -> Row:
    """A share of n, with its interval and, if there is one, the goal."""
    low, high = wilson(right, n)
    value = right / n if n else 0.0
    goal, met = ("", None) if least is None else (f">= {least:.1%}", value >= least)
    return Row(table, what, n, value, "share", low, high, goal, met)


def crop_rows(report: Report) -> list[Row]:
    """Real crops: full coverage, thresholds chosen on a half and reported on the other, regions apart."""
    table, n = "real crops", report.n
    rows = [share(table, "whole plate right, full coverage", round(report.full_plate * n), n, FULL_PLATE)]
    for name, (threshold, coverage, precision), size in (
        (
            "threshold of the 1st half, on the 2nd",
            (report.threshold, report.coverage, report.precision),
            n // 2,
        ),
        (
            "threshold of the 2nd half, on the 1st",
            (report.reverse_threshold, report.reverse_coverage, report.reverse_precision),
            n - n // 2,
        ),
        ("threshold in force, on all", report.in_force, n),
    ):
        passed = round(coverage * size)
        rows.append(Row(table, f"{name}: threshold", size, threshold, ""))
        rows.append(share(table, f"{name}: coverage", passed, size, COVERAGE))
        rows.append(share(table, f"{name}: precision", round(precision * passed), passed, PRECISION))
    if report.halved is not None:
        halved, what = report.halved, f"{report.halved.times} random halvings"
        low, _, high = halved.thresholds
        rows += [
            Row(table, f"{what}: median threshold", n, halved.thresholds[1], "", low, high),
            Row(table, f"{what}: coverage", n, halved.coverage, "share", goal=f">= {COVERAGE:.1%}", met=halved.coverage >= COVERAGE),
            Row(table, f"{what}: precision", n, halved.precision, "share", *halved.interval, goal=f">= {PRECISION:.1%}", met=halved.precision >= PRECISION),
        ]  # fmt: skip
    common = report.by_region.get(COMMON, (0, 0))
    others = [count for region, count in report.by_region.items() if region != COMMON]
    rows.append(share(table, f"region {COMMON}", common[1], common[0]))
    rows.append(share(table, "other regions", sum(right for _, right in others), sum(n for n, _ in others)))
    rows += [
        share("real crops by region", region, right, n) for region, (n, right) in report.by_region.items()
    ]
    rows += [share("real crops by kind", kind, right, n) for kind, (n, right) in report.by_kind.items()]
    rows.append(Row("time", "real crop, median", n, report.milliseconds, "ms CPU"))
    return rows


def drawn_rows(reads: Sequence[Read], threshold: float) -> list[Row]:
    """The drawn set: by condition, by kind, by region; how many are accepted and how many of those are right."""
    rows = []
    for condition in CONDITIONS:
        chosen = [read for read in reads if read.condition == condition]
        if not chosen:
            continue
        least = BY_DAY if condition == "day" else None
        rows.append(share("drawn", f"{condition}: whole plate right", _right(chosen), len(chosen), least))
        passed, good = accepted(chosen, threshold)
        rows.append(share("drawn", f"{condition}: accepted", passed, len(chosen)))
        rows.append(share("drawn", f"{condition}: precision of accepted", good, passed))
    passed, good = accepted(reads, threshold)
    rows.append(share("drawn", "all: whole plate right", _right(reads), len(reads)))
    rows.append(share("drawn", "all: precision of accepted", good, passed, PRECISION))
    named = [read for read in reads if read.right]
    rows.append(
        share(
            "drawn", "kind named rightly, of those read rightly", sum(r.kind_right for r in named), len(named)
        )
    )
    for kind in KINDS:
        for condition in CONDITIONS:
            chosen = [read for read in reads if read.kind == kind and read.condition == condition]
            if chosen:
                rows.append(share("drawn by kind", f"{kind}, {condition}", _right(chosen), len(chosen)))
    rows += _by(
        "drawn by region", [read for read in reads if not read.region.isascii()], lambda read: read.region
    )
    return rows


def stay_rows(stays: Sequence[Stay]) -> list[Row]:
    """Simulated stays: how many plates the vote gives out, and how many of those are right; by condition too."""
    looks = sum(stay.looks for stay in stays)
    rows = [
        share("stays", "single looks right", looks - sum(stay.wrong_looks for stay in stays), looks),
        *_told("stays", "", stays, PRECISION),
    ]
    for condition in CONDITIONS:
        chosen = [stay for stay in stays if stay.condition == condition]
        if chosen:
            rows += _told("stays by condition", f"{condition}: ", chosen)
    return rows


def _told(table: str, prefix: str, stays: Sequence[Stay], least: float | None = None) -> list[Row]:
    told = [stay for stay in stays if stay.text is not None]
    right = sum(stay.text == stay.plate for stay in told)
    return [
        share(table, f"{prefix}plate given out by the vote", len(told), len(stays)),
        share(table, f"{prefix}precision of those", right, len(told), least),
    ]


def time_rows(reads: Sequence[Read]) -> list[Row]:
    """CPU time of one thread per vehicle crop of the drawn set by day, whole and per stage.

    The goal is the median's; the 95th percentile is told beside it.
    """
    chosen = [read for read in reads if read.condition == "day"]
    if not chosen:
        return []
    whole = [read.milliseconds for read in chosen]
    middle = float(np.median(whole))
    rows = [
        Row("time", "vehicle crop to plate, median", len(chosen), middle, "ms CPU", goal=f"< {MILLISECONDS:.0f} ms", met=middle < MILLISECONDS),
        Row("time", "vehicle crop to plate, 95th percentile", len(chosen), float(np.percentile(whole, 95)), "ms CPU"),
    ]  # fmt: skip
    for stage in STAGES:
        spent = float(np.mean([read.stages.get(stage, 0.0) for read in chosen]))
        rows.append(Row("time", f"  {stage}, mean", len(chosen), spent, "ms CPU"))
    return rows


def _right(reads: Iterable[Read]) -> int:
    return sum(read.right for read in reads)


def _by(table: str, reads: Sequence[Read], key: Callable[[Read], Hashable]) -> list[Row]:
    groups: dict[Hashable, list[Read]] = {}
    for read in reads:
        groups.setdefault(key(read), []).append(read)
    rows = [share(table, str(name), _right(members), len(members)) for name, members in groups.items()]
    return sorted(rows, key=lambda row: (row.value, row.what))
