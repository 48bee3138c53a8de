"""`patrol bench suggest`: how good drafted zones are."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from rich.table import Table

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: patrol bench suggest --streets 8 --seed 101 --json suggest.json")
def suggest(
    streets: Annotated[int, typer.Option(min=1, max=1000, help="How many streets are drawn by lot.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="The first street's seed; the others follow.")] = 101,
    minutes: Annotated[float, typer.Option(min=1, max=60, help="How long each is watched.")] = 5,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures here; - is stdout.")
    ] = None,
) -> None:
    """Draft zones of simulated streets against their exact truth: pavement and bays, a row for each street."""
    from benchmarks._machine import machine
    from benchmarks.cli import progress_bar, tell
    from benchmarks.suggest.run import run_street
    from benchmarks.suggest.streets import street
    from edge_agent.build import WATCHED
    from models.detector import open_detector

    detector = open_detector("nanodet-g", score_threshold=0.2, iou_threshold=0.5, classes=WATCHED)
    rows: list[dict[str, Any]] = []
    table = Table(title="Drafted zones", title_justify="left")
    for name in (
        "Street",
        "People",
        "Vehicles",
        "Pavement IoU",
        "Is pavement",
        "Bays taken",
        "Found",
        "False",
        "Bay IoU",
    ):
        table.add_column(name, justify="right")
    with progress_bar() as progress:
        for number in range(seed, seed + streets):
            task = progress.add_task(f"street {number}", total=1.0)
            outcome = run_street(
                street(number, minutes=minutes),
                detector,
                progress=lambda share, task=task: progress.update(task, completed=share),
            )
            row = {
                "street": number,
                "people": outcome.heat.people,
                "vehicles": outcome.heat.passes,
                "pavement_iou": round(outcome.pavement_iou, 3),
                "pavement_inside": round(outcome.pavement_inside, 3),
                "bays_taken": outcome.taken,
                "bays_found": outcome.found,
                "bays_false": outcome.false,
                "bay_iou": None if outcome.bay_iou is None else round(outcome.bay_iou, 3),
            }
            rows.append(row)
            table.add_row(*("–" if value is None else str(value) for value in row.values()))
    middle = round(median(row["pavement_iou"] for row in rows), 3)
    table.add_section()
    table.add_row(
        "all", "", "", f"{middle} (median)", "", *(str(sum(row[name] for row in rows)) for name in ("bays_taken", "bays_found", "bays_false")), ""
    )  # fmt: skip
    tell(table, rows, machine(), json)
