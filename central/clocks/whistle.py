"""The whistle 吹哨: departments and people are called to a case, each must say that it heard, and only the lead closes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils.translation import gettext as _

from central.cases import history
from central.cases.models import Case
from central.cases.states import CaseState
from central.clocks import alerts, services
from central.clocks.models import ClockState, Kind, Whistle, WhistleParty
from central.clocks.rules import ClockRule
from central.people.models import Role, User
from central.project.clock import now_ms
from protocol.errors import PatrolError

MAY_BLOW = frozenset({Role.DISPATCHER, Role.GRID_WORKER, Role.ADMINISTRATOR})
MAY_ANSWER_FOR = frozenset({Role.DISPATCHER, Role.ADMINISTRATOR})

HEARD = {
    False: ClockRule(
        kind="response",
        amount=30,
        unit="working_minutes",
        warn_after=20,
        starts_in=("-",),
        stops_in=("heard",),
    ),
    True: ClockRule(
        kind="response", amount=30, unit="minutes", warn_after=20, starts_in=("-",), stops_in=("heard",)
    ),
}
"""How soon a party must say that it heard; at night as well (plain minutes) where the matter is urgent."""


@dataclass(frozen=True, slots=True)
class Call:
    """Whom to call: a person with a log-in, or a department by name. One of a whistle's calls is the lead."""

    name: str = ""
    user: User | None = None
    lead: bool = False


def blow(case_id: int, by: User, calls: Sequence[Call], *, reason: str, urgent: bool = False) -> Whistle:
    """Call parties to a case; each gets a clock of its own and, where it has a log-in, an alert at once.

    Raises:
        Case.DoesNotExist: none in the person's scope.
        PermissionDenied: the person's role may not.
        PatrolError: nobody or nobody in the lead is called, a name comes twice, the case is closed, or a whistle sounds
            already.
    """
    if by.role not in MAY_BLOW:
        raise PermissionDenied
    _check(calls, reason)
    rule = HEARD[urgent]
    with transaction.atomic():
        case = _locked(case_id, by)
        if case.state == CaseState.CLOSED:
            raise PatrolError("nobody is called to a case that is closed", field="case", value=case_id)
        if sounding(case) is not None:
            raise PatrolError("a whistle sounds for this case already", field="case", value=case_id)
        now = now_ms()
        whistle = Whistle.objects.create(case=case, reason=reason.strip()[:500], blown_by=by, blown_at_ms=now)
        names = [_name(call) for call in calls]
        history.append(
            case,
            "whistle_blown",
            now,
            services.actor_of(by),
            reason=whistle.reason,
            parties=names,
            lead=_lead(calls),
        )
        for call in calls:
            party = WhistleParty.objects.create(
                whistle=whistle, name=_name(call), user=call.user, lead=call.lead
            )
            services.start(case, rule, kind=Kind.ACKNOWLEDGEMENT, party=party, actor=services.actor_of(by))
            to = [alerts.To(call.user.pk)] if call.user is not None else [alerts.DISPATCHERS]
            alerts.tell(
                case.jurisdiction_id,
                to,
                key=_alert_key(party),
                kind="whistle",
                at_ms=now,
                case=case,
                party=party.name,
                reason=whistle.reason,
                by=by.shown_name,
            )
    return whistle


def acknowledge(party_id: int, by: User, note: str = "") -> WhistleParty:
    """The party heard the call: said by itself, or for it by a dispatcher who notes how they know. Again does nothing.

    Raises:
        WhistleParty.DoesNotExist: none in the person's scope.
        PermissionDenied: it is another person's to say.
        PatrolError: a dispatcher gave no note, or the whistle has ended.
    """
    with transaction.atomic():
        case, party = _locked_party(party_id, by)
        own = party.user_id == by.pk
        if not own and by.role not in MAY_ANSWER_FOR:
            raise PermissionDenied
        if party.acknowledged_at_ms is not None:
            return party
        if not own and not note.strip():
            raise PatrolError("who answers for others notes how they know", field="note")
        _must_sound(party)
        party.acknowledged_at_ms, party.acknowledged_by = now_ms(), by
        party.note = note.strip()[:300]
        party.save()
        # Who has answered need not take note of the call as well.
        called = alerts.Alert.objects.filter(key__startswith=f"{_alert_key(party)}:", read_at_ms__isnull=True)
        called.update(read_at_ms=party.acknowledged_at_ms, read_by=by)
        history.append(
            case,
            "whistle_heard",
            party.acknowledged_at_ms,
            services.actor_of(by),
            party=party.name,
            reason=party.note or None,
        )
        _stop(case, party)
    return party


