"""Call-backs, visits, supervision and return visits: made, tried, done, each once and with the time by which it is due."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import Count, Q
from django.utils.translation import gettext_lazy as _

from central.cases import actions, history
from central.cases.engine import RefusedError, kept_from, participate
from central.cases.guards import Actor
from central.cases.models import Attachment, Case, CommitmentState
from central.cases.process import REPORTER, Refusal
from central.cases.rules import definition_of
from central.cases.states import CaseState
from central.clocks import alerts
from central.hotline import config
from central.hotline.calls import HOTLINE
from central.hotline.models import Call, Errand, ErrandKind, ErrandResult, ErrandState
from central.live.services import announce
from central.people.models import Role, User
from central.project.clock import now_ms
from protocol.errors import PatrolError

RESULTS: dict[str, tuple[str, ...]] = {
    ErrandKind.CALL_BACK: (ErrandResult.REACHED, ErrandResult.UNREACHABLE),
    ErrandKind.VISIT: (ErrandResult.FOUND, ErrandResult.NOT_FOUND, ErrandResult.NOBODY_THERE),
    ErrandKind.SUPERVISION: (ErrandResult.ANSWERED,),
    ErrandKind.RETURN_VISIT: (
        ErrandResult.SATISFIED,
        ErrandResult.BASICALLY,
        ErrandResult.UNSATISFIED,
        ErrandResult.UNREACHABLE,
    ),
}
"""Kind -> how it can end."""

AGAIN = frozenset({ErrandResult.UNREACHABLE, ErrandResult.NOBODY_THERE})
"""Nobody was met: it is tried again, unless the person says that it was the last time."""

MAKES: dict[str, frozenset[str]] = {
    ErrandKind.CALL_BACK: frozenset({Role.DISPATCHER}),
    ErrandKind.VISIT: frozenset({Role.DISPATCHER, Role.GRID_WORKER}),
    ErrandKind.SUPERVISION: frozenset({Role.DISPATCHER, Role.ADMINISTRATOR}),
}
"""Who asks for which; return visits are asked for by the centre alone, when a case closes."""

DOES: dict[str, frozenset[str]] = {
    ErrandKind.CALL_BACK: frozenset({Role.DISPATCHER}),
    ErrandKind.VISIT: frozenset({Role.GRID_WORKER, Role.OFFICER, Role.DISPATCHER}),
    ErrandKind.SUPERVISION: frozenset({Role.GRID_WORKER, Role.OFFICER, Role.DISPATCHER}),
    ErrandKind.RETURN_VISIT: frozenset({Role.DISPATCHER}),
}

YEAR_MS = 366 * 86_400_000
NOTE_LENGTH, WHAT_LENGTH = 2000, 500
CENTRE = "centre"


def actor_name(user: User) -> str:
    """As histories name a person."""
    return f"user:{user.get_username()}"


def make(
    kind: str,
    user: User,
    *,
    key: str,
    due_at_ms: int,
    what: str,
    case_id: int | None = None,
    call: Call | None = None,
    person: User | None = None,
) -> Errand:
    """Ask for a call-back, a visit or an account. The same key again gives what was asked for first.

    The case, if any, lies in the person's scope: the caller has looked.

    Raises:
        PatrolError: the role may not, the time lies behind or too far ahead, nothing is said, or nobody is named.
        RefusedError: whoever handles the case does not supervise it.
    """
    if user.role not in MAKES.get(kind, ()):
        raise PatrolError("this role may not ask for it", field="kind", value=kind)
    what = what.strip()
    if not 1 <= len(what) <= WHAT_LENGTH or "\x00" in what:
        raise PatrolError("say what is to be done, in 1 to 500 characters", field="what")
    now = now_ms()
    if not now < due_at_ms <= now + YEAR_MS:
        raise PatrolError("a time ahead is needed, at most a year", field="due", value=due_at_ms)
    if kind in {ErrandKind.VISIT, ErrandKind.SUPERVISION} and (
        person is None or not person.is_active or person.role not in DOES[kind]
    ):
        raise PatrolError("somebody has to be named who may do it", field="person")
    if case_id is None and (kind != ErrandKind.CALL_BACK or call is None):
        raise PatrolError("this is about a case", field="case")
    with transaction.atomic():
        case = None if case_id is None else Case.objects.select_for_update().get(pk=case_id)
        known = Errand.objects.select_for_update().filter(key=key[:100]).first()
        if known is not None:
            return known
        commitment = None
        if kind == ErrandKind.SUPERVISION:
            assert case is not None
            assert person is not None
            _may_supervise(case, user, person)
            # An open commitment keeps a case from closing: so an account that is asked for is given first.
            commitment = actions.promise(
                case.pk, actor_name(user), what=what, owner=person.shown_name,
                due_at_ms=due_at_ms, owner_user=person,
            )  # fmt: skip
            case = Case.objects.select_for_update().get(pk=case.pk)
            participate(case, "supervisor", actor_name(user))
        made = Errand.objects.create(
            key=key[:100],
            jurisdiction_id=case.jurisdiction_id if case is not None else call.jurisdiction_id,  # type: ignore[union-attr]
            kind=kind,
            case=case,
            call=call,
            what=what,
            due_at_ms=due_at_ms,
            next_at_ms=due_at_ms,
            assigned_to=person,
            made_by=actor_name(user),
            made_at_ms=now,
            commitment=commitment,
        )
        if case is not None:
            _write(case, made, "errand", actor_name(user), due_at_ms=due_at_ms)
        if person is not None and case is not None:
            alerts.tell(
                case.jurisdiction_id, [alerts.To(person.pk)], key=f"errand:{made.pk}", kind=f"errand_{kind}",
                at_ms=now, case=case, due_at_ms=due_at_ms, what_for=what[:200],
            )  # fmt: skip
        announce(HOTLINE)
    return made


def finish(
    errand_id: int,
    user: User,
    result: str,
    note: str = "",
    *,
    photo: Attachment | None = None,
    last: bool = False,
    reopens: bool = False,
    call_key: str = "",
) -> Errand:
    """Say what came of it. Nobody met is tried again later, unless it was the last time. Done before, it stays as it was.

    Args:
        errand_id: which; the caller has checked the scope.
        user: who did it.
        result: one of `RESULTS` of its kind.
        note: what came of it; an account and dissatisfaction need one.
        photo: of the visit, of this case.
        last: whether nobody is to be tried again.
        reopens: whether the case is opened again, where whoever reported it is not satisfied and its rules allow it.
        call_key: makes the outgoing call of a call-back or return visit one call.

    Raises:
        Errand.DoesNotExist: there is none.
        PatrolError: the role may not, or a word is missing.
        RefusedError: whoever handled the case does not ask whether it was done well, or it may not be opened again.
    """
    found = Errand.objects.visible_to(user).values("case_id").get(pk=errand_id)
    with transaction.atomic():
        case = None if found["case_id"] is None else Case.objects.select_for_update().get(pk=found["case_id"])
        errand = Errand.objects.select_for_update(of=("self",)).get(pk=errand_id)
        if errand.state != ErrandState.OPEN:
            return errand
        note = _checked(errand, user, case, result, note, reopens=reopens)
        now = now_ms()
        errand.tries += 1
        if errand.kind in {ErrandKind.CALL_BACK, ErrandKind.RETURN_VISIT}:
            _rang(errand, user, call_key or f"errand-{errand.pk}-{errand.tries}", note, now)
        errand.result, errand.note = result, note
        again = result in AGAIN and not last
        if again:
            errand.next_at_ms = now + config.load().retry_minutes * 60_000
        else:
            errand.state, errand.done_at_ms, errand.done_by = ErrandState.DONE, now, actor_name(user)
            errand.photo = photo
        errand.save()
        if case is not None:
            kind = "errand_tried" if again else "errand_done"
            _write(
                case, errand, kind, actor_name(user), result=result, photo=None if photo is None else photo.pk
            )
        if errand.commitment_id is not None:
            actions.end_commitment(errand.commitment_id, actor_name(user), CommitmentState.DONE, note)
        if reopens and case is not None:
            _reopen(case.pk, user, note)
        announce(HOTLINE)
    return errand


def cancel(errand_id: int, user: User, reason: str) -> Errand:
    """It is not needed any more. A question of supervision is only taken back by whoever asked it.

    Raises:
        Errand.DoesNotExist: there is none.
        PatrolError: no reason, or not theirs to take back.
    """
    reason = _text(reason)
    found = Errand.objects.visible_to(user).values("case_id").get(pk=errand_id)
    with transaction.atomic():
        case = None
        if found["case_id"] is not None:
            case = Case.objects.select_for_update().get(pk=found["case_id"])
        errand = Errand.objects.select_for_update(of=("self",)).get(pk=errand_id)
        if errand.state != ErrandState.OPEN:
            return errand
        mine = errand.made_by == actor_name(user)
        if user.role not in MAKES.get(errand.kind, {Role.DISPATCHER}) or (errand.commitment_id and not mine):
            raise PatrolError("this is not theirs to take back", field="kind")
        errand.state, errand.note = ErrandState.CANCELLED, reason
        errand.done_at_ms, errand.done_by = now_ms(), actor_name(user)
        errand.save()
        if case is not None:
            _write(case, errand, "errand_cancelled", actor_name(user), reason=reason)
        if errand.commitment_id is not None:
            actions.end_commitment(errand.commitment_id, actor_name(user), CommitmentState.WITHDRAWN, reason)
        announce(HOTLINE)
    return errand


def after_moves(case: Case, before: str, move: Any, at_ms: int, **_: Any) -> None:
    """A case that closed is asked about; one that was opened again before anybody asked is not. In the move's transaction."""
    if case.source != "hotline" or move is None:
        return
    if move.coarse == CaseState.CLOSED and before != CaseState.CLOSED and case.reporter_id is not None:
        ending = definition_of(case).by_name[move.after].ending
        if ending not in {"fixed", "not_fixed"}:
            return
        due = at_ms + config.load().return_visit_hours * 3_600_000
        Errand.objects.bulk_create(
            [
                Errand(
                    key=f"return/{case.pk}/{case.round}",
                    jurisdiction_id=case.jurisdiction_id,
                    kind=ErrandKind.RETURN_VISIT,
                    case=case,
                    round=case.round,
                    due_at_ms=due,
                    next_at_ms=at_ms,
                    made_by=CENTRE,
                    made_at_ms=now_ms(),
                )
            ],
            ignore_conflicts=True,
        )
        announce(HOTLINE)
    elif move.reopens:
        case.errands.filter(kind=ErrandKind.RETURN_VISIT, state=ErrandState.OPEN).update(
            state=ErrandState.CANCELLED, done_at_ms=at_ms, done_by=CENTRE
        )


