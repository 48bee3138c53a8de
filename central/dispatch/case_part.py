"""Who was asked to go to a case, as a part of the case page; and a dispatcher's form that gives the task to somebody."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from central.cases import parts
from central.cases.models import Case, WorkOrder
from central.cases.parts import ELSEWHERE, Wrong
from central.cases.states import OPEN_STATES, NotPossibleError
from central.dispatch import desk, services
from central.dispatch.choose import rank
from central.dispatch.models import Assignment, Offer, OfferState
from central.dispatch.words import ENDED, REASONS, why_words
from central.people.access import EVERYONE, roles
from central.people.models import User
from central.people.policy import writers
from protocol.errors import PatrolError
from protocol.messages import Position

PART = "dispatch/_case.html"
MAY_GIVE = writers("reassigning")
ORDERS = 5
"""So many work orders are shown with their offers, the newest first."""

TONES = {OfferState.OFFERED: "new", OfferState.ACCEPTED: "accepted"}


@require_safe
@roles(*EVERYONE)
def offers(request: HttpRequest, case_id: int) -> HttpResponse:
    """Each task of the case with everybody who was asked, why, and what became of it."""
    return _show(request, parts.find(request, case_id))


@require_POST
@roles(*MAY_GIVE)
def give(request: HttpRequest, order_id: int) -> HttpResponse:
    """Give a task to somebody with a reason, whoever has it now. Sent again it changes nothing."""
    order = get_object_or_404(WorkOrder.objects.visible_to(request.user), pk=order_id)
    case = parts.find(request, order.case_id)
    name = request.POST.get("officer", "")
    to = User.objects.filter(username=name, is_active=True).first()
    try:
        if to is None:
            raise PatrolError("this person cannot be sent there", field="officer", value=name[:80])
        services.reassign(order_id, request.user, to, request.POST.get("reason", ""))
    except NotPossibleError:
        return _refuse(request, case, order, _("The task is over: nobody has to go any more."))
    except PatrolError as error:
        known = {
            "officer": _("Choose somebody who can be sent to this place."),
            "reason": _("Say why, so that both officers know."),
        }
        return _refuse(request, case, order, known.get(error.field or "", error.problem), error.field or "")
    said = _("The task was given to %(officer)s.") % {"officer": to.shown_name}
    if not request.htmx:
        return parts.sent_on(request, "dispatch:case", case, said)
    return _show(request, case, said=said)


def _refuse(request: HttpRequest, case: Case, order: WorkOrder, text: str, field: str = "") -> HttpResponse:
    status = parts.MISSING if field else ELSEWHERE
    wrong = Wrong(f"give-{order.pk}", text, field, status, request.POST)
    return _show(request, case, wrong=wrong)


def _show(request: HttpRequest, case: Case, *, wrong: Wrong | None = None, said: str = "") -> HttpResponse:
    found = WorkOrder.objects.visible_to(request.user).filter(case=case).select_related("assignee")
    orders = list(found.order_by("-issued_at_ms", "-pk")[:ORDERS])
    asked: dict[int, list[Offer]] = {order.pk: [] for order in orders}
    made = Offer.objects.visible_to(request.user).filter(order__in=orders).select_related("officer")
    for offer in made.order_by("-pk"):
        asked[offer.order_id].append(offer)
    searches = {
        search.order_id: search
        for search in Assignment.objects.visible_to(request.user).filter(order__in=orders)
    }
    may_give = request.user.role in MAY_GIVE
    context = {
        "orders": [
            {
                "order": order,
                "form": f"give-{order.pk}",
                "offers": [_offer(offer) for offer in asked[order.pk]],
                "search": _search(order, searches.get(order.pk)),
                "people": _people(request, case, order) if may_give and order.state in OPEN_STATES else None,
            }
            for order in orders
        ]
    }
    return parts.show(request, case, PART, context, wrong=wrong, said=said)


def _offer(offer: Offer) -> dict[str, Any]:
    given = offer.expires_at_ms is None and offer.rank == 0
    why = why_words(offer.why) if offer.why else _("given or taken, without being asked") if given else ""
    reason = str(ENDED.get(offer.reason, offer.reason))
    return {
        "offer": offer,
        "tone": TONES.get(OfferState(offer.state), ""),
        "why": why,
        "reason": reason,
        "waits": offer.state == OfferState.OFFERED and offer.expires_at_ms is not None,
    }


def _search(order: WorkOrder, search: Assignment | None) -> str:
    """How the search stands, while somebody is still looked for."""
    if search is None or order.state not in OPEN_STATES or order.assignee_id is not None:
        return ""
    return str(REASONS.get(search.reason, search.get_state_display()))


def _people(request: HttpRequest, case: Case, order: WorkOrder) -> dict[str, list[dict[str, Any]]]:
    """Whom the dispatcher may choose: those on duty in the order in which they would be asked, then everybody else."""
    here = desk.open_desk(case.jurisdiction_id)
    place = None
    if case.longitude is not None and case.latitude is not None:
        place = Position(longitude=case.longitude, latitude=case.latitude)
    ranked = rank(place, here.candidates(case, Counter()))
    near = [(here.people[choice.officer], why_words(choice.why)) for choice in ranked]
    listed = {person.pk for person, _why in near}
    others = [
        person
        for person in parts.colleagues(request.user, desk.HANDLERS)
        if person.pk not in listed and _sees(person, case)
    ]
    return {
        "near": [_choice(person, why, order) for person, why in near],
        "others": [_choice(person, "", order) for person in others],
    }


def _sees(person: User, case: Case) -> bool:
    """Nobody is offered who may not look at the case."""
    wanted = person.jurisdictions
    if wanted is not None and case.jurisdiction_id not in wanted:
        return False
    return not person.by_grid or Case.objects.visible_to(person).filter(pk=case.pk).exists()


def _choice(person: User, why: str, order: WorkOrder) -> dict[str, Any]:
    return {"person": person, "why": why, "has_it": person.pk == order.assignee_id}
