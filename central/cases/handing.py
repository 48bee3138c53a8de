"""A work order passes from hand to hand by a dispatcher's word."""

from __future__ import annotations

from central.cases import history
from central.cases.models import WorkOrder
from central.cases.services import _actor, _lock_order, work_order_accepted
from central.cases.states import NotPossibleError, WorkState
from central.live.services import TASKS, announce
from central.people.models import User
from central.project.clock import now_ms

lock_order = _lock_order
"""The work order and its case, locked in the order in which every writer locks: the case first."""


def hand_on(order: WorkOrder, by: User, to: User, reason: str) -> WorkOrder:
    """Make somebody the assignee of a locked order that is new or accepted, without asking.

    Raises:
        NotPossibleError: it is over.
    """
    if order.state not in {WorkState.NEW, WorkState.ACCEPTED}:
        raise NotPossibleError("a work order that is over cannot be given to anybody", WorkState(order.state))
    before = order.assignee.shown_name if order.assignee is not None else None
    order.state = WorkState.ACCEPTED
    order.assignee = to
    order.accepted_at_ms = now_ms()
    order.save(update_fields=["state", "assignee", "accepted_at_ms"])
    history.append(
        order.case,
        "reassigned",
        order.accepted_at_ms,
        _actor(by),
        officer=to.shown_name,
        before=before,
        reason=reason,
    )
    work_order_accepted.send(sender=WorkOrder, order=order, by=by, reason=reason)
    announce(TASKS)
    return order
