"""The charts beside the tables, drawn from the same files, so that they never show another run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

Figures = dict[str, Any]


def accuracy(whole: Figures) -> str:
    """Of `patrol bench accuracy --json`, as SVG."""
    from benchmarks.accuracy.figures import Row
    from benchmarks.accuracy.report import chart

    return chart([Row(**row) for row in whole["rows"]])


def capacity(whole: Figures) -> str:
    """Of `patrol bench capacity --json`, as SVG."""
    from benchmarks.capacity.chart import draw
    from benchmarks.capacity.search import Report
    from benchmarks.capacity.stage import Result

    names = {field.name for field in fields(Result)}
    results = [Result(**{name: row[name] for name in names & row.keys()}) for row in whole["rows"]]
    figures = whole["capacity"]
    floor, peer = (figures[name] for name in ("floor_per_core", "peer_per_core"))
    return draw(
        Report(
            whole["details"]["cores"],
            quick=figures["main_per_core"] is None,
            results=results,
            floor_cost=1 / floor if floor else 0.0,
            peer_cost=1 / peer if peer else 0.0,
        )
    )


def faults(whole: Figures) -> str:
    """Of `patrol bench faults --json`, as SVG."""
    from benchmarks.faults.chart import draw

    return draw(whole["faults"])


CHARTS: dict[str, Callable[[Figures], str]] = {"accuracy": accuracy, "capacity": capacity, "faults": faults}
