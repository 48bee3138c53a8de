"""One past rest under one zone file: what would have been decided.

The functions that decide live decide here: where a vehicle stands and which of its time counts
(`stays.placing`), what hours and exemptions say (`ruling`), and the life of a case (`cases`). Only the pictures are
missing: looks come from the rest log, and between two looks at which something may change the time is skipped.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import cast

from edge_agent.attention import Camera
from edge_agent.cases import (
    ENDED,
    Case,
    CaseInput,
    Ended,
    Exempted,
    Identified,
    NoticeAccepted,
    NoticeRefused,
    SendNotice,
    Tick,
    Watched,
    may_be_due,
    open_case,
    step,
)
from edge_agent.perception import Eyes
from edge_agent.plates import PlateDesk, PlateVerdict
from edge_agent.rehearsal.known import Known
from edge_agent.rehearsal.looks import Look, Looks
from edge_agent.rehearsal.past import PastRest
from edge_agent.rests import Decided, Pose
from edge_agent.ruling import NoPermits, RuleDesk
from edge_agent.stays import CameraState, Stay, StayEnded, StayRules, StayWatched, Terms
from edge_agent.stays import Look as Appearance
from edge_agent.stays.placing import followed, place_in_zones
from protocol.clock import Millis
from zones import ZoneIndex
from zones.exemptions import Exempt, Unclear
from zones.hours import hours_of

_UNSEEN = Appearance(bytes(576), 0.0)
_SURE = (1.0, 1.0)
"""Closer looks that were never taken are assumed to find a vehicle; the report says so."""


@dataclass(frozen=True, slots=True)
class Ask:
    """The question that one rest cannot answer for itself: was this vehicle warned before, is it followed elsewhere?"""

    at_ms: Millis
    case: Case
    plate: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The cases in which it was warned, or is followed."""

    warned_in: str | None = None
    open_in: str | None = None


@dataclass(slots=True)
class Trail:
    """What other rests may ask about this one.

    Attributes:
        sent: (plate, street, case, instant) of warnings.
        cases: the cases, as far as they have come; the last may be open.
    """

    sent: list[tuple[str, str, str, Millis]]
    cases: list[Case]


Following = Generator[Ask, Answer, tuple[Decided, ...]]


