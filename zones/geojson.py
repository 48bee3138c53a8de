"""Zones on the map: GeoJSON (RFC 7946) out and in.

Two kinds of FeatureCollection are told apart by one member: a zone file in GeoJSON's shape has `picture`, and its
coordinates are pixels; a map has none, and its coordinates are WGS-84 degrees, longitude first.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from shapely.geometry import Polygon

from protocol.errors import PatrolError
from zones.calibration import Ground
from zones.geojson_view import along_edges, as_polygon, cut, visible_ground
from zones.model import Zone, ZoneFile

Floats = NDArray[np.float64]
Change = Literal["added", "replaced", "unchanged", "differs"]

_DECIMALS = 9
"""Of a degree: a tenth of a millimetre, so that a polygon comes back within a tenth of a pixel."""

_SAME_PX = 0.1
_EDGE_PX = 1.0
"""A zone file allows as much beyond the picture's edge."""

_FAR_M = 5_000.0
"""No camera sees so far: such a place is a mistake of coordinates."""

_FIELDS = frozenset(Zone.model_fields) - {"polygon"}


@dataclass(frozen=True, slots=True)
class Imported:
    """One zone of a map, in the picture.

    Attributes:
        zone: the zone, polygon in pixels.
        change: what it would be to the file: `differs` stands for one that the file has otherwise.
        lost: share of its ground that lies outside of the picture and was cut off, 0 to 1.
    """

    zone: Zone
    change: Change
    lost: float


def to_map(file: ZoneFile, *, name: str | Path = "the zone file") -> tuple[dict[str, Any], tuple[str, ...]]:
    """A FeatureCollection in WGS-84: rings closed and counter-clockwise, properties are the zones' rules.

    Returns:
        The collection, and the ids of ignored places that hang above the horizon and have no place on a map.

    Raises:
        PatrolError: the file has no calibration with an origin, or a zone reaches above the horizon.
    """
    ground = _ground(file, name)
    features = []
    hanging = []
    for zone in file.zone:
        metres = ground.to_ground(np.array(zone.polygon))
        if zone.kind == "ignore" and np.isnan(metres).any():
            hanging.append(zone.id)
            continue
        for number, point in enumerate(metres, start=1):
            if np.isnan(point).any():
                raise PatrolError(
                    "lies above the horizon and has no place on the map",
                    file=name,
                    field=f"zone {zone.id}: vertex {number}",
                    mend="Draw the zone on the ground.",
                )
        metres = along_edges(zone.polygon, ground)
        ring = [[round(float(v), _DECIMALS) for v in point] for point in ground.to_wgs84(metres)]
        if not Polygon(metres).exterior.is_ccw:
            ring = [ring[0], *reversed(ring[1:])]
        rules = zone.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"polygon"})
        features.append(
            {
                "type": "Feature",
                "id": zone.id,
                "geometry": {"type": "Polygon", "coordinates": [[*ring, list(ring[0])]]},
                "properties": rules,
            }
        )
    return {"type": "FeatureCollection", "features": features}, tuple(hanging)


def to_pixels(file: ZoneFile) -> dict[str, Any]:
    """The whole file in GeoJSON's shape with pixels for coordinates; a zone file that is read back as it is."""
    data = file.model_dump(mode="json", by_alias=True, exclude_none=True)
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [[*zone["polygon"], zone["polygon"][0]]]},
            "properties": {key: value for key, value in zone.items() if key != "polygon"},
        }
        for zone in data.pop("zone")
    ]
    return {"type": "FeatureCollection", **data, "features": features}


def read_map(path: Path) -> dict[str, Any]:
    """A map's FeatureCollection, not yet looked into.

    Raises:
        PatrolError: it cannot be read, is no JSON, no FeatureCollection, or one whose coordinates are pixels.
    """
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise PatrolError(f"cannot be read: {error.strerror}", file=path, mend="Check the path.") from error
    except (ValueError, RecursionError) as error:
        raise PatrolError(f"is no JSON: {error}", file=path, mend="Export it as GeoJSON.") from error
    if not isinstance(data, dict) or data.get("type") != "FeatureCollection":
        raise PatrolError("is no FeatureCollection", file=path, mend="Export a layer of polygons as GeoJSON.")
    if "picture" in data:
        raise PatrolError(
            "is a zone file: its coordinates are pixels, not WGS-84",
            file=path,
            field="picture",
            mend="Use it as it is, or export a map with `patrol zones export`.",
        )
    return data


