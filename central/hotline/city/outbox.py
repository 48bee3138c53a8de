"""What the city is told: written in the transaction of the move that it tells of, sent until the city has it, in order."""

from __future__ import annotations

import json
import logging
import random
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from central.cases.models import Case
from central.cases.process import Decision
from central.cases.rules import definition_of
from central.cases.states import CaseState, Relation
from central.clocks.models import ClockState, Kind
from central.hotline.calls import HOTLINE
from central.hotline.city.link import CityLink, CityRefusedError, CityTroubleError
from central.hotline.city.orders import set_deadlines
from central.hotline.models import CityOrder, CityReport, OrderState, ReportKind
from central.live.services import announce
from central.project.clock import now_ms
from central.project.leases import take_due
from protocol.clock import iso

log = logging.getLogger(__name__)

LEASE_MS = 90_000
"""Longer than a call may last: meanwhile no other worker sends the same."""

RETRY_MS = (2_000, 15 * 60_000)
_dice = random.Random()  # noqa: S311  # only spreads attempts


def after_moves(case: Case, before: str, move: Decision | None, at_ms: int, **_: Any) -> None:
    """The case of an order has moved: the city hears of it. Cases that were put together with it tell the same."""
    if case.source != "hotline" or move is None:
        return
    mine = Q(case=case) | Q(case__parent=case, case__relation=Relation.DUPLICATE)
    orders = (
        CityOrder.objects.select_for_update(of=("self",))
        .filter(mine)
        .exclude(state__in=[OrderState.WITHDRAWN, OrderState.HELD])
        .order_by("pk")
    )
    for order in orders:
        ending = definition_of(case).by_name[move.after].ending
        kinds = what_to_tell(order.state, before, move, ending)
        for kind in kinds:
            _write(order, kind, case, move, ending, at_ms)
        if ending == "merged" and case.parent is not None and order.due_by_ms is not None:
            # The case that goes on carries the stricter of the city's times.
            running = case.parent.clocks.filter(kind=Kind.OUTER_RESOLUTION).exclude(state=ClockState.STOPPED)
            if not running.filter(due_at_ms__lte=order.due_by_ms).exists():
                set_deadlines(order, case.parent)


def what_to_tell(state: str, before: str, move: Decision, ending: str | None) -> tuple[str, ...]:
    """Pure: kinds of reports that a move of the case asks for.

    Args:
        state: of the order.
        before: what lists counted the case as before the move.
        move: of the case.
        ending: of the state where it led.
    """
    if ending == "withdrawn" or state == OrderState.RETURNED:
        return ()
    closes = move.coarse == CaseState.CLOSED
    if closes and before == CaseState.CLOSED:
        return ()  # rated, evaluated: the result stays
    if ending == "merged":
        return (ReportKind.ACCEPTED if state == OrderState.WAITING else ReportKind.PROGRESS,)
    if state == OrderState.WAITING:
        if closes and ending == "refused":
            return (ReportKind.RETURNED,)
        return (ReportKind.ACCEPTED, ReportKind.RESULT) if closes else (ReportKind.ACCEPTED,)
    if closes:
        return () if state == OrderState.FINISHED else (ReportKind.RESULT,)
    return (ReportKind.PROGRESS,)


def _write(order: CityOrder, kind: str, case: Case, move: Decision, ending: str | None, at_ms: int) -> None:
    number = order.reports.filter(kind=kind).count() + 1
    words = move.fields.get("reply") or move.fields.get("reason") or ""
    title = definition_of(case).by_name[move.after].titles.zh
    body = {
        "kind": kind,
        "at": iso(at_ms),
        "state": title,
        "ending": (ending or "closed") if kind == ReportKind.RESULT else None,
        "text": words,
        "case": case.pk,
        "sequence": number,
    }
    now = now_ms()
    CityReport.objects.create(
        order=order,
        key=f"{order.jurisdiction_id}/{order.number}/{kind}/{number}"[:120],
        kind=kind,
        body=json.dumps(
            {name: value for name, value in body.items() if value is not None}, ensure_ascii=False
        ),
        made_at_ms=now,
        due_at_ms=now,
    )
    after = {
        ReportKind.ACCEPTED: OrderState.ACCEPTED,
        ReportKind.RETURNED: OrderState.RETURNED,
        ReportKind.RESULT: OrderState.FINISHED,
        ReportKind.PROGRESS: OrderState.ACCEPTED if move.reopens else order.state,
    }[ReportKind(kind)]
    if order.state != after:
        order.state = after
        order.changed_at_ms = now
        order.save(update_fields=["state", "changed_at_ms"])
    announce(HOTLINE)


def send_one(link: CityLink) -> bool:
    """Send the next report that is due; False where none is. An earlier one of the same order goes first."""
    report = take_due(_unsent(link), LEASE_MS)
    if report is None:
        return False
    report.tries += 1
    report.save(update_fields=["tries"])
    try:
        link.report(report.order.number, report.key, report.body.encode())
    except CityRefusedError as error:
        # The city will not have it, and asking again will not help: people see it on the page.
        log.warning("city: report %s refused: %s", report.key, error)
        _settle(report, refused_at_ms=now_ms(), trouble=str(error)[:300])
    except CityTroubleError as error:
        wait = min(RETRY_MS[0] * 2 ** min(report.tries, 20), RETRY_MS[1])
        _settle(report, due_at_ms=now_ms() + round(wait * _dice.uniform(0.7, 1.3)), trouble=str(error)[:300])
    else:
        _settle(report, sent_at_ms=now_ms(), trouble="")
    return True


def send_again(report_id: int) -> None:
    """Somebody has seen to what the city refused, or does not want to wait: try now. The caller has checked the scope."""
    CityReport.objects.filter(pk=report_id, sent_at_ms__isnull=True).update(
        refused_at_ms=None, due_at_ms=now_ms(), trouble=""
    )
    announce(HOTLINE)


def waiting(jurisdiction_id: str) -> Any:
    """Reports of this jurisdiction that the city does not have, the oldest first."""
    return CityReport.objects.filter(
        order__jurisdiction_id=jurisdiction_id, sent_at_ms__isnull=True
    ).order_by("pk")


def _unsent(link: CityLink) -> QuerySet[CityReport]:
    earlier = CityReport.objects.filter(
        order=OuterRef("order"), pk__lt=OuterRef("pk"), sent_at_ms__isnull=True, refused_at_ms__isnull=True
    )
    return (
        CityReport.objects.filter(
            order__jurisdiction_id=link.jurisdiction_id,
            sent_at_ms__isnull=True,
            refused_at_ms__isnull=True,
        )
        .exclude(Exists(earlier))
        .order_by("due_at_ms", "pk")
        .select_related("order")
    )


def _settle(report: CityReport, **changes: Any) -> None:
    with transaction.atomic():
        CityReport.objects.filter(pk=report.pk, sent_at_ms__isnull=True).update(**changes)
        announce(HOTLINE)