class Follower:
    """Follows one rest under one zone file.

    Args:
        past: the rest.
        index: the zones, scaled to the pictures in which the rest was seen, exemptions resolved for it.
        known: what is known of the owner.
    """

    def __init__(self, past: PastRest, index: ZoneIndex, known: Known) -> None:
        self._past = past
        self._rest = past.rest
        self._index = index
        self._known = known
        self._looks = Looks(past.rest)
        self._rules = StayRules.for_period(past.period_ms / 1000)
        told = SimpleNamespace(verdict=self._verdict, wants=lambda _stay: False)
        self._desk = RuleDesk(NoPermits(), cast(PlateDesk, told), 0)
        eyes = cast(Eyes, SimpleNamespace(index=index))
        state = CameraState(past.rest.camera_id)
        place, street = index.file.place, index.file.street
        self._view = Camera(past.rest.camera_id, eyes, self._rules, state, place, street)
        self._changes = _changes(index)
        self._stay: Stay | None = None
        self._case: Case | None = None
        self._answer_ms: Millis | None = None
        self.trail = Trail([], [])

    def run(self) -> Following:
        """Decide from the first look to the end. Asks what other rests know; returns the cases, oldest first."""
        look: Look | None = self._looks.first()
        before: Look | None = None
        while look is not None:
            self._pass_time(look.at_ms)
            since = before.at_ms if before is not None and before.span == look.span else None
            yield from self._take_look(look, since, before)
            before, look = look, self._next(look)
        end_ms = self._past.until_ms
        self._pass_time(end_ms)
        case = self._case_now()
        stay, rest = self._stay, self._rest
        if case is not None and stay is not None and rest.ended_ms is not None and rest.end is not None:
            followed_in = stay.zone_id or stay.former_zone_id
            if followed_in is not None:
                self._apply(Ended(max(rest.ended_ms, case.changed_ms), rest.end))
        mark = None if self._known.guessed else self._known.plate
        return tuple(Decided.of(case, mark) for case in self.trail.cases)

    def last(self) -> Stay | None:
        """The vehicle as it was followed last; None if it never stood anywhere that matters."""
        return self._stay

    # One look

    def _take_look(
        self, look: Look, since: Millis | None, before: Look | None
    ) -> Generator[Ask, Answer, None]:
        at_ms, pose = look.at_ms, self._pose(look.at_ms)
        if self._stay is None:
            self._begin(at_ms, pose)
            return
        terms = self._terms(at_ms)
        looks = 1 if since is None or before is None else look.number - before.number
        stay = replace(
            self._stay,
            last_ms=at_ms,
            hits=self._stay.hits + looks,
            covered_ms=self._stay.covered_ms + (at_ms - since if since is not None else 0),
            anchor=pose.box,
            label=pose.label,
        )
        stay, events, over = place_in_zones(
            stay, at_ms, self._index, self._rules, terms, since, proven=look.proven
        )
        self._stay = None if over else stay
        self._view.state = CameraState(self._rest.camera_id, at_ms, 1, () if over else (stay,))
        for event in events:
            if isinstance(event, StayWatched):
                yield from self._watched(event, at_ms)
            elif isinstance(event, StayEnded):
                case = self._case_of(event.stay)
                if case is not None and event.reason != "hours_over":
                    self._apply(Ended(max(event.at_ms, case.changed_ms), event.reason))

    def _begin(self, at_ms: Millis, pose: Pose) -> None:
        """It is followed from here on if it is near enough to a zone."""
        where = self._index.presence(pose.box, pose.label, active=followed(self._index, self._terms(at_ms)))
        if where.zone_id is None or where.ratio < self._index.zones[where.zone_id].leave_ratio:
            return
        checks = self._rest.checks or _SURE
        self._stay = Stay(
            id=self._rest.stay_id or self._rest.id,
            label=pose.label,
            first_ms=at_ms,
            last_ms=at_ms,
            spot=pose.box,
            anchor=pose.box,
            recent=(pose.box,),
            look=_UNSEEN,
            score=self._rest.score,
            checks=checks if len(checks) > 1 else (*checks, *checks),
            unsure=self._rest.unsure,
        )
        self._view.state = CameraState(self._rest.camera_id, at_ms, 1, (self._stay,))

    def _watched(self, event: StayWatched, at_ms: Millis) -> Generator[Ask, Answer, None]:
        """As the engine does it."""
        stay = event.stay
        case = self._case_of(stay)
        if case is None:
            if event.proven:
                self._maybe_open(stay, at_ms)
        else:
            ruling = None if case.task_issued else self._desk.on_case(case, at_ms, case.plate)
            if isinstance(ruling, Exempt):
                self._apply(Exempted(at_ms, ruling.reason))
            unclear = isinstance(self._desk.on_case(case, at_ms), Unclear)
            self._apply(Watched(at_ms, event.proven, stay.anchor, stay.why, unclear))
        case = self._case_of(stay)
        if case is not None and case.state == "confirmed" and not case.identified:
            yield from self._identify(case, at_ms)

    def _maybe_open(self, stay: Stay, at_ms: Millis) -> None:
        opening = self._desk.opening(self._view, stay, at_ms)
        if opening is None:
            return
        zone, file = opening.zone, opening.file
        key = f"{stay.id}.{len(self.trail.cases) + 1}" if self.trail.cases else stay.id
        case, _ = open_case(
            f"C-{key}",
            key,
            camera_id=self._rest.camera_id,
            zone=zone,
            place=zone.place or self._view.place,
            street=self._view.street or zone.place or self._view.place,
            position=None,
            vehicle_class=stay.label,
            box=stay.anchor,
            why=stay.why,
            first_seen_ms=stay.first_ms,
            at_ms=at_ms,
            time_zone=file.time_zone,
            calendar=file.calendar,
            exempt=opening.exempt,
        )
        self.trail.cases.append(case)
        self._case = case

    def _identify(self, case: Case, at_ms: Millis) -> Generator[Ask, Answer, None]:
        known = self._known
        if known.plate is None and at_ms < case.confirmed_ms + known.settled_after_ms:
            return
        ruling = self._desk.on_case(case, at_ms, known.plate)
        exempt = ruling.reason if isinstance(ruling, Exempt) else None
        unclear = known.no_plate if isinstance(ruling, Unclear) else None
        if known.plate is None:
            self._apply(Identified(at_ms, None, reason=known.no_plate, exempt=exempt, unclear=unclear))
            return
        answer = yield Ask(at_ms, case, known.plate)
        self._apply(
            Identified(
                at_ms, known.plate, 1.0, warned_in=answer.warned_in, open_in=answer.open_in,
                exempt=exempt, unclear=unclear,
            )
        )  # fmt: skip

    # Time between looks

    def _pass_time(self, until_ms: Millis) -> None:
        """Answers that came and clocks that ended before an instant."""
        while (case := self._case) is not None and case.state not in ENDED:
            dues = (
                self._answer_ms,
                case.clock_ends_ms if case.state in ("notified", "unnotifiable") else None,
                case.recheck_until_ms if case.state == "rechecking" else None,
                case.notice_until_ms,
                None if case.task_issued else case.counts_until_ms,
            )
            for due in sorted(due for due in dues if due is not None and due < until_ms):
                at_ms = max(due, case.changed_ms)
                if self._answer_ms is not None and self._answer_ms <= at_ms:
                    self._answered(at_ms)
                elif may_be_due(case, at_ms):
                    self._apply(Tick(at_ms))
                if self._case != case:
                    break
            else:
                return

    def _answered(self, at_ms: Millis) -> None:
        self._answer_ms = None
        refused = self._known.refused
        self._apply(NoticeAccepted(at_ms) if refused is None else NoticeRefused(at_ms, refused))

    def _apply(self, happened: CaseInput) -> None:
        """Let it happen to the case, and note what others may ask about."""
        case = self._case
        assert case is not None
        after, effects = step(case, happened)
        self._case = self.trail.cases[-1] = after
        if any(isinstance(effect, SendNotice) for effect in effects) and after.plate is not None:
            self._answer_ms = after.changed_ms + self._known.settled_after_ms
            if self._known.refused is None:
                self.trail.sent.append((after.plate, after.street, after.id, after.changed_ms))
            if self._known.settled_after_ms == 0:
                self._answered(after.changed_ms)

    # Where to look next

    def _next(self, look: Look) -> Look | None:
        """The next look at which anything may be otherwise, or the last one before."""
        following = self._looks.after(look)
        if following is None or (self._stay is not None and not self._stay.settled):
            return following
        at_ms = look.at_ms
        best: Look | None = None
        for due in self._dues(at_ms):
            if due <= at_ms:
                continue
            found = self._looks.before(due)
            if found is None or found.at_ms <= at_ms:
                found = self._looks.at_or_after(due)
            if found is not None and found.at_ms > at_ms and (best is None or found.at_ms < best.at_ms):
                best = found
        return best

    def _dues(self, at_ms: Millis) -> Iterable[Millis]:
        yield from self._looks.edges
        yield from (pose.at_ms for pose in self._rest.poses)
        for changes in self._changes:
            yield from changes.after(at_ms)
        stay = self._stay
        if stay is None:
            return
        zone = self._index.zones.get(stay.zone_id or "")
        if zone is not None:
            confirm_ms = round(zone.confirm_after_s * 1000)
            yield at_ms + max(1, confirm_ms - stay.counted_ms)
            yield at_ms + max(1, confirm_ms - stay.covered_ms)
            yield stay.free_until_ms
            for exemption in zone.exempt:
                if exemption.up_to_s is not None:
                    yield stay.first_ms + round(exemption.up_to_s * 1000)
        case = self._case
        if case is not None and case.state not in ENDED:
            dues = (
                case.clock_ends_ms, case.recheck_until_ms, case.notice_until_ms, case.counts_until_ms,
                self._answer_ms, case.confirmed_ms + self._known.settled_after_ms,
            )  # fmt: skip
            yield from (due for due in dues if due is not None)
            for exemption in case.zone.exempt:
                if exemption.up_to_s is not None:
                    yield case.first_seen_ms + round(exemption.up_to_s * 1000)

    # What is known

    def _terms(self, at_ms: Millis) -> Terms:
        return self._desk.terms(self._view, at_ms, self._case_of)

    def _case_of(self, stay: Stay) -> Case | None:
        case = self._case
        if case is None or (case.state in ENDED and case.changed_ms < stay.counts_from_ms):
            return None
        return case

    def _case_now(self) -> Case | None:
        return self._case if self._case is not None and self._case.state not in ENDED else None

    def _pose(self, at_ms: Millis) -> Pose:
        poses = self._rest.poses
        return next((pose for pose in reversed(poses) if pose.at_ms <= at_ms), poses[0])

    def _verdict(self, _stay: Stay) -> tuple[PlateVerdict | None, str]:
        known = self._known
        if known.plate is None or known.guessed:
            return None, known.no_plate
        return PlateVerdict(known.plate, 1.0), ""


class _Changes:
    """Instants at which hours begin or end, each found once."""

    def __init__(self, index: ZoneIndex, zone_id: str, exemption: int | None) -> None:
        zone = index.zones[zone_id]
        hours = hours_of(zone, index.file)
        self._hours = hours if exemption is None else replace(hours, windows=zone.exempt[exemption].hours)
        self._from: Millis = 0
        self._next: Millis | None = 0

    def after(self, at_ms: Millis) -> tuple[Millis, ...]:
        if not self._from <= at_ms or (self._next is not None and at_ms >= self._next):
            self._from, self._next = at_ms, self._hours.next_change(at_ms)
        return () if self._next is None else (self._next,)


def _changes(index: ZoneIndex) -> tuple[_Changes, ...]:
    found = []
    for zone in index.zones.values():
        if zone.hours:
            found.append(_Changes(index, zone.id, None))
        found.extend(_Changes(index, zone.id, n) for n, one in enumerate(zone.exempt) if one.hours)
    return tuple(found)
