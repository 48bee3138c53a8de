"""What every call of the API has in common: its key and right, its brake, its Idempotency-Key, its problems (RFC 9457)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import OperationalError, transaction
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.security import HttpBearer

from central.cases.actions import OtherContentError as OtherNoteError
from central.cases.apikeys import find_key
from central.cases.attachments import OtherContentError as OtherPhotoError
from central.cases.engine import RefusedError
from central.cases.models import ApiCall, ApiKey
from central.project.brake import Brake, address_of
from central.project.chain import canonical
from central.project.clock import now_ms
from protocol.errors import PatrolError, UnavailableError

BODY_BYTES = 64 * 1024
KEY_LENGTH = 100
KEPT_MS = 30 * 86_400_000
SWEEP_EVERY = 200
CALLS = Brake(burst=200, per_minute=3000)
STRANGERS = Brake(burst=20, per_minute=20)
"""For each key, and for each address that comes without one."""

STATUS = {"role": 403, "part": 403, "reopen": 403, "field": 422, "unknown": 404}
"""HTTP status by the code of a refusal; 409 for the others, which say that the case stands elsewhere."""


class ProblemError(Exception):
    """An answer other than success."""

    def __init__(
        self, status: int, code: str, title: str, detail: str = "", field: str | None = None
    ) -> None:
        super().__init__(title)
        self.status = status
        self.body = {"type": "about:blank", "title": title, "status": status, "code": code}
        if detail:
            self.body["detail"] = detail
        if field:
            self.body["field"] = field
        self.wait_s = 0


class KeyAuth(HttpBearer):
    """A key of `patrol central keys`, in ``Authorization: Bearer …``."""

    def authenticate(self, request: HttpRequest, token: str) -> ApiKey | None:
        """The key, or None, which is answered with 401."""
        key = find_key(token.strip())
        brake, caller = (STRANGERS, address_of(request)) if key is None else (CALLS, key.name)
        _slow_down(brake, caller, None if key is None else key.per_minute)
        return key

    def __call__(self, request: HttpRequest) -> Any:
        found = super().__call__(request)
        if found is None and "Authorization" not in request.headers:
            _slow_down(STRANGERS, address_of(request))
        return found


def key_with(request: HttpRequest, right: str) -> ApiKey:
    """The caller's key, if it has this right.

    Raises:
        ProblemError: it has not.
    """
    key: ApiKey = request.auth  # type: ignore[attr-defined]
    if right not in key.rights:
        raise ProblemError(403, "right", "This key may not do this", f"it lacks the right {right!r}")
    return key


def check_name(name: str) -> str:
    """An Idempotency-Key that can be kept.

    Raises:
        ProblemError: it has another form.
    """
    if not 1 <= len(name) <= KEY_LENGTH or not name.isprintable():
        raise ProblemError(
            422, "idempotency_key", "This Idempotency-Key cannot be used", "1 to 100 printable characters"
        )
    return name


def once(
    request: HttpRequest,
    key: ApiKey,
    name: str,
    content: bytes,
    work: Callable[[str], tuple[int, Any]],
) -> HttpResponse:
    """Do the work of a call once for each Idempotency-Key, and give the same answer again for the same request.

    The row is written before the work and in its transaction: a second call at the same moment waits for the first. What
    failed leaves no row and may be tried again.

    Args:
        request: its path and method belong to what must be the same.
        key: whose call it is.
        name: its Idempotency-Key.
        content: what was asked, as bytes.
        work: gets the Idempotency-Key; gives status and answer.

    Raises:
        ProblemError: a key of no form, or one that came with another request.
    """
    name = check_name(name)
    digest = hashlib.sha256(f"{request.method} {request.path}\n".encode() + content).hexdigest()
    with transaction.atomic():
        ApiCall.objects.bulk_create(
            [ApiCall(key=key, idempotency_key=name, request_sha256=digest, at_ms=now_ms())],
            ignore_conflicts=True,
        )
        call = ApiCall.objects.select_for_update().get(key=key, idempotency_key=name)
        if call.request_sha256 != digest:
            raise ProblemError(
                422, "idempotency_key", "This Idempotency-Key came with another request", "take a new one"
            )
        again = call.status != 0
        if not again:
            call.status, answer = work(name)
            call.answer = canonical(answer)
            call.save(update_fields=["status", "answer"])
            if call.pk % SWEEP_EVERY == 0:
                ApiCall.objects.filter(at_ms__lt=now_ms() - KEPT_MS).delete()
    response = HttpResponse(call.answer, status=call.status, content_type="application/json")
    if again:
        response["Idempotent-Replayed"] = "true"
    return response


def raw_body(request: HttpRequest, most: int) -> bytes:
    """The body as it came.

    Raises:
        ProblemError: larger than allowed.
    """
    length = request.headers.get("Content-Length") or "0"
    if not (length.isascii() and length.isdigit()) or int(length) > most:
        raise ProblemError(413, "too_large", "The body is too large", f"at most {most} bytes")
    raw: bytes = request.read(most + 1)
    if len(raw) > most:
        raise ProblemError(413, "too_large", "The body is too large", f"at most {most} bytes")
    return raw


def answer_problems(api: NinjaAPI) -> None:
    """Let every problem be answered as one, never with a page."""

    @api.exception_handler(ProblemError)
    def problem(_request: HttpRequest, error: ProblemError) -> HttpResponse:
        return _problem(error)

    @api.exception_handler(AuthenticationError)
    def nobody(_request: HttpRequest, _error: AuthenticationError) -> HttpResponse:
        answer = _problem(ProblemError(401, "key", "A valid key is needed"))
        answer["WWW-Authenticate"] = 'Bearer realm="cases"'
        return answer

    @api.exception_handler(ValidationError)
    def invalid(_request: HttpRequest, error: ValidationError) -> HttpResponse:
        first = error.errors[0] if error.errors else {"loc": (), "msg": "invalid"}
        field = ".".join(str(part) for part in first["loc"][2:]) or None
        return _problem(ProblemError(422, "field", "A field makes no sense", str(first["msg"])[:300], field))

    @api.exception_handler(HttpError)
    def plain(_request: HttpRequest, error: HttpError) -> HttpResponse:
        return _problem(ProblemError(error.status_code, "request", str(error)[:200]))

    @api.exception_handler(Http404)
    def missing(_request: HttpRequest, _error: Http404) -> HttpResponse:
        return _problem(ProblemError(404, "missing", "There is no such thing here"))

    @api.exception_handler(RefusedError)
    def refused(_request: HttpRequest, error: RefusedError) -> HttpResponse:
        refusal = error.refusal
        status = STATUS.get(refusal.code, 409)
        return _problem(
            ProblemError(
                status, refusal.code, "The rules do not allow it", str(refusal.reason), refusal.field
            )
        )

    @api.exception_handler(PatrolError)
    def ours(_request: HttpRequest, error: PatrolError) -> HttpResponse:
        if isinstance(error, UnavailableError):
            return _problem(ProblemError(503, "unavailable", "Something is not available now"))
        conflict = isinstance(error, (OtherPhotoError, OtherNoteError))
        # The message may name files of the machine: only what is wrong goes out.
        return _problem(
            ProblemError(
                409 if conflict else 422, "content", "This cannot be taken", error.problem, error.field
            )
        )

    @api.exception_handler(OperationalError)
    def busy(_request: HttpRequest, _error: OperationalError) -> HttpResponse:
        again = ProblemError(503, "busy", "The database is busy", "try again with the same Idempotency-Key")
        again.wait_s = 1
        return _problem(again)


def _problem(error: ProblemError) -> HttpResponse:
    answer = HttpResponse(
        json.dumps(error.body, ensure_ascii=False),
        status=error.status,
        content_type="application/problem+json",
    )
    answer["Cache-Control"] = "no-store"
    if error.wait_s:
        answer["Retry-After"] = str(error.wait_s)
    return answer


def _slow_down(brake: Brake, caller: str, per_minute: int | None = None) -> None:
    wait_s = brake.wait_s(caller, per_minute) if per_minute else brake.wait_s(caller)
    if wait_s:
        error = ProblemError(429, "too_many", "Too many requests", f"come back in {wait_s} s")
        error.wait_s = wait_s
        raise error


def picture_limit() -> int:
    """Bytes of the largest photo."""
    return int(settings.PATROL.picture_bytes)
