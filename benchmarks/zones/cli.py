"""`patrol bench zones`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from patrol import console

if TYPE_CHECKING:
    from benchmarks.zones.decisions import Row
    from benchmarks.zones.speed import Speed

ANGLES = (30, 45, 60)

app = typer.Typer()


@app.command(epilog="Example: patrol bench zones --seed 7 --views 40 --json zones.json")
def zones(
    views: Annotated[int, typer.Option(min=1, max=1000, help="Cameras at each angle.")] = 25,
    vehicles: Annotated[int, typer.Option(min=1, max=500, help="Standing vehicles before each.")] = 40,
    rendered: Annotated[
        int, typer.Option(min=0, max=5000, help="Of these, how many at each angle are drawn and detected.")
    ] = 75,
    boxes: Annotated[int, typer.Option(min=1, max=100_000, help="Boxes whose judging is timed.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the lot that draws cameras and vehicles.")] = 1,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures here; - is stdout.")
    ] = None,
) -> None:
    """Who stands on the pavement, seen by oblique cameras: wrong decisions of three methods; and what judging costs.

    Exit code 1: the calibrated footprint is wrong more than a tenth as often as the bottom centre of the box, or a
    goal of speed is missed. Times are processor time, so that other work on the machine disturbs them little.
    """
    from benchmarks._machine import machine
    from benchmarks.zones import count_detected, count_views, draw_views, measure_speed

    facts = machine()
    rows: list[Row] = []
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=console.err, transient=True, disable=not console.err.is_terminal,
    ) as bar:  # fmt: skip
        task = bar.add_task("speed", total=1)
        speeds = measure_speed(seed, boxes)
        bar.update(task, completed=1)
        detector = None
        for angle in ANGLES:
            task = bar.add_task(f"{angle} degrees", total=3 + rendered)
            drawn = draw_views(angle, views, vehicles, seed)
            bar.advance(task)
            rows.append(count_views(drawn, "exact", 0.0, seed))
            bar.advance(task)
            rows.append(count_views(drawn, "moved by 3%", 0.03, seed))
            bar.advance(task)
            if rendered:
                if detector is None:
                    from models import open_detector

                    detector = open_detector("nanodet-g")
                some = min(views, max(1, rendered // 15))
                each = -(-rendered // some)
                rows.append(
                    count_detected(
                        drawn[:some], each, detector, lambda done, task=task: bar.advance(task, done)
                    )
                )
    rows.sort(key=lambda row: ["exact", "moved by 3%", "detected"].index(row.boxes))
    rows = _with_sums(rows)
    _report(rows, speeds, facts, json)
    held = all(
        10 * row.by_method["calibrated"].wrong <= row.by_method["bottom centre"].wrong
        for row in rows
        if row.angle == 0
    )
    if not held or any(speed.met is False for speed in speeds):
        raise typer.Exit(1)


def _with_sums(rows: list[Row]) -> list[Row]:
    """After each sort of boxes a row over all angles, whose angle is 0."""
    from benchmarks.zones.decisions import Row

    out: list[Row] = []
    for name in dict.fromkeys(row.boxes for row in rows):
        whole = Row(0, name)
        for row in rows:
            if row.boxes == name:
                out.append(row)
                whole.add(row)
        out.append(whole)
    return out


def _report(rows: list[Row], speeds: list[Speed], facts: dict[str, str], json: Path | None) -> None:
    from benchmarks.cli import give
    from benchmarks.zones.decisions import METHODS

    found: dict[str, Any] = {
        "decisions": [
            {
                "angle": row.angle or "all",
                "boxes": row.boxes,
                "inside": row.inside,
                "outside": row.outside,
                "between": row.between,
                "unseen": row.unseen,
                **{
                    name.replace(" ", "_"): {"false": tally.false, "missed": tally.missed}
                    for name, tally in row.by_method.items()
                },
            }
            for row in rows
        ],
        "speed": [
            {"what": s.what, "cpu_ms": round(s.ms, 3), "goal_ms": s.goal_ms, "met": s.met} for s in speeds
        ],
    }

    def show() -> None:
        table = Table(title="Wrong decisions: false + missed", title_justify="left")
        table.add_column("Boxes")
        for name in ("Angle", "On", "Off", "On the line", "Not found", *(m.capitalize() for m in METHODS)):
            table.add_column(name, justify="right")
        for row in rows:
            table.add_row(
                row.boxes,
                f"{row.angle}°" if row.angle else "all",
                str(row.inside),
                str(row.outside),
                str(row.between),
                str(row.unseen) if row.boxes == "detected" else "",
                *(f"{t.wrong} ({t.false} + {t.missed})" for t in row.by_method.values()),
                end_section=not row.angle,
            )
        console.out.print(table)
        table = Table(title="Speed, processor time of one core", title_justify="left")
        table.add_column("What")
        table.add_column("ms", justify="right")
        table.add_column("Goal", justify="right")
        for speed in speeds:
            goal = "" if speed.goal_ms is None else f"{speed.goal_ms:g}"
            table.add_row(
                escape(speed.what), f"{speed.ms:.2f}", goal, style=None if speed.met is not False else "red"
            )
        console.out.print(table)

    give(found, facts, json, show)
