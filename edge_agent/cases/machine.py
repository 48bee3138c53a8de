"""Transitions of a case.

| state | leaves by |
|---|---|
| confirmed | identified and warned -> notified; nobody to warn -> unnotifiable; open elsewhere or exempt by the rules -> exempt; left -> self_corrected |
| notified, unnotifiable | left -> self_corrected; clock -> rechecking (or closed, by the zone's policy) |
| rechecking | proven in a frame at or after the clock's end -> tasked; left -> self_corrected; window over -> unverified |
| tasked | outcome -> closed; left -> retraction, closed |
| unverified | closed, or a manual check that ends like a task |
| any before a task | the zone's hours end -> closed; an exemption begins to hold -> exempt |

A step that does not apply (a late receipt, an old tick) changes nothing. An answer to the warning that comes after
the case stopped waiting for it starts the clock anew, and takes a task back: nobody is fined in a time that a text
gave them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from edge_agent.cases.model import (
    ENDED,
    CancelNotice,
    Capture,
    Case,
    CaseEffect,
    CaseInput,
    Ended,
    Exempted,
    Identified,
    NoticeAccepted,
    NoticeHeld,
    NoticeRefused,
    OfficerOutcome,
    PublishRecord,
    PublishRetraction,
    PublishTask,
    SendNotice,
    Tick,
    Watched,
)
from protocol.clock import Millis
from protocol.messages import CaseState, Position
from zones import Box, Zone
from zones.hours import Hours, local_text
from zones.rules import Calendar

Result = tuple[Case, tuple[CaseEffect, ...]]

ANSWER_MARGIN_MS = 60_000
"""How much longer than a warning may be sent its answer is waited for: a message in the gateway's hands is looked up
and its answer has to travel."""

LONGEST_HOLD_MS = 24 * 3_600_000
"""No warning is held for longer than a day."""

ALLOWED_NOW = "standing is allowed there at this hour"

_LEFT = {
    "departed": "the vehicle left",
    "replaced": "another vehicle stands there now",
    "double": "it is the vehicle of an older stay, seen again",
    "left_zone": "the vehicle moved out of the zone",
    "hours_over": "the zone's hours ended",
    "allowed": ALLOWED_NOW,
}


def open_case(
    case_id: str,
    stay_id: str,
    *,
    camera_id: str,
    zone: Zone,
    place: str,
    street: str,
    position: Position | None,
    vehicle_class: str,
    box: Box,
    why: str,
    first_seen_ms: Millis,
    at_ms: Millis,
    time_zone: str = "Asia/Shanghai",
    calendar: Calendar | None = None,
    exempt: str | None = None,
) -> Result:
    """A violation is established at `at_ms`: a case in state confirmed, with its first picture wanted.

    Where the vehicle is `exempt`, the case ends in the same step, without a picture: there was no violation, and
    what remains is the reason.
    """
    calendar = calendar or Calendar()
    case = Case(
        id=case_id,
        stay_id=stay_id,
        camera_id=camera_id,
        zone=zone,
        place=place,
        street=street,
        position=position,
        vehicle_class=vehicle_class,
        box=box,
        why=why,
        first_seen_ms=first_seen_ms,
        confirmed_ms=at_ms,
        state="observing",
        changed_ms=at_ms,
        time_zone=time_zone,
        calendar=calendar,
        counts_until_ms=Hours(zone.hours, time_zone, calendar).next_change(at_ms),
    )
    if exempt is not None:
        case, record = _move(case, "exempt", at_ms, f"exempt: {exempt}")
        return case, (record,)
    case, record = _move(case, "confirmed", at_ms, f"stood for {zone.confirm_after_s:g} s; {why}")
    return case, (Capture("confirm"), record)


def step(case: Case, happened: CaseInput) -> Result:
    """Take one input into account. Pure; an input that does not apply returns the case as it was."""
    match happened:
        case OfficerOutcome():
            return _on_outcome(case, happened)
        case NoticeAccepted() | NoticeRefused() | NoticeHeld():
            return _on_answer(case, happened)
        case _ if case.state in ENDED:
            return case, ()
        case Identified() | Exempted() | Tick() | Watched() if _hours_ended(case, happened.at_ms):
            return _on_hours_ended(case, happened.at_ms)
        case Identified():
            return _on_identified(case, happened)
        case Exempted(at_ms, reason):
            return _on_exempted(case, at_ms, reason)
        case Ended():
            return _on_ended(case, happened)
        case Tick(at_ms):
            return _on_time(case, at_ms)
        case Watched():
            return _on_watched(case, happened)
        case _:
            assert_never(happened)


def shift_clock(case: Case, by_ms: int) -> Case:
    """Move the running clock along when the time base itself stepped, so that the time that really passes
    until its end stays what it was. After a reboot, where nobody knows how long the box was off, the step
    counts the whole of it: the clock may end later, never earlier.
    """
    if case.state in ENDED or by_ms == 0:
        return case

    def moved(at_ms: Millis | None) -> Millis | None:
        return None if at_ms is None else at_ms + by_ms

    return replace(
        case,
        clock_ends_ms=moved(case.clock_ends_ms),
        recheck_until_ms=moved(case.recheck_until_ms),
        notice_until_ms=moved(case.notice_until_ms),
    )


def _move(
    case: Case, state: CaseState, at_ms: Millis, reason: str, outcome_id: str | None = None
) -> tuple[Case, PublishRecord]:
    # Where the clock was set back, a step is never told as older than the one before: the newest is what counts.
    at_ms = max(at_ms, case.changed_ms)
    record = PublishRecord(case.steps, state, case.state, at_ms, reason, outcome_id)
    return replace(case, state=state, reason=reason, changed_ms=at_ms, steps=case.steps + 1), record


def _on_identified(case: Case, who: Identified) -> Result:
    if case.state != "confirmed" or case.identified:
        return case, ()
    if who.exempt is not None:
        return _on_exempted(replace(case, identified=True), who.at_ms, who.exempt)
    case = replace(case, identified=True, plate=who.plate, plate_confidence=who.confidence)
    if who.unclear is not None:
        reason = f"{who.unclear}; whether it is exempt could not be told"
        return _unnotifiable(replace(case, exemption_unclear=True), who.at_ms, reason)
    if who.plate is None:
        return _unnotifiable(case, who.at_ms, who.reason or "the plate could not be read")
    if who.open_in is not None:
        case, record = _move(case, "exempt", who.at_ms, f"the same vehicle is followed in case {who.open_in}")
        return case, (record,)
    if who.warned_in is not None:
        return _unnotifiable(case, who.at_ms, f"already warned in this street, in case {who.warned_in}")
    until = notice_give_up_ms(case.zone, who.at_ms) + ANSWER_MARGIN_MS
    return replace(case, notice="pending", changed_ms=who.at_ms, notice_until_ms=until), (
        SendNotice(who.plate),
    )


def notice_give_up_ms(zone: Zone, asked_ms: Millis) -> Millis:
    """When a warning that has not been sent is not sent any more: as long after it was asked for as the driver would
    have had to leave."""
    return asked_ms + round(zone.grace_s * 1000)


def _on_answer(case: Case, answer: NoticeAccepted | NoticeRefused | NoticeHeld) -> Result:
    """What became of the warning. An answer of the centre is named in a record, even where it changes nothing."""
    if answer.result_id is None:
        return _take_answer(case, answer)
    if answer.result_id == case.notice_result_id:
        return case, ()
    after, effects = _take_answer(replace(case, notice_result_id=answer.result_id), answer)
    for number, effect in enumerate(effects):
        if isinstance(effect, PublishRecord):
            named = replace(effect, notice_result_id=answer.result_id)
            return after, (*effects[:number], named, *effects[number + 1 :])
    noted = PublishRecord(
        after.steps,
        after.state,
        after.state,
        answer.at_ms,
        "the answer to the warning was noted",
        notice_result_id=answer.result_id,
    )
    return replace(after, steps=after.steps + 1), (*effects, noted)


def _take_answer(case: Case, answer: NoticeAccepted | NoticeRefused | NoticeHeld) -> Result:
    if case.state in ENDED:
        return case, ()
    if _hours_ended(case, answer.at_ms):
        if isinstance(answer, NoticeAccepted) and case.notice == "pending":
            case = replace(case, notice="accepted", notified_ms=answer.at_ms)
        return _on_hours_ended(case, answer.at_ms)
    waits = case.state == "confirmed" and case.notice == "pending"
    match answer:
        case NoticeAccepted():
            return _on_notice_accepted(case, answer)
        case NoticeRefused(at_ms, reason) if waits or (
            case.state == "notified" and answer.result_id is not None
        ):
            # Taken by the gateway, but the phone never got it: the clock of those whom nobody could tell begins now.
            return _unnotifiable(replace(case, notice="refused", notified_ms=None), at_ms, reason)
        case NoticeHeld(at_ms, until_ms, reason) if waits:
            until_ms = min(until_ms, at_ms + LONGEST_HOLD_MS)
            until = notice_give_up_ms(case.zone, until_ms) + ANSWER_MARGIN_MS
            case = replace(case, notice_until_ms=max(until, case.notice_until_ms or until))
            case, record = _move(case, "confirmed", at_ms, reason)
            return case, (record,)
    return case, ()


def _hours_ended(case: Case, at_ms: Millis) -> bool:
    """A task that was issued within the hours stands; before one, nobody is punished outside of them."""
    return not case.task_issued and case.hours_over(at_ms)


def _on_hours_ended(case: Case, at_ms: Millis) -> Result:
    """Nothing follows. It ended with the hours, however late that is noticed."""
    until = case.counts_until_ms
    ended_ms = at_ms if until is None else max(case.changed_ms, min(at_ms, until))
    told = f" at {local_text(until, case.time_zone)}" if until is not None and at_ms >= until else ""
    case, record = _move(case, "closed", ended_ms, f"the zone's hours ended{told}; nothing follows")
    return case, (*_withdrawn(case), record)


def _on_exempted(case: Case, at_ms: Millis, reason: str) -> Result:
    if case.task_issued:
        return case, ()
    case, record = _move(case, "exempt", at_ms, f"exempt: {reason}")
    return case, (*_withdrawn(case), record)


def _withdrawn(case: Case) -> tuple[CaseEffect, ...]:
    return (CancelNotice(),) if case.notice == "pending" else ()


def _unnotifiable(case: Case, at_ms: Millis, reason: str) -> Result:
    case = _start_clock(replace(case, unnotifiable_reason=reason, notice_until_ms=None), at_ms)
    case, record = _move(case, "unnotifiable", at_ms, reason)
    return case, (record,)


def _on_notice_accepted(case: Case, answer: NoticeAccepted) -> Result:
    if case.notice in ("none", "accepted"):
        return case, ()
    at_ms = max(answer.at_ms, case.confirmed_ms)
    case = replace(case, notice="accepted", notified_ms=at_ms, notice_until_ms=None)
    if case.task_issued:
        reason = "the warning went out only now; the time that it gives is not over"
        case, closing = _move(case, "closed", at_ms, reason)
        return case, (PublishRetraction(at_ms, reason), closing)
    case = replace(_start_clock(case, at_ms, answer.told_until_ms), unnotifiable_reason=None)
    case, record = _move(case, "notified", at_ms, f"warned; {case.zone.grace_s:g} s to leave")
    return case, (record,)


def _start_clock(case: Case, at_ms: Millis, told_until_ms: Millis | None = None) -> Case:
    """The whole time to leave from now on, and not less than a text has promised; never earlier than before.

    A text may promise more where the centre's clock is ahead of this box's. A promise beyond any hold is a clock that
    is plainly wrong; it is kept up to there, so that a case ends some day.
    """
    ends_ms = at_ms + round(case.zone.grace_s * 1000)
    if told_until_ms is not None:
        ends_ms = max(ends_ms, min(told_until_ms, ends_ms + LONGEST_HOLD_MS))
    return replace(
        case,
        clock_started_ms=at_ms,
        clock_ends_ms=max(ends_ms, case.clock_ends_ms or ends_ms),
        recheck_until_ms=None,
    )


def _on_ended(case: Case, end: Ended) -> Result:
    reason = _LEFT.get(end.reason, end.reason)
    if case.task_issued:
        case, record = _move(case, "closed", end.at_ms, reason)
        return case, (PublishRetraction(end.at_ms, reason), record)
    case, record = _move(case, "self_corrected", end.at_ms, reason)
    return case, (*_withdrawn(case), record)


def _on_time(case: Case, at_ms: Millis) -> Result:
    if notice_overdue(case, at_ms):
        case, effects = _unnotifiable(
            replace(case, notice="given_up"), at_ms, "no answer came whether the warning went out"
        )
        return case, (CancelNotice(), *effects)
    ends_ms = case.clock_ends_ms
    if case.state in ("notified", "unnotifiable") and ends_ms is not None:
        if at_ms < ends_ms:
            return case, ()
        if case.state == "unnotifiable" and case.zone.unnotifiable == "close":
            case, record = _move(case, "closed", at_ms, f"nobody could be told: {case.unnotifiable_reason}")
            return case, (record,)
        until = max(ends_ms, at_ms) + round(case.zone.recheck_window_s * 1000)
        case, record = _move(replace(case, recheck_until_ms=until), "rechecking", at_ms, "the clock ended")
        return case, (record,)
    if case.state == "rechecking" and case.recheck_until_ms is not None and at_ms >= case.recheck_until_ms:
        return _on_window_over(case, at_ms)
    return case, ()


def notice_overdue(case: Case, at_ms: Millis) -> bool:
    """Whether the case has waited long enough for an answer to its warning."""
    until_ms = case.notice_until_ms
    return (
        case.state == "confirmed" and case.notice == "pending" and until_ms is not None and at_ms >= until_ms
    )


def may_be_due(case: Case, at_ms: Millis) -> bool:
    """Whether a tick at this time could change the case."""
    if notice_overdue(case, at_ms) or (not case.task_issued and case.hours_over(at_ms)):
        return True
    if case.state in ("notified", "unnotifiable"):
        return case.clock_ends_ms is not None and at_ms >= case.clock_ends_ms
    return case.state == "rechecking" and case.recheck_until_ms is not None and at_ms >= case.recheck_until_ms


def _on_window_over(case: Case, at_ms: Millis) -> Result:
    case, record = _move(
        case, "unverified", at_ms, "no picture proved that the vehicle is still there or gone"
    )
    if case.zone.unverified == "manual_check":
        return replace(case, task_issued=True), (record, PublishTask(at_ms, manual_check=True))
    case, closing = _move(case, "closed", at_ms, "the camera could not tell; nothing follows")
    return case, (record, closing)


def _on_watched(case: Case, look: Watched) -> Result:
    case, effects = _on_time(case, look.at_ms)
    if case.state != "rechecking" or not look.proven:
        return case, effects
    if case.clock_ends_ms is None or look.at_ms < case.clock_ends_ms:
        return case, effects
    unwarned = case.notice != "accepted" and case.zone.unnotifiable == "manual_check"
    manual = unwarned or case.exemption_unclear or look.unclear
    case = replace(case, box=look.box, why=look.why, proven_ms=look.at_ms, task_issued=True)
    case, record = _move(case, "tasked", look.at_ms, f"the same vehicle is still there; {look.why}")
    return case, (*effects, Capture("recheck"), record, PublishTask(look.at_ms, manual_check=manual))


def _on_outcome(case: Case, outcome: OfficerOutcome) -> Result:
    if case.outcome_id == outcome.outcome_id:
        return case, ()
    if case.state in ENDED or not case.task_issued:
        # Too late or out of place, but the centre waits for the answer: record it once, change nothing else.
        record = PublishRecord(
            case.steps,
            case.state,
            case.state,
            outcome.at_ms,
            f"outcome {outcome.result} noted",
            outcome.outcome_id,
        )
        return replace(case, outcome_id=outcome.outcome_id, steps=case.steps + 1), (record,)
    case = replace(case, outcome_id=outcome.outcome_id)
    case, closing = _move(case, "closed", outcome.at_ms, f"officer: {outcome.result}", outcome.outcome_id)
    return case, (closing,)
