"""One picture later: which vehicles rest anywhere in view. Pure, cheap, and without any influence on decisions.

Vehicles that touch a zone are stays already; they are copied from there. The others are followed by their detections
alone, by the same rules of settling: no look of the place, no closer look, no plate. Where the detector misses a
vehicle for a moment and finds it again at the same spot, it stood there all along.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median

from edge_agent.rests.model import Memory, Place, Pose, Rest, RestEnd, Span
from edge_agent.stays import (
    CameraState,
    GapKind,
    Observation,
    Seen,
    Stay,
    StayEnded,
    StayEvent,
    StayRules,
    StayWatched,
)
from edge_agent.stays.appearance import likeness
from edge_agent.stays.model import VEHICLES
from protocol.clock import Millis
from zones import Box
from zones.geometry import area, covered_share, iou, nested

_RECENT = 9
"""Boxes whose median is the place, as for stays."""

_HOLD_MS = 60_000
"""A vehicle that is visibly not detected for longer has left. Detectors lose standing cars for seconds, not minutes."""

_HIDDEN_MS = 600_000
"""One that something stands before is waited for so long."""

_CANDIDATE_MISSES = 2
_MAX_PLACES = 64
_MAX_SPANS, _KEPT_SPANS = 48, 16
"""So many spans are kept; beyond, the shortest gap that is not among the first is forgotten: a case is opened early."""

_MAX_DOUBTFUL = 48
_MAX_POSES = 16


@dataclass(frozen=True, slots=True)
class Rested:
    """What one picture did.

    Attributes:
        memory: the next memory.
        came: rests that begin now, whose picture may be kept.
        ended: rests that are over.
    """

    memory: Memory
    came: tuple[Rest, ...] = ()
    ended: tuple[Rest, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether any rest began or is over."""
        return bool(self.came or self.ended)


def step(
    memory: Memory, seen: Observation, state: CameraState, events: Sequence[StayEvent], rules: StayRules
) -> Rested:
    """Take one observation into account, after stays have.

    Args:
        memory: what is remembered.
        seen: what the picture shows.
        state: the camera's stays as they are after this picture.
        events: what happened to them.
        rules: thresholds, those of stays.
    """
    at_ms = seen.at_ms
    if memory.last_ms is not None and at_ms <= memory.last_ms:
        return Rested(memory)
    late = memory.last_ms is not None and at_ms - memory.last_ms > rules.max_interval_ms
    places, gone = _follow(memory, seen, state, rules, late=late)
    stays, came, over, taken = _copy(memory, places, at_ms, state, events)
    places = [place for place in places if place.rest.id not in taken]
    number = memory.next_number
    if seen.usable:
        for item in seen.seen:
            if len(places) >= _MAX_PLACES:
                break
            if _may_begin(item, places, state.stays, rules):
                places.append(_begin(memory.camera_id, number, item, at_ms))
                number += 1
    known = {rest.id for rest in memory.standing}
    came.extend(place.rest for place in places if place.settled and place.rest.id not in known)
    next_memory = Memory(memory.camera_id, at_ms, number, tuple(stays), tuple(places))
    return Rested(next_memory, tuple(came), (*gone, *over))


def shift(memory: Memory, by_ms: int) -> Memory:
    """The memory in a time base that stepped by `by_ms`."""

    def moved(rest: Rest) -> Rest:
        return replace(
            rest,
            first_ms=rest.first_ms + by_ms,
            last_ms=rest.last_ms + by_ms,
            missing_ms=None if rest.missing_ms is None else rest.missing_ms + by_ms,
            spans=tuple(replace(s, start_ms=s.start_ms + by_ms, end_ms=s.end_ms + by_ms) for s in rest.spans),
            doubtful=tuple((start + by_ms, end + by_ms) for start, end in rest.doubtful),
            poses=tuple(replace(pose, at_ms=pose.at_ms + by_ms) for pose in rest.poses),
        )

    return replace(
        memory,
        last_ms=None if memory.last_ms is None else memory.last_ms + by_ms,
        stays=tuple(moved(rest) for rest in memory.stays),
        places=tuple(replace(place, rest=moved(place.rest)) for place in memory.places),
    )