def excuse(party_id: int, by: User, reason: str) -> WhistleParty:
    """A party is not needed after all. The lead cannot be excused.

    Raises:
        WhistleParty.DoesNotExist: none in the person's scope.
        PermissionDenied: the person's role may not.
        PatrolError: no reason, it is the lead, or the whistle has ended.
    """
    if by.role not in MAY_ANSWER_FOR:
        raise PermissionDenied
    if not reason.strip():
        raise PatrolError("a reason is needed; it stands in the history", field="reason")
    with transaction.atomic():
        case, party = _locked_party(party_id, by)
        _must_sound(party)
        if party.lead:
            raise PatrolError("the lead cannot be excused", field="party", value=party.name)
        if party.excused_at_ms is None:
            party.excused_at_ms, party.note = now_ms(), reason.strip()[:300]
            party.save()
            history.append(
                case,
                "whistle_excused",
                party.excused_at_ms,
                services.actor_of(by),
                party=party.name,
                reason=party.note,
            )
            _stop(case, party)
    return party


def blocks_closing(case: Case, user: User | None) -> str | None:
    """Why this person (None: the centre itself) must not close the case now, in their language; None: nothing stands in
    the way. For the guards of the case engine."""
    whistle = sounding(case)
    if whistle is None:
        return None
    parties = list(whistle.parties.all())
    lead = next(party for party in parties if party.lead)
    if not _leads(lead, user):
        return _("only %(party)s, who leads, closes this case") % {"party": lead.name}
    silent = [
        party.name for party in parties if party.acknowledged_at_ms is None and party.excused_at_ms is None
    ]
    if silent:
        return _("%(parties)s did not acknowledge the call yet") % {"parties": ", ".join(silent)}
    return None


def sounding(case: Case) -> Whistle | None:
    """The whistle that has not ended."""
    found: Whistle | None = case.whistles.filter(ended_at_ms__isnull=True).first()
    return found


def _leads(lead: WhistleParty, user: User | None) -> bool:
    """A department that leads without a log-in is answered for by the dispatchers."""
    if user is None:
        return False
    return lead.user_id == user.pk if lead.user_id is not None else user.role in MAY_ANSWER_FOR


def _check(calls: Sequence[Call], reason: str) -> None:
    names = [_name(call) for call in calls]
    if not calls or not all(names):
        raise PatrolError("somebody must be called", field="parties")
    if sum(call.lead for call in calls) != 1:
        raise PatrolError("exactly one of those called leads", field="lead")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise PatrolError("this party is called twice", field="parties", value=twice)
    if not reason.strip():
        raise PatrolError("those who are called need a reason", field="reason")


def _alert_key(party: WhistleParty) -> str:
    return f"whistle:{party.whistle_id}:{party.pk}"


def _name(call: Call) -> str:
    return (call.name.strip() or (call.user.shown_name if call.user is not None else ""))[:120]


def _lead(calls: Sequence[Call]) -> str:
    return next(_name(call) for call in calls if call.lead)


def _locked(case_id: int, by: User) -> Case:
    Case.objects.visible_to(by).get(pk=case_id)
    return Case.objects.select_for_update().get(pk=case_id)


def _locked_party(party_id: int, by: User) -> tuple[Case, WhistleParty]:
    """A person who was called sees the call, wherever the case lies."""
    found = WhistleParty.objects.select_related("whistle")
    party = found.get(pk=party_id)
    if party.user_id != by.pk and not Case.objects.visible_to(by).filter(pk=party.whistle.case_id).exists():
        raise WhistleParty.DoesNotExist
    every = Case.objects.unscoped("the call was found to be this person's, or the case to be in scope")
    case = every.select_for_update().get(pk=party.whistle.case_id)
    return case, found.select_for_update(of=("self",)).get(pk=party_id)


def _must_sound(party: WhistleParty) -> None:
    if party.whistle.ended_at_ms is not None:
        raise PatrolError("this whistle has ended", field="party", value=party.pk)


def _stop(case: Case, party: WhistleParty) -> None:
    clock = party.clock
    if clock.state != ClockState.STOPPED:
        services.stop(case, clock, now_ms())
