"""`patrol bench day`."""

from __future__ import annotations

import signal
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Examples:\n\npatrol bench day --json day.json\n\n"
    "patrol bench day --hours 1 --speed 120 --stays 20 --database sqlite"
)
def day(
    speed: Annotated[int, typer.Option(min=1, max=240, help="How many times faster than the clock.")] = 60,
    stays: Annotated[int, typer.Option(min=1, max=5000, help="Vehicles of the day.")] = 300,
    agents: Annotated[
        int, typer.Option(min=1, max=4, help="Simulated agents, each with a log-in of its own.")
    ] = 3,
    officers: Annotated[
        int, typer.Option(min=2, max=8, help="Officers; odd ones relieve even ones at midday.")
    ] = 6,
    browsers: Annotated[
        int,
        typer.Option(
            min=0, max=8, help="So many of them work by real pages in Chromium, the rest by a phone's calls."
        ),
    ] = 2,
    hours: Annotated[float, typer.Option(min=0.5, max=24, help="Hours in which vehicles arrive.")] = 24,
    seed: Annotated[int, typer.Option(min=0, help="The same seed is the same day.")] = 1,
    database: Annotated[str, typer.Option(help="postgresql or sqlite.")] = "postgresql",
    folder: Annotated[
        Path | None,
        typer.Option(help="Keep everything in this folder, which must be empty; by default nothing is kept."),
    ] = None,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures here; - is stdout.")
    ] = None,
) -> None:
    """A whole day of the centre at many times the speed, and every published figure against the script. Exit code 1: any
    difference.

    Mosquitto with the shipped rules, `patrol central up`, the agents' case machine, outbox and link are the real ones; what
    cameras see and what officers answer follows a script.
    """
    from benchmarks._machine import machine
    from benchmarks.cli import _interrupt, progress_bar, tell
    from benchmarks.day.run import play
    from benchmarks.day.script import write
    from benchmarks.published import table_of
    from protocol.errors import PatrolError

    if database not in {"postgresql", "sqlite"}:
        raise PatrolError(
            "unknown database", field="--database", value=database, mend="postgresql or sqlite."
        )
    if folder is not None and folder.exists() and any(folder.iterdir()):
        raise PatrolError("this folder is not empty", field="--folder", value=folder, mend="Name a new one.")
    script = write(seed=seed, stays=stays, agents=agents, officers=officers, hours=hours)
    signal.signal(signal.SIGTERM, _interrupt)  # so that nothing is left running
    with ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="patrol-bench-")))
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        bar = stack.enter_context(progress_bar())
        task = bar.add_task("", total=1.0)
        found = play(
            folder.absolute(), script, speed=speed, browsers=min(browsers, officers), database=database,
            say=lambda text, share: bar.update(task, description=text, completed=share),
        )  # fmt: skip
    parts = {"on the pages": found.published, "in the tables": found.stored, "proofs": found.proofs}
    table, rows = table_of("A day", parts)
    same = sum(row["equal"] for row in rows)
    facts = machine() | found.facts | {"equal": f"{same} of {len(rows)} figures"}
    tell(table, rows, facts, json)
    if not found.equal:
        raise typer.Exit(1)
