"""What is allowed in a zone file but is probably not meant."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import combinations

from shapely.geometry import Polygon

from zones.model import FORBIDDING, Zone, ZoneFile
from zones.presence import ALLOWING

_SAME = 0.9
"""Two polygons that share this much of their common area were probably pasted."""

_OVERLAP = 0.02
"""Neighbours drawn by hand overlap by a little; more than this share of the smaller one is told."""

_THIN = 0.25
"""Narrower than this many heights of the smallest vehicle: no footprint reaches `enter_ratio` in it."""

_ASPECT = 1.6
"""Width of a small car over its height, seen from the side: with its depth on the ground, the smallest footprint."""

_DEPTH = 0.4
"""Share of a car's height that its footprint has, as `zones.geometry` measures it."""


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that is probably not meant.

    Attributes:
        rule: short name of the rule, for machines.
        zone: id of the zone.
        other: id of the second zone, where two are at odds.
        problem: what is odd.
        mend: what to do.
    """

    rule: str
    zone: str
    other: str | None
    problem: str
    mend: str


def lint(file: ZoneFile, *, years: Collection[int] = ()) -> tuple[Remark, ...]:
    """Look at a valid zone file for what is probably not meant, in the file's order.

    Args:
        file: the file.
        years: the current year and those to come for which its calendar shall be known.
    """
    from zones.lint_hours import lint_hours

    shapes = {zone.id: Polygon(zone.polygon) for zone in file.zone}
    remarks = [remark for zone in file.zone for remark in _alone(zone, shapes[zone.id])]
    for one, two in combinations(file.zone, 2):
        remarks.extend(_together(one, two, shapes[one.id], shapes[two.id]))
    remarks.extend(lint_hours(file, years))
    if not any(zone.kind in FORBIDDING for zone in file.zone):
        first = file.zone[0].id
        remarks.append(
            Remark(
                "nothing_forbidden",
                first,
                None,
                "no zone of the file forbids standing, so there will never be a case",
                "Give one zone the kind no_parking or fire_lane.",
            )
        )
    return tuple(remarks)


def _alone(zone: Zone, shape: Polygon) -> Iterator[Remark]:
    ring = zone.polygon
    for number, vertex in enumerate(ring, start=1):
        if vertex == ring[number - 2]:
            last = number == 1
            yield Remark(
                "repeated_vertex",
                zone.id,
                None,
                "the last vertex repeats the first"
                if last
                else f"vertex {number} repeats vertex {number - 1}",
                "Leave it out; the ring closes by itself.",
            )
    if zone.leave_ratio == zone.enter_ratio:
        yield Remark(
            "no_hysteresis",
            zone.id,
            None,
            f"leave_ratio equals enter_ratio ({zone.enter_ratio:g}); a vehicle at the edge would flap in and out",
            "Lower leave_ratio by 0.1 or more.",
        )
    if zone.kind == "ignore":
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


def _together(one: Zone, two: Zone, shape: Polygon, other: Polygon) -> Iterator[Remark]:
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
    if kinds & FORBIDDING and kinds & ALLOWING and share > _OVERLAP:
        bay = one if one.kind in ALLOWING else two
        yield Remark(
            "overlap",
            one.id,
            two.id,
            f"overlaps zone {two.id} by {share:.0%} of the smaller; there {bay.id} counts and standing is allowed",
            "If that is not meant, draw them side by side.",
        )


def _width(shape: Polygon) -> float:
    """Mean width of a long shape: a rectangle of the same area and outline has this short side."""
    half = shape.length / 2
    # a*b = area and a+b = half; a shape rounder than a square has no such rectangle and is as wide as it is long.
    inside = max(0.0, half * half - 4 * shape.area)
    return float((half - inside**0.5) / 2)
