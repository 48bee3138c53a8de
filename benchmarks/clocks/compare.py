"""The product's due dates beside the walk's, for every minute of a stretch."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from benchmarks.clocks.walk import MINUTE_MS, OFFICE, Office, due_of_each
from central.clocks.calendar import WEEK, Calendar, Windows, due
from central.clocks.rules import Unit
from central.clocks.seed import seeded_days
from zones.holidays import known_years

__all__ = ["BERLIN", "CHINA", "PLANS", "Figure", "Plan", "calendar_of", "compare"]

CHINA = Calendar(days=seeded_days("cn", WEEK), known=known_years())
"""What the product itself makes of its library; the walk has the notices written out."""

BERLIN = Office(
    "Europe/Berlin",
    (
        (("00:00", "02:30"), ("03:15", "24:00")),
        (),
        (("08:00", "16:00"),),
        (),
        (("09:00", "12:00"),),
        (),
        (("01:30", "05:00"),),
    ),
    special={
        date(2025, 10, 26): (("02:15", "02:45"), ("04:00", "05:00")),
        date(2026, 3, 29): (("02:00", "03:00"),),
    },
)
"""Hours across the nights in which summer time begins and ends."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One promise, made in every minute from the first year's beginning to the last year's end."""

    name: str
    office: Office
    calendar: Calendar
    amount: int
    unit: Unit
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Figure:
    """What a comparison found."""

    plan: Plan
    compared: int
    different: int
    first_difference: str
    provisional: int
    walk_s: float
    due_s: float

    @property
    def rate(self) -> float:
        """Due dates per second of processor time."""
        return self.compared / self.due_s


def calendar_of(office: Office) -> Calendar:
    """The product's calendar of an office that is given in words."""
    week = tuple(_windows(hours) for hours in office.week)
    days: dict[date, Windows] = dict.fromkeys(office.off, ())
    days |= dict.fromkeys(office.made_up, week[0])
    days |= {day: _windows(hours) for day, hours in (office.special or {}).items()}
    return Calendar(office.time_zone, week, days, office.known_years)


def _windows(hours: tuple[tuple[str, str], ...]) -> Windows:
    return tuple((_minute(start), _minute(end)) for start, end in hours)


def _minute(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


PLANS = (
    Plan("30 working minutes", OFFICE, CHINA, 30, "working_minutes", 2024, 2026),
    Plan("240 working minutes", OFFICE, CHINA, 240, "working_minutes", 2024, 2026),
    Plan("1 working day", OFFICE, CHINA, 1, "working_days", 2024, 2026),
    Plan("3 working days", OFFICE, CHINA, 3, "working_days", 2024, 2026),
    Plan("5 working days", OFFICE, CHINA, 5, "working_days", 2024, 2026),
    Plan("15 working days", OFFICE, CHINA, 15, "working_days", 2024, 2026),
    Plan("45 working minutes, summer time", BERLIN, calendar_of(BERLIN), 45, "working_minutes", 2024, 2026),
    Plan("1 working day, summer time", BERLIN, calendar_of(BERLIN), 1, "working_days", 2024, 2026),
)


def compare(plan: Plan, done: Callable[[float], None]) -> Figure:
    """Walk, ask for each start, and count what differs. `done` is told the share of the way."""
    zone = ZoneInfo(plan.office.time_zone)
    begin = _new_year(plan.first, zone)
    end = _new_year(plan.last + 1, zone) - MINUTE_MS
    whole = (end - begin) // MINUTE_MS + 1
    batch: list[tuple[int, int, bool]] = []
    compared = different = provisional = 0
    first, due_s = "", 0.0

    def look() -> None:
        nonlocal compared, different, provisional, first, due_s
        started = time.process_time()
        answers = [due(start, plan.amount, plan.unit, plan.calendar) for start, _, _ in batch]
        due_s += time.process_time() - started
        for (start, at, unknown), answer in zip(batch, answers, strict=True):
            provisional += unknown
            if (answer.at_ms, answer.provisional) != (at, unknown):
                different += 1
                first = (
                    first or f"{datetime.fromtimestamp(start / 1000, zone)}: {answer}, not {at}, {unknown}"
                )
        compared += len(batch)
        batch.clear()
        done(compared / whole)

    def found(start: int, at: int, unknown: bool) -> None:
        batch.append((start, at, unknown))
        if len(batch) == 20_000:
            look()

    started = time.process_time()
    due_of_each(plan.office, begin, end, plan.amount, plan.unit, found)
    look()
    walk_s = time.process_time() - started - due_s
    assert compared == whole, "each minute started one promise and ended it"
    return Figure(plan, compared, different, first, provisional, walk_s, due_s)


def _new_year(year: int, zone: ZoneInfo) -> int:
    return round(datetime(year, 1, 1, tzinfo=zone).timestamp()) * 1000
