"""Signatures as Standard Webhooks has them (https://www.standardwebhooks.com): HMAC-SHA256 over id, time and body. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

PREFIX = "whsec_"


def secret(key: str, salt: str, generation: int) -> bytes:
    """The bytes of a subscription's secret, worked out from the centre's key: nothing to steal lies in the database.

    Args:
        key: the centre's secret key.
        salt: the subscription's own.
        generation: which of its secrets.
    """
    return hmac.new(key.encode(), f"webhooks/{salt}/{generation}".encode(), hashlib.sha256).digest()


def shown(plain: bytes) -> str:
    """A secret as receivers are given it."""
    return PREFIX + base64.b64encode(plain).decode()


def headers(message_id: str, at_s: int, body: bytes, secrets: Sequence[bytes]) -> dict[str, str]:
    """The three headers of a message.

    Args:
        message_id: the same in every attempt.
        at_s: when it is sent, seconds since 1970: receivers refuse old ones.
        body: what is sent.
        secrets: each signs; the newest comes first.
    """
    signed = f"{message_id}.{at_s}.".encode() + body
    marks = [hmac.new(key, signed, hashlib.sha256).digest() for key in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(mark).decode()}" for mark in marks),
    }
