"""What a driver can do behind his link. Each step runs in one transaction, on the locked case, once."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from central.cases import history
from central.cases.models import Case, WorkOrder
from central.cases.services import Finding, untouched
from central.cases.states import OPEN_STATES, ObjectedError, Result, WorkKind, WorkState
from central.driver.links import keys
from central.driver.models import CaseLink, Objection, ObjectionState, Recheck
from central.driver.reading import Told, case_of_mark
from central.fleet.models import Agent
from central.fleet.services import confirm_letter, write_letter
from central.live.services import TASKS, announce, case_topic
from central.parking.models import Stay
from central.parking.services import ENDED
from central.people.models import User
from central.project.clock import now_ms
from central.project.unit import current, insert
from notifier.links import Link, case_mark, read_token
from protocol.errors import PatrolError
from protocol.messages import RecheckAnswer, RecheckRequest

DRIVER = "driver"
"""The actor in the history. Who it was is not known: whoever holds the link."""

RECHECK_GAP_MS = 30_000
RECHECKS = 8
"""How often a driver may ask the camera to look: not again within the gap, and so often for one case."""

CONSEQUENCES = frozenset({Result.TICKETED, Result.TOWED})


class NotYetKnownError(PatrolError):
    """The link is ours, but nothing has been heard of its case here: a box that warns by itself was faster."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What a link opens."""

    link: Link
    case: Told


def open_link(token: str) -> Opened:
    """The case of a link.

    Raises:
        BadLinkError: expired, or not one of ours.
        NotYetKnownError: ours, but its case has not been heard of.
    """
    link = read_token(token, keys(), now_ms())
    case = case_of_mark(link.mark)
    if case is None:
        raise NotYetKnownError("nothing is known of this case yet")
    return Opened(link, case)


def remember_link(instance: Stay, created: bool, **_: Any) -> None:
    """A case was opened: the mark by which its link names it."""
    if created:
        agent = instance.agent
        mark = case_mark(agent.jurisdiction_id, agent.agent_id, instance.agent_case_id)
        if current() is not None:
            insert(CaseLink(case_id=instance.case_id, mark=mark.hex()))
            return
        CaseLink.objects.get_or_create(case_id=instance.case_id, defaults={"mark": mark.hex()})


def say_left(case_id: int) -> Recheck | None:
    """The driver says that he has left: the camera is asked to look at once.

    While it looks, and for a moment after its answer, a repetition asks nothing new. None where it is over already, or
    was asked too often.
    """
    with transaction.atomic():
        case = Case.objects.select_for_update().get(pk=case_id)
        stay = Stay.objects.select_related("agent").get(case=case)
        now = now_ms()
        last = case.rechecks.order_by("-asked_at_ms", "-pk").first()
        if last is not None and (last.answered_at_ms is None or now - last.answered_at_ms < RECHECK_GAP_MS):
            return last
        if stay.agent_state in ENDED or case.rechecks.count() >= RECHECKS:
            return last
        request = RecheckRequest(
            request_id=f"r-{uuid.uuid4().hex}",
            camera_id=stay.camera_id,
            case_id=stay.agent_case_id,
            at_ms=now,
        )
        made = Recheck.objects.create(case=case, request_id=request.request_id, asked_at_ms=now)
        write_letter(stay.agent, request.request_id, request.model_dump_json())
        history.append(case, "driver_left", now, DRIVER, request_id=request.request_id)
        return made


def apply_answer(agent: Agent, answer: RecheckAnswer) -> None:
    """What the camera saw. What follows from it comes with the case's own records."""
    confirm_letter(agent, answer.request_id)
    mine = Recheck.objects.filter(request_id=answer.request_id, case__stay__agent=agent)
    case_id = mine.values_list("case_id", flat=True).first()
    if case_id is None:
        return
    case = Case.objects.select_for_update().get(pk=case_id)
    if mine.filter(answered_at_ms__isnull=True).update(answered_at_ms=now_ms(), result=answer.result):
        history.append(case, "recheck_answered", answer.at_ms, f"agent:{agent}", result=answer.result)


def object_to(case_id: int) -> Objection:
    """The driver says that this is not his vehicle. Once a case; open work becomes a manual check."""
    with transaction.atomic():
        case = Case.objects.select_for_update().get(pk=case_id)
        objection, new = Objection.objects.get_or_create(case=case, defaults={"made_at_ms": now_ms()})
        if new:
            history.append(case, "objection", objection.made_at_ms, DRIVER)
            for order in case.work_orders.filter(state__in=OPEN_STATES):
                _by_hand(order)
            announce(TASKS)
        return objection


def review(case_id: int, user: User, *, upheld: bool, note: str) -> Objection:
    """A person has compared plate and pictures.

    Raises:
        Objection.DoesNotExist: none in this person's scope.
    """
    with transaction.atomic():
        seen = Objection.objects.visible_to(user).filter(case_id=case_id)
        case = Case.objects.select_for_update().get(pk=seen.values_list("case_id", flat=True).get())
        objection = Objection.objects.select_for_update().get(case=case)
        if objection.state != ObjectionState.OPEN:
            return objection
        objection.state = ObjectionState.UPHELD if upheld else ObjectionState.REJECTED
        objection.reviewer, objection.reviewed_at_ms = user, now_ms()
        objection.note = note.strip()[:2000]
        objection.save()
        history.append(
            case,
            "objection_reviewed",
            objection.reviewed_at_ms,
            f"user:{user.get_username()}",
            state=str(objection.state),
            note=objection.note,
            officer=user.shown_name,
        )
        announce(TASKS, case_topic(case.pk))
        return objection


def on_work_order_issued(order: WorkOrder, **_: Any) -> None:
    """A task for a case that a driver objected to: a person has to look first."""
    if untouched(order.case, "objections"):
        return
    if Objection.objects.filter(case=order.case).exclude(state=ObjectionState.REJECTED).exists():
        _by_hand(order)


def on_work_order_closing(order: WorkOrder, finding: Finding, **_: Any) -> None:
    """Nobody is fined or towed on an objection that nobody has looked at, or that was right.

    Raises:
        ObjectedError: so it is here.
    """
    if finding.result not in CONSEQUENCES:
        return
    against = Objection.objects.filter(case=order.case).exclude(state=ObjectionState.REJECTED).first()
    if against is not None:
        raise ObjectedError(
            "a driver objected and nobody has reviewed it"
            if against.state == ObjectionState.OPEN
            else "a review found that it is another vehicle",
            WorkState(order.state),
            reviewed=against.state != ObjectionState.OPEN,
        )


def _by_hand(order: WorkOrder) -> None:
    if order.kind != WorkKind.MANUAL_CHECK:
        order.kind = WorkKind.MANUAL_CHECK
        if not order._state.adding:  # one that is still to be inserted is inserted so
            order.save(update_fields=["kind"])
