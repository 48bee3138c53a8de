"""One body, one stay: which detection belongs to a vehicle that is known, and which is only a piece of one.

A detector that knows cars finds a lorry's cab, and the rear half of a car whose other half a bus hides. What it finds is
real and does stand there; it is not another vehicle.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from edge_agent.stays.appearance import Cells, Look, likeness, ring_likeness, uncovered, within
from edge_agent.stays.model import VEHICLES, Observation, Seen, Stay, StayRules
from zones import Box, ZoneIndex
from zones.geometry import area, covered_share, iou, nested

_CELLS = 16
"""Cells of a look, of 576, from which a part of it can be compared for itself."""

_TINY = 0.04
"""Share of a vehicle's box below which a box within it is none that stands before it: a motorcycle has a twelfth of a lorry's."""

_LEVEL = 0.05
"""Share of a vehicle's height by which another's lower edge may lie lower or higher, while both may stand on the same ground."""

_AROUND = 0.85
"""Share of a vehicle's place that lies in a box around it."""

_WHOLE_SCORE, _WHOLE_SIZE, _WHOLE_SHARE, _WHOLE_HEIGHT = 0.7, 1.4, 0.8, 1.7
_CUT_HEIGHT = 2.5
"""A vehicle that comes towards the camera, cut by the picture's lower edge, is at most so many times as high as its far end."""

_EDGE = 0.01
"""Share of the picture's width from which on a box is cut by its edge."""

_PIECE = 0.5
"""Overlap with a whole from which a box within it is taken for a piece of that."""

_TWICE = 2.0
"""How many times as large as a piece that came with it a vehicle is."""

_LONG = frozenset({"car", "bus", "truck"})
"""Vehicles of which a piece may be taken for one."""


def is_whole(
    label: str,
    box: Box,
    score: float,
    piece: Box,
    best: float,
    size: tuple[float, float],
    share: float = _WHOLE_SHARE,
    height: float = _WHOLE_HEIGHT,
) -> bool:
    """Whether a detection may be the whole vehicle of which another is a piece: found at least 0.7 times as surely, 1.4 times as
    large, holding this share of the piece, and at most 1.7 times as high: a cab and a rear are nearly as high as all of it.

    Args:
        label, box, score: what was found where, and how surely.
        piece, best: where the other was, and how surely.
        size: width and height of the picture; what lies beyond does not count.
        share: how much of the piece the whole must hold.
        height: how many times as high it may be.
    """
    box, piece = clipped(box, size), clipped(piece, size)
    return (
        label in _LONG
        and score >= _WHOLE_SCORE * best
        and box[3] - box[1] <= height * (piece[3] - piece[1])
        and area(box) >= _WHOLE_SIZE * area(piece)
        and covered_share(piece, box) >= share
    )


def clipped(box: Box, size: tuple[float, float]) -> Box:
    """A box as far as it lies in a picture of this width and height."""
    return (max(0.0, box[0]), max(0.0, box[1]), min(size[0], box[2]), min(size[1], box[3]))


def cut_off(box: Box, size: tuple[float, float]) -> bool:
    """Whether the picture's edge cuts a box, so that only a part of what stands there is to be seen.

    Args:
        box: which, pixels.
        size: width and height of the picture.
    """
    near = _EDGE * size[0]
    return box[0] <= near or box[1] <= near or box[2] >= size[0] - near or box[3] >= size[1] - near


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


def nearer(stay: Stay, seen: Sequence[Seen], *apart: Seen | None) -> list[Seen]:
    """What may stand or pass before the place: its lower edge is lower. Without those that are told apart."""
    return [item for item in seen if all(item is not one for one in apart) and _is_nearer(item.box, stay)]


def stands_before(other: Stay, stay: Stay, rules: StayRules) -> bool:
    """Whether another stay, which is not its own again, may stand before the place of one."""
    return other.settled and _is_apart(other, stay, rules) and _is_nearer(other.anchor, stay)


def _is_nearer(box: Box, stay: Stay) -> bool:
    return box[3] > stay.anchor[3] - _LEVEL * (stay.anchor[3] - stay.anchor[1])


