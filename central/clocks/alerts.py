"""Notices to people within the centre: each exists once, whoever raises it how often."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from central.cases.models import Case
from central.clocks.models import Alert, Clock
from central.grids.models import Grid
from central.live.services import announce
from central.people.models import Role, User
from central.project.clock import now_ms
from protocol.clock import Millis

ALERTS = "alerts"
"""The topic of open pages that show them."""


@dataclass(frozen=True, slots=True)
class To:
    """One person, or whoever has a role."""

    user_id: int | None = None
    role: str = ""

    def __str__(self) -> str:
        return self.role or f"user-{self.user_id}"


DISPATCHERS = To(role=Role.DISPATCHER)
ADMINISTRATORS = To(role=Role.ADMINISTRATOR)


def tell(
    jurisdiction_id: str,
    recipients: Iterable[To],
    *,
    key: str,
    kind: str,
    at_ms: Millis,
    case: Case | None = None,
    **args: Any,
) -> None:
    """Raise an alert for each of them, in the caller's transaction; one that exists already stays as it is."""
    raised = now_ms()
    Alert.objects.bulk_create(
        [
            Alert(
                key=f"{key}:{to}"[:200],
                jurisdiction_id=jurisdiction_id,
                user_id=to.user_id,
                role=to.role,
                kind=kind,
                case=case,
                args=args,
                at_ms=at_ms,
                raised_at_ms=raised,
            )
            for to in dict.fromkeys(recipients)
        ],
        ignore_conflicts=True,
    )
    announce(ALERTS)


def take_note(alert_id: int, user: User) -> Alert:
    """The person has read it; of an alert to a role the first one who says so counts.

    Raises:
        Alert.DoesNotExist: it is not for this person.
    """
    with transaction.atomic():
        alert: Alert = Alert.objects.visible_to(user).select_for_update(of=("self",)).get(pk=alert_id)
        if alert.read_at_ms is None:
            alert.read_at_ms, alert.read_by = now_ms(), user
            alert.save(update_fields=["read_at_ms", "read_by"])
            announce(ALERTS)
    return alert


def chain(case: Case) -> list[Grid]:
    """The case's grid and those above it, upwards."""
    node = case.grid
    found: list[Grid] = []
    while node is not None:
        found.append(node)
        node = node.parent
    return found


def who_handles(case: Case, clock: Clock) -> list[To]:
    """Whom a warning concerns: the party that was called, else who answers for the grid, else the dispatchers."""
    if clock.party is not None and clock.party.user_id is not None:
        return [To(clock.party.user_id)]
    return _of(case.grid) or [DISPATCHERS]


def who_must_know(case: Case, clock: Clock) -> list[To]:
    """Whom a breach concerns: those who handle it, who blew the whistle, and the dispatchers."""
    blower = [To(clock.party.whistle.blown_by_id)] if clock.party is not None else []
    return [*who_handles(case, clock), *blower, DISPATCHERS]


def above(grids: Sequence[Grid], level: int) -> tuple[Grid | None, list[To]]:
    """Who answers so many grids up. Nobody there: the dispatchers hear of it; no grid at all: the administrators."""
    if level >= len(grids):
        return None, [ADMINISTRATORS]
    return grids[level], _of(grids[level]) or [DISPATCHERS]


def _of(grid: Grid | None) -> list[To]:
    people = () if grid is None else (grid.primary, grid.deputy)
    return [To(person.pk) for person in people if person is not None and person.is_active]
