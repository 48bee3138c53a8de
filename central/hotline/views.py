"""The desk: today's calls, and one call with what followed from it."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from central.hotline import calls, errands
from central.hotline.common import configured, show, title
from central.hotline.errand_views import row
from central.hotline.models import Call, ErrandKind
from central.people import access_log, policy
from central.people.access import roles
from central.project.clock import local_day, midnight_ms, now_ms

LISTED = 100
WHY_LENGTH = 300


@require_safe
@roles(*policy.readers("hotline"))
def desk(request: HttpRequest) -> HttpResponse:
    """Today's calls, and how much waits to be done."""
    found = list(
        Call.objects.visible_to(request.user)
        .filter(started_at_ms__gte=midnight_ms(local_day(now_ms())))
        .select_related("case", "taken_by", "reporter")
        .order_by("-started_at_ms", "-pk")[:LISTED]
    )
    settings, trouble = configured()
    numbers = calls.masked_numbers(found) if request.user.role in policy.readers("hotline_contacts") else {}
    rows = [
        {
            "call": call,
            "number": numbers.get(call.pk, ""),
            "subject": title(settings.subject(call.subject), call.subject),
            "minutes": max(1, round((call.ended_at_ms - call.started_at_ms) / 60_000)),
        }
        for call in found
    ]
    waiting = [
        {"label": ErrandKind(kind).label, "url": f"{reverse('hotline:due')}?kind={kind}", **counts}
        for kind, counts in errands.waiting(request.user).items()
    ]
    context = {"rows": rows, "waiting": waiting, "trouble": trouble}
    return show(request, "desk", "hotline/desk.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@roles(*policy.readers("hotline"))
def call(request: HttpRequest, call_id: int) -> HttpResponse:
    """One call. Who rang is shown to those who telephone; of a call told in confidence only with a reason. Each look is kept."""
    seen = Call.objects.visible_to(request.user).select_related("case", "taken_by", "reporter")
    found: Call = get_object_or_404(seen, pk=call_id)
    settings, _trouble = configured()
    may_look = request.user.role in policy.readers("hotline_contacts")
    context: dict[str, Any] = {
        "call": found,
        "subject": title(settings.subject(found.subject), found.subject),
        "may_look": may_look,
        "rows": [row(errand, request.user) for errand in found.errands.order_by("due_at_ms", "pk")],
        "key": uuid.uuid4(),
        "here": request.path,
    }
    status = 200
    if request.method == "POST":
        why = request.POST.get("why", "").strip()
        if not may_look:
            status = 403
        elif not 2 <= len(why) <= WHY_LENGTH:
            context["wrong"], status = True, 422
        else:
            context["contact"] = _look(request, found, why)
    elif may_look and not found.confidential and request.user.role in policy.writers("hotline"):
        context["contact"] = _look(request, found, access_log.TELEPHONE)
    context["hidden"] = found.confidential and "contact" not in context
    return show(request, "desk", "hotline/call.html", context, status)


# An auditor's look changes nothing but the log of looks.
call.patrol_reads = True  # type: ignore[attr-defined]


def _look(request: HttpRequest, found: Call, why: str) -> Any:
    access_log.note_read(request, found, access_log.CONTACT, why, subject=access_log.CALL)
    return calls.contact(found)
