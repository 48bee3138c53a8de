"""One's own account: second factor, recovery codes, sessions, password. And proving oneself again before grave steps."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from functools import wraps
from typing import Any

from allauth.account.internal.flows.reauthentication import did_recently_reauthenticate
from allauth.core.exceptions import ReauthenticationRequired
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import SetPasswordForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from central.people import policy, sessions
from central.people.access import own_account
from central.people.second_factor import has_second_factor

View = Callable[..., HttpResponse]


def confirmed(view: View) -> View:
    """Before something grave the person proves again who he is, unless he has just done so.

    Whoever has neither password nor second factor logs in anew with a link.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not (sessions.entered_recently(request) or did_recently_reauthenticate(request)):
            raise ReauthenticationRequired
        return view(request, *args, **kwargs)

    return guarded


@own_account
@never_cache
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """What one may do here, how one proves who one is, and where one is logged in."""
    user = request.user
    codes = Authenticator.objects.filter(user_id=user.pk, type=Authenticator.Type.RECOVERY_CODES).first()
    context = {
        "has_factor": has_second_factor(user),
        "must_have_factor": settings.PATROL.second_factor and user.role in policy.SECOND_FACTOR,
        "codes_left": len(codes.wrap().get_unused_codes()) if codes else 0,
        "sessions": _own_sessions(request),
        "grids": list(user.grids.all().unscoped("one's own scope")) if user.by_grid else [],
        "jurisdictions": user.jurisdictions,
        "nav": "account",
    }
    return render(request, "people/account.html", context)


@own_account
@require_POST
def end_session(request: HttpRequest, number: int) -> HttpResponse:
    """End one of one's own sessions."""
    session = get_object_or_404(UserSession, user_id=request.user.pk, pk=number)
    here = session.session_key == request.session.session_key
    session.end()
    if here:
        return redirect("people:login")
    messages.success(request, _("The session is ended."))
    return redirect("people:account")


@own_account
@require_POST
def end_other_sessions(request: HttpRequest) -> HttpResponse:
    """End all of one's own sessions but this one."""
    for session in UserSession.objects.filter(user_id=request.user.pk):
        if session.session_key != request.session.session_key:
            session.end()
    messages.success(request, _("All other sessions are ended."))
    return redirect("people:account")


@own_account
@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@confirmed
def choose_password(request: HttpRequest) -> HttpResponse:
    """Choose a password; other sessions end with the old one."""
    form = SetPasswordForm(request.user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.save()
        update_session_auth_hash(request, request.user)
        UserSession.objects.create_from_request(request)
        messages.success(request, _("The password is changed."))
        return redirect("people:account")
    status = 422 if request.method == "POST" else 200
    return render(request, "people/password.html", {"form": form, "nav": "account"}, status=status)


def _own_sessions(request: HttpRequest) -> list[dict[str, Any]]:
    mine = UserSession.objects.purge_and_list(request.user)
    shown = [
        {
            "number": session.pk,
            "here": session.session_key == request.session.session_key,
            "since_ms": round(session.created_at.astimezone(UTC).timestamp() * 1000),
            "address": session.ip,
            "device": _device(session.user_agent),
        }
        for session in mine
    ]
    return sorted(shown, key=lambda each: (not each["here"], -each["since_ms"]))


def _device(agent: str) -> str:
    """A browser's name for people: what it is and on what it runs."""
    browser = next((name for mark, name in _BROWSERS if mark in agent), _("Browser"))
    system = next((name for mark, name in _SYSTEMS if mark in agent), "")
    return f"{browser} · {system}" if system else browser


_BROWSERS = (
    ("MicroMessenger", "WeChat"),
    ("Edg", "Edge"),
    ("Firefox", "Firefox"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("HarmonyOS", "HarmonyOS"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)
