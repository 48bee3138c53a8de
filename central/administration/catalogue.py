"""The calendar of working time, and the texts that owners get."""

from __future__ import annotations

import calendar as months
from datetime import UTC, date, datetime

from django.http import Http404, HttpRequest, HttpResponse
from django.utils import formats, translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from central.administration.common import back, chosen, jurisdictions, reads, show, told, writes
from central.clocks import calendars
from central.clocks.models import DayKind
from central.project.clock import now_ms
from notifier.notice import LANGUAGES, Bay, NoticeFacts, render, told_deadline
from protocol.errors import PatrolError

SAMPLE_GRACE_MS = 600_000


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
    }
    return show(request, "calendar", context)


@require_POST
@writes("calendars")
def set_day(request: HttpRequest) -> HttpResponse:
    """Make a date a day off, a make-up day, or again what the notices say; running clocks are reckoned anew."""
    place = request.POST.get("j", "")
    if place not in jurisdictions(request):
        raise Http404
    year = ""
    with told(request, _("The calendar was changed; running clocks follow.")):
        try:
            day = date.fromisoformat(request.POST.get("day", ""))
        except ValueError:
            raise PatrolError("not a date", field="day", value=request.POST.get("day", "")[:40]) from None
        year = f"&year={day.year}"
        kind, reason = request.POST.get("kind", ""), request.POST.get("reason", "").strip()
        author = f"user:{request.user.get_username()}"
        calendars.set_day(place, day, kind, reason=reason, author=author)
    return back("calendar", f"?j={place}{year}")


@require_safe
@reads("notices")
def texts(request: HttpRequest) -> HttpResponse:
    """The warning as an owner would read it now, in each language, with its length as phone networks count it."""
    now = now_ms()
    zone = calendars.calendar_for(chosen(request)).time_zone
    rows = []
    for language in LANGUAGES:
        # The place and the sender are in the words of the message, whatever language the page is in.
        with translation.override("en" if language == "en" else "zh-hans"):
            facts = NoticeFacts(
                plate="京A12345",
                place=_("in front of 12 Sanlihe Road"),
                deadline_ms=told_deadline(now, SAMPLE_GRACE_MS),
                time_zone=zone,
                reference="7KQ2",
                sender=_("Sub-district office"),
                link="https://example.org/n/4f7a2c",
                bays=(Bay("P1", 120), Bay("P3", 260)),
                opt_out="TD",
            )
        notice = render(facts, language)
        rows.append({"language": language, "text": notice.text, "size": notice.size._asdict()})
    return show(request, "texts", {"rows": rows, "at": datetime.fromtimestamp(now / 1000, UTC)})
