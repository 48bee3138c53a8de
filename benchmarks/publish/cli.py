"""`patrol bench all`."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from patrol import console
from protocol.errors import PatrolError, UnavailableError

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"

GOAL_MISSED = 1
"""Exit code of a benchmark that ran to its end."""


def commands(out: Path, *, quick: bool) -> dict[str, list[str]]:
    """What is run, by name: arguments of `patrol`, with the seeds of the published figures."""
    from benchmarks.accuracy.cli import REPORTED_SEED

    chart = {name: str(out / f"{name}.svg") for name in ("capacity", "faults")}
    words = {
        "accuracy": ["--seed", str(REPORTED_SEED), "--out", str(out / "accuracy"), *(["--scenes", "24"] if quick else [])],
        "capacity": ["--seed", "1", "--out-chart", chart["capacity"], *(["--quick"] if quick else [])],
        "faults": ["--seed", "1", "--runs", "2000", "--real", "34", "--out-chart", chart["faults"],
                   *(["--quick"] if quick else [])],
    }  # fmt: skip
    return {name: ["bench", name, *more, "--json", str(out / f"{name}.json")] for name, more in words.items()}


def everything(
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for NAME.json and NAME.svg; made if it is not there."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="Only this one; may be given again.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Small runs, some ten minutes in all: not for publication.")
    ] = False,
    render: Annotated[
        bool, typer.Option("--render", help="Also write the tables into the page and the charts beside it.")
    ] = False,
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="DIR", help="Run nothing: write the page from the results in DIR."),
    ] = None,
    page: Annotated[
        Path, typer.Option(metavar="FILE", help="The page with the marks.", show_default="docs/benchmarks.md")
    ] = PAGE,
) -> None:
    """The published results, one after the other: accuracy, capacity, faults, with fixed seeds.

    Each writes its figures as JSON and a chart as SVG into DIR. Close everything else first: it takes about two hours.
    Exit code 1: a goal is missed in one of them; the others are run all the same.
    """
    from benchmarks.publish.render import NAMES

    for name in only or ():
        if name not in NAMES:
            raise PatrolError(
                "no such benchmark", field="--only", value=name, mend=f"Known: {', '.join(NAMES)}."
            )
    if (out is None) == (source is None):
        raise PatrolError(
            "name a folder for new results or one with results",
            field="--out",
            mend="Give either --out DIR or --from DIR.",
        )
    if source is not None and (only or quick):
        raise PatrolError("--from runs nothing", field="--from", mend="Leave --only and --quick out.")
    missed = _run(out, only or list(NAMES), quick=quick) if out is not None else []
    if render or source is not None:
        _render(source or out or Path(), page)
    if missed:
        console.err.print(f"goals were missed: {', '.join(missed)}")
        raise typer.Exit(GOAL_MISSED)


def _run(out: Path, names: list[str], *, quick: bool) -> list[str]:
    """Run them; the names of those that missed a goal."""
    from benchmarks.cli import _interrupt

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PatrolError(f"cannot be made: {error.strerror}", field="--out", value=str(out)) from error
    signal.signal(signal.SIGTERM, _interrupt)  # so that nothing is left running
    missed = []
    for name, words in commands(out, quick=quick).items():
        if name not in names:
            continue
        figures = out / f"{name}.json"
        figures.unlink(missing_ok=True)  # an old one must not pass for a new one
        console.err.print(f"[bold]patrol {escape(' '.join(words))}[/]", soft_wrap=True)
        process = subprocess.Popen([sys.executable, "-m", "patrol", *words], stdin=subprocess.DEVNULL)
        try:
            code = process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
        if code not in (0, GOAL_MISSED) or not figures.is_file():
            raise UnavailableError(
                f"`patrol bench {name}` ended with code {code}", mend="Its own words are above."
            )
        if code:
            missed.append(name)
    return missed


def _render(folder: Path, page: Path) -> None:
    from benchmarks.publish.charts import CHARTS
    from benchmarks.publish.render import read, render
    from benchmarks.publish.short import READMES, rewrite
    from zones.writing import write_whole

    done = render(folder, page)
    results = read(folder)
    pictures = page.parent / "pictures"
    pictures.mkdir(exist_ok=True)
    for name, whole in results.items():
        write_whole(pictures / f"{name}.svg", CHARTS[name](whole).encode())
    worst = sorted((folder / "accuracy").glob("worst-??-1-*.png"))
    if worst:
        from benchmarks.publish.worst import sheet

        write_whole(pictures / "accuracy-worst.jpg", sheet(worst))
    if page.resolve() == PAGE:
        for name in READMES:
            file = ROOT / name
            write_whole(file, rewrite(file.read_text("utf-8"), name, results).encode())
    console.out.print(f"written: {', '.join(done)} in {escape(str(page))}", soft_wrap=True)
