"""What the page needs of a case, read in one plain query. Nothing is written here.

By hand and not by Django's query builder, because the page is opened by everybody who is warned, several times, and
building the same queries took longer than all the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

from central.cases.states import OPEN_STATES
from protocol.clock import Millis
from protocol.messages import Position

_CASE = """
SELECT c.id, c.jurisdiction_id, c.place, c.longitude, c.latitude,
  s.agent_state, s.vehicle_class, s.plate, s.first_seen_ms, s.clock_ends_ms, o.state,
  r.result, r.asked_at_ms, r.answered_at_ms,
  e.id, e.taken_at_ms, e.picture_id
FROM driver_caselink l
JOIN cases_case c ON c.id = l.case_id
JOIN parking_stay s ON s.case_id = c.id
LEFT JOIN driver_objection o ON o.case_id = c.id
LEFT JOIN driver_recheck r ON r.id = (
  SELECT id FROM driver_recheck WHERE case_id = c.id ORDER BY asked_at_ms DESC, id DESC LIMIT 1)
LEFT JOIN cases_evidence e ON e.id = (
  SELECT id FROM cases_evidence WHERE case_id = c.id AND role = 'confirm'
  ORDER BY CASE WHEN picture_id IS NULL THEN 1 ELSE 0 END, taken_at_ms, id LIMIT 1)
WHERE l.mark = %s
"""

_ORDERS = "SELECT DISTINCT state FROM cases_workorder WHERE case_id = %s"


@dataclass(frozen=True, slots=True)
class Answered:
    """The last look that the driver asked for; `at_ms` is None while the camera looks."""

    result: str
    at_ms: Millis | None


@dataclass(frozen=True, slots=True)
class Shot:
    """The picture on which the violation rests, and whether it has arrived."""

    evidence_id: int
    taken_at_ms: Millis
    arrived: bool


@dataclass(frozen=True, slots=True)
class Told:
    """A case as its driver is told of it.

    Attributes:
        recheck: the last look that he asked for, if any.
        shot: the picture to show: one that has arrived before one that is on its way.
    """

    pk: int
    jurisdiction_id: str
    place: str
    longitude: float | None
    latitude: float | None
    agent_state: str
    vehicle_class: str
    plate: str
    first_seen_ms: Millis | None
    clock_ends_ms: Millis | None
    objection: str | None
    recheck: Answered | None
    shot: Shot | None

    @property
    def position(self) -> Position | None:
        """Where the vehicle stands, if that is known."""
        if self.longitude is None or self.latitude is None:
            return None
        return Position(longitude=self.longitude, latitude=self.latitude)


def case_of_mark(mark: bytes) -> Told | None:
    """The case that a link names; None if it is not known here (or, which should never be, twice)."""
    with connection.cursor() as cursor:
        cursor.execute(_CASE, [mark.hex()])
        rows = cursor.fetchmany(2)
    if len(rows) != 1:
        return None
    *facts, result, asked_ms, answered_ms, evidence_id, taken_ms, picture_id = rows[0]
    recheck = None if asked_ms is None else Answered(result, answered_ms)
    shot = None if evidence_id is None else Shot(evidence_id, taken_ms, picture_id is not None)
    return Told(*facts, recheck, shot)


def work(case_id: int) -> tuple[bool, bool, bool]:
    """(whether there is any work order, whether one is open, whether one was retracted)."""
    with connection.cursor() as cursor:
        cursor.execute(_ORDERS, [case_id])
        states = {str(row[0]) for row in cursor.fetchall()}
    return bool(states), bool(states & _OPEN), "retracted" in states


_OPEN = frozenset(str(state) for state in OPEN_STATES)
