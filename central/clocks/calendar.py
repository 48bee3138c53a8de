"""Working time, as a pure function of a calendar: when a promise is due, and how much of it has passed.

A minute is working time when the clock on the wall shows, at its beginning, a time within the working hours of that
date. That one sentence is the whole definition; summer time, make-up days and shortened days follow from it, and the
checks walk minute by minute by it. Here the hours of a year are laid out once as spans of UTC milliseconds with running
sums, so that each question is a look-up in a sorted list.

A due date is the *earliest* instant at which the promised time has passed: 180 working minutes from 09:00 end at
12:00, when the morning closes, and not at 13:30.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor
from zoneinfo import ZoneInfo

from central.clocks.rules import DayEnds, Unit
from protocol.clock import Millis

__all__ = ["WEEK", "Calendar", "Due", "Pause", "Windows", "due", "elapsed", "reckon"]

Windows = tuple[tuple[int, int], ...]
"""Working hours of one date: (from, to) in minutes of its wall clock, in order, apart, to at most 1440."""

Pause = tuple[Millis, Millis]
"""When a clock stood still: from, to."""

_OFFICE: Windows = ((9 * 60, 12 * 60), (13 * 60 + 30, 17 * 60 + 30))
WEEK: tuple[Windows, ...] = (*(_OFFICE,) * 5, (), ())
"""Monday to Sunday where nobody says otherwise."""

_MINUTE = 60_000
_DAY_MS = 86_400_000
_FAR_YEARS = 40
"""A promise that is not due within so many years is a mistake in its rule."""

_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Due:
    """When a promise is due.

    Attributes:
        at_ms: the instant.
        provisional: a year on the way is not known; its days were taken as plain weekdays.
    """

    at_ms: Millis
    provisional: bool = False


@dataclass(frozen=True, slots=True)
class _Layout:
    """Spans of working time from 1 January of `first` to 31 December of `last`, by the local calendar."""

    first: int
    last: int
    starts: Sequence[Millis]
    ends: Sequence[Millis]
    sums: Sequence[int]  # working ms before each span; one more at the end
    days: Sequence[int]  # ordinals of dates with working time
    day_sums: Sequence[int]  # working ms before each of them; one more at the end


@dataclass(frozen=True, eq=False)
class Calendar:
    """Working hours of one jurisdiction.

    Attributes:
        time_zone: IANA name.
        week: hours of Monday to Sunday.
        days: dates whose hours are others: none on a day off.
        known: years of which every day off is known; None: each.
    """

    time_zone: str = "Asia/Shanghai"
    week: tuple[Windows, ...] = WEEK
    days: Mapping[date, Windows] = field(default_factory=dict)
    known: frozenset[int] | None = None
    _zone: ZoneInfo = field(init=False, repr=False)
    _held: list[_Layout] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        if len(self.week) != 7 or not any(self.week):
            raise ValueError("a week has seven days and some working hours")
        for windows in (*self.week, *self.days.values()):
            edges = [minute for window in windows for minute in window]
            in_order = all(a < b for a, b in pairwise(edges))
            if not in_order or (edges and not 0 <= edges[0] <= edges[-1] <= 1440):
                raise ValueError(f"working hours must be in order, apart and within a day: {windows}")
        object.__setattr__(self, "_zone", ZoneInfo(self.time_zone))

    def hours(self, day: date) -> Windows:
        """The working hours of a date."""
        return self.days.get(day, self.week[day.weekday()])

    def is_known(self, year: int) -> bool:
        """Whether every day of this year is known."""
        return self.known is None or year in self.known

    def date_of(self, at_ms: Millis) -> date:
        """The date that the calendar on the wall shows at an instant."""
        return datetime.fromtimestamp(at_ms // 1000, self._zone).date()

    def at(self, day: date, minute: int) -> Millis:
        """The instant at which the wall clock shows this minute of a date; the first of two where it comes twice."""
        local = datetime(day.year, day.month, day.day, tzinfo=self._zone) + timedelta(minutes=minute)
        return round(local.timestamp()) * 1000

    def is_working(self, at_ms: Millis) -> bool:
        """Whether people work at an instant."""
        year = self.date_of(at_ms).year
        layout = self._layout(year, year)
        span = bisect_right(layout.starts, at_ms) - 1
        return span >= 0 and at_ms < layout.ends[span]

    def _layout(self, first: int, last: int) -> _Layout:
        """A layout of these years, and perhaps more."""
        for held in self._held[-1:]:
            if held.first <= first and last <= held.last:
                return held
            first, last = min(first, held.first), max(last, held.last)
        made = _lay_out(self, first, last)
        # One assignment: of two threads that lay out at once, one's work is kept.
        self._held[:] = [made]
        return made


def _lay_out(calendar: Calendar, first: int, last: int) -> _Layout:
    starts: list[Millis] = []
    ends: list[Millis] = []
    sums, day_sums = [0], [0]
    days: list[int] = []
    zone = calendar._zone
    day = date(first, 1, 1)
    offset = _offset(day, zone)
    while day.year <= last:
        tomorrow = day + timedelta(days=1)
        later = _offset(tomorrow, zone)
        windows = calendar.hours(day)
        if windows:
            if offset == later:
                midnight = (day.toordinal() - _EPOCH) * _DAY_MS - offset
                spans = [(midnight + a * _MINUTE, midnight + b * _MINUTE) for a, b in windows]
            else:
                spans = _walk(day, windows, zone)
            for start, end in spans:
                starts.append(start)
                ends.append(end)
                sums.append(sums[-1] + end - start)
            if sums[-1] > day_sums[-1]:
                days.append(day.toordinal())
                day_sums.append(sums[-1])
        day, offset = tomorrow, later
    return _Layout(first, last, starts, ends, sums, days, day_sums)


def _offset(day: date, zone: ZoneInfo) -> int:
    """The zone's offset at the beginning of a date, milliseconds."""
    offset = datetime(day.year, day.month, day.day, tzinfo=zone).utcoffset()
    return round((offset or timedelta()).total_seconds() * 1000)


