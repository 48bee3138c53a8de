"""The merchant's pages behind the code on the door: today's checklist, what is to be mended, papers, messages, appeal."""

from __future__ import annotations

from datetime import date
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from central.people.access import open_to_all
from central.project.brake import Brake
from central.project.clock import local_day, now_ms
from central.shops import appeals, door, inspecting, shown
from central.shops.models import AppealState, CertificateKind, Colour, InspectionKind, Shop
from central.shops.photos import bytes_of
from central.shops.public_views import Page, at_shop, back, remember, say
from protocol.errors import PatrolError

COOKIE = "patrol_shop"
OWNER = "owner"
KNOCKING = Brake(burst=10, per_minute=6)
"""For each address: codes asked for and typed in."""


def for_owner(view: Page) -> Page:
    """Only for the merchant who is logged in to this shop; others are sent to the log-in."""

    @never_cache
    @at_shop()
    @wraps(view)
    def guarded(request: HttpRequest, token: str, shop: Shop, *args: Any, **kwargs: Any) -> HttpResponse:
        mine = door.shop_of(request.COOKIES.get(COOKIE, ""))
        if mine is None or mine.pk != shop.pk:
            return _back(token)
        return view(request, token, mine, *args, **kwargs)

    return guarded


@never_cache
@require_safe
@at_shop()
def desk(request: HttpRequest, token: str, shop: Shop) -> HttpResponse:
    """All of it, or the log-in."""
    mine = door.shop_of(request.COOKIES.get(COOKIE, ""))
    if mine is None or mine.pk != shop.pk:
        sent = request.GET.get("sent") == "1"
        return render(request, "shops/login.html", {"shop": shop, "token": token, "sent": sent})
    return _desk(request, token, mine)


@require_POST
@at_shop(KNOCKING)
def code(request: HttpRequest, token: str, shop: Shop) -> HttpResponse:
    """Send a code, if the number is the owner's; the answer is the same if it is not."""
    context = {"shop": shop, "token": token, "phone": request.POST.get("phone", "")[:20]}
    try:
        door.ask(shop, request.POST.get("phone", ""))
    except door.WaitError as error:
        context |= {"sent": True, "wait_s": error.wait_s}
        response = render(request, "shops/login.html", context, status=429)
        response["Retry-After"] = str(error.wait_s)
        return response
    except PatrolError as error:
        return render(request, "shops/login.html", context | {"wrong": shown.wrong(error)}, status=422)
    return _back(token, "?sent=1")


