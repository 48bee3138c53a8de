"""What the pages show, read in a few queries each, always through the person's scope."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any

from django.db.models import Count, Prefetch, Q, QuerySet
from django.utils import timezone

from central.cases.models import Case, Evidence, WorkOrder
from central.cases.states import OPEN_STATES, CaseState, WorkState
from central.fleet.models import Agent, Stranger
from central.fleet.services import HEALTH_STALE_MS
from central.ingest.state import IngestState, ingest_state
from central.people import policy
from central.people.models import User
from central.project.clock import now_ms

PAGE = 50

FILTERS: dict[str, tuple[str, ...]] = {
    "all": (),
    "open": tuple(OPEN_STATES),
    "new": (WorkState.NEW,),
    "accepted": (WorkState.ACCEPTED,),
    "closed": (WorkState.CLOSED,),
    "retracted": (WorkState.RETRACTED,),
}


def work_orders(user: User) -> QuerySet[WorkOrder]:
    """Work orders with everything that a card shows."""
    evidence = Prefetch("case__evidence", Evidence.objects.select_related("picture"))
    orders: QuerySet[WorkOrder] = WorkOrder.objects.visible_to(user)
    return orders.select_related("case__stay__agent", "assignee").prefetch_related(evidence)


@dataclass(frozen=True, slots=True)
class TaskPage:
    """One page of the live list, newest first."""

    orders: list[WorkOrder]
    older: str


def task_page(user: User, shown: str, before: str) -> TaskPage:
    """Tasks in the states of the filter, from a cursor ``issued-id`` downwards."""
    orders = work_orders(user)
    states = FILTERS[shown]
    if states:
        orders = orders.filter(state__in=states)
    issued, _, number = before.partition("-")
    if issued.isdigit() and number.isdigit() and len(before) < 40:
        orders = orders.filter(
            Q(issued_at_ms__lt=int(issued)) | Q(issued_at_ms=int(issued), id__lt=int(number))
        )
    found = list(orders.order_by("-issued_at_ms", "-id")[: PAGE + 1])
    older = ""
    if len(found) > PAGE:
        found = found[:PAGE]
        older = f"{found[-1].issued_at_ms}-{found[-1].pk}"
    return TaskPage(found, older)


def counts(user: User) -> dict[str, int]:
    """The figures above the list."""
    now = now_ms()
    local = timezone.localtime(datetime.fromtimestamp(now / 1000, UTC))
    midnight = datetime.combine(local.date(), time.min, tzinfo=local.tzinfo)
    today_ms = round(midnight.timestamp() * 1000)
    orders: QuerySet[WorkOrder] = WorkOrder.objects.visible_to(user)
    live = orders.filter(state__in=OPEN_STATES).aggregate(
        new=Count("pk", filter=Q(state=WorkState.NEW)),
        accepted=Count("pk", filter=Q(state=WorkState.ACCEPTED)),
        late=Count("pk", filter=Q(due_at_ms__lt=now)),
    )
    live["closed_today"] = orders.filter(state=WorkState.CLOSED, ended_at_ms__gte=today_ms).count()
    cases: QuerySet[Case] = Case.objects.visible_to(user)
    live["watched"] = cases.filter(
        state=CaseState.WATCHED, stay__agent_state__in=["confirmed", "notified", "unnotifiable", "rechecking"]
    ).count()
    return live


@dataclass(frozen=True, slots=True)
class Fleet:
    """Health strip: is anything received, and what do the agents see."""

    ingest: IngestState
    agents: list[dict[str, Any]]
    strangers: list[Stranger]


def fleet(user: User) -> Fleet:
    """Agents in scope; strangers only for those who can enrol them."""
    agents = Agent.objects.visible_to(user).filter(enabled=True).prefetch_related("cameras")
    strangers = Stranger.objects.visible_to(user)
    shown = []
    for agent in agents:
        silent = agent.heard_at_ms is None or agent.heard_at_ms < now_ms() - HEALTH_STALE_MS
        up = agent.online and not (silent and agent.health_at_ms is not None)
        shown.append(
            {
                "agent": agent,
                "up": up,
                "cameras": [
                    # What an unreachable agent said last is not what its camera does now.
                    {"camera": camera, "state": camera.state if up else "unknown"}
                    for camera in agent.cameras.all()
                ],
            }
        )
    knocking = list(strangers[:10]) if user.role in policy.readers("strangers") else []
    return Fleet(ingest_state(), shown, knocking)


def pictures(order_or_case: WorkOrder | Case) -> list[Evidence]:
    """The confirming and the recheck picture, in this order; plates apart."""
    case = order_or_case.case if isinstance(order_or_case, WorkOrder) else order_or_case
    return [evidence for evidence in case.evidence.all() if evidence.role in {"confirm", "recheck"}]
