"""Keys of other systems that bring and follow cases over HTTP: who they are, and what each may do."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable

from central.cases.guards import Actor
from central.cases.models import ApiKey
from central.cases.process import REPORTER
from central.people.models import Role
from central.project.clock import now_ms
from protocol.errors import PatrolError

RIGHTS = {
    "open": "bring new cases",
    "read": "read cases of its jurisdiction",
    "move": "take steps, as its role",
    "reporter": "take the steps that belong to a case's reporter, for a portal that has identified him",
    "note": "add notes",
    "photo": "add photos",
    "export": "take cases out as CSV or GeoJSON",
    "webhook": "be told of what happens to cases",
}
USUAL = ("open", "read", "note", "photo")

_IDENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
_USED_EVERY_MS = 60_000
"""How exactly it is noted when a key was last used; a write for each call would cost more than the call."""


MOST_A_MINUTE = 100_000


def add_key(
    name: str,
    jurisdiction_id: str,
    rights: Iterable[str] = USUAL,
    role: str = "",
    per_minute: int | None = None,
) -> str:
    """A new key; the secret is told once and never again.

    Args:
        name: what the other system is called.
        jurisdiction_id: whose cases it may see.
        rights: of `RIGHTS`.
        role: as what it takes steps.
        per_minute: its own limit of calls; the usual ones where None.

    Raises:
        PatrolError: a bad name or one that is taken, a right or role that does not exist.
    """
    for field, value in (("name", name), ("jurisdiction", jurisdiction_id)):
        if not _IDENT.match(value):
            raise PatrolError(
                "a name has letters, digits, '_', '.' and '-', and at most 64 of them",
                field=field,
                value=value,
            )
    wanted = sorted(set(rights))
    for right in wanted:
        if right not in RIGHTS:
            raise PatrolError(
                "there is no such right", field="right", value=right, mend=f"Known: {', '.join(RIGHTS)}"
            )
    if role and role not in Role.values:
        raise PatrolError(
            "there is no such role", field="role", value=role, mend=f"Known: {', '.join(Role.values)}"
        )
    if ("move" in wanted) != bool(role):
        raise PatrolError("the right to move needs a role, and a role that right", field="role")
    if per_minute is not None and not 1 <= per_minute <= MOST_A_MINUTE:
        raise PatrolError(
            f"a limit is from 1 to {MOST_A_MINUTE} calls a minute", field="per_minute", value=per_minute
        )
    secret = secrets.token_urlsafe(32)
    _, new = ApiKey.objects.get_or_create(
        name=name,
        defaults={
            "jurisdiction_id": jurisdiction_id,
            "secret_sha256": _digest(secret),
            "rights": wanted,
            "role": role,
            "per_minute": per_minute,
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
    if not ApiKey.objects.filter(name=name).update(revoked_at_ms=now_ms()):
        raise PatrolError("there is no key of this name", field="name", value=name)


def find_key(secret: str) -> ApiKey | None:
    """The key that this secret is, unless it was revoked. Found by its hash: no comparison tells how near a guess was."""
    if not 20 <= len(secret) <= 200 or not secret.isascii():
        return None
    key = ApiKey.objects.filter(secret_sha256=_digest(secret), revoked_at_ms__isnull=True).first()
    if key is not None and (key.used_at_ms is None or now_ms() - key.used_at_ms > _USED_EVERY_MS):
        ApiKey.objects.filter(pk=key.pk).update(used_at_ms=now_ms())
    return key


def actor_of_key(key: ApiKey) -> Actor:
    """Who a key is in a case."""
    return Actor(f"api:{key.name}", frozenset({key.role} if key.role else ()))


def reporter_actor(reporter_id: int) -> Actor:
    """The reporter of a case, spoken for by a portal."""
    return Actor(f"reporter:{reporter_id}", frozenset({REPORTER}))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
