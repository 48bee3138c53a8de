"""What people and other systems do to a case: steps by hand, promises, notes, parts of a matter. Each locks the case first."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from central.cases import history
from central.cases.engine import RefusedError, carry_out, facts_of, resume
from central.cases.guards import Actor
from central.cases.models import Case, Commitment, CommitmentState, Note
from central.cases.process import REPORTER, Refusal, possible, step
from central.cases.rules import definition_of
from central.cases.services import issue_work_order
from central.cases.states import CaseState, Relation, WorkKind
from central.live.services import TASKS, announce
from central.people.models import User
from central.project.clock import now_ms
from protocol.errors import PatrolError

NOTE_LENGTH = 4000
NOTES_MOST = 500
COMMITMENTS_MOST = 100


class OtherContentError(PatrolError):
    """This key has brought something else before."""


closing_checks: list[Callable[[Case, User | None], str | None]] = []
"""What other apps have against closing a case by hand: each says why not, in the person's language, or None."""

step_checks: list[Callable[[Case, str], str | None]] = []
"""What other apps have against a step by hand, by its name: each says why not, in the person's language, or None."""


def actor_of(user: User, case: Case) -> Actor:
    """Who a user is in a case: his role, and the reporter where the case is his."""
    roles = {str(user.role)}
    if case.reporter_id is not None and case.reporter is not None and case.reporter.user_id == user.pk:
        roles.add(REPORTER)
    return Actor(f"user:{user.get_username()}", frozenset(roles))


def take(
    case_id: int,
    who: User | Actor,
    transition: str,
    given: Mapping[str, Any] | None = None,
    *,
    seen: int | None = None,
) -> Case:
    """Take a step by hand, and issue the work order that belongs to it. The caller has checked the scope.

    Args:
        case_id: which case.
        who: takes it.
        transition: of the case's definition.
        given: fields that it asks for.
        seen: how long the history was when they decided. Where they have taken this very step since, nothing is done: a
            form that is sent twice is one step.

    Raises:
        Case.DoesNotExist: there is none.
        RefusedError: the rules of the case do not allow it.
    """
    with transaction.atomic():
        case = Case.objects.select_for_update().get(pk=case_id)
        actor = who if isinstance(who, Actor) else actor_of(who, case)
        if seen is not None and _has_taken(case, actor, transition, seen):
            return case
        definition = definition_of(case)
        decision = step(definition, facts_of(case, photos=True), transition, actor, given)
        if isinstance(decision, Refusal):
            raise RefusedError(decision)
        if decision.coarse == CaseState.CLOSED:
            for check in closing_checks:
                reason = check(case, who if isinstance(who, User) else None)
                if reason is not None:
                    raise RefusedError(Refusal("guard:closing", reason))
        for step_check in step_checks:
            reason = step_check(case, transition)
            if reason is not None:
                raise RefusedError(Refusal("guard:step", reason))
        now = now_ms()
        carry_out(case, decision, now)
        found = definition.transition(transition)
        if found is not None and found.issues is not None:
            issue_work_order(
                case,
                key=f"centre/{case.pk}/{transition}/{case.history_length}",
                kind=WorkKind(found.issues),
                issued_at_ms=now,
                actor=actor.name,
            )
        announce(TASKS)
    return case


def _has_taken(case: Case, actor: Actor, transition: str, seen: int) -> bool:
    later = case.history.filter(number__gt=seen, kind="moved", actor=actor.name[:160])
    return any(
        json.loads(body).get("transition") == transition for body in later.values_list("body", flat=True)
    )


def choices(case: Case, who: User | Actor, language: str) -> list[dict[str, Any]]:
    """The steps that somebody may take from where the case stands, for buttons: name, title, required, blocked (or "")."""
    actor = who if isinstance(who, Actor) else actor_of(who, case)
    offered = possible(definition_of(case), facts_of(case, photos=True), actor)
    return [
        {
            "name": found.name,
            "title": found.titles.text(language),
            "required": list(found.required),
            "blocked": str(refusal.reason) if refusal else "",
        }
        for found, refusal in offered
    ]


def promise(
    case_id: int, actor: str, *, what: str, owner: str, due_at_ms: int, owner_user: User | None = None
) -> Commitment:
    """Somebody commits himself. The case cannot close before the commitment is kept or withdrawn.

    Raises:
        RefusedError: the case is closed.
        PatrolError: an empty text, or a case with too many.
    """
    what, owner = _text(what, 500, "what"), _text(owner, 160, "owner")
    with transaction.atomic():
        case = Case.objects.select_for_update().get(pk=case_id)
        if case.state == CaseState.CLOSED:
            raise RefusedError(Refusal("state", _("the case is closed")))
        if case.commitments.count() >= COMMITMENTS_MOST:
            raise PatrolError(f"a case holds at most {COMMITMENTS_MOST} commitments")
        now = now_ms()
        made = Commitment.objects.create(
            case=case,
            what=what,
            owner=owner,
            owner_user=owner_user,
            due_at_ms=due_at_ms,
            made_at_ms=now,
            made_by=actor[:160],
        )
        history.append(
            case, "commitment", now, actor, commitment=made.pk, what=what, owner=owner, due_at_ms=due_at_ms
        )
    return made


