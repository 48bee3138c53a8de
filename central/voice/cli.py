"""`patrol central voice`: codes for stairwells."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from patrol import console
from protocol.errors import PatrolError

app = typer.Typer(
    help="What residents say: codes for stairwells, and the index that suggestions are found with.",
    no_args_is_help=True,
    epilog="Examples:\n\n"
    "patrol central voice codes --jurisdiction sanlihe --places stairwells.csv --out codes\n\n"
    "patrol central voice codes --jurisdiction sanlihe --out codes --format pdf\n\n"
    "patrol central voice index",
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]


@app.command(
    epilog="Example: patrol central voice codes --jurisdiction sanlihe --places stairwells.csv --out codes"
)
def codes(
    out: Annotated[Path, typer.Option("--out", help="Folder that the codes are written into.")],
    jurisdiction: Annotated[str, typer.Option(help="Whose places.")],
    places: Annotated[
        Path | None,
        typer.Option(
            help="CSV: place, and grid, longitude, latitude where known. Without it: a code for each leaf grid."
        ),
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="Where the public reaches the centre. [env: PATROL_CENTRAL_PUBLIC_URL]")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="svg (a card with words) or pdf (the code).")] = "svg",
    as_json: Json = False,
) -> None:
    """Print codes that name a place. A place that has one keeps it: what hangs on a wall goes on working."""
    if form not in {"svg", "pdf"}:
        raise PatrolError("there is no such format", field="--format", value=form, mend="svg or pdf")
    from central.project import bootstrap

    bootstrap.start()
    from django.conf import settings

    from central.voice import codes as drawing

    base = url or settings.PATROL.public_url
    if base is None or not base.startswith(("https://", "http://")):
        raise PatrolError(
            "an address for the codes is needed",
            field="--url",
            value=base,
            mend="Give --url https://… or set PATROL_CENTRAL_PUBLIC_URL",
        )
    wanted = drawing.read_places(places) if places is not None else drawing.places_of_grids(jurisdiction)
    if not wanted:
        raise PatrolError(
            "this jurisdiction has no grids",
            field="--jurisdiction",
            value=jurisdiction,
            mend="Give --places, or import grids first",
        )
    made = drawing.make(jurisdiction, wanted)
    written = []
    from rich.progress import Progress

    with Progress(console=console.err, transient=True, disable=not console.err.is_terminal) as bar:
        task = bar.add_task("drawing", total=len(made))
        for path in drawing.write(made, out, base, form):
            written.append(path)
            bar.advance(task)
    if as_json:
        rows = [
            {"place": code.place, "token": code.token, "file": str(path)}
            for code, path in zip(made, written, strict=True)
        ]
        console.print_json({"codes": rows})
    else:
        console.out.print(f"{len(written)} codes in {out}")


@app.command(epilog="Example: patrol central voice retire kX3v…")
def retire(
    token: Annotated[str, typer.Argument(help="The last part of the code's address.")], as_json: Json = False
) -> None:
    """Take a code out of force: whoever scans it is told, and can write the address instead."""
    from central.project import bootstrap

    bootstrap.start()
    from central.voice import codes as drawing

    found = drawing.retire(token)
    if as_json:
        console.print_json({"token": found.token, "place": found.place})
    else:
        console.out.print(f"{found.place}: not in force any more")


@app.command(epilog="Example: patrol central voice index")
def index(as_json: Json = False) -> None:
    """Put matters that came before this app into the index of suggestions; again does nothing."""
    from central.project import bootstrap

    bootstrap.start()
    from central.voice.suggest import hear_missing

    total = 0
    from rich.progress import Progress

    with Progress(console=console.err, transient=True, disable=not console.err.is_terminal) as bar:
        task = bar.add_task("reading", total=None)
        for done in hear_missing():
            total += done
            bar.advance(task, done)
    if as_json:
        console.print_json({"indexed": total})
    else:
        console.out.print(f"{total} matters added to the index")
