"""`patrol models`: list, verify, fetch, import, time and export detector weights."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

from models import catalogue
from models.catalogue import Entry
from patrol import console
from protocol.errors import PatrolError, UnavailableError

app = typer.Typer(
    help="List, verify, fetch, import, time and export detector weights.",
    no_args_is_help=True,
    add_completion=False,
    epilog="Examples:\n\n"
    "patrol models list\n\n"
    "patrol models verify\n\n"
    "patrol models import my_yolo.onnx --name my-yolo\n\n"
    "patrol models bench nanodet-g --batch 1 --batch 4",
)

AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout instead of a table.")]
Sha256 = Annotated[
    str | None, typer.Option("--sha256", metavar="HEX", help="The SHA-256 that the file must have.")
]
Trust = Annotated[
    bool, typer.Option("--trust", help="Where no hash is known in advance: pin that of the file as it comes.")
]


@app.command("list", epilog="Example: patrol models list --json")
def list_models(as_json: AsJson = False) -> None:
    """Show the models that are known, their licences, and which are on this machine."""
    rows = [_row(entry) for entry in catalogue.entries().values()]
    if as_json:
        console.print_json(rows)
        return
    table = Table(
        caption=f"Models folder: {escape(str(catalogue.folder()))} (PATROL_MODELS_DIR). Default: {catalogue.DEFAULT}.",
        caption_justify="left",
    )
    for column in ("name", "what", "task", "input", "licence", "from", "here"):
        table.add_column(column, no_wrap=column in ("name", "here"), overflow="fold")
    for row in rows:
        size = "x".join(map(str, row["input"])) if row["input"] else ""
        here = "[green]yes[/]" if row["here"] else "[dim]no[/]"
        cells = (row["name"], row["title"], row["task"], size, row["licence"], row["kind"])
        table.add_row(*(escape(cell) for cell in cells), here)
    console.out.print(table)


@app.command(epilog="Example: patrol models verify nanodet-g --json")
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="None: all that are here.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare hashes, load each model and run detectors once. Exit code 1: one is not what the catalogue says."""
    from models._verify import verify as verify_one

    chosen = [catalogue.entry(name) for name in names] if names else list(catalogue.entries().values())
    with console.err.status("Verifying"):
        verdicts = [verify_one(entry) for entry in chosen]
    if names:
        for verdict in verdicts:
            if verdict.state == "absent":
                catalogue.find(verdict.name)  # raises, and says how to get it
    if as_json:
        console.print_json([asdict(verdict) for verdict in verdicts])
    else:
        table = Table()
        for column in ("name", "state", "outputs or problem"):
            table.add_column(column, no_wrap=column == "name", overflow="fold")
        colours = {"good": "green", "bad": "bold red", "absent": "dim"}
        for verdict in verdicts:
            shapes = ", ".join(f"{name} {'x'.join(map(str, s))}" for name, s in verdict.outputs.items())
            colour = colours[verdict.state]
            table.add_row(
                escape(verdict.name), f"[{colour}]{verdict.state}[/]", escape(verdict.problem or shapes)
            )
        console.out.print(table)
    if any(verdict.state == "bad" for verdict in verdicts):
        raise typer.Exit(1)


