"""From heat to polygons.

Where people walked is surely pavement and where vehicles drove is surely road; between them the picture decides. A
watershed (Meyer's flooding, `cv2.watershed`) grows both over the picture without moving things, so that their border
lies on an edge of it: the kerb. Ground that nobody came near stays out.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from shapely import make_valid
from shapely.affinity import scale as _scaled
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry import box as _rectangle

from edge_agent.zone_tools.suggest.gather import Heat, Rest
from zones import footprint

Mask = NDArray[np.bool_]

_WALK, _DRIVE, _NEITHER = 1, 2, 3

_TRODDEN = 2.0
"""Feet on a spot from which somebody walks there: one alone may be a passing mistake of the detector."""

_DRIVEN = 1.0

_REACH = (0.5, 0.2)
"""How far beyond the outermost foot print pavement may reach, across and up and down the picture, in heights of a
person: one metre and a half across, and the same seen flat."""

_BANDS = 6
"""Rows are treated in this many bands, each with its own scale."""

_LEAST = 0.9
"""A piece of pavement is at least this many square heights of a person."""

_CORNERS = 14
"""A polygon that a person is to correct has few corners."""

_ON_PAVEMENT = 0.4
"""Share of a standing vehicle's footprint on proposed pavement from which its place is no bay."""

