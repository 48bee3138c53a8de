"""People: who may log in, as what, for where. Nobody changes himself, and nobody gives more than he has."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib import messages
from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from central.administration.common import back, reads, show, told, writes
from central.grids.models import Grid
from central.people import services
from central.people.account import confirmed
from central.people.models import Role, User
from central.people.scopes import subtree, unscoped
from central.people.second_factor import has_second_factor
from protocol.errors import PatrolError


@require_safe
@never_cache
@reads("people")
def people(request: HttpRequest) -> HttpResponse:
    """Everybody whose scope lies within the reader's, open accounts first."""
    found = User.objects.order_by("-is_active", "username")
    found = found.prefetch_related(
        Prefetch("grids", Grid.objects.visible_to(request.user), to_attr="shown_grids")
    )
    rows = [
        {
            "user": user,
            "scope": _("everywhere") if user.jurisdictions is None else ", ".join(user.jurisdictions) or "–",
            "grids": [grid.code for grid in user.shown_grids] if user.by_grid else [],
            "factor": has_second_factor(user),
            "self": user.pk == request.user.pk,
        }
        for user in found
        if _reaches(request.user, user)
    ]
    return show(request, "people", {"rows": rows, "roles": Role.choices, "scope": _own_scope(request.user)})


@require_POST
@writes("people")
@confirmed
def add(request: HttpRequest) -> HttpResponse:
    """Make a person, and a link that lets him in once."""
    asked = request.POST
    name = asked.get("name", "").strip()
    user = None
    with told(request, _("%(name)s may log in.") % {"name": name}):
        scope = _scope(request, asked.get("scope", ""))
        user = services.add_user(
            name, asked.get("role", ""), scope=scope, full_name=asked.get("full_name", "").strip()
        )
        codes = asked.get("grids", "").split()
        if codes or request.user.by_grid:
            _set_scope(request, user, scope, codes)
    if user is not None and user.pk is not None and User.objects.filter(pk=user.pk).exists():
        _tell_link(request, user)
    return back("people")


@require_POST
@writes("people")
@confirmed
def change(request: HttpRequest, user_id: int) -> HttpResponse:
    """Role and scope from the person's next click on."""
    user = _other(request, user_id)
    asked = request.POST
    with told(request, _("%(name)s was changed.") % {"name": user.get_username()}):
        scope = _scope(request, asked.get("scope", ""))
        services.set_role(user, asked.get("role", ""))
        _set_scope(request, user, scope, asked.get("grids", "").split() or None)
    return back("people")


@require_POST
@writes("people")
def open_or_close(request: HttpRequest, user_id: int) -> HttpResponse:
    """Close an account, or open it again; a closed one is logged out everywhere."""
    user = _other(request, user_id)
    active = request.POST.get("active") == "1"
    done = _("%(name)s may log in again.") if active else _("%(name)s can no longer log in.")
    with told(request, done % {"name": user.get_username()}):
        services.set_active(user, active)
    return back("people")


@require_POST
@writes("people")
@confirmed
def new_link(request: HttpRequest, user_id: int) -> HttpResponse:
    """A link that logs the person in once, for one who has lost his password."""
    user = _other(request, user_id)
    if not user.is_active:
        raise Http404
    _tell_link(request, user)
    return back("people")


@require_POST
@writes("people")
@confirmed
def reset_factor(request: HttpRequest, user_id: int) -> HttpResponse:
    """Forget the second factor of one who has lost his phone."""
    user = _other(request, user_id)
    with told(request, _("The second factor of %(name)s was reset.") % {"name": user.get_username()}):
        services.reset_second_factor(user)
    return back("people")


def _set_scope(request: HttpRequest, user: User, scope: str, codes: list[str] | None) -> None:
    """Raises `PatrolError` where an administrator by grid names no grid, or one that is none of his."""
    if request.user.by_grid:
        own = Grid.objects.visible_to(request.user).filter(code__in=codes or ())
        others = {*(codes or [""])} - {*own.values_list("code", flat=True)}
        if others:
            raise PatrolError(
                "this reaches further than your own scope", field="grids", value=min(others)[:60]
            )
    with unscoped("the scope was found to lie within the administrator's own"):
        services.set_scope(user, scope, codes)


def _tell_link(request: HttpRequest, user: User) -> None:
    link = request.build_absolute_uri(reverse("people:login-link", args=[services.make_login_link(user)]))
    said = _("A link for %(name)s, good for 15 minutes and once:") % {"name": user.get_username()}
    messages.info(request, f"{said} {link}")


def _other(request: HttpRequest, user_id: int) -> User:
    user = User.objects.filter(pk=user_id).exclude(pk=request.user.pk).first()
    if user is None or not _reaches(request.user, user):
        raise Http404
    return user


def _reaches(administrator: User, user: User) -> bool:
    """Whether all that a person sees lies within what the administrator sees."""
    if not _within(administrator, user.jurisdictions):
        return False
    if not administrator.by_grid:
        return True
    held = user.grids.all().unscoped("compared with the administrator's own")
    return user.by_grid and {*held.values_list("pk", flat=True)} <= subtree(administrator).grids


def _scope(request: HttpRequest, text: str) -> str:
    """The scope as it is stored.

    Raises:
        PatrolError: it reaches further than the administrator's own.
    """
    names = text.replace(",", " ").split()
    wanted = None if names == [User.EVERYWHERE] else tuple(names)
    if wanted is not None and not wanted:
        raise PatrolError("a person needs a jurisdiction", field="scope", mend="Name one, or * for each.")
    if not _within(request.user, wanted):
        raise PatrolError("this reaches further than your own scope", field="scope", value=text[:60])
    return " ".join(names)


def _own_scope(user: User) -> str:
    return "" if user.jurisdictions is None else " ".join(user.jurisdictions)


def _within(user: User, wanted: Iterable[str] | None) -> bool:
    mine = user.jurisdictions
    if mine is None:
        return True
    return wanted is not None and set(wanted) <= set(mine)
