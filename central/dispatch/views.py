"""What an officer's page and a dispatcher's page ask of dispatch, as JSON; a form of htmx is understood as well.

Every call that changes something may be repeated: the second time it changes nothing and answers as the first time.
"""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_POST, require_safe
from pydantic import ValidationError

from central.cases.models import WorkOrder
from central.cases.states import NotPossibleError, WorkState
from central.dispatch import desk, offers, positions, services
from central.dispatch.models import Assignment, AssignmentState, Offer, Shift
from central.dispatch.words import REASONS, why_words
from central.people import access_log
from central.people.access import roles
from central.people.models import Role, User
from central.people.policy import writers
from central.project.asked import whole
from central.project.clock import now_ms
from protocol.errors import PatrolError

SHOWN = 100
SHOWN_OF_OFFER = (
    "offered_at_ms",
    "expires_at_ms",
    "why",
    "order__kind",
    "order__state",
    "order__due_at_ms",
    "order__case__place",
    "order__case__longitude",
    "order__case__latitude",
    "order__case__stay__plate",
    "order__case__stay__vehicle_class",
    "order__case__stay__zone_name",
)
"""What `_offer` shows; a flood of offers is asked for a hundred times a second."""
BODY = 16 * 1024


@require_safe
@roles(Role.OFFICER, Role.GRID_WORKER)
def mine(request: HttpRequest) -> JsonResponse:
    """What is offered to me and what I have accepted, by deadline; and whether I am on duty.

    `?after=N` gives offers above that number alone: a page that knows the rest asks for news.
    """
    offered = offers.open_to(request.user)
    after = whole(request.GET.get("after", ""))
    news = after is not None
    if news:
        offered = offered.filter(pk__gt=after)
    offered = offered.select_related("order__case__stay").only(*SHOWN_OF_OFFER)
    offered = offered.order_by("expires_at_ms", "pk")
    mine = (
        WorkOrder.objects.visible_to(request.user)
        .filter(assignee=request.user, state="accepted")
        .select_related("case__stay")
        .order_by("due_at_ms", "pk")
    )
    shown = [_offer(request, offer) for offer in offered[:SHOWN]]
    if news:
        return _answer({"offers": shown})
    shift = desk.on_duty(request.user)
    return _answer(
        {
            "on_duty_until_ms": None if shift is None else shift.to_ms,
            "offers": shown,
            "tasks": [_order(request, order) for order in mine[:SHOWN]],
        }
    )


@require_POST
@roles(Role.OFFICER, Role.GRID_WORKER)
def position(request: HttpRequest) -> JsonResponse:
    """My place: longitude, latitude, accuracy_m, at_ms. 409 where I am not on duty: then nothing is kept."""
    try:
        newest = positions.take(request.user, positions.Fix.model_validate(_facts(request)))
    except ValidationError as error:
        return _wrong("; ".join(f"{'.'.join(map(str, f['loc']))}: {f['msg']}" for f in error.errors()))
    except positions.NotOnDutyError as error:
        return _refused(str(error), "off_duty")
    return _answer({"newest": newest})


@require_POST
@roles(Role.OFFICER, Role.GRID_WORKER)
def accept(request: HttpRequest, order_id: int) -> JsonResponse:
    """Take a task, offered to me or not. 409 with its state where somebody else was faster or it is over."""
    try:
        return _answer({"task": _order(request, services.accept(order_id, request.user))})
    except WorkOrder.DoesNotExist:
        return _missing()
    except NotPossibleError as error:
        return _refused(str(error), error.state)


@require_POST
@roles(Role.OFFICER, Role.GRID_WORKER)
def decline(request: HttpRequest, order_id: int) -> JsonResponse:
    """Say no to what was offered to me, with a `reason`."""
    try:
        offer = services.decline(order_id, request.user, str(_facts(request).get("reason", "")))
    except WorkOrder.DoesNotExist:
        return _missing()
    except NotPossibleError as error:
        return _refused(str(error), error.state)
    except PatrolError as error:
        return _wrong(str(error))
    return _answer({"state": offer.state})


@require_POST
@roles(*writers("reassigning"))
def reassign(request: HttpRequest, order_id: int) -> JsonResponse:
    """Give a task to `officer` (log-in name), with a `reason`, whoever has it now."""
    facts = _facts(request)
    name = str(facts.get("officer", ""))
    try:
        to = User.objects.filter(username=name, is_active=True).first()
        if to is None:
            if not WorkOrder.objects.visible_to(request.user).filter(pk=order_id).exists():
                return _missing()
            return _wrong(f"officer: there is no such person: {name[:80]}")
        order = services.reassign(order_id, request.user, to, str(facts.get("reason", "")))
    except WorkOrder.DoesNotExist:
        return _missing()
    except NotPossibleError as error:
        return _refused(str(error), error.state)
    except PatrolError as error:
        return _wrong(str(error))
    return _answer({"task": _order(request, order)})


