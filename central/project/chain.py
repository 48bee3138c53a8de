"""Chains of hashes: each link holds the hash of the one before, so that no edit goes unseen.

A link's hash covers what is stored. The histories of cases and the access log are such chains.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

GENESIS = "0" * 64
"""What the first link holds, having none before it."""


def canonical(value: Any) -> str:
    """JSON with one spelling."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def hash_of(told: Sequence[Any]) -> str:
    """The hash of a link that tells these values, the hash of the one before among them."""
    return hashlib.sha256(canonical(told).encode()).hexdigest()


class Walk:
    """One chain, followed link by link from its beginning.

    Args:
        what: a link is called in words.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self.number = 0
        self.head = ""

    def step(self, number: int, previous: str, stored: str, right: str) -> Iterator[tuple[int, str]]:
        """Go on to the next link and yield what is wrong there: the number concerned and the problem.

        Args:
            number: of the link.
            previous: the hash that it holds of the one before.
            stored: its own hash as it is stored.
            right: the hash that it must have.
        """
        wanted = self.number + 1
        if number != wanted:
            yield wanted, f"{self._what} {wanted} is missing"
        elif previous != (self.head or GENESIS):
            yield wanted, f"the chain is broken before this {self._what}"
        if stored != right:
            yield number, f"the {self._what} was changed after it was written"
        self.number, self.head = number, stored
