"""Answers of people: accept, decline, reassign; and what the life of a work order means for its offers.

The work order itself changes in `central.cases` alone; receivers here make the offers follow, through whichever door the
change came. An officer may accept any open task in scope, offered or not: who stands beside the vehicle should not wait
for a lease of somebody else to run out. The other's offer is then withdrawn, and their page and device say so.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction

from central.cases import handing
from central.cases import services as cases
from central.cases.models import WorkOrder
from central.cases.states import NotPossibleError, WorkState
from central.dispatch import desk, offers
from central.dispatch.models import Assignment, AssignmentState, Offer, OfferState
from central.live.services import announce, officer_topic
from central.people.models import User
from central.project.clock import now_ms
from central.project.unit import insert
from protocol.errors import PatrolError

REASON_LENGTH = 500

TAKEN = "taken_by_another"
RETRACTED = "retracted"
REASSIGNED = "reassigned"


def accept(order_id: int, user: User) -> WorkOrder:
    """Take a work order; again by the same officer does nothing more. See `central.cases.services.accept`.

    Raises:
        WorkOrder.DoesNotExist: none in the officer's scope.
        NotPossibleError: somebody else was faster, or it is over.
    """
    return cases.accept(order_id, user)


def decline(order_id: int, user: User, reason: str) -> Offer:
    """Say no to an offer; the next officer is asked at once. Again does nothing more.

    Raises:
        WorkOrder.DoesNotExist: none in the officer's scope.
        NotPossibleError: it is not offered to this officer, or not any more.
        PatrolError: no reason was given.
    """
    words = reason.strip()
    with transaction.atomic():
        order = handing.lock_order(order_id, user)
        if not words:
            raise PatrolError("say why, so that the next one knows", field="reason")
        offer = Offer.rows.filter(order=order, officer=user).order_by("-pk").first()
        if offer is None or offer.state not in {OfferState.OFFERED, OfferState.DECLINED}:
            raise NotPossibleError("it is not offered to this officer now", WorkState(order.state))
        offer.order = order
        if offer.state == OfferState.DECLINED:
            return offer
        offers.end(offer, OfferState.DECLINED, words, tell=False)
        offers.settle(offers.assignment_of(order), AssignmentState.WAITING, now_ms())
        offers.note(
            order.case,
            "offer_declined",
            f"user:{user.get_username()}",
            officer=user.shown_name,
            reason=offer.reason,
        )
    return offer


def reassign(order_id: int, by: User, to: User, reason: str) -> WorkOrder:
    """Give a work order to somebody, whoever has it now. Again to the same officer does nothing more.

    Args:
        order_id: a new or accepted work order.
        by: the dispatcher.
        to: who has it from now on, without being asked.
        reason: why, for the history and for both officers.

    Raises:
        WorkOrder.DoesNotExist: none in the dispatcher's scope.
        NotPossibleError: it is over.
        PatrolError: no reason was given, or `to` cannot be sent there, or has found or verified the case.
    """
    words = reason.strip()
    with transaction.atomic():
        order = handing.lock_order(order_id, by)
        if not words:
            raise PatrolError("say why, so that both officers know", field="reason")
        if not desk.able(to) or not WorkOrder.objects.visible_to(to).filter(pk=order.pk).exists():
            raise PatrolError(
                "this person cannot be sent there", field="officer", value=to.get_username(),
                mend="Choose an active officer whose scope holds the place.",
            )  # fmt: skip
        if order.state == WorkState.ACCEPTED and order.assignee_id == to.pk:
            return order
        return handing.hand_on(order, by, to, words)


def on_issued(order: WorkOrder, **_: Any) -> None:
    """A work order is there: somebody has to be found, unless it was taken back before it came."""
    if order.state != WorkState.NEW:
        return
    now = now_ms()
    search = Assignment(order=order, jurisdiction_id=order.case.jurisdiction_id, due_at_ms=now, since_ms=now)
    insert(search)


def on_accepted(order: WorkOrder, by: User | None = None, reason: str = "", **_: Any) -> None:
    """Somebody has it: their offer is accepted, anybody else's is withdrawn."""
    assert order.assignee is not None
    before = offers.open_offer(order)
    search = offers.assignment_of(order)
    if before is not None:
        before.order = order
        if before.officer_id == order.assignee_id and before.state == OfferState.OFFERED and by is None:
            before.state = OfferState.ACCEPTED
            before.save(update_fields=["state"])
            offers.counted(OfferState.ACCEPTED)
            announce(officer_topic(before.officer_id))
        else:
            offers.end(before, OfferState.WITHDRAWN, TAKEN if by is None else reason or REASSIGNED)
            before = None
    if before is None:
        offers.make(
            order,
            order.assignee,
            state=OfferState.ACCEPTED,
            at_ms=now_ms(),
            reason="" if by is None else reason,
            tell=by is not None,
        )
    offers.settle(search, AssignmentState.TAKEN, None)


def on_over(order: WorkOrder, **_: Any) -> None:
    """It was closed or retracted: nobody is asked any more, and who was on the way is told."""
    search = Assignment.rows.filter(order=order).first()
    if search is None:
        return
    offers.settle(search, AssignmentState.OVER, None)
    offer = offers.open_offer(order)
    if offer is None:
        return
    offer.order = order
    if order.state == WorkState.RETRACTED:
        offers.end(offer, OfferState.WITHDRAWN, RETRACTED)
    else:
        announce(officer_topic(offer.officer_id))
