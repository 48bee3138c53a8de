"""A log-in's life: when it began, when it was last touched, ending it, and the list of one's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.sessions.models import Session
from django.http import HttpRequest

from central.people import policy
from central.people.models import User
from central.project.clock import now_ms

ENTERED = "patrol_entered_ms"
TOUCHED = "patrol_touched_ms"
TOUCH_EVERY_MS = 60_000
"""How often a session is written only to say that it was touched."""

FRESH_MS = 10 * 60_000
"""A log-in so young needs no confirmation before something grave."""


def on_user_logged_in(request: HttpRequest | None = None, **_: Any) -> None:
    """Django has logged somebody in: the session begins."""
    if request is not None:
        request.session[ENTERED] = request.session[TOUCHED] = now_ms()


def entered_recently(request: HttpRequest) -> bool:
    """Whether the person logged in a few minutes ago."""
    entered = request.session.get(ENTERED)
    return isinstance(entered, int) and 0 <= now_ms() - entered < FRESH_MS


class IdleEnd:
    """Logs out whoever has touched nothing for a while. What a page fetches by itself is no touch."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        user = request.user
        if user.is_authenticated and user.role not in policy.LONG_SESSION:
            now = now_ms()
            touched = request.session.get(TOUCHED, now)
            if now - touched >= settings.PATROL.idle_ms:
                logout(request)
            elif TOUCHED not in request.session or (now - touched >= TOUCH_EVERY_MS and _is_a_touch(request)):
                request.session[TOUCHED] = now
        return self.get_response(request)


def end_all(user: User) -> int:
    """End every session of a person, on whatever device; how many there were."""
    ended = 0
    for session in Session.objects.iterator():
        if session.get_decoded().get("_auth_user_id") == str(user.pk):
            session.delete()
            ended += 1
    return ended


def _is_a_touch(request: HttpRequest) -> bool:
    by_page = request.headers.get("HX-Request") == "true" and request.method in ("GET", "HEAD")
    return not by_page and request.headers.get("Accept") != "text/event-stream"