def end_commitment(commitment_id: int, actor: str, state: CommitmentState, note: str = "") -> Commitment:
    """A commitment was kept, or is withdrawn with a reason. Again with the same word changes nothing.

    Raises:
        Commitment.DoesNotExist: there is none.
        RefusedError: it ended otherwise before, or it is withdrawn without a reason.
    """
    if state not in {CommitmentState.DONE, CommitmentState.WITHDRAWN}:
        raise PatrolError("a commitment is kept or withdrawn", field="state", value=str(state))
    if state == CommitmentState.WITHDRAWN and not note.strip():
        raise RefusedError(Refusal("field", _("this field is missing"), "note"))
    case_id = Commitment._base_manager.values_list("case_id", flat=True).get(pk=commitment_id)
    with transaction.atomic():
        case = Case.objects.select_for_update().get(pk=case_id)
        found = Commitment._base_manager.get(pk=commitment_id)
        if found.state == state:
            return found
        if found.state != CommitmentState.OPEN:
            raise RefusedError(Refusal("state", _("this commitment has ended already")))
        found.state, found.ended_at_ms, found.ended_by = state, now_ms(), actor[:160]
        found.note = note.strip()[:2000]
        found.save(update_fields=["state", "ended_at_ms", "ended_by", "note"])
        history.append(
            case,
            "commitment_ended",
            found.ended_at_ms,
            actor,
            commitment=found.pk,
            state=str(state),
            reason=found.note or None,
        )
        resume(case, found.ended_at_ms)
    return found


def write_note(case_id: int, actor: str, text: str, key: str, *, public: bool = False) -> Note:
    """Note something down; the same key with the same text again gives the first note.

    Raises:
        OtherContentError: the key brought another text before.
        PatrolError: an empty or too long text.
    """
    text = _text(text, NOTE_LENGTH, "text")
    key = _text(key, 100, "key")
    with transaction.atomic():
        case = Case.objects.select_for_update().get(pk=case_id)
        known = case.notes.filter(key=key).first()
        if known is not None:
            if (known.text, known.public) != (text, public):
                raise OtherContentError("this key has brought another note before", field="key", value=key)
            return known
        if case.notes.count() >= NOTES_MOST:
            raise PatrolError(f"a case holds at most {NOTES_MOST} notes")
        now = now_ms()
        made = Note.objects.create(case=case, key=key, actor=actor[:160], text=text, public=public, at_ms=now)
        digest = hashlib.sha256(text.encode()).hexdigest()
        history.append(case, "note", now, actor, note=made.pk, sha256=digest, public=public or None)
    return made


def make_part(child_id: int, parent_id: int, actor: str, reason: str) -> Case:
    """A case becomes a part of another, which cannot close before it. One level deep, so that nothing runs in circles.

    Raises:
        RefusedError: one of them is closed, belongs to another case already, or both are the same.
    """
    reason = _text(reason, 500, "reason")
    with transaction.atomic():
        parent, child = lock_both(parent_id, child_id)
        if parent is child or parent.jurisdiction_id != child.jurisdiction_id:
            raise RefusedError(Refusal("parent", _("these two cases cannot belong together")))
        if child.parent_id == parent.pk and child.relation == Relation.PART:
            return child
        if CaseState.CLOSED in {parent.state, child.state}:
            raise RefusedError(Refusal("state", _("the case is closed")))
        if child.parent_id or parent.parent_id or child.children.exists():
            raise RefusedError(Refusal("parent", _("one of them belongs to another case already")))
        child.parent, child.relation = parent, Relation.PART
        now = now_ms()
        changed = ("parent", "relation")
        history.append(
            child, "linked", now, actor, changed=changed, parent=parent.pk, relation="part", reason=reason
        )
        history.append(parent, "linked", now, actor, child=child.pk, relation="part", reason=reason)
    return child


def leave_parent(child_id: int, actor: str, reason: str) -> Case:
    """A part stands for itself again.

    Raises:
        RefusedError: it is no part of another case.
    """
    reason = _text(reason, 500, "reason")
    parent_id = Case._base_manager.values_list("parent_id", flat=True).get(pk=child_id)
    with transaction.atomic():
        parent, child = lock_both(parent_id or child_id, child_id)
        if parent is child or child.parent_id != parent.pk or child.relation != Relation.PART:
            raise RefusedError(Refusal("parent", _("it is no part of another case")))
        child.parent, child.relation = None, ""
        now = now_ms()
        changed = ("parent", "relation")
        history.append(child, "unlinked", now, actor, changed=changed, parent=parent.pk, reason=reason)
        history.append(parent, "unlinked", now, actor, child=child.pk, reason=reason)
        resume(parent, now)
    return child


def lock_both(first: int, second: int) -> tuple[Case, Case]:
    """Two cases, locked in the order of their numbers so that nobody waits in a circle.

    Raises:
        Case.DoesNotExist: one of them is not there.
    """
    wanted = sorted({first, second})
    found = {case.pk: case for case in Case.objects.select_for_update().filter(pk__in=wanted).order_by("pk")}
    if len(found) != len(wanted):
        raise Case.DoesNotExist
    return found[first], found[second]


def _text(text: str, most: int, field: str) -> str:
    clean = text.strip()
    if not clean or len(clean) > most or "\x00" in clean:
        raise PatrolError(f"a text of 1 to {most} characters is needed", field=field)
    return clean


__all__ = [
    "OtherContentError",
    "actor_of",
    "choices",
    "end_commitment",
    "leave_parent",
    "lock_both",
    "make_part",
    "promise",
    "take",
    "write_note",
]
