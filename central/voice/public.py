"""Pages for everybody: say something, follow it, rate it, open it again, and what was finished. No log-in."""

from __future__ import annotations

import secrets
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from central.cases.alike import Report
from central.cases.attachments import path_of
from central.cases.engine import RefusedError
from central.cases.models import Case
from central.cases.rules import definition_of
from central.cases.states import CaseState
from central.people.access import open_to_all
from central.project.answers import see_other
from central.project.asked import whole
from central.project.brake import Brake, address_of
from central.project.clock import now_ms
from central.voice import finished, intake, progress
from central.voice.categories import categories, may_be_anonymous
from central.voice.models import Saying
from central.voice.places import code_of, jurisdictions, on_the_map, public_place
from central.voice.suggest import suggest
from protocol.errors import PatrolError, UnavailableError

SENDING = Brake(burst=12, per_minute=6)
TYPING = Brake(burst=60, per_minute=90)
LOOKING = Brake(burst=60, per_minute=60)
"""For each address. Behind one address of a mobile network there are many people: these stop machines."""

HEADERS = {
    # No other site learns of the link. Not `no-referrer`: browsers would send forms of these pages as from nowhere, and they
    # would be refused as forged.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-store",
}
SECRET = {**HEADERS, "X-Robots-Tag": "noindex, nofollow, noarchive"}


@open_to_all
@require_http_methods(["GET", "HEAD", "POST"])
def say(request: HttpRequest, code: str = "") -> HttpResponse:
    """The form; posted, it becomes a matter or joins one."""
    found = code_of(code)
    if code and found is None:
        return _say(
            request,
            _("This code is not in use any more. You can still write the address yourself."),
            404,
            form=True,
        )
    if request.method != "POST":
        return _braked(request, LOOKING) or _page(request, code)
    braked = _braked(request, SENDING)
    if braked is not None:
        return braked
    try:
        form = form_of(request, code)
        joins = request.POST.get("me_too", "")
        answer = intake.me_too(intake.invited(joins), form) if joins else intake.submit(form)
    except UnavailableError:
        return _wrong(
            request, code, PatrolError(_("We cannot take it just now. Please try again soon.")), 503
        )
    except PatrolError as error:
        return _wrong(request, code, error, getattr(error, "status", 422))
    address = reverse("voice:progress", args=[answer.token])
    if request.headers.get("Accept", "").startswith("application/json"):
        return _with(
            JsonResponse({"number": answer.number, "progress": address, "again": answer.again}), HEADERS
        )
    return _with(see_other(f"{address}?new=1"), SECRET)


@open_to_all
@require_POST
def suggestions(request: HttpRequest) -> HttpResponse:
    """Matters like what is being typed, for htmx. They name a place, a kind and a state: nobody, and no text of anybody."""
    wait_s = TYPING.wait_s(address_of(request))
    if wait_s:
        return _with(HttpResponse(status=204), HEADERS)
    code = code_of(request.POST.get("code", "")[:32])
    mine = code.jurisdiction_id if code is not None else request.POST.get("jurisdiction_id", "")[:64]
    known = jurisdictions()
    if mine not in known and len(known) == 1:
        mine = next(iter(known))
    longitude, latitude = _number(request, "longitude"), _number(request, "latitude")
    if not on_the_map(longitude, latitude):
        longitude = latitude = None
    if code is not None and longitude is None:
        longitude, latitude = code.longitude, code.latitude
    place = f"{code.place if code else ''} {request.POST.get('place', '')[:300]}".strip()
    typed = Report(0, now_ms(), longitude, latitude, request.POST.get("text", "")[:600], "", place)
    language = get_language() or "zh-hans"
    found = [
        {
            "case": one.case,
            "invitation": intake.invitation(one.case.pk),
            "number": intake.number_of(one.case),
            "place": public_place(one.case.place),
            "category": _category_of(one.case, language),
            "state": definition_of(one.case).by_name[one.case.process_state].titles.text(language),
            "open": one.case.state != CaseState.CLOSED,
            "people": intake.people_of(one.case),
        }
        for one in (suggest(mine, typed) if code is not None or mine in known else ())
    ]
    return _with(
        render(
            request,
            "voice/_suggestions.html",
            {"found": found, "joinable": any(one["open"] for one in found)},
        ),
        HEADERS,
    )


