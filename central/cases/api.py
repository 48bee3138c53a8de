"""Cases over HTTP for other systems, described by OpenAPI at /api/v1/openapi.json.

Every call needs a key of `patrol central keys`; a key sees the cases of its own jurisdiction alone. What changes something needs
an Idempotency-Key: the same key with the same request gets the same answer, however often it is sent.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe
from ninja import Header, NinjaAPI

from central.cases import actions, reports
from central.cases.api_calls import (
    BODY_BYTES,
    KeyAuth,
    ProblemError,
    answer_problems,
    check_name,
    key_with,
    once,
    picture_limit,
    raw_body,
)
from central.cases.api_reading import add_reading
from central.cases.api_schemas import (
    AttachmentOut,
    CaseIn,
    CaseOut,
    NoteIn,
    NoteOut,
    Problem,
    TransitionIn,
    attachment_out,
    case_out,
    note_out,
)
from central.cases.apikeys import actor_of_key, reporter_actor
from central.cases.attachments import attach
from central.cases.models import ApiKey, Case
from central.cases.reporters import Contact, find_or_make
from central.people.access import open_to_all
from central.project.chain import canonical
from central.project.clock import now_ms
from protocol.messages import Position

AHEAD_MS = 5 * 60_000
"""How far another system's clock may be ahead of ours."""

PROBLEMS = frozenset({400, 401, 403, 404, 409, 413, 415, 422, 429, 503})

api = NinjaAPI(
    title="Street patrol: cases",
    version="1",
    description=__doc__ or "",
    auth=KeyAuth(),
    docs_url=None,
    urls_namespace="cases-api",
)
answer_problems(api)
add_reading(api)

IdempotencyKey = Header(..., alias="Idempotency-Key", max_length=100)


@api.post(
    "/cases",
    response={201: CaseOut, 200: CaseOut, PROBLEMS: Problem},
    operation_id="open_case",
    summary="Bring a case",
    tags=["cases"],
)
def open_case(request: HttpRequest, body: CaseIn, idempotency_key: str = IdempotencyKey) -> HttpResponse:
    """Bring a case. 201 with the new case; 200 where its `external_id` is known, with the case as it stands."""
    key = key_with(request, "open")
    _small(request)

    def work(name: str) -> tuple[int, Any]:
        case, new = reports.open_case(_new_case(key, body, name))
        return (201 if new else 200), case_out(case, new=new)

    return once(request, key, idempotency_key, body.model_dump_json().encode(), work)


@api.get(
    "/cases/{int:case_id}",
    response={200: CaseOut, PROBLEMS: Problem},
    operation_id="get_case",
    summary="Read a case",
    tags=["cases"],
)
def get_case(request: HttpRequest, case_id: int) -> dict[str, Any]:
    """A case as it stands."""
    key = key_with(request, "read")
    return case_out(_find(key, case_id), new=False)


@api.post(
    "/cases/{int:case_id}/transitions",
    response={200: CaseOut, PROBLEMS: Problem},
    operation_id="take_transition",
    summary="Take a step of a case",
    tags=["cases"],
)
def take_transition(
    request: HttpRequest, case_id: int, body: TransitionIn, idempotency_key: str = IdempotencyKey
) -> HttpResponse:
    """Take a step of a case, as the key's role, or for its reporter."""
    key = key_with(request, "reporter" if body.as_reporter else "move")
    _small(request)
    case = _find(key, case_id)
    if body.as_reporter and case.reporter_id is None:
        raise ProblemError(409, "reporter", "Nobody is known to have reported this case")
    actor = reporter_actor(case.reporter_id or 0) if body.as_reporter else actor_of_key(key)

    def work(_name: str) -> tuple[int, Any]:
        return 200, case_out(actions.take(case.pk, actor, body.transition, body.fields), new=False)

    return once(request, key, idempotency_key, body.model_dump_json().encode(), work)


