"""When a grid is handed over, or the tree gets other ground, what is open follows by rule.

The change itself writes one row that asks for it, in its own transaction. A dispatch worker then writes down the open cases
concerned, and takes each in a transaction of its own: whatever dies in between goes on with the next case, and none is taken
twice. For each case:

- its grid is looked up again where the ground has changed;
- a task that nobody has accepted stays with the officer who is being asked if that officer could be asked today; else the
  offer is withdrawn and the search begins anew;
- a task that somebody has accepted stays where it is. If that officer no longer answers for the place, a dispatcher decides,
  or it goes to the primary where whoever handed over said so.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.db.models import Exists, F, OuterRef, QuerySet

from central.cases import handing, history
from central.cases.models import Case, WorkOrder
from central.cases.services import case_placed
from central.cases.states import OPEN_STATES, CaseState, NotPossibleError, WorkState
from central.dispatch import desk as desks
from central.dispatch import offers
from central.dispatch.models import (
    AssignmentState,
    Offer,
    OfferState,
    ReroutedCase,
    RerouteState,
    Rerouting,
)
from central.grids.models import Grid
from central.grids.services import leaf_of
from central.live.services import announce
from central.people.models import User
from central.project.clock import now_ms
from protocol.errors import PatrolError

log = logging.getLogger(__name__)

BATCH = 50
PUT_OFF_MS = 60_000
HANDED_OVER = "handed_over"
"""Why an offer was withdrawn."""

TOPIC = "unassigned"
"""What a dispatcher's page follows."""

WHY = "a grid's open cases follow it, whoever looks at them"


@dataclass(frozen=True, slots=True)
class Preview:
    """What a handing-over would do now."""

    cases: int
    anew: int
    asked: int
    moved: int


def people_changed(
    grid: Grid,
    left: set[int],
    by: User | None = None,
    reason: str = "",
    move_accepted: bool = False,
    **_: Any,
) -> None:
    """A receiver: ask for it in the transaction of the change."""
    if move_accepted and by is None:
        raise PatrolError("somebody has to answer for moving accepted tasks", field="by")
    Rerouting.rows.create(
        jurisdiction_id=grid.jurisdiction_id,
        grid=grid,
        left=sorted(left),
        by=by,
        reason=reason[:500],
        move_accepted=move_accepted,
        due_at_ms=now_ms(),
    )


def ground_changed(jurisdiction_id: str, at_ms: int, **_: Any) -> None:
    """A receiver: ask for it once the new ground is in force."""
    Rerouting.rows.create(jurisdiction_id=jurisdiction_id, due_at_ms=at_ms)


def work(limit: int = BATCH) -> int:
    """Go on with one of those asked for; how many steps that were: cases taken, and its end. 0: nothing is due and free."""
    run = (
        Rerouting.rows.filter(ended_at_ms__isnull=True, due_at_ms__lte=now_ms())
        .order_by("due_at_ms", "pk")
        .first()
    )
    if run is None:
        return 0
    if run.listed_at_ms is None:
        _list(run.pk)
    # In any order, so that those which cannot be done do not stand in the way of the others.
    todo = ReroutedCase.rows.filter(rerouting=run, state=RerouteState.WAITING).order_by("?")
    done = sum(_guarded(run, number) for number in list(todo.values_list("pk", flat=True)[:limit]))
    if not todo.exists():
        done += Rerouting.rows.filter(pk=run.pk, ended_at_ms__isnull=True).update(ended_at_ms=now_ms())
    return done


def preview(grid: Grid, primary: User | None, deputy: User | None, *, move_accepted: bool = False) -> Preview:
    """What would become of open cases if these people answered for a grid; nothing is changed."""
    after = {person.pk for person in (primary, deputy) if person is not None}
    left = {number for number in (grid.primary_id, grid.deputy_id) if number is not None} - after
    cases = open_cases_of(grid)
    desk = desks.open_desk(grid.jurisdiction_id, [p for p in (primary, deputy) if p is not None])
    counts: Counter[str] = Counter()
    for order in _orders(cases):
        for node in order.case.grid.path() if order.case.grid is not None else []:
            if node.pk == grid.pk:
                node.primary, node.deputy = primary, deputy
        what, _ = _decide(order, desk, left, move_accepted, primary)
        counts[what] += 1
    return Preview(cases.count(), counts["anew"], counts["asked"], counts["moved"])


