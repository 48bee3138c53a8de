"""Theme and contrast: what the reader chose, kept in a cookie so that the first byte of a page is already right."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse

CHOICES = {"theme": ("auto", "light", "dark"), "contrast": ("auto", "more")}
"""Name -> values; the first is the plain one: as the reader's system says."""

_YEAR_S = 365 * 24 * 3600


def appearance(request: HttpRequest) -> dict[str, str]:
    """Template variables `theme` and `contrast`."""
    return {name: _read(request, name) for name in CHOICES}


def keep(response: HttpResponse, name: str, value: str) -> None:
    """Remember a choice in this browser."""
    response.set_cookie(
        f"patrol_{name}",
        value,
        max_age=_YEAR_S,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _read(request: HttpRequest, name: str) -> str:
    value = request.COOKIES.get(f"patrol_{name}", "")
    return value if value in CHOICES[name] else CHOICES[name][0]
