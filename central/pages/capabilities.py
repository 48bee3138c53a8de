"""What else the centre does, beside cases: each app that has pages of its own names its door here when it starts."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise

from central.people.models import Role, User


@dataclass(frozen=True, slots=True)
class Capability:
    """A door on the page of services.

    Args:
        name: the app's.
        title: what it is called, to be translated.
        says: one line on what is done behind it.
        view: name of the address behind the door.
        roles: who sees it.
    """

    name: str
    title: str | Promise
    says: str | Promise
    view: str
    roles: frozenset[Role]


_KNOWN: dict[str, Capability] = {}


def offer(capability: Capability) -> None:
    """Name a door. Called by `AppConfig.ready`; a second call for one app replaces the first."""
    _KNOWN[capability.name] = capability


def offered_to(user: User) -> list[Capability]:
    """The doors that a person may go through, in order of their names."""
    return [_KNOWN[name] for name in sorted(_KNOWN) if user.role in _KNOWN[name].roles]
