"""Polygons between picture and ground: edges that a lens bends, and what is cut off at the picture's edge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import Polygon

from zones.calibration import Ground

Floats = NDArray[np.float64]

_STEP_PX = 4.0
_HORIZON_PX = 3.0
"""What lies nearer to the horizon is hundreds of metres away, and no zone."""

_STRAIGHT_PX = 0.05
"""Vertices that add less than this to the outline are left out."""

_SPECK = 1e-4
"""Parts smaller than this share of a polygon come from rounding."""


_DEPTH = 8
"""An edge is halved so often at most."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What is left of a polygon at the picture's edge: its parts in pixels, and the share of the ground that is lost."""

    pieces: list[list[list[float]]]
    lost: float


def along_edges(polygon: Sequence[tuple[float, float]], ground: Ground) -> Floats:
    """A polygon of the picture on the ground, metres (N, 2). Where a lens bends its edges there, vertices are added, so
    that it keeps to the picture's straight ones within a few hundredths of a pixel."""
    corners = [np.array(vertex, float) for vertex in polygon]
    found: list[Floats] = []
    for start, end in zip(corners, [*corners[1:], corners[0]], strict=True):
        found.append(start)
        if not _is_straight(ground):
            found.extend(_between(start, end, ground, _DEPTH))
    return ground.to_ground(np.array(found))


def as_polygon(pixels: Floats, ground: Ground) -> list[list[float]]:
    """A ring of the picture, pixels, rounded; without the vertices that `along_edges` adds."""
    if not _is_straight(ground):
        outline = Polygon(pixels).simplify(_STRAIGHT_PX)
        pixels = np.array(outline.exterior.coords)[:-1]
    return [[round(float(v), 2) for v in point] for point in pixels]


def _between(start: Floats, end: Floats, ground: Ground, depth: int) -> list[Floats]:
    """Points of an edge at which it has to be bent, in order, its ends left out."""
    on_ground = ground.to_ground(np.array([start, end]))
    chord = ground.to_picture(on_ground.mean(axis=0, keepdims=True))[0]
    along = end - start
    length = float(np.hypot(*along))
    if depth == 0 or length < 1 or np.isnan(chord).any():
        return []
    off = abs(float(along[0] * (chord - start)[1] - along[1] * (chord - start)[0])) / length
    if off < _STRAIGHT_PX / 2:
        return []
    middle = (start + end) / 2
    return [*_between(start, middle, ground, depth - 1), middle, *_between(middle, end, ground, depth - 1)]


def _is_straight(ground: Ground) -> bool:
    return ground.lens.k1 == 0 and ground.lens.k2 == 0


def visible_ground(ground: Ground, width: float, height: float) -> Polygon:
    """The ground that a picture shows, metres; it ends a little below the horizon."""
    ring = _outline(width, height)
    depth = np.minimum(ground.below_horizon(ring), 1e9) - _HORIZON_PX
    kept: list[Floats] = []
    for number in range(len(ring)):
        here, there = ring[number - 1], ring[number]
        one, two = depth[number - 1], depth[number]
        if (one >= 0) != (two >= 0):
            kept.append(here + (there - here) * (one / (one - two)))
        if two >= 0:
            kept.append(there)
    if len(kept) < 3:
        return Polygon()
    metres = ground.to_ground(np.array(kept))
    shape = Polygon(metres[~np.isnan(metres).any(axis=1)])
    return shape if shape.is_valid else shape.buffer(0)


def cut(shape: Polygon, view: Polygon, ground: Ground, width: float, height: float) -> Cut | None:
    """The part of a polygon on the ground that the picture shows, or None if it shows nothing of it."""
    seen = shape.intersection(view)
    parts = [p for p in getattr(seen, "geoms", [seen]) if p.geom_type == "Polygon" and not p.is_empty]
    parts = [part for part in parts if part.area > _SPECK * shape.area]
    pieces = []
    for part in parts:
        pixels = ground.to_picture(np.array(part.exterior.coords)[:-1])
        outline = Polygon(np.clip(pixels, 0, [width, height])).simplify(_STRAIGHT_PX)
        if outline.area >= 1:
            pieces.append(as_polygon(np.array(outline.exterior.coords)[:-1], ground))
    if not pieces:
        return None
    return Cut(pieces, max(0.0, 1 - sum(part.area for part in parts) / shape.area))


def _outline(width: float, height: float) -> Floats:
    """The picture's edge, a point every few pixels, corners included."""
    corners = [(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)]
    sides = []
    for number, start in enumerate(corners):
        end = np.array(corners[(number + 1) % 4])
        steps = max(1, int(np.ceil(np.abs(end - start).max() / _STEP_PX)))
        share = np.arange(steps)[:, None] / steps
        sides.append(np.array(start) + (end - start) * share)
    return np.concatenate(sides)