@open_to_all
@require_safe
def follow(request: HttpRequest, token: str) -> HttpResponse:
    """What became of it: steps, answers, photos, promises; and the buttons that the rules allow now."""
    return _braked(request, LOOKING) or _progress(request, _find(token), token)


@open_to_all
@require_POST
def act(request: HttpRequest, token: str, kind: str) -> HttpResponse:
    """Rate it, open it again, or confirm that it is solved."""
    saying = _find(token)
    braked = _braked(request, SENDING)
    if braked is not None:
        return braked
    try:
        if kind == "rate":
            stars = request.POST.get("stars", "")
            progress.rate(saying, int(stars) if stars in {"1", "2", "3", "4", "5"} else 0)
        elif kind in {"reopen", "confirm"}:
            progress.act(saying, kind, request.POST.get("reason", "")[:2000])
        else:
            raise Http404
    except RefusedError as error:
        said = (
            _("Please write why.") if error.refusal.field == "reason" else _("This cannot be done any more.")
        )
        if error.refusal.field == "rating":
            said = _("Please choose one to five stars.")
        return _progress(request, saying, token, said, 422 if error.refusal.code == "field" else 409)
    return _with(see_other(reverse("voice:progress", args=[token])), SECRET)


@open_to_all
@require_safe
def photo(request: HttpRequest, token: str, number: int) -> HttpResponse:  # noqa: ARG001
    """A photo that this link may show, small."""
    saying = _find(token)
    shown = progress.photos_of(progress.matter_of(saying), saying)
    sha256 = next((copy for each, copy in shown.items() if each.pk == number), None)
    if sha256 is None:
        raise Http404
    try:
        data = path_of(sha256, thumbnail=True).read_bytes()
    except FileNotFoundError:
        raise Http404 from None
    response = HttpResponse(data, content_type="image/jpeg")
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return _with(response, SECRET)


@open_to_all
@require_safe
def done(request: HttpRequest) -> HttpResponse:
    """Matters that were finished, for everybody: kind, place, dates, how it ended. No text and no person."""
    braked = _braked(request, LOOKING)
    if braked is not None:
        return braked
    rows, older = finished.page(whole(request.GET.get("before", ""), 15), get_language() or "")
    return _with(render(request, "voice/done.html", {"rows": rows, "older": older}), HEADERS)


def form_of(request: HttpRequest, code: str) -> intake.Form:
    """The form that came, photos read within their limit.

    Raises:
        SayError: a photo is larger than allowed, or a number no number.
    """
    photos = []
    for file in request.FILES.getlist("photos")[: intake.PHOTOS_MOST + 1]:
        if (file.size or 0) > settings.PATROL.picture_bytes:
            size = settings.PATROL.picture_bytes // 2**20
            raise intake.SayError(
                _("This photo is too large: at most %(size)d MB.") % {"size": size}, field="photos"
            )
        if file.size:
            photos.append((file.read(), str(file.name or "")[:200]))
    given = request.POST
    return intake.Form(
        key=given.get("key", ""),
        category=given.get("category", ""),
        text=given.get("text", ""),
        place=given.get("place", "")[:300],
        longitude=_number(request, "longitude"),
        latitude=_number(request, "latitude"),
        name=given.get("name", ""),
        phone=given.get("phone", ""),
        language=get_language() or "zh-hans",
        code=code,
        jurisdiction_id=given.get("jurisdiction_id", ""),
        photos=photos,
    )


def _page(
    request: HttpRequest, code: str, error: PatrolError | None = None, status: int = 200
) -> HttpResponse:
    language = get_language() or "zh-hans"
    known = jurisdictions()
    found = code_of(code)
    wait_s = getattr(error, "wait_s", 0)
    key = request.POST.get("key", "")
    context = {
        "code": code,
        "where": found,
        "categories": [
            {"code": one.code, "title": one.titles.text(language), "anonymous": may_be_anonymous(one)}
            for one in categories().values()
        ],
        "jurisdictions": known if len(known) > 1 and found is None else {},
        "closed": not known and found is None,
        "key": key if error is not None and key and status != 409 else secrets.token_urlsafe(24),
        "given": request.POST,
        "wrong": "" if error is None else error.problem,
        "field": "" if error is None else error.field or "form",
        "photos_most": intake.PHOTOS_MOST,
        "centre": _centre(next(iter(known), ""), found),
        "nav": "",
    }
    response = _with(render(request, "voice/say.html", context, status=status), HEADERS)
    if wait_s:
        response["Retry-After"] = str(wait_s)
    return response


