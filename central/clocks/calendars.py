"""The calendar of a jurisdiction: kept in the database over what the library knows, and held ready in each process."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from importlib.metadata import version

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from central.clocks.calendar import WEEK, Calendar, Windows
from central.clocks.models import (
    CalendarDay,
    CalendarWeek,
    CalendarYear,
    Clock,
    ClockState,
    DayKind,
    WorkCalendar,
)
from central.clocks.seed import COUNTRIES, Occasion, occasions, seeded_days, seeded_years
from central.project.clock import now_ms
from central.project.unit import current
from protocol.errors import PatrolError

YEARS = (2000, 2100)
NOTICE_MONTH = 11
"""The next year's days off are announced in November: from then on their absence is an alarm."""


@dataclass(frozen=True, slots=True)
class Held:
    """A calendar, and the stamp of what it was made from."""

    stamp: str
    calendar: Calendar


@dataclass(frozen=True, slots=True)
class DayFacts:
    """One date as a page or the terminal shows it.

    Attributes:
        day: the date.
        kind: ``work``, ``off``, ``holiday``, ``makeup``, ``shortened`` or ``unknown``.
        hours: its working hours, minutes of the wall clock.
        reason: why, as a person wrote it; empty where the notices say so.
        author: who wrote it.
        occasion: the holiday by the notices, if any.
    """

    day: date
    kind: str
    hours: Windows
    reason: str = ""
    author: str = ""
    occasion: Occasion | None = None


@dataclass(frozen=True, slots=True)
class MissingYear:
    """A year that a jurisdiction's promises need and nobody knows. `urgent`: promises are provisional already."""

    jurisdiction_id: str
    year: int
    urgent: bool


@dataclass(frozen=True, slots=True)
class DayChange:
    """What somebody says of a date. `windows` only for `DayKind.SHORTENED`."""

    day: date
    kind: str
    reason: str
    windows: Windows = ()


WHY = "working time is reckoned for whatever case is at hand"
"""Why no reader's scope applies here."""

_lock = threading.Lock()
_held: dict[tuple[str, str], Held] = {}


def calendar_for(jurisdiction_id: str) -> Calendar:
    """The working time of a jurisdiction, as it is now."""
    return held_for(jurisdiction_id).calendar


def held_for(jurisdiction_id: str) -> Held:
    """The same with its stamp: one query where nothing changed, one in all for the messages of a unit."""
    unit = current()
    if unit is None:
        return _looked_up(jurisdiction_id)
    name = f"calendar {jurisdiction_id}"
    if name not in unit.held:
        unit.held[name] = _looked_up(jurisdiction_id)
    return unit.held[name]  # type: ignore[no-any-return]


def _looked_up(jurisdiction_id: str) -> Held:
    row = _calendars().filter(jurisdiction_id=jurisdiction_id).first()
    stamp = _stamp(row)
    key = (jurisdiction_id, stamp)
    with _lock:
        held = _held.get(key)
    if held is None:
        held = Held(stamp, _build(row))
        with _lock:
            for old in [k for k in _held if k[0] == jurisdiction_id]:
                del _held[old]
            _held[key] = held
    return held


def set_week(
    jurisdiction_id: str,
    *,
    week: Sequence[Windows] | None = None,
    time_zone: str | None = None,
    country: str | None = None,
    author: str,
    reason: str = "",
) -> None:
    """Other weekly hours, another time zone or other holidays from now on; running clocks are reckoned anew.

    Raises:
        PatrolError: the hours, the zone or the country make no sense.
    """
    if country is not None and country not in COUNTRIES:
        raise PatrolError(
            "there is no such list of holidays",
            field="country",
            value=country,
            mend=f"One of {', '.join(COUNTRIES)}",
        )
    with transaction.atomic():
        row = _locked(jurisdiction_id)
        row.week = [list(map(list, windows)) for windows in week] if week is not None else row.week
        row.time_zone = time_zone or row.time_zone
        row.country = country or row.country
        try:
            Calendar(row.time_zone, _week(row))
        except (ValueError, OSError, KeyError) as error:
            raise PatrolError(
                f"this is no calendar: {error}",
                field="week" if time_zone is None else "time_zone",
                value=time_zone,
            ) from error
        row.stamp = _new_stamp()
        row.save()
        CalendarWeek.objects.create(
            calendar=row,
            time_zone=row.time_zone,
            country=row.country,
            week=row.week,
            reason=reason.strip()[:300],
            author=author[:160],
            at_ms=now_ms(),
        )


