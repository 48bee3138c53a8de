"""Who may be asked now: rosters, last places and loads, read for many tasks at once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Q

from central.cases.handing import kept_apart
from central.cases.models import Case, WorkOrder
from central.cases.states import WorkState
from central.dispatch.choose import Candidate, Mode, Standing
from central.dispatch.models import Offer, OfferState, OfficerPosition, Shift
from central.grids.models import Grid, GridArea, GridStamp
from central.people.models import User
from central.people.policy import FIELD
from central.project.clock import now_ms
from protocol.clock import Millis
from protocol.messages import Position

HANDLERS = FIELD
"""Who can be sent. Grid workers are, where they answer for the grid or stand in the roster."""

_lock = threading.Lock()
_grounds: dict[str, tuple[str, dict[str, Position]]] = {}


@dataclass
class Desk:
    """Everybody of one jurisdiction who may be asked at one instant; loads move on with each offer made from it."""

    jurisdiction_id: str
    at_ms: Millis
    shifts: list[Shift]
    positions: dict[int, OfficerPosition]
    loads: Counter[int]
    people: dict[int, User]
    grounds: dict[str, Position] = field(default_factory=dict)

    def candidates(self, case: Case, asked: Counter[int]) -> list[Candidate]:
        """Who may be asked for this case: nobody who has found or verified it."""
        found = self._answerable(case, asked)
        apart = kept_apart(case, [self.people[officer] for officer in found])
        return [each for officer, each in found.items() if officer not in apart]

    def _answerable(self, case: Case, asked: Counter[int]) -> dict[int, Candidate]:
        codes = [] if case.grid is None else [grid.code for grid in case.grid.path()]
        found: dict[int, Candidate] = {}
        for shift in self.shifts:
            covers = not shift.grids or any(code in shift.grids for code in codes)
            if covers and self._sees(shift.officer_id, case):
                ground = self._ground(shift.grids)
                found[shift.officer_id] = self._candidate(
                    shift.officer_id,
                    "on_duty",
                    shift.mode,
                    ground,
                    asked,  # type: ignore[arg-type]
                )
        if found or case.grid is None:
            return found
        ground = self._ground([case.grid.code])
        for grid in reversed(case.grid.path()):
            standings: tuple[tuple[Standing, User | None], ...] = (
                ("primary", grid.primary),
                ("deputy", grid.deputy),
            )
            for standing, person in standings:
                if person is None or person.pk in found or not able(person):
                    continue
                self.people[person.pk] = person
                if self._sees(person.pk, case):
                    found[person.pk] = self._candidate(person.pk, standing, "foot", ground, asked)
            if found:
                break
        return found

    def _candidate(
        self, officer: int, standing: Standing, mode: Mode, ground: Position | None, asked: Counter[int]
    ) -> Candidate:
        last = self.positions.get(officer)
        return Candidate(
            officer=officer,
            standing=standing,
            mode=mode,
            position=None if last is None else Position(longitude=last.longitude, latitude=last.latitude),
            position_age_ms=0 if last is None else max(0, self.at_ms - last.at_ms),
            accuracy_m=0.0 if last is None else last.accuracy_m,
            ground=ground,
            load=self.loads[officer],
            asked=asked[officer],
        )

    def _sees(self, officer: int, case: Case) -> bool:
        """Nobody is sent to a case that they may not look at."""
        person = self.people[officer]
        if person.scope != User.EVERYWHERE and self.jurisdiction_id not in person.scope.split():
            return False
        return (
            not getattr(person, "by_grid", False)
            or Case.objects.visible_to(person).filter(pk=case.pk).exists()
        )

    def _ground(self, codes: Sequence[str]) -> Position | None:
        known = [self.grounds[code] for code in codes if code in self.grounds]
        if not known:
            return self.grounds.get("")
        return _middle(known)


def open_desk(jurisdiction_id: str, more: Iterable[User] = ()) -> Desk:
    """The desk of a jurisdiction as it is now.

    Args:
        jurisdiction_id: whose.
        more: people who are not on duty and may be asked all the same.
    """
    at_ms = now_ms()
    shifts = [
        shift
        for shift in Shift.rows.filter(
            jurisdiction_id=jurisdiction_id, from_ms__lte=at_ms, to_ms__gt=at_ms
        ).select_related("officer")
        if able(shift.officer)
    ]
    people = {shift.officer_id: shift.officer for shift in shifts} | {person.pk: person for person in more}
    positions = {
        place.officer_id: place for place in OfficerPosition.objects.filter(officer__in=list(people))
    }
    return Desk(jurisdiction_id, at_ms, shifts, positions, loads(people), people, grounds_of(jurisdiction_id))


def loads(officers: Iterable[int]) -> Counter[int]:
    """Open offers and accepted tasks of these officers."""
    wanted = list(officers)
    found: Counter[int] = Counter()
    for officer, count in (
        Offer.rows.filter(officer__in=wanted, state=OfferState.OFFERED)
        .values_list("officer")
        .annotate(n=Count("pk"))
    ):
        found[officer] += count
    for officer, count in (
        WorkOrder.objects.unscoped("an officer's load is all that he has")
        .filter(assignee__in=wanted, state=WorkState.ACCEPTED)
        .values_list("assignee")
        .annotate(n=Count("pk"))
    ):
        found[officer] += count
    return found


def on_duty(officer: User, at_ms: Millis | None = None) -> Shift | None:
    """The shift that somebody works now."""
    at_ms = now_ms() if at_ms is None else at_ms
    return Shift.rows.filter(officer=officer, from_ms__lte=at_ms, to_ms__gt=at_ms).first()


def next_shift_ms(jurisdiction_id: str, after_ms: Millis) -> Millis | None:
    """When somebody next comes on duty."""
    return (
        Shift.rows.filter(Q(jurisdiction_id=jurisdiction_id), from_ms__gt=after_ms)
        .order_by("from_ms")
        .values_list("from_ms", flat=True)
        .first()
    )


def grounds_of(jurisdiction_id: str) -> dict[str, Position]:
    """The middle of each grid, by its code, higher ones too; of the whole jurisdiction under the empty code."""
    stamp = GridStamp.objects.filter(jurisdiction_id=jurisdiction_id).values_list("stamp", flat=True).first()
    if stamp is None:
        return {}
    with _lock:
        held = _grounds.get(jurisdiction_id)
        if held is None or held[0] != stamp:
            held = _grounds[jurisdiction_id] = (stamp, _middles(jurisdiction_id))
        return held[1]


def _middles(jurisdiction_id: str) -> dict[str, Position]:
    parents = {
        number: (code, parent)
        for number, code, parent in Grid.objects.unscoped("where grids lie, to reckon distances")
        .filter(jurisdiction_id=jurisdiction_id)
        .values_list("pk", "code", "parent_id")
    }
    parts: dict[str, list[Position]] = {}
    areas = GridArea.objects.filter(grid__jurisdiction_id=jurisdiction_id, valid_to_ms__isnull=True)
    for number, coordinates in areas.values_list("grid_id", "coordinates"):
        middle = _middle_of_ground(coordinates)
        node: int | None = number
        while node is not None:
            code, node = parents[node]
            parts.setdefault(code, []).append(middle)
        parts.setdefault("", []).append(middle)
    return {code: _middle(places) for code, places in parts.items()}


def _middle_of_ground(coordinates: list[Any]) -> Position:
    """The middle of the outer rings' extent: good enough to say how far away a grid is."""
    points = [point for part in coordinates for point in part[0]]
    xs, ys = [point[0] for point in points], [point[1] for point in points]
    return Position(longitude=(min(xs) + max(xs)) / 2, latitude=(min(ys) + max(ys)) / 2)


def _middle(places: Sequence[Position]) -> Position:
    return Position(
        longitude=sum(place.longitude for place in places) / len(places),
        latitude=sum(place.latitude for place in places) / len(places),
    )


def able(person: User) -> bool:
    """Whether somebody can be sent at all."""
    return person.is_active and person.role in HANDLERS
