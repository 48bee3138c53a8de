"""Days off and make-up days that are known without anybody's doing: the State Council's notices, as a library holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from central.clocks.calendar import Windows
from zones.holidays import known_years

COUNTRIES = ("cn", "none")
"""`cn`: mainland China. `none`: no days off but those set by hand; each year is known."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """Why a day is not like its weekday."""

    worked: bool
    english: str
    chinese: str


@lru_cache(maxsize=1)
def occasions() -> Mapping[date, Occasion]:
    """Days off (weekends within them too) and make-up days of all known years of mainland China."""
    from chinese_calendar import constants

    chinese = {holiday.value: holiday.chinese for holiday in constants.Holiday}
    found: dict[date, Occasion] = {}
    for table, worked in ((constants.holidays, False), (constants.workdays, True)):
        for day, name in table.items():
            if day.year in known_years():
                found[day] = Occasion(worked, str(name), chinese.get(name, str(name)))
    return found


def seeded_days(country: str, week: tuple[Windows, ...]) -> dict[date, Windows]:
    """Hours of the days that differ. A make-up day is worked by the hours of the week's first working day."""
    if country == "none":
        return {}
    usual = next(windows for windows in week if windows)
    return {day: usual if occasion.worked else () for day, occasion in occasions().items()}


def seeded_years(country: str) -> frozenset[int] | None:
    """Years that need nobody's hand; None: each."""
    return None if country == "none" else known_years()
