"""Figures of the hotline for a period, each with its definition. Closed, fixed and satisfied are three things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, F, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from central.cases.models import Case
from central.cases.rules import definition_of
from central.cases.states import CaseState
from central.hotline.common import show
from central.hotline.models import Call, CityOrder, Errand, ErrandKind, ErrandResult, ErrandState
from central.people import policy
from central.people.access import roles
from central.people.models import User
from central.project.answers import csv_file
from central.project.clock import local_day, midnight_ms, now_ms

DAYS = (1, 7, 30, 90, 366)

DEFINITIONS = {
    "calls_in": _("Calls that were taken."),
    "calls_out": _("Calls that we made."),
    "calls_without_case": _("Of the calls taken, those that opened or joined no case."),
    "opened": _("Cases of the hotline that were opened in the period."),
    "closed": _("Of these, cases that are closed now, however they ended."),
    "fixed": _("Of the closed ones, those that ended as put right by the rules of their service."),
    "not_fixed": _("Of the closed ones, those that ended explained, but not put right."),
    "reopened": _("Of the opened ones, those that were opened again at least once."),
    "asked": _("Return visits of the period that were made, whatever came of them."),
    "reached": _("Of these, where somebody answered."),
    "satisfied": _("Of those reached, the satisfied."),
    "basically": _("Of those reached, the basically satisfied."),
    "unsatisfied": _("Of those reached, the unsatisfied."),
    "unreachable": _("Return visits that nobody answered, given up."),
    "call_backs_done": _("Call-backs that were made in the period."),
    "call_backs_on_time": _("Of these, made before they were due."),
    "visits_done": _("Visits that were made in the period."),
    "supervisions_answered": _("Questions of supervision that were answered in the period."),
    "supervisions_on_time": _("Of these, answered before they were due."),
    "city_orders": _("Work orders of the city that reached us in the period."),
    "city_returned": _("Of these, returned to the city with a reason."),
    "city_finished": _("Of these, whose result the city was told."),
}
"""Name of a figure -> what it counts, in this order."""


@dataclass(frozen=True, slots=True)
class Period:
    """From an instant to another, UTC milliseconds; the end is not part of it."""

    days: int
    from_ms: int
    to_ms: int


def period_of(text: str) -> Period:
    """So many days of the calendar, today the last of them."""
    days = int(text) if text in {str(each) for each in DAYS} else 7
    now = now_ms()
    return Period(days, midnight_ms(local_day(now) - timedelta(days=days - 1)), now + 1)


def figures(user: User, period: Period) -> dict[str, int]:
    """Every figure of `DEFINITIONS` of what this person may see."""
    span = {"gte": period.from_ms, "lt": period.to_ms}
    calls = Call.objects.visible_to(user).filter(**{f"started_at_ms__{op}": at for op, at in span.items()})
    orders = CityOrder.objects.visible_to(user).filter(
        **{f"received_at_ms__{op}": at for op, at in span.items()}
    )
    of_cases = count(Case.objects.visible_to(user), Errand.objects.visible_to(user), period)
    found = {
        "calls_in": calls.filter(direction="in").count(),
        "calls_out": calls.filter(direction="out").count(),
        "calls_without_case": calls.filter(direction="in", case=None).count(),
        **of_cases,
        "city_orders": orders.count(),
        "city_returned": orders.filter(state="returned").count(),
        "city_finished": orders.filter(state="finished").count(),
    }
    return {name: found[name] for name in DEFINITIONS}


def count(seen: QuerySet[Case], errands: QuerySet[Errand], period: Period) -> dict[str, int]:
    """The figures of cases and of what was to be done.

    Args:
        seen: cases in somebody's scope.
        errands: the same.
        period: whose.
    """
    span = {"gte": period.from_ms, "lt": period.to_ms}
    mine = seen.filter(source="hotline")
    cases = mine.filter(**{f"opened_at_ms__{op}": at for op, at in span.items()})
    done = errands.filter(state=ErrandState.DONE, **{f"done_at_ms__{op}": at for op, at in span.items()})
    endings = _endings(cases)
    returns = done.filter(kind=ErrandKind.RETURN_VISIT)
    backs, asked = done.filter(kind=ErrandKind.CALL_BACK), done.filter(kind=ErrandKind.SUPERVISION)
    said = {each: returns.filter(result=each).count() for each in ErrandResult.values}
    unreached = said[ErrandResult.UNREACHABLE]
    total = returns.count()
    in_time = Q(done_at_ms__lte=F("due_at_ms"))
    return {
        "opened": cases.count(),
        "closed": cases.filter(state=CaseState.CLOSED).count(),
        "fixed": endings.get("fixed", 0),
        "not_fixed": endings.get("not_fixed", 0),
        "reopened": cases.filter(round__gt=0).count(),
        "asked": total,
        "reached": total - unreached,
        "satisfied": said[ErrandResult.SATISFIED],
        "basically": said[ErrandResult.BASICALLY],
        "unsatisfied": said[ErrandResult.UNSATISFIED],
        "unreachable": unreached,
        "call_backs_done": backs.count(),
        "call_backs_on_time": backs.filter(in_time).count(),
        "visits_done": done.filter(kind=ErrandKind.VISIT).count(),
        "supervisions_answered": asked.count(),
        "supervisions_on_time": asked.filter(in_time).count(),
    }


def _endings(cases: QuerySet[Case]) -> dict[str, int]:
    """How closed cases ended, by the rules that each of them follows."""
    closed = cases.filter(state=CaseState.CLOSED)
    found: dict[str, int] = {}
    for group in closed.order_by().values("definition_id", "process_state").annotate(n=Count("pk")):
        rules = definition_of(Case(definition_id=group["definition_id"]))
        ending = rules.by_name[group["process_state"]].ending or "closed"
        found[ending] = found.get(ending, 0) + group["n"]
    return found


@require_safe
@roles(*policy.readers("hotline"))
def page(request: HttpRequest) -> HttpResponse:
    """The figures of a period with what each counts."""
    period = period_of(request.GET.get("days", ""))
    counted = figures(request.user, period)
    context = {
        "rows": [(name, counted[name], words) for name, words in DEFINITIONS.items()],
        "days": DAYS,
        "period": period,
    }
    return show(request, "figures", "hotline/figures.html", context)


@require_safe
@roles(*policy.readers("hotline"))
def table(request: HttpRequest) -> HttpResponse:
    """The same as CSV: UTF-8 with a mark that spreadsheets heed. Nothing in it is about one person."""
    period = period_of(request.GET.get("days", ""))
    rows: list[Sequence[object]] = [(name, count) for name, count in figures(request.user, period).items()]
    head = [("figure", "count"), ("from_ms", period.from_ms), ("to_ms", period.to_ms)]
    return csv_file(f"hotline-{period.days}.csv", [*head, *rows])
