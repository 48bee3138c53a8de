"""The link in a warning: a short, signed, expiring address of the page for one case.

A token is 24 bytes, 32 characters in an address::

    key id (1) | expiry, minutes since 1970 (4) | mark of the case (9) | HMAC-SHA256, cut to 80 bits (10)

It holds no plate, no number and no name. The mark is a hash of the case's own name, by which the centre finds the
case; so the token needs no table, and a box that sends by itself can make it with a copy of the key. Of two keys
the first signs and both are accepted, which is how a key is changed while old links still live. 80 bits are the
least that RFC 2104 (section 5) allows; a forger would have to try them against the centre, which slows him down.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from protocol.clock import Millis
from protocol.errors import PatrolError, UnavailableError

PATH = "/n/"
"""Where the page lies below the centre's public address. Short: each character of an SMS is paid for."""

TOKEN_LENGTH = 32

_MINUTE_MS = 60_000
_MARK_BYTES = 9
_MAC_BYTES = 10
_SECRET_BYTES = 32
_MAX_MINUTES = 2**32 - 1


@dataclass(frozen=True, slots=True)
class LinkKey:
    """A key that signs links. `id` names it in tokens without giving anything of it away."""

    id: int
    _secret: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: bytes) -> LinkKey:
        """Derive from at least 32 secret bytes, so that the same secret signs nothing else by accident.

        Raises:
            PatrolError: fewer bytes.
        """
        if len(secret) < _SECRET_BYTES:
            raise PatrolError(f"a key has {_SECRET_BYTES} bytes or more, this one {len(secret)}", field="key")
        derived = hmac.digest(secret, b"street-patrol links v1", "sha256")
        return cls(hmac.digest(derived, b"id", "sha256")[0], derived)

    def sign(self, purpose: bytes, content: bytes) -> bytes:
        """HMAC-SHA256 cut to 80 bits; one purpose's signature is worth nothing for another."""
        return hmac.digest(self._secret, purpose + b"\0" + content, "sha256")[:_MAC_BYTES]


@dataclass(frozen=True, slots=True)
class Link:
    """What a valid token says: which case, by its mark, and until when."""

    mark: bytes
    expires_ms: Millis


class BadLinkError(PatrolError):
    """A token that opens nothing. `reason` tells a link that has expired from one that was never ours."""

    def __init__(self, reason: Literal["expired", "forged"], expires_ms: Millis | None = None) -> None:
        super().__init__("the link has expired" if reason == "expired" else "this is not one of our links")
        self.reason = reason
        self.expires_ms = expires_ms


def case_mark(jurisdiction_id: str, agent_id: str, case_id: str) -> bytes:
    """The mark of a case in links: 72 bits of SHA-256 over its name. Equal for equal names, on box and centre."""
    name = "\0".join((jurisdiction_id, agent_id, case_id))
    return hashlib.sha256(b"street-patrol case\0" + name.encode()).digest()[:_MARK_BYTES]


