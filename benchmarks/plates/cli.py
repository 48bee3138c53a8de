"""`patrol bench plates`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from benchmarks.figures import MARKS
from patrol import console
from protocol.errors import PatrolError

if TYPE_CHECKING:
    from benchmarks.plates.drawn import Drawn, Read
    from benchmarks.plates.run import Row
    from benchmarks.plates.sheet import Error
    from benchmarks.plates.timing import Stopwatch
    from models.plates import PlateReader
    from models.plates.evaluate import Labelled, Report

CROPS = Path("plates") / "crops_500.zip"
"""The public set in the folder of real inputs."""

MOST_SHOWN = 60
"""Errors on the picture sheet."""


def plates(
    crops: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR|ZIP",
            help="Real crops with labels.csv; by default plates/crops_500.zip among the real inputs.",
        ),
    ] = None,
    each: Annotated[
        int, typer.Option(min=0, max=1000, help="Drawn plates per kind and condition; 31 shows every region.")
    ] = 31,
    stays: Annotated[int, typer.Option(min=0, max=100_000, help="Simulated stays of five looks.")] = 72,
    seed: Annotated[int, typer.Option(help="Of everything drawn by lot.")] = 1,
    condition: Annotated[
        list[str] | None,
        typer.Option("--condition", help="Only this condition of drawn plates; may be given again."),
    ] = None,
    out_pictures: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="The worst errors as one picture.")
    ] = None,
    out_drawn: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Keep the drawn pictures with labels.csv, for `patrol plates eval`."
        ),
    ] = None,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures here; - is stdout.")
    ] = None,
) -> None:
    """How well and how fast plates are read. Exit code 1: a goal is missed.

    Real crops: whole plates, and a threshold chosen on one half and reported on the other. Drawn plates: every kind,
    all regions, by day, night, rain, blur, tilt and from afar. Stays: several looks voted. Times are CPU times of
    one thread.
    """
    from benchmarks._machine import machine
    from benchmarks.plates.camera import CONDITIONS
    from benchmarks.plates.run import crop_rows, drawn_rows, stay_rows, time_rows
    from benchmarks.plates.timing import Stopwatch
    from models.plates import open_plate_reader
    from models.plates.evaluate import labelled_set

    for name in condition or ():
        if name not in CONDITIONS:
            raise PatrolError(
                "no such condition", field="--condition", value=name, mend=f"Known: {', '.join(CONDITIONS)}."
            )
    chosen = crops or Path(os.environ.get("PATROL_SHARED") or "../shared") / CROPS
    labelled = labelled_set(chosen)
    watch, facts = Stopwatch(), machine()
    reader = open_plate_reader(stage=watch)
    errors: list[Error] = []
    with _bar() as bar:
        report = _crops(bar, reader, chosen, labelled, errors)
        reads = _drawn(bar, reader, watch, each, seed, condition or list(CONDITIONS), out_drawn, errors)
        task = bar.add_task("simulated stays", total=stays)
        voted = []
        from benchmarks.plates.drawn import stays as simulate

        for stay in simulate(reader, stays, seed):
            voted.append(stay)
            bar.advance(task)
    rows = crop_rows(report) + drawn_rows(reads, reader.threshold) + stay_rows(voted) + time_rows(reads)
    if out_pictures is not None:
        _write_sheet(out_pictures, errors)
    _tell(rows, facts, json)
    if any(row.met is False for row in rows):
        raise typer.Exit(1)


def _crops(
    bar: Progress, reader: PlateReader, path: Path, labelled: list[Labelled], errors: list[Error]
) -> Report:
    from benchmarks.plates.sheet import Error
    from models.plates.evaluate import evaluate

    task = bar.add_task(f"real crops of {path.name}", total=len(labelled))
    report = evaluate(reader, labelled, progress=lambda done: bar.update(task, completed=done))
    pictures = {item.name: item for item in labelled}
    for wrong in report.wrong:
        picture = pictures[wrong.name].picture()
        errors.append(Error(picture, wrong.plate, wrong.text, wrong.confidence, wrong.name))
    return report


def _drawn(
    bar: Progress,
    reader: PlateReader,
    watch: Stopwatch,
    each: int,
    seed: int,
    conditions: list[str],
    keep: Path | None,
    errors: list[Error],
) -> list[Read]:
    from benchmarks.plates.drawn import draw, read_drawn
    from benchmarks.plates.layout import KINDS
    from benchmarks.plates.sheet import Error

    if keep is not None:
        _make_folder(keep)
    task = bar.add_task("drawn plates", total=each * len(KINDS) * len(conditions))
    reads, kept = [], []
    for item, read in read_drawn(reader, watch, draw(each, seed, conditions)):
        reads.append(read)
        if not read.right:
            errors.append(Error(item.picture, read.plate, read.text, read.confidence, read.name))
        if keep is not None:
            kept.append(_keep(keep, item))
        bar.advance(task)
    if keep is not None:
        from zones.writing import write_whole

        write_whole(keep / "labels.csv", ("file,plate\n" + "".join(kept)).encode())
    return reads


def _keep(folder: Path, item: Drawn) -> str:
    import cv2

    from zones.writing import write_whole

    _, data = cv2.imencode(".png", item.picture)
    write_whole(folder / item.name, data.tobytes())
    return f"{item.name},{item.plate}\n"


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PatrolError(
            f"the folder cannot be made: {error.strerror}",
            file=folder,
            field="--out-drawn",
            mend="Name another folder.",
        ) from error


def _write_sheet(file: Path, errors: list[Error]) -> None:
    import cv2

    from benchmarks.plates.sheet import sheet
    from zones.writing import write_whole

    worst = sorted(errors, key=lambda error: -error.confidence)[:MOST_SHOWN]
    _, data = cv2.imencode(".png", sheet(worst))
    write_whole(file, data.tobytes())


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=console.err, transient=True, disable=not console.err.is_terminal,
    )  # fmt: skip


def _tell(rows: list[Row], facts: dict[str, str], json: Path | None) -> None:
    from benchmarks.cli import give

    found = {"rows": [row.as_dict() for row in rows]}

    def show() -> None:
        for title in dict.fromkeys(row.table for row in rows):
            table = Table("what", title=title.capitalize(), title_justify="left")
            for name in ("n", "value", "95% interval", "goal"):
                table.add_column(name, justify="right")
            table.add_column("")
            for row in rows:
                if row.table == title:
                    mark = MARKS[row.met]
                    table.add_row(
                        escape(row.what), str(row.n), _value(row, row.value), _interval(row), row.goal, mark
                    )
            console.out.print(table)

    give(found, facts, json, show)


def _value(row: Row, value: float) -> str:
    if row.unit == "share":
        return f"{value:.2%}"
    return f"{value:.1f} {row.unit}" if row.unit else f"{value:.4f}"


def _interval(row: Row) -> str:
    if row.low is None or row.high is None:
        return ""
    return f"{_value(row, row.low)} to {_value(row, row.high)}"
