"""The page behind the link. Looking changes nothing (messengers look at links by themselves); buttons are posted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import translation
from django.utils.safestring import SafeString
from django.utils.translation import get_language_from_request
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from central.bays import services as bays
from central.bays.services import Offer, nearby
from central.cases.models import Case
from central.driver import forms, picture, reading, services
from central.driver.links import keys
from central.driver.pages import render
from central.driver.plan import Plan, draw
from central.driver.reading import Told
from central.driver.services import NotYetKnownError, Opened, open_link
from central.driver.ways import ways_to
from central.people.access import open_to_all
from central.project.answers import see_other
from central.project.brake import Brake, address_of
from central.project.clock import now_ms
from notifier.links import BadLinkError
from notifier.masking import mask_plate
from protocol.clock import Millis

LANGUAGES = {"zh": "zh-hans", "en": "en"}

LOOKING = Brake(burst=40, per_minute=60)
ASKING = Brake(burst=8, per_minute=12)
GUESSING = Brake(burst=20, per_minute=20)
"""For each link: looks and buttons. For each address: links that were never ours. Drivers behind one mobile network's
address do not brake one another, for theirs are good."""

HEADERS = {
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "Cache-Control": "private, no-store",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}

ENDED_WELL = "self_corrected"
MOVABLE = frozenset(
    {"observing", "confirmed", "notified", "unnotifiable", "rechecking", "tasked", "unverified", ""}
)
"""States of the agent's case in which it still makes a difference whether the vehicle leaves."""


@dataclass(frozen=True, slots=True)
class ShownBay:
    """A bay of the list with the buttons that lead there."""

    number: int
    offer: Offer
    ways: SafeString

    @property
    def metres(self) -> int:
        """Walking distance as people say it: to ten metres."""
        return max(10, round(self.offer.distance_m / 10) * 10)


@csrf_exempt  # there is nothing to forge in looking; a POST is told 405, and no log keeps the link
@open_to_all
@require_safe
def page(request: HttpRequest, token: str) -> HttpResponse:
    """Place, deadline, picture, bays, buttons: or what became of it."""
    opened = _open(request, token, LOOKING)
    if isinstance(opened, HttpResponse):
        return opened
    language = _language(request)
    with translation.override(language):
        return _answer(render("page.html", _context(opened, token, language)))


@open_to_all
@require_safe
def own_picture(request: HttpRequest, token: str) -> HttpResponse:
    """The driver's own vehicle, cut from the sealed picture."""
    opened = _open(request, token, LOOKING)
    if isinstance(opened, HttpResponse):
        return opened
    shot = opened.case.shot
    path = None
    if shot is not None and shot.arrived:
        path = picture.view_of(shot.evidence_id)
    if path is None:
        return _say(request, "coming", 404)
    etag = f'"{path.stem[:24]}{path.stem[64:]}"'
    if request.headers.get("If-None-Match") == etag:
        response = HttpResponse(status=304)
    else:
        response = HttpResponse(path.read_bytes(), content_type="image/jpeg")
        response["Content-Security-Policy"] = "default-src 'none'; sandbox"
        response["Content-Disposition"] = 'inline; filename="vehicle.jpg"'
    for name, value in HEADERS.items():
        response[name] = value
    response["ETag"] = etag
    response["Cache-Control"] = "private, max-age=3600"
    return response


@csrf_exempt
@open_to_all
@require_POST
def left(request: HttpRequest, token: str) -> HttpResponse:
    """I have left: the camera looks again."""
    opened = _asked(request, token)
    if isinstance(opened, HttpResponse):
        return opened
    services.say_left(opened.case.pk)
    return _back(request, token)


@csrf_exempt
@open_to_all
@require_POST
def wrong(request: HttpRequest, token: str) -> HttpResponse:
    """Wrong vehicle: a person looks, and nobody is fined before."""
    opened = _asked(request, token)
    if isinstance(opened, HttpResponse):
        return opened
    services.object_to(opened.case.pk)
    return _back(request, token)


@csrf_exempt
@open_to_all
@require_POST
def another_bay(request: HttpRequest, token: str) -> HttpResponse:
    """Hold another bay for me, or one at all."""
    opened = _asked(request, token)
    if isinstance(opened, HttpResponse):
        return opened
    place = opened.case.position
    ends_ms = opened.case.clock_ends_ms
    if place is not None and opened.case.agent_state in MOVABLE:
        bays.take_another(
            Case.objects.get(pk=opened.case.pk),
            vehicle_class=opened.case.vehicle_class,
            position=place,
            until_ms=max(ends_ms or 0, now_ms() + bays.EN_ROUTE_MS),
        )
    return _back(request, token)


