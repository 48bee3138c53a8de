"""The list of cases, read in pages that stay fast with a million rows behind them.

A list is a chain of *parts*, each with one order that an index holds: what is due by its deadline, what is open
without a deadline, what has ended. A page is filled from the parts in turn and says where the next one begins (keyset
paging: no row is counted to be skipped).

Where a filter leaves few rows, those are fetched and sorted; where it leaves many, the order's index is walked, which
meets enough of them soon. Databases guess between the two and sometimes guess wrong, so each part counts up to
`FEW` and says which way it wants. That count is also the figure which the page shows.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from django.db import connection
from django.db.models import BigAutoField, Exists, F, Lookup, OuterRef, Q, QuerySet

from central.cases.models import Case, WorkOrder
from central.cases.states import OPEN_STATES, CaseState, WorkState
from central.fleet.models import Agent
from central.grids.models import Grid
from central.pages.filters import Filters
from central.pages.rows import WORK_IS_OPEN, Row, read
from central.parking.models import Stay
from central.people.models import User
from central.project.asked import whole
from central.project.clock import now_ms

PAGE = 50
FEW = 4000
"""Rows that are sorted in a few milliseconds. A filter that leaves more than this many of 100,000 open cases fills a
page after about 25 x `PAGE` steps along the index."""

LATER = "narrowed to the reader's cases by the part that reads it"
"""Why rows are taken without a scope here: `Part` keeps those whose case is among what `visible_to` gave."""


@BigAutoField.register_lookup
class Among(Lookup):  # type: ignore[type-arg]
    """`pk__among=[1, 2]`: numbers that stand in the SQL, because to bind thousands takes longer than to look them up."""

    lookup_name = "among"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """The condition, and what is bound in its left side."""
        left, bound = self.process_lhs(compiler, connection)
        listed = ",".join(str(int(number)) for number in self.rhs) or "NULL"
        return f"{left} IN ({listed})", list(bound)


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the list, and where the next begins."""

    rows: list[Row]
    older: str
    found: int | None
    """How many cases the list has, up to `FEW`; None where nothing was narrowed, which would mean counting all."""
    more: bool = False
    """Whether there are more than `found`."""


Key = tuple[int, int, int]
"""Key, number and case of a row."""


