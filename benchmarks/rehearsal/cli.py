"""`patrol bench rehearse`: how long a rehearsal of a day takes, and whether it lists exactly the flips of the truth."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from patrol import console

app = typer.Typer(add_completion=False)

GOAL_S = 20.0
"""Processor time of one rehearsal of a day with 200 stays."""


@app.command(epilog="Example: patrol bench rehearse --seed 7 --json rehearse.json")
def rehearse(
    seed: Annotated[int, typer.Option(min=0, help="Another street, other stays.")] = 1,
    stays: Annotated[int, typer.Option(min=1, max=400, help="Vehicles that come, stand and go.")] = 200,
    draw: Annotated[
        bool, typer.Option("--draw", help="Draw the street, so that the log keeps real pictures.")
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option(help="Keep the day and its zone files in this new folder.", show_default=False),
    ] = None,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures here; - is stdout.")
    ] = None,
) -> None:
    """Rehearse a simulated day with several edits of its zones. Exit code 1: a flip is wrong, or the goal is missed.

    The day is lived by the real engine first, which takes most of the time. Each edit is then rehearsed from its rest
    log as `patrol zones rehearse` does, with the report; seconds are processor time.
    """
    from benchmarks._machine import machine
    from benchmarks.cli import progress_bar
    from benchmarks.rehearsal import EDITS, draw_lots, live_through
    from benchmarks.rehearsal.check import check
    from benchmarks.rehearsal.edits import OLD
    from edge_agent.rehearsal.past import read_past
    from edge_agent.rehearsal.report import html_report
    from edge_agent.rehearsal.run import rehearse_past
    from zones import dump_zone_file
    from zones.writing import refuse_existing

    facts = machine()
    rows: list[dict[str, Any]] = []
    if data is not None:
        refuse_existing(data)
        data.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="patrol-bench-") as temporary, progress_bar() as bar:
        folder = data or Path(temporary)
        task = bar.add_task("living the day", total=1.0)
        street = draw_lots(seed, stays)
        old = street.zone_file(OLD)
        began = time.process_time()
        database = live_through(
            street,
            old,
            folder,
            draw=draw,
            progress=lambda done, total: bar.update(task, completed=done / total),
        )
        lived = time.process_time() - began
        if data is not None:
            (data / "old.toml").write_text(dump_zone_file(old), "utf-8")
        for number, edit in enumerate(EDITS):
            bar.update(task, description=f"rehearsing: {edit.name}", completed=number / len(EDITS))
            new = street.zone_file(edit.plan)
            if data is not None:
                (data / f"{edit.name.replace(' ', '-')}.toml").write_text(dump_zone_file(new), "utf-8")
            began = time.process_time()
            rehearsal = rehearse_past(read_past(database), new)
            page = html_report(rehearsal)
            seconds = time.process_time() - began
            done = check(street, edit, rehearsal)
            rows.append(
                {
                    "edit": edit.name,
                    "words": edit.words,
                    "rests": rehearsal.stays + rehearsal.places,
                    "flips_expected": done.expected,
                    "flips_listed": done.listed,
                    "wrong": {name: [sorted(side) for side in sides] for name, sides in done.wrong.items()},
                    "history_differs": done.history_differs,
                    "seconds": round(seconds, 2),
                    "report_kb": round(len(page) / 1000),
                    "exact": done.exact,
                }
            )
        size = database.stat().st_size
    _report(
        rows,
        facts,
        {"seed": seed, "stays": stays, "day_lived_s": round(lived, 1), "database_kb": size // 1000},
        json,
    )
    if not all(row["exact"] and row["seconds"] < GOAL_S for row in rows):
        raise typer.Exit(1)


def _report(
    rows: list[dict[str, Any]], facts: dict[str, str], about: dict[str, Any], json: Path | None
) -> None:
    from benchmarks.cli import give

    found = {**about, "goal_s": GOAL_S, "rows": rows}

    def show() -> None:
        table = Table(title=f"Rehearsing a day of {about['stays']} stays", title_justify="left")
        table.add_column("Edit")
        for name in ("Flips in truth", "Listed", "Wrong", "History differs", "Processor s", "Goal"):
            table.add_column(name, justify="right")
        table.add_column("Met")
        for row in rows:
            met = row["exact"] and row["seconds"] < GOAL_S
            table.add_row(
                escape(row["words"]), str(row["flips_expected"]), str(row["flips_listed"]), str(len(row["wrong"])),
                str(row["history_differs"]), f"{row['seconds']:.2f}", f"< {GOAL_S:g}", "[green]yes[/]" if met else "[bold red]no[/]",
            )  # fmt: skip
        console.out.print(table)
        console.out.print(
            f"the day itself took {about['day_lived_s']} s of processor time; its database is {about['database_kb']} kB"
        )

    give(found, facts, json, show)
