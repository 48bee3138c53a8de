"""What all pages of the hotline share: their tabs, whose they are, and refusals in the reader's words."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from central.fleet.models import Agent
from central.grids.models import Grid
from central.hotline import config
from central.hotline.config import HotlineFile, Subject
from central.hotline.words import REFUSALS
from central.people import policy
from central.people.models import User
from central.project.clock import now_ms
from protocol.errors import PatrolError


def jurisdictions(user: User) -> list[str]:
    """Those that a person serves: the ones named, or for one who sees each, all that have agents or grids."""
    if user.jurisdictions is not None:
        return sorted(user.jurisdictions)
    agents = Agent.objects.visible_to(user).order_by().values_list("jurisdiction_id", flat=True)
    grids = Grid.objects.visible_to(user).order_by().values_list("jurisdiction_id", flat=True)
    return sorted({*agents.distinct(), *grids.distinct()})


def chosen(request: HttpRequest) -> str:
    """The jurisdiction asked for, if it is one of the person's, else the first; '' without any."""
    mine = jurisdictions(request.user)
    asked = request.POST.get("j") or request.GET.get("j") or ""
    return asked if asked in mine else (mine[0] if mine else "")


def configured() -> tuple[HotlineFile, str]:
    """The configuration, and what is wrong with the operator's file where the shipped subjects stand in for it."""
    try:
        return config.load(), ""
    except PatrolError as error:
        return config.check(config.SHIPPED), str(error.problem)


def title(subject: Subject | None, code: str = "") -> str:
    """What a subject is called in the reader's language."""
    return code if subject is None else subject.titles.text(get_language() or "")


def show(
    request: HttpRequest, section: str, template: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    """One page with the tabs of all that this person may open."""
    role = request.user.role
    tabs = [
        (name, reverse(view), words)
        for name, view, words, thing in (
            ("desk", "hotline:desk", _("Today"), "hotline"),
            ("new", "hotline:new", _("New call"), ""),
            ("due", "hotline:due", _("To do"), "hotline_errands"),
            ("city", "hotline:city", _("City"), "hotline_city"),
            ("figures", "hotline:figures", _("Figures"), "hotline"),
        )
        if (role in policy.readers(thing) if thing else role in policy.writers("hotline"))
    ]
    common = {
        "tabs": tabs,
        "section": section,
        "nav": "services",
        "now_ms": now_ms(),
        "may_take": role in policy.writers("hotline"),
    }
    return render(request, template, {**common, **context}, status=status)


def refusal(error: PatrolError) -> str:
    """Why it was not done, in the reader's language."""
    found = REFUSALS.get(error.field or "") or REFUSALS.get(error.problem)
    return str(found or _("This cannot be stored: %(why)s") % {"why": error.problem})
