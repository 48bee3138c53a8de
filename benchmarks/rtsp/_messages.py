"""RTSP 1.0 requests and answers as bytes (RFC 2326), and the interleaved packets between them. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

MAX_HEAD = 16 * 1024
"""Bytes of request line and headers; more is an attack or a mistake."""

MAX_BODY = 64 * 1024

REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Request Entity Too Large",
    451: "Parameter Not Understood",
    453: "Not Enough Bandwidth",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    459: "Aggregate Operation Not Allowed",
    461: "Unsupported Transport",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "RTSP Version Not Supported",
    551: "Option Not Supported",
}


@dataclass(frozen=True)
class Request:
    """One request. Header names are lower case."""

    method: str
    uri: str
    headers: dict[str, str]
    body: bytes = b""

    @property
    def cseq(self) -> str | None:
        return self.headers.get("cseq")

    @property
    def session(self) -> str | None:
        """The session's identifier, without its parameters."""
        value = self.headers.get("session")
        return None if value is None else value.partition(";")[0].strip()


@dataclass(frozen=True)
class Interleaved:
    """A binary packet that came on the RTSP connection."""

    channel: int
    packet: bytes


class BadRequestError(Exception):
    """The bytes are no RTSP; after it the connection has lost its framing and must be closed.

    Args:
        status: the code to answer with.
        cseq: the request's number, where it was still readable.
    """

    def __init__(self, status: int, cseq: str | None = None) -> None:
        super().__init__(REASONS[status])
        self.status = status
        self.cseq = cseq


class Parser:
    """Cuts a byte stream into requests and interleaved packets. Holds at most one message's bytes."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Request | Interleaved]:
        """The messages that are complete after `data`.

        Raises:
            BadRequestError: the stream is not RTSP 1.0 or exceeds a limit.
        """
        self._buffer += data
        while self._buffer:
            if self._buffer[:2] == b"\r\n":  # empty lines between messages are to be ignored
                del self._buffer[:2]
                continue
            message = self._interleaved() if self._buffer[0] == 0x24 else self._request()
            if message is None:
                return
            yield message

    def _interleaved(self) -> Interleaved | None:
        buffer = self._buffer
        if len(buffer) < 4:
            return None
        end = 4 + int.from_bytes(buffer[2:4], "big")
        if len(buffer) < end:
            return None
        message = Interleaved(buffer[1], bytes(buffer[4:end]))
        del buffer[:end]
        return message

    def _request(self) -> Request | None:
        buffer = self._buffer
        head_end = buffer.find(b"\r\n\r\n", 0, MAX_HEAD)
        if head_end < 0:
            if len(buffer) >= MAX_HEAD:
                raise BadRequestError(413)
            return None
        method, uri, headers = _parse_head(bytes(buffer[:head_end]))
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            raise BadRequestError(400, headers.get("cseq"))
        if len(length) > 9 or int(length) > MAX_BODY:
            raise BadRequestError(413, headers.get("cseq"))
        start = head_end + 4
        end = start + int(length)
        if len(buffer) < end:
            return None
        request = Request(method, uri, headers, bytes(buffer[start:end]))
        del buffer[:end]
        return request


def _parse_head(head: bytes) -> tuple[str, str, dict[str, str]]:
    try:
        text = head.decode()
    except UnicodeDecodeError:
        raise BadRequestError(400) from None
    first, *lines = text.split("\r\n")
    headers: dict[str, str] = {}
    name = ""
    for line in lines:
        if line[:1] in (" ", "\t") and name:  # a folded header goes on
            headers[name] += " " + line.strip()
            continue
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if not colon or not name:
            raise BadRequestError(400, headers.get("cseq"))
        headers[name] = value.strip()
    cseq = headers.get("cseq")
    if cseq is not None and not (cseq.isascii() and cseq.isdigit() and len(cseq) < 20):
        raise BadRequestError(400)
    parts = first.split(" ")
    if len(parts) != 3 or not all(parts) or not parts[2].startswith("RTSP/"):
        raise BadRequestError(400, cseq)
    if parts[2] != "RTSP/1.0":
        raise BadRequestError(505, cseq)
    return parts[0], parts[1], headers


def path_of(uri: str) -> str:
    """The path of a request's URL: percent-decoded, without query and without a slash at its end.

    Raises:
        BadRequestError: the URL is no RTSP URL.
    """
    if uri == "*":
        return "*"
    try:
        parts = urlsplit(uri)
    except ValueError:
        raise BadRequestError(400) from None
    if parts.scheme.lower() not in ("rtsp", "rtspu") and not uri.startswith("/"):
        raise BadRequestError(400)
    return "/" + unquote(parts.path).strip("/")


def response(
    status: int, cseq: str | None, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
) -> bytes:
    """An answer as bytes."""
    lines = [f"RTSP/1.0 {status} {REASONS[status]}"]
    if cseq is not None:
        lines.append(f"CSeq: {cseq}")
    lines.append("Server: street-patrol")
    lines.extend(f"{name}: {value}" for name, value in headers)
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body
