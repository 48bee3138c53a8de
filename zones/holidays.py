"""Which days are worked and which are public holidays. A year that is not known is said so, never guessed.

Source for the mainland: the State Council's yearly notices on holidays and make-up days, as the package
`chinesecalendar` holds them; it is brought up to date each November, when the next year's notice is out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from zones.rules import Calendar

_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Day:
    """What a calendar says of a day.

    Attributes:
        worked: a working day, make-up days at weekends included; None: not known.
        holiday: a public holiday, with the weekend days that belong to it; None: not known.
    """

    worked: bool | None
    holiday: bool | None


@lru_cache(maxsize=4096)
def day_of(calendar: Calendar, day: date) -> Day:
    """What the calendar says of a day: the file's own lists first, then the country's."""
    if day in calendar.holidays:
        return Day(worked=False, holiday=True)
    if day in calendar.workdays:
        return Day(worked=True, holiday=False)
    if calendar.country == "none" or day.year in calendar.years:
        return Day(worked=day.weekday() < _SATURDAY, holiday=False)
    if day.year not in known_years():
        return Day(worked=None, holiday=None)
    from chinese_calendar import get_holiday_detail, is_workday

    off, name = get_holiday_detail(day)
    return Day(worked=is_workday(day), holiday=off and name is not None)


def is_known(calendar: Calendar, year: int) -> bool:
    """Whether every day of a year is known."""
    return calendar.country == "none" or year in calendar.years or year in known_years()


@lru_cache(maxsize=1)
def known_years() -> frozenset[int]:
    """Years that the package knows in full. One whose notice is only partly in it (January's days often come first,
    with the year before) is not known: October's holiday must be there as well."""
    from chinese_calendar.constants import holidays

    months: dict[int, set[int]] = {}
    for day in holidays:
        months.setdefault(day.year, set()).add(day.month)
    return frozenset(year for year, seen in months.items() if {1, 5, 10} <= seen)
