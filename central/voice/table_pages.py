"""Pages of round tables: plan, minutes, what was promised; and all promises, kept or broken."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from central.cases import actions
from central.cases.engine import RefusedError
from central.cases.models import Case, Commitment, CommitmentState
from central.people.access import EVERYONE, roles
from central.people.policy import writers
from central.project.answers import see_other
from central.project.asked import moment
from central.project.clock import local, now_ms
from central.voice import tables
from central.voice.categories import codes_of_services
from central.voice.intake import number_of
from central.voice.models import Meeting
from protocol.errors import PatrolError

SHOWN = 100


@require_safe
@roles(*EVERYONE)
def table(request: HttpRequest, case_id: int, meeting_id: int) -> HttpResponse:
    """A round table: when, who, what about, minutes, what was promised."""
    return _table(request, *_find(request, case_id, meeting_id))


@require_POST
@roles(*writers("round_tables"))
def plan(request: HttpRequest, case_id: int, meeting_id: int) -> HttpResponse:
    """Say when and where it meets, about what and with whom."""
    case, meeting = _find(request, case_id, meeting_id)
    try:
        tables.plan(
            meeting,
            request.user,
            agenda=request.POST.get("agenda", ""),
            place=request.POST.get("place", ""),
            meets_at_ms=_moment(request.POST.get("meets_at", ""), "meets_at"),
            guests=request.POST.get("guests", "").splitlines(),
        )
    except PatrolError as error:
        return _table(request, case, meeting, "plan", error)
    messages.success(request, _("The round table is planned."))
    return _back(case_id, meeting_id)


@require_POST
@roles(*writers("round_tables"))
def minutes(request: HttpRequest, case_id: int, meeting_id: int) -> HttpResponse:
    """Keep the minutes: from now on the table has met."""
    case, meeting = _find(request, case_id, meeting_id)
    try:
        tables.hold(
            meeting, request.user, minutes=request.POST.get("minutes", ""), came=request.POST.getlist("came")
        )
    except PatrolError as error:
        return _table(request, case, meeting, "minutes", error)
    messages.success(request, _("The minutes are stored."))
    return _back(case_id, meeting_id)


@require_POST
@roles(*writers("round_tables"))
def promise(request: HttpRequest, case_id: int, meeting_id: int) -> HttpResponse:
    """Somebody commits himself, with a date."""
    case, meeting = _find(request, case_id, meeting_id)
    try:
        due = _moment(request.POST.get("due", ""), "due")
        if due is None:
            raise PatrolError(_("Until when? A date is needed."), field="due")
        tables.promise(
            meeting,
            request.user,
            what=request.POST.get("what", ""),
            owner=request.POST.get("owner", ""),
            due_at_ms=due,
        )
    except PatrolError as error:
        return _table(request, case, meeting, "promise", error)
    messages.success(request, _("The promise is noted. The matter waits for it."))
    return _back(case_id, meeting_id)


@require_safe
@roles(*EVERYONE)
def commitments(request: HttpRequest) -> HttpResponse:
    """What was promised in matters of residents: what runs, what is broken, what was kept in time or late."""
    now = now_ms()
    seen = Commitment.objects.visible_to(request.user).filter(case__service_code__in=codes_of_services())
    found = list(seen.select_related("case", "agreed").order_by("state", "due_at_ms", "pk")[:SHOWN])
    rows = [{"one": one, "number": number_of(one.case), **_verdict(one, now)} for one in found]
    rows.sort(key=lambda row: (row["rank"], row["one"].due_at_ms))
    counts = {name: sum(row["name"] == name for row in rows) for name in ("broken", "open", "kept", "late")}
    context = {
        "rows": rows,
        "counts": counts,
        "may_write": request.user.role in writers("round_tables"),
        "nav": "services",
    }
    return render(request, "voice/commitments.html", context)


@require_POST
@roles(*writers("round_tables"))
def end(request: HttpRequest, commitment_id: int) -> HttpResponse:
    """A promise was kept, or is withdrawn with a reason."""
    seen = Commitment.objects.visible_to(request.user).filter(case__service_code__in=codes_of_services())
    one = get_object_or_404(seen, pk=commitment_id)
    state = CommitmentState.WITHDRAWN if "withdraw" in request.POST else CommitmentState.DONE
    try:
        actions.end_commitment(
            one.pk, f"user:{request.user.get_username()}", state, request.POST.get("note", "")[:2000]
        )
    except RefusedError as error:
        messages.error(request, str(error.refusal.reason))
    return see_other(reverse("voice:commitments"))


def _verdict(one: Commitment, now: int) -> dict[str, Any]:
    if one.state == CommitmentState.OPEN:
        broken = one.due_at_ms < now
        return {"name": "broken" if broken else "open", "rank": 0 if broken else 1}
    if one.state == CommitmentState.WITHDRAWN:
        return {"name": "withdrawn", "rank": 3}
    late = (one.ended_at_ms or 0) > one.due_at_ms
    return {"name": "late" if late else "kept", "rank": 2}


def _table(
    request: HttpRequest, case: Case, meeting: Meeting, form: str = "", error: PatrolError | None = None
) -> HttpResponse:
    meeting.refresh_from_db()
    guests = list(meeting.guests.all())
    now = now_ms()
    promised = [
        {"one": each.commitment, **_verdict(each.commitment, now)}
        for each in meeting.agreed.select_related("commitment").order_by("pk")
    ]
    context = {
        "case": case,
        "number": number_of(case),
        "meeting": meeting,
        "guests": guests,
        "names": "\n".join(guest.name for guest in guests),
        "meets_at": _local(meeting.meets_at_ms),
        "promised": promised,
        "wrong": "" if error is None else error.problem,
        "form": form,
        "given": request.POST,
        "may_write": request.user.role in writers("round_tables"),
        "nav": "services",
    }
    return render(request, "voice/table.html", context, status=200 if error is None else 422)


def _find(request: HttpRequest, case_id: int, meeting_id: int) -> tuple[Case, Meeting]:
    seen = Case.objects.visible_to(request.user).filter(service_code__in=codes_of_services())
    case = get_object_or_404(seen.select_related("grid"), pk=case_id)
    meeting = case.meetings.filter(pk=meeting_id).first()
    if meeting is None:
        raise Http404
    return case, meeting


def _moment(text: str, field: str) -> int | None:
    """A field of date and time, in the centre's time zone, as UTC milliseconds."""
    if not text:
        return None
    try:
        return moment(text)
    except ValueError:
        raise PatrolError(_("This is no date and time."), field=field) from None


def _local(at_ms: int | None) -> str:
    if at_ms is None:
        return ""
    return f"{local(at_ms):%Y-%m-%dT%H:%M}"


def _back(case_id: int, meeting_id: int) -> HttpResponse:
    return see_other(reverse("voice:table", args=[case_id, meeting_id]))
