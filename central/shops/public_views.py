"""What anybody sees who scans the code on a door. No log-in; nobody is asked for a name."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.db.models import Avg, Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from central.people.access import open_to_all
from central.project.answers import see_other
from central.project.brake import Brake, address_of
from central.project.clock import now_ms
from central.shops import shown, voices
from central.shops.models import Code, Shop
from central.shops.photos import bytes_of
from central.shops.rules import DAY_MS, rule_in_force
from protocol.errors import PatrolError

LOOKING = Brake(burst=60, per_minute=120)
SAYING = Brake(burst=6, per_minute=6)
GUESSING = Brake(burst=20, per_minute=20)
"""For each shop: looks. For each address: what is said, and codes that were never ours."""

DEVICE = "patrol_shop_device"
RATED = "rated"
TOLD = "told"

Page = Callable[..., HttpResponse]


def at_shop(brake: Brake = LOOKING) -> Callable[[Page], Page]:
    """For anybody who comes by the code of a door: the view gets the shop after the code; a code that leads nowhere, or too
    many tries, are answered here."""

    def wrap(view: Page) -> Page:
        @open_to_all
        @wraps(view)
        def guarded(request: HttpRequest, token: str, *args: Any, **kwargs: Any) -> HttpResponse:
            shop = find(request, token, brake)
            if isinstance(shop, HttpResponse):
                return shop
            return view(request, token, shop, *args, **kwargs)

        return guarded

    return wrap


@never_cache
@require_safe
@at_shop()
def page(request: HttpRequest, token: str, shop: Shop) -> HttpResponse:
    """The shop, its colour and why, stars, and the two forms."""
    return _show(request, shop, token)


@require_POST
@at_shop(SAYING)
def rate(request: HttpRequest, token: str, shop: Shop) -> HttpResponse:
    """One to five stars, once a day from each device."""
    secret = request.COOKIES.get(DEVICE, "")
    if not 20 <= len(secret) <= 60:
        secret = secrets.token_urlsafe(24)
    stars = request.POST.get("stars", "")
    try:
        voices.rate(
            shop,
            int(stars) if stars in set("12345") else 0,
            device=voices.device_of(secret),
            network=voices.network_of(address_of(request)),
        )
    except voices.TooManyError as error:
        return _show(request, shop, token, 429, wrong=shown.wrong(error))
    except PatrolError:
        return _show(request, shop, token, 422, wrong=_("Choose one to five stars."))
    return remember(back("page", token, f"?done={RATED}"), DEVICE, secret, 30 * 86_400)


@require_POST
@at_shop(SAYING)
def tip_off(request: HttpRequest, token: str, shop: Shop) -> HttpResponse:
    """What somebody saw, with a photo if there is one."""
    text = request.POST.get("text", "")[:1100]
    try:
        voices.tip_off(
            shop,
            text,
            key=request.POST.get("key", ""),
            network=voices.network_of(address_of(request)),
            photo=bytes_of(request.FILES.get("photo")),
        )
    except voices.TooManyError as error:
        return _show(request, shop, token, 429, wrong=shown.wrong(error), text=text)
    except PatrolError as error:
        return _show(request, shop, token, 422, wrong=shown.wrong(error), text=text)
    return back("page", token, f"?done={TOLD}")


def find(request: HttpRequest, token: str, brake: Brake = LOOKING) -> Shop | HttpResponse:
    """The shop of a code in force, or the page that says kindly why there is none."""
    code = Code.objects.select_related("shop").filter(token=token[:64]).first()
    if code is None:
        wait_s = GUESSING.wait_s(address_of(request))
        return say(request, "braked", 429, wait_s) if wait_s else say(request, "unknown", 404)
    if code.revoked_at_ms is not None or not code.shop.active:
        return say(request, "revoked", 410)
    if code.expires_at_ms is not None and code.expires_at_ms <= now_ms():
        return say(request, "expired", 410)
    wait_s = brake.wait_s(token if brake is LOOKING else address_of(request))
    return say(request, "braked", 429, wait_s) if wait_s else code.shop


def say(request: HttpRequest, what: str, status: int, wait_s: int = 0) -> HttpResponse:
    """A page with one message."""
    response = render(request, "shops/say.html", {"what": what, "wait_s": wait_s}, status=status)
    if wait_s:
        response["Retry-After"] = str(wait_s)
    return response


def _show(request: HttpRequest, shop: Shop, token: str, status: int = 200, **more: Any) -> HttpResponse:
    since = now_ms() - rule_in_force().windows.ratings * DAY_MS
    stars = shop.ratings.filter(at_ms__gte=since).aggregate(mean=Avg("stars"), count=Count("pk"))
    done = request.GET.get("done", "")
    context = {
        "shop": shop,
        "token": token,
        "reasons": [each for each in shown.reasons_of(shop) if each["colour"] != "green"][:5],
        "stars": stars,
        "key": shown.new_key(),
        "done": done if done in (RATED, TOLD) else "",
        **more,
    }
    return render(request, "shops/page.html", context, status=status)


def back(name: str, token: str, query: str = "") -> HttpResponse:
    """See a page of the shop's again; a reload repeats nothing."""
    return see_other(reverse(f"shops:{name}", args=[token]) + query)


def remember(response: HttpResponse, name: str, secret: str, for_s: int) -> HttpResponse:
    """With a secret that only pages of doors get, and no script."""
    response.set_cookie(
        name,
        secret,
        max_age=for_s,
        path="/s/",
        httponly=True,
        samesite="Lax",
        secure=settings.PATROL.https,
    )
    return response