def from_map(data: dict[str, Any], file: ZoneFile, *, name: str | Path, into: str | Path) -> list[Imported]:
    """A map's zones in the picture of a zone file.

    Args:
        data: what `read_map` gave.
        file: the file whose calibration says where the picture lies.
        name: the map, for errors.
        into: the zone file, for errors.

    Raises:
        PatrolError: anything in the map is no zone, or lies where the camera does not look. Nothing is left out.
    """
    ground = _ground(file, into)
    view = visible_ground(ground, file.picture.width, file.picture.height)
    features = data.get("features")
    if not isinstance(features, list) or not features:
        raise PatrolError("has no features", file=name, field="features")
    known = {zone.id: zone for zone in file.zone}
    found: list[Imported] = []
    seen: set[str] = set()
    for number, feature in enumerate(features, start=1):
        place = f"feature {number}"
        rules = _properties(feature, name, place)
        place = f"{place} ({rules['id']})" if isinstance(rules.get("id"), str) else place
        metres = ground.from_wgs84(_ring(feature, name, place))
        polygon, lost = _in_picture(metres, ground, view, file, name, place)
        try:
            zone = Zone.model_validate_json(json.dumps({**rules, "polygon": polygon}))
        except ValidationError as error:
            raise _fault(error, name, place) from error
        if zone.id in seen:
            raise PatrolError("the id is used twice", file=name, field=place, value=zone.id)
        seen.add(zone.id)
        found.append(_compared(zone, known.get(zone.id), lost))
    return found


def merged(file: ZoneFile, imported: list[Imported]) -> ZoneFile:
    """The file with the zones of a map: those that it has are replaced in their places, new ones follow.

    Raises:
        PatrolError: together they are no valid file.
    """
    new = {one.zone.id: one.zone for one in imported}
    zones = [new.pop(zone.id, zone) for zone in file.zone]
    data = file.model_dump(mode="json", by_alias=True, exclude_none=True)
    data["zone"] = [
        z.model_dump(mode="json", by_alias=True, exclude_none=True) for z in (*zones, *new.values())
    ]
    try:
        return ZoneFile.model_validate_json(json.dumps(data))
    except ValidationError as error:
        raise _fault(error, "the file with the map's zones", "") from error


def _ground(file: ZoneFile, name: str | Path) -> Ground:
    if file.calibration is None or file.calibration.origin is None:
        missing = "calibration" if file.calibration is None else "origin on the map in its calibration"
        raise PatrolError(
            f"has no {missing}, so that nobody knows where on the map its zones lie",
            file=name,
            field="calibration",
            mend="Calibrate with `patrol zones calibrate` and give an origin; `patrol zones export --pixels` writes GeoJSON "
            "in pixels without.",
        )
    ground = Ground.of(file)
    assert ground is not None
    return ground


def _properties(feature: Any, name: str | Path, place: str) -> dict[str, Any]:
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        raise PatrolError("is no Feature", file=name, field=place)
    given = feature.get("properties")
    rules = dict(given) if isinstance(given, dict) else {}
    for key in rules:
        if key not in _FIELDS:
            raise PatrolError(
                "this property is not known",
                file=name,
                field=f"{place}: {key}",
                mend="Remove it, or rename it; docs/zones.md lists a zone's keys.",
            )
    if "id" not in rules and isinstance(feature.get("id"), str | int):
        rules["id"] = str(feature["id"])
    return rules


