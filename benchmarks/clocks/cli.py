"""`patrol bench clocks`: due dates against a walk from minute to minute."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

app = typer.Typer(add_completion=False)

GOAL = 5_000
"""Due dates a second: thousands."""


@app.command(epilog="Example: patrol bench clocks --json clocks.json")
def clocks(
    only: Annotated[
        str | None, typer.Option(help="Only promises whose name has this in it, e.g. 'working days'.")
    ] = None,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures here; - is stdout.")
    ] = None,
) -> None:
    """Due dates of every minute of 2024-2026 beside an independent walk, minute by minute. Exit code 1: one differs.

    The walk shares nothing with the product: the State Council's notices are written out in it, and each minute asks
    the wall clock. Takes some minutes.
    """
    from benchmarks._machine import machine
    from benchmarks.cli import progress_bar, tell
    from benchmarks.clocks.compare import PLANS, compare
    from patrol import console
    from protocol.errors import PatrolError

    plans = [plan for plan in PLANS if only is None or only in plan.name]
    if not plans:
        raise PatrolError(
            "no promise has this in its name",
            field="--only",
            value=only,
            mend=f"Known: {'; '.join(plan.name for plan in PLANS)}",
        )
    rows: list[dict[str, Any]] = []
    table = Table(title="Due dates of every minute of 2024-2026", title_justify="left")
    table.add_column("Promise")
    for name in ("Minutes", "Different", "Provisional", "Walk", "Due dates per second", "Goal"):
        table.add_column(name, justify="right")
    with progress_bar() as bar:
        for plan in plans:
            task = bar.add_task(plan.name, total=1.0)
            figure = compare(plan, lambda share, task=task: bar.update(task, completed=share))
            rows.append(
                {
                    "promise": plan.name,
                    "time_zone": plan.office.time_zone,
                    "compared": figure.compared,
                    "different": figure.different,
                    "provisional": figure.provisional,
                    "walk_cpu_s": round(figure.walk_s, 1),
                    "due_per_cpu_s": round(figure.rate),
                    "goal_per_cpu_s": GOAL,
                }
            )
            table.add_row(
                plan.name,
                f"{figure.compared:,}",
                str(figure.different),
                f"{figure.provisional:,}",
                f"{figure.walk_s:.1f} s",
                f"{figure.rate:,.0f}",
                f"0, > {GOAL:,}",
            )
            if figure.different:
                console.err.print(f"{plan.name}: {figure.first_difference}", soft_wrap=True)
    tell(table, rows, machine(), json)
    if any(row["different"] or row["due_per_cpu_s"] <= GOAL for row in rows):
        raise typer.Exit(1)
