"""Rosters: who is on duty now and in the coming days, and new shifts by a weekly pattern."""

from __future__ import annotations

from datetime import time, timedelta
from zoneinfo import ZoneInfo

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from central.administration.common import back, chosen, jurisdictions, reads, show, told, writes
from central.clocks.calendars import calendar_for
from central.dispatch import rosters as shifts
from central.dispatch.models import Shift, TravelMode
from central.people.models import Role, User
from central.people.scopes import unscoped
from central.project.asked import day
from central.project.clock import now_ms
from protocol.errors import PatrolError

AHEAD_MS = 14 * 86_400_000
LONGEST = timedelta(days=92)


@require_safe
@reads("rosters")
def rosters(request: HttpRequest) -> HttpResponse:
    """Shifts of two weeks by the day on which they begin."""
    place = chosen(request)
    now = now_ms()
    found = (
        Shift.rows.filter(jurisdiction_id=place, to_ms__gt=now, from_ms__lt=now + AHEAD_MS)
        .select_related("officer")
        .order_by("from_ms", "officer__username")
    )
    rows = [
        {"shift": shift, "now": shift.from_ms <= now, "mode": shift.get_mode_display()} for shift in found
    ]
    context = {
        "rows": rows,
        "on_duty": sum(row["now"] for row in rows),
        "officers": [user for user in _officers() if _sees(user, place)],
        "modes": TravelMode.choices,
        "weekdays": [(n, name()) for n, name in enumerate(WEEKDAYS)],
    }
    return show(request, "rosters", context)


@require_POST
@writes("rosters")
def add(request: HttpRequest) -> HttpResponse:
    """Store shifts of a weekly pattern, all or none."""
    place = request.POST.get("j", "")
    if place not in jurisdictions(request):
        raise Http404
    with told(request, _("The shifts are stored.")):
        asked = request.POST
        zone = ZoneInfo(calendar_for(place).time_zone)
        first, last = day(asked.get("first", ""), "first"), day(asked.get("last", ""), "last")
        if not timedelta() <= last - first <= LONGEST:
            raise PatrolError(
                "give two days, the first one first, three months apart at most", field="last", value=last
            )
        wanted = list(
            shifts.weekly(
                asked.get("officer", ""),
                [int(n) for n in asked.getlist("day") if n in "0123456"],
                _time(asked.get("begins", ""), "begins"),
                _time(asked.get("ends", ""), "ends"),
                first,
                last,
                zone,
                tuple(asked.get("grids", "").split()),
                asked.get("mode", "foot"),
            )
        )
        if not wanted:
            raise PatrolError("no day of these is in the pattern", field="day", mend="Tick days of the week.")
        with unscoped("the jurisdiction is one of the person's, checked above"):
            shifts.store(place, wanted)
    return back("rosters", f"?j={place}")


@require_POST
@writes("rosters")
def remove(request: HttpRequest, shift_id: int) -> HttpResponse:
    """Take back a shift that has not begun; one that has is history."""
    shift = Shift.rows.filter(pk=shift_id, jurisdiction_id__in=jurisdictions(request)).first()
    if shift is None:
        raise Http404
    with told(request, _("The shift was taken back.")):
        deleted, _by = Shift.rows.filter(pk=shift.pk, from_ms__gt=now_ms()).delete()
        if not deleted:
            raise PatrolError("a shift that has begun stays as it is", field="shift", value=shift.pk)
    return back("rosters", f"?j={shift.jurisdiction_id}")


WEEKDAYS = (
    lambda: _("Mon"),
    lambda: _("Tue"),
    lambda: _("Wed"),
    lambda: _("Thu"),
    lambda: _("Fri"),
    lambda: _("Sat"),
    lambda: _("Sun"),
)


def _officers() -> list[User]:
    return list(
        User.objects.filter(is_active=True, role__in=[Role.OFFICER, Role.GRID_WORKER]).order_by("username")
    )


def _sees(user: User, place: str) -> bool:
    return user.jurisdictions is None or place in user.jurisdictions


def _time(text: str, field: str) -> time:
    try:
        return time.fromisoformat(text)
    except ValueError:
        raise PatrolError("not a time", field=field, value=text[:40], mend="Write it as 08:30.") from None
