"""Other systems that report bays: their keys."""

from __future__ import annotations

import hashlib
import re
import secrets

from central.bays.models import FeedKey
from central.project.clock import now_ms
from protocol.errors import PatrolError

_IDENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
_USED_EVERY_MS = 60_000
"""How exactly it is noted when a key was last used; a write per call would cost more than the call."""


def add_key(name: str, jurisdiction_id: str) -> str:
    """A new key for another system; the secret is told once and never again.

    Raises:
        PatrolError: a bad name, or one that is taken.
    """
    for field, value in (("name", name), ("jurisdiction", jurisdiction_id)):
        if not _IDENT.match(value):
            raise PatrolError(
                "a name has letters, digits, '_', '.' and '-', and at most 64 of them",
                field=field,
                value=value,
            )
    secret = secrets.token_urlsafe(32)
    _, new = FeedKey.objects.get_or_create(
        name=name,
        defaults={
            "jurisdiction_id": jurisdiction_id,
            "secret_sha256": _digest(secret),
            "made_at_ms": now_ms(),
        },
    )
    if not new:
        raise PatrolError("a key of this name exists already", field="name", value=name)
    return secret


def revoke_key(name: str) -> None:
    """This key opens nothing any more.

    Raises:
        PatrolError: there is none of this name.
    """
    if not FeedKey.objects.filter(name=name).update(revoked_at_ms=now_ms()):
        raise PatrolError("there is no key of this name", field="name", value=name)


def find_key(secret: str) -> FeedKey | None:
    """The key that this secret is, unless it was revoked. Found by its hash: no comparison tells how near a guess was."""
    if not 20 <= len(secret) <= 200 or not secret.isascii():
        return None
    key = FeedKey.objects.filter(secret_sha256=_digest(secret), revoked_at_ms__isnull=True).first()
    if key is not None and (key.used_at_ms is None or now_ms() - key.used_at_ms > _USED_EVERY_MS):
        FeedKey.objects.filter(pk=key.pk).update(used_at_ms=now_ms())
    return key


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