_BAY_MARGIN = 1.12
"""A bay is a little larger than what stands in it."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """One proposed zone.

    Attributes:
        kind: no_parking for pavement, parking_bay for a place where a vehicle stood.
        polygon: vertices in pixels of the picture.
        why: on what it rests, in words.
        sureness: 0 to 1. Pavement: share of it that was trodden. Bay: share of the time in which the vehicle was seen.
    """

    kind: Literal["no_parking", "parking_bay"]
    polygon: tuple[tuple[float, float], ...]
    why: str
    sureness: float


@dataclass(frozen=True, slots=True)
class Draft:
    """All proposals, and what could not be proposed and why."""

    proposals: tuple[Proposal, ...]
    remarks: tuple[str, ...]


def draft_zones(heat: Heat) -> Draft:
    """Propose pavement and bays."""
    remarks: list[str] = []
    pavement: list[Proposal] = []
    if heat.person_px is None:
        remarks.append(
            f"hardly anybody walked ({heat.people} sightings in {heat.seconds:.0f} s), so no pavement can be proposed; "
            "take a longer recording or draw it by hand"
        )
    else:
        pavement = list(_pavement(heat))
        if not pavement:
            remarks.append(
                "people walked too little, or only where vehicles drive, so no pavement can be proposed"
            )
    if heat.passes == 0:
        remarks.append("no vehicle drove, so the border to the road rests on the picture alone")
    bays: list[Proposal] = []
    walked = MultiPolygon([Polygon(each.polygon) for each in pavement]) if pavement else Polygon()
    for rest in heat.rests:
        foot = footprint(rest.box, rest.label)
        on = make_valid(walked).intersection(foot).area / foot.area
        if on >= _ON_PAVEMENT:
            x, y = foot.centroid.coords[0]
            remarks.append(f"a {rest.label} stood on the proposed pavement at ({x:.0f}, {y:.0f})")
            continue
        bays.append(_bay(heat, rest, foot))
    return Draft((*pavement, *bays), tuple(remarks))


def _bay(heat: Heat, rest: Rest, foot: Polygon) -> Proposal:
    picture = _rectangle(0, 0, heat.width, heat.height)
    place = _scaled(foot, _BAY_MARGIN, _BAY_MARGIN).intersection(picture)
    why = f"a {rest.label} stood here for {rest.seconds:.0f} s"
    return Proposal("parking_bay", _corners(place), why, round(min(1.0, rest.share), 3))


def _pavement(heat: Heat) -> Iterator[Proposal]:
    height_of = _heights(heat)
    middle = float(np.median(height_of))
    soft = max(1.0, 0.12 * middle)
    feet = cv2.GaussianBlur(heat.feet, (0, 0), soft)
    wheels = cv2.GaussianBlur(heat.wheels, (0, 0), soft)
    # The same number of people tread far ground more densely; a hundredth of the busiest spot is noise there.
    least = max(_TRODDEN, 0.02 * float(feet.max()))
    walk = (heat.feet >= _TRODDEN) & (feet >= least) & (feet > wheels)
    drive = (wheels >= _DRIVEN) & ~walk
    if not walk.any():
        return
    near = _reach(walk, height_of)
    grown = _flood(heat, walk, drive & ~walk, ~near & ~walk & ~drive)
    size = max(1, round(0.12 * middle))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * size + 1, 2 * size + 1))
    mask = cv2.morphologyEx(grown.astype(np.uint8), cv2.MORPH_CLOSE, disc)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, disc)
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    pieces = sorted(outlines, key=cv2.contourArea, reverse=True)
    for piece in pieces:
        row = int(np.clip(piece[:, 0, 1].mean(), 0, mask.shape[0] - 1))
        if cv2.contourArea(piece) < _LEAST * height_of[row] ** 2:
            continue
        shape = _simple(np.asarray(piece, np.int32), heat)
        if shape is None:
            continue
        inside = np.zeros(mask.shape, np.uint8)
        cv2.fillPoly(inside, [np.round(np.asarray(shape.exterior.coords) * heat.scale).astype(np.int32)], 1)
        covered = float((walk & (inside > 0)).sum() / max(1, int(inside.sum())))
        why = f"people walked on {covered:.0%} of it"
        yield Proposal("no_parking", _corners(shape), why, round(covered, 3))


def _heights(heat: Heat) -> NDArray[np.float64]:
    """Height of a person standing on each row of the grid, grid pixels, never below 4."""
    assert heat.person_px is not None
    slope, offset = heat.person_px
    rows = np.arange(heat.feet.shape[0]) / heat.scale
    return np.maximum(4.0, (slope * rows + offset) * heat.scale)


def _reach(walk: Mask, height_of: NDArray[np.float64]) -> Mask:
    """The ground within reach of where people walked, band by band because what is far is small."""
    near = np.zeros(walk.shape, np.uint8)
    edges = np.linspace(0, walk.shape[0], _BANDS + 1).astype(int)
    for top, bottom in itertools.pairwise(edges):
        part = np.zeros(walk.shape, np.uint8)
        part[top:bottom] = walk[top:bottom]
        if not part.any():
            continue
        height = float(height_of[(top + bottom) // 2])
        across, down = (max(1, round(height * share)) for share in _REACH)
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * across + 1, 2 * down + 1))
        near = np.maximum(near, np.asarray(cv2.dilate(part, disc), np.uint8))
    return near > 0


def _flood(heat: Heat, walk: Mask, drive: Mask, neither: Mask) -> Mask:
    markers = np.zeros(walk.shape, np.int32)
    markers[neither] = _NEITHER
    markers[drive] = _DRIVE
    markers[walk] = _WALK
    smooth = cv2.bilateralFilter(heat.background, 9, 40, 5)
    return np.asarray(cv2.watershed(smooth, markers) == _WALK)


def _simple(outline: NDArray[np.int32], heat: Heat) -> Polygon | None:
    """The outline with few corners, whole and in the picture; None where nothing is left of it."""
    around = cv2.arcLength(outline, True)
    for share in (0.004, 0.006, 0.009, 0.013, 0.02, 0.03, 0.05):
        corners = cv2.approxPolyDP(outline, share * around, True)[:, 0]
        if len(corners) <= _CORNERS:
            break
    if len(corners) < 3:
        return None
    shape = make_valid(Polygon((corners + 0.5) / heat.scale))
    parts = shape.geoms if hasattr(shape, "geoms") else (shape,)
    polygons = [part for part in parts if isinstance(part, Polygon) and part.area >= 64]
    return max(polygons, key=lambda part: part.area, default=None)


def _corners(shape: Polygon) -> tuple[tuple[float, float], ...]:
    return tuple((round(x, 1), round(y, 1)) for x, y in list(shape.exterior.coords)[:-1])
