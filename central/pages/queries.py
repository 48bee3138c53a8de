"""What the pages show, read in a few queries each, always through the person's scope."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Count, Prefetch, Q, QuerySet
from django.utils.translation import get_language, gettext

from central.cases.models import Case, Evidence, WorkOrder
from central.cases.rules import title_of
from central.cases.states import CaseState, WorkState
from central.fleet.models import Agent, Camera, Stranger
from central.fleet.services import HEALTH_STALE_MS
from central.grids.models import Grid
from central.ingest.state import IngestState, ingest_state
from central.pages.kept import Kept
from central.pages.rows import CLOCK_RUNS, WORK_IS_COUNTED
from central.parking.models import Stay
from central.people import policy
from central.people.models import User, jurisdictions_of, name_of, share_any
from central.people.scopes import subtree
from central.project.clock import local_day, midnight_ms, now_ms

OFFERED = 500
"""Entries of a filter's list; more are reached by the search box or the map."""

_figures: Kept[dict[str, int]] = Kept()


def work_orders(user: User) -> QuerySet[WorkOrder]:
    """Work orders with everything that a card shows."""
    evidence = Prefetch("case__evidence", Evidence.objects.select_related("picture"))
    orders: QuerySet[WorkOrder] = WorkOrder.objects.visible_to(user)
    return orders.select_related("case__stay__agent", "assignee").prefetch_related(evidence)


def cards(user: User) -> QuerySet[WorkOrder]:
    """Work orders with what a card in an officer's list shows, which is less than the page of one."""
    orders: QuerySet[WorkOrder] = WorkOrder.objects.visible_to(user)
    return orders.select_related("case__stay").prefetch_related("case__evidence")


def counts(user: User) -> dict[str, int]:
    """The figures above the list.

    Counting takes longer the more is open: with 100,000 open cases about 55 ms. Figures that were costly are shown
    again for a while, and counted anew beside the page (`central.pages.kept`); in a small place nothing is ever old.
    """
    place = connection.settings_dict
    seen = subtree(user) if user.by_grid else None
    key = (place["NAME"], place.get("HOST"), user.is_active, user.scope, seen)
    return _figures.get(key, lambda: _count(user), settings.PATROL_CLOCK.monotonic_ms)


def _count(user: User) -> dict[str, int]:
    now = now_ms()
    orders: QuerySet[WorkOrder] = WorkOrder.objects.visible_to(user)
    # The condition is spelled as the index has it, or SQLite does not take the index.
    live = orders.extra(where=[WORK_IS_COUNTED]).order_by().values("state")  # noqa: S610 - a constant of ours
    states = {
        state: (count, late)
        for state, count, late in live.annotate(
            count=Count("pk"), late=Count("pk", filter=Q(due_at_ms__lt=now))
        ).values_list("state", "count", "late")
    }
    running: QuerySet[Stay] = Stay.objects.visible_to(user)
    running = running.filter(agent_state__in=CLOCK_RUNS, case__state=CaseState.WATCHED)
    today = today_ms()
    return {
        "new": states.get(WorkState.NEW, (0, 0))[0],
        "accepted": states.get(WorkState.ACCEPTED, (0, 0))[0],
        "late": sum(late for _, late in states.values()),
        "closed_today": orders.filter(state=WorkState.CLOSED, ended_at_ms__gte=today).count(),
        "left_today": orders.filter(state=WorkState.RETRACTED, ended_at_ms__gte=today).count(),
        "watched": running.count(),
    }


def today_ms() -> int:
    """When today began where the centre stands."""
    return midnight_ms(local_day(now_ms()))


def services() -> list[str]:
    """Kinds of cases that there are, by code: a walk from each to the next, however many cases there may be."""
    found: list[str] = []
    every: QuerySet[Case] = Case.objects.unscoped("which kinds of cases there are is no secret")
    code = every.order_by("service_code").values_list("service_code", flat=True).first()
    while code is not None and len(found) < 100:
        found.append(code)
        code = (
            every.filter(service_code__gt=code)
            .order_by("service_code")
            .values_list("service_code", flat=True)
            .first()
        )
    return found


