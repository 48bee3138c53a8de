"""Grids with the people who answer for them."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from central.administration.common import back, chosen, reads, show, told, writes
from central.grids.models import Grid
from central.grids.services import hand_over
from central.people.models import User
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
    return show(request, "grids", context)


@require_POST
@writes("grids")
def hand(request: HttpRequest, grid_id: int) -> HttpResponse:
    """Other people answer for it from now on."""
    grid = Grid.objects.visible_to(request.user).filter(pk=grid_id).first()
    if grid is None:
        raise Http404
    with told(request, _("%(grid)s was handed over.") % {"grid": grid.name}):
        people = [_person(request.POST.get(name, "").strip(), name) for name in ("primary", "deputy")]
        with unscoped("the grid was found in the person's scope above"):
            hand_over(grid.jurisdiction_id, grid.code, primary=people[0], deputy=people[1])
    return back("grids", f"?j={grid.jurisdiction_id}&q={grid.code}")


def _person(name: str, field: str) -> User | None:
    if not name:
        return None
    user = User.objects.filter(username=name, is_active=True).first()
    if user is None:
        raise PatrolError("there is no such person", field=field, value=name)
    return user
