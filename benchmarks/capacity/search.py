"""The goal's count of cameras first; then more until a stage misses something; then between the two."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.capacity.clips import Stream
from benchmarks.capacity.stage import Result, run_stage, run_way, stage_s

GOALS: dict[Stream, int] = {"main": 100, "sub": 300}
"""Cameras per core at one check per 10 s."""

UP, DOWN = 1.25, 0.75
"""Factors by which the count goes up while nothing was missed yet, or down while everything was."""

CLOSE = 0.04
"""The search ends when the count that ran and the one that did not are within this share of each other."""

START_S = 12.0
"""What a stage takes besides its window: farm and agent start and end."""

Say = Callable[[str], None]


def next_count(goal: int, most: int, tried: Sequence[tuple[int, bool]]) -> int | None:
    """The count of cameras to try next, None when there is nothing left to find out. Pure.

    Args:
        goal: tried first, for all cores together.
        most: never more than this.
        tried: counts so far, and whether each was sustained.
    """
    if not tried:
        return min(goal, most)
    bad = min((count for count, fine in tried if not fine), default=None)
    good = max((count for count, fine in tried if fine and (bad is None or count < bad)), default=0)
    if bad is None:
        count = min(most, round(good * UP))
    elif not good:
        count = int(bad * DOWN)
    else:
        count = (good + bad) // 2 if bad - good > max(1, CLOSE * bad) else 0
    return count if count > 0 and count not in dict(tried) else None


@dataclass(slots=True)
class Report:
    """All that was measured.

    Attributes:
        results: every stage, in order.
        floor_cost, peer_cost: processor seconds per camera and second.
        quick: only costs: no count was searched for.
        cut_short: streams whose search ended with time or tries, before the limit was found to `CLOSE`.
        asked: whether certain counts were asked for, and none was searched for.
    """

    cores: int
    quick: bool = False
    results: list[Result] = field(default_factory=list)
    floor_cost: float = 0.0
    peer_cost: float = 0.0
    cut_short: list[Stream] = field(default_factory=list)
    asked: bool = False

    def sustained(self, stream: Stream) -> int | None:
        """Most cameras per core that ran without a missed check or stay; 0 if none did, None if none was tried."""
        if self.quick or (self.asked and all(r.stream != stream for r in self.results)):
            return None
        counts = [r.cameras // r.cores for r in self.results if r.stream == stream and r.sustained]
        return max(counts, default=0)

    def best(self, stream: Stream) -> Result | None:
        """The stage behind `sustained`; the smallest that was tried if none was sustained, None if none had stays."""
        stages = [r for r in self.results if r.stream == stream and r.stays]
        good = [r for r in stages if r.sustained]
        if good:
            return max(good, key=lambda r: r.cameras)
        return min(stages, key=lambda r: r.cameras, default=None)

    def costed(self, stream: Stream) -> Result | None:
        """The stage whose costs stand for the stream: the best, or the largest where none had stays. A box that cannot keep up has
        other costs: it leaves out what can wait, and its first looks are not over."""
        stages = [r for r in self.results if r.stream == stream]
        return self.best(stream) or max(stages, key=lambda r: r.cameras, default=None)

    def by_cost(self, stream: Stream) -> float | None:
        """Cameras per core as their cost promises: 1 / processor seconds per camera second."""
        stage = self.costed(stream)
        return None if stage is None else 1 / stage.cost

    def summary(self) -> dict[str, Any]:
        """The figures of `--json` under ``capacity``; null is what this run did not measure."""
        best = [r for r in (self.best("main"), self.best("sub")) if r is not None]
        return {
            "main_per_core": self.sustained("main"),
            "sub_per_core": self.sustained("sub"),
            "peer_per_core": round(1 / self.peer_cost, 2) if self.peer_cost else None,
            "floor_per_core": round(1 / self.floor_cost, 1) if self.floor_cost else None,
            # Of the best stage of each stream: those beyond the limit are what the limit is found by.
            "missed_stays": sum(r.missed_stays for r in best) if best else None,
        }

    def details(self) -> dict[str, Any]:
        """The figures of `--json` under ``details``."""
        whole: dict[str, Any] = {"cores": self.cores, "limit_not_reached": sorted(self.cut_short)}
        whole["memory_mb"] = round(max((r.memory_mb for r in self.results), default=0.0))
        for stream in GOALS:
            best, by_cost = self.best(stream), self.by_cost(stream)
            seen = sorted(best.seen_after_s) if best else []
            whole[stream] = {
                "per_core_by_cpu": None if by_cost is None else round(by_cost, 1),
                "best_stage_cameras": best.cameras if best else None,
                "missed_stays": best.missed_stays if best else None,
                "stays": best.stays if best else 0,
                "seen_after_s_median": seen[len(seen) // 2] if seen else None,
                "seen_after_s_max": seen[-1] if seen else None,
            }
        return whole

    def faults(self, period_s: float) -> list[str]:
        """Goals that were missed, in words; empty if none."""
        if self.asked:
            return [text for r in self.results for text in _why_not(r, period_s)]
        found = []
        for stream, goal in GOALS.items():
            if (ran := self.sustained(stream) or 0) < goal:
                found.append(f"{ran} {stream}-stream cameras per core ran, the goal is {goal}")
            best = self.best(stream)
            if best is None or best.missed_stays:
                what = (
                    "no stay was tested"
                    if best is None
                    else f"{best.missed_stays} of {best.stays} stays missed"
                )
                found.append(f"{what}, {stream} stream")
            elif best.seen_after_s and max(best.seen_after_s) > period_s:
                found.append(_seen_late(best, period_s))
        return found


def _seen_late(result: Result, period_s: float) -> str:
    return (
        f"a vehicle was first seen {max(result.seen_after_s):.1f} s after it came, {result.stream} stream; "
        f"the goal is one period, {period_s:g} s"
    )


def _why_not(result: Result, period_s: float) -> list[str]:
    """Why a stage does not count as sustained, or what it saw late though it does, in words."""
    what = f"{result.cameras} {result.stream}-stream cameras"
    if not result.measurable:
        return [f"{what}: the farm did not send all in time, so nothing can be said of the agent"]
    found = []
    if result.missed_checks:
        found.append(f"{what}: {result.missed_checks} checks missed, {result.checks} done")
    if result.missed_stays or not result.stays:
        found.append(f"{what}: {result.missed_stays} of {result.stays} stays missed")
    if result.sustained and max(result.seen_after_s) > period_s:
        found.append(_seen_late(result, period_s))
    return found


def measure(
    folder: Path,
    *,
    agent_cores: list[int],
    farm_cores: list[int],
    period_s: float,
    seed: int,
    model: str,
    quick: bool,
    most: int,
    tries: int,
    limit_s: float,
    say: Say,
    asked: Sequence[tuple[Stream, int]] = (),
) -> Report:
    """Everything, one after the other.

    Args:
        folder: an empty folder.
        agent_cores, farm_cores: processor numbers.
        period_s: one check per so many seconds.
        seed: chooses which cameras see vehicles come to stand, and where in the clip each begins.
        quick: costs of a few cameras alone.
        most: no more cameras than this.
        tries: at most so many counts are tried for each stream.
        limit_s: no stage begins that would not be over by then, but for the goals' own.
        say: told what is being done.
        asked: these counts instead of a search.
    """
    began_s = time.monotonic()
    report = Report(len(agent_cores), quick, asked=bool(asked))
    common: dict[str, Any] = {
        "agent_cores": agent_cores, "farm_cores": farm_cores, "period_s": period_s, "seed": seed, "model": model,
    }  # fmt: skip
    say("the floor: receiving, and one keyframe a check")
    report.floor_cost = run_way("floor", 20 if quick else 50, seconds=5 if quick else 15, **common)
    say("the way of comparable systems: every picture decoded, detection at 5 fps")
    report.peer_cost = run_way("peer", 1, seconds=6 if quick else 15, **common)
    number = 0

    def stage(stream: Stream, cameras: int, watch_s: float | None) -> bool:
        nonlocal number
        number += 1
        say(f"{cameras} cameras, {stream} stream")
        result = run_stage(stream, cameras, folder / f"{number}-{stream}", watch_s=watch_s, **common)
        report.results.append(result)
        return result.sustained

    if quick:
        stage("main", min(20, most), 2 * period_s)
        stage("sub", min(40, most), 2 * period_s)
        return report
    if asked:
        for stream, cameras in asked:
            stage(stream, cameras, None)
        return report
    tried: dict[Stream, list[tuple[int, bool]]] = {stream: [] for stream in GOALS}
    for turn in range(tries):
        # In turns, so that both have been looked at when the time is over.
        for stream, goal in GOALS.items():
            cameras = next_count(goal * len(agent_cores), most, tried[stream])
            if cameras is None or stream in report.cut_short:
                continue
            if turn and time.monotonic() - began_s + stage_s(stream, cameras) + START_S > limit_s:
                report.cut_short.append(stream)
                continue
            tried[stream].append((cameras, stage(stream, cameras, None)))
    for stream, goal in GOALS.items():
        left = next_count(goal * len(agent_cores), most, tried[stream])
        if left is not None and stream not in report.cut_short:
            report.cut_short.append(stream)
    return report
