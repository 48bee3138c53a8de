"""The slow reference for working time: a walk from minute to minute, and nothing else.

It shares no line with the product: the days off are written out here from the State Council's notices (国办发明电〔2023〕7号,
〔2024〕12号, 〔2025〕7号), each minute asks the wall clock what it shows, and a promise is kept by counting.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

__all__ = ["OFFICE", "Minute", "Office", "due_of_each", "walk_one"]

MINUTE_MS = 60_000

_OFF = """
2024-01-01 2024-02-10..2024-02-17 2024-04-04..2024-04-06 2024-05-01..2024-05-05 2024-06-10 2024-09-15..2024-09-17
2024-10-01..2024-10-07 2025-01-01 2025-01-28..2025-02-04 2025-04-04..2025-04-06 2025-05-01..2025-05-05
2025-05-31..2025-06-02 2025-10-01..2025-10-08 2026-01-01..2026-01-03 2026-02-15..2026-02-23 2026-04-04..2026-04-06
2026-05-01..2026-05-05 2026-06-19..2026-06-21 2026-09-25..2026-09-27 2026-10-01..2026-10-07
"""
_MADE_UP = """
2024-02-04 2024-02-18 2024-04-07 2024-04-28 2024-05-11 2024-09-14 2024-09-29 2024-10-12
2025-01-26 2025-02-08 2025-04-27 2025-09-28 2025-10-11
2026-01-04 2026-02-14 2026-02-28 2026-05-09 2026-09-20 2026-10-10
"""


def _dates(text: str) -> set[date]:
    found = set()
    for word in text.split():
        first, _, last = word.partition("..")
        day, end = date.fromisoformat(first), date.fromisoformat(last or first)
        while day <= end:
            found.add(day)
            day += timedelta(days=1)
    return found


@dataclass(frozen=True)
class Office:
    """When somebody works, as words: hours by weekday, days off, days made up, days of their own hours."""

    time_zone: str
    week: tuple[tuple[tuple[str, str], ...], ...]
    off: frozenset[date] = frozenset()
    made_up: frozenset[date] = frozenset()
    special: Mapping[date, tuple[tuple[str, str], ...]] | None = None
    known_years: frozenset[int] = frozenset({2024, 2025, 2026})


_HOURS = (("09:00", "12:00"), ("13:30", "17:30"))
OFFICE = Office(
    "Asia/Shanghai", (*(_HOURS,) * 5, (), ()), frozenset(_dates(_OFF)), frozenset(_dates(_MADE_UP))
)
"""A sub-district's office."""


@dataclass(frozen=True, slots=True)
class Minute:
    """One minute of the walk: whether it is worked, what date the wall shows, and whether that date's work ends with it."""

    at_ms: int
    worked: bool
    day: date
    closes: bool


def minutes(office: Office, from_ms: int) -> Iterator[Minute]:
    """Each minute from an instant on, without end. Looks one day ahead to see whether a worked minute is a date's last."""
    zone = ZoneInfo(office.time_zone)
    ahead: deque[tuple[int, bool, date]] = deque()
    last_worked: dict[date, int] = {}
    at = from_ms
    while True:
        while not ahead or ahead[-1][0] < ahead[0][0] + 27 * 60 * MINUTE_MS:
            shown = datetime.fromtimestamp(at / 1000, UTC).astimezone(zone)
            worked = _worked(office, shown)
            if worked:
                last_worked[shown.date()] = at
            ahead.append((at, worked, shown.date()))
            at += MINUTE_MS
        here, worked, day = ahead.popleft()
        closes = worked and last_worked[day] == here
        if closes:
            del last_worked[day]
        yield Minute(here, worked, day, closes)


def _worked(office: Office, shown: datetime) -> bool:
    day, clock = shown.date(), f"{shown:%H:%M}"
    if office.special is not None and day in office.special:
        hours = office.special[day]
    elif day in office.made_up:
        hours = office.week[0]
    elif day in office.off:
        return False
    else:
        hours = office.week[day.weekday()]
    return any(start <= clock < end for start, end in hours)


def due_of_each(
    office: Office,
    first_ms: int,
    last_ms: int,
    amount: int,
    unit: str,
    found: Callable[[int, int, bool], None],
) -> None:
    """Walk once and have every minute of a stretch start a promise; each ends when its count is reached.

    Args:
        amount: working minutes, or working days that end at the close of business.
        unit: ``working_minutes`` or ``working_days``.
        found: told of each start, its due instant, and whether an unknown year was on the way.
    """
    waiting: deque[tuple[int, int, date]] = deque()
    counted = closings = 0
    closed_of_day: dict[date, int] = {}
    for minute in minutes(office, first_ms):
        if minute.at_ms <= last_ms:
            # Of working days the date of the start is not counted, so what closes later on it counts for nothing.
            waiting.append((minute.at_ms, counted, minute.day))
        if minute.worked:
            counted += 1
        if minute.closes:
            closings += 1
            closed_of_day[minute.day] = closings
        if unit == "working_minutes" and minute.worked:
            while waiting and counted - waiting[0][1] >= amount:
                start, _, day = waiting.popleft()
                found(start, minute.at_ms + MINUTE_MS, _unknown(office, day, minute.day))
        elif unit == "working_days" and minute.closes:
            while waiting and _closings_after(closed_of_day, waiting[0][2], minute.day) >= amount:
                start, _, day = waiting.popleft()
                found(start, minute.at_ms + MINUTE_MS, _unknown(office, day, minute.day))
        if minute.at_ms > last_ms and not waiting:
            return


def walk_one(office: Office, start_ms: int, amount: int, unit: str) -> tuple[int, bool]:
    """One promise, from its start to its end, counting each minute or each close of business."""
    zone = ZoneInfo(office.time_zone)
    first = datetime.fromtimestamp(start_ms / 1000, UTC).astimezone(zone).date()
    count, at = 0, start_ms // MINUTE_MS * MINUTE_MS
    if unit == "working_days":
        for minute in minutes(office, at):
            count += minute.closes and minute.day > first
            if count == amount:
                return minute.at_ms + MINUTE_MS, _unknown(office, first, minute.day)
    while True:
        shown = datetime.fromtimestamp(at / 1000, UTC).astimezone(zone)
        count += _worked(office, shown)
        at += MINUTE_MS
        if count == amount:
            return at, _unknown(office, first, shown.date())


def _closings_after(closed: dict[date, int], start: date, today: date) -> int:
    """How many days closed after `start`, up to today."""
    count, day = 0, today
    while day > start:
        count += day in closed
        day -= timedelta(days=1)
    return count


def _unknown(office: Office, first: date, last: date) -> bool:
    return any(year not in office.known_years for year in range(first.year, last.year + 1))
