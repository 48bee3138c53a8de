"""What the polygons of a zone file say that is probably not meant.

Sizes are judged on the ground, in metres, where the camera is calibrated, and by the smallest vehicle that is looked at,
in pixels, where it is not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union

from zones.calibration import Ground
from zones.geometry import trembling_share
from zones.lint import Remark
from zones.model import FORBIDDING, Vertex, Zone, ZoneFile
from zones.plan import ALLOWING, on_ground

_SAME = 0.9
"""Two polygons that share this much of their common area were probably pasted."""

_OVERLAP = 0.02
"""Neighbours drawn by hand overlap by a little; more than this share of the smaller one is told."""

_THIN = 0.25
"""Uncalibrated: narrower than this many heights of the smallest vehicle, no footprint reaches `enter_ratio`."""

_ASPECT = 1.6
"""Width of a small car over its height, seen from the side: with its depth on the ground, the smallest footprint."""

_DEPTH = 0.4
"""Share of a car's height that its footprint has, as `zones.geometry` measures it."""

_ANY_HEIGHT = Zone.model_fields["min_height_px"].default

_SMALLEST_M: dict[str, tuple[float, float]] = {
    "bicycle": (1.6, 0.5),
    "motorcycle": (1.7, 0.7),
    "car": (3.0, 1.5),
    "truck": (4.5, 1.8),
    "bus": (6.0, 2.0),
}
"""Length and width of a small vehicle of each class, metres."""

_GAP_M = 0.6
_GAP_HEIGHTS = 0.5
"""A strip between two zones narrower than this was not left open on purpose: no vehicle fits into it."""

_GAP_LONG_M = 2.0
_GAP_LONG_HEIGHTS = 1.6
"""Shorter strips are a matter of corners."""

_GAP_LEAST_M = 0.05
_GAP_LEAST_PX = 1.0
"""Thinner strips take nothing away."""

_STRAIGHT = 0.0005
"""A vertex nearer than this share of the picture's longer side to the line between its neighbours says nothing."""

_SPIKE_DEG = 4.0
"""Edges that meet at a sharper angle enclose no ground."""

