"""The calendar of working time."""

from __future__ import annotations

import calendar as months
from datetime import date

from django.http import Http404, HttpRequest, HttpResponse
from django.utils import formats
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from central.administration.common import back, chosen, reads, show, told, whole, writes
from central.clocks import calendars
from central.clocks.day_file import LARGEST, WEEKDAYS, days_of_text, read_date, read_hours, said_hours
from central.clocks.models import DayKind
from central.clocks.seed import COUNTRIES
from central.project.clock import now_ms
from protocol.errors import PatrolError

KEPT = 10
"""Changes of the weekly hours that the page lists."""


@require_safe
@reads("calendars")
def calendar(request: HttpRequest) -> HttpResponse:
    """A year as twelve months, with why a day is what it is; years that nobody knows are said loudly."""
    place = chosen(request)
    held = calendars.calendar_for(place)
    this_year = held.date_of(now_ms()).year
    asked = request.GET.get("year", "")
    year = int(asked) if asked.isdigit() and len(asked) == 4 else this_year
    try:
        days = {facts.day: facts for facts in calendars.days_of(place, year)}
    except PatrolError:
        raise Http404 from None
    grid = months.Calendar()
    shown = [
        {
            "name": formats.date_format(date(year, month, 1), "F"),
            "weeks": [
                [days[day] if day.month == month else None for day in week]
                for week in grid.monthdatescalendar(year, month)
            ],
        }
        for month in range(1, 13)
    ]
    missing = [row for row in calendars.missing_years() if row.jurisdiction_id == place]
    said = [facts for facts in days.values() if facts.reason or facts.author]
    context = {
        "year": year,
        "months": shown,
        "missing": missing,
        "said": said,
        "kinds": DayKind.choices,
        "weekdays": [formats.date_format(date(2024, 1, 1 + n), "D") for n in range(7)],
        "zone": held.time_zone,
        "week": [
            (name, formats.date_format(date(2024, 1, 1 + n), "l"), said_hours(held.week[n]))
            for n, name in enumerate(WEEKDAYS)
        ],
        "countries": [(name, COUNTRY_NAMES[name]()) for name in COUNTRIES],
        "country": calendars.country_of(place),
        "weeks": [
            (row, ", ".join(said_hours(_windows(day)) or "–" for day in row.week))
            for row in calendars.weeks_of(place)[:KEPT]
        ],
    }
    return show(request, "calendar", context)


COUNTRY_NAMES = {"cn": lambda: _("mainland China"), "none": lambda: _("nowhere: no holidays")}


@require_POST
@writes("calendars")
def set_day(request: HttpRequest) -> HttpResponse:
    """Make a date a day off, a make-up day, one of its own hours, or again what the notices say; clocks are reckoned anew."""
    place = whole(request)
    asked = request.POST
    year = ""
    with told(request, _("The calendar was changed; running clocks follow.")):
        day = read_date(asked.get("day", "")[:40], "day")
        year = f"&year={day.year}"
        kind, hours = asked.get("kind", ""), read_hours(asked.get("hours", "")[:200], "hours")
        calendars.set_day(
            place,
            day,
            kind,
            reason=_reason(request),
            author=_author(request),
            windows=hours if kind == DayKind.SHORTENED else (),
        )
    return back("calendar", f"?j={place}{year}")


@require_POST
@writes("calendars")
def set_week(request: HttpRequest) -> HttpResponse:
    """Other weekly hours, another time zone or list of holidays; running clocks are reckoned anew."""
    place = whole(request)
    asked = request.POST
    with told(request, _("The calendar was changed; running clocks follow.")):
        if not _reason(request):
            raise PatrolError("other hours need a reason", field="reason")
        calendars.set_week(
            place,
            week=[read_hours(asked.get(name, "")[:200], name) for name in WEEKDAYS],
            time_zone=asked.get("zone", "").strip()[:64],
            country=asked.get("country", ""),
            author=_author(request),
            reason=_reason(request),
        )
    return back("calendar", f"?j={place}")


@require_POST
@writes("calendars")
def import_days(request: HttpRequest) -> HttpResponse:
    """Days off and make-up days of a file, all or none; and that a year is complete with them."""
    place = whole(request)
    query = f"?j={place}"
    with told(request, _("The calendar was changed; running clocks follow.")):
        given, year = request.FILES.get("file"), request.POST.get("complete", "").strip()
        if given is None and not year:
            raise PatrolError("a file or a year is needed", field="file")
        if year and not (year.isascii() and year.isdigit() and len(year) == 4):
            raise PatrolError("this is no year of a calendar", field="year", value=year[:40])
        found = [] if given is None else days_of_text(given.read(LARGEST + 1), given.name[:100])
        outside = [change.day for change in found if year and change.day.year != int(year)]
        if outside:
            raise PatrolError(f"a day of another year than {year}", field="day", value=outside[0].isoformat())
        if year and not _reason(request):
            raise PatrolError("who vouches for a year says by what", field="reason")
        calendars.set_days(
            place,
            found,
            author=_author(request),
            complete_year=int(year) if year else None,
            reason=_reason(request),
        )
        query += f"&year={year or found[0].day.year}"
    return back("calendar", query)


def _reason(request: HttpRequest) -> str:
    return request.POST.get("reason", "").strip()


def _author(request: HttpRequest) -> str:
    return f"user:{request.user.get_username()}"


def _windows(day: list[list[int]]) -> tuple[tuple[int, int], ...]:
    return tuple((start, end) for start, end in day)
