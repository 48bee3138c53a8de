"""The form for a call: one page, the keyboard alone, everything known of the number and the place beside it."""

from __future__ import annotations

import uuid
from collections import Counter
from typing import Any

from django.contrib import messages
from django.db.models import Count, Max
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from central.cases import reporters
from central.cases.alike import Report, dice, pairs
from central.cases.clustering import alike
from central.cases.models import Case
from central.cases.rules import service
from central.cases.states import CaseState
from central.grids.models import Grid
from central.hotline import calls
from central.hotline.common import chosen, configured, jurisdictions, refusal, show, title
from central.hotline.config import HotlineFile, Subject
from central.hotline.models import Direction
from central.hotline.places import complete, has_letters
from central.people import policy
from central.people.access import roles
from central.project.asked import whole
from central.project.clock import now_ms
from protocol.errors import PatrolError

PLACES = 8
SAME_PLACE = 0.75
"""From so much likeness of words on two places are shown as the same."""

KNOWN_PLACES = 3000
"""Of so many cases, the newest, the places are found by their initials."""

LOOKED_THROUGH = 400
"""Open cases, the newest, whose places are compared with what is typed."""


@require_http_methods(["GET", "HEAD", "POST"])
@roles(*policy.writers("hotline"))
def new(request: HttpRequest) -> HttpResponse:
    """Write a call down, with a case, for an earlier case, or without one."""
    found, trouble = configured()
    if request.method != "POST":
        given = {"key": str(uuid.uuid4()), "began": str(now_ms()), "direction": Direction.IN}
        return _form(request, found, trouble, given)
    given = request.POST.dict()
    subject, several = resolve(found, given.get("subject", ""))
    opens = given.get("then", "case") == "case"
    join = given.get("join", "")
    try:
        if opens and not join and subject is None:
            raise PatrolError("what is it about? A subject is needed", field="subject")
        call, fresh = calls.take(_read(request, subject, opens=opens), request.user)
    except Case.DoesNotExist:
        error = PatrolError("there is no such case", field="join")
        return _form(request, found, trouble, given, error, several)
    except PatrolError as error:
        return _form(request, found, trouble, given, error, several)
    if not fresh:
        messages.info(request, _("This call was stored before."))
    elif call.case is None:
        messages.success(request, _("The call is stored, without a case."))
    else:
        messages.success(request, _("Stored: call and case %(number)d.") % {"number": call.case.pk})
    return HttpResponseRedirect(reverse("hotline:new"))


@require_POST
@roles(*policy.writers("hotline"))
def caller(request: HttpRequest) -> HttpResponse:
    """What is known of a number: open cases first. A POST, so that no number stands in an address or a log."""
    context: dict[str, Any] = {"asked": False, "join": request.POST.get("join", "")}
    place = chosen(request)
    if place and request.POST.get("phone", "").strip():
        try:
            reporter = reporters.find(place, request.POST["phone"])
        except PatrolError as error:
            context["number_wrong"] = refusal(error)
        else:
            context["asked"] = True
            if reporter is not None:
                context["history"] = calls.history_of(request.user, reporter)
    return render(request, "hotline/_caller.html", context)


caller.patrol_reads = True  # type: ignore[attr-defined]


@require_safe
@roles(*policy.writers("hotline"))
def places(request: HttpRequest) -> HttpResponse:
    """Places that hold what is typed: of earlier cases, the most frequent first, and of grids."""
    typed = request.GET.get("place", "").strip()[:100]
    found: list[str] = []
    place = chosen(request)
    if typed and place:
        seen = Case.objects.visible_to(request.user).filter(jurisdiction_id=place, place__icontains=typed)
        rows = seen.values("place").annotate(times=Count("pk"), last=Max("opened_at_ms"))
        found = [row["place"] for row in rows.order_by("-times", "-last")[:PLACES]]
        grids = Grid.objects.visible_to(request.user).filter(jurisdiction_id=place, name__icontains=typed)
        found += grids.order_by("-level", "code").values_list("name", flat=True)[: PLACES - len(found)]
        if has_letters(typed):
            conf, _trouble = configured()
            found = [*complete(typed, _known(request.user, place), conf.streets), *found]
    context = {"places": list(dict.fromkeys(found))[:PLACES], "typed": typed}
    return render(request, "hotline/_places.html", context)


def _known(user: Any, place: str) -> list[str]:
    """Places of the newest cases in scope, the most frequent first, and the names of grids."""
    newest = Case.objects.visible_to(user).filter(jurisdiction_id=place).exclude(place="")
    seen = Counter(newest.order_by("-pk").values_list("place", flat=True)[:KNOWN_PLACES])
    grids = Grid.objects.visible_to(user).filter(jurisdiction_id=place)
    return [each for each, _times in seen.most_common()] + list(
        grids.order_by("-level", "code").values_list("name", flat=True)[:KNOWN_PLACES]
    )