def make_token(key: LinkKey, *, jurisdiction_id: str, agent_id: str, case_id: str, expires_ms: Millis) -> str:
    """Sign a token for one case.

    Args:
        key: the key that signs.
        jurisdiction_id: with the next two, the case's name.
        agent_id: see there.
        case_id: see there.
        expires_ms: UTC milliseconds; rounded up to a whole minute.

    Raises:
        PatrolError: the expiry does not fit.
    """
    minutes = -(-expires_ms // _MINUTE_MS)
    if not 0 < minutes <= _MAX_MINUTES:
        raise PatrolError("the expiry lies outside of time", field="expires_ms", value=expires_ms)
    content = bytes([key.id]) + minutes.to_bytes(4, "big") + case_mark(jurisdiction_id, agent_id, case_id)
    return base64.urlsafe_b64encode(content + key.sign(b"token", content)).decode("ascii")


def make_link(
    base_url: str, key: LinkKey, *, jurisdiction_id: str, agent_id: str, case_id: str, expires_ms: Millis
) -> str:
    """The address that goes into the warning, e.g. ``https://p.example.org/n/…``; arguments as `make_token`.

    Raises:
        PatrolError: the base is not an address that a phone can open, or the expiry does not fit.
    """
    return (
        check_base_url(base_url)
        + PATH
        + make_token(
            key, jurisdiction_id=jurisdiction_id, agent_id=agent_id, case_id=case_id, expires_ms=expires_ms
        )
    )


def check_base_url(base_url: str, *, field: str = "base_url") -> str:
    """The centre's public address without a slash at its end.

    Raises:
        PatrolError: no http(s) address, or one with a query, a fragment or a password.
    """
    mend = "Write e.g. https://patrol.example.org"
    try:
        parts = urlsplit(base_url)
        port_fits = parts.port is None or parts.port > 0
    except ValueError as error:
        raise PatrolError("this is not an address", field=field, mend=mend) from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_fits:
        raise PatrolError("this is not an address that a phone can open", field=field, mend=mend)
    if (
        parts.query
        or parts.fragment
        or parts.username
        or parts.password
        or any(c.isspace() for c in base_url)
    ):
        raise PatrolError("only scheme, host, port and path may stand here", field=field, mend=mend)
    return base_url.rstrip("/")


def read_token(token: str, keys: Sequence[LinkKey], now_ms: Millis) -> Link:
    """Check a token. Time taken does not depend on how much of a forged one is right.

    Args:
        token: as it stood in the address.
        keys: those whose links are accepted.
        now_ms: UTC milliseconds.

    Raises:
        BadLinkError: expired, or not signed by one of the keys.
    """
    content, mac = _parts(token)
    right = False
    for key in keys:
        # Each key is tried in full: which one fits must not show in the time either.
        right |= hmac.compare_digest(key.sign(b"token", content), mac) and key.id == content[0]
    if not right:
        raise BadLinkError("forged")
    expires_ms = int.from_bytes(content[1:5], "big") * _MINUTE_MS
    if now_ms >= expires_ms:
        raise BadLinkError("expired", expires_ms)
    return Link(content[5:], expires_ms)


def _parts(token: str) -> tuple[bytes, bytes]:
    if len(token) != TOKEN_LENGTH or not token.isascii():
        raise BadLinkError("forged")
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadLinkError("forged") from None
    return raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]


def new_secret() -> str:
    """A fresh secret as it stands in a key file."""
    return base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode("ascii")


def keys_from_file(path: Path, *, field: str = "link_keys_file") -> tuple[LinkKey, ...]:
    """Read a file of keys, one a line, the first of which signs. Empty lines and lines with ``#`` are left out.

    Raises:
        PatrolError: others may read it, or a line holds no key.
        UnavailableError: it cannot be read.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise PatrolError("is no text in UTF-8", file=path, field=field) from error
    except OSError as error:
        raise UnavailableError(
            f"cannot be read: {error.strerror}", file=path, field=field, mend="Check the path and its owner."
        ) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise PatrolError(
            "holds secrets but others may read it", file=path, field=field, mend=f"Run: chmod 600 {path}"
        )
    keys = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            secret = base64.b64decode(line.strip(), validate=True)
        except (binascii.Error, ValueError):
            secret = b""
        if len(secret) != _SECRET_BYTES:
            raise PatrolError(
                f"line {number} holds no key ({_SECRET_BYTES} bytes in base64)",
                file=path,
                field=field,
                mend="Delete the line, or write a new key: openssl rand -base64 32",
            )
        keys.append(LinkKey.of(secret))
    if not keys:
        raise PatrolError("holds no key", file=path, field=field, mend="Write one: openssl rand -base64 32")
    return tuple(keys)


def load_or_create_keys(path: Path, *, field: str = "link_keys_file") -> tuple[LinkKey, ...]:
    """The keys in a file that is made, with one fresh key, where there is none. Two that start at once agree.

    Raises:
        PatrolError: see `keys_from_file`.
        UnavailableError: it can be neither read nor made.
    """
    if not path.exists():
        draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(f"{new_secret()}\n")
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(draft, path)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        except OSError as error:
            raise UnavailableError(f"cannot be made: {error.strerror}", file=path, field=field) from error
    return keys_from_file(path, field=field)
