"""`patrol bench accuracy`."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from patrol import console
from protocol.errors import PatrolError

if TYPE_CHECKING:
    from benchmarks import clips
    from benchmarks.accuracy.figures import Row, Spread
    from benchmarks.accuracy.run import Outcome

LONG_FROM = 100
"""From so many scenes on, the twelve-hour stay belongs to the run unless it is said otherwise."""

CLIP_LOOPS = 12
"""Clips with standing vehicles are played so often on end that a task can fall due."""

REPORTED_SEED = 66403
"""The seed of the next published figures. Nothing was ever mended on its scenes; on those of 20261, which is in the tables up to
2026-11, something was."""


def accuracy(
    scenes: Annotated[
        int, typer.Option(min=1, max=100_000, help="How many scenes are drawn; 24 is a quick run.")
    ] = 300,
    seed: Annotated[int, typer.Option(min=0, max=10**9, help="Of everything drawn by lot.")] = REPORTED_SEED,
    jobs: Annotated[int, typer.Option(min=0, max=256, help="Processes; 0: one a core, at most 8.")] = 0,
    long_stay: Annotated[
        bool | None, typer.Option(help="With the stay of twelve hours; by default from 100 scenes on.")
    ] = None,
    shared: Annotated[
        Path | None,
        typer.Option(
            help="Folder of real inputs; by default PATROL_SHARED, else ../shared; clips that are not there are named."
        ),
    ] = None,
    model: Annotated[
        str, typer.Option(help="Detector: name in the catalogue, or an ONNX file.")
    ] = "nanodet-g",
    period: Annotated[
        float,
        typer.Option(
            min=1,
            max=30,
            help="Seconds between two looks at a drawn scene; from 5 on, cameras are looked at sparingly.",
        ),
    ] = 2,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Report with pictures of the worst ten scenes; a run that was cut off goes on from here.",
        ),
    ] = None,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures here; - is stdout.")
    ] = None,
) -> None:
    """Drawn scenes and real clips through the whole agent, against exact truth. Exit code 1: a goal is missed.

    Scenes take turns through four lights and sixteen situations: buses that hide a car for 5, 15 and 60 s, a similar car
    in the same place, outage, frozen and black picture, clock steps, a restart, shake, crowds. Another seed gives scenes
    that nobody has seen.
    """
    from benchmarks._machine import machine
    from benchmarks.accuracy.figures import goals_missed, real_row, rows, spread, summary
    from benchmarks.accuracy.report import write_report
    from benchmarks.accuracy.run import LONG, run_scenes
    from benchmarks.cli import _interrupt
    from zones.writing import refuse_unwritable

    refuse_unwritable(json)
    facts = machine() | {"detector": model, "looks": f"one every {period:g} s"}
    numbers = list(range(scenes))
    if long_stay if long_stay is not None else scenes >= LONG_FROM:
        numbers.insert(0, LONG)  # the longest first, so that the last process is not left alone with it
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PatrolError(
                f"cannot be made: {error.strerror}",
                field="--out",
                value=str(out),
                mend="Name another folder.",
            ) from error
    outcomes: list[Outcome] = []
    signal.signal(signal.SIGTERM, _interrupt)  # so that no worker is left running
    with _bar() as bar:
        task = bar.add_task("scenes", total=len(numbers))
        for outcome in run_scenes(
            seed,
            numbers,
            model,
            jobs=jobs or min(8, os.cpu_count() or 1),
            kept=None if out is None else out / "scenes.jsonl",
            period_s=period,
        ):
            outcomes.append(outcome)
            wrongful = sum(one.judgement.wrongful for one in outcomes)
            bar.update(task, advance=1, description=f"scenes, {wrongful} wrongful tasks")
        real = _real(shared, model, bar)
    command = "patrol " + shlex.join(sys.argv[1:])
    table, spreads = rows(outcomes), (spread(outcomes, end=False), spread(outcomes, end=True))
    figures = summary(outcomes, real_row(real[0]) if real[0] else None)
    if real[0]:
        table.append(real_row(real[0]))
    page = None
    if out is not None:
        tasks = sum(one.judgement.tasks for one in outcomes) + sum(one.tasks for one in real[0])
        page = write_report(
            out, outcomes, table, spreads, figures, facts, command, tasks=tasks, missing=real[1]
        )
    _report(outcomes, table, spreads, figures, real, facts, json, seed)
    if page is not None and str(json) != "-":
        console.out.print(f"[dim]report:[/] {escape(str(page))}", soft_wrap=True)
    if goals_missed(figures, table[0].near):
        raise typer.Exit(1)


def _real(shared: Path | None, model: str, bar: Progress) -> tuple[list[clips.Outcome], list[str]]:
    """The real clips that are there, and the names of the files that are not.

    Raises:
        PatrolError: a folder was named and one of them is missing.
    """
    from benchmarks.clips import load_clips, run_clip
    from edge_agent.build import open_perceiver

    folder = shared or Path(os.environ.get("PATROL_SHARED") or "../shared")
    known = load_clips()
    missing = [clip.file for clip in known if not (folder / clip.file).is_file()]
    if missing and shared is not None:
        raise PatrolError(
            f"recordings are missing: {', '.join(missing)}", field="--shared", value=str(shared)
        )
    there = [clip for clip in known if clip.file not in missing]
    if not there:
        return [], missing
    task = bar.add_task("real clips", total=len(there))
    perceiver = open_perceiver(model, plates=False)
    outcomes = []
    for clip in there:
        outcomes.append(run_clip(clip, folder, perceiver, loops=CLIP_LOOPS if clip.standing else 1))
        bar.update(task, advance=1)
    return outcomes, missing


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
        console=console.err, transient=True, disable=not console.err.is_terminal,
    )  # fmt: skip


def _report(
    outcomes: list[Outcome],
    rows: list[Row],
    spreads: tuple[Spread, Spread],
    figures: dict[str, Any],
    real: tuple[list[clips.Outcome], list[str]],
    facts: dict[str, str],
    json: Path | None,
    seed: int,
) -> None:
    from dataclasses import asdict

    from benchmarks.accuracy.figures import goals_missed, hidden_behind_buses, worst, wrongful_below
    from benchmarks.cli import give

    tasks = sum(one.judgement.tasks for one in outcomes) + sum(one.tasks for one in real[0])
    buses = hidden_behind_buses(outcomes)
    missed = goals_missed(figures, rows[0].near)
    found = {
        "seed": seed,
        "accuracy": figures,
        "missed": missed,
        "tasks": tasks,
        "pulling_out": sum(one.judgement.pulling_out for one in outcomes),
        "wrongful_rate_below": wrongful_below(figures["wrongful_tasks"], tasks),
        "starts": asdict(spreads[0]),
        "ends": asdict(spreads[1]),
        "cpu_s": round(sum(one.cpu_s for one in outcomes), 1),
        "hidden_behind_bus": {name: {"hidden": n, "scenes": of} for name, (n, of) in buses.items()},
        "real": [
            {
                "clip": one.clip.name, "seconds": round(one.seconds, 1), "right": len(one.found), "missed": list(one.missed),
                "false": len(one.false), "extra": len(one.extra), "tasks": one.tasks, "tasks_due": one.tasks_due,
                "wrongful": one.wrongful,
            }
            for one in real[0]
        ],
        "real_missing": real[1],
        "rows": [asdict(row) for row in rows],
        "worst": [
            {"scene": one.name, "faults": [f.what for f in one.judgement.faults]} for one in worst(outcomes)
        ],
    }  # fmt: skip

    def show() -> None:
        for table in _tables(rows, seed):
            console.out.print(table)
        for name, off in zip(("start", "end"), spreads, strict=True):
            console.out.print(
                f"{name} off: median {_n(off.median_s, 1)} s, 95 % below {_n(off.p95_s, 1)} s, within 10 s {_n(off.near)}, {off.count} stays"
            )
        console.out.print(
            f"both within 10 s: {_n(rows[0].near)} (95 %: {_n(rows[0].near_low)} to {_n(rows[0].near_high)})"
        )
        least, most = figures["cases_per_stay_12h_min"], figures["cases_per_stay_12h_max"]
        console.out.print(
            "cases of a stay of twelve hours: "
            + (
                "not measured"
                if least is None
                else f"{figures['cases_per_stay_12h']:.2f} ({least} to {most})"
            )
        )
        for name, (hidden, scenes) in buses.items():
            console.out.print(f"{name}: the car was hidden for as long in {hidden} of {scenes} scenes")
        if real[1]:
            console.out.print(
                f"[bold]real clips that are not there:[/] {escape(', '.join(real[1]))}", soft_wrap=True
            )
        bound = found["wrongful_rate_below"]
        console.out.print(
            f"wrongful tasks: {figures['wrongful_tasks']} of {tasks}"
            + ("" if bound is None else f" (95 %: below {bound:.2%})")
            + f"; of the others {found['pulling_out']} on a picture taken as the vehicle began to leave"
        )
        for what in missed:
            console.out.print(f"[bold red]missed:[/] {what}")
        for place, one in enumerate(worst(outcomes), start=1):
            console.out.print(
                f"  {place:2}. {one.name}: {escape('; '.join(f.what for f in one.judgement.faults))}",
                soft_wrap=True,
            )
        console.out.print(f"[dim]processor time:[/] {found['cpu_s']} s")

    give(found, facts, json, show)


def _tables(rows: list[Row], seed: int) -> tuple[Table, Table]:
    """What was found, and what came of it; two tables, so that each fits a terminal."""
    from benchmarks.accuracy.figures import GOALS

    found = Table(title=f"Accuracy, seed {seed}", title_justify="left")
    follow = Table(title="Stays and tasks", title_justify="left")
    for table, names in (
        (found, ("Scenes", "Events", "Prec.", "Recall", "F1", "95 %", "Goal")),
        (follow, ("±10 s", "Cases", "Frag.", "Switch", "Tasks/due", "Wrong", "95 %: <")),
    ):
        table.add_column("Stratum", no_wrap=True)
        for name in names:
            table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        goal = GOALS.get(row.name) if row.kind == "light" else None
        met = (
            "" if goal is None or row.f1 is None else " [green]✓[/]" if row.f1 >= goal else " [bold red]✗[/]"
        )
        end = row.kind == "all" or row is _last(rows, row.kind)
        interval = "–" if row.f1_low is None else f"{_n(row.f1_low, 2)}–{_n(row.f1_high, 2)}"
        found.add_row(
            row.name, str(row.scenes), str(row.events), _n(row.precision, 2), _n(row.recall, 2), _n(row.f1, 2), interval,
            f"{goal or ''}{met}", end_section=end,
        )  # fmt: skip
        follow.add_row(
            row.name, _n(row.near, 2), _n(row.cases_per_stay, 2), _n(row.fragments, 2), str(row.switches), f"{row.tasks_right}/{row.tasks_due}",
            f"[bold red]{row.wrongful}[/]" if row.wrongful else "0",
            "–" if row.wrongful_below is None else f"{row.wrongful_below:.1%}", end_section=end,
        )  # fmt: skip
    return found, follow


def _last(rows: list[Row], kind: str) -> Row:
    """The last row of a kind."""
    return [row for row in rows if row.kind == kind][-1]


def _n(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