@api.post(
    "/cases/{int:case_id}/notes",
    response={201: NoteOut, PROBLEMS: Problem},
    operation_id="write_note",
    summary="Add a note",
    tags=["notes"],
)
def write_note(
    request: HttpRequest, case_id: int, body: NoteIn, idempotency_key: str = IdempotencyKey
) -> HttpResponse:
    """Add a note to a case."""
    key = key_with(request, "note")
    _small(request)
    case = _find(key, case_id)

    def work(name: str) -> tuple[int, Any]:
        made = actions.write_note(
            case.pk, actor_of_key(key).name, body.text, _named(key, name), public=body.public
        )
        return 201, note_out(made)

    return once(request, key, idempotency_key, body.model_dump_json().encode(), work)


@api.post(
    "/cases/{int:case_id}/attachments",
    response={201: AttachmentOut, PROBLEMS: Problem},
    operation_id="add_photo",
    summary="Add a photo",
    tags=["photos"],
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                kind: {"schema": {"type": "string", "format": "binary"}}
                for kind in ("image/jpeg", "image/png", "image/webp", "image/heic")
            },
        }
    },
)
def add_photo(request: HttpRequest, case_id: int, idempotency_key: str = IdempotencyKey) -> HttpResponse:
    """Add a photo to a case: the body is the file itself."""
    key = key_with(request, "photo")
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if not kind.startswith("image/"):
        raise ProblemError(
            415, "type", "The body must be a photo", "send its Content-Type, such as image/jpeg"
        )
    data = raw_body(request, picture_limit())
    case = _find(key, case_id)
    # A photo is kept once for its key in any case; decoding it would hold a transaction open for too long.
    made = attach(
        case, None, data, "", _named(key, check_name(idempotency_key)), actor=actor_of_key(key).name
    )
    return HttpResponse(canonical(attachment_out(made)), status=201, content_type="application/json")


def _new_case(key: ApiKey, body: CaseIn, name: str) -> reports.NewCase:
    now = now_ms()
    at_ms = now if body.seen_at_ms is None else body.seen_at_ms
    if at_ms > now + AHEAD_MS:
        raise ProblemError(422, "field", "seen_at_ms lies in the future", "check the clock", "seen_at_ms")
    contact = body.reporter
    reporter = None
    if contact is not None:
        made = Contact(contact.name, contact.phone, contact.language)
        reporter = find_or_make(key.jurisdiction_id, made)
    position = None
    if body.position is not None:
        position = Position(longitude=body.position.longitude, latitude=body.position.latitude)
    told = f"id/{body.external_id}" if body.external_id else f"call/{name}"
    return reports.NewCase(
        source=body.source,
        source_key=f"api/{key.jurisdiction_id}/{key.name}/{told}",
        service_code=body.service_code,
        jurisdiction_id=key.jurisdiction_id,
        at_ms=at_ms,
        actor=actor_of_key(key).name,
        text=body.text,
        place=body.place,
        plate=body.plate,
        position=position,
        reporter=reporter,
        collector=body.source == "patrol",
    )


def _named(key: ApiKey, name: str) -> str:
    """Keys of two systems never meet, and stay within a column's length."""
    return f"api-{sha256(f'{key.name}/{name}'.encode()).hexdigest()}"


def _find(key: ApiKey, case_id: int) -> Case:
    seen = Case.objects.filter(jurisdiction_id=key.jurisdiction_id)
    if case_id >= 2**63:
        raise Http404
    case: Case = get_object_or_404(seen.select_related("grid"), pk=case_id)
    return case


def _small(request: HttpRequest) -> None:
    if len(request.body) > BODY_BYTES:
        raise ProblemError(413, "too_large", "The body is too large", f"at most {BODY_BYTES} bytes")


def addresses() -> Any:
    """The addresses of the whole API, for `central.project.urls`, once every app has added its router."""
    made = api.urls
    for pattern in made[0]:
        if pattern.name in {"api-root", "openapi-json"}:
            pattern.callback = require_safe(pattern.callback)
        # The key decides, not a log-in: calls of strangers end in `KeyAuth`.
        open_to_all(pattern.callback)
    return made