def preview_ground(jurisdiction_id: str, leaf: Any) -> tuple[int, int]:
    """(open cases that would lie in another grid, of them those with an open task).

    Args:
        jurisdiction_id: whose.
        leaf: code of the leaf at (longitude, latitude) in the new tree, or None.
    """
    rows = _open(jurisdiction_id).annotate(
        busy=Exists(WorkOrder.objects.unscoped(WHY).filter(case=OuterRef("pk"), state__in=OPEN_STATES))
    )
    cases = busy = 0
    for code, longitude, latitude, has_task in rows.values_list(
        "grid__code", "longitude", "latitude", "busy"
    ).iterator(2000):
        after = leaf(longitude, latitude) if longitude is not None else None
        if after is not None and after != code:
            cases += 1
            busy += has_task
    return cases, busy


def questions() -> QuerySet[ReroutedCase]:
    """Accepted tasks of officers who no longer answer for the place, that no dispatcher has decided about. Unscoped."""
    return (
        ReroutedCase.rows.filter(state=RerouteState.ASKED, order__state=WorkState.ACCEPTED)
        .filter(order__assignee=F("officer"))
        .select_related("case__stay", "case__grid__primary", "order", "officer", "rerouting")
        .order_by("order__due_at_ms", "pk")
    )


def keep(number: int, by: User, reason: str) -> ReroutedCase:
    """The task stays with its officer. Again does nothing more; to give it to somebody else, reassign it.

    Raises:
        ReroutedCase.DoesNotExist: none in the dispatcher's scope.
        NotPossibleError: it is over, or somebody else has it by now.
        PatrolError: no reason was given.
    """
    words = reason.strip()[:500]
    with transaction.atomic():
        seen = (
            ReroutedCase.objects.visible_to(by).filter(pk=number).values_list("order_id", flat=True).first()
        )
        if seen is None:
            raise ReroutedCase.DoesNotExist
        order = handing.lock_order(seen, by)
        step = ReroutedCase.rows.select_for_update().get(pk=number)
        if step.state == RerouteState.KEPT:
            return step
        if not words:
            raise PatrolError("say why it stays", field="reason")
        if order.state != WorkState.ACCEPTED or order.assignee_id != step.officer_id:
            raise NotPossibleError("there is nothing to decide any more", WorkState(order.state))
        step.state = RerouteState.KEPT
        step.save(update_fields=["state"])
        offers.note(
            order.case,
            "handover_kept",
            f"user:{by.get_username()}",
            officer=order.assignee.shown_name if order.assignee else "",
            reason=words,
        )
    announce(TOPIC)
    return step


def open_cases_of(grid: Grid) -> QuerySet[Case]:
    """Cases that are not closed and lie in a grid or below it."""
    codes, level = [grid.pk], [grid.pk]
    while level:
        level = list(Grid.objects.unscoped(WHY).filter(parent__in=level).values_list("pk", flat=True))
        codes += level
    return Case.objects.unscoped(WHY).filter(grid__in=codes).exclude(state=CaseState.CLOSED)


def _open(jurisdiction_id: str) -> QuerySet[Case]:
    rows = Case.objects.unscoped(WHY).filter(jurisdiction_id=jurisdiction_id)
    return rows.exclude(state=CaseState.CLOSED)


def _list(number: int) -> None:
    with transaction.atomic():
        run = Rerouting.rows.select_for_update(of=("self",)).get(pk=number)
        if run.listed_at_ms is not None:
            return
        if run.grid is not None:
            found = list(open_cases_of(run.grid).values_list("pk", flat=True))
        else:
            rows = _open(run.jurisdiction_id).filter(longitude__isnull=False, latitude__isnull=False)
            places = rows.values_list("pk", "grid__code", "longitude", "latitude")
            found = [
                pk
                for pk, code, x, y in places.iterator(2000)
                if _leaf(run.jurisdiction_id, x, y) not in {None, code}
            ]
        steps = [ReroutedCase(rerouting=run, case_id=pk) for pk in found]
        ReroutedCase.rows.bulk_create(steps, batch_size=1000)
        run.listed_at_ms = now_ms()
        run.save(update_fields=["listed_at_ms"])


def _leaf(jurisdiction_id: str, longitude: float, latitude: float) -> str | None:
    grid = leaf_of(jurisdiction_id, longitude, latitude)
    return None if grid is None else grid.code


def _guarded(run: Rerouting, number: int) -> bool:
    try:
        return _take(number)
    except DatabaseError:
        raise
    except Exception:
        log.exception("case %s of rerouting %s could not be taken; tried again later", number, run.pk)
        Rerouting.rows.filter(pk=run.pk).update(due_at_ms=now_ms() + PUT_OFF_MS)
        return False


