"""`patrol bench voice`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from protocol.errors import PatrolError


def voice(
    reports: Annotated[
        int, typer.Option(min=100, max=2_000_000, help="Matters that are there already.")
    ] = 200_000,
    database: Annotated[
        str, typer.Option(help="sqlite, postgresql, or none: only the labelled pairs.")
    ] = "sqlite",
    rounds: Annotated[int, typer.Option(min=20, max=20_000, help="Suggestions that are asked for.")] = 400,
    seed: Annotated[int, typer.Option(min=0)] = 7,
    fit: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="First fit weights and threshold anew and write them here, such as central/voice/likeness.toml.",
        ),
    ] = None,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures here; - is stdout.")
    ] = None,
) -> None:
    """Suggestions while residents type: how fast, and how often right. Exit code 1: the goal of 100 ms is missed.

    Each is asked for as the page does, in this process: candidates, scores, the cases shown. Half of the texts come with a place,
    half with words alone. Times are those of the wall clock and, on SQLite, of the processor too. Precision and recall are
    those of labelled pairs of reports: of the places that weights, threshold and words were tuned on, and of places held out.
    """
    from rich.table import Table

    from benchmarks._machine import machine
    from benchmarks.cli import progress_bar, tell
    from benchmarks.voice import fitting, labelled, speed
    from central.voice.likeness import model

    if database not in {"sqlite", "postgresql", "none"}:
        raise PatrolError(
            "no such database", field="--database", value=database, mend="sqlite, postgresql or none"
        )
    facts = machine() | {"database": database, "matters": f"{reports:,}", "seed": str(seed)}
    rows: list[dict[str, object]] = []
    with ExitStack() as stack:
        speed.start(stack, database)
        tuned, held_out = labelled.read(), labelled.read(labelled.HELD_OUT)
        if fit is not None:
            fitting.write(fit, tuned)
            model.cache_clear()
        threshold = model().threshold
        for name, found in (
            ("tuned on", labelled.quality(labelled.scored(tuned), threshold)),
            ("tuned on, each place by the weights of the others", fitting.crossed(tuned)),
            ("held out", labelled.quality(labelled.scored(held_out), threshold)),
            (
                "held out, without positions",
                labelled.quality(labelled.scored(held_out, placed=False), threshold),
            ),
        ):
            rows.append(
                {
                    "what": f"pairs {name}",
                    "threshold": found.threshold,
                    "pairs": found.pairs,
                    "same": found.same,
                    "precision": round(found.precision, 3),
                    "recall": round(found.recall, 3),
                }
            )
        if database != "none":
            with progress_bar() as bar:
                task = bar.add_task("writing matters", total=1.0)
                speed.fill(reports, seed, lambda share: bar.update(task, completed=share))
                bar.update(task, description="suggesting", completed=0)
                rows += speed.measure(rounds, seed, lambda share: bar.update(task, completed=share))
    table = Table(title="What residents say: suggestions", title_justify="left")
    table.add_column("What", no_wrap=True)
    for name in ("Figures", "Goal"):
        table.add_column(name, justify="right")
    table.add_column("Met")
    for row in rows:
        shown = ", ".join(
            f"{name} {value}" for name, value in row.items() if name not in {"what", "met", "goal_ms"}
        )
        goal = f"p95 < {row['goal_ms']} ms" if "goal_ms" in row else ""
        met = {None: "", True: "yes", False: "[red]no[/]"}[row.get("met")]  # type: ignore[index]
        table.add_row(str(row["what"]), shown, goal, met)
    tell(table, rows, facts, json)
    if any(row.get("met") is False for row in rows):
        raise typer.Exit(1)