# Stays


def _copy(
    memory: Memory, places: Sequence[Place], at_ms: Millis, state: CameraState, events: Sequence[StayEvent]
) -> tuple[list[Rest], list[Rest], list[Rest], set[str]]:
    """Rests of stays: those that stand, those of them that came, those that are over; and places that are stays now."""
    proven = {event.stay.id: event.proven for event in events if isinstance(event, StayWatched)}
    ends = {event.stay.id: event for event in events if isinstance(event, StayEnded)}
    known = {rest.stay_id: rest for rest in memory.stays}
    stays: list[Rest] = []
    came: list[Rest] = []
    taken: set[str] = set()
    for stay in state.stays:
        if not stay.settled:
            continue
        rest = known.pop(stay.id, None)
        if rest is None:
            place = next((p for p in places if p.settled and _same_place(p.rest.box, stay.anchor)), None)
            if place is None:
                rest = _of_stay(stay)
                came.append(rest)
            else:
                rest = replace(place.rest, by="stay", stay_id=stay.id)
                taken.add(rest.id)
        stays.append(_update(rest, stay, at_ms, proven=proven.get(stay.id, True)))
    over: list[Rest] = []
    for rest in known.values():
        end = ends.get(rest.stay_id or "")
        reason: RestEnd = end.reason if end is not None else "departed"
        over.append(_over(rest, reason, end.at_ms if end is not None else rest.missing_ms, at_ms))
    return stays, came, over, taken


def _same_place(one: Box, other: Box) -> bool:
    return iou(one, other) >= 0.5


def _of_stay(stay: Stay) -> Rest:
    looks = max(2, stay.hits)
    return Rest(
        id=stay.id,
        camera_id=stay.id.rsplit("-", 2)[0],
        by="stay",
        stay_id=stay.id,
        first_ms=stay.first_ms,
        last_ms=stay.last_ms,
        covered_ms=stay.covered_ms,
        spans=(Span(stay.last_ms - stay.covered_ms, stay.last_ms, looks),),
        poses=(Pose(stay.first_ms, stay.anchor, stay.label),),
        unsure=stay.unsure,
    )


def _update(rest: Rest, stay: Stay, at_ms: Millis, *, proven: bool) -> Rest:
    rest = _posed(rest, at_ms, stay.anchor, stay.label)
    rest = replace(
        rest,
        score=stay.score,
        checks=stay.checks,
        unsure=rest.unsure and stay.unsure,
        scatter_px=_scatter(stay.recent, stay.anchor),
    )
    if stay.verdict != "present" or stay.last_ms != at_ms:
        return rest if rest.missing_ms is not None else replace(rest, missing_ms=at_ms)
    if rest.last_ms == at_ms:
        return rest if proven else _doubted(rest, at_ms)
    gap: GapKind | None = None
    if stay.gaps and stay.gaps[-1].end_ms == at_ms:
        gap = stay.gaps[-1].kind
    rest = _seen_again(rest, at_ms, gap)
    return rest if proven else _doubted(rest, at_ms)


# Places


def _follow(
    memory: Memory, seen: Observation, state: CameraState, rules: StayRules, *, late: bool
) -> tuple[list[Place], list[Rest]]:
    """The places after this picture, and rests that are over."""
    at_ms = seen.at_ms
    kept: list[Place] = []
    gone: list[Rest] = []
    claimed: set[int] = set()
    for place in memory.places:
        if not seen.usable:
            kept.append(replace(place, hidden=True))
            continue
        number = _match(place, seen.seen, claimed, rules)
        if number is None:
            after, end = _missed(place, seen, rules)
            if end is not None:
                gone.append(_over(after.rest, end, after.rest.missing_ms, at_ms))
            elif after.settled or after.misses < _CANDIDATE_MISSES:
                kept.append(after)
            continue
        claimed.add(number)
        item = seen.seen[number]
        if any(_same_place(stay.anchor, item.box) for stay in state.stays) and not place.settled:
            continue  # it is a stay from now on
        moved = _shift(place.rest.box, item.box) > rules.still_shift
        if moved and not place.settled:
            kept.append(_restarted(place, item, at_ms))
        elif (place.misses or place.hidden) and (moved or _is_another(place, item, rules)):
            # Something else stands there, or nearly there, after a time without it.
            gone.append(_over(place.rest, "replaced", place.rest.missing_ms, at_ms))
        else:
            kept.append(_present(place, item, seen, rules, late=late, moved=moved))
    return kept, gone


