"""All rests of some days under one zone file, in the order in which it was settled whose vehicles they were."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass

from edge_agent.cases import ENDED
from edge_agent.rehearsal.follow import Answer, Ask, Follower, Following
from edge_agent.rehearsal.indexes import Indexes
from edge_agent.rehearsal.known import Known, known_of, resolve, usual_delay
from edge_agent.rehearsal.past import Past, PastRest
from edge_agent.rehearsal.reasons import Reason, reason_of
from edge_agent.rests import Decided
from protocol.clock import Millis
from zones import ZoneIndex
from zones.rules import Exemption


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a zone file says of one rest.

    Attributes:
        cases: what was, or would have been, decided; empty: nothing.
        reason: why there is no case, or where the last one stands.
        open: reasons of exemptions that could not be judged, because the plate is not kept.
    """

    cases: tuple[Decided, ...]
    reason: Reason
    open: tuple[str, ...] = ()


def decide(
    past: Past,
    rests: Sequence[PastRest],
    indexes: Indexes,
    *,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Verdict]:
    """Decide again about the rests of a camera.

    Args:
        past: all that is remembered; other cameras' decisions stay as they were.
        rests: the camera's rests.
        indexes: the zones to decide by.
        progress: told after each rest that is through.

    Returns:
        Rest id -> verdict.

    Raises:
        PatrolError: the zones were drawn on pictures of another shape.
    """
    usual_ms = usual_delay(d for each in past.rests for d in each.decided)
    mark = None if past.vault is None else past.vault.mark
    ledger = _Ledger(past, {each.rest.id for each in rests})
    waiting: list[tuple[Millis, int, str]] = []
    running: dict[str, tuple[Follower, PastRest, tuple[str, ...]]] = {}
    streams: dict[str, Following] = {}
    verdicts: dict[str, Verdict] = {}
    questions: dict[str, Ask] = {}

    def go_on(number: int, rest_id: str, answer: Answer | None) -> None:
        follower, each, open_reasons = running[rest_id]
        stream = streams[rest_id]
        try:
            ask = next(stream) if answer is None else stream.send(answer)
        except StopIteration as done:
            index = indexes.of(each.width, each.height)
            verdicts[rest_id] = Verdict(
                done.value, reason_of(each, index, done.value, follower.last()), open_reasons
            )
            if progress is not None:
                progress(len(verdicts))
        else:
            questions[rest_id] = ask
            heapq.heappush(waiting, (ask.at_ms, number, rest_id))

    for number, each in enumerate(rests):
        known = known_of(each, usual_ms)
        index, open_reasons = _for(each, indexes, known, past, mark)
        follower = Follower(each, index, known)
        running[each.rest.id] = (follower, each, open_reasons)
        streams[each.rest.id] = follower.run()
        ledger.add(follower, known)
        go_on(number, each.rest.id, None)
    while waiting:
        _, number, rest_id = heapq.heappop(waiting)
        ask = questions.pop(rest_id)
        go_on(number, rest_id, ledger.answer(ask))
    return verdicts


def _for(
    each: PastRest, indexes: Indexes, known: Known, past: Past, mark: Callable[[str], str] | None
) -> tuple[ZoneIndex, tuple[str, ...]]:
    """The zones for one rest: exemptions that hang on plates are resolved as far as history can."""
    index = indexes.of(each.width, each.height)
    if not any(one.plates or one.permit for zone in index.zones.values() for one in zone.exempt):
        return index, ()
    then: Mapping[str, Sequence[Exemption]] = {}
    if each.zones in past.zones:
        then = {zone.id: zone.exempt for zone in past.zones[each.zones].zone}
    clone = copy(index)
    clone.zones = {}
    unsure: list[str] = []
    for zone_id, zone in index.zones.items():
        resolved = resolve(zone, each, known, tuple(then.get(zone_id, ())), mark)
        clone.zones[zone_id] = zone.model_copy(update={"exempt": resolved.exempt})
        unsure.extend(resolved.open)
    return clone, tuple(dict.fromkeys(unsure))


_Key = tuple[str, str]
"""Plate and street."""


class _Ledger:
    """Who was warned where, and whose case is open: other cameras' as history has it, this one's as it is decided."""

    def __init__(self, past: Past, mine: Iterable[str]) -> None:
        own = set(mine)
        self._followers: dict[str, list[Follower]] = {}
        self._history: dict[_Key, list[Decided]] = {}
        for each in past.rests:
            for decided in each.decided if each.rest.id not in own else ():
                if decided.plate_mark is not None:
                    self._history.setdefault((decided.plate_mark, decided.street), []).append(decided)

    def add(self, follower: Follower, known: Known) -> None:
        if known.plate is not None and not known.guessed:
            self._followers.setdefault(known.plate, []).append(follower)

    def answer(self, ask: Ask) -> Answer:
        """Whether the vehicle was warned before in this street, or is followed there."""
        case, at_ms = ask.case, ask.at_ms
        since = at_ms - round(case.zone.renotice_after_s * 1000)
        notices: list[tuple[Millis, str]] = []
        elsewhere: list[str] = []
        for d in self._history.get((ask.plate, case.street), ()):
            if d.warned and d.identified_ms is not None and since <= d.identified_ms <= at_ms:
                notices.append((d.identified_ms, d.case_id))
            if d.confirmed_ms <= at_ms and (d.state not in ENDED or d.changed_ms > at_ms):
                elsewhere.append(d.case_id)
        for follower in self._followers.get(ask.plate, ()):
            for _, street, case_id, sent_ms in follower.trail.sent:
                if street == case.street and since <= sent_ms <= at_ms and case_id != case.id:
                    notices.append((sent_ms, case_id))
            for other in follower.trail.cases:
                identified = other.plate == ask.plate and other.street == case.street and other.id != case.id
                is_open = other.state not in ENDED or other.changed_ms > at_ms
                if identified and is_open and other.confirmed_ms <= at_ms:
                    elsewhere.append(other.id)
        warned = max(notices)[1] if notices else None
        return Answer(warned, min(elsewhere) if elsewhere else None)
