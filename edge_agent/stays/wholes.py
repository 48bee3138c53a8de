"""A lorry or bus of which a stay's box is but an end: looked for in wider views, before a case is opened.

A detector that does not find a lorry in the whole picture may find its cab, look after look, and a closer look at a cab finds a
cab. In views of six and eight sides of the cab the same detector finds the lorry. Pure, but for the views that a caller makes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from edge_agent.stays.appearance import Look, likeness
from edge_agent.stays.model import LARGE, VEHICLES, Seen, Stay, StayRules
from edge_agent.stays.pieces import become, clipped
from protocol.clock import Millis
from zones import Box
from zones.geometry import area, covered_share, iou


@dataclass(frozen=True, slots=True)
class View:
    """What was found in a part of the picture.

    Attributes:
        borders: of that part, infinite where the picture itself ends; like all boxes in pixels of the picture.
        seen: what was found.
        mirrored: the part was looked at mirrored.
    """

    borders: Box
    seen: tuple[Seen, ...]
    mirrored: bool = False


_HOLDS, _SIZE, _HEIGHT, _WIDTH = 0.9, 2.0, 1.7, 1.5
"""A whole holds this share of its end, is so many times as large, and at most so many times as high: a cab is nearly as high as all
of a lorry. A box that is so many times as wide as high is a vehicle seen from the side, and no end of one."""

_END, _HIGHER, _LOWER = 0.1, 0.05, 0.15
"""One side of both lies within this share of the whole's width, and the whole's lower edge within these shares of its height above
and below the end's. What stands in the lane behind has its lower edge higher."""

_SAME = 0.6
"""Overlap of two boxes of one whole."""

_IT = 0.5
"""Overlap from which what is found in a view is the thing that was looked at."""

_OWN = 0.5
"""How surely a whole must be found, in how surely its end is found for itself in the same views."""

_BORDER = 0.01
"""Share of a box's width within which a view's border cuts it."""


def around(views: Iterable[View], piece: Box, size: tuple[float, float], least: float) -> Seen | None:
    """The lorry or bus of which a box is an end, without its look. None where there is none to be found.

    It is found in a view and in a mirrored one, as surely as a case asks for, at least half as surely as its end is for
    itself, and more surely than any other vehicle that stands with half of it or more within: a box around two cars is
    surer of each car.

    Args:
        views: wider views around the box. The others are not asked for where the first shows nothing.
        piece: the box.
        size: width and height of the picture.
        least: how surely it must be found: the mean of the best view and the best mirrored one.
    """
    taken: list[View] = []
    for view in views:
        taken.append(view)
        if len(taken) == 1 and not any(is_end(piece, item, size) for item in view.seen):
            return None
    best = _best(
        item
        for view in taken
        for item in view.seen
        if is_end(piece, item, size) and not _cut(item.box, view.borders)
    )
    if best is None:
        return None
    whole = best.box

    def either(counts: Callable[[Seen, View], bool]) -> tuple[Seen | None, Seen | None]:
        plain, mirrored = (
            _best(
                item for view in taken for item in view.seen if view.mirrored is side and counts(item, view)
            )
            for side in (False, True)
        )
        return plain, mirrored

    agreeing = either(
        lambda item, view: (
            item.label in LARGE and iou(item.box, whole) >= _SAME and not _cut(item.box, view.borders)
        )
    )
    if None in agreeing:
        return None
    score = _mean_score(agreeing)
    own = _mean_score(either(lambda item, _: iou(item.box, piece) > max(_IT, iou(item.box, whole))))
    other = _mean_score(either(lambda item, _: _is_another(item.box, piece, whole)))
    if score < max(least, _OWN * own) or score < other:
        return None
    return replace(best, score=round(score, 4))


def is_end(piece: Box, item: Seen, size: tuple[float, float]) -> bool:
    """Whether a detection is a lorry or bus that a box may be an end of: the box lies in it, at one of its ends, on the same ground,
    is nearly as high and at most half as large.

    Args:
        piece: the box.
        item: the detection.
        size: width and height of the picture; what lies beyond does not count.
    """
    box, piece = clipped(item.box, size), clipped(piece, size)
    wide, high = box[2] - box[0], box[3] - box[1]
    return (
        item.label in LARGE
        and covered_share(piece, box) >= _HOLDS
        and area(box) >= _SIZE * area(piece)
        and high <= _HEIGHT * (piece[3] - piece[1])
        and piece[2] - piece[0] <= _WIDTH * (piece[3] - piece[1])
        and _same_ground(piece, box)
        and min(abs(box[0] - piece[0]), abs(box[2] - piece[2])) <= _END * wide
    )


def within(stays: Sequence[Stay], whole: Box) -> list[Stay]:
    """Those that are a whole or lie within it, on the same ground: what stands before it, or behind it and hidden by it, is not
    of it."""
    return [
        stay
        for stay in stays
        if (covered_share(stay.anchor, whole) >= _HOLDS or iou(stay.anchor, whole) >= _SAME)
        and _same_ground(stay.anchor, whole)
    ]


def _same_ground(piece: Box, whole: Box) -> bool:
    high = whole[3] - whole[1]
    return -_HIGHER * high <= whole[3] - piece[3] <= _LOWER * high


def stands(stay: Stay, found: Seen, now: Callable[[Box], Look | None], rules: StayRules) -> bool:
    """Whether a whole is found where it was found before, and its place looks as it did: it stands there itself, and is none that
    passes behind.

    Args:
        stay: remembers where it was found before, and how that looked.
        found: as it is found now.
        now: the look of a box in the picture.
        rules: thresholds.
    """
    before = stay.larger
    if before is None or before.look is None or iou(before.box, found.box) < _SAME:
        return False
    look = now(before.box)
    return look is not None and likeness(before.look, look) >= rules.keep_likeness


def joined(stay: Stay, found: Seen, before: float, at_ms: Millis) -> Stay:
    """The stay as the whole that was found twice. Its times stay: that the end stood proves that all of it did.

    Args:
        stay: an end of it.
        found: the whole, with its look.
        before: how surely it was found the first time. Both were closer looks.
        at_ms: now.
    """
    return replace(become(stay, found), checks=(before, found.score), checked_ms=at_ms)


def _best(items: Iterable[Seen]) -> Seen | None:
    return max(
        (item for item in items if item.label in VEHICLES),
        key=lambda item: (item.score, item.box),
        default=None,
    )


def _mean_score(pair: tuple[Seen | None, Seen | None]) -> float:
    return sum(item.score for item in pair if item is not None) / 2


def _is_another(box: Box, piece: Box, whole: Box) -> bool:
    """Whether a box may be of another vehicle that stands with half of it or more within a whole, and not within the piece."""
    return (
        covered_share(box, whole) >= _IT > covered_share(box, piece)
        and max(iou(box, whole), iou(box, piece)) < _IT
        and _same_ground(box, whole)
    )


def _cut(box: Box, borders: Box) -> bool:
    """Whether a view's border cuts a box, where the picture goes on."""
    near = _BORDER * (box[2] - box[0])
    return (
        box[0] <= borders[0] + near
        or box[1] <= borders[1] + near
        or box[2] >= borders[2] - near
        or box[3] >= borders[3] - near
    )
