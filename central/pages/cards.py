"""The cards of an officer's list as HTML: 120 of them, each with the addresses of what a phone keeps for a tunnel."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString

from central.cases.models import WorkOrder
from central.cases.states import WorkKind
from central.field.templatetags import field as phone
from central.pages import words
from central.pages.rows import Addresses
from central.pages.templatetags import patrol as filters
from central.people import access_log


def render(orders: Iterable[WorkOrder], *, large: bool) -> SafeString:
    """The cards, in the language that is active.

    Args:
        orders: from `queries.cards`; an order that is offered has `lease_ends_at_ms`, UTC milliseconds.
        large: whether a phone keeps the whole pictures, not only the small ones.
    """
    addresses = Addresses()
    cards = [_card(order, addresses, large=large) for order in orders]
    return SafeString(render_to_string("pages/cards.html", {"cards": cards}, using="jinja2"))


def _card(order: WorkOrder, addresses: Addresses, *, large: bool) -> dict[str, Any]:
    case = order.case
    stay = getattr(case, "stay", None)
    evidence = list(case.evidence.all())
    kept = []
    for item in phone.kept_pictures(evidence):
        kept.append(addresses.thumbnail(case.pk, item.sha256))
        if large:
            kept.append(addresses.picture(case.pk, item.sha256))
    shown = filters.last_picture(evidence)
    picture = None
    if shown is not None and shown.picture_id:
        picture = {
            "address": addresses.thumbnail(case.pk, shown.sha256),
            "width": shown.width,
            "height": shown.height,
            "role": words.EVIDENCE_ROLES.get(shown.role, shown.role),
        }
    lease = getattr(order, "lease_ends_at_ms", None)
    vehicle = stay.vehicle_class if stay is not None else ""
    return {
        "pk": order.pk,
        "address": reverse("pages:task", args=(order.pk,)),
        "due_at_ms": order.due_at_ms,
        "latitude": phone.coordinate(case.latitude),
        "longitude": phone.coordinate(case.longitude),
        "stamp": phone.stamp(order),
        "kept": kept,
        "picture": picture,
        "coming": shown is not None,
        "late": filters.past(order.due_at_ms),
        "age": filters.age(order.due_at_ms),
        "plate": access_log.mask_plate(stay.plate) if stay is not None and stay.plate else "",
        "vehicle": words.VEHICLES.get(vehicle, vehicle),
        "manual": order.get_kind_display() if order.kind == WorkKind.MANUAL_CHECK else "",
        "place": case.place,
        "lease": lease,
        "lease_clock": filters.clock(lease) if lease else "",
    }
