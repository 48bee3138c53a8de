"""The administrators' page of other systems: their keys, and what is told to them."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from central.cases.apikeys import revoke_key
from central.cases.models import ApiKey
from central.people.access import roles
from central.people.models import User
from central.people.policy import readers, writers
from central.people.scopes import unscoped
from central.webhooks import services, state
from central.webhooks.models import Delivery, DeliveryState, Subscription

SHOWN = 50
"""Deliveries that were given up and are listed."""


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
    context = {
        "keys": keys,
        "hooks": state.rows(mine),
        "dead": dead.order_by("-ended_at_ms")[:SHOWN],
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
    number = request.POST.get("number", "")
    numbers = [int(number)] if number.isascii() and number.isdigit() and len(number) < 19 else []
    with unscoped("the webhook is one of the person's, checked above"):
        count = services.replay(hook, numbers)
    messages.success(request, _("%(count)s go out again.") % {"count": count})
    return _back()


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