def waiting(user: User) -> dict[str, dict[str, int]]:
    """Kind -> how many are open, and how many of these are late, of what this person may see."""
    late = Count("pk", filter=Q(due_at_ms__lt=now_ms()))
    rows = (
        Errand.objects.visible_to(user)
        .filter(state=ErrandState.OPEN)
        .order_by()
        .values("kind")
        .annotate(open=Count("pk"), late=late)
    )
    found = {str(kind): {"open": 0, "late": 0} for kind in ErrandKind.values}
    for row in rows:
        found[row["kind"]] = {"open": row["open"], "late": row["late"]}
    return found


def remind(most: int = 100) -> int:
    """Raise an alert for each errand that has become late, once; how many. For the worker."""
    now = now_ms()
    late = Errand.objects.filter(state=ErrandState.OPEN, due_at_ms__lte=now, reminded_at_ms__isnull=True)
    numbers: Sequence[int] = list(late.order_by("due_at_ms", "pk").values_list("pk", flat=True)[:most])
    done = 0
    for number in numbers:
        with transaction.atomic():
            errand = Errand.objects.select_for_update(of=("self",)).get(pk=number)
            if errand.state != ErrandState.OPEN or errand.reminded_at_ms is not None:
                continue
            errand.reminded_at_ms = now
            errand.save(update_fields=["reminded_at_ms"])
            to = [alerts.DISPATCHERS]
            if errand.assigned_to_id is not None:
                to.append(alerts.To(errand.assigned_to_id))
            alerts.tell(
                errand.jurisdiction_id, to, key=f"errand:{errand.pk}:late", kind=f"errand_{errand.kind}_late",
                at_ms=errand.due_at_ms, case=errand.case, due_at_ms=errand.due_at_ms,
            )  # fmt: skip
            done += 1
    return done


