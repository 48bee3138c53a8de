"""What the rules of time and the exemptions of a zone file say that is probably not meant."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from zones.holidays import is_known
from zones.hours import BY_CALENDAR, minutes
from zones.model import FORBIDDING, Zone, ZoneFile
from zones.rules import Calendar, Exemption, Window

if TYPE_CHECKING:
    from zones.lint import Remark

_WEEK = frozenset({"mon", "tue", "wed", "thu", "fri", "sat", "sun"})
_DAY = 24 * 60


def lint_hours(file: ZoneFile, years: Collection[int] = ()) -> tuple[Remark, ...]:
    """Look for hours that never come, calendars that are not known, and exemptions that do nothing or too much.

    Args:
        file: a valid file.
        years: the years to come in which it shall be right, the current one first; none: years are not looked at.
    """
    return tuple(remark for zone in file.zone for remark in _of_zone(zone, file, years))


def calendar_gaps(file: ZoneFile, years: Collection[int]) -> Iterator[tuple[Zone, int]]:
    """Each zone whose hours or exemptions need the calendar of a year that nobody knows, with the year."""
    for zone in file.zone:
        windows = (*zone.hours, *(window for exemption in zone.exempt for window in exemption.hours))
        if any(BY_CALENDAR.intersection(window.days) for window in windows):
            for year in years:
                if not is_known(file.calendar, year):
                    yield zone, year


def _of_zone(zone: Zone, file: ZoneFile, years: Collection[int]) -> Iterator[Remark]:
    from zones.lint import Remark

    dead = [number for number, w in enumerate(zone.hours, start=1) if _never(w, file.calendar)]
    if dead and len(dead) == len(zone.hours):
        yield Remark(
            "hours_never",
            zone.id,
            None,
            "never counts: its hours are on public holidays only, and the calendar has none",
            "Give the calendar a country or holidays, or give the zone other days.",
        )
    else:
        for number in dead:
            yield Remark(
                "hours_never",
                zone.id,
                None,
                f"window {number} of its hours never comes: the calendar has no public holidays",
                "Give the calendar a country or holidays, or remove the window.",
            )
    for number, window in enumerate(zone.hours, start=1):
        other = next(
            (
                n
                for n, wider in enumerate(zone.hours, start=1)
                if n != number and _within(window, wider) and not (_within(wider, window) and n > number)
            ),
            None,
        )
        if other is not None:
            yield Remark(
                "hours_repeated",
                zone.id,
                None,
                f"window {number} of its hours lies within window {other}",
                "Remove it, or mend its days or times.",
            )
    for _, year in calendar_gaps(file.model_copy(update={"zone": (zone,)}), years):
        what = (
            "it does not count on such days"
            if zone.kind in FORBIDDING and zone.hours
            else "it counts, or exempts, as if the hours held"
        )
        yield Remark(
            "calendar_unknown",
            zone.id,
            None,
            f"its hours need the holidays of {year}, which are not known yet; {what} in {year}",
            f"Bring the package chinesecalendar up to date, or list all holidays and workdays of {year} under [calendar] "
            f"and add years = [{year}].",
        )
    for number, exemption in enumerate(zone.exempt, start=1):
        yield from _of_exemption(zone, exemption, number, file.calendar)


def _of_exemption(zone: Zone, exemption: Exemption, number: int, calendar: Calendar) -> Iterator[Remark]:
    from zones.lint import Remark

    what = f"exemption {number} ({exemption.reason})"
    if zone.kind not in FORBIDDING:
        yield Remark(
            "exempt_unused",
            zone.id,
            None,
            f"{what} does nothing: a zone of the kind {zone.kind} forbids nothing",
            "Move it to the zone that forbids standing there.",
        )
        return
    foreign = [name for name in exemption.classes if name not in zone.classes]
    if exemption.classes and len(foreign) == len(exemption.classes):
        yield Remark(
            "exempt_never",
            zone.id,
            None,
            f"{what} is for {', '.join(foreign)}, which the zone is not about",
            "Remove it, or mend its classes.",
        )
    elif exemption.hours and all(_never(window, calendar) for window in exemption.hours):
        yield Remark(
            "exempt_never",
            zone.id,
            None,
            f"{what} never applies: the calendar has no public holidays",
            "Give the calendar a country or holidays, or give the exemption other days.",
        )
    whole = not exemption.classes or set(zone.classes) <= set(exemption.classes)
    always = not exemption.hours or any(
        set(w.days) >= _WEEK and minutes(w.from_) == 0 and minutes(w.to) == _DAY for w in exemption.hours
    )
    if whole and always and not (exemption.plates or exemption.permit or exemption.up_to_s):
        yield Remark(
            "exempt_everybody",
            zone.id,
            None,
            f"{what} exempts every vehicle at all times, so there will never be a case",
            "Give it a condition, or remove the zone.",
        )


def _never(window: Window, calendar: Calendar) -> bool:
    return set(window.days) == {"holiday"} and calendar.country == "none" and not calendar.holidays


def _within(window: Window, wider: Window) -> bool:
    start, end = minutes(window.from_), minutes(window.to)
    first, last = minutes(wider.from_), minutes(wider.to)
    end, last = end + _DAY * (end <= start), last + _DAY * (last <= first)
    return set(window.days) <= set(wider.days) and first <= start and end <= last
