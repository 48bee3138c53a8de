"""Deadlines that another authority sets for a case, as clocks of their own beside what we promise: the stricter one falls due first.

Such a clock warns, breaks and escalates like any other. Nobody here pauses or extends it; only whoever set it sets another,
which is a new round, so that each clock keeps the due date that it began with.
"""

from __future__ import annotations

from collections.abc import Sequence

from central.cases.models import Case
from central.cases.states import CaseState
from central.clocks import services
from central.clocks.known import known_clocks, stored
from central.clocks.models import OUTSIDE, Clock, ClockState, Kind
from central.clocks.rules import ClockRule
from central.project.clock import now_ms
from protocol.clock import Millis

WARN_SHARE = 0.75
"""After so much of the time somebody is warned."""

MINUTE_MS = 60_000


def set_deadline(
    case: Case, kind: str, due_at_ms: Millis, stops_in: Sequence[str], actor: str
) -> Clock | None:
    """Let the case carry this deadline from now on; None where it is closed, or where the same one runs already.

    Args:
        case: locked.
        kind: `Kind.OUTER_RESPONSE` or `Kind.OUTER_RESOLUTION`.
        due_at_ms: UTC milliseconds. One that has passed is broken at once.
        stops_in: states of the process that keep it; closing the case always does.
        actor: who set it, as the history names them.
    """
    assert kind in OUTSIDE, kind
    if case.state == CaseState.CLOSED or case.process_state in stops_in:
        return None
    known = [clock for clock in known_clocks(case) if clock.kind == kind]
    now = now_ms()
    due = max(due_at_ms, now + 1)
    for clock in known:
        if clock.state == ClockState.STOPPED:
            continue
        if clock.due_at_ms == due_at_ms or (
            clock.breached_at_ms is not None and due_at_ms <= clock.due_at_ms
        ):
            return None
        services.stop(case, stored(clock), now, actor=actor)
    minutes = (due - now) / MINUTE_MS
    rule = ClockRule(
        kind="response" if kind == Kind.OUTER_RESPONSE else "resolution",
        amount=min(minutes, 100_000),
        unit="minutes",
        warn_after=minutes * WARN_SHARE if minutes <= 100_000 else None,
        starts_in=(case.process_state,),
        stops_in=tuple(stops_in),
    )
    made = services.start(
        case, rule, kind=kind, round_=max((clock.round for clock in known), default=0) + 1, actor=actor
    )
    if made not in known:
        known_clocks(case).append(made)  # what a unit under way holds; else a list that is let go
    return made


def end(case: Case, kind: str, actor: str) -> None:
    """The deadline is no more: whoever set it took it back. The case is locked."""
    for clock in known_clocks(case):
        if clock.kind == kind and clock.state != ClockState.STOPPED:
            services.stop(case, stored(clock), now_ms(), actor=actor)
