"""`patrol zones calibrate`: how the camera's picture lies on the ground."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from patrol import console
from protocol.errors import PatrolError

if TYPE_CHECKING:
    from zones.calibration import Ground
    from zones.ground import GroundPoint
    from zones.model import ZoneFile

app = typer.Typer()

_OFF_CM, _OFF_PX = 15.0, 3.0
"""A point that misses by more than this in both is told: somebody clicked or measured beside it. Both, because
far away a pixel is half a metre, and near the camera a centimetre is a pixel."""

_PICTURES = (".png", ".jpg", ".jpeg", ".webp")


@app.command(
    epilog="Examples:\n\n"
    "patrol zones calibrate street.toml --rectangle '410,380 560,384 690,520 395,512' --size 2.5x6\n\n"
    "patrol zones calibrate street.toml --points kerbs.csv --fit-lens --picture street.jpg --out check.png\n\n"
    "patrol zones calibrate street.toml --point 410,380=0,0 --point 560,384=2.5,0 --point 690,520=2.5,-6 "
    "--point 395,512=0,-6 --dry-run\n\n"
    "patrol zones calibrate street.toml --json   (what the file's own calibration is worth)"
)
def calibrate(
    file: Annotated[Path, typer.Argument(help="Zone file.", show_default=False)],
    point: Annotated[
        list[str] | None,
        typer.Option("--point", metavar="u,v=x,y", help="A point in pixels and metres; four or more."),
    ] = None,
    map_point: Annotated[
        list[str] | None,
        typer.Option("--map-point", metavar="u,v=lon,lat", help="A point in pixels and degrees, WGS-84."),
    ] = None,
    points: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="Points from a table u,v,x,y or u,v,longitude,latitude."),
    ] = None,
    rectangle: Annotated[
        str | None,
        typer.Option(
            metavar="'u,v u,v u,v u,v'",
            help="Instead of points: corners, in order, of a rectangle on the ground; the first side is its width.",
        ),
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="WIDTHxLENGTH", help="Its size in metres, such as 2.5x6.")
    ] = None,
    lens: Annotated[
        str | None, typer.Option(metavar="k1,k2", help="Lens distortion, in units of half the diagonal.")
    ] = None,
    fit_lens: Annotated[bool, typer.Option("--fit-lens", help="Find k1 from six points or more.")] = False,
    origin: Annotated[
        str | None,
        typer.Option(metavar="lon,lat", help="Where (0, 0) is, WGS-84; by default the first map point."),
    ] = None,
    bearing: Annotated[
        float, typer.Option(min=-360, max=360, help="Direction of the y axis, degrees clockwise from north.")
    ] = 0.0,
    picture: Annotated[
        Path | None, typer.Option("--picture", "-p", help="A still or video of the camera, to check by.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Check picture with a grid of metres: *.png, *.jpg, *.webp."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would come of it; write no zone file.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="JSON on stdout instead of text.")] = False,
) -> None:
    """Calibrate a camera to the ground, say how well the points agree, and keep it in the zone file.

    Without points or rectangle it looks at the calibration that the file has. Exit code 0: done; 1: done, but a point
    misses by more than 15 cm and 3 pixels; 2: refused, and nothing written.
    """
    from zones.calibration import Ground, with_fitted_lens
    from zones.files import load_zone_file, read_zone_text
    from zones.pictures import check_shape, read_picture
    from zones.survey import (
        calibration,
        map_position,
        point_in_metres,
        point_on_map,
        read_points,
        with_calibration,
        without_calibration,
    )
    from zones.survey import rectangle as measured
    from zones.writing import write_whole

    if out is not None and out.suffix.lower() not in _PICTURES:
        raise PatrolError(
            "no such picture format", field="--out", value=str(out), mend="Name it *.png, *.jpg or *.webp."
        )
    if (rectangle is None) != (size is None):
        raise PatrolError(
            "one of --rectangle and --size is missing", field="--size", mend="Give both, or points instead."
        )
    given: list[GroundPoint] = [point_in_metres(each) for each in point or ()]
    given += [point_on_map(each) for each in map_point or ()]
    given += read_points(points) if points is not None else ()
    area = measured(rectangle, size) if rectangle is not None and size is not None else None
    new = bool(given) or area is not None
    text = read_zone_text(file)
    written = False
    if new:
        zones = without_calibration(text, file)
        wanted = calibration(
            given,
            area,
            lens=lens,
            origin=map_position(origin, "--origin") if origin is not None else None,
            bearing_deg=bearing,
        )
        if fit_lens:
            wanted = with_fitted_lens(wanted, zones.picture.width, zones.picture.height)
        after = with_calibration(text, file, wanted)
        zones = zones.model_copy(update={"calibration": wanted})
    else:
        for name, value in (("--lens", lens), ("--origin", origin), ("--fit-lens", fit_lens or None)):
            if value is not None:
                raise PatrolError(
                    "there are no points that it could belong to",
                    field=name,
                    mend="Give --point, --points, --map-point or --rectangle with it.",
                )
        zones, after = load_zone_file(file), text
    ground = Ground.of(zones)
    if ground is None:
        raise PatrolError(
            "has no calibration",
            file=file,
            mend="Give --point four times or more, --points, or --rectangle with --size.",
        )
    below = None
    if picture is not None:
        below = read_picture(picture)
        check_shape(zones, below, file=picture)
    if out is not None:
        import cv2

        from zones.grid_picture import draw_grid

        _, data = cv2.imencode(out.suffix.lower(), draw_grid(zones, ground, below))
        write_whole(out, data.tobytes())
    if new and not dry_run:
        write_whole(file, after.encode())
        written = True
    facts = _facts(file, zones, ground, written=written)
    if json:
        console.print_json(facts)
    else:
        _tell(facts, out)
    if facts["doubtful"]:
        raise typer.Exit(1)


def _facts(file: Path, zones: ZoneFile, ground: Ground, *, written: bool) -> dict[str, Any]:
    """Everything that is told, as JSON has it."""
    import numpy as np
    from shapely.geometry import Polygon

    from zones.plan import on_ground

    found = ground.residuals()
    camera = ground.camera
    assert zones.calibration is not None
    rows = []
    for zone in zones.zone:
        corners = np.array(zone.polygon, float)
        reach = ground.metres_per_pixel(corners)
        seen = np.isfinite(reach)
        rows.append(
            {
                "zone": zone.id,
                "area_m2": round(float(on_ground(ground, Polygon(zone.polygon)).area), 1),
                "cm_per_px": round(float(reach[seen].max()) * 100, 1) if seen.any() else None,
                "above_horizon": int((~seen).sum()),
            }
        )
    return {
        "file": str(file),
        "written": written,
        "k1": zones.calibration.k1,
        "k2": zones.calibration.k2,
        "rms_cm": round(found.rms_cm, 2),
        "rms_px": round(found.rms_px, 2),
        "proven": len(found.points) > 4,
        "doubtful": [p.name for p in found.points if p.cm > _OFF_CM and p.px > _OFF_PX],
        "points": [
            {
                "name": p.name,
                "picture": [round(v, 2) for v in p.picture],
                "ground": [round(v, 3) for v in p.ground],
                "cm": round(p.cm, 2),
                "px": round(p.px, 2),
            }
            for p in found.points
        ],
        "camera": {
            "focal_px": round(camera.focal_px, 1),
            "height_m": round(camera.at[2], 2),
            "at_m": [round(v, 2) for v in camera.at[:2]],
            "assumed": camera.assumed,
        },
        "zones": rows,
    }


def _tell(facts: dict[str, Any], out: Path | None) -> None:
    table = Table(
        title="Points, and how far each is from where the calibration puts it", title_justify="left"
    )
    for name in ("Point", "Picture, px", "Ground, m", "Off, cm", "Off, px"):
        table.add_column(name, justify="left" if name == "Point" else "right", no_wrap=True)
    for row in facts["points"]:
        doubtful = row["name"] in facts["doubtful"]
        table.add_row(
            escape(row["name"]),
            "{:.1f}, {:.1f}".format(*row["picture"]),
            "{:.2f}, {:.2f}".format(*row["ground"]),
            f"{row['cm']:.1f}",
            f"{row['px']:.2f}",
            style="red" if doubtful else None,
        )
    console.out.print(table)
    console.out.print(f"root mean square: {facts['rms_cm']:.1f} cm, {facts['rms_px']:.2f} px")
    if not facts["proven"]:
        console.out.print("Four points always fit: measure a fifth to know how well.")
    camera = facts["camera"]
    words = f"camera: {camera['height_m']:.1f} m above the ground, focal length {camera['focal_px']:.0f} px"
    if camera["assumed"]:
        words += " (assumed: these points do not tell it, so heights of vehicles count less)"
    console.out.print(words, soft_wrap=True)
    if facts["k1"] or facts["k2"]:
        console.out.print(f"lens: k1 {facts['k1']:g}, k2 {facts['k2']:g}")
    table = Table(title="Zones", title_justify="left")
    for name in ("Zone", "On the ground, m²", "1 px is up to, cm"):
        table.add_column(name, justify="left" if name == "Zone" else "right")
    for row in facts["zones"]:
        reach = "–" if row["cm_per_px"] is None else f"{row['cm_per_px']:.1f}"
        table.add_row(escape(row["zone"]), f"{row['area_m2']:.1f}", reach)
    console.out.print(table)
    for row in facts["zones"]:
        if row["above_horizon"]:
            console.err.print(
                f"[yellow]warning[/] zone {escape(row['zone'])}: {row['above_horizon']} of its vertices lie on or above "
                "the horizon; that part is cut off",
                soft_wrap=True,
            )
    for name in facts["doubtful"]:
        console.err.print(
            f"[yellow]warning[/] {escape(name)} misses by more than {_OFF_CM:g} cm and {_OFF_PX:g} px; click and "
            "measure it again",
            soft_wrap=True,
        )
    if out is not None:
        console.out.print(escape(str(out)), soft_wrap=True)
    if facts["written"]:
        console.out.print(f"[green]written[/] {escape(facts['file'])}", soft_wrap=True)
