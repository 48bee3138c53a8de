"""`patrol bench dispatch`."""

from __future__ import annotations

import signal
import tempfile
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: patrol bench dispatch --rate 50 --seconds 60 --json dispatch.json")
def dispatch(
    rate: Annotated[float, typer.Option(min=1, max=2000, help="Tasks a second, followed to the page.")] = 50,
    seconds: Annotated[float, typer.Option(min=5, max=3600, help="For how long, each part.")] = 60,
    flood: Annotated[
        float,
        typer.Option(min=0, max=5000, help="Tasks a second while workers are killed; 0: without this part."),
    ] = 200,
    officers: Annotated[
        int, typer.Option(min=1, max=2000, help="Officers on duty, each with an open page.")
    ] = 50,
    workers: Annotated[int, typer.Option(min=1, max=16, help="Ingest workers.")] = 2,
    route: Annotated[bool, typer.Option(help="Officers are looked for during the flood too.")] = True,
    seed: Annotated[int, typer.Option(min=0, help="Of all places: officers' and tasks'.")] = 1,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures here; - is stdout.")
    ] = None,
) -> None:
    """From an agent's MQTT message to the officer's page, and a flood while workers are killed. Exit code 1: a goal is
    missed.

    PostgreSQL, Mosquitto, ingest, dispatch and web are real processes of this machine, which they share with the agents
    and pages of the benchmark. Processor time a task does not depend on what else runs; waiting times do.
    """
    from benchmarks._machine import machine
    from benchmarks.cli import _interrupt, progress_bar, report
    from benchmarks.dispatch import measure_chain, measure_flood
    from benchmarks.dispatch.world import world

    signal.signal(signal.SIGTERM, _interrupt)  # so that nothing is left running
    facts = machine() | {"officers": str(officers), "ingest workers": str(workers)}
    with progress_bar() as bar, tempfile.TemporaryDirectory(prefix="patrol-bench-") as folder:
        task = bar.add_task("making a sub-district", total=None)

        def say(text: str, done: int) -> None:
            bar.update(task, description=text, completed=done)

        with world(Path(folder), officers=officers, agents=8, seed=seed) as made:
            bar.update(task, total=rate * seconds)
            parts = {
                f"{rate:g} tasks/s": measure_chain(
                    made, rate=rate, seconds=seconds, workers=workers, say=say, seed=seed
                )
            }
            if flood:
                bar.update(task, total=flood * seconds)
                parts[f"{flood:g} tasks/s, a worker killed every 10 s"] = measure_flood(
                    made, rate=flood, seconds=seconds, workers=workers, route=route, say=say, seed=seed
                )
    report("From the task to the officer", parts, facts, json)
