"""The same for programs - a city's own app, a mini-program: say something, join a matter, ask what became of it.

A key of `patrol central keys` says for which jurisdiction; the right `open` sends, `read` asks. The Idempotency-Key stands for the
key of the public form: sent again, a report is the same report and gets the same answer.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from django.http import Http404, HttpRequest
from django.urls import reverse
from ninja import Field, Header, Query, Router, Schema, Status

from central.cases.alike import Report
from central.cases.api import PROBLEMS
from central.cases.api_calls import BODY_BYTES, ProblemError, check_name, key_with, picture_limit, raw_body
from central.cases.api_schemas import Problem
from central.cases.attachments import attach
from central.cases.models import ApiKey
from central.cases.rules import definition_of
from central.cases.states import CaseState
from central.project.clock import now_ms
from central.voice import intake, progress
from central.voice.categories import categories, may_be_anonymous
from central.voice.models import Saying
from central.voice.places import public_place
from central.voice.suggest import suggest

router = Router(tags=["voice"])
IdempotencyKey = Header(..., alias="Idempotency-Key", max_length=100)


class SayIn(Schema):
    """A report, or with `me_too` the wish to join a matter. Degrees in WGS-84."""

    category: str = Field("", max_length=40)
    text: str = Field("", max_length=4000)
    place: str = Field("", max_length=300)
    longitude: float | None = Field(None, ge=-180, le=180)
    latitude: float | None = Field(None, ge=-90, le=90)
    code: str = Field("", max_length=32, description="Token of a code on a wall.")
    name: str = Field("", max_length=80)
    phone: str = Field("", max_length=30)
    language: str = Field("zh-hans", pattern="^(zh-hans|en)$")
    me_too: int | None = Field(None, ge=1, description="The `case` of a suggestion.")


class SayOut(Schema):
    """What to give to the resident: the number, and the secret of the progress page."""

    number: str
    case: int
    token: str
    progress: str
    again: bool


class CategoryOut(Schema):
    """A kind of matter."""

    code: str
    title: dict[str, str]
    anonymous: bool


class SuggestionOut(Schema):
    """A matter that is perhaps the same; nobody's text and nobody's name."""

    case: int
    number: str
    place: str
    state: str
    open: bool
    people: int
    score: float


class StepOut(Schema):
    """A step of the way, at UTC milliseconds."""

    at_ms: int
    title: str
    text: str


class ProgressOut(Schema):
    """Where a matter stands."""

    number: str
    state: str
    title: str
    closed: bool
    people: int
    steps: list[StepOut]
    may: list[str]


@router.get(
    "/categories", response={200: list[CategoryOut], PROBLEMS: Problem}, operation_id="voice_categories"
)
def list_categories(request: HttpRequest) -> list[dict[str, Any]]:
    """What people can say something about."""
    key_with(request, "read")
    return [
        {"code": one.code, "title": one.titles.model_dump(), "anonymous": may_be_anonymous(one)}
        for one in categories().values()
    ]


@router.post("/reports", response={201: SayOut, 200: SayOut, PROBLEMS: Problem}, operation_id="say")
def say(request: HttpRequest, body: SayIn, idempotency_key: str = IdempotencyKey) -> Status[Any]:
    """Say something, or join a matter. 201 the first time, 200 with the same answer for each repetition."""
    key = key_with(request, "open")
    if len(request.body) > BODY_BYTES:
        raise ProblemError(413, "too_large", "The body is too large", f"at most {BODY_BYTES} bytes")
    form = intake.Form(
        key=_key(key, idempotency_key),
        category=body.category,
        text=body.text,
        place=body.place,
        longitude=body.longitude,
        latitude=body.latitude,
        name=body.name,
        phone=body.phone,
        language=body.language,
        code=body.code,
        jurisdiction_id=key.jurisdiction_id,
    )
    try:
        made = (
            intake.submit(form)
            if body.me_too is None
            else intake.me_too(body.me_too, form, key.jurisdiction_id)
        )
    except intake.SayError as error:
        problem = ProblemError(error.status, "field", "This cannot be taken", error.problem, error.field)
        problem.wait_s = getattr(error, "wait_s", 0)
        raise problem from error
    answer = {
        "number": made.number,
        "case": made.saying.case_id,
        "token": made.token,
        "progress": reverse("voice:progress", args=[made.token]),
        "again": made.again,
    }
    return Status(200 if made.again else 201, answer)


@router.post(
    "/progress/{token}/photos",
    response={201: dict[str, int], PROBLEMS: Problem},
    operation_id="voice_photo",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
def photo(request: HttpRequest, token: str, idempotency_key: str = IdempotencyKey) -> Status[Any]:
    """Add a photo to what was sent: the body is the file. At most four."""
    key = key_with(request, "photo")
    saying = _find(key, token)
    data = raw_body(request, picture_limit())
    own = f"voice-{saying.key_sha256[:40]}-"
    name = own + sha256(check_name(idempotency_key).encode()).hexdigest()[:16]
    mine = saying.case.attachments.filter(key__startswith=own)
    if mine.count() >= intake.PHOTOS_MOST and not mine.filter(key=name).exists():
        raise ProblemError(409, "content", "This cannot be taken", f"at most {intake.PHOTOS_MOST} photos")
    made = attach(saying.case, None, data, "", name, actor=intake.ACTOR)
    return Status(201, {"id": made.pk})


@router.get(
    "/progress/{token}", response={200: ProgressOut, PROBLEMS: Problem}, operation_id="voice_progress"
)
def follow(request: HttpRequest, token: str, language: str = "zh-hans") -> dict[str, Any]:
    """What became of it, and what may be done on its page: `rate`, `reopen`, `confirm`."""
    saying = _find(key_with(request, "read"), token)
    case = progress.matter_of(saying)
    return {
        "number": intake.number_of(case),
        "state": case.process_state,
        "title": definition_of(case).by_name[case.process_state].titles.text(language),
        "closed": case.state == CaseState.CLOSED,
        "people": intake.people_of(case),
        "steps": [
            {"at_ms": one.at_ms, "title": one.title, "text": one.text}
            for one in progress.steps_of(case, language)
        ],
        "may": sorted(progress.offered(case, saying, language)),
    }


@router.get(
    "/suggestions", response={200: list[SuggestionOut], PROBLEMS: Problem}, operation_id="voice_suggestions"
)
def suggestions(
    request: HttpRequest,
    text: str = Query(..., max_length=600),
    place: str = Query("", max_length=300),
    longitude: float | None = Query(None, ge=-180, le=180),
    latitude: float | None = Query(None, ge=-90, le=90),
    language: str = "zh-hans",
) -> list[dict[str, Any]]:
    """Matters like what somebody is typing, the likest first; at most three."""
    key = key_with(request, "read")
    typed = Report(0, now_ms(), longitude, latitude, text, "", place)
    return [
        {
            "case": one.case.pk,
            "number": intake.number_of(one.case),
            "place": public_place(one.case.place),
            "state": definition_of(one.case).by_name[one.case.process_state].titles.text(language),
            "open": one.case.state != CaseState.CLOSED,
            "people": intake.people_of(one.case),
            "score": one.score,
        }
        for one in suggest(key.jurisdiction_id, typed)
    ]


def _key(key: ApiKey, name: str) -> str:
    return sha256(f"{key.name}/{check_name(name)}".encode()).hexdigest()


def _find(key: ApiKey, token: str) -> Saying:
    saying = intake.find_saying(token) if len(token) <= 64 else None
    if saying is None or saying.case.jurisdiction_id != key.jurisdiction_id:
        raise Http404
    return saying
