"""The clocks of cases: they start, stand still and stop with the case, or as a person says. Writers hold the case's lock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction

from central.cases import history
from central.cases.engine import happened
from central.cases.models import Case
from central.cases.states import CaseState
from central.clocks import alerts
from central.clocks.calendar import Calendar, Due, reckon
from central.clocks.calendars import Held, held_for
from central.clocks.defaults import default_rules
from central.clocks.known import known_clocks, stored
from central.clocks.life import Breach, Escalate, Event, Standing, Warn, advance, next_look
from central.clocks.models import OUTSIDE, Clock, ClockPause, ClockState, WhistleParty
from central.clocks.rules import ClockRule
from central.people.models import Role, User
from central.project.clock import now_ms
from central.project.unit import insert
from protocol.clock import Millis
from protocol.errors import PatrolError

MAY_COMMAND = frozenset({Role.DISPATCHER, Role.ADMINISTRATOR})
SYSTEM = "system"
_PLAIN = Held("", Calendar())
"""Plain time asks no calendar."""

FAR_MS = 10 * 366 * 86_400_000
"""No extension reaches further."""


def rules_for(case: Case) -> Sequence[ClockRule]:
    """What is promised for a case. This is the one place where the catalogue of services is asked: a case that was
    opened under a definition has the promises of that definition, any other those of `defaults.toml`."""
    if getattr(case, "definition_id", None):
        from central.cases.rules import definition_of

        return definition_of(case).clocks  # type: ignore[no-any-return]
    rules = default_rules()
    return rules.get(case.service_code, rules.get("*", ()))


def state_of(case: Case) -> str:
    """The state that the rules speak of: the process's own where the case has one, else the coarse one."""
    return getattr(case, "process_state", "") or str(case.state)


# What the case does to its clocks.


def follow(case: Case, at_ms: Millis, state: str | None = None) -> None:
    """Start, pause, resume and stop clocks as the case's state asks; again in the same state does nothing.

    Args:
        case: locked.
        at_ms: when the case came into the state, by the one who saw it.
        state: a state that it came through, where it went further since; else the one it is in.
    """
    state = state or state_of(case)
    known = known_clocks(case)
    live = [clock for clock in known if clock.state != ClockState.STOPPED]
    if case.state == CaseState.CLOSED:
        # Whatever the process calls it: nothing is promised any more. Parties of a whistle end with it.
        for clock in live:
            stop(case, stored(clock), at_ms)
        case.whistles.filter(ended_at_ms__isnull=True).update(ended_at_ms=at_ms)
        return
    for clock in live:
        if clock.party_id is not None:
            continue
        if state in clock.stops_in:
            stop(case, stored(clock), at_ms)
        elif state in clock.pauses_in and clock.state == ClockState.RUNNING:
            _pause(case, stored(clock), SYSTEM, f"state: {state}", by_state=True)
        elif clock.state == ClockState.PAUSED and state not in clock.pauses_in and _pause_of(clock).by_state:
            _resume(case, clock, SYSTEM)
    running = {clock.kind for clock in live if clock.state != ClockState.STOPPED and clock.party_id is None}
    for rule in rules_for(case):
        if state in rule.starts_in and rule.kind not in running:
            rounds = [clock.round for clock in known if clock.kind == rule.kind and clock.party_id is None]
            known.append(start(case, rule, round_=max(rounds, default=0) + 1))


def start(
    case: Case,
    rule: ClockRule,
    *,
    round_: int = 1,
    kind: str = "",
    party: WhistleParty | None = None,
    actor: str = SYSTEM,
) -> Clock:
    """A new clock, from now on: nobody is late for what the network held back."""
    now = now_ms()
    clock = Clock(
        case=case,
        jurisdiction_id=case.jurisdiction_id,
        kind=kind or rule.kind,
        round=round_,
        party=party,
        amount=rule.amount,
        unit=rule.unit,
        days=rule.days,
        warn_after=rule.warn_after,
        escalate=rule.escalate,
        escalate_every=rule.escalate_every,
        stops_in=list(rule.stops_in),
        pauses_in=list(rule.pauses_in),
        started_at_ms=now,
        due_at_ms=now + 1,
    )
    reckoned(clock, [])
    _plan(case, clock, [])
    insert(clock)
    _write(
        case,
        clock,
        "clock_started",
        now,
        actor,
        amount=rule.amount,
        unit=rule.unit,
        provisional=clock.provisional or None,
        round=clock.round if clock.round > 1 else None,
    )
    return clock