def weeks_of(jurisdiction_id: str) -> QuerySet[CalendarWeek]:
    """Who changed the weekly hours, newest first."""
    return CalendarWeek.objects.filter(calendar_id=jurisdiction_id).order_by("-pk")


def country_of(jurisdiction_id: str) -> str:
    """Whose list of holidays counts: one of `COUNTRIES`."""
    return (
        _calendars().filter(jurisdiction_id=jurisdiction_id).values_list("country", flat=True).first() or "cn"
    )


def set_day(
    jurisdiction_id: str, day: date, kind: str, *, reason: str, author: str, windows: Windows = ()
) -> None:
    """Make a date a day off, a make-up day, a day of its own hours, or again what the notices say.

    Raises:
        PatrolError: the kind, hours, date or reason make no sense; nothing is stored.
    """
    set_days(jurisdiction_id, [DayChange(day, kind, reason, windows)], author=author)


def set_days(
    jurisdiction_id: str,
    changes: Sequence[DayChange],
    *,
    author: str,
    complete_year: int | None = None,
    reason: str = "",
) -> None:
    """The same for many dates, all or none; and, where a year is given, vouch that it is complete with them.

    Raises:
        PatrolError: one of them makes no sense; nothing is stored.
    """
    for change in changes:
        _check(change)
    if complete_year is not None and not YEARS[0] <= complete_year < YEARS[1]:
        raise PatrolError("this is no year of a calendar", field="year", value=complete_year)
    now = now_ms()
    with transaction.atomic():
        row = _locked(jurisdiction_id)
        CalendarDay.objects.bulk_create(
            CalendarDay(
                calendar=row,
                day=change.day,
                kind=change.kind,
                windows=[list(window) for window in change.windows],
                reason=change.reason.strip()[:300],
                author=author[:160],
                at_ms=now,
            )
            for change in changes
        )
        if complete_year is not None:
            facts = {"reason": reason.strip()[:300], "author": author[:160], "at_ms": now}
            CalendarYear.objects.update_or_create(calendar=row, year=complete_year, defaults=facts)
        row.stamp = _new_stamp()
        row.save(update_fields=["stamp"])


def days_of(jurisdiction_id: str, year: int) -> list[DayFacts]:
    """Every date of a year with what it is and why.

    Raises:
        PatrolError: no such year.
    """
    if not YEARS[0] <= year < YEARS[1]:
        raise PatrolError(
            "this is no year of a calendar", field="year", value=year, mend=f"{YEARS[0]} to {YEARS[1] - 1}"
        )
    row = _calendars().filter(jurisdiction_id=jurisdiction_id).first()
    calendar = held_for(jurisdiction_id).calendar
    by_hand = _by_hand(row)
    seeded = {} if row is not None and row.country == "none" else occasions()
    found, day = [], date(year, 1, 1)
    while day.year == year:
        hours = calendar.hours(day)
        said, occasion = by_hand.get(day), seeded.get(day)
        if said is not None:
            found.append(DayFacts(day, said.kind, hours, said.reason, said.author, occasion))
        elif occasion is not None:
            found.append(DayFacts(day, "makeup" if occasion.worked else "holiday", hours, occasion=occasion))
        elif not calendar.is_known(year):
            found.append(DayFacts(day, "unknown", hours))
        else:
            found.append(DayFacts(day, "work" if hours else "off", hours))
        day += timedelta(days=1)
    return found


