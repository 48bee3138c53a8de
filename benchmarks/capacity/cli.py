"""`patrol bench capacity`."""

from __future__ import annotations

import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from patrol import console
from protocol.errors import PatrolError

if TYPE_CHECKING:
    from benchmarks.capacity.clips import Stream
    from benchmarks.capacity.search import Report
    from benchmarks.capacity.stage import Result

MOST = 1000
"""Cameras that one agent takes."""


def capacity(
    quick: Annotated[
        bool, typer.Option("--quick", help="About a minute: the cost of a few cameras, no search, no stays.")
    ] = False,
    period: Annotated[
        float, typer.Option(min=2, max=60, help="Seconds between two checks of a camera.")
    ] = 10,
    agent_core: Annotated[
        list[int] | None,
        typer.Option("--agent-core", help="Core for the agent; may be given again. By default the first."),
    ] = None,
    farm_core: Annotated[
        list[int] | None,
        typer.Option(
            "--farm-core",
            help="Core for the cameras; may be given again. By default the agent's are left out; one that is the agent's "
            "too is shared, and what the cameras take there the agent cannot have.",
        ),
    ] = None,
    cameras: Annotated[
        list[str] | None,
        typer.Option(
            "--cameras",
            metavar="STREAM=N",
            help="No search: do so many cameras run, main=90 or sub=250? For all cores together; may be given again.",
        ),
    ] = None,
    most: Annotated[int, typer.Option(min=1, max=MOST, help="No more cameras than this.")] = MOST,
    tries: Annotated[
        int, typer.Option(min=1, max=20, help="Counts of cameras tried for each stream; two minutes each.")
    ] = 5,
    minutes: Annotated[
        float, typer.Option(min=1, max=600, help="No more counts after so long; the goals are always tried.")
    ] = 16,
    model: Annotated[
        str, typer.Option(help="Detector: name in the catalogue, or an ONNX file.")
    ] = "nanodet-g",
    seed: Annotated[int, typer.Option(min=0, help="Chooses cameras with stays, and their phases.")] = 1,
    out_chart: Annotated[
        Path | None, typer.Option("--out-chart", metavar="FILE", help="Also draw the costs as SVG.")
    ] = None,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures here; - is stdout.")
    ] = None,
) -> None:
    """Cameras per core: real RTSP streams (1080p25 4 Mb/s, 360p25 0.5 Mb/s), added until a check is missed.

    The goals' counts come first (100 and 300 a core), then more until something is missed, then counts between.
    The agent has its cores, the farm of cameras the others; close everything else first. Costs are processor time.
    Exit code 1: fewer cameras per core than the goals, a stay of a minute was missed, or a vehicle was first seen later
    than a period after it came (not with --quick; with --cameras: any of these).
    """
    from benchmarks._machine import machine
    from benchmarks.capacity import clips
    from benchmarks.capacity.chart import draw
    from benchmarks.capacity.search import measure
    from benchmarks.cli import progress_bar, tell
    from zones.writing import refuse_unwritable, write_whole

    asked = [_asked(text) for text in cameras or ()]
    if asked and quick:
        raise PatrolError("says what to run, and --quick another", field="--cameras", mend="Leave one out.")
    refuse_unwritable(json, out_chart)
    cores = sorted(os.sched_getaffinity(0))
    agent_cores = agent_core or cores[:1]
    farm_cores = farm_core or [core for core in cores if core not in agent_cores]
    if not {*agent_cores, *farm_cores} <= set(cores) or not farm_cores:
        raise PatrolError(
            "the agent and the farm each need a core that is there",
            field="--agent-core",
            value=agent_cores,
            mend=f"This machine has {cores}: leave one for the farm, or share it by --farm-core.",
        )
    facts = machine() | {
        "cores": f"agent {agent_cores}, farm {farm_cores}; counts are per core of the agent",
        "cameras": f"1080p25 H.264 {clips.BITS_PER_S['main'] / 1e6:g} Mb/s, 640x360 "
        f"{clips.BITS_PER_S['sub'] / 1e6:g} Mb/s, a keyframe every 2 s, a check every {period:g} s, {model}",
    }
    with progress_bar() as bar, tempfile.TemporaryDirectory(prefix="patrol-bench-") as folder:
        task = bar.add_task("drawing the clips (once; kept for the next time)", total=1.0)
        clips.load_clips(lambda done, total: bar.update(task, completed=done / total))
        bar.update(task, total=None)
        report = measure(
            Path(folder),
            agent_cores=agent_cores,
            farm_cores=farm_cores,
            period_s=period,
            seed=seed,
            model=model,
            quick=quick,
            most=most,
            tries=tries,
            limit_s=60 * minutes,
            say=lambda text: bar.update(task, description=text),
            asked=asked,
        )
    if out_chart is not None:
        write_whole(out_chart, draw(report).encode())
    rows = [
        asdict(r) | {"cost": r.cost, "measurable": r.measurable, "sustained": r.sustained}
        for r in report.results
    ]
    faults = [] if quick else report.faults(period)
    more = {"capacity": report.summary(), "details": report.details(), "missed_goals": faults}
    tell(_table(report), rows, facts, json, more)
    if str(json) != "-":
        for fault in faults:
            console.out.print(f"[bold red]missed[/] {fault}", soft_wrap=True)
    if faults:
        raise typer.Exit(1)


