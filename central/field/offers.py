"""Which tasks are offered to an officer, and until when."""

from __future__ import annotations

from central.people.models import User


def leases_of(user: User) -> dict[int, int | None]:
    """Work orders that are offered to this officer now -> until when, UTC ms."""
    return {}


def offered_to_others(user: User) -> list[int]:
    """Work orders that somebody else is asked for now."""
    return []
