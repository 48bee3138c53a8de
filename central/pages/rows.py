"""The rows of a list: read as plain values in three queries, and written as HTML.

Fifty rows are two thirds of what a page costs. Whole models with all their columns, and Django's own templates, made them
four times as dear as values and Jinja2 do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import get_language

from central.cases.models import Case, Evidence, WorkOrder
from central.cases.parts import urgency
from central.cases.rules import title_of
from central.cases.states import OPEN_STATES, CaseState, Result, WorkKind, WorkState
from central.pages import words
from central.pages.sayings import say
from central.pages.templatetags import patrol as filters
from central.people import access_log
from central.people.models import User, name_of

CLOCK_RUNS = ("confirmed", "notified", "unnotifiable", "rechecking")
"""States at the camera in which a driver's time runs or has just run out."""

WORK_IS_OPEN = "\"cases_workorder\".\"state\" IN ('new', 'accepted')"
"""The condition of the indexes on open work, with its values in the SQL: SQLite takes such an index for a query that
spells it."""

WORK_IS_COUNTED = "\"cases_workorder\".\"state\" IN ('accepted', 'new')"
"""The same for the index from which open work is counted, `work_open`: turned round, so that no list takes that one."""


IN_HAND = "they belong to cases that were found through the reader's scope"


@dataclass(frozen=True, slots=True)
class Stay:
    """What an agent told of the vehicle."""

    plate: str
    vehicle_class: str
    camera_id: str
    agent_state: str
    why: str
    clock_ends_ms: int | None


@dataclass(frozen=True, slots=True)
class Order:
    """The work order that a row shows: the open one, else the newest."""

    state: str
    kind: str
    result: str
    due_at_ms: int
    assignee: str
    """Name that colleagues read; empty where nobody has it."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture that is no plate; size in pixels."""

    sha256: str
    role: str
    width: int
    height: int
    arrived: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One case in the list."""

    case: int
    place: str
    grid: str
    """The grid's name; empty where the case lies in none."""
    state: str
    service_code: str
    closed_at_ms: int | None
    stay: Stay | None
    order: Order | None
    pictures: tuple[Shot, ...]
    evidence: bool
    """Whether the case names any picture, plates included."""

    @property
    def due_at_ms(self) -> int | None:
        """What the row's clock counts down to."""
        return due_of(self, self.order, self.stay)


def due_of(case: Any, order: Any, stay: Any) -> int | None:
    """What a case's clock counts down to: the officer's deadline, or the end of the driver's time; UTC milliseconds.

    Args:
        case, order, stay: models, or the values of a row; the last two may be None.
    """
    if order is not None and order.state in OPEN_STATES:
        due: int = order.due_at_ms
        return due
    if case.state == CaseState.WATCHED and stay is not None and stay.agent_state in CLOCK_RUNS:
        ends: int | None = stay.clock_ends_ms
        return ends
    return None


def read(case_ids: list[int], user: User) -> list[Row]:
    """The cases of a page with all that a row shows, in their order; those that the reader may not see are left out."""
    seen: QuerySet[Case] = Case.objects.visible_to(user)
    stays = ("plate", "vehicle_class", "camera_id", "agent_state", "why", "clock_ends_ms")
    cases = {
        values[0]: values
        for values in seen.filter(pk__in=case_ids)
        .order_by()
        .values_list(
            *("pk", "place", "grid__name", "state", "service_code", "closed_at_ms", "stay__case_id"),
            *(f"stay__{name}" for name in stays),
        )
    }
    pictures, named = _pictures(cases)
    orders = _orders(cases)
    rows = []
    for number in dict.fromkeys(case_ids):
        if number not in cases:
            continue
        _, place, grid, state, service_code, closed_at_ms, stay, *told = cases[number]
        rows.append(
            Row(
                case=number,
                place=place,
                grid=grid or "",
                state=state,
                service_code=service_code,
                closed_at_ms=closed_at_ms,
                stay=None if stay is None else Stay(*told),
                order=orders.get(number),
                pictures=tuple(pictures.get(number, ())),
                evidence=number in named,
            )
        )
    return rows


def _pictures(cases: Iterable[int]) -> tuple[dict[int, list[Shot]], set[int]]:
    """Pictures but plates, by case; cases that name any picture."""
    rows: QuerySet[Evidence] = Evidence.objects.unscoped(IN_HAND).filter(case_id__in=list(cases))
    found: dict[int, list[Shot]] = {}
    named = set()
    columns = ("case_id", "role", "sha256", "width", "height", "picture_id")
    for case, role, sha256, width, height, picture in rows.values_list(*columns):
        named.add(case)
        if role != "plate":
            found.setdefault(case, []).append(Shot(sha256, role, width, height, picture is not None))
    return found, named


