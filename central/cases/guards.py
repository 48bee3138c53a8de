"""What must hold before a transition is taken: named here, referenced in definitions. Other apps register their own.

Three guards are never left out, whatever a definition says: nothing closes while a promise, a child or a work order of it is
open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from django.utils.translation import gettext_lazy as _

Reason = Any
"""Words for a person, translated where they are shown."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: the name in the history, and the roles that he has here."""

    name: str
    roles: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a case when it is decided on. Times are UTC milliseconds."""

    state: str
    now_ms: int
    closed_at_ms: int | None = None
    parts: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    """collector, handler, verifier -> the actors who have done that."""

    open_commitments: int = 0
    open_children: int = 0
    open_work_orders: int = 0
    photos: frozenset[int] = frozenset()
    """Numbers of the case's photos."""

    merged: bool = False
    """Whether it was put together with another case."""

    fields: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """What came with the transition, checked."""


Guard = Callable[[Facts, Actor], Reason | None]
"""None where it holds, otherwise why not."""

_GUARDS: dict[str, Guard] = {}


def guard(name: str) -> Callable[[Guard], Guard]:
    """Register a guard under the name by which definitions call it."""

    def keep(function: Guard) -> Guard:
        if name in _GUARDS:
            raise ValueError(f"a guard named {name!r} exists already")
        _GUARDS[name] = function
        return function

    return keep


def known_guards() -> frozenset[str]:
    """The names that a definition may use."""
    return frozenset(_GUARDS)


def holds(name: str, facts: Facts, actor: Actor) -> Reason | None:
    """None where the guard holds, otherwise why not."""
    return _GUARDS[name](facts, actor)


CLOSING = ("no_open_commitments", "no_open_children", "no_open_work_orders")
"""Guards of every transition into a closed state."""


@guard("no_open_commitments")
def no_open_commitments(facts: Facts, _actor: Actor) -> Reason | None:
    """Whoever promised something has kept it, or the promise was withdrawn."""
    return _("a commitment is still open") if facts.open_commitments else None


@guard("no_open_children")
def no_open_children(facts: Facts, _actor: Actor) -> Reason | None:
    """Every part of the matter has ended."""
    return _("a part of this case is still open") if facts.open_children else None


@guard("no_open_work_orders")
def no_open_work_orders(facts: Facts, _actor: Actor) -> Reason | None:
    """Nobody is on the way."""
    return _("a work order is still open") if facts.open_work_orders else None


@guard("has_photo")
def has_photo(facts: Facts, _actor: Actor) -> Reason | None:
    """The case has a photo, whoever added it."""
    return None if facts.photos else _("a photo is missing")


@guard("four_eyes")
def four_eyes(facts: Facts, actor: Actor) -> Reason | None:
    """Whoever does this has done nothing else in the case."""
    known = {name for names in facts.parts.values() for name in names}
    return _("somebody else must do this") if actor.name in known else None
