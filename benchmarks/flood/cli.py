"""`patrol bench flood`."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from protocol.errors import PatrolError


def flood(
    reports: Annotated[
        int, typer.Option(min=100, max=1_000_000, help="Reports that one address sends.")
    ] = 10_000,
    rate: Annotated[float, typer.Option(min=10, max=20_000, help="How many of them a second.")] = 400,
    workers: Annotated[int, typer.Option(min=1, max=16, help="Web processes of the centre.")] = 1,
    connections: Annotated[int, typer.Option(min=1, max=1000, help="Connections over which they come.")] = 64,
    database: Annotated[str, typer.Option(help="sqlite or postgresql.")] = "sqlite",
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures here; - is stdout.")
    ] = None,
) -> None:
    """One address floods the reports of Open311: what another client feels. Exit code 1: a goal is missed.

    A centre with a client that looks at a page and reports, in turns alone and beside a flood from another
    address, which sends with a valid key and never waits as it is told. The difference is given with its 95 %
    interval. All share this machine: the other's times are by the wall clock, what a report of the flood costs is processor time.
    """
    from benchmarks._machine import machine
    from benchmarks.cli import progress_bar, report
    from benchmarks.flood.measure import measure
    from benchmarks.servers import postgresql

    if database not in {"sqlite", "postgresql"}:
        raise PatrolError("no such database", field="--database", value=database, mend="sqlite or postgresql")
    facts = machine() | {"database": database}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="patrol-bench-")))
        data = folder / "centre"
        data.mkdir(mode=0o700)
        os.environ.pop("PATROL_DATABASE_URL", None)
        if database == "postgresql":
            os.environ["PATROL_DATABASE_URL"] = postgresql(stack, folder / "pg")[0]
        bar = stack.enter_context(progress_bar())
        task = bar.add_task("starting", total=None)
        figures = measure(
            data,
            reports=reports,
            rate=rate,
            connections=connections,
            workers=workers,
            progress=lambda what: bar.update(task, description=what),
        )
    report("A flood of reports from one address", figures, facts, json)