def _walk(day: date, windows: Windows, zone: ZoneInfo) -> list[tuple[Millis, Millis]]:
    """The spans of a day on which the wall clock is put forward or back: minute by minute, by the definition."""
    spans: list[tuple[Millis, Millis]] = []
    begin = round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000 - _DAY_MS
    for at in range(begin, begin + 3 * _DAY_MS, _MINUTE):
        local = datetime.fromtimestamp(at // 1000, zone)
        minute = local.hour * 60 + local.minute
        if local.date() == day and any(a <= minute < b for a, b in windows):
            if spans and spans[-1][1] == at:
                spans[-1] = (spans[-1][0], at + _MINUTE)
            else:
                spans.append((at, at + _MINUTE))
    return spans


def due(start_ms: Millis, amount: float, unit: Unit, calendar: Calendar, *, days: DayEnds = "close") -> Due:
    """When a promise made at an instant is due.

    Args:
        start_ms: when the clock starts, UTC milliseconds; outside of working hours it waits for them.
        amount: how much, in `unit`; more than nothing.
        unit: plain or working time.
        calendar: whose working time.
        days: what a working day is; see `DayEnds`. Only for working days.

    Raises:
        ValueError: not due within decades.
    """
    return reckon(start_ms, amount, unit, calendar, days=days)


def reckon(
    start_ms: Millis,
    amount: float,
    unit: Unit,
    calendar: Calendar,
    *,
    days: DayEnds = "close",
    pauses: Sequence[Pause] = (),
) -> Due:
    """The same for a clock that stood still at times. What it stood still for is added, in its own unit.

    A pause that begins when the promise is due already changes nothing. Where days end at the close of business, a day
    of which any part was paused is made good as a whole day.

    Args:
        pauses: in order, apart from one another, none before the start.

    Raises:
        ValueError: not due within decades.
    """
    plain = _plain_ms(amount, unit)
    if plain is not None:
        at = start_ms + plain
        for begin, end in pauses:
            if begin >= at:
                break
            at += end - begin
        return Due(at)
    measure = _Measure(calendar, unit, days, start_ms)
    base, quantity = measure.base(), _quantity(amount, unit)
    stood: Fraction | int = 0
    at = measure.instant(base + quantity)
    for begin, end in pauses:
        if begin >= at:
            break
        stood += max(0, measure.position(end) - max(measure.position(begin), base))
        whole = ceil(stood) if unit == "working_days" and days == "close" else stood
        at = measure.instant(base + quantity + whole)
    return Due(at, _provisional(calendar, start_ms, at))


def elapsed(
    start_ms: Millis, end_ms: Millis, unit: Unit, calendar: Calendar, *, days: DayEnds = "close"
) -> Fraction:
    """How much time, in `unit`, has passed between two instants for a promise made at the first; never less than 0.

    The inverse of `due`: ``elapsed(start, due(start, amount).at_ms) == amount``, for working days that end at the
    close of business as well.
    """
    if end_ms <= start_ms:
        return Fraction(0)
    if unit in ("minutes", "hours"):
        return Fraction(end_ms - start_ms, _PLAIN[unit])
    measure = _Measure(calendar, unit, days, start_ms)
    passed = Fraction(max(0, measure.position(end_ms) - measure.base()))
    return passed if unit == "working_days" else passed / _PLAIN[unit]


_PLAIN: dict[str, int] = {
    "minutes": _MINUTE,
    "hours": 60 * _MINUTE,
    "working_minutes": _MINUTE,
    "working_hours": 60 * _MINUTE,
}


def _plain_ms(amount: float, unit: Unit) -> int | None:
    return round(_exact(amount) * _PLAIN[unit]) if unit in ("minutes", "hours") else None


def _quantity(amount: float, unit: Unit) -> Fraction | int:
    """Working milliseconds, or days."""
    return _exact(amount) if unit == "working_days" else round(_exact(amount) * _PLAIN[unit])


def _exact(amount: float) -> Fraction:
    """0.1 as a person means it, not as the machine stores it."""
    return Fraction(str(amount)) if isinstance(amount, float) else Fraction(amount)


def _provisional(calendar: Calendar, start_ms: Millis, at_ms: Millis) -> bool:
    if calendar.known is None:
        return False
    first, last = calendar.date_of(start_ms).year, calendar.date_of(at_ms - 1).year
    return any(year not in calendar.known for year in range(first, last + 1))


class _Measure:
    """Positions on the scale of a unit - working ms, or worked days - from a start on, and instants of positions."""

    def __init__(self, calendar: Calendar, unit: Unit, days: DayEnds, start_ms: Millis) -> None:
        self._calendar = calendar
        self._by_day = unit == "working_days"
        self._close = days == "close"
        self._start = start_ms
        self._date = calendar.date_of(start_ms)
        self._layout = calendar._layout(self._date.year - 1, self._date.year + 1)

    def base(self) -> Fraction | int:
        """Where the counting begins: for days that end at the close of business, with the end of the start's date."""
        if self._by_day and self._close:
            return bisect_right(self._layout.days, self._date.toordinal())
        return self.position(self._start)

    def position(self, at_ms: Millis) -> Fraction | int:
        """How far the scale has come at an instant that is not before the start."""
        self._reach(self._calendar.date_of(at_ms).year)
        layout = self._layout
        span = bisect_right(layout.starts, at_ms) - 1
        worked = 0 if span < 0 else layout.sums[span] + min(at_ms, layout.ends[span]) - layout.starts[span]
        if not self._by_day:
            return worked
        day = bisect_right(layout.day_sums, worked) - 1
        into = worked - layout.day_sums[day]
        if not into:
            return day
        return day + Fraction(into, layout.day_sums[day + 1] - layout.day_sums[day])

    def instant(self, position: Fraction | int) -> Millis:
        """The earliest instant at this position, which lies after the start's."""
        while position > (len(self._layout.days) if self._by_day else self._layout.sums[-1]):
            if self._layout.last - self._date.year > _FAR_YEARS:
                raise ValueError(f"not due within {_FAR_YEARS} years")
            self._reach(2 * self._layout.last - self._layout.first + 1)
        layout = self._layout
        if self._by_day:
            day = floor(position)
            worked = layout.day_sums[day]
            if position != day:
                worked += ceil((position - day) * (layout.day_sums[day + 1] - worked))
        else:
            worked = int(position)
        span = bisect_left(layout.sums, worked, 1) - 1
        return layout.ends[span] - (layout.sums[span + 1] - worked)

    def _reach(self, year: int) -> None:
        """Lay out further years. Positions count from the first year, which therefore stays."""
        if year > self._layout.last:
            longer = self._calendar._layout(self._layout.first, year)
            if longer.first != self._layout.first:
                longer = _lay_out(self._calendar, self._layout.first, year)
            self._layout = longer
