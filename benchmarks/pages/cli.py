"""`patrol bench pages`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.servers import postgresql
from protocol.errors import PatrolError


def pages(
    cases: Annotated[
        int, typer.Option(min=10_000, max=20_000_000, help="Cases in the database.")
    ] = 1_000_000,
    open: Annotated[int, typer.Option(min=1_000, max=5_000_000, help="Open ones among them.")] = 100_000,
    database: Annotated[str, typer.Option(help="sqlite or postgresql.")] = "postgresql",
    rounds: Annotated[int, typer.Option(min=2, max=10_000, help="How often each page is asked for.")] = 40,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    by_cpu: Annotated[
        bool, typer.Option("--by-cpu", help="Judge by processor time, where the machine has other work.")
    ] = False,
    keep: Annotated[
        Path | None,
        typer.Option(help="Folder that keeps the filled SQLite database for the next time; made if need be."),
    ] = None,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures here; - is stdout.")
    ] = None,
) -> None:
    """Every list page, filter and map with a million cases. Exit code 1: a goal is missed.

    Pages are asked for one after the other through Django's client, in this process: middleware, session, queries and
    templates are in the time, the network is not. A real PostgreSQL 16 or SQLite lies under them.
    """
    from rich.table import Table

    from benchmarks._machine import machine
    from benchmarks.cli import progress_bar, tell

    if database not in {"sqlite", "postgresql"}:
        raise PatrolError("no such database", field="--database", value=database, mend="sqlite or postgresql")
    if open * 2 > cases:
        raise PatrolError("at most half of the cases may be open", field="--open", value=open)
    facts = machine() | {
        "database": database,
        "cases": f"{cases:,}, {open:,} of them open",
        "seed": str(seed),
    }
    with progress_bar() as bar, server(database, keep) as filled:
        task = bar.add_task("starting", total=1.0)
        from benchmarks.pages import Size, fill, measure
        from central.project.clock import now_ms

        size = Size(cases, open)
        if not filled:
            fill(
                size, now_ms(), seed, lambda text, share: bar.update(task, description=text, completed=share)
            )
        figures = measure(
            size,
            rounds,
            seed,
            lambda text, share: bar.update(task, description=text, completed=share),
            by_cpu=by_cpu,
        )
    table = Table(title=f"Pages with {cases:,} cases on {database}", title_justify="left")
    # The name stays whole where the terminal is narrow, or no terminal at all: figures without it mean nothing.
    table.add_column("Page", no_wrap=True, min_width=max(len(figure.what) for figure in figures))
    for name in ("Median", "p95", "CPU", "CPU p95", "Size", "Goal"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Met")
    for figure in figures:
        packed = "" if figure.gzip_kb is None else f" ({figure.gzip_kb:.0f} packed)"
        table.add_row(
            figure.what,
            f"{figure.median_ms:.0f} ms",
            f"{figure.p95_ms:.0f} ms",
            f"{figure.cpu_ms:.0f} ms",
            f"{figure.cpu_p95_ms:.0f} ms",
            f"{figure.kb:.0f} kB{packed}",
            figure.goal,
            "yes" if figure.met else "[red]no[/]",
        )
    rows = [
        {
            name: round(value, 2) if isinstance(value, float) else value
            for name, value in asdict(figure).items()
        }
        for figure in figures
    ]
    tell(table, rows, facts, json)
    if not all(figure.met for figure in figures):
        raise typer.Exit(1)


@contextmanager
def server(database: str, keep: Path | None) -> Iterator[bool]:
    """Django on a fresh, migrated database until the block ends; whether it was filled before."""
    with tempfile.TemporaryDirectory(prefix="patrol-bench-") as folder, ExitStack() as stack:
        data = (keep or Path(folder) / "centre").expanduser().absolute()
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.environ["PATROL_CENTRAL_DATA"] = str(data)
        os.environ.pop("PATROL_DATABASE_URL", None)
        if database == "postgresql":
            os.environ["PATROL_DATABASE_URL"] = postgresql(stack, Path(folder) / "pg")[0]
        from central.project import bootstrap

        bootstrap.start()
        bootstrap.migrate()
        bootstrap.collect_static()
        from django.conf import settings
        from django.db import connections

        settings.ALLOWED_HOSTS.append("testserver")
        mark = data / "filled"
        filled = database == "sqlite" and mark.exists()
        yield filled
        if database == "sqlite":
            mark.touch()
        connections.close_all()
