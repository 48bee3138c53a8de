"""Live availability over HTTP, in the shape of NGSI-LD (ETSI GS CIM 009, clauses 6.6 and 6.14).

Every call needs a key of `patrol central bays keys`, in ``Authorization: Bearer …``. A key sees and changes the bays of
its own jurisdiction alone. The newest observation wins: what is older than what is known, or the same, changes nothing
and is no error, so that a sender may repeat and a network may reorder.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from central.bays import ngsi
from central.bays.feeds import find_key
from central.bays.models import Bay, BayKind, BayStatus, FeedKey
from central.bays.observations import AHEAD_MS, Observation, observe
from central.bays.services import effective_status
from central.people.access import open_to_all
from central.project.brake import Brake, address_of
from central.project.clock import now_ms

BODY_BYTES = 256 * 1024
BATCH = 500
CALLS = Brake(burst=200, per_minute=1200)
STRANGERS = Brake(burst=20, per_minute=20)
"""For each key, and for each address that comes without one."""

LIVE = frozenset(
    {"status", "availableSpotNumber", "observedAt", "totalSpotNumber", "dateObserved", "observationDateTime"}
)
"""What a feed may say. Where a bay lies and who may stand there is imported by a person."""

_ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"

View = Callable[..., HttpResponse]


class _Problem(Exception):
    """An answer other than success."""

    def __init__(self, status: int, kind: str, title: str, detail: str = "") -> None:
        super().__init__(title)
        self.status = status
        self.kind = kind
        self.title = title
        self.detail = detail


def with_key(view: View) -> View:
    """Open the view to callers with a valid key, handed on as `key`; every problem is a ProblemDetails (RFC 9457)."""

    @csrf_exempt
    @open_to_all
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        scheme, _space, secret = request.headers.get("Authorization", "").partition(" ")
        key = find_key(secret.strip()) if scheme.lower() == "bearer" else None
        brake, caller = (STRANGERS, address_of(request)) if key is None else (CALLS, key.name)
        wait_s = brake.wait_s(caller)
        if wait_s:
            answer = _problem(
                _Problem(429, "TooManyRequests", "Too many requests", f"come back in {wait_s} s")
            )
            answer["Retry-After"] = str(wait_s)
            return answer
        if key is None:
            answer = _problem(_Problem(401, "Unauthorized", "A valid key is needed"))
            answer["WWW-Authenticate"] = 'Bearer realm="bays"'
            return answer
        try:
            return view(request, *args, key=key, **kwargs)
        except _Problem as problem:
            return _problem(problem)

    return guarded


@with_key
@require_http_methods(["GET", "HEAD"])
def entity(_request: HttpRequest, bay_id: str, *, key: FeedKey) -> HttpResponse:
    """One bay as it is known now."""
    bay = _find(key, bay_id)
    return JsonResponse(ngsi.write_entity(bay, effective_status(bay)), content_type="application/json")


@with_key
@require_http_methods(["PATCH", "POST"])
def attributes(request: HttpRequest, bay_id: str, *, key: FeedKey) -> HttpResponse:
    """What was observed of one bay. 204 also where something newer is known."""
    body = _body(request)
    if not isinstance(body, dict):
        raise _Problem(400, "BadRequestData", "The body must be a JSON object")
    _take(key, _find(key, bay_id), body)
    return HttpResponse(status=204)


@with_key
@require_POST
def update(request: HttpRequest, *, key: FeedKey) -> HttpResponse:
    """What was observed of many bays: 204 where all were taken, 207 with each failure otherwise."""
    body = _body(request)
    if not isinstance(body, list) or not body:
        raise _Problem(400, "BadRequestData", "The body must be a JSON array of entities")
    if len(body) > BATCH:
        raise _Problem(413, "TooManyEntities", "Too many entities", f"at most {BATCH} in a request")
    success: list[str] = []
    errors: list[dict[str, Any]] = []
    for number, part in enumerate(body):
        name = part.get("id") if isinstance(part, dict) else None
        try:
            if not isinstance(part, dict) or not isinstance(name, str):
                raise _Problem(400, "BadRequestData", "An entity needs an id")
            _take(
                key, _find(key, name), {k: v for k, v in part.items() if k not in {"id", "type", "@context"}}
            )
            success.append(name)
        except _Problem as problem:
            errors.append({"entityId": str(name or f"[{number}]")[:200], "error": _details(problem)})
    if not errors:
        return HttpResponse(status=204)
    return JsonResponse({"success": success, "errors": errors}, status=207)


def _take(key: FeedKey, bay: Bay, body: dict[str, Any]) -> None:
    body = {name: value for name, value in body.items() if name != "@context"}
    strange = sorted(set(body) - LIVE)
    if strange:
        raise _Problem(
            400,
            "BadRequestData",
            f"Attribute {strange[0][:60]!r} cannot be reported",
            f"known: {', '.join(sorted(LIVE))}",
        )
    try:
        told = ngsi.read_entity({**body, "type": bay.kind})
    except ngsi.BadEntityError as error:
        raise _Problem(400, "BadRequestData", f"{error.attribute}: {error.problem}") from None
    if told.status is None:
        missing = "status" if bay.kind == BayKind.SPOT else "availableSpotNumber: how many places are free?"
        raise _Problem(400, "BadRequestData", f"this says nothing of it; send {missing}")
    total = told.total or bay.total
    if bay.kind == BayKind.SPOT and (total != 1 or (told.free or 0) > 1):
        raise _Problem(400, "BadRequestData", "a ParkingSpot is for one vehicle")
    if told.free is not None and told.free > total:
        raise _Problem(400, "BadRequestData", f"availableSpotNumber: {told.free} places are free of {total}")
    at_ms = told.observed_at_ms
    if at_ms is None:
        # Whoever does not say when means now; a repetition or a late message could then not be told from news.
        raise _Problem(400, "BadRequestData", "observedAt is missing: when was this seen?")
    if at_ms > now_ms() + AHEAD_MS:
        raise _Problem(400, "BadRequestData", "observedAt lies in the future: check the sender's clock")
    with transaction.atomic():
        observe(bay, Observation(BayStatus(told.status), at_ms, f"feed:{key.name}", told.free, told.total))


def _find(key: FeedKey, bay_id: str) -> Bay:
    bay = None
    if len(bay_id) <= 200 and "\x00" not in bay_id:
        bay = Bay.objects.filter(jurisdiction_id=key.jurisdiction_id, bay_id=bay_id).first()
    if bay is None:
        raise _Problem(
            404, "ResourceNotFound", "There is no such bay in this jurisdiction", "import it first"
        )
    return bay


def _body(request: HttpRequest) -> Any:
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind not in {"application/json", "application/ld+json", "application/merge-patch+json"}:
        raise _Problem(415, "BadRequestData", "The body must be application/json or application/ld+json")
    try:
        length = int(request.headers.get("Content-Length") or 0)
    except ValueError:
        length = 0
    if length > BODY_BYTES:
        raise _Problem(413, "RequestTooLarge", "The body is too large", f"at most {BODY_BYTES} bytes")
    raw = request.read(BODY_BYTES + 1)
    if len(raw) > BODY_BYTES:
        raise _Problem(413, "RequestTooLarge", "The body is too large", f"at most {BODY_BYTES} bytes")
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise _Problem(400, "InvalidRequest", "The body is not JSON") from None


def _details(problem: _Problem) -> dict[str, Any]:
    details = {"type": _ERRORS + problem.kind, "title": problem.title, "status": problem.status}
    return {**details, "detail": problem.detail} if problem.detail else details


def _problem(problem: _Problem) -> HttpResponse:
    answer = JsonResponse(_details(problem), status=problem.status, content_type="application/problem+json")
    answer["Cache-Control"] = "no-store"
    return answer
