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
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from central.cases.models import Case, WorkOrder
from central.cases.states import OPEN_STATES, CaseState, WorkState
from central.fleet.models import Agent
from central.grids.models import Grid
from central.pages.filters import Filters
from central.pages.rows import Row, read
from central.parking.models import Stay
from central.people.models import User
from central.project.clock import now_ms

PAGE = 50
FEW = 4000
"""Rows that are sorted in a few milliseconds. A filter that leaves more than this many of 100,000 open cases fills a
page after about 25 x `PAGE` steps along the index."""

LATER = "narrowed to the reader's cases by the part that reads it"
"""Why rows are taken without a scope here: `Part` keeps those whose case is among what `visible_to` gave."""


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

    `rows` are a table's rows with conditions of their own, `found` the cases that the reader sees and the filters let
    through; a row is in the list where its case, `case`, is among them. Sorted by `key`, ascending if `rising`, then
    by falling number.
    """

    letter: str
    rows: QuerySet[Any]
    found: QuerySet[Case] | None
    key: str
    case: str
    rising: bool = False
    number: str = "pk"
    sharp: bool = False
    """The rows' own conditions leave few."""
    whole: bool = False
    """Every case of `found` has a row here or in the part beside it."""

    def read(self, after: tuple[int, int] | None, count: int, few: bool) -> list[tuple[int, int, int]]:
        """(key, number, case) of the next rows."""
        rows = self._gather() if few else self._walk()
        rows = rows.filter(**{f"{self.key}__isnull": False})
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

    def size(self) -> int | None:
        """How many rows, up to `FEW`; None where there are more or nobody can tell without reading them."""
        if self.found is None:
            return None
        if self.found.order_by().values("pk")[: FEW + 1].count() <= FEW:
            return self._gather().order_by().values(self.number)[: FEW + 1].count()
        if self.sharp and self.rows.order_by().values(self.number)[: FEW + 1].count() <= FEW:
            return self._walk().order_by().values(self.number)[: FEW + 1].count()
        return None

    def _gather(self) -> QuerySet[Any]:
        """From the cases to their rows."""
        if self.found is None or self.sharp:
            return self._walk()
        return self.rows.filter(**{f"{self.case}__in": self.found.order_by().values("pk")})

    def _walk(self) -> QuerySet[Any]:
        """Along the rows; each is asked whether its case is wanted, which no database turns round."""
        if self.found is None:
            return self.rows
        return self.rows.filter(Exists(self.found.order_by().filter(pk=OuterRef(self.case))))


@dataclass(frozen=True, slots=True)
class Narrowing:
    """The filters, looked up, as conditions on a case."""

    conditions: dict[str, Any] = field(default_factory=dict)
    officer: list[int] | None = None
    """Whose tasks; None where the filter is not set."""
    nothing: bool = False
    text: str = ""
    among_open: list[int] | None = None
    among_all: list[int] | None = None
    """Numbers of the cases that the text finds; None where those are too many to name."""

    def on(self, to: str, *, open_only: bool) -> Q:
        """The condition for a table that reaches its case by the path `to` ('' for the case itself)."""
        prefix = f"{to}__" if to else ""
        wanted = Q(**{prefix + name: value for name, value in self.conditions.items()})
        if not self.text:
            return wanted
        named = self.among_open if open_only else self.among_all
        if named is not None:
            return wanted & Q(**{f"{prefix}pk__in": named})
        return wanted & (_plate(prefix, self.text) | _place(prefix, self.text, open_only=open_only))


def _plate(prefix: str, text: str) -> Q:
    return begins(f"{prefix}stay__plate", text.upper())


def _place(prefix: str, text: str, *, open_only: bool) -> Q:
    """Open cases: anywhere in the place. All cases: at its beginning, which an index finds among millions."""
    if not open_only:
        return begins(f"{prefix}place", text)
    return Q(**{f"{prefix}place__contains": text, f"{prefix}state": CaseState.OPEN})


def _found(text: str, *, open_only: bool) -> list[int] | None:
    """Cases whose plate, place or number the text means; not yet narrowed to what the reader may see."""
    found = set(
        Case.objects.unscoped(LATER)
        .filter(_place("", text, open_only=open_only))
        .order_by()
        .values_list("pk", flat=True)[: FEW + 1]
    )
    plates = Stay.objects.unscoped(LATER).filter(begins("plate", text.upper()))
    found |= set(plates.order_by().values_list("case_id", flat=True)[: FEW + 1])
    number = text.removeprefix("#")
    if number.isascii() and number.isdigit() and len(number) < 19:
        found.add(int(number))
    return sorted(found) if len(found) <= FEW else None


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
        agents: QuerySet[Agent] = Agent.objects.visible_to(user)
        agents = agents.filter(agent_id=agent) if agent else agents
        conditions["stay__agent__in"] = list(agents.values_list("pk", flat=True))
    officer = None
    if filters.officer:
        officer = list(User.objects.filter(username=filters.officer).values_list("pk", flat=True))
    if not filters.q:
        return Narrowing(conditions, officer)
    return Narrowing(
        conditions,
        officer,
        text=filters.q,
        among_open=_found(filters.q, open_only=True),
        among_all=_found(filters.q, open_only=False),
    )


def subtree(user: User, code: str) -> list[int]:
    """A grid and all grids under it, by its code."""
    seen: QuerySet[Grid] = Grid.objects.visible_to(user)
    under = Q(code=code) | Q(parent__code=code) | Q(parent__parent__code=code)
    return list(seen.filter(under | Q(parent__parent__parent__code=code)).values_list("pk", flat=True))


