"""Offers made and ended as time passes: what the workers do. Any number of them, killed at any moment.

Everything that has to happen is a row with the instant from which it is due. A worker locks the cases of some due rows,
passing over those that another works on, looks again whether they are still due, and writes what follows; all in one
transaction. One that dies leaves the rows as they were.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from django.conf import settings
from django.db import connection
from django.db.models import Q, prefetch_related_objects

from central.cases.models import Case, WorkOrder
from central.cases.states import WorkState
from central.dispatch import desk as desks
from central.dispatch import offers
from central.dispatch.choose import Ask, Asked, decide
from central.dispatch.models import (
    Assignment,
    AssignmentState,
    Offer,
    OfferState,
    OfficerPosition,
    Push,
    Shift,
)
from central.dispatch.words import facts_of
from central.live.services import announce
from central.people.models import User
from central.project.clock import now_ms
from central.project.unit import unit
from protocol.messages import Position

BATCH = 50

LOOK_AGAIN_MS = 5 * 60_000
"""A task that nobody can be found for is looked at again so often, and as soon as a roster or a shift says so."""

STALE_PLACE_MS = 2 * 3_600_000
"""A last known place is of no use any more and forgotten."""

UNASSIGNED = "unassigned"
"""Topic of the dispatcher's alert."""


def work(limit: int = BATCH) -> int:
    """Offer what waits and end what nobody answered; how many work orders were moved on."""
    if not Assignment.rows.filter(due_at_ms__lte=now_ms()).exists():
        return 0
    with unit():
        # Nobody is waited for, so that locking searches before cases closes no circle with those who do the opposite.
        skip = {"skip_locked": True} if connection.features.has_select_for_update_skip_locked else {}
        due = (
            Assignment.rows.filter(due_at_ms__lte=now_ms())
            .order_by("due_at_ms", "order_id")
            .select_for_update(of=("self",), **skip)
            .select_related(
                "order__case__stay",
                "order__case__grid__parent__parent__parent",
                "order__case__grid__primary",
                "order__case__grid__deputy",
            )[:limit]
        )
        searches = {search.order.case_id: search for search in due}
        cases = Case.objects.filter(pk__in=searches).order_by("pk").select_for_update(**skip)
        locked = {case.pk: case for case in cases}
        # Read again under the lock: an order may have been accepted in between.
        states = dict(
            WorkOrder.objects.filter(case__in=list(locked.values()), assignment__isnull=False).values_list(
                "pk", "state"
            )
        )
        mine = [search for case_id, search in searches.items() if case_id in locked]
        for search in mine:
            search.order.state = states[search.order_id]
        _Turn(mine, locked).take()
    return len(mine)


class _Turn:
    """One transaction's worth of searches, with what has to be known for all of them."""

    def __init__(self, searches: list[Assignment], locked: dict[int, Case]) -> None:
        self._searches = searches
        self._now = now_ms()
        self._offers: dict[int, list[Offer]] = defaultdict(list)
        for search in searches:
            # One object for one case, so that its history has one head.
            fresh, case = search.order.case, locked[search.order.case_id]
            case.grid = fresh.grid
            case._state.fields_cache["stay"] = getattr(fresh, "stay", None)
            search.order.case = case
        prefetch_related_objects(list(locked.values()), "participants")
        for offer in Offer.rows.filter(order__in=[s.order_id for s in searches]).select_related("officer"):
            self._offers[offer.order_id].append(offer)
        self._desks = {
            name: desks.open_desk(name, self._answerable(name))
            for name in sorted({search.jurisdiction_id for search in searches})
        }

    def take(self) -> None:
        """Move each search on by one step."""
        for search in self._searches:
            order = search.order
            if order.state != WorkState.NEW:
                offers.settle(search, AssignmentState.OVER, None)
                continue
            for offer in self._offers[order.pk]:
                offer.order = order
                if offer.state == OfferState.OFFERED:
                    self._expire(offer)
            self._ask(search, order)

    def _expire(self, offer: Offer) -> None:
        offers.end(offer, OfferState.EXPIRED)
        self._desks[offer.order.case.jurisdiction_id].loads[offer.officer_id] -= 1
        offers.note(offer.order.case, "offer_expired", offers.SYSTEM, officer=offer.officer.shown_name)

    def _ask(self, search: Assignment, order: WorkOrder) -> None:
        past = [
            offer
            for offer in self._offers[order.pk]
            if offer.state in {OfferState.DECLINED, OfferState.EXPIRED}
        ]
        desk = self._desks[search.jurisdiction_id]
        case = order.case
        place = None
        if case.longitude is not None and case.latitude is not None:
            place = Position(longitude=case.longitude, latitude=case.latitude)
        decision = decide(
            place,
            desk.candidates(case, Counter(offer.officer_id for offer in past)),
            [Asked(offer.officer_id, offer.round) for offer in past],
            rounds=settings.PATROL.offer_rounds,
        )
        if isinstance(decision, Ask):
            choice = decision.choice
            officer = desk.people[choice.officer]
            expires = self._now + settings.PATROL.lease_ms
            offers.make(
                order,
                officer,
                state=OfferState.OFFERED,
                at_ms=self._now,
                expires_at_ms=expires,
                round=decision.round,
                rank=choice.rank,
                why=facts_of(choice.why),
            )
            desk.loads[officer.pk] += 1
            offers.settle(search, AssignmentState.OFFERED, expires)
            offers.note(
                case,
                "offered",
                offers.SYSTEM,
                officer=officer.shown_name,
                until_ms=expires,
                why=facts_of(choice.why),
            )
            return
        if search.state != AssignmentState.UNASSIGNED or search.reason != decision.reason:
            offers.note(case, "unassigned", offers.SYSTEM, why=decision.reason)
            announce(UNASSIGNED)
        again = self._now + LOOK_AGAIN_MS
        soon = desks.next_shift_ms(search.jurisdiction_id, self._now)
        offers.settle(
            search, AssignmentState.UNASSIGNED, min(again, soon) if soon else again, decision.reason
        )

    def _answerable(self, jurisdiction_id: str) -> list[User]:
        """Primaries and deputies of the grids concerned, whose loads have to be known too."""
        people: dict[int, User] = {}
        for search in self._searches:
            grid = search.order.case.grid
            while grid is not None and search.jurisdiction_id == jurisdiction_id:
                people |= {p.pk: p for p in (grid.primary, grid.deputy) if p is not None}
                grid = grid.parent
        return list(people.values())


def wake(jurisdiction_id: str) -> None:
    """Somebody may be free now: look at once at what nobody was found for. In the caller's transaction."""
    Assignment.rows.filter(jurisdiction_id=jurisdiction_id, state=AssignmentState.UNASSIGNED).update(
        due_at_ms=now_ms()
    )


def sweep() -> None:
    """Forget places that are too old to help, or whose officer is not on duty, and messages that lost their sense."""
    now = now_ms()
    # A query of its own: negated, two conditions on shifts could be met by two different shifts.
    working = Shift.rows.filter(from_ms__lte=now, to_ms__gt=now).values("officer")
    OfficerPosition.objects.filter(
        Q(received_at_ms__lt=now - STALE_PLACE_MS) | ~Q(officer__in=working)
    ).delete()
    Push.objects.filter(expires_at_ms__lt=now).delete()
