"""`patrol bench shops`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from protocol.errors import PatrolError


def shops(
    shops: Annotated[int, typer.Option(min=100, max=100_000, help="Shops in the register.")] = 3_903,
    database: Annotated[str, typer.Option(help="sqlite or postgresql.")] = "postgresql",
    rounds: Annotated[int, typer.Option(min=2, max=10_000, help="How often each page is asked for.")] = 40,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    by_cpu: Annotated[
        bool, typer.Option("--by-cpu", help="Judge by processor time, where the machine has other work.")
    ] = False,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures here; - is stdout.")
    ] = None,
) -> None:
    """Colours, worklist and plates of a sub-district's shops. Exit code 1: a goal is missed.

    Pages are asked for one after the other through Django's client: middleware, session, queries and templates are in
    the time, the network is not. A real PostgreSQL 16 or SQLite lies under them. CPU counts this process and the one of
    PostgreSQL that answers it.
    """
    from rich.table import Table

    from benchmarks._machine import machine
    from benchmarks.cli import progress_bar, tell
    from benchmarks.pages.cli import server

    if database not in {"sqlite", "postgresql"}:
        raise PatrolError("no such database", field="--database", value=database, mend="sqlite or postgresql")
    facts = machine() | {"database": database, "shops": f"{shops:,}", "seed": str(seed)}
    with progress_bar() as bar, server(database, None):
        task = bar.add_task("starting", total=1.0)
        from benchmarks.shops import fill, measure
        from central.project.clock import now_ms

        def told(text: str, share: float) -> None:
            bar.update(task, description=text, completed=share)

        fill(shops, now_ms(), seed, told)
        figures = measure(shops, rounds, told, by_cpu=by_cpu)
    table = Table(title=f"{shops:,} shops on {database}", title_justify="left")
    table.add_column("What", no_wrap=True)
    for name in ("Value", "CPU", "Goal"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Met")
    table.add_column("Note")
    for figure in figures:
        table.add_row(
            figure.what,
            f"{figure.value:.2f} {figure.unit}"
            if figure.unit == "s"
            else f"{figure.value:.0f} {figure.unit}",
            f"{figure.cpu:.2f}" if figure.unit == "s" else f"{figure.cpu:.0f}",
            figure.goal,
            "yes" if figure.met else "[red]no[/]",
            figure.note,
        )
    rows = [
        {
            name: round(value, 3) if isinstance(value, float) else value
            for name, value in asdict(figure).items()
        }
        for figure in figures
    ]
    tell(table, rows, facts, json)
    if not all(figure.met for figure in figures):
        raise typer.Exit(1)
