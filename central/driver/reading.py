"""What the page needs of a case, read in as few and as plain queries as there can be.

By hand and not by Django's query builder, because the page is opened by everybody who is warned, several times, and
building the same queries took longer than all the rest. Nothing is written here.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

from central.cases.states import OPEN_STATES
from protocol.clock import Millis
from protocol.messages import Position

_CASE = """
SELECT c.id, c.jurisdiction_id, c.place, c.longitude, c.latitude,
  s.agent_state, s.vehicle_class, s.plate, s.first_seen_ms, s.clock_ends_ms, o.state
FROM driver_caselink l
JOIN cases_case c ON c.id = l.case_id
JOIN parking_stay s ON s.case_id = c.id
LEFT JOIN driver_objection o ON o.case_id = c.id
WHERE l.mark = %s
"""

_ORDERS = "SELECT DISTINCT state FROM cases_workorder WHERE case_id = %s"

_RECHECK = """
SELECT result, answered_at_ms FROM driver_recheck WHERE case_id = %s ORDER BY asked_at_ms DESC, id DESC LIMIT 1
"""

_PICTURE = """
SELECT id, taken_at_ms, picture_id FROM cases_evidence WHERE case_id = %s AND role = 'confirm'
ORDER BY CASE WHEN picture_id IS NULL THEN 1 ELSE 0 END, taken_at_ms, id LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Told:
    """A case as its driver is told of it."""

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

    @property
    def position(self) -> Position | None:
        """Where the vehicle stands, if that is known."""
        if self.longitude is None or self.latitude is None:
            return None
        return Position(longitude=self.longitude, latitude=self.latitude)


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


def case_of_mark(mark: bytes) -> Told | None:
    """The case that a link names; None if it is not known here (or, which should never be, twice)."""
    with connection.cursor() as cursor:
        cursor.execute(_CASE, [mark.hex()])
        rows = cursor.fetchmany(2)
    return Told(*rows[0]) if len(rows) == 1 else None


def work(case_id: int) -> tuple[bool, bool, bool]:
    """(whether there is any work order, whether one is open, whether one was retracted)."""
    with connection.cursor() as cursor:
        cursor.execute(_ORDERS, [case_id])
        states = {str(row[0]) for row in cursor.fetchall()}
    return bool(states), bool(states & {str(state) for state in OPEN_STATES}), "retracted" in states


def last_recheck(case_id: int) -> Answered | None:
    """The last look that was asked for."""
    with connection.cursor() as cursor:
        cursor.execute(_RECHECK, [case_id])
        row = cursor.fetchone()
    return None if row is None else Answered(*row)


def shot(case_id: int) -> Shot | None:
    """The picture to show: one that has arrived before one that is on its way."""
    with connection.cursor() as cursor:
        cursor.execute(_PICTURE, [case_id])
        row = cursor.fetchone()
    return None if row is None else Shot(row[0], row[1], row[2] is not None)
