"""One body, one stay: which detection belongs to a vehicle that is known, and which is only a piece of one.

A detector that knows cars finds a lorry's cab, and the rear half of a car whose other half a bus hides. What it finds is
real and does stand there; it is not another vehicle.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from edge_agent.stays.appearance import likeness, within
from edge_agent.stays.model import VEHICLES, Observation, Seen, Stay, StayRules
from zones import Box, ZoneIndex
from zones.geometry import covered_share, iou, nested

_CELLS = 24
"""Cells of a look, of 576, from which a part of it can be compared for itself."""


def match(stay: Stay, seen: tuple[Seen, ...], rules: StayRules) -> int | None:
    """The detection that overlaps the stay's place most, if enough."""
    best, best_iou = None, rules.match_iou
    for number, item in enumerate(seen):
        if item.label in VEHICLES:
            overlap = iou(stay.anchor, item.box)
            if overlap >= best_iou:
                best, best_iou = number, overlap
    return best


def same_size(one: Box, other: Box, rules: StayRules) -> bool:
    """Whether two boxes may be of one body: a vehicle that moves a little keeps its size, the box around it and one that
    passes before it is another."""
    return all(
        1 / rules.same_size <= (one[high] - one[low]) / max(1e-6, other[high] - other[low]) <= rules.same_size
        for low, high in ((0, 2), (1, 3))
    )


def still_shows(stay: Stay, box: Box, seen: Observation, rules: StayRules) -> bool:
    """Whether a box within the place of a vehicle that stands is what still shows of it, the rest being hidden: that part
    of the place looks as it did."""
    patch = seen.patches.get(stay.id)
    if patch is None or covered_share(box, stay.anchor) < rules.piece_share:
        return False
    cells = within(stay.spot, box)
    return int(cells.sum()) >= _CELLS and likeness(stay.look, patch, cells) >= rules.keep_likeness


def may_begin(
    item: Seen,
    stays: Sequence[Stay],
    seen: Observation,
    index: ZoneIndex,
    rules: StayRules,
    ground: Collection[str] | None,
) -> bool:
    """Whether an unclaimed detection may be a vehicle that comes to rest in a zone."""
    if item.label not in VEHICLES or item.look is None or item.score < rules.begin_score:
        return False
    for stay in stays:
        there = not stay.settled or stay.verdict == "present"
        if there and iou(stay.anchor, item.box) >= rules.match_iou:
            return False
        if (
            there
            and nested(stay.anchor, item.box) >= rules.same_nest
            and not is_part(stay, seen.seen, rules)
        ):
            return False
        if not there and still_shows(stay, item.box, seen, rules):
            return False
    where = index.presence(item.box, item.label, active=ground)
    return where.zone_id is not None and where.ratio >= index.zones[where.zone_id].leave_ratio


def is_part(stay: Stay, seen: tuple[Seen, ...], rules: StayRules) -> bool:
    """Whether a stay may be a piece of a larger vehicle, found while the rest was hidden: no longer detected for itself,
    and no closer look has found a vehicle in it."""
    return stay.vehicle_score < rules.vehicle_score and match(stay, seen, rules) is None


def doubles(stays: Sequence[Stay], seen: tuple[Seen, ...], rules: StayRules) -> set[str]:
    """Ids of stays that turned out to be another one: an older one, which is proven at the same place again, or a
    whole vehicle of which they are a piece."""
    found = set()
    for stay in stays:
        for other in stays:
            if other is stay or not other.settled or other.verdict != "present":
                continue
            if nested(other.anchor, stay.anchor) < rules.same_nest:
                continue
            older = (other.first_ms, other.id) < (stay.first_ms, stay.id)
            if (older and not is_part(other, seen, rules)) or (
                not older and is_part(stay, seen, rules) and other.vehicle_score >= rules.vehicle_score
            ):
                found.add(stay.id)
    return found
