"""Who should go: the decision, without a database, a clock or a network in sight.

An officer costs the time to get there plus the time that their other tasks will take; the cheapest is asked first. Times
are plausible, not exact: they order officers, nobody is promised a minute. Anything that is not known costs more than
its ordinary value, so that an officer whose place is known is asked before one whose place is guessed.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from protocol.clock import Millis
from protocol.messages import Position

Mode = Literal["foot", "bicycle", "scooter", "car"]
Standing = Literal["on_duty", "primary", "deputy"]
Source = Literal["position", "ground", "unknown"]

EARTH_M = 6_371_008.8
"""Mean radius of the earth (IUGG), metres."""

DETOUR: dict[Mode, float] = {"foot": 1.3, "bicycle": 1.3, "scooter": 1.35, "car": 1.5}
"""Metres of way per metre of straight line in a street grid. Walkers find 1.2 to 1.4; cars obey one-way streets."""

SPEED_M_S: dict[Mode, float] = {"foot": 1.3, "bicycle": 3.6, "scooter": 4.5, "car": 5.0}
"""From door to door in a city, traffic lights and parking included: 4.7, 13, 16 and 18 km/h."""

FRESH_MS = 5 * 60_000
"""A last known place older than this says little: somebody on foot is 400 m away from it."""

COARSE_M = 1_000.0
"""A place known no better than this is a radio mast, not a person."""

FARTHEST_M = 100_000.0
"""Nobody on duty is so far away: such a place is a mistake of the device."""

GUESSED_S = 10 * 60.0
"""What it costs that a place is only guessed from the ground that an officer answers for."""

UNKNOWN_S = 45 * 60.0
"""What it costs that nothing at all is known of where an officer is."""

TASK_S = 12 * 60.0
"""What each other open task of an officer costs: the usual time from arrival to the written outcome."""

_STANDINGS: dict[Standing, int] = {"on_duty": 0, "primary": 1, "deputy": 2}


@dataclass(frozen=True, slots=True)
class Travel:
    """A way: metres and seconds."""

    metres: float
    seconds: float


class TravelTime(Protocol):
    """How long it takes to get somewhere. A street graph or a map service can take this place."""

    def travel(self, start: Position, end: Position, mode: Mode) -> Travel:
        """The way from `start` to `end`, never shorter than the straight line."""


@dataclass(frozen=True, slots=True)
class StraightLine:
    """The great circle (haversine) times a detour, at the usual speed of the means of travel."""

    def travel(self, start: Position, end: Position, mode: Mode) -> Travel:
        """See `TravelTime.travel`."""
        metres = haversine(start, end) * DETOUR[mode]
        return Travel(metres, metres / SPEED_M_S[mode])


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody who may be asked.

    Attributes:
        officer: number of the person.
        standing: on duty by the roster, or answering for the grid where nobody is.
        covers: whether their duty covers the place of the task.
        mode: how they travel.
        position: last known place, or None.
        position_age_ms: how old it is.
        accuracy_m: radius within which they are, by their device.
        ground: a place in the middle of the ground that they answer for, or None.
        load: open offers and accepted tasks, this one not counted.
        asked: how often they were asked for this very task and did not take it.
    """

    officer: int
    standing: Standing = "on_duty"
    covers: bool = True
    mode: Mode = "foot"
    position: Position | None = None
    position_age_ms: Millis = 0
    accuracy_m: float = 0.0
    ground: Position | None = None
    load: int = 0
    asked: int = 0


@dataclass(frozen=True, slots=True)
class Why:
    """What speaks for somebody, as facts; `central.dispatch.words` puts them into words.

    Attributes:
        source: what the distance rests on.
        metres: of way; None where nothing is known.
        seconds: of travel, the same.
        age_ms: of the last known place, where that was used.
    """

    standing: Standing
    source: Source
    metres: float | None
    seconds: float | None
    age_ms: Millis | None
    mode: Mode
    load: int
    asked: int


@dataclass(frozen=True, slots=True)
class Choice:
    """Somebody's place in the order in which people are asked, from 1."""

    officer: int
    rank: int
    cost_s: float
    why: Why


