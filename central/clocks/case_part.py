"""The clocks of a case and its whistle, as a part of the case page: what is promised, who stays silent, and forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from central.cases import parts
from central.cases.models import Case
from central.cases.parts import ELSEWHERE, Wrong, urgency
from central.cases.rules import definition_of
from central.cases.states import CaseState
from central.clocks import services, whistle, wording
from central.clocks.models import OUTSIDE, Clock, ClockPause, ClockState, Whistle, WhistleParty
from central.clocks.whistle import MAY_ANSWER_FOR, MAY_BLOW, Call
from central.people.access import EVERYONE, roles
from central.people.models import Role, User
from central.project.asked import whole
from central.project.clock import local_day
from protocol.errors import PatrolError

PART = "clocks/_case.html"
WHISTLES = 3
"""So many are shown, the newest first."""

TYPED = frozenset({"reason", "parties", "lead", "note"})
"""Fields that a person can mend in the form; of anything else the case stands elsewhere by now."""


@require_safe
@roles(*EVERYONE)
def clocks(request: HttpRequest, case_id: int) -> HttpResponse:
    """Clocks with their pauses, and the whistle with who has heard it."""
    return _show(request, parts.find(request, case_id))


@require_POST
@roles(*services.MAY_COMMAND)
def pause(request: HttpRequest, case_id: int, clock_id: int) -> HttpResponse:
    """Let a clock stand still, with a reason. Sent again it changes nothing."""
    case, clock = _find_clock(request, case_id, clock_id)
    reason = request.POST.get("reason", "").strip()[:300]
    seen = whole(request.POST.get("pauses", "")) or 0
    try:
        # The form says how many pauses its reader saw: one that is sent twice does not pause what ran again since.
        if not _paused_since(clock, seen, request.user, reason):
            services.pause(clock.pk, request.user, reason)
    except PatrolError as error:
        if not _paused_since(clock, seen, request.user, reason):
            return _refuse(request, case, f"pause-{clock.pk}", error)
    return _done(request, case, _("The clock stands still."), "clocks")


@require_POST
@roles(*services.MAY_COMMAND)
def resume(request: HttpRequest, case_id: int, clock_id: int) -> HttpResponse:
    """Let it run again. The form names the pause that it ends; one that has ended is not ended twice."""
    case, clock = _find_clock(request, case_id, clock_id)
    named = whole(request.POST.get("pause", ""))
    ended = ClockPause.objects.filter(clock=clock, to_ms__isnull=False, pk=named)
    try:
        if not ended.exists():
            services.resume(clock.pk, request.user, request.POST.get("reason", ""))
    except PatrolError as error:
        if not ended.exists():
            return _refuse(request, case, f"resume-{clock.pk}", error)
    return _done(request, case, _("The clock runs again."), "clocks")


@require_POST
@roles(*MAY_BLOW)
def blow(request: HttpRequest, case_id: int) -> HttpResponse:
    """Call people and departments to the case. Sent again it calls nobody twice."""
    case = parts.find(request, case_id)
    reason = request.POST.get("reason", "").strip()[:500]
    try:
        calls = _calls(request)
        whistle.blow(case.pk, request.user, calls, reason=reason, urgent="urgent" in request.POST)
    except PatrolError as error:
        sounding = whistle.sounding(case)
        if sounding is None or (sounding.blown_by_id, sounding.reason) != (request.user.pk, reason):
            return _refuse(request, case, "blow", error)
    return _done(request, case, _("Those who were called have been told."))


@require_POST
@roles(*MAY_ANSWER_FOR)
def excuse(request: HttpRequest, party_id: int) -> HttpResponse:
    """A party is not needed after all, with a reason."""
    party = _find_party(request, party_id)
    case = parts.find(request, party.whistle.case_id)
    try:
        whistle.excuse(party_id, request.user, request.POST.get("reason", ""))
    except PatrolError as error:
        return _refuse(request, case, f"excuse-{party_id}", error)
    return _done(request, case, _("%(party)s is not needed any more.") % {"party": party.name})


def answered(request: HttpRequest, party_id: int, error: PatrolError | None) -> HttpResponse:
    """The part again after somebody acknowledged a call on the case page."""
    party = _find_party(request, party_id)
    case = parts.find(request, party.whistle.case_id)
    if error is not None:
        return _refuse(request, case, f"hear-{party_id}", error)
    return _done(request, case, _("%(party)s has heard the call.") % {"party": party.name})


def _show(
    request: HttpRequest, case: Case, *, wrong: Wrong | None = None, said: str = "", where: str = ""
) -> HttpResponse:
    found = Clock.objects.visible_to(request.user).filter(case=case).order_by("started_at_ms", "pk")
    known = list(found.prefetch_related("pauses"))
    actors = parts.names(pause.actor for clock in known for pause in clock.pauses.all())
    may_command = request.user.role in services.MAY_COMMAND
    heard = {clock.party_id: clock for clock in known if clock.party_id is not None}
    whistles = _whistles(request, case, heard)
    sounds = any(row["sounds"] for row in whistles)
    may_blow = request.user.role in MAY_BLOW and not sounds and case.state != CaseState.CLOSED
    people = _people(request.user) if may_blow else []
    tried = wrong.given if wrong is not None and wrong.form == "blow" else QueryDict()
    context = {
        "clocks": [_row(case, clock, actors, may_command) for clock in known if clock.party_id is None],
        "unknown_years": sorted(
            {
                local_day(clock.due_at_ms).year
                for clock in known
                if clock.provisional and clock.stopped_at_ms is None
            }
        ),
        "whistles": whistles,
        "may_blow": may_blow,
        "people": people,
        "chosen": [person for person in people if str(person.pk) in tried.getlist("people")],
        "chosen_leader": next((person for person in people if str(person.pk) == tried.get("leader")), None),
    }
    return parts.show(request, case, PART, context, wrong=wrong, said=said, where=where)


def _row(case: Case, clock: Clock, actors: Mapping[str, str], may_command: bool) -> dict[str, Any]:
    pauses = list(clock.pauses.all())
    still = next((pause for pause in pauses if pause.to_ms is None), None)
    tone, state = _standing(clock)
    unit = wording.UNITS.get(clock.unit, clock.unit)
    return {
        "clock": clock,
        "pause_form": f"pause-{clock.pk}",
        "resume_form": f"resume-{clock.pk}",
        "label": clock.get_kind_display(),
        "tone": tone,
        "state": state,
        "promise": f"{clock.amount + clock.extra:g} {unit}",
        "counts": clock.state == ClockState.RUNNING,
        "urgency": urgency(clock.due_at_ms),
        "still": still,
        "pauses": [_pause(case, pause, actors) for pause in pauses],
        "may_pause": may_command
        and clock.kind not in OUTSIDE
        and clock.state == ClockState.RUNNING
        and clock.breached_at_ms is None,
        "may_resume": may_command and still is not None,
    }


def _standing(clock: Clock) -> tuple[str, str]:
    """Badge and words."""
    if clock.state == ClockState.STOPPED:
        return ("closed", _("Ended in time")) if clock.on_time else ("late", _("Ended late"))
    if clock.breached_at_ms is not None:
        return "late", _("Missed")
    if clock.state == ClockState.PAUSED:
        return "manual", _("Stands still")
    return ("new", _("Due soon")) if clock.warned_at_ms is not None else ("accepted", _("Runs"))


def _pause(case: Case, pause: ClockPause, actors: Mapping[str, str]) -> dict[str, Any]:
    reason = pause.reason
    if pause.by_state:
        name = reason.partition("state: ")[2]
        state = definition_of(case).by_name.get(name) if case.definition_id else None
        title = state.titles.text(get_language() or "") if state else name
        reason = _("the case came into the state “%(state)s”") % {"state": title}
    return {"pause": pause, "reason": reason, "who": actors[pause.actor]}


def _whistles(request: HttpRequest, case: Case, heard: Mapping[int, Clock]) -> list[dict[str, Any]]:
    found = Whistle.objects.visible_to(request.user).filter(case=case).select_related("blown_by")
    newest = found.prefetch_related("parties__acknowledged_by").order_by("-blown_at_ms", "-pk")[:WHISTLES]
    return [_whistle(request.user, row, heard) for row in newest]


def _whistle(user: User, row: Whistle, heard: Mapping[int, Clock]) -> dict[str, Any]:
    sounds = row.ended_at_ms is None
    called = []
    for party in row.parties.all():
        clock = heard.get(party.pk)
        silent = party.acknowledged_at_ms is None and party.excused_at_ms is None
        own = party.user_id == user.pk
        called.append(
            {
                "party": party,
                "hear_form": f"hear-{party.pk}",
                "excuse_form": f"excuse-{party.pk}",
                "silent": silent,
                "late": clock is not None and clock.breached_at_ms is not None,
                "due_at_ms": clock.due_at_ms if clock is not None and silent and sounds else None,
                "urgency": urgency(clock.due_at_ms if clock is not None else None),
                "own": own,
                "may_hear": sounds and silent and (own or user.role in MAY_ANSWER_FOR),
                "may_excuse": sounds
                and party.excused_at_ms is None
                and not party.lead
                and user.role in MAY_ANSWER_FOR,
            }
        )
    return {
        "whistle": row,
        "sounds": sounds,
        "called": called,
        "silent": sum(each["silent"] for each in called),
        "lead": next((each["party"].name for each in called if each["party"].lead), ""),
    }


def _calls(request: HttpRequest) -> list[Call]:
    """Whom the form calls: who leads first, then the others, nobody twice."""
    people = {str(user.pk): user for user in _people(request.user)}
    asked = request.POST
    leader, department = asked.get("leader", ""), asked.get("leading_department", "").strip()
    if bool(leader) == bool(department):
        raise PatrolError("exactly one of those called leads", field="lead")
    others = [number for number in asked.getlist("people") if number != leader]
    unknown = next((number for number in (leader, *others) if number and number not in people), None)
    if unknown is not None:
        raise PatrolError("there is no such person", field="parties", value=unknown[:40])
    lines = (line.strip() for line in asked.get("departments", "").splitlines())
    lead = Call(user=people[leader], lead=True) if leader else Call(department, lead=True)
    called = [lead, *(Call(user=people[number]) for number in dict.fromkeys(others))]
    return [*called, *(Call(name) for name in dict.fromkeys(lines) if name)]


def _people(user: User) -> list[User]:
    return parts.colleagues(user, [role for role in Role if role != Role.AUDITOR])


def _find_clock(request: HttpRequest, case_id: int, clock_id: int) -> tuple[Case, Clock]:
    case = parts.find(request, case_id)
    clock = Clock.objects.visible_to(request.user).filter(case=case, pk=clock_id).first()
    if clock is None:
        raise Http404
    return case, clock


def _find_party(request: HttpRequest, party_id: int) -> WhistleParty:
    visible = Whistle.objects.visible_to(request.user)
    found = WhistleParty.objects.select_related("whistle").filter(pk=party_id, whistle__in=visible).first()
    if found is None:
        raise Http404
    return found


def _paused_since(clock: Clock, seen: int, user: User, reason: str) -> bool:
    """Whether this person has paused it for this reason since its reader saw so many pauses."""
    later = list(ClockPause.objects.filter(clock=clock).order_by("from_ms", "pk"))[seen:]
    actor = services.actor_of(user)
    return any((pause.actor, pause.reason) == (actor, reason) for pause in later)


def _refuse(request: HttpRequest, case: Case, form: str, error: PatrolError) -> HttpResponse:
    field = error.field or ""
    status = parts.MISSING if field in TYPED else ELSEWHERE
    wrong = Wrong(form, wording.refusal(error), field, status, request.POST)
    return _show(request, case, wrong=wrong)


def _done(request: HttpRequest, case: Case, said: str, where: str = "whistle") -> HttpResponse:
    if not request.htmx:
        return parts.sent_on(request, "clocks:case", case, said)
    response = _show(request, case, said=said, where=where)
    response["HX-Trigger"] = "alerts-changed"
    return response