@require_safe
@roles(Role.DISPATCHER, Role.ADMINISTRATOR)
def duty(request: HttpRequest) -> JsonResponse:
    """Who is on duty now and how much they have to do; when and how well they were last placed."""
    now = now_ms()
    shifts = list(
        Shift.objects.visible_to(request.user)
        .filter(from_ms__lte=now, to_ms__gt=now)
        .select_related("officer__last_position")
    )
    loads = desk.loads(shift.officer_id for shift in shifts)
    return _answer({"officers": [_on_duty(shift, loads[shift.officer_id]) for shift in shifts]})


@require_safe
@roles(Role.DISPATCHER, Role.ADMINISTRATOR)
def unassigned(request: HttpRequest) -> JsonResponse:
    """Tasks that nobody was found for, the longest first, with the reason."""
    found = (
        Assignment.objects.visible_to(request.user)
        .filter(state=AssignmentState.UNASSIGNED)
        .select_related("order__case__stay")
        .order_by("since_ms", "order_id")
    )
    rows = [
        {
            "since_ms": search.since_ms,
            "reason": search.reason,
            "words": str(REASONS.get(search.reason, search.reason)),
            "task": _order(request, search.order),
        }
        for search in found[:SHOWN]
    ]
    return _answer({"count": found.count(), "tasks": rows})


def _on_duty(shift: Shift, load: int) -> dict[str, Any]:
    last = getattr(shift.officer, "last_position", None)
    return {
        "officer": shift.officer.get_username(),
        "name": shift.officer.shown_name,
        "jurisdiction": shift.jurisdiction_id,
        "grids": shift.grids,
        "mode": shift.mode,
        "until_ms": shift.to_ms,
        "open_tasks": load,
        "position": None
        if last is None
        else {
            "longitude": last.longitude,
            "latitude": last.latitude,
            "accuracy_m": last.accuracy_m,
            "at_ms": last.at_ms,
        },
    }


def _offer(request: HttpRequest, offer: Offer) -> dict[str, Any]:
    return {
        "offer": offer.pk,
        "offered_at_ms": offer.offered_at_ms,
        "expires_at_ms": offer.expires_at_ms,
        "why": why_words(offer.why) if offer.why else "",
        "metres": offer.why.get("metres"),
        "seconds": offer.why.get("seconds"),
        "task": _order(request, offer.order),
    }


def _order(request: HttpRequest, order: WorkOrder) -> dict[str, Any]:
    """A task as JSON; the plate in full where the caller has accepted it, and that look is written down."""
    case = order.case
    stay = getattr(case, "stay", None)
    plate = stay.plate if stay else ""
    own = order.state == WorkState.ACCEPTED and order.assignee_id == request.user.pk
    if plate and own:
        access_log.note_read(request, case, access_log.PLATE, access_log.OWN_TASK)
    return {
        "task": order.pk,
        "case": case.pk,
        "kind": order.kind,
        "state": order.state,
        "due_at_ms": order.due_at_ms,
        "place": case.place,
        "longitude": case.longitude,
        "latitude": case.latitude,
        "plate": plate if own else access_log.mask_plate(plate),
        "vehicle_class": stay.vehicle_class if stay else "",
        "zone_name": stay.zone_name if stay else "",
    }


def _facts(request: HttpRequest) -> dict[str, Any]:
    """The fields of a form or of a JSON object; of anything else, none."""
    if request.content_type != "application/json":
        return {name: value for name, value in request.POST.items() if name != "csrfmiddlewaretoken"}
    try:
        facts = json.loads(request.body) if len(request.body) <= BODY else {}
    except (ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _answer(facts: dict[str, Any], status: int = 200) -> JsonResponse:
    answer = JsonResponse(facts, status=status, json_dumps_params={"ensure_ascii": False})
    answer["Cache-Control"] = "no-store"
    return answer


def _missing() -> JsonResponse:
    return _answer({"error": "not found"}, 404)


def _wrong(problem: str) -> JsonResponse:
    return _answer({"error": problem}, 422)


def _refused(problem: str, state: str) -> JsonResponse:
    return _answer({"error": problem, "state": state}, 409)
