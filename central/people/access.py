"""Default deny: a view that names no role is closed to everyone, one that is not marked open needs a log-in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from central.people.models import Role

View = TypeVar("View", bound=Callable[..., Any])

EVERYONE = frozenset(Role)


def roles(*allowed: Role) -> Callable[[View], View]:
    """Let people with one of these roles call the view."""

    def mark(view: View) -> View:
        view.patrol_roles = frozenset(allowed)  # type: ignore[attr-defined]
        return view

    return mark


def open_to_all(view: View) -> View:
    """Let anybody call the view, logged in or not. A test keeps the list of such views."""
    view.patrol_open = True  # type: ignore[attr-defined]
    return login_not_required(view)


class RoleRequired:
    """Refuses every view whose roles do not hold the caller's."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> None:  # noqa: ARG002
        if getattr(view, "patrol_open", False):
            return
        allowed = getattr(view, "patrol_roles", frozenset())
        if getattr(request.user, "role", None) not in allowed:
            raise PermissionDenied
