"""`patrol bench hotline`."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Annotated, Any

import typer


def hotline(
    calls: Annotated[int, typer.Option(min=1, max=200, help="Calls that are taken.")] = 10,
    earlier: Annotated[
        int, typer.Option(min=0, max=20_000, help="Calls that the centre has already, each with a case.")
    ] = 300,
    rate: Annotated[
        float, typer.Option(min=0.5, max=15, help="Keys a second: digits, letters, commands.")
    ] = 3,
    chinese: Annotated[
        float, typer.Option(min=0.2, max=10, help="Chinese characters a second, composition included.")
    ] = 1.2,
    look: Annotated[float, typer.Option(min=0, max=10, help="Seconds before each field.")] = 0.6,
    seed: Annotated[int, typer.Option(min=0, help="Of the wavering hand.")] = 7,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures here; - is stdout.")
    ] = None,
) -> None:
    """A call from the number to the stored case, by the keyboard alone. Exit code 1: the median is 30 s or more, or a case
    is stored otherwise than it was said.

    A scripted operator types at the speed of a person into the real form in a real Chromium, at a centre on SQLite. How fast the
    person is, is assumed and stated; a pinyin composition cannot be played, so each Chinese character is put in whole and takes
    its time. Times are those of the wall clock.
    """
    from rich.table import Table

    from benchmarks._machine import machine
    from benchmarks.cli import progress_bar, tell
    from benchmarks.figures import MARKS
    from benchmarks.hotline.keyboard import GOAL_S, Person, measure

    with progress_bar() as bar:
        task = bar.add_task("making a centre", total=1.0)
        taken = measure(
            calls,
            earlier,
            Person(rate, chinese, look),
            seed,
            lambda text, share: bar.update(task, description=text, completed=share),
        )
    facts = machine() | {
        "person": f"{rate:g} keys and {chinese:g} Chinese characters a second, {look:g} s before each field; wavers by a third",
        "centre": f"SQLite, {earlier} earlier calls; seed {seed}",
    }
    rows: list[dict[str, Any]] = []

    def row(what: str, values: list[float], unit: str, goal: float | None = None) -> None:
        median, worst = statistics.median(values), max(values)
        rows.append(
            {
                "what": what,
                "median": round(median, 2),
                "worst": round(worst, 2),
                "unit": unit,
                "goal": goal,
                "met": None if goal is None else median < goal,
            }
        )

    row("from the first digit to the stored case", [one.whole_s for one in taken], "s", GOAL_S)
    row(
        "of this, the operator: keys, characters, looks",
        [one.whole_s - one.stored_s - one.known_s for one in taken],
        "s",
    )
    row("of this, until the number's history stands there", [one.known_s for one in taken], "s")
    row("of this, from Ctrl Enter to the stored case", [one.stored_s for one in taken], "s")
    row("keys and characters", [float(one.keys) for one in taken], "")
    right = sum(one.right for one in taken)
    rows.append(
        {"what": "stored as they were said", "median": right, "worst": right, "unit": "calls", "goal": calls}
        | {"met": right == calls}
    )
    table = Table(title=f"{calls} calls by the keyboard alone", title_justify="left")
    table.add_column("What", no_wrap=True)
    for name in ("Median", "Worst", "Goal"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Met")
    for each in rows:
        goal = "" if each["goal"] is None else f"{each['goal']:g} {each['unit']}"
        if each["goal"] == GOAL_S and each["unit"] == "s":
            goal = f"median < {goal}"
        shown = [f"{each[name]:g} {each['unit']}".strip() for name in ("median", "worst")]
        table.add_row(each["what"], *shown, goal, MARKS[each["met"]])
    tell(table, rows, facts, json, {"calls": [one.whole_s for one in taken]})
    if any(each["met"] is False for each in rows):
        raise typer.Exit(1)
