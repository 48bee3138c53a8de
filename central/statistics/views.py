"""The statistics page and its tables as CSV."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from central.cases.models import Case, WorkOrder
from central.cases.rules import title_of
from central.cases.states import Result
from central.grids.models import Grid
from central.people.access import EVERYONE, roles
from central.people.subtree import below
from central.project.answers import csv_file
from central.project.clock import now_ms
from central.statistics import charts, figures
from central.statistics.definitions import DEFINITIONS
from central.statistics.endings import ENDINGS, endings
from central.statistics.figures import Source
from central.statistics.period import PRESETS, Period, read_period
from protocol.errors import PatrolError

LEVELS = 3
"""Grids down to this level can be chosen; leaves are too many for a list and are reached by their code."""


@require_safe
@roles(*EVERYONE)
def page(request: HttpRequest) -> HttpResponse:
    """Everything of one period, for what this person may see."""
    grids = list(
        Grid.objects.visible_to(request.user).filter(level__lte=LEVELS).order_by("level", "code")[:500]
    )
    context = {
        "presets": list(PRESETS),
        "definitions": DEFINITIONS,
        "grids": grids,
        "grid_code": request.GET.get("grid", "")[:40],
        "nav": "statistics",
    }
    try:
        source, period = _asked(request)
    except PatrolError as error:
        context |= {"problem": _in_words(error), "period": read_period({}, now_ms())}
        return render(request, "statistics/page.html", context, status=400)
    shown = figures.all_figures(source, period)
    context |= {
        "period": period,
        "figures": shown,
        "endings": [(_title(row.service_code), row) for row in endings(source, period)],
        "chart": charts.bars(shown.days),
        "results": [(result.label, count) for result, count in shown.results.items()],
        "query": request.GET.urlencode(),
    }
    return render(request, "statistics/page.html", context)


@require_safe
@roles(*EVERYONE)
def table(request: HttpRequest, name: str) -> HttpResponse:
    """One table as CSV: UTF-8 with a mark that spreadsheets heed, column names in English, instants in UTC."""
    if name not in TABLES:
        raise Http404
    try:
        source, period = _asked(request)
    except PatrolError as error:
        return HttpResponse(f"{error}\n", status=400, content_type="text/plain; charset=utf-8")
    head, rows = TABLES[name](source, period)
    return csv_file(f"{name}-{period.first:%Y%m%d}-{period.last:%Y%m%d}.csv", [head, *rows])


def _asked(request: HttpRequest) -> tuple[Source, Period]:
    """What to count and for when, narrowed to a grid and all below it where one is named.

    Raises:
        PatrolError: the period is none, or this person sees no such grid.
    """
    now = now_ms()
    period = read_period({name: request.GET.get(name, "") for name in ("period", "from", "to")}, now)
    cases = Case.objects.visible_to(request.user)
    orders = WorkOrder.objects.visible_to(request.user)
    code = request.GET.get("grid", "")[:40]
    if code:
        node = Grid.objects.visible_to(request.user).filter(code=code).first()
        if node is None:
            raise PatrolError(
                "there is no such grid", field="grid", value=code, mend="Choose one of the list."
            )
        grids = below([(node.pk, node.jurisdiction_id)])
        cases, orders = cases.filter(grid__in=grids), orders.filter(case__grid__in=grids)
    return Source(cases, orders, now), period


def _in_words(error: PatrolError) -> str:
    """What to mend, in the reader's language; the command line says more."""
    if error.field == "grid":
        return _("There is no such grid among those that you see.")
    if error.field == "period":
        return _("There is no such period.")
    return _("Give two dates, the earlier one first, at most a year apart.")


Table = tuple[Sequence[str], Iterable[Sequence[object]]]


def _figures(source: Source, period: Period) -> Table:
    departure, on_time = figures.departure(source, period), figures.on_time(source, period)
    found, retracted = figures.results(source, period)
    rows: list[Sequence[object]] = [
        ("warned", departure.warned, "", "", ""),
        ("left_after_warning", departure.left, _round(departure.rate.share), *_interval(departure.rate)),
        ("tasked_after_warning", departure.tasked, "", "", ""),
        ("ended_without_proof", departure.unproven, "", "", ""),
        ("not_decided_yet", departure.undecided, "", "", ""),
        ("tasks_closed_on_time", on_time.on_time, _round(on_time.rate.share), *_interval(on_time.rate)),
        ("tasks_closed_late", on_time.late, "", "", ""),
        ("tasks_open_and_late", on_time.open_late, "", "", ""),
        ("tasks_retracted", retracted, "", "", ""),
        *((f"result_{result.value}", found[result], "", "", "") for result in Result),
    ]
    return ("figure", "count", "share", "share_low_95", "share_high_95"), rows


def _places(source: Source, period: Period) -> Table:
    head = ("place", "camera", "zone", "cases", "days", "warned", "left", "tasked")
    return head, (
        (p.name, p.camera_id, p.zone_id, p.cases, p.days, p.warned, p.left, p.tasked)
        for p in figures.places(source, period, shown=None)
    )


def _officers(source: Source, period: Period) -> Table:
    head = ("officer", "accepted", "closed", "on_time", "retracted", "median_minutes_to_close", "open_now")
    return head, (
        (o.name, o.accepted, o.closed, o.on_time.hits, o.retracted, _round(o.minutes_to_close, 1), o.open_now)
        for o in figures.officers(source, period)
    )


def _days(source: Source, period: Period) -> Table:
    head = ("day", "cases", "warned", "left", "tasks")
    return head, (
        (d.day.isoformat(), d.cases, d.warned, d.left, d.tasks) for d in figures.days(source, period)
    )


def _precision(source: Source, period: Period) -> Table:
    head = ("place", "agent", "camera", "zone", "zone_version", "confirmed", "false", "gone", "other")
    return (*head, "precision", "low_95", "high_95"), (
        (
            *(z.zone_name, z.agent_id, z.camera_id, z.zone_id, z.zone_version),
            *(z.confirmed, z.false, z.gone, z.other, _round(z.precision), _round(z.low), _round(z.high)),
        )
        for z in figures.precision(source, period)
    )


def _endings(source: Source, period: Period) -> Table:
    head = ("service", "closed", *ENDINGS, "opened_again", "resolved_on_time", "resolution_due")
    return (*head, "share", "share_low_95", "share_high_95"), (
        (
            *(row.service_code, row.closed, *row.counts.values(), row.again),
            *(row.resolved.hits, row.resolved.of, _round(row.resolved.share), *_interval(row.resolved)),
        )
        for row in endings(source, period)
    )


def _title(service_code: str) -> str:
    """What a kind of case is called; one whose file is gone keeps its code."""
    return title_of(service_code, get_language() or "zh")


def _round(value: float | None, digits: int = 4) -> object:
    return "" if value is None else round(value, digits)


def _interval(share: figures.Share) -> tuple[object, object]:
    return (_round(share.low), _round(share.high)) if share.of else ("", "")


TABLES = {
    "figures": _figures,
    "places": _places,
    "officers": _officers,
    "days": _days,
    "precision": _precision,
    "endings": _endings,
}
