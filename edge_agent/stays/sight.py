"""What a picture shows of a stay's place: how much it looks as before, what stands before it, whether it moved."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from edge_agent.stays.appearance import Cells, displacement, likeness, uncovered
from edge_agent.stays.model import Observation, Seen, Stay, StayRules
from edge_agent.stays.pieces import many, nearer, stands_before
from zones.geometry import covered_share


def blocked_share(stay: Stay, found: Seen | None, seen: tuple[Seen, ...]) -> float:
    """Share of the place that lies under something nearer to the camera (whose lower edge is lower)."""
    return max((covered_share(stay.anchor, item.box) for item in nearer(stay, seen, found)), default=0.0)


def place_likeness(stay: Stay, found: Seen | None, seen: Observation, rules: StayRules) -> float:
    """How much its place looks as before, apart from what stands before it; -1 where it is not in the picture."""
    patch = seen.patches.get(stay.id)
    if patch is None:
        return -1.0
    whole = likeness(stay.look, patch)
    cells = free_cells(stay, found, seen, rules)
    return whole if cells is None else max(whole, likeness(stay.look, patch, cells))


def free_cells(stay: Stay, found: Seen | None, seen: Observation, rules: StayRules) -> Cells | None:
    """The cells of its place that nothing nearer covers; None where that is all of them or too few to go by."""
    cells = uncovered(stay.spot, (item.box for item in nearer(stay, seen.seen, found)))
    return None if cells is None or cells.mean() < rules.free_share else cells


def own_likeness(stay: Stay, seen: Observation, others: Iterable[Stay], rules: StayRules) -> float | None:
    """How much that part of its place looks as before before which no other vehicle stands: what shows of another proves nothing.

    Args:
        stay: which.
        seen: what the picture shows.
        others: all stays of the camera, as the look before left them.
        rules: thresholds.

    Returns:
        The likeness, or None where nobody stands before it, or before nearly all of it.
    """
    patch = seen.patches.get(stay.id)
    before = (other.anchor for other in others if stands_before(other, stay, rules))
    cells = uncovered(stay.spot, before)
    return None if patch is None or cells is None or not many(cells) else likeness(stay.look, patch, cells)


def displaced(stay: Stay, found: Seen | None, seen: Observation, rules: StayRules) -> float:
    """How far what stands in its place stands from where it is remembered (`appearance.displacement`); infinite where that is not in
    the picture."""
    patch = seen.patches.get(stay.id)
    if patch is None:
        return inf
    return displacement(stay.look, patch, free_cells(stay, found, seen, rules))


def unmoved(stay: Stay, found: Seen | None, seen: Observation, rules: StayRules) -> bool:
    """Whether what stands in its place stands there to the inch: another of its kind never does."""
    return displaced(stay, found, seen, rules) <= rules.same_place