Option = tuple[str, str]
"""Of a list to choose from: value, text."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What the filter bar offers."""

    services: list[Option]
    grids: list[Option]
    cameras: list[Option]
    officers: list[Option]
    sorts: list[Option]


def choices(user: User, grid: str = "") -> Choices:
    """Grids above the leaves (a leaf is chosen on the map), cameras and officers in the reader's scope.

    Args:
        user: the reader.
        grid: the code that is asked for; offered as well where it is a leaf or not known.
    """
    grids: QuerySet[Grid] = Grid.objects.visible_to(user)
    seen: QuerySet[Camera] = Camera.objects.visible_to(user)
    named = seen.filter(agent__enabled=True).values_list("agent__agent_id", "camera_id")[:OFFERED]
    upper = grids.filter(level__lt=4).order_by("code").values_list("code", "level", "name")[:OFFERED]
    offered = [(code, f"{'–' * (level - 1)} {name}".strip()) for code, level, name in upper]
    if grid and grid not in {code for code, _ in offered}:
        offered.append((grid, grid))
    return Choices(
        [(code, title_of(code, get_language() or "")) for code in services()],
        offered,
        [(each, each) for each in sorted(f"{agent}/{camera}" for agent, camera in named)],
        _officers(user),
        [("urgency", gettext("Most urgent first")), ("newest", gettext("Newest first"))],
    )


def _officers(user: User) -> list[Option]:
    """Officers and grid workers whose jurisdictions have any in common with the reader's."""
    mine = user.jurisdictions
    every = User.objects.filter(role__in=policy.FIELD, is_active=True).order_by("username")
    return [
        (username, name_of(username, first, last))
        for username, first, last, scope in every.values_list("username", "first_name", "last_name", "scope")[
            :OFFERED
        ]
        if share_any(mine, jurisdictions_of(scope))
    ]


CHIPS = 10
"""With more cameras than this, only those in trouble are named."""

IDLE = frozenset({"connecting", "ended", "unknown"})


@dataclass(frozen=True, slots=True)
class Fleet:
    """Health strip: is anything received, and what do the agents see."""

    ingest: IngestState
    agents: list[dict[str, Any]]
    strangers: list[Stranger]
    more: int = 0
    """Cameras that are well and not named."""


def fleet(user: User) -> Fleet:
    """Agents in scope; strangers only for those who can enrol them."""
    named = Prefetch("cameras", Camera.objects.only("agent_id", "camera_id", "state", "reason"))
    agents = Agent.objects.visible_to(user).filter(enabled=True).prefetch_related(named)
    strangers = Stranger.objects.visible_to(user)
    known = list(agents)
    brief = sum(len(agent.cameras.all()) for agent in known) > CHIPS
    shown = []
    more = 0
    for agent in known:
        silent = agent.heard_at_ms is None or agent.heard_at_ms < now_ms() - HEALTH_STALE_MS
        up = agent.online and not (silent and agent.health_at_ms is not None)
        cameras = []
        for camera in agent.cameras.all():
            # What an unreachable agent said last is not what its camera does now.
            state = camera.state if up else "unknown"
            tone = "good" if state == "live" else "idle" if state in IDLE else "bad"
            named = tone == "bad" or not brief
            more += not named and tone == "good"
            cameras.append({"camera": camera, "state": state, "tone": tone, "shown": named})
        named = not brief or not up or bool(agent.problems) or any(item["shown"] for item in cameras)
        shown.append({"agent": agent, "up": up, "cameras": cameras, "shown": named})
    knocking = list(strangers[:10]) if user.role in policy.readers("strangers") else []
    return Fleet(ingest_state(), shown, knocking, more)


def pictures(order_or_case: WorkOrder | Case) -> list[Evidence]:
    """The confirming and the recheck picture, in this order; plates apart."""
    case = order_or_case.case if isinstance(order_or_case, WorkOrder) else order_or_case
    return [evidence for evidence in case.evidence.all() if evidence.role in {"confirm", "recheck"}]
