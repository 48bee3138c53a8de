"""Opaque keys of other systems: told once, stored as a hash, found by it, revoked at any time."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Any, TypeVar

from django.db import models

from central.project.clock import now_ms
from protocol.errors import PatrolError

_IDENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
_USED_EVERY_MS = 60_000
"""How exactly it is noted when a key was last used; a write for each call would cost more than the call."""

_Key = TypeVar("_Key", bound=models.Model)


def check_names(**given: str) -> None:
    """Names of keys and jurisdictions, by field.

    Raises:
        PatrolError: one is none.
    """
    for field, value in given.items():
        if not _IDENT.match(value):
            raise PatrolError(
                "a name has letters, digits, '_', '.' and '-', and at most 64 of them",
                field=field,
                value=value,
            )


def make(kind: type[_Key], name: str, **more: Any) -> str:
    """Store a new key and return its secret, which is told once and never again.

    Args:
        kind: the model; it has name, secret_sha256, made_at_ms, used_at_ms and revoked_at_ms.
        name: of the key, checked.
        more: its further columns.

    Raises:
        PatrolError: the name is taken.
    """
    secret = secrets.token_urlsafe(32)
    defaults = {**more, "secret_sha256": _digest(secret), "made_at_ms": now_ms()}
    _, new = kind._default_manager.get_or_create(name=name, defaults=defaults)
    if not new:
        raise PatrolError("a key of this name exists already", field="name", value=name)
    return secret


def revoke(kind: type[_Key], name: str) -> None:
    """This key opens nothing any more.

    Raises:
        PatrolError: there is none of this name.
    """
    if not kind._default_manager.filter(name=name).update(revoked_at_ms=now_ms()):
        raise PatrolError("there is no key of this name", field="name", value=name)


def find(kind: type[_Key], secret: str) -> _Key | None:
    """The key that this secret is, unless it was revoked. Found by its hash: no comparison tells how near a guess was."""
    if not 20 <= len(secret) <= 200 or not secret.isascii():
        return None
    keys = kind._default_manager
    key: Any = keys.filter(secret_sha256=_digest(secret), revoked_at_ms__isnull=True).first()
    if key is not None and (key.used_at_ms is None or now_ms() - key.used_at_ms > _USED_EVERY_MS):
        keys.filter(pk=key.pk).update(used_at_ms=now_ms())
    return key  # type: ignore[no-any-return]


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