@require_POST
@roles(*policy.writers("hotline"))
def same(request: HttpRequest) -> HttpResponse:
    """Cases that tell of the same thing, and open ones at the same place."""
    found, _trouble = configured()
    subject, _several = resolve(found, request.POST.get("subject", ""))
    return render(
        request,
        "hotline/_same.html",
        {"cases": _same(request, subject), "join": request.POST.get("join", "")},
    )


same.patrol_reads = True  # type: ignore[attr-defined]


def resolve(found: HotlineFile, typed: str) -> tuple[Subject | None, list[Subject]]:
    """The subject that is meant by what was typed, or those that it may mean: code, title, part of a title, or initials."""
    text = typed.strip().casefold()
    if not text:
        return None, []
    for subject in found.subjects:
        names = {subject.code, subject.titles.zh.casefold(), subject.titles.en.casefold()}
        if text in names | set(subject.spellings):
            return subject, []
    several = [
        subject
        for subject in found.subjects
        if any(each.startswith(text) for each in subject.spellings)
        or text in subject.titles.zh.casefold()
        or text in subject.titles.en.casefold()
    ]
    return (several[0], []) if len(several) == 1 else (None, several)


def _read(request: HttpRequest, subject: Subject | None, *, opens: bool) -> calls.NewCall:
    given = request.POST
    place = given.get("j", "")
    if place not in jurisdictions(request.user):
        raise PatrolError("there is no such jurisdiction", field="j")
    began = whole(given.get("began", ""), 15)
    try:
        key = str(uuid.UUID(given.get("key", "")))
    except ValueError:
        raise PatrolError("this form has no key", field="key") from None
    return calls.NewCall(
        key=key,
        jurisdiction_id=place,
        started_at_ms=now_ms() if began is None else began,
        phone=given.get("phone", ""),
        name=given.get("name", ""),
        confidential="confidential" in given,
        subject=subject,
        summary=given.get("text", ""),
        place=given.get("place", ""),
        recording=given.get("recording", ""),
        direction=Direction.OUT if given.get("direction") == Direction.OUT else Direction.IN,
        join=whole(given.get("join", "")),
        opens=opens,
    )


def _form(
    request: HttpRequest,
    found: HotlineFile,
    trouble: str,
    given: dict[str, Any],
    error: PatrolError | None = None,
    several: list[Subject] | None = None,
) -> HttpResponse:
    wrong = {}
    if error is not None:
        words = refusal(error)
        if error.field == "subject" and several:
            words = _("This may mean: %(names)s") % {"names": _(", ").join(title(each) for each in several)}
        wrong = {"field": (error.field or "").removeprefix("reporter."), "text": words}
    context = {
        "given": given,
        "join": given.get("join", ""),
        "wrong": wrong,
        "trouble": trouble,
        "subjects": [(each, title(each), " ".join(each.spellings)) for each in found.subjects],
        "mine": jurisdictions(request.user),
        "j": chosen(request),
    }
    if error is not None:
        subject, _several = resolve(found, given.get("subject", ""))
        context["cases"] = _same(request, subject)
    return show(request, "new", "hotline/new.html", context, 200 if error is None else 422)


def _same(request: HttpRequest, subject: Subject | None) -> list[dict[str, Any]]:
    """Each with why it is shown: `like`, by its service's rule, or `place`."""
    place, where = chosen(request), request.POST.get("place", "").strip()[:300]
    if not place or not (where or subject):
        return []
    at = calls.where(request.user, place, where)
    visible = Case.objects.visible_to(request.user).filter(jurisdiction_id=place)
    found: dict[int, dict[str, Any]] = {}
    if subject is not None:
        report = Report(
            number=0,
            at_ms=now_ms(),
            longitude=None if at is None else at.longitude,
            latitude=None if at is None else at.latitude,
            text=request.POST.get("text", ""),
            place=where,
        )
        like = [one.number for one in alike(service(subject.service, place), report, place)[:5]]
        for case in visible.filter(pk__in=like).order_by("-opened_at_ms"):
            found[case.pk] = {"case": case, "why": "like"}
    words = pairs(where)
    if words:
        for case in visible.exclude(state=CaseState.CLOSED).order_by("-opened_at_ms", "-pk")[:LOOKED_THROUGH]:
            if case.pk not in found and dice(words, pairs(case.place)) >= SAME_PLACE:
                found[case.pk] = {"case": case, "why": "place"}
            if len(found) >= PLACES:
                break
    return list(found.values())
