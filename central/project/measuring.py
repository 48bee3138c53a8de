"""Each call gets a name in the logs, is timed, and is counted where the database failed it."""

from __future__ import annotations

import re
import secrets
import sys
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.signals import got_request_exception
from django.db import DatabaseError
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from central.live import beats
from central.project import logs, metrics
from protocol.clock import SystemClock

HEADER = "X-Request-ID"
_GIVEN = re.compile(r"[A-Za-z0-9._-]{8,64}")


class Measured:
    """The outermost middleware. Views are told apart by their names in the code, never by what stands in an address:
    that would be without bound, and a driver's link is a secret."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self._clock = SystemClock()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get(HEADER, "")
        # A proxy's name for the call, so that its log and ours can be laid side by side.
        name = given if settings.PATROL.https and _GIVEN.fullmatch(given) else secrets.token_hex(8)
        began = self._clock.monotonic_ms()
        with logs.about(request=name):
            response = self.get_response(request)
        seconds = (self._clock.monotonic_ms() - began) / 1000
        metrics.calls.labels(view_of(request), f"{response.status_code // 100}xx").observe(seconds)
        response.headers[HEADER] = name
        return response


def view_of(request: HttpRequest) -> str:
    """The view's name; `static` for files, `none` where no address fits."""
    found = request.resolver_match
    if found is not None:
        return found.view_name or found._func_path
    return "static" if request.path_info.startswith(settings.STATIC_URL) else "none"


def _count_failures(**_: Any) -> None:
    if isinstance(sys.exc_info()[1], DatabaseError):
        beats.count("database_errors", "web")


got_request_exception.connect(_count_failures, dispatch_uid="central.project.measuring")
