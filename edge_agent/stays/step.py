"""One picture later: which vehicles still stand, which came, which left."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from statistics import median

from edge_agent.stays.appearance import Look, before_likeness, blend, likeness, ring_likeness
from edge_agent.stays.arrival import with_arrival
from edge_agent.stays.loose import found_of, narrowed
from edge_agent.stays.model import (
    VEHICLES,
    CameraState,
    EndReason,
    Gap,
    GapKind,
    Observation,
    Seen,
    Stay,
    StayEnded,
    StayEvent,
    StayRules,
    StayWatched,
    Terms,
    Verdict,
)
from edge_agent.stays.pieces import doubles, feet_hidden, grown, may_begin, same_size, shows_as_before
from edge_agent.stays.placing import followed, place_in_zones
from edge_agent.stays.sight import blocked_share, displaced, own_likeness, place_likeness, unmoved
from protocol.clock import Millis
from zones import Box, ZoneIndex
from zones.geometry import area, iou, nested

_RECENT = 9
"""Boxes whose median is the anchor; then it rests."""

_MAX_STAYS = 64
_MAX_GAPS = 40
_CANDIDATE_MISSES = 2
_ALWAYS = Terms()

_GAP_OF: dict[Verdict, GapKind] = {
    "occluded": "occluded",
    "hidden": "occluded",
    "absent": "absent",
    "different": "occluded",
}


def step(
    state: CameraState,
    seen: Observation,
    index: ZoneIndex,
    rules: StayRules,
    terms: Terms = _ALWAYS,
) -> tuple[CameraState, tuple[StayEvent, ...]]:
    """Take one observation into account.

    Observations that are not newer than the last are ignored, so that a replayed picture changes nothing.

    Args:
        state: the camera's memory.
        seen: what the picture shows.
        index: the zones, scaled to this camera's pictures.
        rules: thresholds.
        terms: which zones count now, and who is exempt. Vehicles are followed in zones that do not count, too, so
            that it is known how long they have been there when the hours begin.

    Returns:
        The next memory, and what happened, ordered by the stays' age.
    """
    if state.last_ms is not None and seen.at_ms <= state.last_ms:
        return state, ()
    late = state.last_ms is not None and seen.at_ms - state.last_ms > rules.max_interval_ms
    if not seen.usable:
        return _blind(state, seen), ()

    ground = followed(index, terms)
    kept: list[Stay] = []
    events: list[StayEvent] = []
    claimed: set[int] = set()
    for stay in state.stays:
        number = found_of(stay, seen.seen, state.stays, rules)
        found = seen.seen[number] if number is not None else None
        verdict, place = _judge(stay, found, seen, index, rules, ground, late=late)
        if verdict == "present":
            if number is not None:
                claimed.add(number)
            was_proven_last = stay.verdict == "present" and not late
            covered_since = state.last_ms if was_proven_last else None
            after = _present(stay, found, place, seen, rules, covered_since=covered_since)
            after = with_arrival(after, seen, rules)
            after = narrowed(after, found, place, seen, rules)
            after = grown(after, place, seen, state.stays, index, rules)
            proven = _is_proven(found, place, rules) and _shows_itself(stay, seen, state.stays, rules)
            after, happened, ended = place_in_zones(
                after, seen.at_ms, index, rules, terms, covered_since, proven=proven
            )
            events.extend(happened)
            if not ended:
                kept.append(after)
            continue
        missing = _missing(stay, verdict, seen, rules, late=late)
        reason = _end_reason(missing, seen.at_ms, rules)
        if reason is None:
            kept.append(missing)
            if missing.settled and missing.zone_id is not None:
                events.append(StayWatched(missing, seen.at_ms, proven=False))
        elif missing.settled and (zone_id := missing.zone_id or missing.former_zone_id) is not None:
            since = missing.absent_ms if reason == "departed" else seen.at_ms
            events.append(StayEnded(replace(missing, zone_id=zone_id), since, reason))

    number = state.next_number
    for position, item in enumerate(seen.seen):
        if (
            position in claimed
            or not may_begin(item, kept, seen, index, rules, ground)
            or len(kept) >= _MAX_STAYS
        ):
            continue
        masked = feet_hidden(item.box, item.label, kept, index, rules)
        kept.append(replace(_begin(state.camera_id, number, item, seen.at_ms), masked=masked))
        number += 1
    doubled = doubles(kept, seen.seen, rules)
    events = [event for event in events if event.stay.id not in doubled]
    events.extend(
        StayEnded(replace(stay, zone_id=stay.zone_id or stay.former_zone_id), seen.at_ms, "double")
        for stay in kept
        if stay.id in doubled and stay.settled and (stay.zone_id or stay.former_zone_id) is not None
    )
    kept = [stay for stay in kept if stay.id not in doubled]
    return (
        CameraState(state.camera_id, seen.at_ms, number, tuple(kept)),
        tuple(sorted(events, key=lambda event: (event.stay.first_ms, event.stay.id))),
    )


def shift(state: CameraState, by_ms: int) -> CameraState:
    """The memory in a time base that stepped by `by_ms`: durations stay as they were."""

    def moved(stay: Stay) -> Stay:
        return replace(
            stay,
            first_ms=stay.first_ms + by_ms,
            last_ms=stay.last_ms + by_ms,
            absent_ms=stay.absent_ms + by_ms,
            hidden_ms=None if stay.hidden_ms is None else stay.hidden_ms + by_ms,
            checked_ms=stay.checked_ms + by_ms,
            larger_ms=stay.larger_ms + by_ms,
            counts_from_ms=stay.counts_from_ms + by_ms,
            free_until_ms=stay.free_until_ms + by_ms,
            gaps=tuple(replace(g, start_ms=g.start_ms + by_ms, end_ms=g.end_ms + by_ms) for g in stay.gaps),
        )

    last_ms = None if state.last_ms is None else state.last_ms + by_ms
    return replace(state, last_ms=last_ms, stays=tuple(moved(stay) for stay in state.stays))


def _blind(state: CameraState, seen: Observation) -> CameraState:
    """A picture that cannot be trusted: time passes uncovered, everything is in doubt, nothing ends."""
    stays = tuple(replace(s, verdict="unseen", unseen_as=seen.gap, doubt=True) for s in state.stays)
    return replace(state, last_ms=seen.at_ms, stays=stays)


def _judge(
    stay: Stay,
    found: Seen | None,
    seen: Observation,
    index: ZoneIndex,
    rules: StayRules,
    ground: Collection[str] | None,
    *,
    late: bool,
) -> tuple[Verdict, float]:
    """What this picture says of the stay, and how much its place looks as before."""
    place = place_likeness(stay, found, seen, rules)
    blocked = blocked_share(stay, found, seen.seen)
    if (stay.doubt or late) and stay.settled:
        pulled_out = stay.absent > 0 or (stay.stirred == 1 and stay.displaced >= rules.pulls_out)
        just_now = not late and not pulled_out and seen.at_ms - stay.last_ms <= rules.swap_ms
        if place >= rules.keep_likeness and just_now:
            return "present", place
        if place >= rules.strict_likeness and unmoved(stay, found, seen, rules):
            return "present", place
    elif not _may_be_another(stay, found, seen, rules):
        if place >= rules.keep_likeness:
            return "present", place
        same = found is not None and (not stay.settled or same_size(stay.anchor, found.box, rules))
        if found is not None and same and blocked < rules.blocked_share:
            if place >= rules.match_likeness or not stay.settled:
                return "present", place
            if found.look is not None and likeness(stay.look, found.look) >= rules.keep_likeness:
                return "present", place
    empty = seen.empty.get(stay.id, 0.0)
    if stay.settled and found is None and empty >= rules.empty_likeness and empty > place:
        # The ground itself is to be seen, whatever else is.
        return "absent", place
    if not stay.settled and found is None and _rolled_on(stay, seen.seen, rules):
        return "different", place
    ring = seen.rings.get(stay.id)
    around_it = ring_likeness(stay.ring, ring) if stay.ring is not None and ring is not None else -1.0
    # The surroundings are as before and what is free of the place is not: no passer-by covers a vehicle so exactly.
    bare = found is None and place < rules.match_likeness and around_it >= rules.bare_likeness
    if stay.settled and bare and blocked < 1 - rules.free_share:
        return "absent", place
    if blocked >= rules.blocked_share:
        return "occluded", place
    if not stay.settled:
        return "absent", place
    if found is not None:
        # Another vehicle in the place: it replaced the first only if it stands in a zone itself, not in the lane before.
        # A faint detection begins no stay, so it ends none either; nor does a part of the first that still shows.
        part = not same_size(stay.anchor, found.box, rules) and shows_as_before(stay, found, seen, rules)
        surely = found.score >= rules.begin_score and not part
        there = surely and index.presence(found.box, found.label, active=ground).inside
        return ("different" if there else "occluded"), place
    at_rest = seen.calm.get(stay.id, 0.0) >= rules.rest_likeness
    clear = around_it >= rules.ring_likeness and at_rest and not _veiled(stay, seen, rules)
    return ("absent" if clear else "hidden"), place


def _may_be_another(stay: Stay, found: Seen | None, seen: Observation, rules: StayRules) -> bool:
    """Whether looks are so far apart that another may have taken its place since the last, and what stands there stands aside."""
    if not stay.settled or seen.at_ms - stay.last_ms <= rules.swap_ms:
        return False
    return displaced(stay, found, seen, rules) > rules.pulls_out


def _veiled(stay: Stay, seen: Observation, rules: StayRules) -> bool:
    """Whether something stands before the place: the ground below it in the picture is not to be seen either."""
    ring = seen.rings.get(stay.id)
    return (
        stay.ring is not None
        and ring is not None
        and before_likeness(stay.ring, ring) < rules.before_likeness
    )


def _rolled_on(stay: Stay, seen: tuple[Seen, ...], rules: StayRules) -> bool:
    """Whether a vehicle that was still rolling is now seen a little further: it covers where it was."""
    return any(item.label in VEHICLES and nested(stay.anchor, item.box) >= rules.same_nest for item in seen)


def _present(
    stay: Stay,
    found: Seen | None,
    place: float,
    seen: Observation,
    rules: StayRules,
    *,
    covered_since: Millis | None,
) -> Stay:
    """The stay, proven once more: standing time counted, place and look brought up to date."""
    at_ms = seen.at_ms
    moved = found is not None and _shift(stay.anchor, found.box) > rules.still_shift
    if not stay.settled and found is not None and moved and place < rules.strict_likeness:
        return replace(
            stay,
            first_ms=at_ms,
            last_ms=at_ms,
            spot=found.box,
            anchor=found.box,
            recent=(found.box,),
            look=found.look or stay.look,
            ring=None,
            hits=1,
            covered_ms=0,
            absent=0,
            different=0,
            doubt=False,
            verdict="present",
            votes=_vote(stay, found),
        )
    if not stay.settled and stay.hits == 1:
        # It may have rolled the last inch since the first look, and a clock must not begin early.
        stood_ms = at_ms if place < rules.strict_likeness else min(at_ms, stay.first_ms + rules.roll_ms)
        stay = replace(stay, first_ms=stood_ms, last_ms=stood_ms, covered_ms=0)
        covered_since = stood_ms if covered_since is not None or stood_ms == at_ms else None
    gaps = stay.gaps
    if covered_since is None and at_ms > stay.last_ms:
        gaps = (*gaps, Gap(stay.unseen_as if stay.verdict != "present" else seen.gap, stay.last_ms, at_ms))[
            -_MAX_GAPS:
        ]
    after = replace(
        stay,
        last_ms=at_ms,
        hits=stay.hits + 1,
        covered_ms=stay.covered_ms + (at_ms - covered_since if covered_since is not None else 0),
        gaps=gaps,
        absent=0,
        hidden_ms=None,
        remnant=None,
        different=0,
        doubt=False,
        verdict="present",
        returned=stay.returned or (covered_since is None and at_ms - stay.last_ms > rules.out_of_sight_ms),
        ring=_learn_ring(stay, seen, rules),
        aside=None,
    )
    clear = found is not None and blocked_share(stay, found, seen.seen) < rules.blocked_share
    if found is not None and clear:
        after = replace(after, score=max(stay.score, found.score), votes=_vote(stay, found))
        after = replace(after, label=max(after.votes, key=lambda pair: (pair[1], pair[0]))[0])
        if place < rules.keep_likeness and (moved or (stay.hits == 1 and not stay.settled)):
            # It moved a little, or what is remembered is its look while it rolled: by that it would never be known again.
            if stay.settled and (stay.aside is None or iou(stay.aside, found.box) < rules.match_iou):
                # Or it pulls out: what is known of its place and what surrounds it shows with the next look that it is gone.
                return replace(after, aside=found.box)
            return replace(
                after,
                recent=(found.box,),
                anchor=found.box,
                spot=found.box,
                look=found.look or stay.look,
                ring=None,
            )
        if len(stay.recent) < _RECENT:
            recent = (*stay.recent, found.box)
            after = replace(after, recent=recent, anchor=_middle(recent))
    patch = seen.patches.get(stay.id)
    if patch is None:
        return after
    by = displaced(stay, found, seen, rules)
    still = by <= rules.same_place
    after = replace(after, stirred=0 if still else stay.stirred + 1, displaced=round(by, 4))
    at_rest = seen.calm.get(stay.id, 0.0) >= rules.calm_likeness
    watched = clear and not stay.doubt and at_rest
    if likeness(stay.look, patch) >= rules.learn_likeness:
        # The first look may be of the last inch; those after it count alike until there are enough.
        weight = max(rules.adapt, 1 / stay.hits)
        if watched and not still:
            # Watched all along it is the same, so it was the camera or the light that moved: soon it may be hidden.
            weight = max(weight, rules.catch_up)
        return replace(after, look=blend(stay.look, patch, weight))
    if watched and place >= rules.match_likeness:
        # Watched all along and standing still: the first look was taken while it rolled the last inch, or the light
        # was switched. The look catches up.
        return replace(after, look=blend(stay.look, patch, rules.catch_up))
    return after


def _learn_ring(stay: Stay, seen: Observation, rules: StayRules) -> Look | None:
    """The surroundings as they look while the vehicle is proven; passers-by are averaged away."""
    ring = seen.rings.get(stay.id)
    if ring is None or stay.ring is None:
        return ring or stay.ring
    return blend(stay.ring, ring, rules.adapt)


def _vote(stay: Stay, found: Seen) -> tuple[tuple[str, float], ...]:
    votes = dict(stay.votes)
    votes[found.label] = round(votes.get(found.label, 0.0) + found.score, 4)
    return tuple(sorted(votes.items()))


def _is_proven(found: Seen | None, place: float, rules: StayRules) -> bool:
    return place >= rules.strict_likeness or (found is not None and place >= rules.keep_likeness)


def _shows_itself(stay: Stay, seen: Observation, others: Collection[Stay], rules: StayRules) -> bool:
    """Whether the part of its place before which nobody else stands looks as before."""
    own = own_likeness(stay, seen, others, rules)
    return own is None or own >= rules.keep_likeness


def _missing(stay: Stay, verdict: Verdict, seen: Observation, rules: StayRules, *, late: bool) -> Stay:
    """The stay, not proven by this picture."""
    at_ms = seen.at_ms
    cause: GapKind = seen.gap if late and stay.verdict == "present" else _GAP_OF[verdict]
    after = replace(stay, verdict=verdict, unseen_as=cause, doubt=True)
    if verdict in ("occluded", "hidden") and not stay.absent and at_ms - stay.last_ms <= rules.swap_ms:
        after = replace(after, remnant=seen.patches.get(stay.id))
    if verdict == "absent":
        just_before = stay.hidden_ms is not None and at_ms - stay.hidden_ms <= rules.max_interval_ms
        since = stay.absent_ms if stay.absent else stay.hidden_ms if just_before and stay.hidden_ms else at_ms
        return replace(after, absent=stay.absent + 1, absent_ms=since, hidden_ms=None, different=0)
    if verdict == "hidden":
        calm = seen.calm.get(stay.id, 0.0) >= rules.calm_likeness
        # What happened in a gap nobody knows: the time of one thing that stands there begins anew.
        since = stay.hidden_ms if calm and not late and stay.hidden_ms is not None else at_ms
        # It weighs against one look at the empty place: a passer-by undoes little, a bus that passes slowly all.
        after = replace(after, absent=max(0, stay.absent - 1), different=0, hidden_ms=since)
        if at_ms - since >= (rules.veiled_ms if _veiled(stay, seen, rules) else rules.hidden_ms):
            return replace(after, verdict="absent", absent=rules.absent_hits, absent_ms=since)
        return after
    # Looks at the empty place stay true while something hides it; only the vehicle itself refutes them.
    looks = _CANDIDATE_MISSES if not stay.settled else 1
    different = stay.different + looks if verdict == "different" else 0
    return replace(after, hidden_ms=None, different=different)


def _end_reason(stay: Stay, at_ms: Millis, rules: StayRules) -> EndReason | None:
    """Why the stay is over, or None while it may go on."""
    if not stay.settled:
        gone = stay.absent >= _CANDIDATE_MISSES or stay.different >= _CANDIDATE_MISSES
        return "passing" if gone or at_ms - stay.last_ms > rules.max_interval_ms else None
    if stay.absent >= rules.absent_hits and at_ms - stay.absent_ms >= rules.absent_ms:
        return "departed"
    if stay.different >= rules.different_hits:
        return "replaced"
    return None


def _begin(camera_id: str, number: int, item: Seen, at_ms: Millis) -> Stay:
    assert item.look is not None
    return Stay(
        id=f"{camera_id}-{at_ms}-{number}",
        label=item.label,
        first_ms=at_ms,
        last_ms=at_ms,
        spot=item.box,
        anchor=item.box,
        recent=(item.box,),
        look=item.look,
        score=item.score,
        votes=((item.label, round(item.score, 4)),),
    )


def _shift(one: Box, other: Box) -> float:
    """Distance of the centres in units of the first box's mean side."""
    across = (one[0] + one[2] - other[0] - other[2]) / 2
    down = (one[1] + one[3] - other[1] - other[3]) / 2
    size = max(1.0, area(one)) ** 0.5
    return float((across * across + down * down) ** 0.5 / size)


def _middle(boxes: tuple[Box, ...]) -> Box:
    """Side-wise median of the boxes, to a tenth of a pixel so that it stores and compares exactly."""
    left, top, right, bottom = (round(median(box[side] for box in boxes), 1) for side in range(4))
    return (left, top, right, bottom)