def rank(
    place: Position | None,
    candidates: Sequence[Candidate],
    *,
    passed_over: Collection[int] = (),
    travel: TravelTime | None = None,
) -> list[Choice]:
    """Everybody who may be asked, the best first.

    Those on duty whose duty covers the place come first. Only where there is none of them, the grid's primary is asked,
    then its deputy. Equal costs are broken by load and then by number, so that the same question has the same answer.

    Args:
        place: where the task is; None where nobody knows: then load alone decides.
        candidates: each person once.
        passed_over: people who are not asked now, because they have been in this round.
        travel: how long ways take.
    """
    travel = travel or StraightLine()
    able = [one for one in candidates if one.covers]
    if any(one.standing == "on_duty" for one in able):
        able = [one for one in able if one.standing == "on_duty"]
    valued = []
    for one in able:
        if one.officer in passed_over:
            continue
        cost, why = _cost(place, one, travel)
        valued.append(((_STANDINGS[one.standing], one.asked, cost, one.load, one.officer), why))
    valued.sort(key=lambda item: item[0])
    return [Choice(key[4], number, key[2], why) for number, (key, why) in enumerate(valued, 1)]


def _cost(place: Position | None, one: Candidate, travel: TravelTime) -> tuple[float, Why]:
    """Seconds until they could be done with it, and why."""
    source: Source = "unknown"
    way: Travel | None = None
    extra = 0.0
    age: Millis | None = None
    if place is not None:
        if _usable(place, one):
            assert one.position is not None
            source, way, age = "position", travel.travel(one.position, place, one.mode), one.position_age_ms
        elif one.ground is not None:
            source, way, extra = "ground", travel.travel(one.ground, place, one.mode), GUESSED_S
        else:
            extra = UNKNOWN_S
    cost = (way.seconds if way else 0.0) + extra + TASK_S * one.load
    why = Why(
        standing=one.standing,
        source=source,
        metres=way.metres if way else None,
        seconds=way.seconds if way else None,
        age_ms=age,
        mode=one.mode,
        load=one.load,
        asked=one.asked,
    )
    return cost, why


def _usable(place: Position, one: Candidate) -> bool:
    """Whether the last known place says where somebody is."""
    return (
        one.position is not None
        and one.position_age_ms <= FRESH_MS
        and one.accuracy_m <= COARSE_M
        and haversine(one.position, place) <= FARTHEST_M
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """One offer of the past for a task: whom, and in which round."""

    officer: int
    round: int


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask this person, in this round."""

    choice: Choice
    round: int


@dataclass(frozen=True, slots=True)
class Nobody:
    """A dispatcher has to see to it.

    Attributes:
        reason: ``nobody_on_duty``: there is nobody to ask. ``all_declined``: everybody was asked as often as the rule says.
    """

    reason: Literal["nobody_on_duty", "all_declined"]


def decide(
    place: Position | None,
    candidates: Sequence[Candidate],
    asked: Sequence[Asked],
    *,
    rounds: int,
    travel: TravelTime | None = None,
) -> Ask | Nobody:
    """Whom to ask next for a task that has no open offer.

    Each round asks everybody once. Somebody who comes on duty later is asked however many rounds there were, because they
    never had the chance.

    Args:
        place: where the task is.
        candidates: who may be asked now.
        asked: every offer so far that was declined or ran out.
        rounds: how often everybody is asked before it is left to a dispatcher.
        travel: how long ways take.
    """
    if not any(one.covers for one in candidates):
        return Nobody("nobody_on_duty")
    current = max((one.round for one in asked), default=1)
    for number in range(current, max(rounds, current) + 1):
        had = {one.officer for one in asked if one.round >= number}
        if number > rounds:
            had = {one.officer for one in asked}
        ranked = rank(place, candidates, passed_over=had, travel=travel)
        if ranked:
            return Ask(ranked[0], number)
    never = rank(place, candidates, passed_over={one.officer for one in asked}, travel=travel)
    return Ask(never[0], current) if never else Nobody("all_declined")


def haversine(start: Position, end: Position) -> float:
    """Metres along the great circle between two places on a sphere (R. W. Sinnott, Virtues of the haversine, 1984)."""
    lat1, lat2 = math.radians(start.latitude), math.radians(end.latitude)
    dlon = math.radians(end.longitude - start.longitude)
    half = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin(dlon / 2) ** 2
    return 2 * EARTH_M * math.asin(min(1.0, math.sqrt(half)))