def still_shows(stay: Stay, item: Seen, seen: Observation, rules: StayRules) -> bool:
    """Whether a detection within the place of a vehicle that stands is what still shows of it, the rest being hidden: what
    nothing nearer covers of that part looks as it did (`shows_as_before`), or the vehicle was proven just now: in so short a time
    nobody drives away and another comes to stand there. A box that is tiny beside the place is no vehicle before it either. Nor
    may one begin where something nearer covers nearly all of it just now: the next look tells.

    A box around all of the place, on no nearer ground, is a loose one where the place looks as it did."""
    patch = seen.patches.get(stay.id)
    if patch is None:
        return False
    if not _lies_in(item, stay, rules):
        return _is_loose(stay, item, patch, seen, rules)
    just_now = stay.settled and seen.at_ms - stay.last_ms <= rules.swap_ms
    tiny = area(item.box) < _TINY * area(stay.anchor)
    if (just_now or tiny) and not stay.absent and not _lower(item, stay):
        return True
    cells = _showing(stay, item, seen, rules)
    if not many(cells):
        return not stay.absent and many(within(stay.spot, item.box))
    return _looks_as_before(stay, item, patch, cells, rules)


def shows_as_before(stay: Stay, item: Seen, seen: Observation, rules: StayRules) -> bool:
    """Whether a detection within the place of a vehicle looks as that part of it did, or as it did just after the vehicle was last
    proven, as far as nothing nearer covers it: what showed then, on no nearer ground, was the vehicle."""
    patch = seen.patches.get(stay.id)
    if patch is None:
        return False
    if not _lies_in(item, stay, rules):
        return _is_loose(stay, item, patch, seen, rules)
    cells = _showing(stay, item, seen, rules)
    return many(cells) and _looks_as_before(stay, item, patch, cells, rules)


def _is_loose(stay: Stay, item: Seen, patch: Look, seen: Observation, rules: StayRules) -> bool:
    """Whether a detection is a box around a vehicle's place and more, and what nothing nearer covers of the place looks as it did."""
    if covered_share(stay.anchor, item.box) < _AROUND or _lower(item, stay):
        return False
    cells = _showing(stay, item, seen, rules)
    return many(cells) and likeness(stay.look, patch, cells) >= rules.keep_likeness


def _looks_as_before(stay: Stay, item: Seen, patch: Look, cells: Cells, rules: StayRules) -> bool:
    """Whether these cells of its place look as they did, or as they did just after the last proof, see `shows_as_before`."""
    if likeness(stay.look, patch, cells) >= rules.keep_likeness:
        return True
    if stay.absent or _lower(item, stay) or stay.remnant is None:
        return False
    return likeness(stay.remnant, patch, cells) >= rules.keep_likeness


def _showing(stay: Stay, item: Seen, seen: Observation, rules: StayRules) -> Cells:
    """The cells of a stay's look within a detection that nothing nearer covers. Other boxes in the place that are no lower may be
    further parts of the same vehicle: they cover nothing."""
    cells = within(stay.spot, item.box)
    before = (o for o in nearer(stay, seen.seen, item) if _lower(o, stay) or not _lies_in(o, stay, rules))
    free = uncovered(stay.spot, (other.box for other in before))
    return cells if free is None else cells & free


def many(cells: Cells) -> bool:
    """Whether they are enough to be compared for themselves."""
    return int(cells.sum()) >= _CELLS


def _lies_in(item: Seen, stay: Stay, rules: StayRules) -> bool:
    """Whether enough of a detection lies in the place of a stay."""
    return covered_share(item.box, stay.anchor) >= rules.piece_share


def _lower(item: Seen, stay: Stay) -> bool:
    """Whether a detection stands on nearer ground than a stay: its lower edge is lower."""
    return item.box[3] > stay.anchor[3] + _LEVEL * (stay.anchor[3] - stay.anchor[1])


def grown(
    stay: Stay, place: float, seen: Observation, others: Sequence[Stay], index: ZoneIndex, rules: StayRules
) -> Stay:
    """The stay, or the whole vehicle where its box turns out to be a piece of one, by looks that agree on the whole.

    Only as long as no closer look has found a vehicle in the box itself: in a dense row boxes around two are found now and then.
    After that a whole that the picture's edge cuts is but remembered: the next closer look tells (`attention.look_closer`).
    That the piece stood all the while is proof enough that the vehicle did: its times stay. Closer looks begin anew.

    Args:
        stay: proven by this look.
        place: how much its place looks as before this look.
        seen: the look.
        others: all stays of the camera.
        index: the zones.
        rules: thresholds.
    """
    item = _whole_of(stay, place, seen, others, index, rules)
    if item is None and stay.whole is None:
        # Boxes of a lorry whose rear lies outside tremble: for a closer look it is enough if one holds most of the piece.
        larger = _whole_of(stay, place, seen, others, index, rules, rules.same_nest, _CUT_HEIGHT)
        if larger is not None and cut_off(larger.box, (index.width, index.height)):
            stay = replace(stay, whole=larger.box)
    if stay.vehicle_score >= rules.vehicle_score:
        cut = item is not None and cut_off(item.box, (index.width, index.height))
        return replace(stay, whole=item.box) if item is not None and cut else stay
    if item is None:
        alone = match(stay, seen.seen, rules) is not None
        return replace(stay, wholes=stay.wholes - 1) if alone and stay.wholes else stay
    if stay.whole is None or iou(stay.whole, item.box) < rules.match_iou:
        return replace(stay, whole=item.box, wholes=1)
    if stay.wholes + 1 < rules.whole_hits:
        return replace(stay, whole=item.box, wholes=stay.wholes + 1)
    return become(stay, item)


