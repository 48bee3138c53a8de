"""Where a vehicle at rest stands, and how much of its time there counts: only while its zone counts and nothing
exempts it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from edge_agent.stays.model import Stay, StayEnded, StayEvent, StayRules, StaySettled, StayWatched, Terms
from protocol.clock import Millis
from zones import ZoneIndex
from zones.model import FORBIDDING


def followed(index: ZoneIndex, terms: Terms) -> Collection[str] | None:
    """Zones in which vehicles are followed: where standing is ever forbidden, and not allowed now."""
    if terms.counting is None:
        return None
    return {zone.id for zone in index.zones.values() if zone.kind in FORBIDDING or zone.id in terms.counting}


def place_in_zones(
    stay: Stay,
    at_ms: Millis,
    index: ZoneIndex,
    rules: StayRules,
    terms: Terms,
    covered_since: Millis | None,
    *,
    proven: bool,
) -> tuple[Stay, list[StayEvent], bool]:
    """Settle the vehicle and say in which zone it stands.

    Args:
        stay: proven by this look.
        at_ms: the time of the look.
        index: the zones.
        rules: thresholds.
        terms: what the rules say now.
        covered_since: since when it has been watched without a gap, or None after one.
        proven: whether this look shows the same vehicle, to the standard of a task.

    Returns:
        The stay, what happened, and whether it is over.
    """
    before = stay
    settled_now = not stay.settled
    if settled_now:
        if stay.hits < rules.settle_hits or at_ms - stay.first_ms < rules.settle_ms:
            return stay, [], False
        stay = replace(stay, settled=True)
    active = None if terms.counting is None else set(terms.counting)
    if active is not None and stay.id in terms.kept and stay.zone_id is not None:
        active.add(stay.zone_id)
    where = index.presence(stay.anchor, stay.label, stay.zone_id, active=active)
    zone_id = where.zone_id if where.inside else None
    if (stay.zone_id, stay.ratio, stay.why) != (zone_id, where.ratio, where.why):
        stay = replace(stay, zone_id=zone_id, ratio=where.ratio, why=where.why)
    stay = _counted(stay, before, at_ms, covered_since, terms, settled_now=settled_now)
    if before.zone_id is not None and zone_id != before.zone_id:
        over = replace(stay, zone_id=before.zone_id)
        if active is not None and before.zone_id not in active:
            stay = replace(stay, former_zone_id=before.zone_id)
            events: list[StayEvent] = [StayEnded(over, at_ms, "hours_over")]
            return stay, [*events, StaySettled(stay, at_ms)] if zone_id is not None else events, False
        if active is not None and _newly_allowed(stay, before.zone_id, index, active, terms, covered_since):
            stay = replace(stay, former_zone_id=before.zone_id)
            return stay, [StayEnded(over, at_ms, "allowed")], False
        return stay, [StayEnded(over, at_ms, "left_zone")], zone_id is None
    if zone_id is None:
        return _left_former(stay, at_ms, index)
    if stay.former_zone_id is not None:
        stay = replace(stay, former_zone_id=None)
    if before.zone_id is None:
        return (
            stay,
            [StaySettled(stay, at_ms), StayWatched(stay, at_ms, proven=settled_now or proven)],
            False,
        )
    return stay, [StayWatched(stay, at_ms, proven=proven)], False


def _newly_allowed(
    stay: Stay,
    zone_id: str,
    index: ZoneIndex,
    active: Collection[str],
    terms: Terms,
    covered_since: Millis | None,
) -> bool:
    """Whether a vehicle is in its zone no more only because other zones began to count since the last look."""
    if covered_since is None or terms.counting is None:
        return False
    old = {one for one in active if terms.counting.get(one, 0) <= covered_since}
    return len(old) < len(active) and index.presence(stay.anchor, stay.label, zone_id, active=old).inside


def _left_former(stay: Stay, at_ms: Millis, index: ZoneIndex) -> tuple[Stay, list[StayEvent], bool]:
    """A vehicle in no zone that counts: has it left the one whose hours ended?"""
    former = stay.former_zone_id
    if former is None or former not in index.zones:
        return stay, [], False
    if index.presence(stay.anchor, stay.label, former, active={former}).inside:
        return stay, [], False
    gone = StayEnded(replace(stay, zone_id=former), at_ms, "left_zone")
    return replace(stay, former_zone_id=None), [gone], True


def _counted(
    stay: Stay, before: Stay, at_ms: Millis, covered_since: Millis | None, terms: Terms, *, settled_now: bool
) -> Stay:
    """A proven stay with its counted time brought up to date.

    Time begins to count with the vehicle's rest, the zone's hours, or the end of an exemption, whichever is last, and
    begins anew when one of them begins anew.

    Args:
        stay: already placed in its zone, or in none.
        before: as it was before this look.
        at_ms: the time of the look.
        covered_since: since when it has been watched without a gap, or None after one.
        terms: what the rules say now.
        settled_now: it came to rest with this look.
    """
    if stay.zone_id is None:
        return replace(stay, counts=False)
    free_until_ms = terms.free_until.get(stay.id)
    if free_until_ms is not None and free_until_ms > at_ms:
        return replace(stay, counts=False, free_until_ms=free_until_ms)
    since = 0 if terms.counting is None else terms.counting.get(stay.zone_id, 0)
    same_zone = before.zone_id == stay.zone_id
    if stay.counts and same_zone and since <= stay.counts_from_ms:
        more = 0 if covered_since is None else at_ms - max(covered_since, stay.counts_from_ms)
        return replace(stay, counted_ms=stay.counted_ms + max(0, more))
    if settled_now:
        start = max(stay.first_ms, since)
        return replace(
            stay, counts=True, counts_from_ms=start, counted_ms=min(stay.covered_ms, at_ms - start)
        )
    looked_ms = at_ms if covered_since is None else covered_since
    # It came into a zone that counted already: nobody saw when.
    entered = at_ms if not same_zone and since <= looked_ms else 0
    # An exemption that ended before its time (a permit taken back) ended now.
    start = max(since, entered, min(stay.free_until_ms, at_ms))
    fresh = 0 if covered_since is None else at_ms - max(start, covered_since)
    return replace(stay, counts=True, counts_from_ms=start, counted_ms=max(0, fresh))
