"""Work orders of the city: each number has one row and one case, in whatever order and however often its messages come."""

from __future__ import annotations

import json
from typing import Any

from django.db import transaction

from central.cases import actions
from central.cases.engine import record
from central.cases.models import Case
from central.cases.process import WITHDRAWN
from central.cases.reporters import Contact, find_or_make
from central.cases.reports import NewCase, open_case
from central.cases.rules import definition_of, service
from central.cases.states import CaseState
from central.clocks.models import Kind
from central.clocks.outside import end, set_deadline
from central.hotline.calls import CITY_BOUND, HOTLINE
from central.hotline.city.messages import Order, millis
from central.hotline.config import City, HotlineFile
from central.hotline.models import CityOrder, OrderState
from central.live.services import announce
from central.owners.keys import the_key
from central.project.clock import now_ms
from protocol.errors import PatrolError
from protocol.messages import Position

ACTOR = "city"
TRIES = 5


class _OtherwiseError(Exception):
    """Somebody else gave the order its case meanwhile: begin again, and lock the case first."""


def take(order: Order, conf: HotlineFile, city: City) -> CityOrder:
    """Take a message of the city. What is known already, or older than what is known, changes nothing.

    Raises:
        PatrolError: the service of its subject does not take it.
    """
    for _ in range(TRIES):
        try:
            with transaction.atomic():
                return _take(order, conf, city)
        except _OtherwiseError:
            continue
    raise PatrolError("others work on this order all the time", field="number", value=order.number)


def release(conf: HotlineFile, city: City, most: int = 100) -> int:
    """Make cases of held orders whose category is mapped by now; how many."""
    held = CityOrder.objects.filter(jurisdiction_id=city.jurisdiction, state=OrderState.HELD)
    wanted = sorted(city.categories)
    if "*" not in wanted:
        held = held.filter(category__in=wanted)
    done = 0
    for number in list(held.order_by("pk").values_list("pk", flat=True)[:most]):
        with transaction.atomic():
            row = CityOrder.objects.select_for_update(of=("self",)).get(pk=number)
            if row.state != OrderState.HELD:
                continue
            _open(row, content(row), conf, city)
            done += row.state != OrderState.HELD
    return done


def content(row: CityOrder) -> Order:
    """The newest message of an order, unsealed.

    Raises:
        PatrolError: it was sealed with another key.
    """
    try:
        return Order.model_validate(json.loads(the_key().unseal(bytes(row.content), CITY_BOUND)))
    except ValueError as error:
        raise PatrolError("this order cannot be unsealed", value=f"city order {row.number}") from error


def _take(order: Order, conf: HotlineFile, city: City) -> CityOrder:
    where = {"jurisdiction_id": city.jurisdiction, "number": order.number}
    now = now_ms()
    fresh = CityOrder(
        **where, version=0, category=order.category, content=b"", state=OrderState.HELD,
        received_at_ms=now, changed_at_ms=now,
    )  # fmt: skip
    known = CityOrder.objects.filter(**where).values_list("case_id", "version").first()
    if known is not None and known[1] >= order.version:
        return CityOrder.objects.get(**where)
    case = None
    if known is None:
        CityOrder.objects.bulk_create([fresh], ignore_conflicts=True)
    elif known[0] is not None:
        case = Case.objects.select_for_update().get(pk=known[0])  # every writer locks the case first
    row = CityOrder.objects.select_for_update(of=("self",)).get(**where)
    if row.version >= order.version:
        return row
    if row.case_id != (None if case is None else case.pk):
        raise _OtherwiseError
    before = None if row.version == 0 else content(row)
    row.version, row.category, row.changed_at_ms = order.version, order.category, now
    row.confidential = order.caller.confidential
    row.content = the_key().seal(order.model_dump_json().encode(), CITY_BOUND)
    row.accept_by_ms = millis(order.accept_by) or row.received_at_ms + city.accept_minutes * 60_000
    row.due_by_ms = millis(order.due_by)
    row.save()
    if case is None:
        _open(row, order, conf, city)
    else:
        row.case = case
        _change(row, case, order, before)
    announce(HOTLINE)
    return row


def _open(row: CityOrder, order: Order, conf: HotlineFile, city: City) -> None:
    """Make the case, if the category is mapped; else the order is held until it is."""
    code = city.categories.get(order.category) or city.categories.get("*")
    subject = None if code is None else conf.subject(code)
    if subject is None:
        return
    caller = order.caller
    reporter = None
    if caller.phone.strip() or caller.name.strip():
        try:
            reporter = find_or_make(city.jurisdiction, Contact(caller.name, caller.phone))
        except PatrolError:  # a number that is none keeps nobody from being helped
            reporter = find_or_make(city.jurisdiction, Contact(caller.name or "?"))
    at = None
    if order.longitude is not None and order.latitude is not None:
        at = Position(longitude=order.longitude, latitude=order.latitude)
    case, _ = open_case(
        NewCase(
            source="hotline",
            source_key=f"city/{city.jurisdiction}/{order.number}",
            service_code=subject.service,
            jurisdiction_id=city.jurisdiction,
            at_ms=min(millis(order.received_at) or 0, now_ms()),
            actor=ACTOR,
            text=order.text,
            place=order.place,
            position=at,
            reporter=reporter,
        )
    )
    # `cluster` may have put it into another one: what is locked here is the row as it stands now.
    case = Case.objects.select_for_update().get(pk=case.pk)
    row.case, row.state = case, OrderState.WAITING
    row.save(update_fields=["case", "state"])
    _change(row, case, order, None)


def _change(row: CityOrder, case: Case, order: Order, before: Order | None) -> None:
    """What a new message means for the case: deadlines, further words, or that the city takes the order back."""
    if order.state == "withdrawn":
        if row.state != OrderState.WITHDRAWN:
            row.state = OrderState.WITHDRAWN
            row.save(update_fields=["state"])
            for kind in (Kind.OUTER_RESPONSE, Kind.OUTER_RESOLUTION):
                end(case, kind, ACTOR)
            record(case, "city_withdrawn", now_ms(), ACTOR, event=WITHDRAWN, number=row.number)
        return
    if before is not None and (before.text, before.place) != (order.text, order.place):
        words = "\n".join(part for part in (order.place, order.text) if part)
        actions.write_note(case.pk, ACTOR, words[: actions.NOTE_LENGTH], f"city-{order.version}")
        # The note is written on the locked row of the same transaction: its history has grown.
        case.refresh_from_db()
    set_deadlines(row, case)


def set_deadlines(row: CityOrder, case: Case) -> None:
    """The city's two times as clocks of the locked case, beside those that we promise."""
    definition = definition_of(case)
    first = definition.initial.name
    closed = tuple(state.name for state in definition.states if state.coarse == CaseState.CLOSED)
    if row.accept_by_ms is not None and case.process_state == first:
        away = tuple(state.name for state in definition.states if state.name != first)
        set_deadline(case, Kind.OUTER_RESPONSE, row.accept_by_ms, away, ACTOR)
    if row.due_by_ms is not None and case.state != CaseState.CLOSED:
        set_deadline(case, Kind.OUTER_RESOLUTION, row.due_by_ms, closed, ACTOR)


def mapped(conf: HotlineFile, city: City) -> dict[str, Any]:
    """Category -> what a case of it is, for `patrol central hotline check`."""
    found = {}
    for category, code in city.categories.items():
        subject = conf.subject(code)
        assert subject is not None  # checked when the file was read
        found[category] = {
            "subject": code,
            "service": service(subject.service, city.jurisdiction).service_code,
        }
    return found
