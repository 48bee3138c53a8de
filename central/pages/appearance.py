"""Theme and contrast: what the reader chose, kept in a cookie so that the first byte of a page is already right; and the
address to which whoever chooses comes back."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from central.project.asked import page_of

CHOICES = {"theme": ("auto", "light", "dark"), "contrast": ("auto", "more")}
"""Name -> values; the first is the plain one: as the reader's system says."""

_YEAR_S = 365 * 24 * 3600


def appearance(request: HttpRequest) -> dict[str, str]:
    """Template variables `theme`, `contrast` and `this_page`."""
    return {name: _read(request, name) for name in CHOICES} | {"this_page": page_of(request)}


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
