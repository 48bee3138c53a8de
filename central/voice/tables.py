"""Round tables: called when a matter comes to the table, held with minutes, and what was promised there."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from central.cases import actions, history
from central.cases.models import Case, Commitment
from central.clocks import alerts
from central.people.models import User
from central.project.clock import now_ms
from central.voice.categories import codes_of_services
from central.voice.models import Agreed, Guest, Meeting, MeetingState
from protocol.errors import PatrolError

TABLE = "round_table"
"""The state in which a matter lies at the table."""

AGREE = "agree"
GUESTS_MOST = 30


def call_by_itself(case: Case, move: Any) -> None:
    """A matter has come to the table: there is a meeting to plan, with those who answer for its place. In the transaction."""
    if move is None or move.after != TABLE or case.service_code not in codes_of_services():
        return
    if Meeting._base_manager.filter(case=case, state=MeetingState.PLANNED).exists():
        return
    now = now_ms()
    number = Meeting._base_manager.filter(case=case).count() + 1
    reason = str(dict(move.fields).get("reason", ""))[:500]
    made = Meeting.objects.create(case=case, number=number, why=reason, called_at_ms=now)
    grid = case.grid
    known = () if grid is None else (grid.primary, grid.deputy)
    for person in known:
        if person is not None and person.is_active:
            Guest.objects.get_or_create(meeting=made, name=person.shown_name[:120], defaults={"user": person})
    history.append(case, "meeting_called", now, "centre", meeting=made.pk, number=number, by=move.transition)
    alerts.tell(
        case.jurisdiction_id,
        [alerts.DISPATCHERS],
        key=f"voice-table:{made.pk}",
        kind="round_table",
        at_ms=now,
        case=case,
        number=number,
    )


def needs_a_meeting(case: Case, transition: str) -> str | None:
    """What was agreed at the table can be told once there was a meeting with minutes."""
    if transition != AGREE or case.process_state != TABLE or case.service_code not in codes_of_services():
        return None
    if Meeting._base_manager.filter(case=case, state=MeetingState.PLANNED).exists():
        return _("the round table has not met yet; write its minutes first")
    return None


def plan(
    meeting: Meeting, user: User, *, agenda: str, place: str, meets_at_ms: int | None, guests: Sequence[str]
) -> None:
    """Say when and where the table meets, about what and with whom.

    Raises:
        PatrolError: it was held already, or too many sit there.
    """
    names = list(dict.fromkeys(name.strip()[:120] for name in guests if name.strip()))
    if len(names) > GUESTS_MOST:
        raise PatrolError(_("At most %(count)d people.") % {"count": GUESTS_MOST}, field="guests")
    with transaction.atomic():
        case, held = _locked(meeting)
        if held.state != MeetingState.PLANNED:
            raise PatrolError(_("The round table has met already."), field="state")
        held.agenda, held.place, held.meets_at_ms = agenda.strip()[:4000], place.strip()[:300], meets_at_ms
        held.save(update_fields=["agenda", "place", "meets_at_ms"])
        held.guests.exclude(name__in=names).delete()
        for name in names:
            Guest.objects.get_or_create(meeting=held, name=name)
        history.append(
            case,
            "meeting_planned",
            now_ms(),
            f"user:{user.get_username()}",
            meeting=held.pk,
            meets_at_ms=meets_at_ms,
            place=held.place or None,
            agenda_sha256=_sha256(held.agenda),
            guests=len(names),
        )


def hold(meeting: Meeting, user: User, *, minutes: str, came: Sequence[str]) -> None:
    """The table has met: its minutes and who came. Sent again with the same minutes it changes nothing.

    Raises:
        PatrolError: no minutes, or others were written before.
    """
    minutes = minutes.strip()
    if not minutes or len(minutes) > 8000:
        raise PatrolError(_("Write what was said: 1 to 8000 characters."), field="minutes")
    with transaction.atomic():
        case, held = _locked(meeting)
        if held.state == MeetingState.HELD:
            if held.minutes == minutes:
                return
            raise PatrolError(_("The minutes are written already."), field="minutes")
        now = now_ms()
        held.minutes, held.state, held.held_at_ms, held.written_by = minutes, MeetingState.HELD, now, user
        held.save(update_fields=["minutes", "state", "held_at_ms", "written_by"])
        for guest in held.guests.all():
            guest.came = str(guest.pk) in set(came)
            guest.save(update_fields=["came"])
        history.append(
            case,
            "meeting_held",
            now,
            f"user:{user.get_username()}",
            meeting=held.pk,
            minutes_sha256=_sha256(minutes),
            came=held.guests.filter(came=True).count(),
        )


def promise(meeting: Meeting, user: User, *, what: str, owner: str, due_at_ms: int) -> Commitment:
    """Somebody commits himself at the table. The matter cannot close before it is kept or withdrawn.

    Raises:
        RefusedError: the case is closed.
        PatrolError: an empty text, or a date that has passed.
    """
    if due_at_ms <= now_ms():
        raise PatrolError(_("The date must lie ahead."), field="due")
    with transaction.atomic():
        same = Agreed.objects.filter(
            meeting=meeting,
            commitment__what=what.strip(),
            commitment__owner=owner.strip(),
            commitment__due_at_ms=due_at_ms,
        ).first()
        if same is not None:
            return same.commitment
        made = actions.promise(
            meeting.case_id, f"user:{user.get_username()}", what=what, owner=owner, due_at_ms=due_at_ms
        )
        Agreed.objects.create(meeting=meeting, commitment=made)
    return made


def _locked(meeting: Meeting) -> tuple[Case, Meeting]:
    case = Case._base_manager.select_for_update().get(pk=meeting.case_id)
    return case, Meeting._base_manager.get(pk=meeting.pk)


def _sha256(text: str) -> str | None:
    return hashlib.sha256(text.encode()).hexdigest() if text else None


__all__ = [
    "call_by_itself",
    "hold",
    "needs_a_meeting",
    "plan",
    "promise",
]