def _context(opened: Opened, token: str, language: str) -> dict[str, Any]:
    case = opened.case
    now = now_ms()
    state = _state(case, now)
    place = case.position
    movable = state in {"warned", "over_time", "issued"}
    offers = []
    if place is not None:
        offers = nearby(case, vehicle_class=case.vehicle_class, position=place, until_ms=case.clock_ends_ms)
    if not movable:  # on the way: only the bay that is kept
        offers = [offer for offer in offers if offer.reserved_until_ms is not None and state == "left"]
    shown = tuple(
        ShownBay(number, offer, ways_to(offer.position, offer.name)) for number, offer in enumerate(offers, 1)
    )
    plan: Plan | None = None
    if place is not None:
        plan = draw(place, [(each.position, each.reserved_until_ms is not None) for each in offers])
    recheck = case.recheck
    looking = recheck is not None and recheck.at_ms is None and movable
    return {
        "path": reverse("driver:page", args=[token]),
        "nonce": forms.make_nonce(keys()[0], token, now),
        "language": language,
        "other": "en" if language != "en" else "zh",
        "here": "en" if language == "en" else "zh",
        "state": state,
        "case": case,
        "plate": mask_plate(case.plate) if case.plate else "",
        "now_ms": now,
        "left_minutes": _minutes(case.clock_ends_ms, now),
        "movable": movable,
        "bays": shown,
        "held": next((each for each in shown if each.offer.reserved_until_ms), None),
        "plan": plan,
        "recheck": recheck if movable else None,
        "looking": looking,
        "shot": case.shot,
        "refresh_s": 5 if looking else None,
    }


def _state(case: Told, now: Millis) -> str:
    """What the page says: warned, over_time, issued, left or over."""
    if case.agent_state == ENDED_WELL:
        return "left"
    any_order, open_order, retracted = reading.work(case.pk)
    if open_order:
        return "issued"
    if case.agent_state not in MOVABLE:
        return "left" if retracted else "over"
    if case.agent_state == "tasked":
        return "over" if any_order else "issued"
    if case.clock_ends_ms is not None and now >= case.clock_ends_ms:
        return "over_time"
    return "warned"


def _minutes(ends_ms: Millis | None, now: Millis) -> int | None:
    return None if ends_ms is None else max(0, (ends_ms - now) // 60_000)


def _open(request: HttpRequest, token: str, brake: Brake) -> Opened | HttpResponse:
    """What the link opens, or the page that says why not."""
    try:
        opened = open_link(token)
    except BadLinkError as error:
        if error.reason == "expired":
            return _say(request, "expired", 410)
        wait_s = GUESSING.wait_s(address_of(request))
        return _say(request, "braked", 429, wait_s) if wait_s else _say(request, "unknown", 404)
    except NotYetKnownError:
        return _say(request, "not_yet", 404, 15)
    wait_s = brake.wait_s(token)
    return _say(request, "braked", 429, wait_s) if wait_s else opened


def _asked(request: HttpRequest, token: str) -> Opened | HttpResponse:
    opened = _open(request, token, ASKING)
    if isinstance(opened, HttpResponse):
        return opened
    if not forms.is_ours(request.POST.get("nonce", "")[:100], keys(), token, now_ms()):
        return _say(request, "stale", 403, token=token)
    return opened


def _back(request: HttpRequest, token: str) -> HttpResponse:
    """See the page again; a reload repeats nothing."""
    here = "en" if request.POST.get("lang") == "en" else "zh" if request.POST.get("lang") == "zh" else ""
    target = reverse("driver:page", args=[token]) + (f"?lang={here}" if here else "")
    response = see_other(target)
    for name, value in HEADERS.items():
        response[name] = value
    return response


def _say(request: HttpRequest, what: str, status: int, wait_s: int = 0, token: str = "") -> HttpResponse:
    """A page with one message."""
    language = _language(request)
    context = {
        "what": what,
        "wait_s": wait_s,
        "language": language,
        "path": reverse("driver:page", args=[token]) if token else "",
        "refresh_s": wait_s or None,
    }
    with translation.override(language):
        response = _answer(render("say.html", context), status)
    if wait_s:
        response["Retry-After"] = str(wait_s)
    return response


def _answer(text: str, status: int = 200) -> HttpResponse:
    response = HttpResponse(text, status=status)
    for name, value in HEADERS.items():
        response[name] = value
    response["Content-Language"] = translation.get_language() or "zh-hans"
    response["Vary"] = "Accept-Language"
    return response


def _language(request: HttpRequest) -> str:
    """As chosen on the page, else as the browser asks. There is no cookie to remember it."""
    wanted = LANGUAGES.get(request.GET.get("lang") or request.POST.get("lang") or "")
    return wanted or get_language_from_request(request)
