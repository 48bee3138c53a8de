"""What forms of many pages carry alike."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from urllib.parse import urlsplit

from django.http import HttpRequest
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from protocol.clock import Millis
from protocol.errors import PatrolError


def form_key(request: HttpRequest) -> uuid.UUID:
    """What makes a form that is sent twice one action; a form that has none is an action of its own."""
    try:
        return uuid.UUID(request.POST.get("key", ""))
    except ValueError:
        return uuid.uuid4()


def next_page(request: HttpRequest, otherwise: str) -> str:
    """Where the form says that it goes on, if that is a page of ours."""
    target = request.POST.get("next") or request.GET.get("next") or ""
    if url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure()):
        return target
    return otherwise


def page_of(request: HttpRequest) -> str:
    """The address by which whoever reads this answer comes to its page again: what answers a form may have no page of its own,
    so it is the page on which the form stands, where the browser names one of ours."""
    if request.method not in {"GET", "HEAD"}:
        before = urlsplit(request.headers.get("Referer", ""))
        page = before.path + (f"?{before.query}" if before.query else "")
        if before.netloc == request.headers.get("Host") and url_has_allowed_host_and_scheme(page, None):
            return page
    return request.get_full_path()


def moment(text: str) -> Millis:
    """A date and time as a browser's field gives it, on the clocks here.

    Raises:
        ValueError: it is none.
    """
    read = datetime.fromisoformat(text)
    if read.tzinfo is None:
        read = read.replace(tzinfo=timezone.get_default_timezone())
    return round(read.timestamp() * 1000)


def day(text: str, field: str) -> date:
    """A day as a browser's field gives it.

    Raises:
        PatrolError: it is none.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise PatrolError(
            "not a date", field=field, value=text[:40], mend="Write it as 2026-11-28."
        ) from None


def whole(text: str, digits: int = 18) -> int | None:
    """A whole number as a form or an address carries it, of ASCII digits and no more of them than given; None for
    anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= digits else None
