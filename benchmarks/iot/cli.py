"""`patrol bench iot`: devices at a real broker and a real database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: patrol bench iot --minutes 2 --json iot.json")
def iot(
    devices: Annotated[int, typer.Option(min=100, max=500_000, help="Simulated devices.")] = 100_000,
    rate: Annotated[
        float, typer.Option(min=1, max=20_000, help="Messages a second, of all together.")
    ] = 2_000,
    minutes: Annotated[float, typer.Option(min=0.1, max=240, help="How long they send.")] = 10,
    workers: Annotated[int, typer.Option(min=1, max=16, help="Worker processes while they send.")] = 2,
    racers: Annotated[int, typer.Option(min=1, max=16, help="Worker processes of the race.")] = 8,
    race_devices: Annotated[
        int, typer.Option(min=0, max=5_000, help="Devices of the race; 0 leaves it out.")
    ] = 300,
    restart: Annotated[
        bool, typer.Option("--restart/--no-restart", help="Restart the broker half-way.")
    ] = True,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures here; - is stdout.")
    ] = None,
) -> None:
    """Many devices over MQTT 5 into PostgreSQL: what is lost when the broker restarts, how soon an alarm is a case, what a
    message costs. Then several workers race for the same devices. Exit code 1: a goal is missed.

    Broker, database and workers are real and run on this machine; the senders run beside them and are not counted.
    """
    from benchmarks._machine import machine
    from benchmarks.cli import progress_bar, report
    from benchmarks.iot.measure import Plan, measure

    plan = Plan(devices, rate, minutes * 60, workers, racers, race_devices, restart)
    facts = machine()
    with progress_bar() as bar:
        task = bar.add_task("making ready", total=1.0)
        figures, more = measure(plan, lambda text, share: bar.update(task, description=text, completed=share))
    title = f"{devices:,} devices, {rate:,g} messages a second for {minutes:g} min"
    report(title, figures, facts, json, more)
