"""The list of cases, read in pages that stay fast with a million rows behind them.

A list is a chain of *parts*, each with one order that an index holds: what is due by its deadline, what is open
without a deadline, what has ended. A page is filled from the parts in turn and says where the next one begins (keyset
paging: no row is counted to be skipped).

Where a filter leaves few rows, those are fetched and sorted; where it leaves many, the order's index is walked, which
meets enough of them soon. Databases guess between the two and sometimes guess wrong, so each part counts up to
`FEW` and says which way it wants. That count is also the figure which the page shows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.db.models import Exists, F, OuterRef, Prefetch, Q, QuerySet

from central.cases.models import Case, Evidence, WorkOrder
from central.cases.states import OPEN_STATES, CaseState, WorkState
from central.grids.models import Grid
from central.pages.filters import Filters
from central.parking.models import Stay
from central.people.models import User
from central.project.clock import now_ms

PAGE = 50
FEW = 4000
"""Rows that are sorted in a few milliseconds. A filter that leaves more than this many of 100,000 open cases fills a
page after about 25 x `PAGE` steps along the index."""

CLOCK_RUNS = ("confirmed", "notified", "unnotifiable", "rechecking")
"""States at the camera in which a driver's time runs or has just run out."""


@dataclass(frozen=True, slots=True)
class Row:
    """One case in the list."""

    case: Case
    order: WorkOrder | None
    due_at_ms: int | None

    @property
    def urgency(self) -> str:
        """How the clock is coloured: late, soon, calm, or none where nothing is due."""
        return urgency(self.due_at_ms)


SOON_MS = 10 * 60_000