def stop(case: Case, clock: Clock, at_ms: Millis, *, actor: str = SYSTEM) -> None:
    """The promise is kept, or at last fulfilled. What was late by then is told first; what a late word proves to have
    been in time is no breach."""
    now = now_ms()
    at = min(max(at_ms, clock.started_at_ms), now)
    if clock.state == ClockState.PAUSED:
        _end_pause(clock, at)
        if clock.breached_at_ms is None:
            reckoned(clock, pauses_of(clock))
    run(case, clock, at)
    withdrawn = clock.breached_at_ms is not None and at <= clock.due_at_ms
    if withdrawn:
        clock.breached_at_ms = None
    clock.state, clock.stopped_at_ms, clock.next_at_ms = ClockState.STOPPED, at, None
    clock.save()
    _write(case, clock, "clock_stopped", at, actor, on_time=clock.on_time, withdrawn=withdrawn or None)


# What people do to them.


def pause(clock_id: int, by: User | str, reason: str) -> Clock:
    """Let a clock stand still.

    Args:
        by: a dispatcher or administrator, or the name of who types at the machine itself.

    Raises:
        Clock.DoesNotExist: none in the person's scope.
        PermissionDenied: the person's role may not.
        PatrolError: no reason, or the clock does not run or is broken already.
    """
    reason = _reason(reason)
    with transaction.atomic():
        case, clock = locked(clock_id, by)
        run(case, clock, now_ms())
        _must(clock, ClockState.RUNNING, "paused")
        _pause(case, clock, actor_of(by), reason)
    return clock


def resume(clock_id: int, by: User | str, reason: str = "") -> Clock:
    """Let it run again; its due date moves by the working time for which it stood still.

    Raises:
        Clock.DoesNotExist: none in the person's scope.
        PermissionDenied: the person's role may not.
        PatrolError: the clock does not stand still.
    """
    with transaction.atomic():
        case, clock = locked(clock_id, by)
        if clock.state != ClockState.PAUSED:
            raise PatrolError(
                f"a clock that is {clock.state} cannot be resumed", field="clock", value=clock_id
            )
        _resume(case, clock, actor_of(by), reason.strip()[:300])
    return clock


def extend(clock_id: int, by: User | str, amount: float, reason: str) -> Clock:
    """Grant more time, in the clock's own unit, before the promise is broken.

    Raises:
        Clock.DoesNotExist: none in the person's scope.
        PermissionDenied: the person's role may not.
        PatrolError: no reason, not more than nothing, or the clock has ended or is broken already.
    """
    reason = _reason(reason)
    if not amount > 0:
        raise PatrolError("an extension is more than nothing", field="amount", value=amount)
    with transaction.atomic():
        case, clock = locked(clock_id, by)
        if clock.state == ClockState.RUNNING:
            run(case, clock, now_ms())
            _must(clock, ClockState.RUNNING, "extended")
        else:
            _must(clock, ClockState.PAUSED, "extended")
        before = clock.due_at_ms
        clock.extra += amount
        reckoned(clock, pauses_of(clock))
        if clock.due_at_ms > now_ms() + FAR_MS:
            raise PatrolError("that is more than ten years from now", field="amount", value=amount)
        clock.warned_at_ms = None
        if clock.state == ClockState.RUNNING:
            _plan(case, clock, pauses_of(clock))
        clock.save()
        facts = {"amount": amount, "unit": clock.unit, "before_ms": before, "reason": reason}
        _write(case, clock, "clock_extended", now_ms(), actor_of(by), **facts)
    return clock


# What time does to them.


