"""Parts of the case page that other apps bring: a fragment for htmx, and a page of its own for whoever has no script.

A form in a part is a plain form. With htmx its answer takes the place of the part; without, the reader is sent on to the
part's own page, so that loading it again repeats nothing. A refusal stands beside the form that it is about.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _

from central.cases.models import Case
from central.people.models import User, share_any
from central.project.clock import now_ms

HEADER = "X-Patrol-Part"
"""Marks an answer that may take the place of a part, also where its status says that something was refused."""

PEOPLE = 300
"""So many people are offered in a form."""

MISSING, ELSEWHERE = 422, 409
"""What came is not right; what came is right, and the case stands elsewhere by now."""

SOON_MS = 10 * 60_000


@dataclass(frozen=True, slots=True)
class Wrong:
    """Why a form was not taken.

    Args:
        form: its name in the template, such as ``pause-12``.
        text: what is wrong, in the reader's language.
        field: the field at fault, if one is.
        status: of HTTP.
        given: what was typed, so that nobody types it twice.
    """

    form: str
    text: str
    field: str = ""
    status: int = MISSING
    given: Any = None


def find(request: HttpRequest, case_id: int) -> Case:
    """The case, if it lies in the reader's scope; else 404."""
    seen = Case.objects.visible_to(request.user).select_related("grid", "reporter")
    found: Case = get_object_or_404(seen, pk=case_id)
    return found


def show(
    request: HttpRequest,
    case: Case,
    part: str,
    context: dict[str, Any],
    *,
    wrong: Wrong | None = None,
    said: str = "",
    where: str = "",
) -> HttpResponse:
    """A part as it stands now.

    Args:
        request: htmx gets the part alone, everybody else a page that holds it.
        case: which the part is about.
        part: its template.
        context: what the template needs.
        wrong: what was refused.
        said: what was done.
        where: the section that says it, where a part has several.
    """
    whole = {
        "case": case,
        "wrong": wrong,
        "said": said,
        "where": where,
        "now_ms": now_ms(),
        "nav": "board",
        **context,
    }
    template = part if request.htmx else "pages/part.html"
    status = 200 if wrong is None else wrong.status
    response = render(request, template, {**whole, "part": part}, status=status)
    response[HEADER] = "1"
    return response


def sent_on(request: HttpRequest, name: str, case: Case, said: str) -> HttpResponseRedirect:
    """To the part's own page after a plain form, with a word of what was done."""
    messages.success(request, said)
    return HttpResponseRedirect(reverse(name, args=[case.pk]))


def names(actors: Iterable[str]) -> dict[str, str]:
    """Actors of histories by what people call them."""
    wanted = set(actors)
    logins = {name for kind, _colon, name in (actor.partition(":") for actor in wanted) if kind == "user"}
    people = {user.get_username(): user.shown_name for user in User.objects.filter(username__in=logins)}
    return {actor: _called(actor, people) for actor in wanted}


def colleagues(user: User, roles: Iterable[str]) -> list[User]:
    """Active people with one of these roles who share a jurisdiction with this person, by name."""
    found = User.objects.filter(is_active=True, role__in=list(roles)).order_by("first_name", "username")
    return [other for other in found[:PEOPLE] if share_any(user.jurisdictions, other.jurisdictions)]


def _called(actor: str, people: dict[str, str]) -> str:
    kind, _colon, name = actor.partition(":")
    if actor in {"system", "centre"}:
        return _("the centre")
    return people.get(name, name) if kind == "user" else name or kind


def urgency(due_at_ms: int | None) -> str:
    """late: the deadline has passed; soon: within ten minutes; calm: later; none: nothing is due."""
    if due_at_ms is None:
        return "none"
    left = due_at_ms - now_ms()
    return "late" if left <= 0 else "soon" if left <= SOON_MS else "calm"
