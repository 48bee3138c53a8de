"""Decisions of `central.cases.process` applied to the locked case, with its history, in the caller's transaction.

What happens and where it leads stand in one entry of the history: ``moved`` lists each move as [transition, state]. So a
case's state can be computed again from its history and its rules, and a move costs no further statement.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, OuterRef
from django.dispatch import Signal

from central.cases import history, telling
from central.cases.definition import Part
from central.cases.guards import Actor, Facts
from central.cases.models import Case, Commitment, CommitmentState, Participant, ServiceDefinition, WorkOrder
from central.cases.process import AT_ONCE, CENTRE, Decision, Refusal, apart, needs_counts, react, settle
from central.cases.rules import by_hash, definition_of
from central.cases.states import OPEN_STATES, CaseState, Relation
from central.project.clock import now_ms
from protocol.errors import PatrolError

case_moved = Signal()
"""Sent in the transaction, with `case`, locked and where all moves led, `before` (its coarse state before this move), `move` (a
`Decision`) and `at_ms`; once for each move, also between two open states."""

_STATE = ("state", "closed_at_ms", "process_state", "step")


class RefusedError(PatrolError):
    """The rules do not allow it; `refusal` says why, for programs and for people."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal.reason), field=refusal.field or None)
        self.refusal = refusal


def record(
    case: Case,
    kind: str,
    at_ms: int,
    actor: str,
    *,
    event: str | None = None,
    by: Actor = CENTRE,
    changed: Sequence[str] = (),
    **facts: Any,
) -> tuple[Decision, ...]:
    """Note what happened, and let the case take the moves that it leads to.

    Args:
        case: locked.
        kind: of the entry, a word of `central.pages.words.HISTORY`.
        at_ms: when it happened.
        actor: who the entry is by.
        event: what it is for the rules; None leads nowhere.
        by: the person who brought it about, where one did; then the rules of who may do what hold for him.
        changed: fields of the case that the caller has set.
        facts: of the entry.

    Raises:
        RefusedError: a person may not bring this about. What a machine tells is noted even where it moves nothing.
    """
    moves, blocked = ((), None) if event is None else _react(case, event, by)
    if blocked is not None and by is not CENTRE and not blocked.code.startswith("guard:"):
        raise RefusedError(blocked)
    if blocked is not None:
        facts["blocked"] = blocked.code
    _carry_out(case, moves, kind, at_ms, actor, changed=changed, **facts)
    return moves


def carry_out(case: Case, decision: Decision, at_ms: int, **facts: Any) -> tuple[Decision, ...]:
    """Take a decided transition, and whatever the case does by itself afterwards.

    Args:
        case: locked, and unchanged since it was decided on.
        decision: of `process.step`.
        at_ms: when.
        facts: further ones for the entry.
    """
    moves = (decision, *_at_once(case, decision))
    given = dict(decision.fields)
    entry = {
        **facts,
        "transition": decision.transition,
        "reason": given.get("reason") or given.get("reply"),
        "fields": given or None,
    }
    _carry_out(case, moves, "moved", at_ms, decision.actor, **entry)
    return moves


def resume(case: Case, at_ms: int) -> tuple[Decision, ...]:
    """What held the case back may be gone: the moves that it takes by itself now."""
    definition = definition_of(case)
    if not needs_counts(definition, case.process_state, AT_ONCE):
        return ()
    moves = settle(definition, facts_of(case, people=False))
    if moves:
        _carry_out(case, moves, "moved", at_ms, CENTRE.name, transition=moves[0].transition)
    return moves


def happened(case: Case, event: str, at_ms: int) -> tuple[Decision, ...]:
    """Something that the centre itself noticed: the moves that it leads to. Nothing is written where it leads nowhere."""
    if case.definition_id is None:
        return ()  # a case without rules has no moves
    moves, _blocked = _react(case, event, CENTRE)
    if moves:
        _carry_out(case, moves, "moved", at_ms, CENTRE.name, transition=moves[0].transition, event=event)
    return moves


def facts_of(case: Case, *, people: bool = True, photos: bool = False) -> Facts:
    """What is known of a case, for deciding on it. One statement, one more for who has done what, one for its photos."""
    mine = OuterRef("pk")
    open_ = (
        Case._base_manager.filter(pk=case.pk)  # what binds a case is asked for nobody's eyes
        .values_list(
            Exists(Commitment._base_manager.filter(case=mine, state=CommitmentState.OPEN)),
            Exists(Case._base_manager.filter(parent=mine).exclude(state=CaseState.CLOSED)),
            Exists(WorkOrder._base_manager.filter(case=mine, state__in=OPEN_STATES)),
        )
        .get()
    )
    return Facts(
        state=case.process_state,
        now_ms=now_ms(),
        closed_at_ms=case.closed_at_ms,
        parts=_parts(case) if people else {},
        open_commitments=int(open_[0]),
        open_children=int(open_[1]),
        open_work_orders=int(open_[2]),
        photos=frozenset(case.attachments.values_list("pk", flat=True)) if photos else frozenset(),
        merged=case.relation == Relation.DUPLICATE,
    )


