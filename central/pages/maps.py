"""What the map asks for: live cases, cameras and outlines as small JSON, each with a mark by which nothing is sent twice."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.db.models import Max, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from central.cases.models import Case, WorkOrder
from central.cases.states import OPEN_STATES, CaseState
from central.fleet.models import Camera
from central.live.models import Change
from central.pages import geometry, listing
from central.pages.filters import Filters
from central.pages.rows import CLOCK_RUNS
from central.parking.models import Stay
from central.people.access import EVERYONE, roles
from central.people.models import User
from central.people.scopes import subtree
from central.project.clock import now_ms

SHOWN = 20_000
"""Live cases in one answer; what is more urgent comes first."""

LETTERS = {"new": "n", "accepted": "a", "watched": "w", "open": "o"}
"""How a case stands, one letter each."""


@require_safe
@roles(*EVERYONE)
def cases(request: HttpRequest) -> HttpResponse:
    """Live cases as parallel arrays; docs/pages.md describes them. Takes the filters of the list."""
    filters = Filters.read(request.GET)
    # What is overdue changes by the mere passing of time.
    minute = now_ms() // 60_000 if filters.show == "overdue" else 0
    mark = _mark(request.user, _version(), filters.address(), minute)
    if request.headers.get("If-None-Match") == mark:
        return _unchanged(mark)
    return _answer(live(request.user, filters), mark)


@require_safe
@roles(*EVERYONE)
def cameras(request: HttpRequest) -> HttpResponse:
    """Cameras whose place is known: that of their newest case."""
    mark = _mark(request.user, _version())
    if request.headers.get("If-None-Match") == mark:
        return _unchanged(mark)
    return _answer({"cameras": _cameras(request.user)}, mark)


@require_safe
@roles(*EVERYONE)
def grids(request: HttpRequest, level: int) -> HttpResponse:
    """Outlines of one level of the tree."""
    found, stamp = geometry.outlines(request.user, level) if 1 <= level <= 4 else ([], "")
    mark = _mark(request.user, stamp, level)
    if request.headers.get("If-None-Match") == mark:
        return _unchanged(mark)
    body = {
        "scale": geometry.SCALE,
        "code": [outline.code for outline in found],
        "name": [outline.name for outline in found],
        "at": [outline.middle for outline in found],
        "rings": [outline.rings for outline in found],
    }
    return _answer(body, mark)


def live(user: User, filters: Filters) -> dict[str, Any]:
    """Cases that are open or whose driver's clock runs, by urgency, as parallel arrays."""
    base = now_ms()
    body: dict[str, Any] = {"now": base, "scale": geometry.SCALE, "more": False}
    columns: dict[str, list[Any]] = {name: [] for name in ("id", "lon", "lat", "due")}
    states: list[str] = []
    for number, lon, lat, due, state in _live_rows(user, filters):
        columns["id"].append(number)
        columns["lon"].append(round(lon * geometry.SCALE))
        columns["lat"].append(round(lat * geometry.SCALE))
        columns["due"].append(None if due is None else (due - base) // 1000)
        states.append(LETTERS.get(state, "o"))
    if len(states) > SHOWN:
        body["more"] = True
        columns = {name: column[:SHOWN] for name, column in columns.items()}
        states = states[:SHOWN]
    return {**body, **columns, "state": "".join(states)}


def _live_rows(user: User, filters: Filters) -> list[tuple[Any, ...]]:
    wanted = listing.narrow(user, filters)
    ended = filters.show in {"closed", "retracted"}
    if wanted.nothing or ended:
        return []
    rows: list[tuple[Any, ...]] = []
    if filters.show != "watched":
        orders: QuerySet[WorkOrder] = WorkOrder.objects.visible_to(user)
        states = [filters.show] if filters.show in {"new", "accepted"} else list(OPEN_STATES)
        orders = orders.filter(
            wanted.on("case", open_only=True),
            state__in=states,
            case__state=CaseState.OPEN,
            case__longitude__isnull=False,
        )
        if wanted.officer is not None:
            orders = orders.filter(assignee__in=wanted.officer)
        if filters.show == "overdue":
            orders = orders.filter(due_at_ms__lt=now_ms())
        columns = ("case_id", "case__longitude", "case__latitude", "due_at_ms", "state")
        rows += orders.order_by("due_at_ms", "-pk").values_list(*columns)[: SHOWN + 1]
    if filters.show in {"all", "watched"} and wanted.officer is None:
        running: QuerySet[Stay] = Stay.objects.visible_to(user)
        stays = running.filter(
            wanted.on("case", open_only=False),
            agent_state__in=CLOCK_RUNS,
            case__state=CaseState.WATCHED,
            case__longitude__isnull=False,
        )
        columns = ("case_id", "case__longitude", "case__latitude", "clock_ends_ms", "case__state")
        rows += stays.order_by("clock_ends_ms", "-case").values_list(*columns)[: SHOWN + 1]
    return rows


def _cameras(user: User) -> list[list[Any]]:
    newest = (
        Stay.objects.filter(
            agent=OuterRef("agent"), camera_id=OuterRef("camera_id"), case__longitude__isnull=False
        )
        .order_by("-case")
        .values("case")[:1]
    )
    cameras: QuerySet[Camera] = Camera.objects.visible_to(user)
    found = cameras.filter(agent__enabled=True)
    rows = list(found.annotate(newest=Subquery(newest)).select_related("agent")[:SHOWN])
    seen: QuerySet[Case] = Case.objects.visible_to(user)
    places = {
        number: (longitude, latitude)
        for number, longitude, latitude in seen.filter(
            pk__in=[row.newest for row in rows if row.newest]
        ).values_list("pk", "longitude", "latitude")
    }
    return [
        [
            f"{row.agent.agent_id}/{row.camera_id}",
            *(round(degrees * geometry.SCALE) for degrees in places[row.newest]),
            row.state if row.agent.online else "unknown",
        ]
        for row in rows
        if row.newest in places
    ]


def _version() -> str:
    """Changes with each change that was announced. Numbers are given out before the commit, so the last few count."""
    newest = Change.objects.aggregate(newest=Max("pk"))["newest"] or 0
    return f"{newest}-{Change.objects.filter(pk__gt=newest - 1000).count()}"


def _mark(user: User, *parts: object) -> str:
    whole = json.dumps(
        [
            user.pk,
            user.scope,
            user.role,
            sorted(subtree(user).grids) if user.by_grid else None,
            *map(str, parts),
        ]
    )
    return f'"{hashlib.sha256(whole.encode()).hexdigest()[:24]}"'


def _unchanged(mark: str) -> HttpResponse:
    response = HttpResponse(status=304)
    response["ETag"] = mark
    response["Cache-Control"] = "private, no-cache"
    return response


def _answer(body: dict[str, Any], mark: str) -> HttpResponse:
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    response = HttpResponse(text, content_type="application/json")
    response["ETag"] = mark
    # Kept by this person's browser only, and asked about each time.
    response["Cache-Control"] = "private, no-cache"
    return response
