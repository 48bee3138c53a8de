"""Who is to be told: the port that every directory of owners fulfils."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

NoOwnerReason = Literal["not_found", "ambiguous", "opted_out", "no_directory"]


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom to warn. The phone number is E.164 and never shown by `repr`.

    Args:
        phone: number to write to, e.g. +8613800138000.
        language: notice language that the owner prefers, or None for the configured one.
    """

    phone: str = field(repr=False)
    language: str | None = None


@dataclass(frozen=True, slots=True)
class NoOwner:
    """Nobody may be warned, and why; the answer is certain."""

    reason: NoOwnerReason


class OwnerDirectory(Protocol):
    """Finds the person to warn for a plate."""

    def find(self, plate: str, purpose: str) -> Owner | NoOwner:
        """Look a plate up.

        Args:
            plate: as read, e.g. ``京A12345``; spacing and case do not matter.
            purpose: why, for the audit, e.g. ``warning 3f2a…``; never a plate or a phone number.

        Raises:
            UnavailableError: the directory cannot answer now; ask again later.
        """


class NoDirectory:
    """The directory of a box that may not know any owner."""

    def find(self, plate: str, purpose: str) -> Owner | NoOwner:  # noqa: ARG002
        """Nobody, ever."""
        return NoOwner("no_directory")
