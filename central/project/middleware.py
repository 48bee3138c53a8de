"""Headers of every page, and static files under an asynchronous server."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile

from central.project.nul import NUL

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""Only our own files; no inline script or style anywhere, so a forged text in a case can run nothing."""


def policy() -> str:
    """The content security policy of pages: our own files, and pictures of the tile server where one is set."""
    origin = settings.PATROL.tiles_origin
    if origin is None:
        return CONTENT_SECURITY_POLICY
    return CONTENT_SECURITY_POLICY.replace("img-src 'self'", f"img-src 'self' {origin}")


PERMISSIONS_POLICY = "camera=(self), geolocation=(self), microphone=(), payment=(), usb=()"


class PageHeaders:
    """Content security policy and permissions for each answer; pages about people are not kept by caches."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", policy())
        response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        if "Cache-Control" not in response.headers:
            response.headers["Cache-Control"] = "no-store"
        return response


class NulError(SuspiciousOperation):
    """A text with a NUL, answered with 400. `field` says where."""

    def __init__(self, field: str) -> None:
        super().__init__(f"{field}: a text with a NUL")
        self.field = field


class NoNul:
    """400 to every address and every form with a NUL in it: nothing here has one, and PostgreSQL would fail on it.

    It stands before what asks for cookies. An address is refused only once the person is known, so that the answer is a page.
    """

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        _guard(request)
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: object) -> None:
        """Before the view of any address."""
        if NUL in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
            raise NulError("address")


def _guard(request: HttpRequest) -> None:
    """Let a form with a NUL fail when it is read, and forget cookies that have one."""
    for name, value in list(request.COOKIES.items()):
        if NUL in name or NUL in value:
            del request.COOKIES[name]
    read: Callable[[], None] = request._load_post_and_files  # type: ignore[attr-defined]

    def careful() -> None:
        read()
        for name, values in (*request._post.lists(), *request._files.lists()):  # type: ignore[attr-defined]
            if NUL in name or any(isinstance(value, str) and NUL in value for value in values):
                request._mark_post_parse_error()  # type: ignore[attr-defined]
                raise NulError(name.replace(NUL, "")[:60] or "?")

    request._load_post_and_files = careful  # type: ignore[attr-defined]


class StaticFiles(WhiteNoiseMiddleware):
    """WhiteNoise whose answers are whole: a synchronous file iterator makes Django's ASGI handler warn."""

    @staticmethod
    def serve(static_file: StaticFile, request: HttpRequest) -> HttpResponse:
        answer = static_file.get_response(request.method, request.META)
        body = b""
        if answer.file is not None:
            with answer.file as file:
                body = file.read()
        response = HttpResponse(body, status=int(answer.status))
        del response["content-type"]
        for name, value in answer.headers:
            response[name] = value
        return response
