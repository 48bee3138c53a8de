"""The command centre: live cases with their clocks beside the map, figures and health above them."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST, require_safe

from central.cases.models import Case
from central.pages import cases, listing, queries, rows
from central.pages.appearance import CHOICES, keep
from central.pages.capabilities import offered_to
from central.pages.filters import Filters
from central.people import policy
from central.people.access import EVERYONE, own_account, roles
from central.people.models import Role
from central.project.asked import next_page, whole
from central.project.clock import now_ms


@require_safe
@roles(*EVERYONE)
def home(request: HttpRequest) -> HttpResponse:
    """Where a person begins after logging in."""
    return redirect("pages:officer" if request.user.role in policy.FIELD else "pages:board")


@require_safe
@roles(*EVERYONE)
def board(request: HttpRequest) -> HttpResponse:
    """The whole page, or its living part where htmx asks for it."""
    filters = Filters.read(request.GET)
    page = listing.page(request.user, filters)
    context = {
        "page": page,
        "rows": rows.render(page.rows),
        "counts": queries.counts(request.user),
        "fleet": queries.fleet(request.user),
        "filters": filters,
        "address": filters.address(before=filters.before),
        "map_query": filters.address(),
        "now_ms": now_ms(),
        "wall": request.GET.get("wall") == "1",
        "nav": "board",
    }
    if request.htmx and not request.htmx.history_restore_request:
        response = render(request, "pages/_board.html", context)
        if request.htmx.boosted or request.htmx.trigger == "filters":
            response["HX-Push-Url"] = request.path + context["address"]
        return response
    context["picks"] = picks(queries.choices(request.user, filters.grid), filters)
    context |= _opened(request)
    return render(request, "pages/board.html", context)


def picks(choices: queries.Choices, filters: Filters) -> SafeString:
    """The lists to choose from in the filter bar: hundreds of lines, which Jinja2 writes in a tenth of the time."""
    context = {"choices": choices, "filters": filters}
    return SafeString(render_to_string("pages/picks.html", context, using="jinja2"))


def _opened(request: HttpRequest) -> dict[str, object]:
    """What the panel shows where the address names a case: `?case=7`."""
    number = whole(request.GET.get("case", ""))
    if number is None:
        return {}
    visible = Case.objects.visible_to(request.user)
    case = cases.with_all(visible).filter(pk=number).first()
    return {} if case is None else {"opened": case.pk, **cases.context_of(request, case)}


@require_safe
@roles(*EVERYONE)
def services(request: HttpRequest) -> HttpResponse:
    """What else the centre does, one door each."""
    return render(request, "pages/services.html", {"doors": offered_to(request.user), "nav": "services"})


@require_POST
@own_account
def appearance(request: HttpRequest) -> HttpResponse:
    """Light, dark or as the system says; more contrast or not. Kept in this browser."""
    response = redirect(next_page(request, "/"))
    for name, values in CHOICES.items():
        if request.POST.get(name) in values:
            keep(response, name, request.POST[name])
    return response


@require_safe
@roles(Role.ADMINISTRATOR)
def design(request: HttpRequest) -> HttpResponse:
    """Every part of the design system on one page."""
    now = now_ms()
    clocks = [
        ("late", now - 191_000),
        ("soon", now + 252_000),
        ("calm", now + 1_500_000),
        ("calm", now + 9e7),
    ]
    return render(request, "pages/design.html", {"clocks": clocks, "now_ms": now, "nav": "design"})
