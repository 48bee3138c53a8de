"""A box that holds more than one vehicle's place: a lorry with the street beside it, or two that stand one behind the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edge_agent.stays.model import LARGE, Observation, Seen, Stay, StayRules
from edge_agent.stays.pieces import another_in, become, match, needed_score
from zones import Box
from zones.geometry import area, covered_share

_HOLDS, _SIZE, _END = 0.85, 0.75, 0.1
"""The inner box lies in the loose one with this share, is at most so much of it, and one side of both lies within this share of the
loose one's width."""

_GROUND = 0.1
"""Both have their lower edge at the same height, to this share of the loose one's."""


def found_of(stay: Stay, seen: tuple[Seen, ...], others: Sequence[Stay], rules: StayRules) -> int | None:
    """The number of the detection at a stay's place, unless it holds another that stands and that closer looks have found to be a
    vehicle: it tells of neither where it is.

    Args:
        stay: which.
        seen: what the picture shows.
        others: all stays of the camera, as the look before left them.
        rules: thresholds.
    """
    number = match(stay, seen, rules)
    if number is None:
        return None
    known = (other for other in others if other.vehicle_score >= needed_score(other, rules))
    return None if any(another_in(other, stay, seen[number].box, rules) for other in known) else number


def narrowed(stay: Stay, found: Seen | None, place: float, seen: Observation, rules: StayRules) -> Stay:
    """The stay, or a lorry or bus within its box, by looks in which that was found instead, and more surely than the box ever was.

    It stands on the same ground, at one end of the box, and the whole place looks as it did: it was there all the while, and the
    stay's times are its own. Closer looks begin anew.

    Args:
        stay: proven by this look.
        found: what was found in its box.
        place: how much its place looks as before this look.
        seen: the look.
        rules: thresholds.
    """
    item = None if found is not None else _inner_of(stay, place, seen, rules)
    if item is None:
        return replace(stay, inners=stay.inners - 1) if found is not None and stay.inners else stay
    if stay.inners + 1 < rules.whole_hits:
        return replace(stay, inners=stay.inners + 1)
    return become(stay, item)


def _inner_of(stay: Stay, place: float, seen: Observation, rules: StayRules) -> Seen | None:
    if place < rules.keep_likeness:
        return None
    return next(
        (
            item
            for item in sorted(seen.seen, key=lambda one: (-one.score, one.box))
            if item.look is not None and item.score > stay.score and _may_be_all_of(stay.anchor, item)
        ),
        None,
    )


def _may_be_all_of(loose: Box, item: Seen) -> bool:
    box = item.box
    return (
        item.label in LARGE
        and covered_share(box, loose) >= _HOLDS
        and area(box) <= _SIZE * area(loose)
        and abs(box[3] - loose[3]) <= _GROUND * (loose[3] - loose[1])
        and min(abs(box[0] - loose[0]), abs(box[2] - loose[2])) <= _END * (loose[2] - loose[0])
    )
