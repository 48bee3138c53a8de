"""Grids with the people who answer for them."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from central.administration.common import back, chosen, reads, show, told, writes
from central.dispatch import rerouting, services
from central.dispatch.models import ReroutedCase, RerouteState
from central.grids.models import Grid
from central.grids.services import hand_over
from central.people.access import roles
from central.people.models import Role, User
from central.people.scopes import unscoped
from protocol.errors import PatrolError

PAGE = 100


@require_safe
@reads("grids")
def grids(request: HttpRequest) -> HttpResponse:
    """The tree by code, with its people; leaves without a primary are counted above it."""
    asked = request.GET.get("q", "").strip()[:60]
    level = request.GET.get("level", "")
    tree = Grid.objects.visible_to(request.user).filter(jurisdiction_id=chosen(request))
    found = tree.select_related("parent", "primary", "deputy").order_by("level", "code")
    if asked:
        found = found.filter(Q(code__icontains=asked) | Q(name__icontains=asked))
    if level in {"1", "2", "3", "4"}:
        found = found.filter(level=int(level))
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    levels = {row["level"]: row["n"] for row in tree.order_by().values("level").annotate(n=Count("pk"))}
    unanswered = tree.filter(level=4, primary__isnull=True).count()
    context = {"page": page, "q": asked, "level": level, "levels": levels, "unanswered": unanswered}
    return show(request, "grids", {**context, **_asked(request)})


def _asked(request: HttpRequest) -> dict[str, Any]:
    """Accepted tasks of officers who no longer answer for the place, in the person's scope."""
    mine = ReroutedCase.objects.visible_to(request.user).filter(state=RerouteState.ASKED)
    numbers = list(mine.values_list("pk", flat=True)[:PAGE])
    with unscoped("rows found in the person's scope above"):
        questions = list(rerouting.questions().filter(pk__in=numbers)) if numbers else []
    return {"questions": questions, "may_decide": request.user.role == Role.DISPATCHER}


@require_POST
@roles(Role.DISPATCHER)
def decide(request: HttpRequest, number: int) -> HttpResponse:
    """An accepted task stays with its officer though the grid was handed over, or goes to the one who is named."""
    step = ReroutedCase.objects.visible_to(request.user).filter(pk=number).first()
    if step is None or step.order_id is None:
        raise Http404
    name, reason = request.POST.get("officer", "").strip(), request.POST.get("reason", "")
    if name:
        with told(request, _("The task was given to %(name)s.") % {"name": name}):
            to = _person(name, "officer")
            assert to is not None
            services.reassign(step.order_id, request.user, to, reason)
    else:
        with told(request, _("The task stays with the officer.")):
            rerouting.keep(number, request.user, reason)
    return back("grids")


@require_POST
@writes("grids")
def hand(request: HttpRequest, grid_id: int) -> HttpResponse:
    """Other people answer for it from now on."""
    grid = Grid.objects.visible_to(request.user).filter(pk=grid_id).first()
    if grid is None:
        raise Http404
    move = request.POST.get("move") == "1"
    if "preview" in request.POST:
        found: dict[str, Any] = {"trial_grid": grid.pk, "trial_move": move}
        with told(request, ""), unscoped("the grid was found in the person's scope above"):
            people = _named(request)
            found["trial"] = rerouting.preview(grid, people[0], people[1], move_accepted=move)
            found["trial_people"] = people
        if "trial" in found:
            return _tried(request, grid, found)
        return back("grids", f"?j={grid.jurisdiction_id}&q={grid.code}")
    with told(request, _("%(grid)s was handed over.") % {"grid": grid.name}):
        people = _named(request)
        with unscoped("the grid was found in the person's scope above"):
            hand_over(
                grid.jurisdiction_id,
                grid.code,
                primary=people[0],
                deputy=people[1],
                by=request.user,
                reason=request.POST.get("reason", "").strip(),
                move_accepted=move,
            )
    return back("grids", f"?j={grid.jurisdiction_id}&q={grid.code}")


def _named(request: HttpRequest) -> list[User | None]:
    return [_person(request.POST.get(name, "").strip(), name) for name in ("primary", "deputy")]


def _tried(request: HttpRequest, grid: Grid, found: dict[str, Any]) -> HttpResponse:
    """The page with what the handing-over would do; nothing was changed."""
    page = Paginator(Grid.objects.visible_to(request.user).filter(pk=grid.pk), 1).get_page(1)
    context = {"page": page, "q": grid.code, "level": "", "levels": {}, "unanswered": 0}
    return show(request, "grids", {**context, **_asked(request), **found})


def _person(name: str, field: str) -> User | None:
    if not name:
        return None
    user = User.objects.filter(username=name, is_active=True).first()
    if user is None:
        raise PatrolError("there is no such person", field=field, value=name)
    return user
