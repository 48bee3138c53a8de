"""A work order passes from hand to hand by a dispatcher's word."""

from __future__ import annotations

from collections.abc import Iterable

from central.cases.engine import kept_from, participate, record
from central.cases.guards import Actor
from central.cases.models import Case, WorkOrder
from central.cases.services import _actor, _lock_order, work_order_accepted
from central.cases.states import NotPossibleError, WorkState
from central.live.services import TASKS, announce
from central.people.models import User
from central.project.clock import now_ms
from protocol.errors import PatrolError

lock_order = _lock_order
"""The work order and its case, locked in the order in which every writer locks: the case first."""


def kept_apart(case: Case, people: Iterable[User]) -> frozenset[int]:
    """Numbers of those who found or verified the case, and so may not handle it."""
    names = {_actor(person): person.pk for person in people}
    return frozenset(names[name] for name in kept_from(case, "handler", list(names)))


def hand_on(order: WorkOrder, by: User, to: User, reason: str) -> WorkOrder:
    """Make somebody the assignee of a locked order that is new or accepted, without asking.

    One that nobody had accepted counts as accepted by `to`: the case moves on, and its clocks with it.

    Raises:
        NotPossibleError: it is over.
        PatrolError: `to` has found or verified the case.
    """
    if order.state not in {WorkState.NEW, WorkState.ACCEPTED}:
        raise NotPossibleError("a work order that is over cannot be given to anybody", WorkState(order.state))
    name = _actor(to)
    refusal = kept_from(order.case, "handler", [name]).get(name)
    if refusal is not None:
        raise PatrolError(
            str(refusal.reason), field="officer", value=to.get_username(),
            mend="Give it to somebody who has neither found nor verified the case.",
        )  # fmt: skip
    before = order.assignee.shown_name if order.assignee is not None else None
    new = order.state == WorkState.NEW
    order.state = WorkState.ACCEPTED
    order.assignee = to
    order.accepted_at_ms = now_ms()
    order.save(update_fields=["state", "assignee", "accepted_at_ms"])
    record(
        order.case,
        "reassigned",
        order.accepted_at_ms,
        _actor(by),
        event="accepted" if new else None,
        by=Actor(name),
        officer=to.shown_name,
        to=to.get_username(),
        before=before,
        reason=reason,
    )
    participate(order.case, "handler", name)
    work_order_accepted.send(sender=WorkOrder, order=order, by=by, reason=reason)
    announce(TASKS)
    return order
