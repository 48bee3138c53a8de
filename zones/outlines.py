"""Where a zone file's zones lie on the map, small enough for a message."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from protocol.errors import PatrolError
from protocol.messages import GroundOutline, Position, ZoneOnGround
from zones.calibration import Ground
from zones.model import ZoneFile
from zones.plan import on_ground

POINTS = 24
"""Vertices of an outline at most; a map of a street shows no more."""

_DECIMALS = 7
"""Of a degree: a centimetre."""

_REACH_M = 500.0
"""What lies further from the lens is near the horizon, where a pixel is a street long."""


def outlines_of(file: ZoneFile) -> tuple[Position | None, tuple[ZoneOnGround, ...]]:
    """Where the camera stands, and every zone with its outline on the ground.

    Returns:
        The lens's place where the calibration tells it, else the file's position, else None. A zone has no outline where the
        file has no calibration with an origin, where that cannot be used, or where nothing of the zone is on the ground.
    """
    ground = _ground(file)
    return (
        file.position if ground is None else _degrees(ground, [ground.camera.at[:2]])[0],
        tuple(
            ZoneOnGround(
                zone_id=zone.id,
                name=zone.name[:80],
                kind=zone.kind,
                version=zone.version,
                outline=None if ground is None else _outline(ground, Polygon(zone.polygon)),
            )
            for zone in file.zone
        ),
    )


def _ground(file: ZoneFile) -> Ground | None:
    if file.calibration is None or file.calibration.origin is None:
        return None
    try:
        return Ground.of(file)
    except PatrolError:  # told by lint; a picture on a map is not worth stopping for
        return None


def _outline(ground: Ground, drawn: Polygon) -> GroundOutline | None:
    """The largest part of it, counter-clockwise, within reach of the lens and of few vertices."""
    x, y = ground.camera.at[:2]
    reach = Polygon([(x + a * _REACH_M, y + b * _REACH_M) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))])
    largest = max(
        _parts(on_ground(ground, drawn).intersection(reach)), key=lambda part: part.area, default=None
    )
    if largest is None:
        return None
    outline, tolerance = Polygon(largest.exterior), 0.02
    while len(outline.exterior.coords) > POINTS + 1:
        outline, tolerance = outline.simplify(tolerance), tolerance * 2
    ring = list(outline.exterior.coords)
    places = _degrees(ground, ring if outline.exterior.is_ccw else ring[::-1])
    closed = tuple((place.longitude, place.latitude) for place in places)
    return GroundOutline(coordinates=(closed,)) if len(closed) >= 4 else None


def _parts(shape: BaseGeometry) -> Iterator[Polygon]:
    for part in getattr(shape, "geoms", [shape]):
        if isinstance(part, Polygon) and not part.is_empty:
            yield part


def _degrees(ground: Ground, metres: object) -> list[Position]:
    found = ground.to_wgs84(np.asarray(metres, float))
    return [
        Position(longitude=round(float(x), _DECIMALS), latitude=round(float(y), _DECIMALS)) for x, y in found
    ]