def may_finish(errand: Errand, user: User) -> bool:
    """Whether it is this person's to do: the one it was given to, or anybody of the role where nobody was named."""
    if errand.state != ErrandState.OPEN or user.role not in DOES[errand.kind]:
        return False
    if errand.kind == ErrandKind.SUPERVISION:
        return errand.assigned_to_id == user.pk
    return errand.assigned_to_id in {None, user.pk} or user.role == Role.DISPATCHER


def _may_supervise(case: Case, user: User, person: User) -> None:
    refusal = kept_from(case, "supervisor", [actor_name(user)]).get(actor_name(user))
    if refusal is not None:
        raise RefusedError(refusal)
    if person.pk == user.pk:
        raise RefusedError(Refusal("part", _("nobody supervises himself")))


def _checked(errand: Errand, user: User, case: Case | None, result: str, note: str, *, reopens: bool) -> str:
    if not may_finish(errand, user):
        raise PatrolError("this is somebody else's to do", field="person")
    if result not in RESULTS[errand.kind]:
        raise PatrolError("this cannot come of it", field="result", value=result[:40])
    if errand.kind == ErrandKind.RETURN_VISIT and case is not None:
        refusal = kept_from(case, "verifier", [actor_name(user)]).get(actor_name(user))
        if refusal is not None:
            raise RefusedError(refusal)
    needs = errand.kind == ErrandKind.SUPERVISION or result == ErrandResult.UNSATISFIED
    if needs or note.strip():
        note = _text(note)
    if reopens and result != ErrandResult.UNSATISFIED:
        raise PatrolError("only dissatisfaction opens a case again", field="result", value=result)
    return note.strip()


