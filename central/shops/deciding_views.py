"""What a regulator decides by a button on a shop's page: tip-offs, mends, appeals, codes, reminders."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from central.people.access import roles
from central.people.policy import writers
from central.project.asked import day
from central.shops import appeals, inspecting, register, shown, voices
from central.shops import messages as merchants
from central.shops.models import Shop
from central.shops.staff_views import PAGE, find
from protocol.errors import PatrolError


@require_POST
@roles(*writers("shop_decisions"))
def remind(request: HttpRequest) -> HttpResponse:
    """Remind the merchants of the chosen shops, each at most once a day."""
    numbers = [
        int(text) for text in request.POST.getlist("shop")[:PAGE] if text.isdecimal() and len(text) < 18
    ]
    shops = list(Shop.objects.visible_to(request.user).filter(pk__in=numbers, active=True).order_by("pk"))
    count = merchants.remind(shops, _actor(request))
    if shops:
        messages.success(request, _("Merchants reminded: %(count)d") % {"count": count})
    else:
        messages.error(request, _("Choose shops first."))
    query = request.POST.get("query", "")[:400]
    safe = query if query.isprintable() and "\n" not in query else ""
    return HttpResponseRedirect(reverse("shops:list") + (f"?{safe}" if safe else ""))


@require_POST
@roles(*writers("shop_register"))
def code(request: HttpRequest, shop_id: int) -> HttpResponse:
    """Revoke the code of a door, and give out a new one unless only the first was asked for."""
    shop = find(request, shop_id)
    reason, until = request.POST.get("reason", ""), request.POST.get("until", "")
    if request.POST.get("only") == "revoke":
        with _told(request, _("The code is revoked.")):
            register.revoke_code(shop, _actor(request), reason)
    else:
        with _told(request, _("The old code is revoked; print the new plate.")):
            register.renew_code(shop, _actor(request), reason, day(until, "until") if until else None)
    return _back(shop)


@require_POST
@roles(*writers("shops"))
def finding(request: HttpRequest, shop_id: int, number: int) -> HttpResponse:
    """Whether what the merchant mended is mended."""
    shop = find(request, shop_id)
    found = get_object_or_404(shop.findings, pk=number)
    good = request.POST.get("good") == "1"
    with _told(request, _("Noted.")):
        inspecting.judge_mend(found, _actor(request), good=good)
    return _back(shop)


@require_POST
@roles(*writers("shop_decisions"))
def tip_off(request: HttpRequest, shop_id: int, number: int) -> HttpResponse:
    """Whether a tip-off is true, and how grave what was found is."""
    shop = find(request, shop_id)
    found = get_object_or_404(shop.tip_offs, pk=number)
    with _told(request, _("Noted.")):
        voices.decide_tip_off(
            found,
            _actor(request),
            severity=request.POST.get("severity", ""),
            note=request.POST.get("note", ""),
        )
    return _back(shop)


@require_POST
@roles(*writers("shop_decisions"))
def appeal(request: HttpRequest, shop_id: int, number: int) -> HttpResponse:
    """Which of the reasons count no more."""
    shop = find(request, shop_id)
    found = get_object_or_404(shop.appeals, pk=number)
    wanted = request.POST.getlist("reason")
    keys = [
        key
        for place, reason in enumerate(found.reasons)
        if str(place) in wanted
        for key in reason["facts"]
    ]  # fmt: skip
    with _told(request, _("The appeal is decided.")):
        appeals.decide(found, _actor(request), set_aside=keys, note=request.POST.get("note", ""))
    return _back(shop)


@contextmanager
def _told(request: HttpRequest, done: str) -> Iterator[None]:
    try:
        yield
    except PatrolError as error:
        messages.error(request, shown.wrong(error))
    else:
        messages.success(request, done)


def _actor(request: HttpRequest) -> str:
    return f"user:{request.user.get_username()}"


def _back(shop: Shop) -> HttpResponse:
    return HttpResponseRedirect(reverse("shops:shop", args=[shop.pk]))
