"""Basic (RFC 7617) and Digest (RFC 2069, 2617, 7616) authentication of RTSP requests."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, get_args
from urllib.request import parse_http_list, parse_keqv_list

from protocol.errors import PatrolError

Scheme = Literal["none", "basic", "digest", "any"]

NONCE_LIFE_S = 300
"""A nonce older than this is stale: the client is told to try again with a new one, not that it is wrong."""

_NONCES_REMEMBERED = 10_000
_HASHES = {"MD5": "md5", "SHA-256": "sha256"}


@dataclass(frozen=True)
class Credentials:
    """Who may see a camera. The password never shows in a log."""

    user: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        if not self.user or ":" in self.user:
            raise PatrolError("a user name is needed, without a colon", field="user", value=self.user)


class Verdict(Enum):
    """What an Authorization header is worth."""

    GRANTED = "granted"
    DENIED = "denied"
    STALE = "stale"


class Authenticator:
    """Makes challenges and checks answers for one server.

    Args:
        scheme: which schemes are offered and accepted; ``any`` means both.
        now: seconds of a clock that never steps, for the age of a nonce.
        realm: the name shown to the user.
        algorithms: Digest algorithms offered, in this order: ``MD5``, ``SHA-256``.
        qop: offer ``qop=auth``; without it clients fall back to RFC 2069.
    """

    def __init__(
        self,
        scheme: Scheme,
        now: Callable[[], float],
        *,
        realm: str = "street",
        algorithms: tuple[str, ...] = ("MD5",),
        qop: bool = True,
    ) -> None:
        if scheme not in get_args(Scheme):
            raise PatrolError(
                "unknown way to authenticate",
                field="auth",
                value=scheme,
                mend=f"One of {', '.join(get_args(Scheme))}.",
            )
        unknown = [name for name in algorithms if name not in _HASHES]
        if unknown or not algorithms:
            raise PatrolError(
                "unknown Digest algorithm", field="algorithms", value=algorithms, mend="MD5 or SHA-256."
            )
        self.scheme = scheme
        self._now = now
        self._realm = realm
        self._algorithms = algorithms
        self._qop = qop
        self._secret = secrets.token_bytes(32)
        self._counts: OrderedDict[str, int] = OrderedDict()

    def challenges(self, *, stale: bool = False) -> list[str]:
        """Values for the WWW-Authenticate headers of a 401 answer."""
        lines = []
        if self.scheme in ("digest", "any"):
            for algorithm in self._algorithms:
                line = f'Digest realm="{self._realm}", nonce="{self._nonce()}", algorithm={algorithm}'
                line += ', qop="auth"' if self._qop else ""
                lines.append(line + (", stale=true" if stale else ""))
        if self.scheme in ("basic", "any"):
            lines.append(f'Basic realm="{self._realm}"')
        return lines

    def check(
        self, header: str | None, *, method: str, same_place: Callable[[str], bool], credentials: Credentials
    ) -> Verdict:
        """Judge one request.

        Args:
            header: the Authorization header's value, if there was one.
            method: the request's method.
            same_place: whether the URI a digest was made for names the place now asked for.
            credentials: who may pass.
        """
        kind, _, rest = (header or "").strip().partition(" ")
        if kind.lower() == "basic" and self.scheme in ("basic", "any"):
            return self._check_basic(rest, credentials)
        if kind.lower() == "digest" and self.scheme in ("digest", "any"):
            return self._check_digest(rest, method, same_place, credentials)
        return Verdict.DENIED

    def _check_basic(self, token: str, credentials: Credentials) -> Verdict:
        try:
            given = base64.b64decode(token.strip(), validate=True)
        except (binascii.Error, ValueError):
            return Verdict.DENIED
        wanted = f"{credentials.user}:{credentials.password}".encode()
        return Verdict.GRANTED if hmac.compare_digest(given, wanted) else Verdict.DENIED

    def _check_digest(
        self, text: str, method: str, same_place: Callable[[str], bool], credentials: Credentials
    ) -> Verdict:
        try:
            part = {name.lower(): value for name, value in parse_keqv_list(parse_http_list(text)).items()}
        except (ValueError, IndexError):
            return Verdict.DENIED
        algorithm = part.get("algorithm", "MD5").upper()
        nonce, uri = part.get("nonce", ""), part.get("uri", "")
        if algorithm not in self._algorithms or part.get("realm") != self._realm or not same_place(uri):
            return Verdict.DENIED

        def hashed(value: str) -> str:
            # MD5 is what cameras and RTSP clients speak; RFC 7616 keeps it for them.
            return hashlib.new(_HASHES[algorithm], value.encode(), usedforsecurity=False).hexdigest()

        secret = hashed(f"{credentials.user}:{self._realm}:{credentials.password}")
        action = hashed(f"{method}:{uri}")
        qop = part.get("qop")
        if qop is None:
            wanted = hashed(f"{secret}:{nonce}:{action}")
        elif qop == "auth":
            wanted = hashed(f"{secret}:{nonce}:{part.get('nc', '')}:{part.get('cnonce', '')}:{qop}:{action}")
        else:
            return Verdict.DENIED
        right = hmac.compare_digest(part.get("response", "").lower().encode(), wanted.encode())
        if not right or part.get("username") != credentials.user or not self._ours(nonce):
            return Verdict.DENIED
        if self._age(nonce) > NONCE_LIFE_S or not self._counts_up(nonce, qop, part.get("nc", "")):
            return Verdict.STALE
        return Verdict.GRANTED

    def _nonce(self) -> str:
        body = f"{int(self._now() * 1000):x}-{secrets.token_hex(8)}"
        return f"{body}-{self._seal(body)}"

    def _seal(self, body: str) -> str:
        return hmac.new(self._secret, body.encode(), "sha256").hexdigest()[:32]

    def _ours(self, nonce: str) -> bool:
        body, _, seal = nonce.rpartition("-")
        return hmac.compare_digest(seal.encode(), self._seal(body).encode())

    def _age(self, nonce: str) -> float:
        return self._now() - int(nonce.partition("-")[0], 16) / 1000

    def _counts_up(self, nonce: str, qop: str | None, count: str) -> bool:
        """Whether this use of a nonce is a new one: a request recorded on the wire cannot be sent again."""
        if qop is None:
            return True  # RFC 2069 has no counter; such a nonce only ages
        try:
            number = int(count, 16)
        except ValueError:
            return False
        if number <= self._counts.get(nonce, 0):
            return False
        self._counts[nonce] = number
        self._counts.move_to_end(nonce)
        while len(self._counts) > _NONCES_REMEMBERED:
            self._counts.popitem(last=False)
        return True
