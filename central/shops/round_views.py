"""The page of a round: chosen in the worklist, kept with one signature."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from central.people.access import roles
from central.people.policy import writers
from central.project.asked import day, whole
from central.project.clock import local_day, now_ms
from central.shops import inspecting, rounds, shown
from central.shops.models import Shop
from central.shops.staff_views import OFFICIAL
from protocol.errors import PatrolError


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@roles(*writers("shops"))
def round_(request: HttpRequest) -> HttpResponse:
    """Many shops, one day, one signature. Those with hazards are led to their own checklist afterwards."""
    stored = "key" in request.POST  # else the worklist says which are chosen
    chosen = [name[2:] for name in request.POST if name.startswith("r-")] if stored else None
    if chosen is None:
        chosen = (request.POST or request.GET).getlist("shop")
    numbers = [number for text in chosen if (number := whole(text)) is not None]
    found = Shop.objects.visible_to(request.user).filter(pk__in=numbers[: rounds.MOST], active=True)
    shops = list(
        found.annotate(open=Count("findings", filter=Q(findings__checked_at_ms__isnull=True))).order_by(
            "-risk", "pk"
        )
    )
    if not shops:
        messages.error(request, _("Choose shops first."))
        return HttpResponseRedirect(reverse("shops:list"))
    if not stored:
        return _page(request, shops, {"key": shown.new_key(), "day": local_day(now_ms()).isoformat()})
    try:
        told = _told(request, shops)
        made = rounds.record(shops, told, f"user:{request.user.get_username()}", request.user)
    except PatrolError as error:
        return _page(
            request,
            shops,
            {
                "wrong": _wrong(error),
                "field": error.field,
                "key": request.POST.get("key", "")[:80] or shown.new_key(),
                "day": request.POST.get("day", "")[:10],
                "note": request.POST.get("note", ""),
                "signed_by": request.POST.get("signed_by", ""),
                "signature": request.POST.get("signature", "")[: inspecting.SIGNATURE_LENGTH],
            },
            422,
        )
    messages.success(request, _("Shops stored as passed: %(count)d") % {"count": len(made)})
    left = [shop for shop in shops if told.results[shop.pk] == rounds.HAZARDS]
    if not left:
        return HttpResponseRedirect(reverse("shops:list"))
    context = {"left": left, "query": urlencode({"kind": told.kind}), "nav": "services"}
    return render(request, "shops/round_left.html", context)


def _told(request: HttpRequest, shops: list[Shop]) -> rounds.Round:
    return rounds.Round(
        key=request.POST.get("key", "")[:80],
        kind=request.POST.get("kind", ""),
        day=day(request.POST.get("day", ""), "day"),
        results={shop.pk: request.POST.get(f"r-{shop.pk}", "") for shop in shops},
        signed_by=request.POST.get("signed_by", "")[:100],
        signature=request.POST.get("signature", ""),
        note=request.POST.get("note", "")[:2100],
    )


def _page(request: HttpRequest, shops: list[Shop], more: dict[str, Any], status: int = 200) -> HttpResponse:
    today = local_day(now_ms())
    kind = (request.POST or request.GET).get("kind", "")
    choices = (
        (rounds.PASSED, _("All in order")),
        (rounds.HAZARDS, _("Hazards")),
        (rounds.SKIPPED, _("Not seen")),
    )
    context = more | {
        "rows": [{"shop": shop, "result": request.POST.get(f"r-{shop.pk}", rounds.PASSED)} for shop in shops],
        "choices": choices,
        "kinds": [(each.value, each.label) for each in OFFICIAL],
        "kind": kind if kind in OFFICIAL else OFFICIAL[0].value,
        "first_day": (today - timedelta(days=rounds.BACK_DAYS)).isoformat(),
        "last_day": today.isoformat(),
        "nav": "services",
    }
    return render(request, "shops/round.html", context, status=status)


def _wrong(error: PatrolError) -> str:
    if error.field == "day":
        return _("The day is one of the last fourteen.")
    if error.problem == "this shop has no result":
        return _("%(shop)s has no result.") % {"shop": error.value}
    return shown.wrong(error)
