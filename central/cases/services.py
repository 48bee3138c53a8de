"""Every step a case or work order can take. Each runs in one transaction, on the locked case, once."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.dispatch import Signal
from django.utils.translation import gettext_lazy as _

from central.cases import history
from central.cases.engine import RefusedError, case_moved, record
from central.cases.guards import Actor
from central.cases.models import Case, Evidence, Picture, Retraction, WorkOrder
from central.cases.process import Refusal
from central.cases.rules import opening
from central.cases.states import (
    OPEN_STATES,
    CaseState,
    NotPossibleError,
    Result,
    Step,
    WorkKind,
    WorkState,
    next_state,
)
from central.fleet.models import Agent
from central.grids.models import Grid
from central.grids.services import leaf_of
from central.live.services import TASKS, announce
from central.people.models import User
from central.project.clock import now_ms
from central.project.unit import Unit, current, insert, save
from protocol.messages import EvidenceRef, Position

__all__ = [
    "Finding",
    "accept",
    "case_moved",
    "case_opened",
    "case_placed",
    "close",
    "issue_work_order",
    "lock_case",
    "name_evidence",
    "retract",
    "set_grid",
    "set_place",
    "tie_pictures",
    "work_order_closed",
    "work_order_closing",
    "work_order_issued",
    "work_order_retracted",
]

NOTE_LENGTH = 2000

case_opened = Signal()
"""Sent in the opening transaction with `case`, locked."""

case_placed = Signal()
"""Sent in the transaction that put a case into another grid, with `case` and `before` (a grid's number or None)."""

work_order_accepted = Signal()
"""Sent in the accepting transaction with `order`, its case locked; also when it passes from one officer to another."""

work_order_retracted = Signal()
"""Sent in the retracting transaction with `order`."""

work_order_issued = Signal()
"""Sent in the issuing transaction with `order`, its case locked."""

work_order_closing = Signal()
"""Sent before an order is closed, with `order` and `finding`; a receiver that raises `NotPossibleError` prevents it."""

work_order_closed = Signal()
"""Sent in the closing transaction with `order`; the trade whose case it is passes the outcome on."""


def lock_case(
    source_key: str, defaults: dict[str, Any], service_code: str = "sidewalk_parking"
) -> tuple[Case, bool]:
    """The case of this key, made if need be, locked until the transaction ends; (case, whether it is new).

    It begins as the service's rules say. Whoever made it writes the first entry of its history, with its `definition`.

    Raises:
        PatrolError: there is no such service.
    """
    unit = current()
    if unit is not None and f"case {source_key}" in unit.held:
        case, new = unit.held[f"case {source_key}"]
        unit.held[f"case {source_key}"] = (case, False)
        if new:
            case_opened.send(sender=Case, case=case)
        return case, new
    locked = Case.objects.select_for_update()
    case = locked.filter(source_key=source_key).first()
    if case is not None:
        return case, False
    begun = opening(service_code, defaults.get("jurisdiction_id", ""))
    fresh = Case(source_key=source_key, **{**begun, **defaults})
    # Of two at once the second waits here and then finds the first one's case, whose history has begun.
    Case.objects.bulk_create([fresh], ignore_conflicts=True)
    case = locked.get(source_key=source_key)
    new = case.history_length == 0
    if new:
        case_opened.send(sender=Case, case=case)
    return case, new


def hold_cases(unit: Unit, wanted: dict[str, dict[str, Any]]) -> None:
    """Lock the cases of these keys for a unit, making those that are missing, in a few statements; see `lock_case`.

    Raises:
        IntegrityError: another worker made one of them at this very moment.
    """
    keys = sorted(wanted)
    cases = Case.objects.select_for_update().filter(source_key__in=keys).order_by("source_key")
    known = {case.source_key: case for case in cases}
    new = [key for key in keys if key not in known]
    places = {wanted[key]["jurisdiction_id"] for key in new}
    begun = {place: opening("sidewalk_parking", place) for place in places}
    missing = [
        Case(source_key=key, **{**begun[wanted[key]["jurisdiction_id"]], **wanted[key]}) for key in new
    ]
    Case.objects.bulk_create(missing)
    for case in known.values():
        unit.held[f"case {case.source_key}"] = (case, False)
    for case in missing:
        unit.held[f"case {case.source_key}"] = (case, True)
        unit.held[f"new {case.pk}"] = {"orders", "evidence", "facts", "objections", "clocks"}


def release_new(unit: Unit) -> None:
    """From here on new cases of the unit are looked up like any other: what belongs to them has been written."""
    for name in [name for name in unit.held if name.startswith("new ")]:
        del unit.held[name]


def untouched(case: Case, what: str) -> bool:
    """Whether the case was made in this unit and nobody has asked this for it: then there is nothing to look up."""
    unit = current()
    left: set[str] = set() if unit is None else unit.held.get(f"new {case.pk}", set())
    if what in left:
        left.discard(what)
        return True
    return False


def set_place(case: Case, place: str, position: Position | None) -> None:
    """Where it is: in words, on earth, and so in which grid. The grid is told in the history when it changes."""
    case.place = place[:300]
    if position is not None:
        case.longitude, case.latitude = position.longitude, position.latitude
        grid = leaf_of(case.jurisdiction_id, case.longitude, case.latitude)
        if grid is not None and case.grid_id != grid.pk:
            set_grid(case, grid, "place", "longitude", "latitude")
            return
    save(case, "place", "longitude", "latitude")


def set_grid(case: Case, grid: Grid, *changed: str) -> None:
    """In which grid it is. Told in the history; `changed` are further fields of the case to save."""
    before, case.grid = case.grid_id, grid
    save(case, "grid", *changed)
    history.append(case, "grid", now_ms(), "centre", code=grid.code, name=grid.name)
    case_placed.send(sender=Case, case=case, before=before)


def issue_work_order(
    case: Case, *, key: str, kind: WorkKind, issued_at_ms: int, actor: str, **facts: Any
) -> WorkOrder | None:
    """Give the officers a job, or None where one is open already. A job taken back before it came starts retracted."""
    first = untouched(case, "orders")
    if not first and case.work_orders.filter(state__in=OPEN_STATES).exists():
        history.append(case, "task_repeated", issued_at_ms, actor, key=key, **facts)
        return None
    now = now_ms()
    order = WorkOrder(
        case=case,
        key=key,
        kind=kind,
        issued_at_ms=issued_at_ms,
        received_at_ms=now,
        # Counted from the arrival: an officer is not late for what the network held back.
        due_at_ms=now + settings.PATROL.response_minutes * 60_000,
    )
    taken_back = None
    if not first:
        taken_back = case.retractions.filter(at_ms__gte=issued_at_ms).order_by("at_ms").first()
    if taken_back is not None:
        order.state = WorkState.RETRACTED
        order.ended_at_ms = taken_back.at_ms
        order.retraction_reason = taken_back.reason
    insert(order)
    record(
        case,
        "task_issued",
        issued_at_ms,
        actor,
        event="task_issued",
        key=key,
        work=str(kind),
        due_at_ms=order.due_at_ms,
        **facts,
    )
    if case.state == CaseState.CLOSED:
        raise RefusedError(Refusal("state", _("a closed case takes no work order")))
    if taken_back is not None:
        record(
            case,
            "task_retracted",
            taken_back.at_ms,
            actor,
            event="task_retracted",
            reason=taken_back.reason,
            before_arrival=True,
        )
    work_order_issued.send(sender=WorkOrder, order=order)
    announce(TASKS)
    return order


def retract(case: Case, *, key: str, at_ms: int, reason: str, actor: str) -> None:
    """Nobody needs to go any more. Too late where the officer has closed it: then only the history knows."""
    untouched(case, "orders")
    Retraction.objects.create(case=case, key=key, at_ms=at_ms, reason=reason[:500])
    order = case.work_orders.filter(state__in=OPEN_STATES, issued_at_ms__lte=at_ms).first()
    if order is None:
        kind = "retraction_too_late" if case.work_orders.exists() else "retraction_first"
        history.append(case, kind, at_ms, actor, reason=reason)
        return
    order.state = next_state(order.state, Step.RETRACT)
    order.ended_at_ms = at_ms
    order.retraction_reason = reason[:500]
    order.save(update_fields=["state", "ended_at_ms", "retraction_reason"])
    record(case, "task_retracted", at_ms, actor, event="task_retracted", reason=reason)
    work_order_retracted.send(sender=WorkOrder, order=order)
    announce(TASKS)


def accept(order_id: int, user: User) -> WorkOrder:
    """Take a work order; again by the same officer does nothing more.

    Raises:
        WorkOrder.DoesNotExist: none in the officer's scope.
        NotPossibleError: somebody else was faster, or it is over.
    """
    with transaction.atomic():
        order = _lock_order(order_id, user)
        if order.state == WorkState.ACCEPTED and order.assignee_id == user.pk:
            return order
        order.state = next_state(order.state, Step.ACCEPT)
        order.assignee = user
        order.accepted_at_ms = now_ms()
        order.save(update_fields=["state", "assignee", "accepted_at_ms"])
        _by_hand(order, user, "accepted", order.accepted_at_ms, event="accepted", officer=user.shown_name)
        work_order_accepted.send(sender=WorkOrder, order=order)
        announce(TASKS)
    return order


@dataclass(frozen=True, slots=True)
class Finding:
    """What the officer found."""

    result: Result
    note: str = field(default="")


def close(order_id: int, user: User, finding: Finding) -> WorkOrder:
    """End a work order with what was found; a second press of the button changes nothing.

    Raises:
        WorkOrder.DoesNotExist: none in the officer's scope.
        NotPossibleError: it is not this officer's, was retracted, or ended otherwise.
    """
    with transaction.atomic():
        order = _lock_order(order_id, user)
        if order.assignee_id != user.pk and order.state != WorkState.RETRACTED:
            raise NotPossibleError("only the officer who accepted it closes it", WorkState(order.state))
        if order.state == WorkState.CLOSED and order.result == finding.result:
            return order
        after = next_state(order.state, Step.CLOSE)
        work_order_closing.send(sender=WorkOrder, order=order, finding=finding)
        order.state = after
        order.result = finding.result
        order.note = finding.note.strip()[:NOTE_LENGTH]
        order.outcome_id = f"o-{uuid.uuid4().hex}"
        order.ended_at_ms = now_ms()
        order.save(update_fields=["state", "result", "note", "outcome_id", "ended_at_ms"])
        _by_hand(
            order,
            user,
            "outcome",
            order.ended_at_ms,
            event="outcome",
            result=str(order.result),
            note=order.note,
            outcome_id=order.outcome_id,
            officer=user.shown_name,
        )
        work_order_closed.send(sender=WorkOrder, order=order)
        announce(TASKS)
    return order


def name_evidence(case: Case, agent: Agent, refs: tuple[EvidenceRef, ...]) -> None:
    """Note which pictures prove the case; those that came before are tied to it at once."""
    unit = current()
    hashes = {ref.sha256 for ref in refs}
    held = None if unit is None else unit.held.get("pictures")
    if held is None:
        held = _arrived({(agent.pk, digest) for digest in hashes})
    bare = untouched(case, "evidence")
    named: set[tuple[str, str]] = set()
    for ref in refs:
        if (ref.sha256, ref.role) in named:
            continue
        named.add((ref.sha256, ref.role))
        picture = held.get((agent.pk, ref.sha256))
        facts = {
            "agent": agent,
            "taken_at_ms": ref.taken_at_ms,
            "width": ref.width,
            "height": ref.height,
            "box": None if ref.box is None else list(ref.box),
            "picture": picture,
        }
        if bare and unit is not None:
            unit.add(Evidence(case=case, sha256=ref.sha256, role=ref.role, **facts))
            new = True
        else:
            _, new = Evidence.objects.get_or_create(
                case=case, sha256=ref.sha256, role=ref.role, defaults=facts
            )
        if new and picture is not None:
            history.append(case, "picture", picture.received_at_ms, f"agent:{agent}", sha256=ref.sha256)


def hold_pictures(unit: Unit, wanted: Collection[tuple[int, str]]) -> None:
    """Look up the pictures (agent, hash) that messages of a unit name, together."""
    unit.held["pictures"] = _arrived(wanted)


def agents_with_pictures(wanted: Collection[tuple[int, str]]) -> set[int]:
    """Whose pictures (agent, hash) are here, so that there is something to tie."""
    return {agent for agent, _ in _arrived(wanted)}


def _arrived(wanted: Collection[tuple[int, str]]) -> dict[tuple[int, str], Picture]:
    if not wanted:
        return {}
    found = Picture.objects.filter(sha256__in={digest for _, digest in wanted}).select_related("agent")
    return {
        (picture.agent_id, picture.sha256): picture
        for picture in found
        if (picture.agent_id, picture.sha256) in wanted
    }


def tie_pictures(agent_id: int, hashes: Iterable[str]) -> None:
    """Tie pictures that have arrived to the cases that named them; in transactions of its own.

    A task and its picture may be taken by two workers at once, and neither sees what the other has not yet
    committed. So each side calls this after its own commit: the later one sees both. Cases are locked one at a
    time, so that workers never wait for one another in a circle.
    """
    wanted = {(agent_id, digest) for digest in hashes}
    pictures = {digest: picture for (_, digest), picture in _arrived(wanted).items()}
    awaited = Evidence.objects.filter(agent_id=agent_id, sha256__in=list(pictures), picture__isnull=True)
    for case_id in sorted(set(awaited.values_list("case_id", flat=True))):
        with transaction.atomic():
            case = Case.objects.select_for_update().get(pk=case_id)
            for digest in sorted(set(awaited.filter(case=case).values_list("sha256", flat=True))):
                picture = pictures[digest]
                awaited.filter(case=case, sha256=digest).update(picture=picture)
                actor = f"agent:{picture.agent}"
                history.append(case, "picture", picture.received_at_ms, actor, sha256=digest)
            announce(TASKS)


def _lock_order(order_id: int, user: User) -> WorkOrder:
    """The work order and its case, locked in the order in which every writer locks: the case first."""
    seen: QuerySet[WorkOrder] = WorkOrder.objects.visible_to(user)
    case_id = seen.values_list("case_id", flat=True).get(pk=order_id)
    case = Case.objects.select_for_update().get(pk=case_id)
    order = WorkOrder.objects.select_for_update().get(pk=order_id)
    order.case = case
    return order


def _by_hand(order: WorkOrder, user: User, kind: str, at_ms: int, *, event: str, **facts: Any) -> None:
    """What an officer did to a work order, and where that leads the case.

    Raises:
        NotPossibleError: he has found or verified this case himself.
    """
    try:
        record(order.case, kind, at_ms, _actor(user), event=event, by=Actor(_actor(user)), **facts)
    except RefusedError as error:
        raise NotPossibleError(error.problem, WorkState(order.state)) from error


def _actor(user: User) -> str:
    return f"user:{user.get_username()}"
