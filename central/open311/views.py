"""GeoReport v2 over HTTP: https://wiki.open311.org/GeoReport_v2. Every answer, errors as well, is JSON or XML as was asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation, TooManyFilesSent
from django.http import HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.utils.translation import get_language
from django.views.decorators.csrf import csrf_exempt

from central.cases.apikeys import find_key
from central.cases.attachments import OtherContentError, path_of
from central.cases.models import ApiKey, Attachment, Case
from central.grids.models import Grid
from central.open311 import intake, publishing
from central.open311.answers import Open311Error, answer, instant, refuse, too_many
from central.open311.models import Report
from central.open311.publishing import attachment_of, reportable
from central.people.access import open_to_all
from central.project.asked import whole
from central.project.brake import Brake, address_of
from central.project.clock import now_ms
from central.project.gate import Gate, gates
from central.project.middleware import NulError
from protocol.clock import Millis
from protocol.errors import PatrolError, UnavailableError

DAY_MS = 86_400_000
SPAN_MS = 90 * DAY_MS
MOST = 1000
"""Requests in one answer, as the specification has it."""

BODY_BYTES = 256 * 1024
CHANGED = "2026-11-29T00:00:00Z"
"""When what this endpoint offers last changed."""

REPORTS_A_MINUTE = 120
LOOKS = Brake(burst=120, per_minute=600)
POSTS = Brake(burst=20, per_minute=REPORTS_A_MINUTE)
REFUSED = Brake(burst=20, per_minute=20)
"""Looks for each address; reports for each key; and for each address the calls that were refused: whoever has had too many
of these is turned away before his call is read at all."""

DOOR = Gate("POST", "/open311/", too_many, REFUSED)
"""Until then it is turned away at the door, for next to nothing; so is whoever has more reports waiting than his key may send at once.
What a key may send at once is worked on at the pace at which the key goes on."""

gates.append(DOOR)

_limits: dict[str, int | None] = {}
"""What keys may, by the hash of what was sent: a flood asks the database for it once."""

View = Callable[..., HttpResponse]


def call(*methods: str) -> Callable[[View], View]:
    """Open a view to everybody, let it answer in the format of its address, and turn problems into errors of the specification."""

    def make(view: View) -> View:
        @csrf_exempt
        @open_to_all
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, form: str = "xml", **kwargs: Any) -> HttpResponse:
            try:
                if request.method not in methods and not (request.method == "HEAD" and "GET" in methods):
                    response = refuse(form, Open311Error(405, f"this address knows {', '.join(methods)}"))
                    response["Allow"] = ", ".join(methods)
                    return response
                return view(request, *args, form=form, **kwargs)
            except Open311Error as error:
                return refuse(form, error)
            except RequestDataTooBig:
                return refuse(form, Open311Error(400, "the body is too large"))
            except NulError as error:
                return refuse(form, Open311Error(400, f"{error.field!r}: a text without NUL is needed"))
            except (SuspiciousOperation, MultiPartParserError, TooManyFilesSent, UnicodeError):
                return refuse(form, Open311Error(400, "the body cannot be read"))
            except UnavailableError as error:
                return refuse(form, Open311Error(503, error.problem, 60))
            except OtherContentError:
                return refuse(form, Open311Error(400, "this report came before with another picture"))
            except PatrolError as error:
                return refuse(form, Open311Error(400, f"{error.field or 'request'}: {error.problem}"))

        return guarded

    return make


@call("GET")
def discovery(request: HttpRequest, *, form: str) -> HttpResponse:
    """Where the endpoint is and what it speaks."""
    _look(request)
    base = _base(request)
    content = {
        "changeset": CHANGED,
        "contact": f"{base}/open311/",
        "key_service": f"{base}/open311/",
        "endpoints": [
            {
                "specification": "http://wiki.open311.org/GeoReport_v2",
                "url": f"{base}/open311/v2",
                "changeset": CHANGED,
                "type": "production",
                "formats": ["text/xml", "application/json"],
            }
        ],
    }
    return answer(form, "discovery", content)


@call("GET")
def services(request: HttpRequest, *, form: str) -> HttpResponse:
    """What can be reported."""
    _look(request)
    _jurisdiction(request)
    content = [publishing.service_out(found, _language()) for found in reportable().values()]
    return answer(form, "services", content)


@call("GET")
def service(request: HttpRequest, code: str, *, form: str) -> HttpResponse:
    """What a service asks of whoever reports."""
    _look(request)
    _jurisdiction(request)
    found = reportable().get(code)
    if found is None:
        raise Open311Error(404, "service_code provided was not found")
    return answer(form, "service_definition", publishing.definition_out(found, _language()))


@call("GET", "POST")
def requests(request: HttpRequest, *, form: str) -> HttpResponse:
    """GET: what was reported. POST: report something."""
    if request.method == "POST":
        return _report(request, form)
    _look(request)
    holder, jurisdiction = _holder(request), _jurisdiction(request)
    seen = Case.objects.filter(jurisdiction_id=jurisdiction)
    cases = publishing.published(seen)
    if holder is not None and "read" in holder.rights and holder.jurisdiction_id == jurisdiction:
        cases = cases | seen.filter(open311__key=holder)
    cases = _narrowed(request, cases).order_by("-opened_at_ms", "-pk")
    size = _whole(request, "page_size", MOST, MOST)
    start = (_whole(request, "page", 1, 100_000) - 1) * size
    rows = list(publishing.with_times(cases)[start : start + size])
    return answer(form, "service_requests", _out(request, rows, holder))


@call("GET")
def request_(request: HttpRequest, number: str, *, form: str) -> HttpResponse:
    """One request by its id. Also one that strangers may not list, for the key that brought it or with its token."""
    _look(request)
    holder, jurisdiction = _holder(request), _jurisdiction(request)
    case = None
    token = request.GET.get("token", "")
    pk = whole(number)
    if pk is not None:
        seen = Case.objects.filter(jurisdiction_id=jurisdiction, pk=pk)
        may = publishing.published(seen)
        if holder is not None and "read" in holder.rights:
            may = may | seen.filter(open311__key=holder)
        if token:
            may = may | seen.filter(open311__token=token[:43])
        case = publishing.with_times(may).first()
    if case is None:
        raise Open311Error(404, "service_request_id provided was not found")
    report = getattr(case, "open311", None)
    by_token = bool(token) and report is not None and report.token == token
    return answer(form, "service_requests", _out(request, [case], holder, by_token=by_token))


@call("GET")
def token_(request: HttpRequest, token: str, *, form: str) -> HttpResponse:
    """The request that a token stands for."""
    _look(request)
    report = Report.objects.filter(token=token[:43], case__jurisdiction_id=_jurisdiction(request)).first()
    if report is None:
        raise Open311Error(404, "token provided was not found")
    content = [{"service_request_id": str(report.case_id), "token": report.token}]
    return answer(form, "service_requests", content)


@call("GET")
def nothing_here(request: HttpRequest, rest: str = "", *, form: str = "xml") -> HttpResponse:
    """Every other address."""
    _look(request)
    form = "json" if rest.endswith(".json") else form
    return refuse(form, Open311Error(404, "there is no such address; the formats are .json and .xml"))


@call("GET")
def media(request: HttpRequest, token: str, **_: Any) -> HttpResponse:
    """A picture as it is kept, small, for whoever was given its address."""
    _look(request)
    number = attachment_of(token)
    found = None if number is None else Attachment.objects.filter(pk=number).first()
    path = None if found is None else path_of(found.thumbnail_sha256, thumbnail=True)
    if path is None or not path.is_file():
        raise Open311Error(404, "there is no such picture")
    response = HttpResponse(path.read_bytes(), content_type="image/jpeg")
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cache-Control"] = "private, max-age=3600"
    return response


def _report(request: HttpRequest, form: str) -> HttpResponse:
    address = address_of(request)
    _refused_lately(address)
    length = request.headers.get("Content-Length") or "0"
    if (
        not (length.isascii() and length.isdigit())
        or int(length) > BODY_BYTES + intake.PHOTOS * settings.PATROL.picture_bytes
    ):
        raise Open311Error(400, "the body is too large")
    if request.content_type not in {"application/x-www-form-urlencoded", "multipart/form-data"}:
        raise Open311Error(
            400, "send application/x-www-form-urlencoded, or multipart/form-data with pictures"
        )
    if settings.PATROL.https and not request.is_secure():
        raise Open311Error(403, "keys and people's names travel by HTTPS alone")
    key = _key(request, address)
    given = request.POST.get("jurisdiction_id", "").strip()
    if given and given != key.jurisdiction_id:
        raise Open311Error(404, "jurisdiction_id provided was not found for this key")
    name = request.headers.get("Idempotency-Key", "")
    if len(name) > 100:
        raise Open311Error(400, "Idempotency-Key: at most 100 characters")
    case, report, new = intake.take(key, intake.read(request, _language()), name)
    content: dict[str, Any] = {
        "service_request_id": str(case.pk),
        "service_notice": None,
        "account_id": report.account_id or None,
    }
    if _extended(request):
        content["token"] = report.token
    return answer(form, "service_requests", [content], 201 if new else 200)


def _refused_lately(address: str) -> None:
    wait_s = REFUSED.waits_s(address)
    if wait_s:
        DOOR.shut(address, wait_s)
        raise Open311Error(429, f"too many calls; come back in {wait_s} s", wait_s)


def _key(request: HttpRequest, address: str) -> ApiKey:
    secret = request.POST.get("api_key", "").strip() or _bearer(request)
    digest = hashlib.sha256(secret.encode()).hexdigest()
    wait_s = POSTS.wait_s(digest, _limits.get(digest)) if secret else 0
    if wait_s:
        REFUSED.wait_s(address)
        raise Open311Error(429, f"too many reports with this key; come back in {wait_s} s", wait_s)
    key = find_key(secret)
    if key is None or "open" not in key.rights:
        REFUSED.wait_s(address)
        raise Open311Error(
            403, "missing or invalid API key" if key is None else "this API key may not report"
        )
    if len(_limits) > 1000:
        _limits.clear()
    _limits[digest] = key.per_minute
    DOOR.set_pace(address, key.per_minute or REPORTS_A_MINUTE)
    return key


def _holder(request: HttpRequest) -> ApiKey | None:
    secret = request.GET.get("api_key", "").strip() or _bearer(request)
    if not secret:
        return None
    address = address_of(request)
    _refused_lately(address)
    key = find_key(secret)
    if key is None:
        REFUSED.wait_s(address)
        raise Open311Error(403, "invalid API key")
    return key


def _bearer(request: HttpRequest) -> str:
    scheme, _space, secret = request.headers.get("Authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


def _look(request: HttpRequest) -> None:
    wait_s = LOOKS.wait_s(address_of(request))
    if wait_s:
        raise Open311Error(429, f"too many calls; come back in {wait_s} s", wait_s)


def _jurisdiction(request: HttpRequest) -> str:
    known = set(Grid.objects.filter(level=1).values_list("jurisdiction_id", flat=True))
    known |= set(ApiKey.objects.filter(revoked_at_ms=None).values_list("jurisdiction_id", flat=True))
    given = request.GET.get("jurisdiction_id", "").strip()
    if given:
        if given not in known:
            raise Open311Error(404, "jurisdiction_id provided was not found")
        return given
    if len(known) != 1:
        raise Open311Error(400, "jurisdiction_id was not provided")
    return known.pop()


def _narrowed(request: HttpRequest, cases: Any) -> Any:
    numbers = _listed(request, "service_request_id")
    if numbers:
        return cases.filter(pk__in=[pk for pk in map(whole, numbers) if pk is not None])
    codes = _listed(request, "service_code")
    if codes:
        if not set(codes) <= set(reportable()):
            raise Open311Error(404, "service_code provided was not found")
        cases = cases.filter(service_code__in=codes)
    states = _listed(request, "status")
    if states:
        if not set(states) <= {"open", "closed"}:
            raise Open311Error(400, "status: open, closed or both are known")
        if set(states) == {"open"}:
            cases = cases.exclude(state="closed")
        elif set(states) == {"closed"}:
            cases = cases.filter(state="closed")
    start_ms, end_ms = _span(request)
    return cases.filter(opened_at_ms__gte=start_ms, opened_at_ms__lte=end_ms)


def _span(request: HttpRequest) -> tuple[Millis, Millis]:
    start = request.GET.get("start_date", "").strip().replace(" ", "+")
    end = request.GET.get("end_date", "").strip().replace(" ", "+")
    start_ms = instant("start_date", start) if start else None
    end_ms = instant("end_date", end) if end else None
    if start_ms is None:
        end_ms = now_ms() if end_ms is None else end_ms
        return end_ms - SPAN_MS, end_ms
    if end_ms is None:
        return start_ms, start_ms + SPAN_MS
    if end_ms < start_ms:
        raise Open311Error(400, "end_date lies before start_date")
    if end_ms - start_ms > SPAN_MS:
        raise Open311Error(400, "start_date and end_date: at most 90 days are given at once")
    return start_ms, end_ms


def _listed(request: HttpRequest, name: str) -> list[str]:
    values = [part.strip() for text in request.GET.getlist(name) for part in text.split(",")]
    return [value for value in values if value][:MOST]


def _whole(request: HttpRequest, name: str, default: int, most: int) -> int:
    text = request.GET.get(name, "").strip() or str(default)
    if not text.isascii() or not text.isdigit() or len(text) > 9 or not 1 <= int(text) <= most:
        raise Open311Error(400, f"{name}: a whole number from 1 to {most} is needed")
    return int(text)


def _out(
    request: HttpRequest, rows: list[Any], holder: ApiKey | None, *, by_token: bool = False
) -> list[dict[str, Any]]:
    return publishing.requests_out(
        rows, _language(), _base(request), holder=holder, by_token=by_token, extended=_extended(request)
    )


def _extended(request: HttpRequest) -> bool:
    return request.GET.get("extensions", request.POST.get("extensions", "")).lower() in {"true", "1"}


def _base(request: HttpRequest) -> str:
    return settings.PATROL.public_url or f"{request.scheme}://{request.get_host()}"


def _language() -> str:
    return get_language() or "zh-hans"