def _is_another(place: Place, item: Seen, rules: StayRules) -> bool:
    """Whether what stands there now looks like another vehicle."""
    return (
        place.look is not None
        and item.look is not None
        and likeness(place.look, item.look) < rules.match_likeness
    )


def _match(place: Place, seen: tuple[Seen, ...], claimed: set[int], rules: StayRules) -> int | None:
    best, best_iou = None, rules.match_iou
    for number, item in enumerate(seen):
        if number not in claimed and item.label in VEHICLES:
            overlap = iou(place.rest.box, item.box)
            if overlap >= best_iou:
                best, best_iou = number, overlap
    return best


def _missed(place: Place, seen: Observation, rules: StayRules) -> tuple[Place, RestEnd | None]:
    """The place without its vehicle at this look, and why the rest is over, if it is."""
    at_ms, box = seen.at_ms, place.rest.box
    blocked = any(
        item.box[3] > box[3] - 0.05 * (box[3] - box[1])
        and covered_share(box, item.box) >= rules.blocked_share
        for item in seen.seen
    )
    since = at_ms if place.rest.missing_ms is None else place.rest.missing_ms
    after = replace(
        place,
        rest=replace(place.rest, missing_ms=since),
        misses=place.misses + 1,
        hidden=place.hidden or blocked,
    )
    hold = _HIDDEN_MS if after.hidden else _HOLD_MS
    return after, "departed" if place.settled and at_ms - since >= hold else None


def _present(
    place: Place, item: Seen, seen: Observation, rules: StayRules, *, late: bool, moved: bool
) -> Place:
    at_ms = seen.at_ms
    gap: GapKind | None = seen.gap if late else "occluded" if place.hidden else None
    rest = _seen_again(place.rest, at_ms, gap)
    recent = place.recent
    if moved:
        recent = (item.box,)
    elif len(recent) < _RECENT:
        recent = (*recent, item.box)
    if recent is not place.recent:
        rest = _posed(rest, at_ms, _middle(recent), item.label if item.score > rest.score else rest.label)
        rest = replace(rest, scatter_px=_scatter(recent, rest.box))
    rest = replace(rest, score=max(rest.score, item.score))
    hits = place.hits + 1
    settled = place.settled or (hits >= rules.settle_hits and at_ms - rest.first_ms >= rules.settle_ms)
    return Place(rest, recent, place.look, hits, settled)


def _may_begin(item: Seen, places: Sequence[Place], stays: Sequence[Stay], rules: StayRules) -> bool:
    """Whether a detection may be a vehicle that comes to rest and that nobody follows yet."""
    if item.label not in VEHICLES or item.score < rules.begin_score:
        return False
    known = [*(place.rest.box for place in places), *(stay.anchor for stay in stays)]
    return not any(
        iou(box, item.box) >= rules.match_iou or nested(box, item.box) >= rules.same_nest for box in known
    )


def _begin(camera_id: str, number: int, item: Seen, at_ms: Millis) -> Place:
    rest = Rest(
        id=f"R-{camera_id}-{at_ms}-{number}",
        camera_id=camera_id,
        by="place",
        stay_id=None,
        first_ms=at_ms,
        last_ms=at_ms,
        covered_ms=0,
        spans=(Span(at_ms, at_ms, 1),),
        poses=(Pose(at_ms, item.box, item.label),),
        score=item.score,
    )
    return Place(rest, (item.box,), item.look)


def _restarted(place: Place, item: Seen, at_ms: Millis) -> Place:
    """It has moved before it settled: it comes to rest from here on."""
    rest = replace(
        place.rest,
        first_ms=at_ms,
        last_ms=at_ms,
        covered_ms=0,
        spans=(Span(at_ms, at_ms, 1),),
        poses=(Pose(at_ms, item.box, item.label),),
        missing_ms=None,
        score=item.score,
    )
    return Place(rest, (item.box,), item.look)


