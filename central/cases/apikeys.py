"""Keys of other systems that bring and follow cases over HTTP: who they are, and what each may do."""

from __future__ import annotations

from collections.abc import Iterable

from central.cases.guards import Actor
from central.cases.models import ApiKey
from central.cases.process import REPORTER
from central.people.models import Role
from central.project import opaque
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
    opaque.check_names(name=name, jurisdiction=jurisdiction_id)
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
    return opaque.make(
        ApiKey, name, jurisdiction_id=jurisdiction_id, rights=wanted, role=role, per_minute=per_minute
    )


def revoke_key(name: str) -> None:
    """This key opens nothing any more.

    Raises:
        PatrolError: there is none of this name.
    """
    opaque.revoke(ApiKey, name)


def find_key(secret: str) -> ApiKey | None:
    """The key that this secret is, unless it was revoked. Found by its hash: no comparison tells how near a guess was."""
    return opaque.find(ApiKey, secret)


def actor_of_key(key: ApiKey) -> Actor:
    """Who a key is in a case."""
    return Actor(f"api:{key.name}", frozenset({key.role} if key.role else ()))


def reporter_actor(reporter_id: int) -> Actor:
    """The reporter of a case, spoken for by a portal."""
    return Actor(f"reporter:{reporter_id}", frozenset({REPORTER}))
