"""The zones of a camera as a plan: on the ground in metres when calibrated, else in the picture, and who decides
where they overlap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from zones.calibration import HORIZON_PX, Ground
from zones.model import FORBIDDING, Zone
from zones.overlap import Regions

Floats = NDArray[np.float64]

ALLOWING: frozenset[str] = frozenset({"parking_bay", "loading"})

_DENSE_PX = 8.0
"""A lens bends straight lines; edges are followed in steps of this many pixels."""

_FAR = 1e6
"""Pixels; nothing lies further from the horizon."""

_BORDER_PX = 2.0
"""An edge of a zone along the picture's border is where the picture ends, not where a street runs."""

_LONG_M = 30.0
"""An edge longer than this says no more of the street's direction than one of this length."""


def on_ground(ground: Ground, polygon: BaseGeometry) -> BaseGeometry:
    """A polygon of the picture on the ground, metres. What lies on or above the horizon is cut off, never turned over.

    Args:
        ground: of the camera.
        polygon: a valid polygon in pixels of the ground's pictures.

    Returns:
        A polygon or multipolygon, empty when nothing of it is on the ground.
    """
    if not ground.lens.straight:
        polygon = shapely.segmentize(polygon, _DENSE_PX / float(ground.factor.max()))
    straight = _polygonal(shapely.transform(polygon, ground.straighten))
    line = ground.horizon
    if line is not None:
        across = np.array([-line[1], line[0]])
        foot = line[:2] * (HORIZON_PX * 1.001 - line[2])
        half_plane = [
            foot - across * _FAR,
            foot + across * _FAR,
            foot + (across + line[:2]) * _FAR,
            foot + (line[:2] - across) * _FAR,
        ]
        straight = _polygonal(straight.intersection(Polygon(half_plane)))
    if straight.is_empty:
        return Polygon()
    return _polygonal(shapely.transform(straight, ground.straight_to_ground))


def street_lines(ground: Ground, polygons: Sequence[NDArray[np.float64]]) -> Floats:
    """The edges of zones along which a street may run, (S, 5): two ends in metres and a weight.

    Args:
        ground: of the camera.
        polygons: rings (V, 2) in pixels of the ground's pictures, not closed.
    """
    border = _BORDER_PX
    lines = []
    for ring in polygons:
        metres = ground.to_ground(ring)
        for a, b, one, two in zip(ring, np.roll(ring, -1, 0), metres, np.roll(metres, -1, 0), strict=True):
            low, high = np.minimum(a, b), np.maximum(a, b)
            along_border = (
                high[0] <= border
                or high[1] <= border
                or low[0] >= ground.width - border
                or low[1] >= ground.height - border
            )
            length = float(np.hypot(*(two - one)))
            if not along_border and np.isfinite(length) and length > 0.5:
                lines.append((*one, *two, min(1.0, _LONG_M / length) ** 2))
    return np.array(lines, float).reshape(-1, 5)


class Arrangement:
    """The ground that each zone decides about one class of vehicle.

    On ground where zones overlap, the one with the highest priority decides and the others are as if they were not
    there. Between equal priorities a bay or loading zone lies over a forbidding zone; two forbidding zones both count.

    Args:
        zones: all zones of the file.
        shapes: their polygons on the plan.
        vehicle_class: whom it is about.
        present: which zones count, (Z,).

    Attributes:
        forbidding, allowing, ignored: numbers of zones, those of one kind in the order of their ids.
        regions: what is left of each zone, in the order forbidding, allowing, ignored.
    """

    def __init__(
        self,
        zones: Sequence[Zone],
        shapes: Sequence[BaseGeometry],
        vehicle_class: str,
        present: NDArray[np.bool_],
    ) -> None:
        here = sorted((n for n in range(len(zones)) if present[n]), key=lambda n: zones[n].id)
        concerned = [n for n in here if zones[n].kind == "ignore" or vehicle_class in zones[n].classes]
        self.forbidding = np.array([n for n in concerned if zones[n].kind in FORBIDDING], np.intp)
        self.allowing = np.array([n for n in concerned if zones[n].kind in ALLOWING], np.intp)
        self.ignored = np.array([n for n in concerned if zones[n].kind == "ignore"], np.intp)
        left = []
        for number in (*self.forbidding, *self.allowing, *self.ignored):
            zone, shape = zones[number], shapes[number]
            over = [
                shapes[n]
                for n in concerned
                if n != number and _over(zones[n], zone) and shapes[n].intersects(shape)
            ]
            left.append(_polygonal(shape.difference(shapely.union_all(over))) if over else shape)
        self.regions = Regions(left)


def _over(one: Zone, two: Zone) -> bool:
    """Whether the first decides where both overlap."""
    if one.priority != two.priority:
        return one.priority > two.priority
    return one.kind in ALLOWING and two.kind in FORBIDDING


def _polygonal(shape: BaseGeometry) -> BaseGeometry:
    """What has area of a shape, valid."""
    if isinstance(shape, Polygon | MultiPolygon) and shape.is_valid:
        return shape
    whole = shapely.make_valid(shape)
    parts = [part for part in shapely.get_parts(whole) if isinstance(part, Polygon | MultiPolygon)]
    return shapely.union_all(parts) if parts else Polygon()