def missing_years(now: int | None = None) -> list[MissingYear]:
    """Years without a calendar that somebody's promise needs: this one, the next one from November on, and each that
    a running clock reaches into."""
    at = now_ms() if now is None else now
    running = Clock.objects.unscoped(WHY).filter(state=ClockState.RUNNING, breached_at_ms__isnull=True)
    jurisdictions = {*_calendars().values_list("jurisdiction_id", flat=True)}
    jurisdictions |= {*running.values_list("jurisdiction_id", flat=True).order_by().distinct()}
    waiting = Clock.objects.unscoped(WHY).filter(provisional=True, stopped_at_ms__isnull=True)
    provisional = waiting.values_list("jurisdiction_id", "due_at_ms")
    reached: dict[str, set[int]] = {}
    for jurisdiction_id, due_at_ms in provisional:
        reached.setdefault(jurisdiction_id, set()).add(calendar_for(jurisdiction_id).date_of(due_at_ms).year)
    found = []
    for jurisdiction_id in sorted(jurisdictions):
        calendar = calendar_for(jurisdiction_id)
        today = calendar.date_of(at)
        urgent = {today.year, *reached.get(jurisdiction_id, ())}
        soon = {today.year + 1} if today.month >= NOTICE_MONTH else set()
        for year in sorted(urgent | soon):
            if not calendar.is_known(year):
                found.append(MissingYear(jurisdiction_id, year, year in urgent))
    return found


def _check(change: DayChange) -> None:
    where = change.day.isoformat()
    if change.kind not in DayKind.values:
        raise PatrolError(
            "there is no such kind of day",
            field=where,
            value=change.kind,
            mend=f"One of {', '.join(DayKind.values)}",
        )
    if not YEARS[0] <= change.day.year < YEARS[1]:
        raise PatrolError("this date is in no year of a calendar", field=where, value=where)
    if not change.reason.strip():
        raise PatrolError("a changed day needs a reason", field=f"{where}: reason")
    if (change.kind == DayKind.SHORTENED) != bool(change.windows):
        raise PatrolError(
            "a day of its own hours names them, and only such a day does",
            field=f"{where}: hours",
            mend="Write e.g. shortened with 09:00-12:00",
        )
    try:
        Calendar(days={change.day: change.windows})
    except ValueError as error:
        raise PatrolError(str(error), field=f"{where}: hours") from error


def _locked(jurisdiction_id: str) -> WorkCalendar:
    """The row of a jurisdiction, made if need be, locked: changes come one after the other."""
    week = [list(map(list, day)) for day in WEEK]
    defaults = {"time_zone": settings.PATROL.time_zone, "week": week, "stamp": _new_stamp()}
    _calendars().get_or_create(jurisdiction_id=jurisdiction_id, defaults=defaults)
    return _calendars().select_for_update().get(jurisdiction_id=jurisdiction_id)


def _week(row: WorkCalendar) -> tuple[Windows, ...]:
    return tuple(tuple((start, end) for start, end in windows) for windows in row.week)


def _by_hand(row: WorkCalendar | None) -> dict[date, CalendarDay]:
    if row is None:
        return {}
    newest = {said.day: said for said in row.days.order_by("pk")}
    return {day: said for day, said in newest.items() if said.kind != DayKind.USUAL}


def _build(row: WorkCalendar | None) -> Calendar:
    if row is None:
        return Calendar(settings.PATROL.time_zone, WEEK, seeded_days("cn", WEEK), seeded_years("cn"))
    week = _week(row)
    usual = next(windows for windows in week if windows)
    days = seeded_days(row.country, week)
    for day, said in _by_hand(row).items():
        if said.kind == DayKind.HOLIDAY:
            days[day] = ()
        elif said.kind == DayKind.MAKEUP:
            days[day] = week[day.weekday()] or usual
        else:
            days[day] = tuple((start, end) for start, end in said.windows)
    known = seeded_years(row.country)
    if known is not None:
        known |= {*row.years.values_list("year", flat=True)}
    return Calendar(row.time_zone, week, days, known)


def _stamp(row: WorkCalendar | None) -> str:
    """Changes with the rows and with the library's release, which brings new years."""
    own = settings.PATROL.time_zone if row is None else row.stamp
    return f"{_library()}/{own}"[:60]


def _new_stamp() -> str:
    return secrets.token_hex(8)


@lru_cache(maxsize=1)
def _library() -> str:
    return version("chinesecalendar")


def _calendars() -> QuerySet[WorkCalendar]:
    found: QuerySet[WorkCalendar] = WorkCalendar.objects.unscoped(WHY)
    return found