def _literally(rows: QuerySet[Any], condition: str) -> QuerySet[Any]:
    """A condition with its values in the SQL: SQLite takes an index with this condition for a query that spells it."""
    return rows.extra(where=[condition])  # noqa: S610 - constants of this module, nothing from outside


_DUE = "\"cases_workorder\".\"state\" IN ('new', 'accepted')"
_OPEN = '"cases_case"."state" = \'open\''
_CLOSED = '"cases_case"."state" = \'closed\''
_RUNNING = "\"parking_stay\".\"agent_state\" IN ('confirmed', 'notified', 'unnotifiable', 'rechecking')"


def parts(user: User, filters: Filters) -> list[Part]:
    """The stretches of the list that was asked for, in their order."""
    wanted = narrow(user, filters)
    if wanted.nothing:
        return []
    cases: QuerySet[Case] = Case.objects.visible_to(user)
    by_officer = Q() if wanted.officer is None else Q(assignee__in=wanted.officer)
    sharp = wanted.officer is not None
    is_open = cases.filter(wanted.on("", open_only=True), state=CaseState.OPEN)
    due = _due(is_open, by_officer, filters.show, sharp)
    if filters.show in {"new", "accepted", "overdue"}:
        return [due]
    if filters.show == "watched":
        watched = cases.filter(wanted.on("", open_only=False), state=CaseState.WATCHED)
        running = _literally(Stay.objects.unscoped(LATER), _RUNNING)
        return [] if sharp else [Part("w", running, watched, "clock_ends_ms", "case_id", True, "case_id")]
    if filters.show in {"closed", "retracted"}:
        ended = WorkOrder.objects.unscoped(LATER).filter(by_officer, state=filters.show)
        found = cases.filter(wanted.on("", open_only=False))
        return [Part("e", ended, found, "ended_at_ms", "case_id", sharp=sharp)]
    found = cases.filter(wanted.on("", open_only=filters.show == "open"))
    if wanted.officer is not None:
        theirs = WorkOrder.objects.filter(assignee__in=wanted.officer)
        found = found.filter(pk__in=theirs.values("case"))
    if filters.sort == "newest":
        shown = _literally(cases, _OPEN) if filters.show == "open" else cases
        found = found.filter(state=CaseState.OPEN) if filters.show == "open" else found
        return [Part("n", shown, found if filters.narrowed else None, "opened_at_ms", "pk", whole=True)]
    idle = _literally(cases, _OPEN)
    idle = idle.exclude(Exists(WorkOrder.objects.filter(case=OuterRef("pk"), state__in=OPEN_STATES)))
    chain = [due]
    if wanted.officer is None:
        chain.append(Part("i", idle, is_open if filters.narrowed else None, "opened_at_ms", "pk", whole=True))
    if filters.show == "all":
        closed = _literally(cases, _CLOSED)
        ended_cases = found.filter(state=CaseState.CLOSED) if filters.narrowed else None
        chain.append(Part("c", closed, ended_cases, "closed_at_ms", "pk", whole=True))
    return chain


def _due(found: QuerySet[Case], own: Q, show: str, sharp: bool) -> Part:
    """What is due, the most urgent first.

    The one place that knows where deadlines come from: today each open work order has one, and a case with an open
    work order is open. Other deadlines of a case are one more table here, with a due time, a number and a way to the
    case.
    """
    rows = _literally(WorkOrder.objects.unscoped(LATER).filter(own), _DUE)
    if show in {"new", "accepted"}:
        rows = rows.filter(state=WorkState(show))
    if show == "overdue":
        rows = rows.filter(due_at_ms__lt=now_ms())
    plain = show in {"all", "open"} and not sharp
    return Part("d", rows, found, "due_at_ms", "case_id", rising=True, sharp=sharp, whole=plain)


def page(user: User, filters: Filters) -> Page:
    """The cases of one page."""
    chain = parts(user, filters)
    letter, after = _cursor(filters.before)
    taken: list[tuple[str, int, int, int]] = []
    sizes: list[int | None] = []
    started = letter not in {part.letter for part in chain}
    for part in chain:
        size = part.size() if filters.narrowed else None
        sizes.append(size)
        started = started or part.letter == letter
        if not started or len(taken) > PAGE:
            continue
        place = after if part.letter == letter else None
        found = part.read(place, PAGE + 1 - len(taken), size is not None)
        taken += [(part.letter, *row) for row in found]
    older = ""
    if len(taken) > PAGE:
        taken = taken[:PAGE]
        older = "-".join(map(str, taken[-1][:3]))
    rows = read([case for *_, case in taken], user)
    if not filters.narrowed:
        return Page(rows, older, None)
    counted = sum(size or 0 for size in sizes)
    many = counted > FEW or any(size is None and part.whole for size, part in zip(sizes, chain, strict=True))
    known = many or None not in sizes
    return Page(rows, older, min(FEW, counted) if known and not many else FEW if many else None, many)


def _cursor(text: str) -> tuple[str, tuple[int, int] | None]:
    """Where a page begins; whatever is not a cursor of ours means at the beginning."""
    letter, _, rest = text.partition("-")
    key, _, number = rest.partition("-")
    if (
        letter in tuple("dinwec")
        and key.isascii()
        and key.isdigit()
        and number.isascii()
        and number.isdigit()
    ):
        value, pk = int(key), int(number)
        if max(value, pk) < 2**63:
            return letter, (value, pk)
    return "", None