def become(stay: Stay, item: Seen) -> Stay:
    """The stay as a vehicle that was found in its stead, with the class, place and look of that."""
    return replace(as_whole(stay, item), label=item.label, votes=((item.label, round(item.score, 4)),))


def as_whole(stay: Stay, item: Seen) -> Stay:
    """The stay with the place and look of the whole vehicle; its class by the votes, as it was."""
    return replace(
        stay,
        score=item.score,
        spot=item.box,
        anchor=item.box,
        recent=(item.box,),
        look=item.look or stay.look,
        ring=None,
        checks=(),
        whole=None,
        wholes=0,
        inners=0,
        larger=None,
        larger_looks=0,
        remnant=None,
    )


def _whole_of(
    stay: Stay,
    place: float,
    seen: Observation,
    others: Sequence[Stay],
    index: ZoneIndex,
    rules: StayRules,
    share: float = _WHOLE_SHARE,
    height: float = _WHOLE_HEIGHT,
) -> Seen | None:
    """A detected vehicle of which the stay's box is a piece.

    It stands on the same ground, not behind; it hides nothing of the place, so it is not before it; the surroundings look as
    they did, so it did not come later; and it is no box around two vehicles.
    """
    ring = seen.rings.get(stay.id)
    if place < rules.keep_likeness or stay.ring is None or ring is None:
        return None
    if ring_likeness(stay.ring, ring) < rules.ring_likeness:
        return None
    size = (float(index.width), float(index.height))
    lowest = stay.anchor[3] - rules.whole_drop * (stay.anchor[3] - stay.anchor[1])
    return next(
        (
            item
            for item in sorted(seen.seen, key=lambda one: (-one.score, one.box))
            if item.look is not None
            and item.box[3] >= lowest
            and is_whole(item.label, item.box, item.score, stay.anchor, stay.score, size, share, height)
            and not any(another_in(other, stay, item.box, rules) for other in others)
        ),
        None,
    )


def holds_another(other: Stay, stay: Stay, box: Box, rules: StayRules) -> bool:
    """Whether a box that would be the whole of a stay holds another vehicle, be it one that came only now, rather than a further
    piece, which fills most of it."""
    return _stands_in(other, stay, box, rules) and iou(other.anchor, box) < _PIECE


def another_in(other: Stay, stay: Stay, box: Box, rules: StayRules) -> bool:
    """Whether another vehicle stands in a box, and is neither the stay's own again nor a piece of it."""
    return other.settled and _stands_in(other, stay, box, rules)


def _stands_in(other: Stay, stay: Stay, box: Box, rules: StayRules) -> bool:
    """Whether another stay, settled or not, is to be seen in the box, apart from the stay."""
    return _is_apart(other, stay, rules) and covered_share(other.anchor, box) >= rules.same_nest


def _is_apart(other: Stay, stay: Stay, rules: StayRules) -> bool:
    """Whether another stay is to be seen, and is neither this one again nor a piece of it."""
    return (
        other.id != stay.id
        and other.verdict == "present"
        and nested(other.anchor, stay.anchor) < rules.same_nest
    )


def spans(box: Box, stays: Sequence[Stay], rules: StayRules) -> bool:
    """Whether a box is made of two or more vehicles that stand there: a piece of ground holds one."""
    parts = [
        stay.anchor
        for stay in stays
        if stay.settled
        and stay.verdict == "present"
        and min(covered_share(stay.anchor, box), covered_share(box, stay.anchor)) >= rules.span_each
    ]
    free = uncovered(box, parts) if len(parts) > 1 else None
    return free is not None and 1 - float(free.mean()) >= rules.span_share


