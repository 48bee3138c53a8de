"""Who may speak to the editor: only the page that it served itself, to whoever was given its address.

The page runs on a machine that other people may use and in a browser that other pages use too. So the address
holds a secret that cannot be guessed; names other than this machine's own are refused, which keeps a foreign name
that was pointed at 127.0.0.1 out (DNS rebinding); requests that another page sends are refused, and so is
everything that is not plainly allowed. The secret stands in the path, not in a cookie: browsers send cookies to
every port of a host, and the next port may belong to somebody else.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, MutableMapping

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 6 * 1024 * 1024
"""A zone file is 4 MiB at most; with its origins it is not much longer."""

_HEADERS = {
    b"content-security-policy": b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    b"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=()",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"cache-control": b"no-store",
}


def new_token() -> str:
    """A secret of 256 bits for an address."""
    return secrets.token_urlsafe(32)


class Guard:
    """Lets through what the page itself asks, and answers everything else with a refusal.

    Args:
        app: what is guarded; it sees paths without the secret.
        token: the secret.
        port: the port that is listened on.
    """

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app = app
        self._token = token.encode()
        self._hosts = {f"{name}:{port}".encode() for name in ("127.0.0.1", "localhost")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            # The body is left unread: whoever is refused does not decide how much is read.
            await PlainTextResponse(refusal[1], status_code=refusal[0])(scope, receive, _with_headers(send))
            return
        rest = "/" + scope["path"].split("/", 2)[2]
        inner = {**scope, "path": rest, "raw_path": rest.encode(), "root_path": ""}
        await self._app(inner, _bounded(receive), _with_headers(send))

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = _single(scope["headers"])
        if headers is None or headers.get(b"host") not in self._hosts:
            return 403, "This address does not belong to the zone editor.\n"
        first = scope["path"].split("/", 2)
        if len(first) != 3 or not secrets.compare_digest(first[1].encode(), self._token):
            return 404, "Not found. Open the address that `patrol zones edit` printed.\n"
        method = scope["method"]
        if method not in ("GET", "HEAD", "POST"):
            return 405, "Not allowed.\n"
        origin = headers.get(b"origin")
        own = b"http://" + headers[b"host"]
        if (origin is not None and origin != own) or (method == "POST" and origin is None):
            return 403, "Other pages may not speak to the zone editor.\n"
        site = headers.get(b"sec-fetch-site", b"same-origin")
        opens_page = first[2] == "" and headers.get(b"sec-fetch-mode") == b"navigate" and method == "GET"
        if site not in (b"same-origin", b"none") and not opens_page:
            return 403, "Other pages may not speak to the zone editor.\n"
        if method == "POST":
            if headers.get(b"content-type", b"").split(b";")[0].strip() != b"application/json":
                return 415, "JSON is expected.\n"
            length = headers.get(b"content-length", b"")
            if not length.isdigit():
                return 411, "The length is missing.\n"
            if int(length) > MAX_BODY:
                return 413, "Too long.\n"
        return None


def _single(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes] | None:
    """Headers by name; None where one that decides here comes twice."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in found and name in (b"host", b"origin", b"content-type", b"sec-fetch-site"):
            return None
        found[name] = value
    return found


def _bounded(receive: Receive) -> Receive:
    """The body, cut off where it is longer than it may be."""
    length = 0

    async def bounded() -> Message:
        nonlocal length
        message = await receive()
        length += len(message.get("body", b""))
        if length > MAX_BODY:
            return {"type": "http.disconnect"}
        return message

    return bounded


def _with_headers(send: Send) -> Send:
    async def sending(message: MutableMapping[str, object]) -> None:
        if message["type"] == "http.response.start":
            given = message.get("headers", [])
            assert isinstance(given, list)
            kept = [(name, value) for name, value in given if name not in _HEADERS]
            message = {**message, "headers": [*kept, *_HEADERS.items()]}
        await send(message)

    return sending
