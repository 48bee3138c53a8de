"""`patrol bench flood`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer


def flood(
    reports: Annotated[
        int, typer.Option(min=100, max=1_000_000, help="Reports that one address sends.")
    ] = 10_000,
    rate: Annotated[float, typer.Option(min=10, max=20_000, help="How many of them a second.")] = 400,
    workers: Annotated[int, typer.Option(min=1, max=16, help="Web processes of the centre.")] = 1,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures here; - is stdout.")
    ] = None,
) -> None:
    """One address floods the reports of Open311: what another client feels. Exit code 1: a goal is missed.

    A centre on SQLite with a client that looks at a page and reports, in turns alone and beside a flood from another
    address, which sends with a valid key and never waits as it is told. The difference is given with its 95 % interval. All share this machine: the other's times are by
    the wall clock, what a report of the flood costs is processor time.
    """
    from rich.table import Table

    from benchmarks._machine import machine
    from benchmarks.cli import progress_bar, tell
    from benchmarks.flood.measure import measure

    facts = machine()
    with progress_bar() as bar, tempfile.TemporaryDirectory(prefix="patrol-bench-") as folder:
        task = bar.add_task("starting", total=None)
        figures = measure(
            Path(folder),
            reports=reports,
            rate=rate,
            workers=workers,
            progress=lambda what: bar.update(task, description=what),
        )
    table = Table(title="A flood of reports from one address", title_justify="left")
    table.add_column("What")
    for name in ("Figure", "Goal"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Met")
    for figure in figures:
        table.add_row(
            figure.what,
            f"{figure.value:,.2f} {figure.unit}" if figure.unit else f"{figure.value:g}",
            "" if figure.goal is None else f"< {figure.goal:g} {figure.unit}".strip(),
            {None: "", True: "[green]yes[/]", False: "[bold red]no[/]"}[figure.met],
        )
    rows = [
        {"what": f.what, "value": round(f.value, 3), "unit": f.unit, "goal": f.goal, "met": f.met}
        for f in figures
    ]
    tell(table, rows, facts, json)
    if any(figure.met is False for figure in figures):
        raise typer.Exit(1)
