"""Adds cameras until a check is missed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.capacity.clips import Stream
from benchmarks.capacity.stage import Result, run_stage, run_way

MAIN_GOAL, SUB_GOAL = 100, 300
"""Cameras per core at one check per 10 s."""

FIRST_SHARE, UP, DOWN = 0.85, 1.15, 0.75
"""The first count tried is this share of what the cost of a few cameras promises; then up or down by these factors."""

Say = Callable[[str], None]


@dataclass(slots=True)
class Report:
    """All that was measured.

    Attributes:
        results: every stage, in order.
        floor_cost, peer_cost: processor seconds per camera and second.
    """

    cores: int
    results: list[Result] = field(default_factory=list)
    floor_cost: float = 0.0
    peer_cost: float = 0.0

    def sustained(self, stream: Stream) -> int:
        """Most cameras per core that ran without a missed check or stay; 0 if none did."""
        counts = [r.cameras // r.cores for r in self.results if r.stream == stream and r.sustained]
        return max(counts, default=0)

    def by_cost(self, stream: Stream) -> float:
        """Cameras per core as their cost in the largest stage promises: 1 / processor seconds per camera second."""
        stages = [r for r in self.results if r.stream == stream]
        return 1 / max(stages, key=lambda r: r.cameras).cost if stages else 0.0

    def summary(self) -> dict[str, Any]:
        """The figures of `--json` under ``capacity``."""
        stages = [r for r in self.results if r.sustained]
        seen = sorted(delay for r in stages for delay in r.seen_after_s)
        return {
            "main_per_core": self.sustained("main"),
            "sub_per_core": self.sustained("sub"),
            "peer_per_core": round(1 / self.peer_cost, 2) if self.peer_cost else None,
            "floor_per_core": round(1 / self.floor_cost, 1) if self.floor_cost else None,
            # Of the stages that missed no check: those beyond the limit are what the limit is found by.
            "missed_stays": sum(r.missed_stays for r in self.results if not r.missed_checks),
            "stays": sum(r.stays for r in self.results if not r.missed_checks),
            "seen_after_s_median": seen[len(seen) // 2] if seen else None,
            "seen_after_s_max": seen[-1] if seen else None,
            "main_per_core_by_cpu": round(self.by_cost("main"), 1),
            "sub_per_core_by_cpu": round(self.by_cost("sub"), 1),
            "memory_mb": round(max((r.memory_mb for r in self.results), default=0.0)),
            "cores": self.cores,
        }


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
    say: Say,
) -> Report:
    """Everything, one after the other.

    Args:
        folder: an empty folder.
        agent_cores, farm_cores: processor numbers.
        period_s: one check per so many seconds.
        seed: chooses which cameras see vehicles come to stand, and where in the clip each begins.
        quick: costs of a few cameras alone.
        most: no more cameras than this.
        tries: how many counts are tried for each stream.
        say: told what is being done.
    """
    report = Report(len(agent_cores))
    common: dict[str, Any] = {
        "agent_cores": agent_cores, "farm_cores": farm_cores, "period_s": period_s, "seed": seed, "model": model,
    }  # fmt: skip
    say("the floor: receiving, and one keyframe a check")
    report.floor_cost = run_way("floor", 20 if quick else 50, seconds=5 if quick else 15, **common)
    say("the way of comparable systems: every picture decoded, detection at 5 fps")
    report.peer_cost = run_way("peer", 1, seconds=6 if quick else 15, **common)
    for stream, few in (("main", 20), ("sub", 40)):
        kind: Stream = "main" if stream == "main" else "sub"
        number = 0

        def stage(
            cameras: int, watch_s: float | None, *, kind: Stream = kind, stream: str = stream
        ) -> Result:
            nonlocal number
            number += 1
            say(f"{cameras} cameras, {stream} stream")
            result = run_stage(kind, cameras, folder / f"{stream}{number}", watch_s=watch_s, **common)
            report.results.append(result)
            return result

        cost = stage(min(few, most), 2 * period_s if quick else 3 * period_s).cost
        if quick:
            continue
        cameras = min(most, max(1, round(FIRST_SHARE * len(agent_cores) / cost)))
        tried: set[int] = set()
        for _ in range(tries):
            if cameras in tried:
                break
            tried.add(cameras)
            good = stage(cameras, None).sustained
            cameras = min(most, max(1, round(cameras * (UP if good else DOWN))))
            if not good and any(
                r.sustained and r.cameras >= cameras for r in report.results if r.stream == kind
            ):
                break
    return report
