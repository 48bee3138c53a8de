"""Sensitive reads: who saw what in full, and why. Pages mask by default; looking behind the mask leaves a line here."""

from __future__ import annotations

from typing import Any, Protocol

from django.http import HttpRequest

from central.people import access_chain, policy
from central.people.models import SensitiveRead, User
from central.project.clock import now_ms
from notifier import masking

AGAIN_MS = 10 * 60_000
"""The same person looking at the same thing again so soon is the same look: a page refreshes itself."""

SHOWN_MS = 10 * 60_000
"""For how long a plate that was asked for stays readable on the case's page."""

SHOWN = "patrol_shown"
_SHOWN_AT_MOST = 50

PLATE, PICTURE, CONTACT = "plate", "picture", "contact"

CASE, CALL, SHOP = "case", "call", "shop"
"""What is looked at."""

OWN_TASK, EVIDENCE, ATTACHMENT, TELEPHONE = "own task", "evidence", "attachment", "telephone"
"""Why, where nobody has to say it: the words are in `central.pages.words.PURPOSES`."""


class Case(Protocol):
    """What is looked at: its number and jurisdiction are enough."""

    pk: int
    jurisdiction_id: str


def note(
    user: User, case: Case, fields: str, purpose: str, *, address: str = "", subject: str = CASE
) -> bool:
    """Write the look down; False where the same look is written already.

    Args:
        user: who looks.
        case: at what.
        fields: what is shown in full, a space between two.
        purpose: why.
        address: from where.
        subject: what kind of thing it is, where it is no case; `case` is then that thing.
    """
    at_ms = now_ms()
    same = SensitiveRead.objects.filter(
        user=user, subject=subject, number=case.pk, at_ms__gt=at_ms - AGAIN_MS
    )
    if same.filter(fields=fields, purpose=purpose[:300]).exists():
        return False
    access_chain.append(
        SensitiveRead(
            at_ms=at_ms,
            user=user,
            name=user.get_username(),
            role=user.role,
            subject=subject,
            number=case.pk,
            jurisdiction_id=case.jurisdiction_id,
            fields=fields[:100],
            purpose=purpose.strip()[:300],
            address=address[:64],
        )
    )
    return True


def note_read(request: HttpRequest, case: Case, fields: str, purpose: str, *, subject: str = CASE) -> bool:
    """The same for the person who asks."""
    address = request.META.get("REMOTE_ADDR", "")
    return note(request.user, case, fields, purpose, address=address, subject=subject)


def may_show_plate(user: Any) -> bool:
    """Whether the role reads plates in full at all."""
    return getattr(user, "role", None) in policy.readers("plates")


def show(request: HttpRequest, case: Case, purpose: str) -> None:
    """The person asked to see the plate: written down, and readable for a while in this session."""
    note_read(request, case, PLATE, purpose)
    shown = _still_shown(request)
    shown[str(case.pk)] = now_ms() + SHOWN_MS
    request.session[SHOWN] = dict(list(shown.items())[-_SHOWN_AT_MOST:])


def is_shown(request: HttpRequest, case: Case) -> bool:
    """Whether this session asked for the plate of this case a short while ago."""
    return may_show_plate(request.user) and str(case.pk) in _still_shown(request)


def shows_task(request: HttpRequest, case: Case, assignee_id: int | None) -> bool:
    """Whether a task's page shows the plate: the own one of who handles it does, and that look is written down."""
    if request.user.role in policy.FIELD and assignee_id is not None and assignee_id == request.user.pk:
        note_read(request, case, PLATE, OWN_TASK)
        return True
    return is_shown(request, case)


def mask_plate(plate: str) -> str:
    """A plate that colleagues can tell apart and passers-by cannot read: the middle is hidden."""
    return masking.mask_plate(plate, "•")


def _still_shown(request: HttpRequest) -> dict[str, int]:
    now = now_ms()
    return {number: until for number, until in request.session.get(SHOWN, {}).items() if until > now}