def _take(number: int) -> bool:
    """One case in one transaction; False if somebody else holds it or has done it."""
    skip = {"skip_locked": True} if connection.features.has_select_for_update_skip_locked else {}
    with transaction.atomic():
        case_id = ReroutedCase.rows.values_list("case_id", flat=True).get(pk=number)
        case = Case.objects.unscoped(WHY).select_for_update(**skip).filter(pk=case_id).first()
        if case is None:
            return False
        step = (
            ReroutedCase.rows.select_for_update(of=("self",))
            .select_related("rerouting__by", "rerouting__grid")
            .get(pk=number)
        )
        if step.state != RerouteState.WAITING:
            return False
        step.state = RerouteState.DONE
        if case.state != CaseState.CLOSED:
            _follow(case, step)
        step.save(update_fields=["state", "order", "officer"])
    return True


def _follow(case: Case, step: ReroutedCase) -> None:
    run = step.rerouting
    actor = "system" if run.by is None else f"user:{run.by.get_username()}"
    left = set(run.left)
    if run.grid is None:
        before = _people(case.grid)
        if not _place_anew(case, actor):
            return
        left = before - _people(case.grid)
    else:
        names = [p.shown_name if p else None for p in (run.grid.primary, run.grid.deputy)]
        history.append(
            case, "handed_over", now_ms(), actor, code=run.grid.code, name=run.grid.name,
            primary=names[0], deputy=names[1], reason=run.reason or None,
        )  # fmt: skip
    order = (
        WorkOrder.objects.unscoped(WHY)
        .select_for_update(of=("self",))
        .filter(case=case, state__in=OPEN_STATES)
        .first()
    )
    if order is None:
        return
    order.case = case
    answerable = [
        p for node in (case.grid.path() if case.grid else []) for p in (node.primary, node.deputy) if p
    ]
    desk = desks.open_desk(run.jurisdiction_id, answerable)
    primary = None if case.grid is None else case.grid.primary
    what, offer = _decide(order, desk, left, run.move_accepted, primary)
    if what == "anew":
        if offer is not None:
            offer.order = order
            offers.end(offer, OfferState.WITHDRAWN, HANDED_OVER)
            offers.note(case, "offer_withdrawn", actor, officer=offer.officer.shown_name)
        offers.settle(offers.assignment_of(order), AssignmentState.WAITING, now_ms())
    elif what == "moved" and run.by is not None and primary is not None:
        handing.hand_on(order, run.by, primary, run.reason or HANDED_OVER)
    elif what == "asked" and order.assignee is not None:
        step.state, step.order, step.officer = RerouteState.ASKED, order, order.assignee
        offers.note(case, "handover_asked", actor, officer=order.assignee.shown_name)
        announce(TOPIC)


def _decide(
    order: WorkOrder, desk: desks.Desk, left: set[int], move_accepted: bool, primary: User | None
) -> tuple[str, Offer | None]:
    """`stays`, `anew`, `asked` or `moved`; with the open offer."""
    able = {candidate.officer for candidate in desk.candidates(order.case, Counter())}
    if order.state == WorkState.NEW:
        offer = offers.open_offer(order)
        return ("stays" if offer is not None and offer.officer_id in able else "anew"), offer
    assignee = order.assignee
    if assignee is None or assignee.pk in able:
        return "stays", None
    sees = WorkOrder.objects.visible_to(assignee).filter(pk=order.pk).exists()
    if assignee.pk not in left and sees:
        return "stays", None
    takes = primary is not None and desks.able(primary) and not handing.kept_apart(order.case, [primary])
    if move_accepted and takes:
        return "moved", None
    return "asked", None


def _place_anew(case: Case, actor: str) -> bool:
    grid = leaf_of(case.jurisdiction_id, case.longitude, case.latitude)
    if grid is None or grid.pk == case.grid_id:
        return False
    old = case.grid
    case.grid = grid
    history.append(
        case, "grid", now_ms(), actor, changed=("grid",), code=grid.code, name=grid.name,
        before=None if old is None else old.code,
    )  # fmt: skip
    case_placed.send(sender=Case, case=case, before=None if old is None else old.pk)
    return True


def _people(grid: Grid | None) -> set[int]:
    nodes = [] if grid is None else grid.path()
    return {number for node in nodes for number in (node.primary_id, node.deputy_id) if number is not None}


def _orders(cases: QuerySet[Case]) -> Iterator[WorkOrder]:
    found = WorkOrder.objects.unscoped(WHY).filter(case__in=cases, state__in=OPEN_STATES)
    yield from found.select_related(
        "assignee",
        "case__stay",
        "case__grid__parent__parent__parent",
        "case__grid__primary",
        "case__grid__deputy",
    ).iterator(500)
