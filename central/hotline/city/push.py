"""Where the city platform posts work orders. Open to the network: nothing is read that is not signed and fresh."""

from __future__ import annotations

import json

from django.db import OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from central.cases.api_calls import ProblemError, raw_body
from central.hotline import config
from central.hotline.city.exchange import take_all
from central.hotline.city.messages import BODY_BYTES, SIGNATURE_HEADER, TIME_HEADER, is_signed
from central.hotline.models import CityFeed
from central.people.access import open_to_all
from central.project.brake import Brake, address_of
from central.project.clock import now_ms
from protocol.errors import PatrolError

ORDERS = 500
STRANGERS = Brake(burst=20, per_minute=20)
"""For each address whose signature is none of the city's."""


@csrf_exempt
@open_to_all
@require_POST
def push(request: HttpRequest) -> JsonResponse:
    """`{"orders": [...]}`: which were taken and which make no sense. Sent again, all are taken again and nothing changes."""
    try:
        conf = config.load()
        secret = conf.city.secret if conf.city is not None else b""
    except PatrolError:
        return _problem(503, "not_configured")
    if conf.city is None:
        raise Http404
    try:
        body = raw_body(request, BODY_BYTES)
    except ProblemError as error:
        return _problem(error.status, "too_large")
    time, signature = request.headers.get(TIME_HEADER, ""), request.headers.get(SIGNATURE_HEADER, "")
    if not is_signed(secret, "POST", request.get_full_path(), time, signature, body, now_ms()):
        wait_s = STRANGERS.wait_s(address_of(request))
        return _problem(429 if wait_s else 401, "signature")
    try:
        orders = json.loads(body)["orders"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return _problem(400, "body")
    if not isinstance(orders, list) or len(orders) > ORDERS:
        return _problem(400, "orders")
    try:
        found = take_all(orders, conf, conf.city)
        CityFeed.objects.bulk_create(
            [CityFeed(jurisdiction_id=conf.city.jurisdiction)], ignore_conflicts=True
        )
        CityFeed.objects.filter(pk=conf.city.jurisdiction).update(pushed_at_ms=now_ms())
    except OperationalError:
        return _problem(503, "busy")
    return JsonResponse({"taken": found.taken, "refused": found.refused})


def _problem(status: int, code: str) -> JsonResponse:
    return JsonResponse({"code": code}, status=status)
