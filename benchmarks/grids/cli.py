"""`patrol bench grids`: point to leaf grid."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: patrol bench grids --json grids.json")
def grids(
    points: Annotated[
        int, typer.Option(min=1000, max=10_000_000, help="Points looked up for each size.")
    ] = 200_000,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures here; - is stdout.")
    ] = None,
) -> None:
    """Microseconds from a point to its leaf grid, with wavy hand-drawn borders. Exit code 1: a goal is missed."""
    import numpy as np

    from benchmarks._machine import machine
    from benchmarks.cli import tell
    from benchmarks.grids.ground import wavy_leaves
    from central.grids.index import GridIndex

    dice = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    table = Table(title="Point to leaf grid", title_justify="left")
    for name in ("Leaves", "Vertices", "Built in", "Mean", "Goal", "Found"):
        table.add_column(name, justify="right")
    for leaves, goal in ((1_623, 20.0), (33_000, 50.0)):
        ground = wavy_leaves(leaves, dice)
        started = time.process_time()
        index = GridIndex(ground)
        built = time.process_time() - started
        places = dice.uniform((121.0, 31.0), (121.4, 31.4), (points, 2)).tolist()
        started = time.process_time()
        found = sum(index.leaf_at(x, y) is not None for x, y in places)
        each = (time.process_time() - started) / points * 1e6
        vertices = sum(len(shape.exterior.coords) for _, shape in ground)
        row = {
            "leaves": leaves,
            "vertices": vertices,
            "built_s": round(built, 2),
            "mean_us": round(each, 2),
            "goal_us": goal,
            "found": round(found / points, 4),
        }
        rows.append(row)
        table.add_row(
            str(leaves),
            str(vertices),
            f"{built:.1f} s",
            f"{each:.2f} µs",
            f"< {goal:g} µs",
            f"{found / points:.1%}",
        )
    tell(table, rows, machine() | {"seed": str(seed), "points": str(points)}, json)
    if any(row["mean_us"] >= row["goal_us"] for row in rows):
        raise typer.Exit(1)
