"""When a zone counts. Pure: an instant goes in, the answer and how long it holds come out.

Hours are read as a person reads a sign: by the clock on the wall of the zone's place. A window over midnight belongs to
the day on which it begins. Where summer time skips an hour, a window in it does not happen; where an hour comes twice,
so does the window.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from protocol.clock import Millis
from zones.holidays import Day, day_of
from zones.model import FORBIDDING, Zone, ZoneFile
from zones.rules import Calendar, DayKind, Window

_WEEKDAYS: tuple[DayKind, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

BY_CALENDAR: frozenset[DayKind] = frozenset({"workday", "restday", "holiday"})
"""Kinds of days that need a calendar."""

_BACK_DAYS = 2
"""How far back the beginning of a span is looked for; longer than any confirm time."""

_AHEAD_DAYS = 400
"""How far ahead its end is looked for: a window that does not come within a year does not come."""

_MIDNIGHT = 24 * 60


@dataclass(frozen=True, slots=True)
class Span:
    """How it is at an instant, and for how long.

    Attributes:
        counts: whether the hours hold; None: nobody knows, because the calendar of that day is not known.
        since_ms: since when without a pause; None: for longer than two days.
        until_ms: the first instant at which it is otherwise; None: not within a year.
    """

    counts: bool | None
    since_ms: Millis | None
    until_ms: Millis | None


@dataclass(frozen=True)
class Hours:
    """Windows in a place's own time.

    Attributes:
        windows: none: always.
        time_zone: IANA name.
        calendar: which days are worked.
    """

    windows: tuple[Window, ...]
    time_zone: str
    calendar: Calendar

    def counts(self, at_ms: Millis) -> bool | None:
        """Whether the hours hold at an instant; None: the calendar of that day is not known."""
        if not self.windows:
            return True
        local = datetime.fromtimestamp(at_ms / 1000, _zone(self.time_zone))
        minute = local.hour * 60 + local.minute
        today = local.date()
        unknown = False
        for window in self.windows:
            start, end = minutes(window.from_), minutes(window.to)
            if start < end:
                begun_on = today if start <= minute < end else None
            else:
                begun_on = today if minute >= start else today - timedelta(days=1) if minute < end else None
            if begun_on is None:
                continue
            on = self._is_day(window, begun_on)
            if on:
                return True
            unknown = unknown or on is None
        return None if unknown else False

    def span(self, at_ms: Millis) -> Span:
        """Whether the hours hold at an instant, since when, and until when."""
        now = self.counts(at_ms)
        if not self.windows:
            return Span(now, None, None)
        day = datetime.fromtimestamp(at_ms / 1000, _zone(self.time_zone)).date()
        since: Millis | None = None
        later: Millis | None = None
        for instant in self._back(day, at_ms):
            if self.counts(instant) != now:
                since = later
                break
            later = instant
        until = next((i for i in self._ahead(day, at_ms) if self.counts(i) != now), None)
        return Span(now, since, until)

    def next_change(self, at_ms: Millis) -> Millis | None:
        """The first instant after this one at which it is otherwise; None: not within a year."""
        return self.span(at_ms).until_ms

    def _is_day(self, window: Window, day: date) -> bool | None:
        if _WEEKDAYS[day.weekday()] in window.days:
            return True
        asked = BY_CALENDAR.intersection(window.days)
        if not asked:
            return False
        facts = day_of(self.calendar, day)
        answers = [_answer(kind, facts) for kind in asked]
        if any(answers):
            return True
        return None if None in answers else False

    def _ahead(self, day: date, at_ms: Millis) -> Iterator[Millis]:
        for number in range(-1, _AHEAD_DAYS):
            yield from (i for i in self._edges(day + timedelta(days=number)) if i > at_ms)

    def _back(self, day: date, at_ms: Millis) -> Iterator[Millis]:
        """Edges at or before an instant, newest first, and last of all one before the oldest."""
        for number in range(1, -_BACK_DAYS - 1, -1):
            yield from (i for i in reversed(self._edges(day + timedelta(days=number))) if i <= at_ms)

    def _edges(self, day: date) -> Sequence[Millis]:
        """Instants of a local day at which something may change, in order."""
        return _edges(self.windows, self.time_zone, day)


@lru_cache(maxsize=4096)
def _edges(windows: tuple[Window, ...], time_zone: str, day: date) -> tuple[Millis, ...]:
    zone = _zone(time_zone)
    at = {0, *(minutes(w.from_) for w in windows), *(minutes(w.to) for w in windows)} - {_MIDNIGHT}
    found = {_instant(day, minute, zone, fold) for minute in at for fold in (0, 1)}
    start, end = _instant(day, 0, zone, 0), _instant(day + timedelta(days=1), 0, zone, 0)
    if _offset(start, zone) != _offset(end, zone):
        found.add(_transition(start, end, zone))
    return tuple(sorted(found))


def _instant(day: date, minute: int, zone: ZoneInfo, fold: int) -> Millis:
    local = datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=zone, fold=fold)
    return round(local.timestamp() * 1000)


def _offset(at_ms: Millis, zone: ZoneInfo) -> timedelta | None:
    return datetime.fromtimestamp(at_ms / 1000, zone).utcoffset()


def _transition(low: Millis, high: Millis, zone: ZoneInfo) -> Millis:
    """The first instant with the later offset; summer time begins and ends on whole seconds."""
    before = _offset(low, zone)
    low, high = low // 1000, high // 1000
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset(middle * 1000, zone) == before else (low, middle)
    return high * 1000


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def minutes(text: str) -> int:
    """Minutes of the day of `HH:MM`."""
    return int(text[:2]) * 60 + int(text[3:])


def _answer(kind: DayKind, day: Day) -> bool | None:
    if kind == "holiday":
        return day.holiday
    return day.worked if kind == "workday" else None if day.worked is None else not day.worked


def hours_of(zone: Zone, file: ZoneFile) -> Hours:
    """A zone's hours in the file's time zone and calendar."""
    return Hours(zone.hours, file.time_zone, file.calendar)


def counts_for(zone: Zone, counts: bool | None) -> bool:
    """Whether a zone counts, where the calendar may not be known: then it is what fines nobody wrongly.

    A forbidding zone whose hours are not known does not count; a place where standing is allowed, or that is ignored,
    does.
    """
    return counts is True if zone.kind in FORBIDDING else counts is not False


class Timetable:
    """Which zones of a file count at an instant. Keeps the last answer for as long as it holds.

    Args:
        file: the zones with their time zone and calendar.
    """

    def __init__(self, file: ZoneFile) -> None:
        self._zones = [(zone, hours_of(zone, file)) for zone in file.zone]
        self._timed = any(zone.hours for zone in file.zone)
        self._holds: tuple[Millis, Millis, Mapping[str, Millis]] | None = None

    def counting(self, at_ms: Millis) -> Mapping[str, Millis] | None:
        """Zone id -> since when it has counted without a pause (0: for days), for each that counts now.

        None: no zone of the file has hours, so that all count always.
        """
        if not self._timed:
            return None
        if self._holds is None or not self._holds[0] <= at_ms < self._holds[1]:
            last = at_ms + 86_400_000
            found: dict[str, Millis] = {}
            for zone, hours in self._zones:
                span = hours.span(at_ms)
                last = last if span.until_ms is None else min(last, span.until_ms)
                if counts_for(zone, span.counts):
                    found[zone.id] = span.since_ms or 0
            self._holds = (at_ms, last, found)
        return self._holds[2]


def local_text(at_ms: Millis, time_zone: str) -> str:
    """`20:00` on the wall of a place."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(_zone(time_zone)):%H:%M}"
