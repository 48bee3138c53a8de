"""Addresses for machines that watch: alive, ready, metrics. Who may know more than `ok` has to show that."""

from __future__ import annotations

import hmac
from ipaddress import ip_address

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from central.operations.measures import DatabaseMeasures
from central.operations.state import OK, UNAVAILABLE, look
from central.people.access import open_to_all
from central.people.policy import writers
from central.people.second_factor import lacks_second_factor
from central.project import metrics

_database = DatabaseMeasures()


@open_to_all
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:  # noqa: ARG001
    """200 while the process answers."""
    return JsonResponse({"status": "ok"})


@open_to_all
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 while pages can be served. With `?whole=1`, 200 only while workers, clocks and broker are well too.

    Everybody learns one word; who brings the metrics' token or keeps the fleet, all findings.
    """
    whole = request.GET.get("whole") == "1"
    told = may_know(request)
    state = look(briefly=not whole and not told)
    bad = state.status != OK if whole else state.status == UNAVAILABLE
    body = state.as_dict() if told else {"status": state.status}
    answer = JsonResponse(body, status=503 if bad else 200)
    answer._has_been_logged = True  # type: ignore[attr-defined]  # a probe asks every few seconds; the cause is logged where it is
    return answer


@open_to_all
@require_safe
def metrics_(request: HttpRequest) -> HttpResponse:
    """Metrics in Prometheus' text format. Nothing is there unless the operator said who may read it."""
    if settings.PATROL.metrics_token is None and not settings.PATROL.metrics_allow:
        raise Http404
    if not may_scrape(request):
        answer = HttpResponse("not allowed\n", status=401, content_type="text/plain")
        answer["WWW-Authenticate"] = "Bearer"
        return answer
    text = generate_latest(metrics.registry(_database))
    return HttpResponse(text, content_type=CONTENT_TYPE_PLAIN_0_0_4)


def may_scrape(request: HttpRequest) -> bool:
    """Whether the caller brings the token, or calls from an address that needs none."""
    token = settings.PATROL.metrics_token
    scheme, _, brought = request.headers.get("Authorization", "").partition(" ")
    if (
        token is not None
        and scheme.lower() == "bearer"
        and hmac.compare_digest(brought.strip().encode(), token.encode())
    ):
        return True
    # What came through a proxy has the proxy's address, or one that the caller wrote: it never counts as near.
    if any(request.headers.get(name) for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via")):
        return False
    try:
        address = ip_address(request.META.get("REMOTE_ADDR") or "")
    except ValueError:
        return False
    return any(address in network for network in settings.PATROL.metrics_allow)


def may_know(request: HttpRequest) -> bool:
    """Whether details are told: to Prometheus, and to people who keep the agents of every jurisdiction."""
    if may_scrape(request):
        return True
    user = request.user
    return (
        user.is_authenticated
        and user.role in writers("fleet")
        and user.jurisdictions is None
        and not lacks_second_factor(user)
    )
