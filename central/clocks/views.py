"""Alerts of the person who is logged in, and the answers to a whistle."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from central.clocks import alerts as desk
from central.clocks import case_part, whistle, wording
from central.clocks.models import Alert, WhistleParty
from central.people.access import EVERYONE, roles
from protocol.errors import PatrolError

PAGE = 50


@require_safe
@roles(*EVERYONE)
def alerts(request: HttpRequest) -> HttpResponse:
    """The whole page, or its living part where htmx asks for it. `?show=all` has those that were read as well."""
    shown = "all" if request.GET.get("show") == "all" else "open"
    template = "clocks/_alerts.html" if request.htmx else "clocks/alerts.html"
    return render(request, template, _context(request, shown))


@require_safe
@roles(*EVERYONE)
def count(request: HttpRequest) -> HttpResponse:
    """How many are open: a fragment for the bar of every page; empty where there are none."""
    return render(request, "clocks/_count.html", {"count": _count(request)})


@require_POST
@roles(*EVERYONE)
def take_note(request: HttpRequest, alert_id: int) -> HttpResponse:
    """The person has read it."""
    try:
        desk.take_note(alert_id, request.user)
    except Alert.DoesNotExist:
        raise Http404 from None
    return _back(request)


@require_POST
@roles(*EVERYONE)
def acknowledge(request: HttpRequest, party_id: int) -> HttpResponse:
    """One who was called says that he heard; a dispatcher says so for a department, with a note.

    `from=case` in the form: it stands on the case page, and its answer goes there.
    """
    on_case = request.POST.get("from") == "case"
    try:
        whistle.acknowledge(party_id, request.user, request.POST.get("note", ""))
    except WhistleParty.DoesNotExist:
        raise Http404 from None
    except PatrolError as error:
        if on_case:
            return case_part.answered(request, party_id, error)
        return HttpResponse(str(error), status=409, content_type="text/plain; charset=utf-8")
    return case_part.answered(request, party_id, None) if on_case else _back(request)


def _back(request: HttpRequest) -> HttpResponse:
    """The list as it is now; the page's other parts hear that it has changed."""
    if not request.htmx:
        return HttpResponseRedirect(reverse("clocks:alerts"))
    response = render(request, "clocks/_alerts.html", _context(request, "open"))
    response["HX-Trigger"] = "alerts-changed"
    return response


def _context(request: HttpRequest, shown: str) -> dict[str, Any]:
    found: QuerySet[Alert] = Alert.objects.visible_to(request.user).select_related("case", "read_by")
    if shown == "open":
        found = found.filter(read_at_ms__isnull=True)
    rows = [_row(alert) for alert in found.order_by("-at_ms", "-pk")[:PAGE]]
    return {
        "alerts": rows,
        "show": shown,
        "count": _count(request),
        "calls": _calls(request),
        "nav": "alerts",
    }


def _row(alert: Alert) -> dict[str, Any]:
    return {"alert": alert, "text": wording.alert_text(alert), "urgent": alert.kind != "clock_warning"}


def _count(request: HttpRequest) -> int:
    found: QuerySet[Alert] = Alert.objects.visible_to(request.user)
    return found.filter(read_at_ms__isnull=True).count()


def _calls(request: HttpRequest) -> list[WhistleParty]:
    """Whistles that wait for this person's answer."""
    waiting = WhistleParty.objects.filter(
        user=request.user,
        acknowledged_at_ms__isnull=True,
        excused_at_ms__isnull=True,
        whistle__ended_at_ms__isnull=True,
    )
    return list(waiting.select_related("whistle__case", "whistle__blown_by", "clock").order_by("pk"))
