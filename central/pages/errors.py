"""Error pages in the reader's language."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from central.project.middleware import NulError


def _page(request: HttpRequest, status: int, title: str, text: str) -> HttpResponse:
    return render(
        request, "pages/error.html", {"status": status, "title": title, "text": text}, status=status
    )


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400"""
    if isinstance(exception, NulError):
        said = _("The field “{}” holds a character that nobody can see and that cannot be kept (NUL).")
        mend = _("Go back, type the text again instead of pasting it, and send the form.")
        return _page(request, 400, _("This request makes no sense"), f"{said.format(exception.field)} {mend}")
    return _page(request, 400, _("This request makes no sense"), _("Go back and try again."))


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    """403"""
    return _page(
        request, 403, _("This page is not for your role"), _("Ask your dispatcher if you think it should be.")
    )


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001
    """403 where a form did not come from our own page, or cookies are off."""
    return _page(
        request,
        403,
        _("This form has expired"),
        _("Go back, load the page again and repeat what you did. Cookies must be allowed."),
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    """404"""
    return _page(
        request, 404, _("There is no such page"), _("It may lie outside your area, or never have been.")
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """500"""
    return _page(
        request, 500, _("Something went wrong here"), _("It was written to the log. Try again in a moment.")
    )