def run(case: Case, clock: Clock, now: Millis) -> list[Event]:
    """Carry out all that is due by `now`, and save. The caller holds the case's lock and its transaction.

    A calendar that has changed is reckoned with first, so that nobody is late by hours that were taken away since.
    """
    if clock.state != ClockState.RUNNING:
        return []
    pauses = pauses_of(clock)
    if clock.breached_at_ms is None and _is_stale(clock):
        before, was_provisional = clock.due_at_ms, clock.provisional
        due = reckoned(clock, pauses)
        if clock.due_at_ms != before or clock.provisional != was_provisional:
            earlier = due.at_ms if due.at_ms < clock.due_at_ms else None
            facts = {"before_ms": before, "by_calendar_ms": earlier, "provisional": clock.provisional}
            _write(case, clock, "clock_reckoned", now_ms(), SYSTEM, **facts)
    # Whether a grid lies above matters once the promise is broken, and most looks are only a warning.
    broken = clock.breached_at_ms is not None or now >= clock.due_at_ms
    grids = alerts.chain(case) if broken else []
    climb = _climb(clock, pauses)
    standing, events = advance(_standing(clock, grids), now, climb)
    for event in events:
        _carry_out(case, clock, grids, event)
    clock.warned_at_ms = (clock.warned_at_ms or now) if standing.warned else None
    clock.breached_at_ms, clock.level = standing.breached_at_ms, standing.level
    clock.next_at_ms = next_look(standing, climb)
    clock.save()
    if clock.party_id is None and any(isinstance(event, Breach) for event in events):
        # After the clock is stored: where the case goes may stop or pause this very clock.
        happened(case, f"{clock.kind}_breached", now)
    return events


def reckoned(clock: Clock, pauses: Sequence[tuple[int, int]]) -> Due:
    """Put the due date where the calendar of now says, but never earlier than it was promised. Returns what it says."""
    # Asked for once: the stamp must be that of the very calendar that the dates come from.
    held = held_for(clock.jurisdiction_id) if _by_calendar(clock) else _PLAIN
    due = _reckon(clock, clock.amount + clock.extra, pauses, held.calendar)
    clock.due_at_ms = max(clock.due_at_ms, due.at_ms)
    clock.provisional = due.provisional
    clock.calendar_stamp = held.stamp
    clock.warn_at_ms = None
    if clock.warn_after is not None:
        clock.warn_at_ms = _reckon(clock, clock.warn_after + clock.extra, pauses, held.calendar).at_ms
    return due


def locked(clock_id: int, by: User | str) -> tuple[Case, Clock]:
    """A case and its clock, locked in this order.

    Raises:
        Clock.DoesNotExist: none in the person's scope.
        PermissionDenied: the person's role may not.
    """
    seen = Clock.objects.all()
    if isinstance(by, User):
        if by.role not in MAY_COMMAND:
            raise PermissionDenied
        seen = Clock.objects.visible_to(by)
    case_id = seen.values_list("case_id", flat=True).get(pk=clock_id)
    case = Case.objects.select_for_update().get(pk=case_id)
    clock = Clock.objects.select_for_update(of=("self",)).select_related("party__whistle").get(pk=clock_id)
    clock.case = case
    return case, clock


def actor_of(by: User | str) -> str:
    """As the history names them."""
    return f"user:{by.get_username()}" if isinstance(by, User) else f"cli:{by}"


def pauses_of(clock: Clock) -> list[tuple[int, int]]:
    """When it stood still so far; a pause that goes on is left out until it ends."""
    ended = clock.pauses.filter(to_ms__isnull=False)
    return [(pause.from_ms, pause.to_ms or 0) for pause in ended]


def _reckon(clock: Clock, amount: float, pauses: Sequence[tuple[int, int]], calendar: Calendar) -> Due:
    try:
        return reckon(clock.started_at_ms, amount, clock.unit, calendar, days=clock.days, pauses=pauses)  # type: ignore[arg-type]
    except ValueError:
        # A calendar with hardly any hours must not stop cases from being opened: due in a time nobody will see.
        return Due(clock.started_at_ms + 4 * FAR_MS, provisional=True)


def _by_calendar(clock: Clock) -> bool:
    return clock.unit.startswith("working")


def _is_stale(clock: Clock) -> bool:
    return _by_calendar(clock) and clock.calendar_stamp != held_for(clock.jurisdiction_id).stamp


def _climb(clock: Clock, pauses: Sequence[tuple[int, int]]) -> Any:
    every = clock.escalate_every or clock.amount

    def at(level: int) -> Millis:
        if level == 1:
            return clock.due_at_ms
        held = held_for(clock.jurisdiction_id) if _by_calendar(clock) else _PLAIN
        return _reckon(clock, clock.amount + clock.extra + every * (level - 1), pauses, held.calendar).at_ms

    return at


