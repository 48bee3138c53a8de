"""Forms of a page without cookies: each carries a word that only the page itself can have given out."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from notifier.links import LinkKey
from protocol.clock import Millis

LIFE_MS = 6 * 3_600_000
"""How long a page may lie open before its buttons want it loaded again."""

_MINUTE_MS = 60_000


def make_nonce(key: LinkKey, token: str, now_ms: Millis) -> str:
    """The word for the forms of this token's page."""
    until = (now_ms + LIFE_MS) // _MINUTE_MS
    return f"{until:x}.{_sign(key, token, until)}"


def is_ours(nonce: str, keys: Sequence[LinkKey], token: str, now_ms: Millis) -> bool:
    """Whether the word was given out for this token, not long ago."""
    until_text, _dot, mac = nonce.partition(".")
    try:
        until = int(until_text, 16) if len(until_text) <= 12 else 0
    except ValueError:
        return False
    right = False
    for key in keys:
        right |= hmac.compare_digest(_sign(key, token, until).encode(), mac.encode("utf-8", "replace"))
    return right and now_ms < until * _MINUTE_MS


def _sign(key: LinkKey, token: str, until: int) -> str:
    return key.sign(b"form", f"{until:x}\0{token}".encode()).hex()