class Found:
    """The cases that the reader sees and the filters let through."""

    def __init__(self, cases: QuerySet[Case]) -> None:
        self.cases = cases

    @cached_property
    def numbers(self) -> list[int] | None:
        """Their numbers, in no order; None where there are more than `FEW`. Read once for all parts of a list."""
        read = list(self.cases.order_by().values_list("pk", flat=True)[: FEW + 1])
        return read if len(read) <= FEW else None

    def keyed(self, key: str) -> list[Key] | None:
        """The cases themselves as rows of a list with this key, in no order; None where there are more than `FEW`."""
        read = list(self.cases.order_by().values_list(key, "pk", "pk")[: FEW + 1])
        return read if len(read) <= FEW else None


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the list: rows in one order.

    `rows` are a table's rows with conditions of their own, `found` the cases that the reader sees and the filters let
    through; a row is in the list where its case, `case`, is among them. Sorted by `key`, ascending if `rising`, then
    by falling number.
    """

    letter: str
    rows: QuerySet[Any]
    found: Found | None
    key: str
    case: str
    rising: bool = False
    number: str = "pk"
    sharp: bool = False
    """The rows' own conditions leave few."""
    whole: bool = False
    """Every case of `found` has a row here or in the part beside it."""
    rest: bool = False
    """What is left of the same cases by the part before: a case with a row there has none here."""
    same: bool = False
    """The rows are the cases of `found` themselves, all of them: one question instead of two."""

    def few(self, before: list[Key] | None = None) -> list[Key] | None:
        """All rows, in no order; None where there are more than `FEW` or nobody can tell without reading them.

        Args:
            before: the same of the part before.
        """
        if self.found is None:
            return None
        if self.same:
            return self.found.keyed(self.key)
        if self.sharp:
            own = self.rows.order_by().values(self.number)[: FEW + 1].count() <= FEW
            rows = self._walk() if own or self.found.numbers is not None else None
        else:
            numbers = self.found.numbers
            if self.rest and before is not None and numbers is not None:
                numbers = list({*numbers} - {case for *_, case in before})
            rows = None if numbers is None else self._of(numbers)
        if rows is None:
            return None
        return list(rows.order_by().values_list(self.key, self.number, self.case))

    def sort(self, rows: list[Key], after: tuple[int, int] | None, count: int) -> list[Key]:
        """The next of these rows. Those without a key are in no list."""
        sign = 1 if self.rising else -1
        keyed = sorted((sign * key, -number, case) for key, number, case in rows if key is not None)
        first = 0 if after is None else bisect_right(keyed, (sign * after[0], -after[1], math.inf))
        return [(sign * key, -number, case) for key, number, case in keyed[first : first + count]]

    def walk(self, after: tuple[int, int] | None, count: int) -> list[Key]:
        """The next rows, along the index that holds their order."""
        rows = self._walk().filter(**{f"{self.key}__isnull": False})
        if after is not None:
            value, number = after
            side, tie = ("gt", "gte") if self.rising else ("lt", "lte")
            # The first condition bounds the walk along the index, the second settles ties.
            rows = rows.filter(Q(**{f"{self.key}__{tie}": value})).filter(
                Q(**{f"{self.key}__{side}": value}) | Q(**{f"{self.number}__lt": number})
            )
        order = (F(self.key).asc() if self.rising else F(self.key).desc(), F(self.number).desc())
        return list(rows.order_by(*order).values_list(self.key, self.number, self.case)[:count])

    def _of(self, numbers: list[int]) -> QuerySet[Any]:
        """Rows of these cases."""
        return self.rows.filter(**{"pk__among" if self.case == "pk" else "case__pk__among": numbers})

    def _walk(self) -> QuerySet[Any]:
        """Along the rows; each is asked whether its case is wanted, which no database turns round."""
        if self.found is None:
            return self.rows
        return self.rows.filter(Exists(self.found.cases.order_by().filter(pk=OuterRef(self.case))))


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
            return wanted & Q(**{f"{prefix}pk__among": named})
        return wanted & (_plate(prefix, self.text) | _place(prefix, self.text, open_only=open_only))


def _plate(prefix: str, text: str) -> Q:
    return begins(f"{prefix}stay__plate", text.upper())


def _place(prefix: str, text: str, *, open_only: bool) -> Q:
    """Open cases: anywhere in the place. All cases: at its beginning, which an index finds among millions."""
    if not open_only:
        return begins(f"{prefix}place", text)
    return Q(**{f"{prefix}place__contains": text, f"{prefix}state": CaseState.OPEN})


def _by_plate(text: str) -> set[int]:
    plates = Stay.objects.unscoped(LATER).filter(begins("plate", text.upper()))
    return set(plates.order_by().values_list("case_id", flat=True)[: FEW + 1])


def _found(text: str, plates: set[int], *, open_only: bool) -> list[int] | None:
    """Cases whose plate, place or number the text means; not yet narrowed to what the reader may see."""
    found = set(
        Case.objects.unscoped(LATER)
        .filter(_place("", text, open_only=open_only))
        .order_by()
        .values_list("pk", flat=True)[: FEW + 1]
    )
    found |= plates
    number = whole(text.removeprefix("#"))
    if number is not None:
        found.add(number)
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
    if filters.zone:
        conditions["stay__zone_id"] = filters.zone
    officer = None
    if filters.officer:
        officer = list(User.objects.filter(username=filters.officer).values_list("pk", flat=True))
    if not filters.q:
        return Narrowing(conditions, officer)
    plates = _by_plate(filters.q)
    return Narrowing(
        conditions,
        officer,
        text=filters.q,
        among_open=_found(filters.q, plates, open_only=True),
        among_all=_found(filters.q, plates, open_only=False),
    )


def subtree(user: User, code: str) -> list[int]:
    """A grid and all grids under it, by its code."""
    seen: QuerySet[Grid] = Grid.objects.visible_to(user)
    under = Q(code=code) | Q(parent__code=code) | Q(parent__parent__code=code)
    return list(seen.filter(under | Q(parent__parent__parent__code=code)).values_list("pk", flat=True))


