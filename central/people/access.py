"""Default deny: a view that names no role is closed to everyone, one that is not marked open needs a log-in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from central.people import policy, scopes
from central.people.models import Role

View = TypeVar("View", bound=Callable[..., Any])

EVERYONE = frozenset(Role)
SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def roles(*allowed: Role) -> Callable[[View], View]:
    """Let people with one of these roles call the view."""

    def mark(view: View) -> View:
        view.patrol_roles = frozenset(allowed)  # type: ignore[attr-defined]
        return view

    return mark


def open_to_all(view: View) -> View:
    """Let anybody call the view, logged in or not. A test keeps the list of such views.

    No scope is watched in it: it holds keys of its own (a signed link, a gateway's signature).
    """
    view.patrol_open = True  # type: ignore[attr-defined]
    return login_not_required(view)


def own_account(view: View) -> View:
    """Everyone's own matter: also for those who only read, and for those who have yet to set up their second factor."""
    view.patrol_own = True  # type: ignore[attr-defined]
    return roles(*EVERYONE)(view)


class RoleRequired:
    """Refuses every view whose roles do not hold the caller's, and watches that rows are read through a scope."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        with scopes.asking() as now:
            request.patrol_asking = now  # type: ignore[attr-defined]
            return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> Any:  # noqa: ARG002
        if getattr(view, "patrol_open", False):
            request.patrol_asking.watched = False  # type: ignore[attr-defined]
            return None
        role = getattr(request.user, "role", None)
        if role not in getattr(view, "patrol_roles", frozenset()):
            raise PermissionDenied
        if getattr(view, "patrol_own", False):
            return None
        reads = request.method in SAFE or getattr(view, "patrol_reads", False)
        if not reads and role in policy.READS_ONLY:
            raise PermissionDenied
        from central.people.second_factor import lacks_second_factor

        if lacks_second_factor(request.user):
            if request.headers.get("HX-Request") == "true":
                return HttpResponse(
                    status=204
                )  # a part of a page that may not be shown yet: nothing is put in its place
            return HttpResponseRedirect(reverse("mfa_activate_totp"))
        return None