def _reopen(case_id: int, user: User, reason: str) -> None:
    """By the rules of the case, as its reporter's word that a call-taker brings."""
    case = Case.objects.select_for_update().get(pk=case_id)
    definition = definition_of(case)
    actor = Actor(actor_name(user), frozenset({str(user.role), REPORTER}))
    for found in definition.leaving(case.process_state):
        if definition.by_name[found.to].coarse != CaseState.CLOSED and actor.roles & set(found.roles):
            given = {"reason": reason} if "reason" in found.required else {}
            actions.take(case_id, actor, found.name, given)
            return
    raise RefusedError(Refusal("reopen", _("by its rules this case is not opened again")))


def _rang(errand: Errand, user: User, key: str, note: str, now: int) -> None:
    """The outgoing call stands in the log like any other."""
    before = errand.call
    reporter = before.reporter if before is not None else errand.case.reporter  # type: ignore[union-attr]
    hidden = before.confidential if before is not None else False
    if before is None and errand.case is not None:
        hidden = errand.case.calls.filter(confidential=True).exists()
    row = Call(
        key=key[:64],
        jurisdiction_id=errand.jurisdiction_id,
        direction="out",
        started_at_ms=now,
        ended_at_ms=now,
        taken_by=user,
        reporter=reporter,
        confidential=hidden,
        summary=note,
        case=errand.case if errand.case is not None else (before.case if before is not None else None),
        errand=errand,
    )
    Call.objects.bulk_create([row], ignore_conflicts=True)


def _write(case: Case, errand: Errand, kind: str, actor: str, **facts: Any) -> None:
    """What people wrote stays out of the history, which cannot forget. What is done has the instant that figures count by."""
    at_ms = errand.done_at_ms or (errand.made_at_ms if kind == "errand" else now_ms())
    history.append(case, kind, at_ms, actor, errand=errand.pk, errand_kind=errand.kind, **facts)


def _text(text: str) -> str:
    clean = text.strip()
    if not clean or len(clean) > NOTE_LENGTH or "\x00" in clean:
        raise PatrolError(f"a text of 1 to {NOTE_LENGTH} characters is needed", field="note")
    return clean