@app.command(epilog="Example: patrol models fetch yolox-nano")
def fetch(
    name: Annotated[str, typer.Argument(help="A model of kind `download`, see `patrol models list`.")],
    sha256: Sha256 = None,
    trust: Trust = False,
    url: Annotated[
        str | None, typer.Option("--url", help="Fetch from a mirror; the hash decides as before.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Download a model. It is kept only if its hash is right and it runs as what the catalogue says."""
    from models import _bring

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=console.err,
        transient=True,
    ) as progress:
        task = progress.add_task(f"Fetching {name}", total=None)
        path = _bring.fetch(
            name,
            sha256=sha256,
            trust=trust,
            url=url,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    _said(catalogue.entry(name), path, as_json)


@app.command("import", epilog="Example: patrol models import best.onnx --name kerb-cars --classes names.txt")
def import_model(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An ONNX detector.")],
    name: Annotated[str, typer.Option("--name", help="What it is called from now on.")],
    family: Annotated[
        str | None, typer.Option("--family", help="Its decoder, where the outputs fit more than one.")
    ] = None,
    classes: Annotated[
        Path | None,
        typer.Option("--classes", metavar="FILE", help="Names of its classes, one a line, in order."),
    ] = None,
    title: Annotated[str | None, typer.Option("--title", help="For people.")] = None,
    licence: Annotated[
        str | None, typer.Option("--licence", help="SPDX expression; read from the file where written there.")
    ] = None,
    source: Annotated[str | None, typer.Option("--source", help="Who made it, and where it is from.")] = None,
    sha256: Sha256 = None,
    trust: Trust = False,
    replace: Annotated[bool, typer.Option("--replace", help="Replace another import of that name.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring in an ONNX file, offline: checked, copied into the models folder, its hash recorded."""
    from models import _bring

    entry = _bring.bring_in(
        file,
        name,
        family=family,
        classes=_read_classes(classes) if classes else None,
        title=title,
        licence=licence,
        source=source,
        sha256=sha256,
        trust=trust,
        replace=replace,
    )
    _said(entry, catalogue.find(name), as_json)


@app.command(epilog="Example: patrol models bench nanodet-g --picture street.jpg --batch 1 --batch 4")
def bench(
    models: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME|FILE]...", help="None: all detectors that are here.")
    ] = None,
    picture: Annotated[
        list[Path] | None,
        typer.Option(
            "--picture", metavar="FILE", help="May be repeated. None: the shared stills, else noise."
        ),
    ] = None,
    batch: Annotated[
        list[int] | None,
        typer.Option("--batch", min=1, help="Pictures at once; may be repeated. None: 1 and 4."),
    ] = None,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Batches measured.")] = 20,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Threads per model.")] = 1,
    provider: Annotated[
        list[str] | None, typer.Option("--provider", help="ONNX Runtime execution provider; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Time detectors on this machine, from the picture in memory to its detections."""
    import cv2
    import onnxruntime

    from models import _bench
    from models.detector import open_detector

    cv2.setNumThreads(threads)
    files = picture or _bench.stills()
    pictures = _bench.load_pictures(files) if files else [_bench.noise()]
    chosen = models or [entry.name for entry in catalogue.entries().values() if entry.family and _here(entry)]
    batches = batch or [1, 4]
    providers = provider or ["CPUExecutionProvider"]
    timings = []
    with Progress(console=console.err, transient=True) as progress:
        task = progress.add_task("Timing", total=len(chosen) * len(batches) * rounds)
        for model in chosen:
            detector = open_detector(model, threads=threads, providers=providers)
            for size in batches:
                timings.append(
                    _bench.measure(detector, pictures, size, rounds, lambda: progress.advance(task))
                )
    command = " ".join(
        ["patrol models bench", *chosen, *(f"--picture {file}" for file in picture or [])]
        + [f"--batch {size}" for size in batches]
        + [f"--rounds {rounds} --threads {threads}", *(f"--provider {one}" for one in provider or [])]
    )
    source = ", ".join(file.name for file in files) if files else "noise, 1920 x 1080"
    if as_json:
        console.print_json(
            {"command": command, "pictures": source, "timings": [asdict(timing) for timing in timings]}
        )
        return
    table = Table(
        title=f"ms per picture, ONNX Runtime {onnxruntime.__version__}, {threads} thread{'s' * (threads > 1)}",
        caption=f"Pictures: {escape(source)}\nCommand: {escape(command)}",
        caption_justify="left",
    )
    table.add_column("model")
    for column in ("batch", "mean", "p50", "p95", "CPU", "found"):
        table.add_column(column, justify="right")
    for one in timings:
        figures = (one.mean_ms, one.p50_ms, one.p95_ms, one.cpu_ms)
        table.add_row(
            escape(one.model), str(one.batch), *(f"{value:.1f}" for value in figures), str(one.found)
        )
    console.out.print(table)


@app.command(epilog="Example: patrol models export yolo11n.pt --output yolo11n.onnx --side 640")
def export(
    weights: Annotated[Path, typer.Argument(metavar="WEIGHTS", help="ultralytics weights (.pt).")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="None: beside the weights, .onnx.")
    ] = None,
    side: Annotated[
        int, typer.Option("--side", help="Long side of the input, pixels, a multiple of 32.")
    ] = 640,
    fixed: Annotated[
        bool,
        typer.Option("--fixed", help="Fixed square input of one picture instead of open sides and batch."),
    ] = False,
    end_to_end: Annotated[
        bool, typer.Option("--end-to-end", help="The head that suppresses doubles itself (YOLOv10, YOLO26).")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Turn ultralytics weights into ONNX. Needs the extra `export`, which is AGPL-3.0."""
    from models._export import export as export_model

    target = output or weights.with_suffix(".onnx")
    if target.exists():
        raise PatrolError(
            "is already there; nothing was overwritten", file=target, mend="Name another --output."
        )
    with console.err.status("Exporting"):
        found = export_model(weights, target, side=side, dynamic=not fixed, end_to_end=end_to_end)
    if as_json:
        console.print_json(
            {
                "file": target,
                "family": found.family.name,
                "sha256": catalogue.sha256(target),
                "classes": found.names,
            }
        )
        return
    console.out.print(
        f"{escape(str(target))}: {found.family.title}, {len(found.names)} classes", soft_wrap=True
    )
    console.out.print(
        f"next: patrol models import {escape(str(target))} --name {target.stem}", soft_wrap=True
    )


def _here(entry: Entry) -> bool:
    return catalogue.file_of(entry) is not None


def _row(entry: Entry) -> dict[str, Any]:
    path = catalogue.file_of(entry)
    row = entry.model_dump(mode="json")
    if entry.class_names is not None:
        row["classes"] = list(entry.class_names)
    return {**row, "here": path is not None, "path": None if path is None else str(path)}


def _said(entry: Entry, path: Path, as_json: bool) -> None:
    if as_json:
        console.print_json(_row(entry))
        return
    console.out.print(f"{escape(entry.name)}: {escape(str(path))}", soft_wrap=True)
    console.out.print(f"  SHA-256 {entry.sha256}", soft_wrap=True)
    console.out.print(f"  licence {escape(entry.licence)}", soft_wrap=True)


def _read_classes(file: Path) -> list[str]:
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError as error:
        raise PatrolError("no such file", file=file, field="--classes") from error
    except UnicodeDecodeError as error:
        raise PatrolError("is no UTF-8 text", file=file, field="--classes") from error
    except OSError as error:
        raise UnavailableError(f"cannot be read: {error.strerror}", file=file) from error
    names = [line for line in lines if line]
    doubles = sorted({name for name in names if names.count(name) > 1})
    if not names or doubles:
        problem = "a name comes twice" if doubles else "holds no names"
        raise PatrolError(problem, file=file, field="--classes", value=doubles[0] if doubles else None)
    return names
