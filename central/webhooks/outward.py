"""One POST to an address that somebody else named: looked up once, refused where it leads inside, and cut off in time.

Who may name an address could else let the centre call itself, its database or a cloud's metadata. The name is looked up
here, every answer is judged, and the connection goes to the very address that was judged: a name that changes between the
two (DNS rebinding) gains nothing. Redirects are not followed.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from protocol.errors import PatrolError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Lookup = Callable[[str, int], Sequence[str]]

CONNECT_S = 5.0
WHOLE_S = 12.0
READ_BYTES = 4096
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class NotSentError(PatrolError):
    """Nothing was received, as far as can be told."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `retry_after_s` is what the receiver asked for, or 0."""

    status: int
    retry_after_s: int


def lookup(host: str, port: int) -> list[str]:
    """The addresses of a name."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def check_url(url: str, allowed: Sequence[Network] = ()) -> SplitResult:
    """The parts of an address that may be told of events.

    Args:
        url: https, or http to this very machine where its loopback is allowed.
        allowed: networks that may be called although they are not public.

    Raises:
        PatrolError: another scheme, no host, a password in it, or an address inside.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise PatrolError("this is not an address", field="url", value=url[:200]) from error
    host = parts.hostname or ""
    if (
        len(url) > 500
        or any(ord(letter) < 33 or ord(letter) > 126 for letter in url)
        or not host
        or port == 0
    ):
        raise PatrolError("this is not an address", field="url", value=url[:200], mend="Write https://…")
    if parts.username or parts.password or parts.fragment:
        raise PatrolError("an address has no password and no fragment", field="url")
    here = host in LOCAL and any(net.overlaps(_loopback(net)) for net in allowed)
    if parts.scheme != "https" and not (parts.scheme == "http" and here):
        raise PatrolError("only https is called", field="url", value=url[:200], mend="Write https://…")
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        return parts
    if not may_call(literal, allowed):
        raise PatrolError("this address is not public", field="url", value=host, mend=ALLOW)
    return parts


ALLOW = "Name a public address, or allow its network in PATROL_CENTRAL_WEBHOOK_NETWORKS"


def may_call(address: Address, allowed: Sequence[Network] = ()) -> bool:
    """Whether an address is public, or in a network that the operator allows. What is wrapped in IPv6 is looked at inside."""
    inner: Address = address
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            inner = address.ipv4_mapped
        elif address.sixtofour is not None:
            inner = address.sixtofour
        elif address.teredo is not None or address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF if address in _NAT64 else 0)
    if any(inner in net for net in allowed if net.version == inner.version):
        return True
    return inner.is_global and not inner.is_multicast and not inner.is_reserved


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    allowed: Sequence[Network] = (),
    resolve: Lookup = lookup,
    whole_s: float = WHOLE_S,
) -> Answer:
    """Send a body and read the status.

    Args:
        url: where to.
        body: what.
        headers: with it.
        allowed: see `check_url`.
        resolve: how names are looked up.
        whole_s: seconds after which the connection is cut, whatever the receiver does.

    Raises:
        NotSentError: refused address, no connection, no answer in time, no HTTP.
        PatrolError: an address of no form.
    """
    parts = check_url(url, allowed)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    address = _judged(host, port, allowed, resolve)
    connection = _Connection(host, port, address, tls=parts.scheme == "https")
    guard = threading.Timer(whole_s, connection.cut)
    guard.daemon = True
    guard.start()
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", path, body, {**headers, "Connection": "close"})
        response = connection.getresponse()
        response.read(READ_BYTES)
        return Answer(response.status, _seconds(response.headers.get("Retry-After")))
    except (OSError, http.client.HTTPException, ValueError) as error:
        if connection.was_cut:
            raise NotSentError(f"no answer within {whole_s:g} s") from None
        raise NotSentError(f"{type(error).__name__}: {str(error)[:120]}") from None
    finally:
        guard.cancel()
        connection.close()


class _Connection(http.client.HTTPConnection):
    """A connection to one address, which answers as the name that it was looked up by."""

    def __init__(self, host: str, port: int, address: str, *, tls: bool) -> None:
        super().__init__(host, port, timeout=CONNECT_S)
        self.default_port = 443 if tls else 80  # so that the usual port stands in no Host header
        self._address = address
        self._tls = tls
        self.was_cut = False

    def connect(self) -> None:
        self.sock = socket.create_connection((self._address, self.port), CONNECT_S)
        if self._tls:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=self.host)
        self.sock.settimeout(WHOLE_S)

    def cut(self) -> None:
        """End it now; called by another thread."""
        self.was_cut = True
        sock = self.sock
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def _judged(host: str, port: int, allowed: Sequence[Network], resolve: Lookup) -> str:
    try:
        found = resolve(host, port)
    except (OSError, UnicodeError) as error:
        raise NotSentError(f"the name is not known: {host[:80]}") from error
    for text in found:
        # One answer that leads inside spoils all: which of them is taken must not be left to chance.
        if not may_call(ipaddress.ip_address(text.partition("%")[0]), allowed):
            raise NotSentError(f"{host[:80]} leads to {text}, which is not public")
    if not found:
        raise NotSentError(f"the name has no address: {host[:80]}")
    return found[0]


def _loopback(net: Network) -> Network:
    return ipaddress.ip_network("127.0.0.0/8" if net.version == 4 else "::1/128")


def _seconds(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 7 else 0