def _literally(rows: QuerySet[Any], condition: str) -> QuerySet[Any]:
    """A condition with its values in the SQL: SQLite takes an index with this condition for a query that spells it."""
    return rows.extra(where=[condition])  # noqa: S610 - constants of this module, nothing from outside


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
    is_open = Found(cases.filter(wanted.on("", open_only=True), state=CaseState.OPEN))
    due = _due(is_open, by_officer, filters.show, sharp)
    if filters.show in {"new", "accepted", "overdue"}:
        return [due]
    if filters.show == "watched":
        watched = Found(cases.filter(wanted.on("", open_only=False), state=CaseState.WATCHED))
        running = _literally(Stay.objects.unscoped(LATER), _RUNNING)
        return [] if sharp else [Part("w", running, watched, "clock_ends_ms", "case_id", True, "case_id")]
    if filters.show in {"closed", "retracted"}:
        ended = WorkOrder.objects.unscoped(LATER).filter(by_officer, state=filters.show)
        found = cases.filter(wanted.on("", open_only=False))
        return [Part("e", ended, Found(found), "ended_at_ms", "case_id", sharp=sharp)]
    found = cases.filter(wanted.on("", open_only=filters.show == "open"))
    if wanted.officer is not None:
        theirs = WorkOrder.objects.filter(assignee__in=wanted.officer)
        found = found.filter(pk__in=theirs.values("case"))
    if filters.sort == "newest":
        shown = _literally(cases, _OPEN) if filters.show == "open" else cases
        found = found.filter(state=CaseState.OPEN) if filters.show == "open" else found
        return [
            Part(
                "n",
                shown,
                Found(found) if filters.narrowed else None,
                "opened_at_ms",
                "pk",
                whole=True,
                same=True,
            )
        ]
    idle = _literally(cases, _OPEN)
    idle = idle.exclude(Exists(WorkOrder.objects.filter(case=OuterRef("pk"), state__in=OPEN_STATES)))
    chain = [due]
    if wanted.officer is None:
        chain.append(
            Part(
                "i", idle, is_open if filters.narrowed else None, "opened_at_ms", "pk", whole=True, rest=True
            )
        )
    if filters.show == "all":
        closed = _literally(cases, _CLOSED)
        ended_cases = Found(found.filter(state=CaseState.CLOSED)) if filters.narrowed else None
        chain.append(Part("c", closed, ended_cases, "closed_at_ms", "pk", whole=True, same=True))
    return chain


def _due(found: Found, own: Q, show: str, sharp: bool) -> Part:
    """What is due, the most urgent first.

    The one place that knows where deadlines come from: today each open work order has one, and a case with an open
    work order is open. Other deadlines of a case are one more table here, with a due time, a number and a way to the
    case.
    """
    rows = _literally(WorkOrder.objects.unscoped(LATER).filter(own), WORK_IS_OPEN)
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
    counted, many, known = 0, False, True
    few: list[Key] | None = None
    started = letter not in {part.letter for part in chain}
    for part in chain:
        started = started or part.letter == letter
        reads = started and len(taken) <= PAGE
        # A part is counted where its rows are wanted, and else only while the list may still be short.
        few = part.few(few) if filters.narrowed and (reads or not many) else None
        counted += len(few or ())
        many = many or counted > FEW or (few is None and part.whole)
        known = known and few is not None
        if not reads:
            continue
        place = after if part.letter == letter else None
        count = PAGE + 1 - len(taken)
        found = part.walk(place, count) if few is None else part.sort(few, place, count)
        taken += [(part.letter, *row) for row in found]
    older = ""
    if len(taken) > PAGE:
        taken = taken[:PAGE]
        older = "-".join(map(str, taken[-1][:3]))
    rows = read([case for *_, case in taken], user)
    if not filters.narrowed:
        return Page(rows, older, None)
    return Page(rows, older, FEW if many else counted if known else None, many)


def waiting(user: User, but: Q, count: int) -> list[int]:
    """Numbers of the work orders that wait for somebody, the most urgent first.

    Args:
        user: whose scope.
        but: condition on a work order; those that it describes are left out.
        count: at most so many.
    """
    seen: QuerySet[Case] = Case.objects.visible_to(user)
    due = _due(Found(seen.filter(state=CaseState.OPEN)), Q(), "new", False)
    due = replace(due, rows=due.rows.exclude(but))
    few = due.few()
    rows = due.walk(None, count) if few is None else due.sort(few, None, count)
    return [number for _, number, _ in rows]


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
