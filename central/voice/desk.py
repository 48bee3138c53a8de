"""Pages for those who answer: what waits by the clock, one matter with its answer, which photos may be shown, figures."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import IntegerField, OuterRef, Q, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from central.cases import actions, fields
from central.cases.engine import RefusedError
from central.cases.models import Case
from central.cases.rules import definition_of
from central.cases.states import CaseState
from central.clocks.models import Clock, ClockState, Kind
from central.people.access import EVERYONE, roles
from central.people.policy import READS_ONLY, writers
from central.project.answers import csv_file, see_other
from central.project.asked import whole
from central.project.clock import now_ms
from central.voice import covering, figures, progress, tables
from central.voice.categories import categories, codes_of_services
from central.voice.intake import number_of, people_of
from central.voice.models import Saying, ShownPhoto

PAGE = 60
TABS = {
    "waiting": gettext_lazy("To be answered"),
    "working": gettext_lazy("Answered, not finished"),
    "table": gettext_lazy("At the round table"),
    "closed": gettext_lazy("Finished"),
}


@require_safe
@roles(*EVERYONE)
def inbox(request: HttpRequest) -> HttpResponse:
    """Matters of residents in scope, by when the answer is due."""
    show = request.GET.get("show", "")
    show = show if show in TABS else "waiting"
    reply = Clock._base_manager.filter(case=OuterRef("pk"), kind=Kind.REPLY, party__isnull=True).order_by(
        "-round"
    )
    seen = (
        Case.objects.visible_to(request.user)
        .filter(service_code__in=codes_of_services(), parent__isnull=True)
        .annotate(
            due_at_ms=Subquery(reply.values("due_at_ms")[:1], output_field=IntegerField()),
            clock_state=Subquery(reply.values("state")[:1]),
        )
    )
    waits = ~Q(state=CaseState.CLOSED) & ~Q(clock_state=ClockState.STOPPED) & ~Q(process_state=tables.TABLE)
    by_tab = {
        "waiting": seen.filter(waits, clock_state__isnull=False).order_by("due_at_ms", "pk"),
        "working": seen.filter(~Q(state=CaseState.CLOSED), clock_state=ClockState.STOPPED)
        .exclude(process_state=tables.TABLE)
        .order_by("-opened_at_ms", "-pk"),
        "table": seen.filter(process_state=tables.TABLE).order_by("due_at_ms", "pk"),
        "closed": seen.filter(state=CaseState.CLOSED).order_by("-closed_at_ms", "-pk"),
    }
    cases = list(by_tab[show].select_related("grid")[:PAGE])
    kinds = _kinds(cases)
    language = get_language() or ""
    rows = [
        {
            "case": case,
            "number": number_of(case),
            "category": kinds.get(case.pk, ""),
            "state": definition_of(case).by_name[case.process_state].titles.text(language),
            "due_at_ms": case.due_at_ms,
            "late": case.due_at_ms is not None and case.due_at_ms < now_ms(),
            "people": people_of(case),
        }
        for case in cases
    ]
    tabs = [
        {"name": name, "title": title, "count": by_tab[name].order_by().count(), "here": name == show}
        for name, title in TABS.items()
    ]
    context = {"rows": rows, "tabs": tabs, "show": show, "more": len(rows) == PAGE, "nav": "services"}
    return render(request, "voice/inbox.html", context)


@require_safe
@roles(*EVERYONE)
def matter(request: HttpRequest, case_id: int) -> HttpResponse:
    """One matter: what was said, by how many, its clocks, what may be done now."""
    return _matter(request, _find(request, case_id))


@require_POST
@roles(*writers("voice"))
def step(request: HttpRequest, case_id: int, name: str) -> HttpResponse:
    """Take a step of the matter - an answer stops the reply clock. Sent twice it is one step."""
    case = _find(request, case_id)
    rule = definition_of(case).transition(name)
    asked = [] if rule is None else [fields.rules_of(definition_of(case))[each] for each in rule.required]
    given = {
        one.name: int(text)
        if one.kind == "integer" and text.isascii() and text.isdigit() and len(text) < 10
        else text
        for one in asked
        if (text := request.POST.get(one.name, ""))
    }
    seen = whole(request.POST.get("seen", ""), 9)
    try:
        known = case.history_length if seen is None else seen
        actions.take(case.pk, request.user, name, given, seen=known)
    except RefusedError as error:
        reason = str(error.refusal.reason)
        wrong = {"form": name, "text": reason[:1].upper() + reason[1:], "given": given}
        return _matter(request, _find(request, case_id), wrong, 422 if error.refusal.code == "field" else 409)
    if rule is not None:
        messages.success(request, _("Done: %(step)s") % {"step": rule.titles.text(get_language() or "")})
    return _back(case_id)


@require_http_methods(["GET", "HEAD", "POST"])
@roles(*writers("shown_photos"))
def show_photo(request: HttpRequest, case_id: int, attachment_id: int) -> HttpResponse:
    """A photo beneath squares; posted, everybody with the link sees it without what lies below those marked, or no longer."""
    case = _find(request, case_id)
    photo = get_object_or_404(case.attachments, pk=attachment_id)
    rows = covering.rows_of(photo.width, photo.height)
    shown = ShownPhoto.objects.filter(case=case, attachment=photo).first()
    if request.method != "POST":
        marked = set(shown.covered.split(",")) if shown else set()
        squares = [
            {"number": number, "row": number // covering.COLUMNS + 1, "column": number % covering.COLUMNS + 1,
             "marked": str(number) in marked}
            for number in range(covering.COLUMNS * rows)
        ]  # fmt: skip
        context = {
            "case": case,
            "number": number_of(case),
            "photo": photo,
            "shown": shown,
            "squares": squares,
        }
        return render(request, "voice/photo.html", context | {"nav": "services"})
    if "hide" in request.POST:
        ShownPhoto.objects.filter(case=case, attachment=photo).delete()
        return _back(case_id)
    try:
        marked = covering.squares_of(request.POST.getlist("cover"), rows)
        progress.show(case, photo, request.user, marked, rows)
    except (ValueError, FileNotFoundError):
        messages.error(request, _("This photo cannot be shown now."))
    return _back(case_id)


@require_safe
@roles(*EVERYONE)
def figures_page(request: HttpRequest) -> HttpResponse:
    """Received, replied, escalated, closed - each by its definition, reckoned from the history."""
    days = _days(request)
    found = figures.figures(_in_period(request, days))
    context = {"lines": figures.lines(found), "days": days, "choices": figures.PERIODS, "nav": "services"}
    return render(request, "voice/figures.html", context)


@require_safe
@roles(*EVERYONE)
def figures_csv(request: HttpRequest) -> HttpResponse:
    """The same as CSV: UTF-8 with a mark that spreadsheets heed."""
    days = _days(request)
    found = figures.figures(_in_period(request, days))
    rows = [
        (line.name, "" if line.value is None else line.value, str(line.definition))
        for line in figures.lines(found)
    ]
    return csv_file(f"voice-{days}-days.csv", [("figure", "value", "definition"), *rows])


def _matter(
    request: HttpRequest, case: Case, wrong: dict[str, Any] | None = None, status: int = 200
) -> HttpResponse:
    language = get_language() or ""
    definition = definition_of(case)
    reads = request.user.role in READS_ONLY
    shown = set(ShownPhoto.objects.filter(case=case).values_list("attachment_id", flat=True))
    context = {
        "case": case,
        "number": number_of(case),
        "category": _kinds([case]).get(case.pk, ""),
        "state": definition.by_name[case.process_state].titles.text(language),
        "clocks": Clock.objects.visible_to(request.user).filter(case=case).order_by("started_at_ms", "pk"),
        "people": people_of(case),
        "children": case.children.order_by("opened_at_ms")[:50],
        "photos": [{"photo": photo, "shown": photo.pk in shown} for photo in case.attachments.all()],
        "may_show": request.user.role in writers("shown_photos"),
        "steps": []
        if reads
        else [_form(definition, choice, wrong) for choice in _choices(request, case, language)],
        "meetings": case.meetings.all(),
        "ratings": case.ratings.all(),
        "wrong": wrong,
        "may_write": request.user.role in writers("voice"),
        "now_ms": now_ms(),
        "nav": "services",
    }
    return render(request, "voice/matter.html", context, status=status)


def _choices(request: HttpRequest, case: Case, language: str) -> list[dict[str, Any]]:
    return actions.choices(case, request.user, language) if request.user.role in writers("voice") else []


def _form(definition: Any, choice: dict[str, Any], wrong: dict[str, Any] | None) -> dict[str, Any]:
    language = get_language() or ""
    mine = wrong if wrong is not None and wrong["form"] == choice["name"] else None
    rules = [fields.rules_of(definition)[name] for name in choice["required"]]
    return {
        **choice,
        "wrong": mine["text"] if mine else "",
        "fields": [
            {
                "name": rule.name,
                "title": rule.titles.text(language),
                "kind": rule.kind,
                "choices": [(value, DEPARTMENTS.get(value, value)) for value in rule.choices],
                "typed": (mine or {"given": {}})["given"].get(rule.name, ""),
            }
            for rule in rules
        ],
    }


DEPARTMENTS = {
    "community": gettext_lazy("Community committee"),
    "property": gettext_lazy("Property manager"),
    "city_management": gettext_lazy("City management"),
    "housing": gettext_lazy("Housing office"),
    "civil_affairs": gettext_lazy("Civil affairs"),
    "public_security": gettext_lazy("Public security"),
}


def _kinds(cases: list[Case]) -> dict[int, str]:
    language = get_language() or ""
    if not cases:
        return {}
    found = Saying.objects.filter(case__in=cases).order_by("-pk").values_list("case_id", "category")
    known = categories()
    return {pk: known[code].titles.text(language) for pk, code in found if code in known}


def _find(request: HttpRequest, case_id: int) -> Case:
    seen = Case.objects.visible_to(request.user).filter(service_code__in=codes_of_services())
    case: Case = get_object_or_404(seen.select_related("grid", "parent"), pk=case_id)
    return case


def _back(case_id: int) -> HttpResponse:
    return see_other(reverse("voice:matter", args=[case_id]))


def _days(request: HttpRequest) -> int:
    text = request.GET.get("days", "")
    return int(text) if text in {str(days) for days in figures.PERIODS} else figures.PERIODS[1]


def _in_period(request: HttpRequest, days: int) -> Any:
    return Case.objects.visible_to(request.user).filter(
        service_code__in=codes_of_services(), opened_at_ms__gte=now_ms() - days * 86_400_000
    )