def participate(case: Case, part: str, actor: str) -> None:
    """Remember who has done what; again changes nothing."""
    Participant.objects.bulk_create(
        [Participant(case=case, part=part, actor=actor[:160])], ignore_conflicts=True
    )


def replay(rules: str, moves: Sequence[Sequence[str]], stands_in: str) -> Iterator[str]:
    """Follow the moves of a history by the rules of this hash, to where the case says that it stands; yields what is wrong."""
    try:
        definition = by_hash(rules)
    except (ServiceDefinition.DoesNotExist, PatrolError):
        yield "the rules that the case was opened under are not there as they were kept"
        return
    state = definition.initial.name
    for transition, target in moves:
        found = definition.transition(transition)
        if found is None or state not in found.sources or found.to != target:
            yield f"by its rules {transition!r} does not lead from {state!r} to {target!r}"
        state = target
    if state != stands_in:
        yield f"by its history the case is {state!r}, it says {stands_in!r}"


def _react(case: Case, event: str, by: Actor) -> tuple[tuple[Decision, ...], Refusal | None]:
    definition = definition_of(case)
    if needs_counts(definition, case.process_state, event):
        facts = facts_of(case, people=by is not CENTRE)
    else:
        known = _parts(case) if by is not CENTRE else {}
        facts = Facts(state=case.process_state, now_ms=now_ms(), closed_at_ms=case.closed_at_ms, parts=known)
    first = react(definition, facts, event, by)
    if first is None:
        return (), None
    if isinstance(first, Refusal):
        return (), first
    return (first, *_at_once(case, first)), None


def _at_once(case: Case, first: Decision) -> tuple[Decision, ...]:
    definition = definition_of(case)
    if definition.on_event(first.after, AT_ONCE) is None:
        return ()
    return settle(definition, replace(facts_of(case, people=False), state=first.after))


def kept_from(case: Case, part: Part, actors: Collection[str]) -> dict[str, Refusal]:
    """Whom of these actors what they have done in the case keeps from doing this, and why. One statement."""
    parts = _parts(case) if actors else {}
    found = {actor: apart(parts, part, actor) for actor in actors}
    return {actor: refusal for actor, refusal in found.items() if refusal is not None}


def _parts(case: Case) -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for one in case.participants.all():  # asked for once where many cases are decided on together
        found.setdefault(one.part, set()).add(one.actor)
    return {part: frozenset(actors) for part, actors in found.items()}


def _carry_out(
    case: Case,
    moves: Sequence[Decision],
    kind: str,
    at_ms: int,
    actor: str,
    changed: Sequence[str] = (),
    **facts: Any,
) -> None:
    coarse = [CaseState(case.state)]
    fields = [*changed]
    for move in moves:
        case.process_state, case.step, case.state = move.after, move.step, move.coarse
        case.closed_at_ms = at_ms if move.coarse == CaseState.CLOSED else None
        coarse.append(move.coarse)
        if move.reopens:
            if case.relation != Relation.DUPLICATE:
                # What was put together by mistake was never closed in the reporter's eyes.
                case.round += 1
                fields.append("round")
            if case.parent_id is not None:
                # Its parent may have ended, or end at this moment: what is opened again goes its own way.
                facts["left_case"], case.parent_id, case.relation = case.parent_id, None, ""
                fields += ["parent", "relation"]
    if moves:
        facts["moved"] = [[move.transition, move.after] for move in moves]
        fields += _STATE
    history.append(case, kind, at_ms, actor, changed=tuple(dict.fromkeys(fields)), **facts)
    for before, move in zip(coarse, moves, strict=False):
        if move.part != "nobody":
            participate(case, move.part, move.actor)
        case_moved.send(sender=Case, case=case, before=before, move=move, at_ms=at_ms)
        if move.tells:
            telling.tell(case, move.step, move.after, at_ms)
    if moves and coarse[-1] == CaseState.CLOSED and case.relation == Relation.PART:
        _parent_may_go_on(case.parent_id)


def _parent_may_go_on(parent_id: int | None) -> None:
    """Afterwards and in a transaction of its own: the parent is locked before its parts, never after one."""
    using = connection.alias

    def go_on() -> None:
        with transaction.atomic(using=using):
            parent = Case._base_manager.select_for_update().filter(pk=parent_id).first()
            if parent is not None and parent.definition_id is not None:
                resume(parent, now_ms())

    transaction.on_commit(go_on)
