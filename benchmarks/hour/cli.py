"""`patrol bench hour`."""

from __future__ import annotations

import signal
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Examples:\n\npatrol bench hour --json hour.json\n\npatrol bench hour --speed 20 --seed 7 --database postgresql\n\n"
    "patrol bench hour --matters 6 --calls 6 --devices 8 --requests 6 --hours 0.2"
)
def hour(
    speed: Annotated[
        float,
        typer.Option(min=1, max=120, help="How many times faster than the clock; slower on a busy machine."),
    ] = 60,
    hours: Annotated[float, typer.Option(min=0.1, max=8, help="In which something begins.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="The same seed is the same hour.")] = 1,
    matters: Annotated[int, typer.Option(min=1, max=220, help="What residents say.")] = 40,
    calls: Annotated[int, typer.Option(min=1, max=500, help="Calls of the hotline.")] = 40,
    devices: Annotated[int, typer.Option(min=1, max=220, help="Devices, with a log-in each.")] = 60,
    requests: Annotated[
        int, typer.Option(min=1, max=220, help="Requests of a city's app over Open311.")
    ] = 30,
    shops: Annotated[int, typer.Option(min=1, max=220, help="Shops with a code on the door.")] = 40,
    database: Annotated[str, typer.Option(help="sqlite or postgresql.")] = "sqlite",
    folder: Annotated[
        Path | None,
        typer.Option(help="Keep everything in this folder, which must be empty; by default nothing is kept."),
    ] = None,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures here; - is stdout.")
    ] = None,
) -> None:
    """An hour of a sub-district at many times the speed - residents write, the hotline rings, devices alarm, a city's app
    reports, shops are inspected, another system is told - and every published figure against the script. Exit code 1: any difference.

    Mosquitto with the shipped rules, `patrol central up` and a receiver of webhooks are real; who does what follows a script.
    """
    from benchmarks._machine import machine
    from benchmarks.cli import _interrupt, progress_bar, tell
    from benchmarks.hour.run import play
    from benchmarks.hour.script import Sizes, write
    from benchmarks.published import table_of
    from protocol.errors import PatrolError

    if database not in {"postgresql", "sqlite"}:
        raise PatrolError(
            "unknown database", field="--database", value=database, mend="postgresql or sqlite."
        )
    if folder is not None and folder.exists() and any(folder.iterdir()):
        raise PatrolError("this folder is not empty", field="--folder", value=folder, mend="Name a new one.")
    script = write(seed=seed, hours=hours, sizes=Sizes(matters, calls, devices, requests, shops))
    signal.signal(signal.SIGTERM, _interrupt)  # so that nothing is left running
    with ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="patrol-bench-")))
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        bar = stack.enter_context(progress_bar())
        task = bar.add_task("", total=1.0)
        found = play(
            folder.absolute(), script, speed=speed, database=database,
            say=lambda text, share: bar.update(task, description=text, completed=share),
        )  # fmt: skip
    table, rows = table_of("An hour", found.figures)
    same = sum(row["equal"] for row in rows)
    facts = machine() | found.facts | {"equal": f"{same} of {len(rows)} figures"}
    tell(table, rows, facts, json)
    if not found.equal:
        raise typer.Exit(1)