def feet_hidden(box: Box, label: str, stays: Sequence[Stay], index: ZoneIndex, rules: StayRules) -> bool:
    """Whether the ground on which a vehicle would stand is hidden by a nearer one that stands."""
    feet: Box = index.footprint(box, label).bounds or box
    return any(
        stay.settled
        and stay.verdict == "present"
        and stay.anchor[3] > box[3]
        and covered_share(feet, stay.anchor) >= rules.feet_share
        for stay in stays
    )


def needed_score(stay: Stay, rules: StayRules) -> float:
    """How surely the closer looks must find a vehicle: twice as surely where nothing but the looks says that anything stands at
    all. That is so where it was found behind another, with its feet hidden, where its place is known to have looked the same before,
    in the dark where nobody saw it come, where it was never found but faintly, and where so many closer looks have been in vain."""
    doubtful = stay.masked or stay.unsure or len(stay.checks) >= rules.max_checks
    return rules.vehicle_score * (2 if doubtful else 1)


def may_begin(
    item: Seen,
    stays: Sequence[Stay],
    seen: Observation,
    index: ZoneIndex,
    rules: StayRules,
    ground: Collection[str] | None,
) -> bool:
    """Whether an unclaimed detection may be a vehicle that comes to rest in a zone."""
    if item.label not in VEHICLES or item.look is None:
        return False
    if item.score < rules.begin_score and not came(item, rules):
        return False
    for stay in stays:
        there = not stay.settled or stay.verdict == "present"
        if there and iou(stay.anchor, item.box) >= rules.match_iou:
            return False
        if there and nested(stay.anchor, item.box) >= rules.same_nest and not is_part(stay, seen.seen, rules):
            return False
        if not there and still_shows(stay, item, seen, rules):
            return False
    if spans(item.box, stays, rules):
        return False
    where = index.presence(item.box, item.label, active=ground)
    return where.zone_id is not None and where.ratio >= index.zones[where.zone_id].leave_ratio


def came(item: Seen, rules: StayRules) -> bool:
    """Whether the place of a faint detection looks otherwise than it did without any vehicle: something came."""
    return item.before is not None and item.before < rules.came_likeness


def is_part(stay: Stay, seen: tuple[Seen, ...], rules: StayRules) -> bool:
    """Whether a stay may be a piece of a larger vehicle, found while the rest was hidden: no longer detected for itself as surely as
    a stay begins, and no closer look has found a vehicle in it. Or no vehicle at all: two closer looks have found none."""
    if len(stay.checks) > 1 and stay.vehicle_score < rules.vehicle_score:
        return True
    sure = tuple(item for item in seen if item.score >= rules.begin_score)
    return stay.vehicle_score < needed_score(stay, rules) and match(stay, sure, rules) is None


def doubles(stays: Sequence[Stay], seen: tuple[Seen, ...], rules: StayRules) -> set[str]:
    """Ids of stays that turned out to be another one: an older one, which is proven at the same place again, or a
    whole vehicle of which they are a piece. What is out of sight is not detected, of course: that makes it no piece of something
    smaller. Of a vehicle and a piece of it that were found at the same time the vehicle stays, whichever has the lower number."""
    found = set()
    for stay in stays:
        for other in stays:
            if other is stay or not other.settled or other.verdict != "present":
                continue
            if nested(other.anchor, stay.anchor) < rules.same_nest:
                continue
            if _came_as_piece(stay, other, rules):
                found.add(stay.id)
                continue
            if stay.settled and _came_as_piece(other, stay, rules):
                continue
            older = (other.first_ms, other.id) < (stay.first_ms, stay.id)
            may_be_piece = stay.verdict == "present" or area(other.anchor) >= area(stay.anchor)
            if (older and not is_part(other, seen, rules)) or (
                not older
                and may_be_piece
                and is_part(stay, seen, rules)
                and other.vehicle_score >= rules.vehicle_score
            ):
                found.add(stay.id)
    return found


def _came_as_piece(piece: Stay, whole: Stay, rules: StayRules) -> bool:
    """Whether closer looks find more surely a vehicle twice as large that came when the piece did: they are one. What stands before a
    vehicle came before it or after it."""
    return (
        area(whole.anchor) >= _TWICE * area(piece.anchor)
        and whole.vehicle_score >= max(rules.vehicle_score, piece.vehicle_score)
        and abs(whole.first_ms - piece.first_ms) <= rules.max_interval_ms
    )