def _standing(clock: Clock, grids: Sequence[Any]) -> Standing:
    # Without a grid there is one step: to the administrators.
    top = (max(len(grids) - 1, 1) if len(grids) != 1 else 0) if clock.escalate else 0
    return Standing(
        due_at_ms=clock.due_at_ms,
        warn_at_ms=clock.warn_at_ms,
        warned=clock.warned_at_ms is not None,
        breached_at_ms=clock.breached_at_ms,
        level=clock.level,
        top=top,
    )


def _plan(case: Case, clock: Clock, pauses: Sequence[tuple[int, int]]) -> None:
    grids = alerts.chain(case) if clock.breached_at_ms is not None else []
    clock.next_at_ms = next_look(_standing(clock, grids), _climb(clock, pauses))


def _carry_out(case: Case, clock: Clock, grids: Sequence[Any], event: Event) -> None:
    key = f"clock:{clock.pk}"
    facts = {"clock": clock.kind, "due_at_ms": clock.due_at_ms}
    if clock.party is not None:
        facts["party"] = clock.party.name
    match event:
        case Warn(at):
            to = alerts.who_handles(case, clock)
            # An extension makes a new warning possible: it is one more, about another due date.
            key = f"{key}:warning:{clock.due_at_ms}"
            alerts.tell(case.jurisdiction_id, to, key=key, kind="clock_warning", at_ms=at, case=case, **facts)
            _write(case, clock, "clock_warned", at, SYSTEM)
        case Breach(at):
            to = alerts.who_must_know(case, clock)
            key = f"{key}:breach"
            alerts.tell(case.jurisdiction_id, to, key=key, kind="clock_breach", at_ms=at, case=case, **facts)
            _write(case, clock, "clock_breached", at, SYSTEM)
        case Escalate(at, level):
            grid, to = alerts.above(grids, level)
            name = None if grid is None else f"{grid.name} ({grid.code})"
            key = f"{key}:level-{level}"
            alerts.tell(
                case.jurisdiction_id,
                to,
                key=key,
                kind="clock_escalated",
                at_ms=at,
                case=case,
                grid=name,
                **facts,
            )
            _write(case, clock, "clock_escalated", at, SYSTEM, level=level, grid=name)


def _pause(case: Case, clock: Clock, actor: str, reason: str, *, by_state: bool = False) -> None:
    now = now_ms()
    ClockPause.objects.create(
        clock=clock, from_ms=now, reason=reason[:300], actor=actor[:160], by_state=by_state
    )
    clock.state, clock.next_at_ms = ClockState.PAUSED, None
    clock.save()
    _write(case, clock, "clock_paused", now, actor, reason=reason)


def _resume(case: Case, clock: Clock, actor: str, reason: str = "") -> None:
    now, before = now_ms(), clock.due_at_ms
    _end_pause(clock, now)
    clock.state = ClockState.RUNNING
    pauses = pauses_of(clock)
    if clock.breached_at_ms is None:
        reckoned(clock, pauses)
    _plan(case, clock, pauses)
    clock.save()
    _write(case, clock, "clock_resumed", now, actor, before_ms=before, reason=reason or None)


def _pause_of(clock: Clock) -> ClockPause:
    return clock.pauses.get(to_ms__isnull=True)


def _end_pause(clock: Clock, at_ms: Millis) -> None:
    pause = _pause_of(clock)
    pause.to_ms = max(at_ms, pause.from_ms)
    pause.save(update_fields=["to_ms"])
    clock.state = ClockState.RUNNING


def _must(clock: Clock, state: ClockState, what: str) -> None:
    if clock.kind in OUTSIDE:
        raise PatrolError(
            f"a deadline that was set from outside is not {what} here", field="clock", value=clock.pk
        )
    if clock.breached_at_ms is not None:
        raise PatrolError(
            f"a promise that is broken cannot be {what} any more", field="clock", value=clock.pk
        )
    if clock.state != state:
        raise PatrolError(f"a clock that is {clock.state} cannot be {what}", field="clock", value=clock.pk)


def _reason(text: str) -> str:
    if not text.strip():
        raise PatrolError("a reason is needed; it stands in the history", field="reason")
    return text.strip()[:300]


def _write(case: Case, clock: Clock, kind: str, at_ms: Millis, actor: str, **facts: Any) -> None:
    party = None if clock.party is None else clock.party.name
    history.append(
        case, kind, at_ms, actor, clock=clock.kind, party=party, due_at_ms=clock.due_at_ms, **facts
    )
