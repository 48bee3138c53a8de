"""`patrol bench bays`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer


def bays(
    bays: Annotated[int, typer.Option(min=10, max=1_000_000, help="Bays in the sub-district.")] = 10_000,
    rate: Annotated[float, typer.Option(min=1, max=5000, help="Page calls a second.")] = 100,
    drivers: Annotated[
        int, typer.Option(min=2, max=100_000, help="Warned drivers who open their pages.")
    ] = 300,
    seconds: Annotated[float, typer.Option(min=2, max=3600, help="For how long.")] = 30,
    workers: Annotated[
        int,
        typer.Option(
            min=1, max=16, help="Web processes of the centre, as `patrol central up --web-workers`."
        ),
    ] = 2,
    seed: Annotated[int, typer.Option(min=0, help="Of all places: bays, drivers, searches.")] = 7,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures here; - is stdout.")
    ] = None,
) -> None:
    """Nearest bays, and the driver's page under load. Exit code 1: a goal is missed.

    A centre on SQLite; its web processes and the load generator share the machine. Searches are
    measured in processor time, pages by the wall clock: close everything else first.
    """
    from benchmarks._machine import machine
    from benchmarks.bays import make_town, measure_page, measure_search, measure_watch
    from benchmarks.cli import progress_bar, report
    from benchmarks.figures import Figure

    facts = machine()
    figures: list[Figure] = []
    with progress_bar() as bar, tempfile.TemporaryDirectory(prefix="patrol-bench-") as folder:
        task = bar.add_task("making a sub-district", total=None)
        town = make_town(Path(folder), bays=bays, drivers=drivers, seed=seed)
        bar.update(task, description="searching", total=1.0)
        figures += measure_search(
            town, rounds=500, seed=seed, progress=lambda done: bar.update(task, completed=done)
        )
        figures += measure_watch()
        bar.update(task, description="opening pages", completed=0)
        figures += measure_page(
            town,
            workers=workers,
            rate=rate,
            seconds=seconds,
            progress=lambda done: bar.update(task, completed=done),
        )
    report("Bays and the driver's page", figures, facts, json)