def _orders(cases: Iterable[int]) -> dict[int, Order]:
    """For each case its open work order, else its newest."""
    rows: QuerySet[WorkOrder] = WorkOrder.objects.unscoped(IN_HAND).filter(case_id__in=list(cases))
    who = ("assignee__username", "assignee__first_name", "assignee__last_name")
    columns = ("case_id", "state", "kind", "result", "due_at_ms", *who)
    found: dict[int, Order] = {}
    for case, state, kind, result, due, username, first, last in rows.order_by(
        "-issued_at_ms", "-pk"
    ).values_list(*columns):
        held = found.get(case)
        if held is None or (state in OPEN_STATES and held.state not in OPEN_STATES):
            name = name_of(username, first, last) if username else ""
            found[case] = Order(state, kind, result, due, name)
    return found


def render(rows: list[Row]) -> SafeString:
    """The rows as items of a list, in the language that is active."""
    addresses = Addresses()
    known: dict[tuple[str, str], str] = {}
    language = get_language() or ""

    def word(table: str, value: str) -> str:
        if (table, value) not in known:
            service = table == "service"
            known[table, value] = (
                title_of(value, language) if service else str(_TABLES[table].get(value, value))
            )
        return known[table, value]

    shown = [_shown(row, word, addresses) for row in rows]
    return SafeString(render_to_string("pages/rows.html", {"rows": shown}, using="jinja2"))


_TABLES: dict[str, dict[str, Any]] = {
    "vehicle": words.VEHICLES,
    "role": words.EVIDENCE_ROLES,
    "at camera": words.AGENT_STATES,
    "case": dict(CaseState.choices),
    "order": dict(WorkState.choices),
    "kind": dict(WorkKind.choices),
    "result": dict(Result.choices),
}

_CASE, _SHA256 = 987_654_321_012_345, "x" * 64
"""Stand for a case and a picture in an address that is then filled in: to ask for each of 150 takes 5 ms."""


class Addresses:
    """Where a case and its pictures are, asked for once and filled in."""

    def __init__(self) -> None:
        self._case = reverse("pages:case", args=(_CASE,))
        self._thumbnail = reverse("pages:thumbnail", args=(_CASE, _SHA256))
        self._picture = reverse("pages:picture", args=(_CASE, _SHA256))

    def case(self, number: int) -> str:
        """The page of a case."""
        return self._case.replace(str(_CASE), str(number))

    def thumbnail(self, number: int, sha256: str) -> str:
        """The small form of a picture."""
        return self._thumbnail.replace(str(_CASE), str(number)).replace(_SHA256, sha256)

    def picture(self, number: int, sha256: str) -> str:
        """A picture as it came."""
        return self._picture.replace(str(_CASE), str(number)).replace(_SHA256, sha256)


def _shown(
    row: Row,
    word: Callable[[str, str], str],
    addresses: Addresses,
) -> dict[str, Any]:
    """What the template of a row asks for."""
    order, stay, due = row.order, row.stay, row.due_at_ms
    badges = []
    if order is not None:
        if order.kind == WorkKind.MANUAL_CHECK:
            badges.append(("manual", word("kind", order.kind)))
        ended = order.state == WorkState.CLOSED
        badges.append((order.state, word("result", order.result) if ended else word("order", order.state)))
    elif stay is not None:
        kind = "manual" if row.state == CaseState.WATCHED else ""
        badges.append((kind, word("at camera", stay.agent_state)))
    else:
        badges.append(("", word("case", row.state)))
    return {
        "case": row.case,
        "address": addresses.case(row.case),
        "urgency": urgency(due),
        "state": row.state if order is None else order.state,
        "place": row.place,
        "title": row.place or row.grid,
        "grid": row.grid,
        "stay": stay,
        "plate": access_log.mask_plate(stay.plate) if stay is not None and stay.plate else "",
        "vehicle": word("vehicle", stay.vehicle_class) if stay is not None else "",
        "service": word("service", row.service_code),
        "manual": order is not None and order.kind == WorkKind.MANUAL_CHECK,
        "why": say(stay.why) if stay is not None and stay.why else "",
        "order": order is not None,
        "by": order.assignee if order is not None else "",
        "due": filters.countdown(due) if due else "",
        "ended": filters.clock(row.closed_at_ms) if row.closed_at_ms else "",
        "badges": badges,
        "evidence": row.evidence,
        "pictures": [
            {
                "address": addresses.thumbnail(row.case, shot.sha256) if shot.arrived else "",
                "width": shot.width,
                "height": shot.height,
                "role": word("role", shot.role),
            }
            for shot in row.pictures
        ],
    }
