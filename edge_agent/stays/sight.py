"""What a picture shows of a stay's place: how much it looks as before, what stands before it, whether it moved."""

from __future__ import annotations

from edge_agent.stays.appearance import Cells, displacement, likeness, uncovered
from edge_agent.stays.model import Observation, Seen, Stay, StayRules
from edge_agent.stays.pieces import nearer
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


def unmoved(stay: Stay, found: Seen | None, seen: Observation, rules: StayRules) -> bool:
    """Whether what stands in its place stands there to the inch: another of its kind never does."""
    patch = seen.patches.get(stay.id)
    if patch is None:
        return False
    return displacement(stay.look, patch, free_cells(stay, found, seen, rules)) <= rules.same_place