_MANY = 60
"""Vertices from which it is looked whether fewer would do."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """Polygons in the unit in which sizes are judged."""

    shapes: dict[str, BaseGeometry]
    metric: bool


def lint_shapes(file: ZoneFile) -> Iterator[Remark]:
    """Look at each polygon, at each two that lie near one another, and at the ground that none of them covers."""
    shapes = {zone.id: Polygon(zone.polygon) for zone in file.zone}
    ground = Ground.of(file)
    plan = _Plan(
        shapes if ground is None else {name: on_ground(ground, shape) for name, shape in shapes.items()},
        ground is not None,
    )
    straight = _STRAIGHT * max(file.picture.width, file.picture.height)
    for zone in file.zone:
        yield from _vertices(zone, straight)
        yield from _size(zone, shapes[zone.id], plan)
    forbidden = unary_union([shapes[zone.id] for zone in file.zone if zone.kind in FORBIDDING])
    holes = list(_holes(file, shapes, forbidden))
    yield from (remark for remark, _ in holes)
    enclosed = unary_union([hole for _, hole in holes])
    for one, two in combinations(file.zone, 2):
        yield from _together(one, two, shapes)
        yield from _gap(one, two, file, plan, enclosed, ground)


# One polygon


def _vertices(zone: Zone, straight: float) -> Iterator[Remark]:
    ring = zone.polygon
    repeated = False
    for number, vertex in enumerate(ring, start=1):
        if vertex == ring[number - 2]:
            repeated = True
            yield Remark(
                "repeated_vertex",
                zone.id,
                None,
                "the last vertex repeats the first"
                if number == 1
                else f"vertex {number} repeats vertex {number - 1}",
                "Leave it out; the ring closes by itself.",
                vertex=len(ring) if number == 1 else number,
            )
    if repeated:
        return
    needless = []
    for number in range(len(ring)):
        before, here, after = ring[number - 1], ring[number], ring[(number + 1) % len(ring)]
        angle = _angle(before, here, after)
        if angle < _SPIKE_DEG:
            yield Remark(
                "spike",
                zone.id,
                None,
                f"the edges at vertex {number + 1} meet at {angle:.1f} degrees; the spike covers no ground",
                "Move the vertex, or leave it out.",
                vertex=number + 1,
            )
        elif angle > 90 and _aside(before, here, after) <= straight:
            needless.append(number + 1)
    if len(ring) >= _MANY:
        enough = len(Polygon(ring).simplify(2 * straight).exterior.coords) - 1
        if enough <= len(ring) / 2:
            yield Remark(
                "many_vertices",
                zone.id,
                None,
                f"has {len(ring)} vertices where {enough} say the same to {2 * straight:.1f} px",
                "Draw it again with fewer; nobody can check so many.",
            )
            return
    if needless and len(ring) - len(needless) >= 3:
        several = len(needless) > 1
        yield Remark(
            "needless_vertex",
            zone.id,
            None,
            f"vert{'ices' if several else 'ex'} {', '.join(map(str, needless[:10]))}{' …' if len(needless) > 10 else ''} "
            f"lie{'' if several else 's'} on the line between {'their' if several else 'its'} neighbours",
            f"Leave {'them' if several else 'it'} out.",
            vertex=needless[0],
        )


def _size(zone: Zone, shape: Polygon, plan: _Plan) -> Iterator[Remark]:
    if zone.kind == "ignore":
        return
    yield from _drowned(zone)
    if plan.metric:
        yield from _size_on_ground(zone, plan.shapes[zone.id])
        return
    least = max(zone.min_height_px, 1.0)
    smallest = least * _ASPECT * least * _DEPTH
    if zone.kind in FORBIDDING and shape.area < zone.enter_ratio * smallest:
        yield Remark(
            "too_small",
            zone.id,
            None,
            f"covers {shape.area:.0f} square pixels; even the smallest vehicle that is looked at ({least:g} px high) "
            f"could not have {zone.enter_ratio:.0%} of its footprint in it",
            "Draw it larger, or lower min_height_px.",
        )
    elif (width := _width(shape)) < _THIN * least:
        yield Remark(
            "sliver",
            zone.id,
            None,
            f"is only {width:.1f} px wide; a trembling box falls in and out of it",
            "Draw it wider, or join it to its neighbour.",
        )


def _drowned(zone: Zone) -> Iterator[Remark]:
    """Boxes that are let in though their trembling is wider than the zone's gap.

    Only where the file says a height: the default lets in whatever a detector finds, far vehicles too, and advises nothing.
    """
    gap, least = zone.enter_ratio - zone.leave_ratio, max(zone.min_height_px, 1.0)
    swing = trembling_share(least * _ASPECT, least, "car")
    if zone.kind not in FORBIDDING or zone.min_height_px == _ANY_HEIGHT or not 0 < gap < swing:
        return
    # The swing goes with one over the height.
    enough = math.ceil(trembling_share(1000 * _ASPECT, 1000, "car") * 1000 / gap)
    lower = math.floor((zone.enter_ratio - swing) * 100) / 100
    yield Remark(
        "trembling",
        zone.id,
        None,
        f"boxes of {least:g} px count, whose share moves by {swing:.2f} if they tremble by 3 px; the gap between enter_ratio "
        f"and leave_ratio is {gap:.2f}",
        f"Raise min_height_px to {enough}" + (f", or lower leave_ratio to {lower:g}." if lower > 0 else "."),
    )


def _size_on_ground(zone: Zone, shape: BaseGeometry) -> Iterator[Remark]:
    sizes = [_SMALLEST_M[name] for name in zone.classes]
    if zone.min_length_m is not None:
        sizes = [(max(length, zone.min_length_m), width) for length, width in sizes]
    needed = zone.enter_ratio * min(length * width for length, width in sizes)
    if zone.kind in FORBIDDING and shape.area < needed:
        yield Remark(
            "too_small",
            zone.id,
            None,
            f"covers {shape.area:.2f} m² of ground; even the smallest vehicle of its classes needs {needed:.1f} m² to have "
            f"{zone.enter_ratio:.0%} of its footprint in it",
            "Draw it larger, or check the calibration.",
        )
    elif (width := _width(shape)) < zone.enter_ratio * min(wide for _, wide in sizes):
        yield Remark(
            "sliver",
            zone.id,
            None,
            f"is only {width:.2f} m wide; no vehicle has {zone.enter_ratio:.0%} of its footprint in it",
            "Draw it wider, or join it to its neighbour.",
        )


# Two polygons


def _together(one: Zone, two: Zone, shapes: dict[str, Polygon]) -> Iterator[Remark]:
    shape, other = shapes[one.id], shapes[two.id]
    if not shape.intersects(other):
        return
    both = shape.intersection(other).area
    if both <= 0:
        return
    if both / (shape.area + other.area - both) >= _SAME:
        yield Remark(
            "duplicate",
            one.id,
            two.id,
            f"covers the same place as zone {two.id}",
            "Remove one of them."
            if one.kind == two.kind
            else "Decide what the place is, and remove the other.",
        )
        return
    kinds = {one.kind, two.kind}
    share = both / min(shape.area, other.area)
    if share <= _OVERLAP or one.priority != two.priority:
        return  # who says which one decides has thought of it
    if kinds & FORBIDDING and kinds & ALLOWING:
        bay = one if one.kind in ALLOWING else two
        yield Remark(
            "overlap",
            one.id,
            two.id,
            f"overlaps zone {two.id} by {share:.0%} of the smaller; there {bay.id} counts and standing is allowed",
            f"If that is meant, give {bay.id} a higher priority; else draw them side by side.",
        )
    elif one.kind == two.kind and one.kind in FORBIDDING:
        yield Remark(
            "overlap",
            one.id,
            two.id,
            f"overlaps zone {two.id} by {share:.0%} of the smaller; there it is not said whose rules count",
            "Draw them side by side, or give one a higher priority.",
        )


def _gap(
    one: Zone, two: Zone, file: ZoneFile, plan: _Plan, enclosed: BaseGeometry, ground: Ground | None
) -> Iterator[Remark]:
    """A strip between two zones that is too narrow to be meant. A vehicle across it has less than all in either."""
    if one.kind not in FORBIDDING or two.kind not in FORBIDDING:
        return
    shape, other = plan.shapes[one.id], plan.shapes[two.id]
    least = max(1.0, min(one.min_height_px, two.min_height_px))
    wide, long, thin = (
        (_GAP_M, _GAP_LONG_M, _GAP_LEAST_M)
        if plan.metric
        else (_GAP_HEIGHTS * least, _GAP_LONG_HEIGHTS * least, _GAP_LEAST_PX)
    )
    if shape.is_empty or other.is_empty or shape.distance(other) >= wide:
        return
    between = (
        _closed(shape.union(other), wide).difference(_closed(shape, wide)).difference(_closed(other, wide))
    )
    for zone in file.zone:
        if between.is_empty:
            return
        between = between.difference(plan.shapes[zone.id])
    if not enclosed.is_empty:
        between = between.difference(on_ground(ground, enclosed) if ground is not None else enclosed)
    for strip in getattr(between, "geoms", [between]):
        if not isinstance(strip, Polygon) or strip.is_empty:
            continue
        length = _length(strip)
        width = strip.area / length if length > 0 else 0.0
        if length >= long and width >= thin:
            unit = "m" if plan.metric else "px"
            figures = f"{width:.1f} {unit} wide and {length:.0f} {unit} long"
            yield Remark(
                "gap",
                one.id,
                two.id,
                f"a strip {figures} between it and zone {two.id} belongs to neither",
                "Let the two share their edge, or join them.",
            )
            return


# The whole


def _holes(
    file: ZoneFile, shapes: dict[str, Polygon], forbidden: BaseGeometry
) -> Iterator[tuple[Remark, Polygon]]:
    """Ground that forbidding zones enclose and that no zone speaks of."""
    others = [shapes[zone.id] for zone in file.zone if zone.kind not in FORBIDDING]
    for part in getattr(forbidden, "geoms", [forbidden]):
        for ring in getattr(part, "interiors", ()):
            hole = Polygon(ring)
            left = hole.difference(unary_union(others)) if others else hole
            if left.area < max(4.0, hole.area / 2):
                continue
            around = [z.id for z in file.zone if z.kind in FORBIDDING and shapes[z.id].distance(hole) < 1e-6]
            spot = left.representative_point()
            yield (
                Remark(
                    "hole",
                    around[0],
                    around[1] if len(around) > 1 else None,
                    f"{left.area:.0f} square pixels around ({spot.x:.0f}, {spot.y:.0f}) are enclosed by {', '.join(around)} but "
                    "belong to no zone",
                    "Close the hole; if standing is allowed there, draw a parking_bay, loading or ignore zone.",
                ),
                hole,
            )


# Measures


def _width(shape: BaseGeometry) -> float:
    """Mean width of a long shape: a rectangle of the same area and outline has this short side."""
    half = shape.length / 2
    # a*b = area and a+b = half; a shape rounder than a square has no such rectangle and is as wide as it is long.
    inside = max(0.0, half * half - 4 * shape.area)
    return float((half - inside**0.5) / 2)


def _closed(shape: BaseGeometry, wide: float) -> BaseGeometry:
    """The shape with everything filled that is narrower than `wide`."""
    return shape.buffer(wide / 2, join_style="mitre").buffer(-wide / 2, join_style="mitre")


def _length(shape: Polygon) -> float:
    """The long side of a long shape, bent or not."""
    return float(shape.length / 2 - _width(shape))


def _angle(before: Vertex, here: Vertex, after: Vertex) -> float:
    """Degrees between the two edges at a vertex, 180 where they go straight on."""
    one = np.subtract(before, here)
    two = np.subtract(after, here)
    norm = float(np.hypot(*one) * np.hypot(*two))
    return math.degrees(math.acos(max(-1.0, min(1.0, float(one @ two) / norm)))) if norm > 0 else 180.0


def _aside(before: Vertex, here: Vertex, after: Vertex) -> float:
    """Distance of a vertex from the line through its neighbours."""
    along = np.subtract(after, before)
    length = float(np.hypot(*along))
    if length == 0:
        return float(np.hypot(*np.subtract(here, before)))
    away = np.subtract(here, before)
    return abs(float(along[0] * away[1] - along[1] * away[0])) / length