def _ring(feature: dict[str, Any], name: str | Path, place: str) -> Floats:
    """The feature's outer ring in degrees, (N, 2), not closed."""
    geometry = feature.get("geometry")
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if not isinstance(geometry, dict) or kind != "Polygon":
        raise PatrolError(
            f"is a {kind}, not a Polygon" if isinstance(kind, str) else "has no geometry",
            file=name,
            field=place,
            mend="Use one feature a zone; split what has several parts.",
        )
    rings = geometry.get("coordinates")
    if not isinstance(rings, list) or len(rings) != 1 or not isinstance(rings[0], list):
        raise PatrolError(
            "must have exactly one ring",
            file=name,
            field=place,
            mend="Draw a hole as a zone of its own, of the kind ignore or parking_bay.",
        )
    ring = rings[0]
    for number, point in enumerate(ring, start=1):
        if not (
            isinstance(point, list)
            and len(point) in (2, 3)
            and all(isinstance(v, int | float) and not isinstance(v, bool) for v in point)
        ):
            raise PatrolError("is no position", file=name, field=f"{place}: vertex {number}")
        if not (-180 <= point[0] <= 180 and -90 <= point[1] <= 90):
            raise PatrolError(
                f"({point[0]:g}, {point[1]:g}) is no longitude and latitude",
                file=name,
                field=f"{place}: vertex {number}",
                mend="Export the layer in WGS-84 (EPSG:4326), longitude first.",
            )
    if len(ring) < 4 or ring[0] != ring[-1]:
        raise PatrolError(
            "the ring is not closed" if len(ring) >= 4 else "the ring has too few positions",
            file=name,
            field=place,
            mend="A ring ends with its first position (RFC 7946, 3.1.6).",
        )
    return np.array([point[:2] for point in ring[:-1]], float)


def _in_picture(
    metres: Floats, ground: Ground, view: Polygon, file: ZoneFile, name: str | Path, place: str
) -> tuple[list[list[float]], float]:
    """The ring in pixels, and the share of it that was cut off at the picture's edge."""
    away = float(np.hypot(*metres.T).min())
    if away > _FAR_M:
        raise PatrolError(
            f"lies {away / 1000:,.0f} km from the calibration's origin",
            file=name,
            field=place,
            mend="Longitude comes first, and the datum must be WGS-84.",
        )
    shape = Polygon(metres)
    if not shape.is_valid:
        raise PatrolError("the polygon crosses itself", file=name, field=place, mend="Mend it on the map.")
    width, height = file.picture.width, file.picture.height
    pixels = ground.to_picture(metres)
    near = (pixels >= -_EDGE_PX) & (pixels <= np.array([width, height]) + _EDGE_PX)
    if near.all() and not np.isnan(ground.to_ground(pixels)).any():
        return as_polygon(pixels, ground), 0.0
    part = cut(shape, view, ground, width, height)
    if part is None:
        raise PatrolError(
            f"lies off the picture, {Polygon(metres).distance(view):.0f} m beside what the camera sees",
            file=name,
            field=place,
            mend="Leave it out of the map, or check the datum: GCJ-02 and BD-09 maps are shifted by hundreds of metres.",
        )
    if len(part.pieces) > 1:
        raise PatrolError(
            f"falls into {len(part.pieces)} parts at the picture's edge",
            file=name,
            field=place,
            mend="Draw one zone for each part.",
        )
    return part.pieces[0], part.lost


def _compared(zone: Zone, before: Zone | None, lost: float) -> Imported:
    if before is None:
        return Imported(zone, "added", lost)
    same_rules = zone.model_copy(update={"polygon": before.polygon}) == before
    if same_rules and _apart(zone.polygon, before.polygon) <= _SAME_PX:
        return Imported(before, "unchanged", lost)
    return Imported(zone, "differs", lost)


def _apart(one: Any, other: Any) -> float:
    """How far two polygons are apart, pixels, whichever vertex and direction they begin with."""
    return float(Polygon(one).exterior.hausdorff_distance(Polygon(other).exterior))


def _fault(error: ValidationError, name: str | Path, place: str) -> PatrolError:
    fault = error.errors()[0]
    parts = [place, *(str(part) for part in fault["loc"])]
    value = fault.get("input") if isinstance(fault.get("input"), str | int | float) else None
    return PatrolError(
        fault["msg"].removeprefix("Value error, "),
        file=name,
        field=": ".join(part for part in parts if part) or None,
        value=value,
        mend="docs/zones.md says what each key takes.",
    )


def changes(imported: list[Imported], *, replace: bool) -> Iterator[Imported]:
    """What each zone of the map does to the file.

    Raises:
        PatrolError: the file has one of them otherwise, and nothing is to be replaced.
    """
    differing = [one.zone.id for one in imported if one.change == "differs"]
    if differing and not replace:
        raise PatrolError(
            f"the file has {', '.join(differing)} otherwise",
            field="--into",
            mend="Look at the differences with --dry-run --replace, then import with --replace.",
        )
    for one in imported:
        yield Imported(one.zone, "replaced", one.lost) if one.change == "differs" else one