# Both


def _over(rest: Rest, end: RestEnd, ended_ms: Millis | None, at_ms: Millis) -> Rest:
    """The rest is over since `ended_ms`, as this look has made sure."""
    since = at_ms if ended_ms is None else max(ended_ms, rest.last_ms)
    return replace(rest, ended_ms=since, noticed_ms=at_ms, end=end, missing_ms=None)


def _seen_again(rest: Rest, at_ms: Millis, gap: GapKind | None) -> Rest:
    """One more look that saw it: the span goes on, or after a gap a new one begins."""
    last = rest.spans[-1]
    if gap is None:
        spans = (*rest.spans[:-1], replace(last, end_ms=at_ms, looks=last.looks + 1))
        covered = rest.covered_ms + at_ms - last.end_ms
        return replace(rest, last_ms=at_ms, missing_ms=None, spans=spans, covered_ms=covered)
    spans, trimmed = (*rest.spans, Span(at_ms, at_ms, 1, gap)), rest.trimmed
    covered = rest.covered_ms
    if len(spans) > _MAX_SPANS:
        spans, more = _without_shortest_gap(spans)
        covered, trimmed = covered + more, True
    return replace(rest, last_ms=at_ms, missing_ms=None, spans=spans, covered_ms=covered, trimmed=trimmed)


def _without_shortest_gap(spans: tuple[Span, ...]) -> tuple[tuple[Span, ...], int]:
    """The spans with one gap less, and how long it was."""
    numbers = range(_KEPT_SPANS, len(spans) - 1)
    first = min(numbers, key=lambda n: (spans[n + 1].start_ms - spans[n].end_ms, n))
    one, two = spans[first], spans[first + 1]
    joined = Span(one.start_ms, two.end_ms, one.looks + two.looks, one.before)
    return (*spans[:first], joined, *spans[first + 2 :]), two.start_ms - one.end_ms


def _doubted(rest: Rest, at_ms: Millis) -> Rest:
    """This look saw it, but did not prove that it was the same."""
    if rest.doubtful and rest.doubtful[-1][1] >= _look_before(rest):
        return replace(rest, doubtful=(*rest.doubtful[:-1], (rest.doubtful[-1][0], at_ms)))
    doubtful = (*rest.doubtful, (at_ms, at_ms))
    if len(doubtful) > _MAX_DOUBTFUL:
        # The later ones flow together: between two doubts nothing is proven.
        doubtful = (*doubtful[:-2], (doubtful[-2][0], doubtful[-1][1]))
    return replace(rest, doubtful=doubtful)


def _look_before(rest: Rest) -> float:
    """About when the look before the last one was."""
    span = rest.spans[-1]
    if span.looks < 2:
        return rest.spans[-2].end_ms if len(rest.spans) > 1 else span.start_ms
    return span.end_ms - 1.5 * (span.end_ms - span.start_ms) / (span.looks - 1)


def _posed(rest: Rest, at_ms: Millis, box: Box, label: str) -> Rest:
    last = rest.poses[-1]
    if last.box == box and last.label == label:
        return rest
    poses = (*rest.poses, Pose(at_ms, box, label))
    if len(poses) > _MAX_POSES:
        poses = (*poses[: _MAX_POSES - 1], poses[-1])
    return replace(rest, poses=poses)


def _scatter(boxes: Sequence[Box], middle: Box) -> float:
    """Mean distance of the sides from the middle box's, pixels."""
    return round(fmean(abs(box[side] - middle[side]) for box in boxes for side in range(4)), 2)


def _shift(one: Box, other: Box) -> float:
    across = (one[0] + one[2] - other[0] - other[2]) / 2
    down = (one[1] + one[3] - other[1] - other[3]) / 2
    return float((across * across + down * down) ** 0.5 / max(1.0, area(one)) ** 0.5)


def _middle(boxes: Sequence[Box]) -> Box:
    left, top, right, bottom = (round(median(box[side] for box in boxes), 1) for side in range(4))
    return (left, top, right, bottom)
