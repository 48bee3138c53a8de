"""Other systems that report bays: their keys."""

from __future__ import annotations

from central.bays.models import FeedKey
from central.project import opaque


def add_key(name: str, jurisdiction_id: str) -> str:
    """A new key for another system; the secret is told once and never again.

    Raises:
        PatrolError: a bad name, or one that is taken.
    """
    opaque.check_names(name=name, jurisdiction=jurisdiction_id)
    return opaque.make(FeedKey, name, jurisdiction_id=jurisdiction_id)


def revoke_key(name: str) -> None:
    """This key opens nothing any more.

    Raises:
        PatrolError: there is none of this name.
    """
    opaque.revoke(FeedKey, name)


def find_key(secret: str) -> FeedKey | None:
    """The key that this secret is, unless it was revoked. Found by its hash: no comparison tells how near a guess was."""
    return opaque.find(FeedKey, secret)
