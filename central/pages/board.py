"""The live list: every task, newest first, with the health of cameras and agents above it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from central.pages import queries
from central.people.access import EVERYONE, roles
from central.people.models import Role


@require_safe
@roles(*EVERYONE)
def home(request: HttpRequest) -> HttpResponse:
    """Where a person begins after logging in."""
    return redirect("pages:officer" if request.user.role == Role.OFFICER else "pages:board")


@require_safe
@roles(*EVERYONE)
def board(request: HttpRequest) -> HttpResponse:
    """The whole page, or its living part where htmx asks for it."""
    shown = request.GET.get("show", "all")
    if shown not in queries.FILTERS:
        shown = "all"
    before = request.GET.get("before", "")
    context = {
        "page": queries.task_page(request.user, shown, before),
        "counts": queries.counts(request.user),
        "fleet": queries.fleet(request.user),
        "show": shown,
        "before": before,
        "filters": list(queries.FILTERS),
        "nav": "board",
    }
    template = "pages/_board.html" if request.htmx else "pages/board.html"
    return render(request, template, context)