def urgency(due_at_ms: int | None) -> str:
    """late: the deadline has passed; soon: within ten minutes; calm: later; none: nothing is due."""
    if due_at_ms is None:
        return "none"
    left = due_at_ms - now_ms()
    return "late" if left <= 0 else "soon" if left <= SOON_MS else "calm"


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the list, and where the next begins."""

    rows: list[Row]
    older: str
    found: int | None
    """How many cases the list has, up to `FEW`; None where nothing was narrowed, which would mean counting all."""
    more: bool = False
    """Whether there are more than `found`."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the list: rows in one order.

    `rows` gives the rows narrowed by the filters; `key` is what they are sorted by, ascending if `rising`, then by
    falling number. `case` is the way from a row to its case.
    """

    letter: str
    rows: QuerySet[Any]
    key: str
    case: str
    rising: bool = False
    number: str = "pk"

    def read(self, after: tuple[int, int] | None, count: int, few: bool) -> list[tuple[int, int, int]]:
        """(key, number, case) of the next rows."""
        rows = self.rows.filter(**{f"{self.key}__isnull": False})
        if after is not None:
            value, number = after
            side, tie = ("gt", "gte") if self.rising else ("lt", "lte")
            # The first condition bounds the walk along the index, the second settles ties.
            rows = rows.filter(Q(**{f"{self.key}__{tie}": value})).filter(
                Q(**{f"{self.key}__{side}": value}) | Q(**{f"{self.number}__lt": number})
            )
        # A sum is in no index: the database then has to fetch by the filter and sort.
        key: Any = F(self.key) + 0 if few else F(self.key)
        order = (key.asc() if self.rising else key.desc(), F(self.number).desc())
        return list(rows.order_by(*order).values_list(self.key, self.number, self.case)[:count])

    def count(self) -> int:
        """Rows up to `FEW` + 1."""
        return self.rows.order_by().values(self.number)[: FEW + 1].count()


@dataclass(frozen=True, slots=True)
class Narrowing:
    """The filters as conditions on a case; `to` says how a table reaches it."""

    conditions: dict[str, Any] = field(default_factory=dict)
    officer: str = ""
    nothing: bool = False
    text: str = ""

    def on(self, to: str, *, open_only: bool) -> Q:
        """The condition for a table that reaches its case by the path `to` ('' for the case itself)."""
        prefix = f"{to}__" if to else ""
        wanted = Q(**{prefix + name: value for name, value in self.conditions.items()})
        return wanted & self._says(prefix, open_only) if self.text else wanted

    def _says(self, prefix: str, open_only: bool) -> Q:
        text = self.text
        wanted = begins(prefix + "stay__plate", text.upper())
        number = text.removeprefix("#")
        if number.isascii() and number.isdigit() and len(number) < 19:
            wanted |= Q(**{prefix + "pk": int(number)})
        matching = Case.objects.filter(
            Q(place__icontains=text) & Q(state=CaseState.OPEN) if open_only else begins("place", text)
        )
        return wanted | Q(**{prefix + "pk__in": matching.values("pk")})


def begins(name: str, text: str) -> Q:
    """`name` begins with the text, in the form for which each database uses an index."""
    if connection.vendor == "sqlite":
        return Q(**{f"{name}__gte": text, f"{name}__lt": text + "\U0010ffff"})
    return Q(**{f"{name}__startswith": text})


def narrow(user: User, filters: Filters) -> Narrowing:
    """The filters, looked up. A grid stands for all that lies under it; one that the reader may not see, for none."""
    conditions: dict[str, Any] = {}
    if filters.service:
        conditions["service_code"] = filters.service
    if filters.grid:
        grids = subtree(user, filters.grid)
        if not grids:
            return Narrowing(nothing=True)
        conditions["grid__in"] = grids
    if filters.camera:
        agent, _, camera = filters.camera.rpartition("/")
        conditions["stay__camera_id"] = camera
        if agent:
            conditions["stay__agent__agent_id"] = agent
    return Narrowing(conditions, filters.officer, text=filters.q)


def subtree(user: User, code: str) -> list[int]:
    """A grid and all grids under it, by its code."""
    seen: QuerySet[Grid] = Grid.objects.visible_to(user)
    under = Q(code=code) | Q(parent__code=code) | Q(parent__parent__code=code)
    return list(seen.filter(under | Q(parent__parent__parent__code=code)).values_list("pk", flat=True))


def parts(user: User, filters: Filters) -> list[Part]:
    """The stretches of the list that was asked for, in their order."""
    wanted = narrow(user, filters)
    if wanted.nothing:
        return []
    orders: QuerySet[WorkOrder] = WorkOrder.objects.visible_to(user)
    cases: QuerySet[Case] = Case.objects.visible_to(user)
    by_order = wanted.on("case", open_only=True)
    if wanted.officer:
        by_order &= Q(assignee__username=wanted.officer)
    due = _due(orders.filter(by_order), filters.show)
    if filters.show in {"new", "accepted", "overdue"}:
        return [due]
    if filters.show == "watched":
        if wanted.officer:
            return []
        stays = Stay.objects.filter(case__in=cases.filter(state=CaseState.WATCHED)).filter(
            wanted.on("case", open_only=False), agent_state__in=CLOCK_RUNS
        )
        return [Part("w", stays, "clock_ends_ms", "case_id", rising=True, number="case_id")]
    if filters.show in {"closed", "retracted"}:
        ended = orders.filter(wanted.on("case", open_only=False), state=filters.show)
        if wanted.officer:
            ended = ended.filter(assignee__username=wanted.officer)
        return [Part("e", ended, "ended_at_ms", "case_id")]
    found = cases.filter(wanted.on("", open_only=filters.show == "open"))
    if wanted.officer:
        theirs = WorkOrder.objects.filter(assignee__username=wanted.officer)
        found = found.filter(pk__in=theirs.values("case"))
    if filters.sort == "newest":
        shown = found.filter(state=CaseState.OPEN) if filters.show == "open" else found
        return [Part("n", shown, "opened_at_ms", "pk")]
    idle = cases.filter(wanted.on("", open_only=True), state=CaseState.OPEN)
    idle = idle.exclude(Exists(WorkOrder.objects.filter(case=OuterRef("pk"), state__in=OPEN_STATES)))
    chain = [due] if wanted.officer else [due, Part("i", idle, "opened_at_ms", "pk")]
    if filters.show == "all":
        chain.append(Part("c", found.filter(state=CaseState.CLOSED), "closed_at_ms", "pk"))
    return chain


def _due(orders: QuerySet[WorkOrder], show: str) -> Part:
    """What is due, the most urgent first.

    The one place that knows where deadlines come from: today each open work order has one. Other deadlines of a case
    are one more table here, with a due time, a number and a way to the case.
    """
    state = [WorkState(show)] if show in {"new", "accepted"} else list(OPEN_STATES)
    rows = orders.filter(state__in=state)
    if show == "overdue":
        rows = rows.filter(due_at_ms__lt=now_ms())
    return Part("d", rows, "due_at_ms", "case_id", rising=True)


def page(user: User, filters: Filters) -> Page:
    """The cases of one page."""
    chain = parts(user, filters)
    letter, after = _cursor(filters.before)
    counted = 0
    taken: list[tuple[str, int, int, int]] = []
    narrowed = filters.narrowed
    started = letter not in {part.letter for part in chain}
    for part in chain:
        size = part.count() if narrowed else FEW + 1
        counted += size
        started = started or part.letter == letter
        if not started or len(taken) > PAGE:
            continue
        place = after if part.letter == letter else None
        found = part.read(place, PAGE + 1 - len(taken), size <= FEW)
        taken += [(part.letter, *row) for row in found]
    older = ""
    if len(taken) > PAGE:
        taken = taken[:PAGE]
        older = "-".join(map(str, taken[-1][:3]))
    return Page(
        rows=_rows([case for *_, case in taken], user),
        older=older,
        found=min(counted, FEW) if narrowed else None,
        more=narrowed and counted > FEW,
    )


def _cursor(text: str) -> tuple[str, tuple[int, int] | None]:
    """Where a page begins; whatever is not a cursor of ours means at the beginning."""
    letter, _, rest = text.partition("-")
    key, _, number = rest.partition("-")
    if letter in tuple("dinwec") and key.isascii() and key.isdigit() and number.isascii() and number.isdigit():
        value, pk = int(key), int(number)
        if max(value, pk) < 2**63:
            return letter, (value, pk)
    return "", None


def _rows(case_ids: list[int], user: User) -> list[Row]:
    """The cases of a page with all that a row shows, in a fixed number of queries."""
    evidence = Prefetch("evidence", Evidence.objects.select_related("picture"))
    orders = Prefetch("work_orders", WorkOrder.objects.select_related("assignee").order_by("-issued_at_ms", "-pk"))
    seen: QuerySet[Case] = Case.objects.visible_to(user)
    found = seen.select_related("stay__agent", "grid").prefetch_related(evidence, orders).in_bulk(case_ids)
    return [_row(found[number]) for number in dict.fromkeys(case_ids) if number in found]


def _row(case: Case) -> Row:
    orders = list(case.work_orders.all())
    order = next((each for each in orders if each.state in OPEN_STATES), orders[0] if orders else None)
    return Row(case, order, due_of(case, order))


def due_of(case: Case, order: WorkOrder | None) -> int | None:
    """What a case's clock counts down to: the officer's deadline, or the end of the driver's time."""
    if order is not None and order.state in OPEN_STATES:
        return order.due_at_ms
    stay = getattr(case, "stay", None)
    if case.state == CaseState.WATCHED and stay is not None and stay.agent_state in CLOCK_RUNS:
        ends: int | None = stay.clock_ends_ms
        return ends
    return None