def _wrong(request: HttpRequest, code: str, error: PatrolError, status: int) -> HttpResponse:
    if request.headers.get("Accept", "").startswith("application/json"):
        response: HttpResponse = JsonResponse({"problem": error.problem, "field": error.field}, status=status)
        wait_s = getattr(error, "wait_s", 0)
        if wait_s:
            response["Retry-After"] = str(wait_s)
        return _with(response, HEADERS)
    return _page(request, code, error, status)


def _progress(
    request: HttpRequest, saying: Saying, token: str, wrong: str = "", status: int = 200
) -> HttpResponse:
    language = get_language() or "zh-hans"
    case = progress.matter_of(saying)
    definition = definition_of(case)
    state = definition.by_name[case.process_state]
    offered = progress.offered(case, saying, language)
    rated = saying.ratings.filter(round=case.round).first()
    context = {
        "token": token,
        "number": intake.number_of(saying.case),
        "matter": intake.number_of(case) if case.pk != saying.case_id else "",
        "category": _category_of(case, language),
        "place": case.place
        if saying.case_id == case.pk and saying.kind == Saying.Kind.REPORT
        else public_place(case.place),
        "text": saying.case.text if saying.kind == Saying.Kind.REPORT else "",
        "state": state,
        "title": state.titles.text(language),
        "closed": case.state == CaseState.CLOSED,
        "steps": progress.steps_of(case, language)[::-1],
        "photos": progress.photos_of(case, saying),
        "promises": progress.promises_of(case),
        "meets_at_ms": progress.next_meeting(case),
        "notes": case.notes.filter(public=True).order_by("-at_ms") if case.pk == saying.case_id else [],
        "people": intake.people_of(case),
        "rate": offered.get("rate"),
        "reopen": offered.get("reopen"),
        "reopen_days": definition.reopen.within_days if definition.reopen else 0,
        "confirm": offered.get("confirm"),
        "rated": rated.stars if rated else 0,
        "new": request.GET.get("new") == "1",
        "address": (settings.PATROL.public_url or request.build_absolute_uri("/").rstrip("/"))
        + reverse("voice:progress", args=[token]),
        "contact": saying.reporter_id is not None,
        "wrong": wrong,
        "nav": "",
    }
    return _with(render(request, "voice/progress.html", context, status=status), SECRET)


def _category_of(case: Case, language: str) -> str:
    first = Saying._base_manager.filter(case=case).order_by("pk").values_list("category", flat=True).first()
    found = categories().get(first or "")
    return found.titles.text(language) if found else definition_of(case).category.titles.text(language)


def _centre(jurisdiction_id: str, code: Any) -> tuple[float, float] | None:
    """(longitude, latitude) where the map begins."""
    if code is not None and code.longitude is not None:
        return code.longitude, code.latitude
    return finished.middle_of(jurisdiction_id) if jurisdiction_id else None


def _find(token: str) -> Saying:
    saying = intake.find_saying(token) if len(token) <= 64 else None
    if saying is None:
        raise Http404
    return saying


def _braked(request: HttpRequest, brake: Brake) -> HttpResponse | None:
    wait_s = brake.wait_s(address_of(request))
    if not wait_s:
        return None
    said = _("Too many at once. Please try again in %(count)d seconds.") % {"count": wait_s}
    if request.headers.get("Accept", "").startswith("application/json"):
        response: HttpResponse = JsonResponse({"problem": said, "field": None}, status=429)
    else:
        response = _say(request, said, 429)
    response["Retry-After"] = str(wait_s)
    return _with(response, HEADERS)


def _say(request: HttpRequest, text: str, status: int, *, form: bool = False) -> HttpResponse:
    return _with(render(request, "voice/word.html", {"text": text, "form": form}, status=status), HEADERS)


def _number(request: HttpRequest, name: str) -> float | None:
    try:
        return float(request.POST.get(name, "")[:30])
    except ValueError:
        return None


def _with(response: Any, headers: dict[str, str]) -> Any:
    for name, value in headers.items():
        response[name] = value
    return response


__all__ = ["act", "done", "follow", "form_of", "photo", "say", "suggestions"]