def _asked(text: str) -> tuple[Stream, int]:
    stream, _, count = text.partition("=")
    if stream not in ("main", "sub") or not count.isdecimal() or not 0 < int(count) <= MOST:
        raise PatrolError(
            "expected a stream and a count",
            field="--cameras",
            value=text,
            mend=f"Write main=90 or sub=250, {MOST} at most.",
        )
    return stream, int(count)


def _mark(result: Result) -> str:
    if not result.measurable:
        return "not measurable"
    if not result.stays:
        return ""
    return "[green]yes[/]" if result.sustained else "[bold red]no[/]"


def _known(count: int | None) -> str:
    return "not searched" if count is None else str(count)


def _table(report: Report) -> Table:
    from benchmarks.capacity.search import GOALS
    from benchmarks.capacity.stage import PARTS

    table = Table(title="Capacity", title_justify="left", caption_justify="left")
    table.add_column("ms per camera and second")
    for r in report.results:
        table.add_column(f"{r.cameras} {r.stream}", justify="right")
    table.add_column("floor", justify="right")
    table.add_column("peer way", justify="right")
    for part in PARTS:
        table.add_row(part, *(f"{1000 * r.costs[part]:.2f}" for r in report.results), "", "")
    others = (report.floor_cost, report.peer_cost)
    costs = [*(r.cost for r in report.results), *others]
    table.add_row("sum", *(f"{1000 * cost:.2f}" for cost in costs))
    table.add_row(
        "1 / sum, cameras", *(f"{1 / cost:.0f}" if cost < 0.1 else f"{1 / cost:.1f}" for cost in costs)
    )
    for name, texts in (
        ("memory, MB", [f"{r.memory_mb:.0f}" for r in report.results]),
        ("all looked at after, s", ["" if r.started_s is None else f"{r.started_s:.0f}" for r in report.results]),
        ("checks", [str(r.checks) for r in report.results]),
        ("checks missed", [str(r.missed_checks) for r in report.results]),
        ("check done after, median, s", [f"{r.delay_s[0]:.1f}" for r in report.results]),
        ("stays missed", [f"{r.missed_stays} of {r.stays}" if r.stays else "" for r in report.results]),
        ("stay seen after, most, s", [f"{max(r.seen_after_s):.1f}" if r.seen_after_s else "" for r in report.results]),
        ("pictures the farm left out", [str(r.skipped_by_farm) for r in report.results]),
        ("sustained", [_mark(r) for r in report.results]),
        ("farm's share of its cores", [f"{100 * r.farm_share:.0f} %" for r in report.results]),
    ):  # fmt: skip
        table.add_row(name, *texts, "", "")
    counts = [f"{_known(report.sustained(stream))} {stream}" for stream in GOALS]
    table.caption = (
        f"Costs are processor time. Sustained, with nothing missed, per core of the agent: {', '.join(counts)}. "
        "1 / sum is what the cost promises, not what was run."
    ) + "".join(
        f" On the {stream} stream the search ended before the limit was found." for stream in report.cut_short
    )
    return table