@require_POST
@at_shop(KNOCKING)
def enter(request: HttpRequest, token: str, shop: Shop) -> HttpResponse:
    """The code that came by SMS."""
    secret = door.enter(shop, request.POST.get("digits", ""))
    if secret is None:
        wrong = _("This is not the code, or it is too old. After five attempts a new one is needed.")
        return render(
            request, "shops/login.html", {"shop": shop, "token": token, "sent": True, "wrong": wrong}, status=422
        )  # fmt: skip
    return remember(_back(token), COOKIE, secret, door.SESSION_MS // 1000)


@open_to_all
@require_POST
def leave(request: HttpRequest, token: str) -> HttpResponse:
    """Log out."""
    if len(token) > 64:
        return say(request, "unknown", 404)
    door.leave(request.COOKIES.get(COOKIE, ""))
    response = _back(token)
    response.delete_cookie(COOKIE, path="/s/")
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@for_owner
def inspection(request: HttpRequest, token: str, shop: Shop) -> HttpResponse:
    """Today's checklist."""
    kind = InspectionKind.SELF
    context = {"shop": shop, "token": token, "key": shown.new_key(), "most_mib": _most_mib()}
    if request.method != "POST":
        return render(request, "shops/self.html", context | {"questions": shown.questions(shop, kind)})
    try:
        inspecting.inspect(shop, shown.answers_in(request, shop, kind), OWNER)
    except PatrolError as error:
        context |= {
            "questions": shown.questions(shop, kind, request.POST),
            "wrong": shown.wrong(error, shop),
            "field": error.field,
            "key": request.POST.get("key", "")[:100] or shown.new_key(),
        }
        return render(request, "shops/self.html", context, status=422)
    return _back(token, "?done=inspection")


@require_POST
@for_owner
def mend(request: HttpRequest, token: str, shop: Shop, number: int) -> HttpResponse:
    """It is mended, and this is how it looks now."""
    finding = get_object_or_404(shop.findings, pk=number)
    try:
        photo = bytes_of(request.FILES.get("photo"))
        inspecting.mend(finding, photo or b"", request.POST.get("note", ""), OWNER)
    except PatrolError as error:
        return _desk(request, token, shop, 422, wrong=shown.wrong(error))
    return _back(token, "?done=mended")


@require_POST
@for_owner
def paper(request: HttpRequest, token: str, shop: Shop) -> HttpResponse:
    """A new paper or piece of equipment with its last good day."""
    try:
        try:
            day = date.fromisoformat(request.POST.get("expires_on", ""))
        except ValueError:
            raise PatrolError(_("Please give the last good day."), field="expires_on") from None
        inspecting.set_certificate(
            shop,
            request.POST.get("kind", ""),
            day,
            OWNER,
            label=request.POST.get("label", ""),
            photo=bytes_of(request.FILES.get("photo")),
        )
    except PatrolError as error:
        return _desk(request, token, shop, 422, wrong=shown.wrong(error))
    return _back(token, "?done=paper")


@require_POST
@for_owner
def appeal(request: HttpRequest, token: str, shop: Shop) -> HttpResponse:
    """The colour is wrong, and why."""
    try:
        appeals.appeal(shop, request.POST.get("text", "")[:1100], OWNER)
    except PatrolError as error:
        return _desk(request, token, shop, 422, wrong=shown.wrong(error), text=request.POST.get("text", ""))
    return _back(token, "?done=appeal")


@require_safe
@for_owner
def photo(request: HttpRequest, token: str, shop: Shop, number: int) -> HttpResponse:  # noqa: ARG001
    """A photo of a finding or a paper of one's own shop. Those of tip-offs are not: they could tell who took them."""
    found = get_object_or_404(shop.photos.exclude(actor="public"), pk=number)
    return shown.answer_photo(found, small=request.GET.get("small") == "1")


def _desk(request: HttpRequest, token: str, shop: Shop, status: int = 200, **more: Any) -> HttpResponse:
    now = now_ms()
    today = local_day(now)
    notes = list(shop.notes.order_by("-at_ms", "-pk")[:20])
    context = {
        "shop": shop,
        "token": token,
        "now_ms": now,
        "reasons": shown.reasons_of(shop),
        "done_today": bool(shop.self_inspected_at_ms and local_day(shop.self_inspected_at_ms) == today),
        "findings": [
            {"row": each, "title": shown.said(each.titles), "late": each.due_at_ms < now}
            for each in shop.findings.filter(mended_at_ms__isnull=True).order_by("due_at_ms", "pk")
        ],
        "mended": [
            {"row": each, "title": shown.said(each.titles)}
            for each in shop.findings.filter(mended_at_ms__isnull=False).order_by("-mended_at_ms")[:5]
        ],
        "papers": [
            {"row": each, "days": (each.expires_on - today).days}
            for each in shop.certificates.filter(replaced_at_ms__isnull=True).order_by("expires_on")
        ],
        "kinds": CertificateKind.choices,
        "notes": [{"row": note, "said": note.en if shown.english() else note.zh} for note in notes],
        "appeal": shop.appeals.order_by("-pk").first(),
        "may_appeal": shop.colour != Colour.GREEN
        and not shop.appeals.filter(state=AppealState.OPEN).exists(),
        "done": request.GET.get("done", "") if request.method == "GET" else "",
        **more,
    }
    shop.notes.filter(read_at_ms__isnull=True, pk__in=[note.pk for note in notes]).update(read_at_ms=now)
    return render(request, "shops/desk.html", context, status=status)


def _most_mib() -> int:
    return int(settings.PATROL.picture_bytes // 2**20)


def _back(token: str, query: str = "") -> HttpResponse:
    return back("owner", token, query)
