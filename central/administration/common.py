"""What all pages of the administration share: whose they are, what was refused, and where one goes back to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from central.fleet.models import Agent
from central.grids.models import Grid
from central.people.access import roles
from central.people.policy import readers, writers
from protocol.errors import PatrolError

View = Callable[..., HttpResponse]

SECTIONS = ("devices", "zones", "grids", "rosters", "services", "calendar", "people", "texts")


def reads(thing: str) -> Callable[[View], View]:
    """Open the page to the roles that may read this kind of thing (`central.people.policy`)."""
    return roles(*readers(thing))


def writes(thing: str) -> Callable[[View], View]:
    """Open the page to the roles that may change it."""
    return roles(*writers(thing))


def jurisdictions(request: HttpRequest) -> list[str]:
    """Those that the person keeps: the ones named, or for one who sees each, all that have agents or grids."""
    named = request.user.jurisdictions
    if named is not None:
        return sorted(named)
    known = {*Agent.objects.visible_to(request.user).values_list("jurisdiction_id", flat=True).distinct()}
    known |= {
        *Grid.objects.visible_to(request.user).order_by().values_list("jurisdiction_id", flat=True).distinct()
    }
    return sorted(known)


def chosen(request: HttpRequest) -> str:
    """The jurisdiction of this page: the one asked for, if it is one of the person's, else the first; '' without any."""
    mine = jurisdictions(request)
    asked = request.POST.get("j") or request.GET.get("j") or ""
    return asked if asked in mine else (mine[0] if mine else "")


def whole(request: HttpRequest) -> str:
    """The jurisdiction whose rules are to be changed: one of the person's, and all of it.

    Raises:
        Http404: it is none of the person's.
        PermissionDenied: the person keeps some of its grids alone; rules bind them all.
    """
    place = request.POST.get("j", "")
    if place not in jurisdictions(request):
        raise Http404
    if request.user.by_grid:
        raise PermissionDenied
    return place


def show(
    request: HttpRequest, page: str, context: dict[str, object], status: int = 200, *, section: str = ""
) -> HttpResponse:
    """One page with the list of all that this person may open; `section`: under which it stands, where it has another name."""
    section = section or page
    role = request.user.role
    things = {
        "devices": "fleet",
        "zones": "zones",
        "grids": "grids",
        "rosters": "rosters",
        "services": "services",
        "calendar": "calendars",
        "people": "people",
        "texts": "notice_texts",
    }
    sections = [
        (name, reverse(f"administration:{name}"), NAMES[name]())
        for name in SECTIONS
        if role in readers(things[name])
    ]
    common = {
        "sections": sections,
        "section": section,
        "section_name": NAMES[section](),
        "mine": jurisdictions(request),
        "j": chosen(request),
        "may_change": role in writers(things[section]),
        "may_change_all": role in writers(things[section]) and not request.user.by_grid,
        "nav": "administration",
    }
    return render(request, f"administration/{page}.html", {**common, **context}, status=status)


NAMES: dict[str, Callable[[], str]] = {
    "devices": lambda: _("Agents and cameras"),
    "zones": lambda: _("Zones"),
    "grids": lambda: _("Grids"),
    "rosters": lambda: _("Rosters"),
    "services": lambda: _("Categories"),
    "calendar": lambda: _("Calendar"),
    "people": lambda: _("People"),
    "texts": lambda: _("Messages"),
}


@contextmanager
def told(request: HttpRequest, done: str) -> Iterator[None]:
    """Do something in one transaction and say that it was done, or why not; nothing is half done. Without words it only looks."""
    try:
        with transaction.atomic():
            yield
    except PatrolError as error:
        messages.error(request, str(error))
    else:
        if done:
            messages.success(request, done)


def back(section: str, query: str = "", *args: object) -> HttpResponseRedirect:
    """To the page after a change, so that loading it again repeats nothing."""
    return HttpResponseRedirect(reverse(f"administration:{section}", args=args) + query)
