"""`patrol zones`: begin, check, draw, compare and publish zone files. Verbs that need cameras are in `edge_agent`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from patrol import console
from protocol.errors import PatrolError
from zones import completing, diff_cli, geojson_cli, publish_cli
from zones.calibrate_cli import app as calibrate_app
from zones.publish_cli import print_remark
from zones.writing import write_whole

app = typer.Typer(
    help="Begin, check, draw, compare and publish zone files.",
    no_args_is_help=True,
    add_completion=False,
    epilog="Examples:\n\n"
    "patrol zones init street.jpg --out street.toml\n\n"
    "patrol zones lint street.toml --strict\n\n"
    "patrol zones show street.toml --picture street.mp4 --out street-zones.png\n\n"
    "patrol zones publish street.toml --to published/cam1 --key me.pem --author Me --reason Why",
)

app.registered_commands += calibrate_app.registered_commands

AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout instead of text.")]

diff_cli.register(app)
publish_cli.register(app)


@app.command(epilog="Example: patrol zones lint zones/*.toml --strict --json")
def lint(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE]...",
            help="Zone files, published or not.",
            show_default=False,
            autocompletion=completing.zone_files,
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with code 1 on warnings.")] = False,
    camera: Annotated[
        str | None,
        typer.Option("--camera", "-c", help="The camera whose zones the file must be.", show_default=False),
    ] = None,
    agent_config: Annotated[
        Path | None,
        typer.Option(
            "--agent-config",
            help="Check the zones of all cameras of an agent's configuration.",
            show_default=False,
            autocompletion=completing.zone_files,
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Say what is wrong or odd in zone files: all errors, with zone and vertex, then warnings.

    Exit code 0: in order; 1: warnings, with --strict; 2: errors.
    """
    wrong = odd = 0
    for path, expected in _to_lint(files or [], camera, agent_config):
        errors, warnings = _lint_one(path, expected, json=json)
        wrong, odd = wrong + errors, odd + warnings
    if wrong:
        raise typer.Exit(2)
    if odd and strict:
        raise typer.Exit(1)


def _to_lint(
    files: list[Path], camera: str | None, agent_config: Path | None
) -> list[tuple[Path, str | None]]:
    """Files, and whose zones each must be."""
    from zones.publishing import camera_zones, published_path

    found = [(path, camera) for path in files]
    if agent_config is not None:
        found += [
            (published_path(path), name)
            for name, path in camera_zones(agent_config).items()
            if camera in (None, name)
        ]
    if not found:
        raise PatrolError(
            "name a zone file", field="FILE or --agent-config", mend="See patrol zones lint --help."
        )
    return found


def _lint_one(path: Path, camera: str | None, *, json: bool) -> tuple[int, int]:
    """Look at one file and tell. Returns how many errors and warnings there were."""
    from protocol.clock import SystemClock
    from zones.files import examine_zone_file
    from zones.lint import lint as remarks_on
    from zones.lint import years_ahead

    zones, faults = examine_zone_file(path)
    if zones is not None and camera is not None and zones.camera not in (None, camera):
        fault = PatrolError(
            f"belongs to camera {zones.camera}, not {camera}",
            file=path,
            field="camera",
            mend="Take the file of this camera, or correct `camera`.",
        )
        faults = (*faults, fault)
    remarks = remarks_on(zones, years=years_ahead(SystemClock().utc_ms())) if zones is not None else ()
    grave = [remark for remark in remarks if remark.severity == "error"]
    mild = [remark for remark in remarks if remark.severity == "warning"]
    if json:
        console.print_json(
            {
                "file": str(path),
                "zones": [zone.id for zone in zones.zone] if zones is not None else [],
                "errors": [
                    *(fault.as_dict() for fault in faults),
                    *({"file": str(path), "field": f"zone {r.zone}", **asdict(r)} for r in grave),
                ],
                "warnings": [asdict(remark) for remark in mild],
            }
        )
        return len(faults) + len(grave), len(mild)
    for fault in faults:
        console.print_error(fault)
    for remark in (*grave, *mild):
        print_remark(remark, path)
    if zones is not None and not (remarks or faults):
        count = len(zones.zone)
        console.out.print(
            f"[green]in order[/] {escape(str(path))}: {count} zone{'s' if count != 1 else ''}", soft_wrap=True
        )
    return len(faults) + len(grave), len(mild)


@app.command(
    epilog="Examples:\n\npatrol zones show street.toml --picture street.mp4 --out street-zones.png\n\n"
    "patrol zones show street.toml --terminal --zone P1"
)
def show(
    file: Annotated[Path, typer.Argument(help="Zone file.", autocompletion=completing.zone_files)],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Picture to write: *.png, *.jpg or *.webp.", show_default=False),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            "--picture",
            "-p",
            help="A still or video of the camera, to draw over; else a plain sheet.",
            autocompletion=completing.pictures,
        ),
    ] = None,
    terminal: Annotated[
        bool, typer.Option("--terminal", "-t", help="Draw in the terminal; so it is without --out.")
    ] = False,
    zone: Annotated[
        list[str] | None,
        typer.Option(
            "--zone",
            "-z",
            help="Only this zone; may be repeated.",
            show_default=False,
            autocompletion=completing.zone_ids,
        ),
    ] = None,
    grid: Annotated[
        bool, typer.Option("--grid/--no-grid", help="Metres on the ground, where calibrated.")
    ] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Write no picture.")] = False,
    json: AsJson = False,
) -> None:
    """Draw the zones over a picture of the camera, with their names, vertex numbers and a legend.

    In the terminal: coloured blocks, or a map of letters where colours are off (NO_COLOR) or unknown.
    """
    from zones.files import load_zone_file
    from zones.pictures import check_shape, encode, facts_of, read_picture
    from zones.pictures import draw as draw_zones

    zones = load_zone_file(file)
    if zone:
        unknown = next((name for name in zone if name not in {z.id for z in zones.zone}), None)
        if unknown is not None:
            known = ", ".join(z.id for z in zones.zone)
            raise PatrolError(
                "has no such zone", file=file, field="--zone", value=unknown, mend=f"It has: {known}."
            )
        zones = zones.model_copy(update={"zone": tuple(z for z in zones.zone if z.id in zone)})
    below = None
    if picture is not None:
        below = read_picture(picture)
        check_shape(zones, below, file=picture)
    if out is not None:
        data = encode(draw_zones(zones, below, grid=grid), out)
        if not dry_run:
            write_whole(out, data)
    if json:
        console.print_json(
            {
                "file": str(file),
                "picture": None if picture is None else str(picture),
                "out": None if out is None else str(out),
                "written": out is not None and not dry_run,
                **facts_of(zones),
            }
        )
        return
    if terminal or out is None:
        from zones.terminal import print_zones

        print_zones(zones, below, console.out, grid=grid)
    if out is not None:
        console.out.print(escape(f"{out}{' (dry run: not written)' if dry_run else ''}"), soft_wrap=True)


app.command(epilog=geojson_cli.EXPORT_EXAMPLE)(geojson_cli.export)
app.command("import", epilog=geojson_cli.IMPORT_EXAMPLE)(geojson_cli.import_)


@app.command(hidden=True)
def reference() -> None:
    """Print the tables of docs/zones.md."""
    from zones.reference import zone_tables

    console.out.print(zone_tables(), markup=False, soft_wrap=True, end="")
