"""The data of cases. Instants are UTC milliseconds of stream time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from protocol.clock import Millis
from protocol.messages import CaseState, EvidenceRef, OutcomeResult, Position
from zones import Box, Zone
from zones.hours import Hours
from zones.rules import Calendar

ENDED: frozenset[CaseState] = frozenset({"self_corrected", "exempt", "closed"})
"""States that nothing leaves."""

_CALENDAR = Calendar()

NoticeStatus = Literal["none", "pending", "accepted", "refused", "given_up"]
"""`given_up`: no answer came in time; if one comes after all, the clock begins anew."""


@dataclass(frozen=True, slots=True)
class Case:
    """One violation by one vehicle during one stay, within one span of the zone's hours.

    Attributes:
        id: unique for ever.
        stay_id: the stay, with a number after a point if it has had a case before: in earlier hours of the zone, or
            before an exemption held.
        zone: the rules under which the case was opened; later edits do not touch it.
        time_zone, calendar: with which its hours are read; of the same moment.
        counts_until_ms: when the hours end in which it was opened; None: they do not.
        exemption_unclear: nobody could tell whether the vehicle is exempt: whatever follows needs a person's look.
        steps: number of records published so far; part of their idempotency keys.
        plate: the voted plate, absent rather than guessed.
        identified: whether it is settled who the vehicle is (or that nobody can tell).
        clock_started_ms, clock_ends_ms: the time to leave; the end never moves to an earlier moment.
        recheck_until_ms: how long a fresh picture is waited for.
        proven_ms: frame time of the recheck picture that the task stands on.
        task_issued: whether a task (or manual check) was published.
        outcome_id: the officer's outcome that closed it.
    notice_until_ms: how long an answer to the warning is waited for.
    notice_result_id: the centre's last answer that was taken.
    """

    id: str
    stay_id: str
    camera_id: str
    zone: Zone
    place: str
    street: str
    position: Position | None
    vehicle_class: str
    box: Box
    why: str
    first_seen_ms: Millis
    confirmed_ms: Millis
    state: CaseState = "confirmed"
    reason: str = ""
    changed_ms: Millis = 0
    steps: int = 0
    plate: str | None = None
    plate_confidence: float | None = None
    identified: bool = False
    notice: NoticeStatus = "none"
    unnotifiable_reason: str | None = None
    notified_ms: Millis | None = None
    clock_started_ms: Millis | None = None
    clock_ends_ms: Millis | None = None
    recheck_until_ms: Millis | None = None
    proven_ms: Millis | None = None
    task_issued: bool = False
    outcome_id: str | None = None
    notice_until_ms: Millis | None = None
    notice_result_id: str | None = None
    evidence: tuple[EvidenceRef, ...] = ()
    time_zone: str = "Asia/Shanghai"
    calendar: Calendar = _CALENDAR
    counts_until_ms: Millis | None = None
    exemption_unclear: bool = False

    @property
    def whole_stay_id(self) -> str:
        """The stay's own id, without the number of the case."""
        head, _, number = self.stay_id.rpartition(".")
        return head if head and number.isdigit() else self.stay_id

    def hours_over(self, at_ms: Millis) -> bool:
        """Whether the zone has ceased to count since the case was opened, by the rules of that moment."""
        if self.counts_until_ms is not None and at_ms >= self.counts_until_ms:
            return True
        # A box whose clock was set back may be outside of the hours without having seen their end.
        return Hours(self.zone.hours, self.time_zone, self.calendar).counts(at_ms) is not True


# What can happen to a case.


@dataclass(frozen=True, slots=True)
class Watched:
    """An observation of the vehicle. `proven`: the picture proves that it is the same and in the zone. `unclear`:
    nobody can tell whether an exemption holds for it now."""

    at_ms: Millis
    proven: bool
    box: Box
    why: str
    unclear: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """The vehicle left (or another took its place)."""

    at_ms: Millis
    reason: str


@dataclass(frozen=True, slots=True)
class Identified:
    """It is settled who the vehicle is: a plate, or the reason why there is none.

    `warned_in`: an earlier case in which this plate was warned in this street within the zone's time.
    `open_in`: another open case of this plate in this street.
    `exempt`: why the zone does not concern it. `unclear`: why nobody can tell whether it does.
    """

    at_ms: Millis
    plate: str | None
    confidence: float | None = None
    reason: str = ""
    warned_in: str | None = None
    open_in: str | None = None
    exempt: str | None = None
    unclear: str | None = None


@dataclass(frozen=True, slots=True)
class Exempted:
    """An exemption holds for the vehicle now: by its hours, by a permit, by what it turned out to be."""

    at_ms: Millis
    reason: str


@dataclass(frozen=True, slots=True)
class NoticeAccepted:
    """The SMS gateway took the warning; `at_ms` is when this box learned of it, which is never earlier.

    `told_until_ms`: the deadline that the text names, if the centre wrote it. `result_id`: the centre's name of its
    answer, to be named in a record.
    """

    at_ms: Millis
    told_until_ms: Millis | None = None
    result_id: str | None = None


@dataclass(frozen=True, slots=True)
class NoticeRefused:
    """The warning will never be sent (no owner, opted out, refused), or was taken and did not reach the phone."""

    at_ms: Millis
    reason: str
    result_id: str | None = None


@dataclass(frozen=True, slots=True)
class NoticeHeld:
    """The warning waits until `until_ms`, because of the hour."""

    at_ms: Millis
    until_ms: Millis
    reason: str
    result_id: str | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed."""

    at_ms: Millis


@dataclass(frozen=True, slots=True)
class OfficerOutcome:
    """What the officer found."""

    at_ms: Millis
    outcome_id: str
    result: OutcomeResult


CaseInput = (
    Watched
    | Ended
    | Identified
    | Exempted
    | NoticeAccepted
    | NoticeRefused
    | NoticeHeld
    | Tick
    | OfficerOutcome
)


# What a case wants done.


@dataclass(frozen=True, slots=True)
class Capture:
    """Seal the picture that this step was decided on."""

    role: Literal["confirm", "recheck"]


@dataclass(frozen=True, slots=True)
class SendNotice:
    """Warn the owner, once."""

    plate: str


@dataclass(frozen=True, slots=True)
class CancelNotice:
    """The vehicle left before the warning went out: do not send it any more."""


@dataclass(frozen=True, slots=True)
class PublishRecord:
    """Tell the centre about this step."""

    step: int
    state: CaseState
    previous: CaseState | None
    at_ms: Millis
    reason: str
    outcome_id: str | None = None
    notice_result_id: str | None = None


@dataclass(frozen=True, slots=True)
class PublishTask:
    """Send an officer."""

    at_ms: Millis
    manual_check: bool


@dataclass(frozen=True, slots=True)
class PublishRetraction:
    """Nobody needs to go."""

    at_ms: Millis
    reason: str


CaseEffect = Capture | SendNotice | CancelNotice | PublishRecord | PublishTask | PublishRetraction
