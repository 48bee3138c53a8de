"""`patrol zones`: check zone files, draw them over a picture, begin a new one."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from patrol import console
from protocol.errors import PatrolError
from zones import geojson_cli
from zones.calibrate_cli import app as calibrate_app
from zones.writing import refuse_existing, write_whole

app = typer.Typer(
    help="Check zone files, draw them over a picture, begin a new one.",
    no_args_is_help=True,
    add_completion=False,
    epilog="Examples:\n\n"
    "patrol zones init street.jpg --out street.toml\n\n"
    "patrol zones lint street.toml --strict\n\n"
    "patrol zones show street.toml --picture street.mp4 --out street-zones.png",
)

app.registered_commands += calibrate_app.registered_commands

AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout instead of text.")]


@app.command(epilog="Example: patrol zones lint zones/*.toml --strict --json")
def lint(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Zone files.", show_default=False)],
    strict: Annotated[bool, typer.Option("--strict", help="Exit with code 1 on warnings.")] = False,
    json: AsJson = False,
) -> None:
    """Say what is wrong or odd in zone files: all errors, with zone and vertex, then warnings.

    Exit code 0: in order; 1: warnings, with --strict; 2: errors.
    """
    from datetime import UTC, datetime

    from protocol.clock import SystemClock
    from zones.files import examine_zone_file
    from zones.lint import lint as remarks_on

    now = SystemClock().utc_ms() / 1000
    years = sorted({datetime.fromtimestamp(now + days * 86_400, UTC).year for days in (0, 30)})
    wrong = odd = 0
    for path in files:
        zones, faults = examine_zone_file(path)
        remarks = remarks_on(zones, years=years) if zones is not None else ()
        wrong, odd = wrong + len(faults), odd + len(remarks)
        if json:
            console.print_json(
                {
                    "file": str(path),
                    "zones": [zone.id for zone in zones.zone] if zones is not None else [],
                    "errors": [fault.as_dict() for fault in faults],
                    "warnings": [asdict(remark) for remark in remarks],
                }
            )
            continue
        for fault in faults:
            console.print_error(fault)
        for remark in remarks:
            console.err.print(
                f"[yellow]warning[/] {escape(f'{path}: zone {remark.zone}: {remark.problem}')}",
                soft_wrap=True,
            )
            console.err.print(f"  [green]mend[/] {escape(remark.mend)}", soft_wrap=True)
        if zones is not None and not remarks:
            count = len(zones.zone)
            console.out.print(
                f"[green]in order[/] {escape(str(path))}: {count} zone{'s' if count != 1 else ''}",
                soft_wrap=True,
            )
    if wrong:
        raise typer.Exit(2)
    if odd and strict:
        raise typer.Exit(1)


@app.command(epilog="Example: patrol zones show street.toml --picture street.mp4 --out street-zones.png")
def show(
    file: Annotated[Path, typer.Argument(help="Zone file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Picture to write: *.png, *.jpg or *.webp.")],
    picture: Annotated[
        Path | None,
        typer.Option(
            "--picture", "-p", help="A still or video of the camera, to draw over; else a plain sheet."
        ),
    ] = None,
) -> None:
    """Draw the zones over a picture of the camera, with their names, vertex numbers and a legend."""
    import cv2

    from zones.files import load_zone_file
    from zones.pictures import check_shape, draw, read_picture

    if out.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
        raise PatrolError(
            "no such picture format", field="--out", value=str(out), mend="Name it *.png, *.jpg or *.webp."
        )
    zones = load_zone_file(file)
    below = None
    if picture is not None:
        below = read_picture(picture)
        check_shape(zones, below, file=picture)
    _, data = cv2.imencode(out.suffix.lower(), draw(zones, below))
    write_whole(out, data.tobytes())
    console.out.print(escape(str(out)), soft_wrap=True)


@app.command(epilog="Example: patrol zones init street.jpg --out street.toml")
def init(
    picture: Annotated[Path, typer.Argument(help="A still or video of the camera.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Zone file to write; must not exist yet.")] = Path(
        "zones.toml"
    ),
) -> None:
    """Write a commented zone file to begin with: the picture's size and one example polygon to move."""
    from zones.pictures import read_picture
    from zones.starter import starting_file

    if out.suffix.lower() != ".toml":
        raise PatrolError("must end in .toml", field="--out", value=str(out), mend="Name it *.toml.")
    refuse_existing(out)
    height, width = read_picture(picture).shape[:2]
    write_whole(out, starting_file(width, height, file=out.name, picture=picture.name).encode())
    console.out.print(escape(str(out)), soft_wrap=True)
    console.err.print(
        f"  Move the example polygon, then: patrol zones show {escape(out.name)} --picture {escape(picture.name)} --out zones.png",
        soft_wrap=True,
    )


app.command(epilog=geojson_cli.EXPORT_EXAMPLE)(geojson_cli.export)
app.command("import", epilog=geojson_cli.IMPORT_EXAMPLE)(geojson_cli.import_)


@app.command(hidden=True)
def reference() -> None:
    """Print the tables of docs/zones.md."""
    from zones.reference import zone_tables

    console.out.print(zone_tables(), markup=False, soft_wrap=True, end="")
