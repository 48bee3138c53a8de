"""Writing offers: each change of one is told to its officer's page and device in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from central.cases import history
from central.cases.models import Case, WorkOrder
from central.cases.states import WorkKind
from central.dispatch.models import Assignment, AssignmentState, Offer, OfferState, Push
from central.live import beats
from central.live.services import TASKS, announce, officer_topic
from central.people import access_log
from central.people.models import User
from central.project.clock import now_ms
from central.project.unit import current, insert, save
from protocol.messages import OfficerTask, Position
from protocol.topics import OfficerTopics, officer_name

SYSTEM = "system"
KEPT_MS = 10 * 60_000
"""How long a message that names no deadline waits for the broker."""

OPEN = (OfferState.OFFERED, OfferState.ACCEPTED)


def make(
    order: WorkOrder,
    officer: User,
    *,
    state: OfferState,
    at_ms: int,
    expires_at_ms: int | None = None,
    round: int = 1,
    rank: int = 0,
    why: Mapping[str, Any] | None = None,
    reason: str = "",
    tell: bool = True,
) -> Offer:
    """Write an offer, offered or accepted at once; the case is locked."""
    offer = Offer(
        order=order,
        officer=officer,
        state=state,
        offered_at_ms=at_ms,
        expires_at_ms=expires_at_ms,
        round=round,
        rank=rank,
        why=dict(why or {}),
        reason=reason[:500],
    )
    insert(offer)
    counted(state)
    if tell:
        push(offer, "offered" if state == OfferState.OFFERED else "assigned")
    announce(officer_topic(officer.pk))
    return offer


def end(offer: Offer, state: OfferState, reason: str = "", *, tell: bool = True) -> None:
    """End an offer that was open; its case is locked."""
    offer.state = state
    offer.ended_at_ms = now_ms()
    offer.reason = reason[:500]
    counted(state)
    offer.save(update_fields=["state", "ended_at_ms", "reason"])  # at once: the next offer needs its place
    if tell:
        push(offer, "withdrawn")
    announce(officer_topic(offer.officer_id))


def counted(state: OfferState) -> None:
    """Count what becomes of offers for metrics, once the transaction has held."""
    transaction.on_commit(lambda: beats.count("dispatch_offers", str(state)))


def open_offer(order: WorkOrder) -> Offer | None:
    """The one offer of an order that is open or accepted."""
    return Offer.rows.filter(order=order, state__in=OPEN).select_related("officer").first()


def open_to(user: User) -> QuerySet[Offer]:
    """What this officer may answer now: offers within their lease, in the person's scope. Pages and programs ask here.

    Their numbers first, by the index of open offers: joined at once, a database that has not counted its rows yet begins at
    the wrong end.
    """
    running = Offer.rows.filter(officer=user, state=OfferState.OFFERED, expires_at_ms__gt=now_ms())
    seen: QuerySet[Offer] = Offer.objects.visible_to(user)
    return seen.filter(pk__in=list(running.values_list("pk", flat=True)))


def settle(assignment: Assignment, state: AssignmentState, due_at_ms: int | None, reason: str = "") -> None:
    """How the search stands from now on."""
    if assignment.state != state:
        assignment.since_ms = now_ms()
    assignment.state = state
    assignment.due_at_ms = due_at_ms
    assignment.reason = reason
    save(assignment, "state", "due_at_ms", "reason", "since_ms")


def assignment_of(order: WorkOrder) -> Assignment:
    """The search for an order, locked with its case; made where the order is older than dispatch."""
    assignment, _ = Assignment.rows.get_or_create(
        order=order,
        defaults={"jurisdiction_id": order.case.jurisdiction_id, "since_ms": now_ms()},
    )
    return assignment


def note(case: Case, kind: str, actor: str, **facts: Any) -> None:
    """A line in the case's history, and a sign for open lists."""
    history.append(case, kind, now_ms(), actor, **facts)
    announce(TASKS)


def push(offer: Offer, state: str) -> None:
    """Keep a message for the officer's device, in the caller's transaction, until the broker has it."""
    unit = current()
    if unit is not None and offer.pk is None:
        unit.at_end(("push", id(offer)), lambda: push(offer, state))  # once the offer has its number
        return
    order, at = offer.order, now_ms()
    case = order.case
    stay = getattr(case, "stay", None)
    lost_at = offer.expires_at_ms if state == "offered" and offer.expires_at_ms else at + KEPT_MS
    place = None
    if case.longitude is not None and case.latitude is not None:
        place = Position(longitude=case.longitude, latitude=case.latitude)
    facts: dict[str, Any] = {}
    if state != "withdrawn":
        facts = {
            "due_at_ms": order.due_at_ms,
            "manual_check": order.kind == WorkKind.MANUAL_CHECK,
            "place": case.place,
            "position": place,
            "zone_name": stay.zone_name if stay else "",
            "vehicle_class": stay.vehicle_class if stay else "",
            "plate": _plate(offer, case, stay.plate, state) if stay and stay.plate else None,
            "distance_m": offer.why.get("metres"),
            "travel_s": offer.why.get("seconds"),
        }
    message = OfficerTask(
        offer_id=str(offer.pk),
        task_id=str(order.pk),
        state=state,  # type: ignore[arg-type]
        at_ms=at,
        expires_at_ms=offer.expires_at_ms if state == "offered" else None,
        reason=offer.reason if state != "offered" else "",
        **facts,
    )
    row = Push(
        topic=OfficerTopics(case.jurisdiction_id, officer_name(offer.officer_id)).tasks,
        payload=message.model_dump_json(exclude_none=True),
        created_at_ms=at,
        next_at_ms=at,
        expires_at_ms=lost_at,
    )
    insert(row)


def _plate(offer: Offer, case: Case, plate: str, state: str) -> str:
    """Masked while it is only offered; in full, and written down, once the task is the officer's own."""
    if state != "assigned":
        return access_log.mask_plate(plate)
    access_log.note(offer.officer, case, access_log.PLATE, access_log.OWN_TASK)
    return plate
