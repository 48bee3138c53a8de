"""The administrators' page of other systems: their keys, and what is told to them."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from central.cases.apikeys import revoke_key
from central.cases.models import ApiKey
from central.cases.rules import title_of
from central.people.access import roles
from central.people.models import Role, User
from central.people.policy import readers, writers
from central.people.scopes import unscoped
from central.project.asked import whole
from central.webhooks import events, services, state
from central.webhooks.models import Delivery, DeliveryState, Subscription

SHOWN = 50
"""Deliveries that were given up and are listed."""


RIGHTS_SAID = {
    "open": gettext_lazy("bring cases"),
    "read": gettext_lazy("read cases"),
    "move": gettext_lazy("take steps"),
    "reporter": gettext_lazy("take steps of the reporter"),
    "note": gettext_lazy("add notes"),
    "photo": gettext_lazy("add photos"),
    "export": gettext_lazy("export cases"),
    "webhook": gettext_lazy("be told of cases"),
}
"""Right of a key -> how people call it."""

EVENTS_SAID = {
    events.OPENED: gettext_lazy("new case"),
    events.MOVED: gettext_lazy("step taken"),
    events.CLOSED: gettext_lazy("case closed"),
    events.REOPENED: gettext_lazy("case opened again"),
    events.PLACED: gettext_lazy("case in another grid"),
    events.TEST: gettext_lazy("test message"),
}
"""Kind of an event -> how people call it."""


@require_safe
@roles(*readers("systems"))
def systems(request: HttpRequest) -> HttpResponse:
    """Keys with rights, limits and last use; webhooks with what waits and what was given up."""
    mine = _mine(request.user)
    keys = ApiKey.objects.order_by("revoked_at_ms", "name")
    dead = Delivery.objects.filter(state=DeliveryState.DEAD).select_related("subscription")
    if mine is not None:
        keys = keys.filter(jurisdiction_id__in=mine)
        dead = dead.filter(subscription__key__jurisdiction_id__in=mine)
    listed = list(keys)
    for key in listed:
        key.rights_said = _(", ").join(str(RIGHTS_SAID.get(right, right)) for right in key.rights)
        key.role_said = str(Role(key.role).label) if key.role in Role.values else key.role
    given_up = list(dead.order_by("-ended_at_ms")[:SHOWN])
    for one in given_up:
        one.said = str(EVENTS_SAID.get(one.event, one.event))
    context = {
        "keys": listed,
        "hooks": [{**hook, "told_of": _told_of(hook)} for hook in state.rows(mine)],
        "dead": given_up,
        "may_change": request.user.role in writers("systems"),
        "nav": "services",
    }
    return render(request, "webhooks/systems.html", context)


@require_POST
@roles(*writers("systems"))
def revoke(request: HttpRequest, key_id: int) -> HttpResponse:
    """A key opens nothing any more."""
    key = ApiKey.objects.filter(pk=key_id, revoked_at_ms=None).first()
    if key is None or not _is_mine(request.user, key):
        raise Http404
    revoke_key(key.name)
    messages.success(request, _("%(name)s opens nothing any more.") % {"name": key.name})
    return _back()


@require_POST
@roles(*writers("systems"))
def switch(request: HttpRequest, webhook_id: int) -> HttpResponse:
    """Pause a webhook, or go on."""
    hook = _hook(request, webhook_id)
    services.switch(hook.name, active=not hook.active, reason="paused" if hook.active else "")
    done = _("%(name)s is paused.") if hook.active else _("%(name)s is told again.")
    messages.success(request, done % {"name": hook.name})
    return _back()


@require_POST
@roles(*writers("systems"))
def replay(request: HttpRequest, webhook_id: int) -> HttpResponse:
    """Send again what was given up: all of a webhook, or one."""
    hook = _hook(request, webhook_id)
    number = whole(request.POST.get("number", ""))
    numbers = [] if number is None else [number]
    with unscoped("the webhook is one of the person's, checked above"):
        count = services.replay(hook, numbers)
    messages.success(request, _("%(count)s go out again.") % {"count": count})
    return _back()


def _told_of(hook: dict[str, Any]) -> str:
    """Which events of which services and grids, in the reader's words."""
    language = get_language() or ""
    events_ = [str(EVENTS_SAID.get(each, each)) for each in hook["events"]] or [_("everything")]
    parts = [events_, [title_of(code, language) for code in hook["services"]], hook["grids"]]
    return " · ".join(_(", ").join(part) for part in parts if part)


def _hook(request: HttpRequest, webhook_id: int) -> Subscription:
    found = Subscription.objects.select_related("key").filter(pk=webhook_id).first()
    if found is None or not _is_mine(request.user, found.key):
        raise Http404
    return found


def _mine(user: User) -> set[str] | None:
    """Jurisdictions that the person sees whole; a key sees the whole of its own, so a person by grid sees no key."""
    if user.by_grid:
        return set()
    return None if user.jurisdictions is None else set(user.jurisdictions)


def _is_mine(user: User, key: ApiKey) -> bool:
    mine = _mine(user)
    return mine is None or key.jurisdiction_id in mine


def _back() -> HttpResponse:
    return HttpResponseRedirect(reverse("webhooks:systems"))
