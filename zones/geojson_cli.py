"""`patrol zones export` and `patrol zones import`: zones on the map."""

from __future__ import annotations

import json as _json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from patrol import console
from protocol.errors import PatrolError
from zones.writing import refuse_existing, write_whole

if TYPE_CHECKING:
    from zones.model import ZoneFile

EXPORT_EXAMPLE = (
    "Examples:\n\n"
    "patrol zones export street.toml --geojson street.geojson\n\n"
    "patrol zones export street.toml --geojson street-pixels.geojson --pixels"
)
IMPORT_EXAMPLE = (
    "Examples:\n\n"
    "patrol zones import street.geojson --into street.toml --dry-run\n\n"
    "patrol zones import street.geojson --into street.toml --replace"
)

JsonOption = Annotated[bool, typer.Option("--json", help="JSON on stdout instead of text.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")]


def export(
    file: Annotated[Path, typer.Argument(help="Zone file.")],
    geojson: Annotated[
        Path, typer.Option("--geojson", "-g", help="File to write, which must not exist yet; - for stdout.")
    ],
    pixels: Annotated[
        bool, typer.Option("--pixels", help="Pixels for coordinates, not WGS-84: needs no calibration.")
    ] = False,
    dry_run: DryRunOption = False,
    json: JsonOption = False,
) -> None:
    """Write the zones as GeoJSON: a map in WGS-84 (RFC 7946) by the file's calibration, or in pixels.

    Properties are the zones' rules, so that `patrol zones import` brings them back. With --pixels the whole file is
    written in GeoJSON's shape, and can be used as a zone file.
    """
    from zones.files import load_zone_file
    from zones.geojson import to_map, to_pixels

    zones = load_zone_file(file)
    left_out: tuple[str, ...] = ()
    if pixels:
        data = to_pixels(zones)
    else:
        data, left_out = to_map(zones, name=file)
    for name in left_out:
        console.err.print(
            f"[yellow]left out[/] {escape(f'zone {name}: hangs above the horizon and has no place on a map')}",
            soft_wrap=True,
        )
    text = _json.dumps(data, ensure_ascii=False, indent=2) + "\n"
    if str(geojson) == "-":
        if json:
            raise PatrolError(
                "--json and --geojson - both want stdout", field="--json", mend="Give one of them."
            )
        if not dry_run:
            sys.stdout.write(text)
        return
    refuse_existing(geojson)
    if not dry_run:
        write_whole(geojson, text.encode())
    if json:
        console.print_json(
            {
                "file": str(geojson),
                "coordinates": "pixels" if pixels else "WGS-84",
                "zones": len(data["features"]),
                "left_out": list(left_out),
                "dry_run": dry_run,
            }
        )
    else:
        console.out.print(escape(str(geojson)), soft_wrap=True)


def import_(
    map_file: Annotated[Path, typer.Argument(metavar="MAP", help="GeoJSON in WGS-84: one polygon a zone.")],
    into: Annotated[Path, typer.Option("--into", "-i", help="Zone file with a calibration; gets the zones.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Zones that the file has otherwise become those of the map.")
    ] = False,
    dry_run: DryRunOption = False,
    json: JsonOption = False,
) -> None:
    """Bring zones from a map into a zone file, through its calibration. All of the map, or nothing.

    Polygons that reach out of the picture are cut at its edge, and it is said how much is lost. Zones of the file that
    the map does not have stay. Where the file has comments, a copy is kept beside it as *.bak.
    """
    from zones.files import dump_zone_file, load_zone_file
    from zones.geojson import changes, from_map, merged, read_map, to_pixels

    zones = load_zone_file(into)
    imported = list(changes(from_map(read_map(map_file), zones, name=map_file, into=into), replace=replace))
    after = merged(zones, imported)
    names = {one.zone.id for one in imported}
    report: list[dict[str, object]] = [
        {"zone": one.zone.id, "change": one.change, "cut": round(one.lost, 4)} for one in imported
    ]
    report.extend({"zone": z.id, "change": "kept", "cut": 0.0} for z in zones.zone if z.id not in names)
    changed = any(line["change"] in ("added", "replaced") for line in report)
    backup: Path | None = None
    if changed and not dry_run:
        before = into.read_bytes()
        suffix = into.suffix.lower()
        if suffix == ".toml":
            text = dump_zone_file(after)
            backup = into.with_name(f"{into.name}.bak") if _has_comments(before.decode("utf-8-sig")) else None
        else:
            text = _as_json(after, _json.loads(before.decode("utf-8-sig")), to_pixels(after))
        if backup is not None:
            write_whole(backup, before)
        write_whole(into, text.encode())
    if json:
        console.print_json(
            {
                "file": str(into),
                "zones": report,
                "changed": changed,
                "dry_run": dry_run,
                "backup": None if backup is None else str(backup),
            }
        )
        return
    for line in report:
        lost = float(str(line["cut"]))
        note = f", {lost:.0%} of it lies out of the picture and is cut off" if lost > 0 else ""
        console.out.print(f"{escape(str(line['zone']))}: {line['change']}{note}", soft_wrap=True)
    if dry_run:
        console.err.print("Nothing was written.")
    elif backup is not None:
        console.err.print(f"Comments are not kept; the file as it was: {escape(str(backup))}", soft_wrap=True)


def _has_comments(text: str) -> bool:
    return any("#" in line for line in text.splitlines())


def _as_json(after: ZoneFile, before: object, pixels: object) -> str:
    """In the shape that the file had."""
    shaped = isinstance(before, dict) and before.get("type") == "FeatureCollection"
    data = pixels if shaped else after.model_dump(mode="json", by_alias=True, exclude_none=True)
    return _json.dumps(data, ensure_ascii=False, indent=2) + "\n"
