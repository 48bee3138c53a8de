"""The deciding loop: observations and results in, stored decisions and effects out.

The engine has no thread and reads no clock. Whoever runs it (live agent, replay, test) hands it frames,
results and the time. Every decision is stored in one transaction together with the effects it calls for;
only then is it told to listeners.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from edge_agent.arrivals import as_input
from edge_agent.attention import Camera, Outlook, note_doubts, observe, wants_picture
from edge_agent.cases import (
    ALLOWED_NOW,
    ENDED,
    CancelNotice,
    Capture,
    Case,
    CaseEffect,
    CaseInput,
    Ended,
    Exempted,
    Identified,
    PublishRecord,
    PublishRetraction,
    PublishTask,
    SendNotice,
    Tick,
    Watched,
    may_be_due,
    open_case,
    shift_clock,
    step,
)
from edge_agent.deciding import Deciding
from edge_agent.effects import EffectWriter
from edge_agent.frames import Frame
from edge_agent.glances import Glance, Looking, considered
from edge_agent.plates import PlateDesk
from edge_agent.rechecks import Rechecks
from edge_agent.rests import NoRestLog, RestKeeper
from edge_agent.rule_change import plain_zone_id
from edge_agent.ruling import NoPermits, Permits, RuleDesk, unclear_why
from edge_agent.sealing import Sealer
from edge_agent.stays import GapKind, Observation, Seen, Stay, StayEnded, StayEvent, StaySettled, StayWatched
from edge_agent.stays import shift as shift_stays
from edge_agent.store import Store
from notifier import outbox
from protocol.clock import Millis, iso
from zones.exemptions import Exempt, Unclear
from zones.positions import position_of

_SAVE_EVERY_MS = 10_000
"""An uneventful camera's memory is written this often; after a crash the rest is a gap, never a guess."""


Event = dict[str, Any]
Listener = Callable[[Event], None]


class Engine:
    """Decides for all cameras of an agent.

    Args:
        store: the agent's database.
        sealer: keeps evidence.
        writer: puts effects into the outbox.
        plates: reads plates and votes, or None where plates are not read.
        plate_wait_ms: how long after confirmation a plate is waited for.
        permits: the permit lists of this box.
        on_event: told of every stored event.
        rests: remembers what stood in view, for rehearsals; decides nothing.
        rechecks: drivers' words that their vehicle has left, to be answered.
    """

    def __init__(
        self,
        store: Store,
        sealer: Sealer,
        writer: EffectWriter,
        *,
        plates: PlateDesk | None,
        plate_wait_ms: int,
        permits: Permits | None = None,
        on_event: Listener | None = None,
        rests: RestKeeper | None = None,
        rechecks: Rechecks | None = None,
    ) -> None:
        self._store = store
        self._rests = rests or NoRestLog()
        self._sealer = sealer
        self._writer = writer
        self._plates = plates
        self._plate_wait_ms = plate_wait_ms
        self.rules = RuleDesk(permits or NoPermits(), plates, plate_wait_ms)
        self._on_event = on_event
        self._rechecks = rechecks
        self._told: list[Event] = []
        self._seen: tuple[Seen, ...] = ()
        self.cameras: dict[str, Camera] = {}
        self._cases: dict[str, Case] = {case.id: case for case in store.open_cases()}
        self._by_stay: dict[str, str] = {case.stay_id: case.id for case in self._cases.values()}

    # What comes in

    def add_camera(self, camera: Camera) -> None:
        """Start deciding for a camera, from what was stored of it."""
        self.cameras[camera.id] = camera

    def change_zones(
        self,
        camera: Camera,
        at_ms: Millis,
        told: Iterable[tuple[Stay | None, str, str]],
        meta: Mapping[str, str],
    ) -> None:
        """Go on with a camera under other zones. Its memory, `meta` and what is told (stay, state, reason) are stored
        together.

        Raises:
            UnavailableError: the disk refuses; the camera goes on as before.
        """
        with Deciding(self):
            for stay, state, reason in told:
                self._note(at_ms, camera.id, stay, None, state, reason)
            self._store.save_camera(camera.state)
            for name, value in meta.items():
                self._store.set_meta(name, value)
        self.cameras[camera.id] = camera

    def looking(self, frame: Frame, *, again: bool = False, spare: bool = True) -> Looking | None:
        """How to look at a picture; None for one that is no newer than the last. What is given may be called in any thread, for several
        cameras at once. `again`: it is a second look, at the camera's doubts, between two checks. `spare`: there is time for what can wait."""
        camera = self.cameras[frame.camera_id]
        if camera.state.last_ms is not None and frame.at_ms <= camera.state.last_ms:
            return None
        fresh = self.wants_fresh(camera.id, frame.at_ms)
        return partial(observe, camera, frame, force=fresh, again=again, spare=spare)

    def considering(
        self,
        frame: Frame,
        seen: Observation,
        gap: GapKind,
        closer: Callable[[], bool],
        *,
        again: bool = False,
    ) -> Glance:
        """What `looking` gave, considered; `gap` as in `frame`; `closer`, whether there is time for a closer look: if not, a later
        picture has it. Until `decide` has had what is given nothing else is asked about this camera."""
        camera = self.cameras[frame.camera_id]
        seen = replace(seen, gap=gap if seen.usable else seen.gap)
        terms = self.rules.terms(camera, frame.at_ms, self.case_of)
        return considered(camera, frame, seen, terms, self._plates, self.case_of, closer=closer, again=again)

    def decide(self, glance: Glance, outlook: Outlook) -> None:
        """Decide on a picture. `outlook` is what `glance.attend` gave.

        Raises:
            UnavailableError: the disk refuses; then nothing has changed and the next picture tries again.
        """
        camera, frame, seen = glance.camera, glance.frame, glance.seen
        state, events = outlook
        self._seen = seen.seen
        rested = self._rests.look(camera, seen, state, events)
        with Deciding(self):
            for event in events:
                self._on_stay(camera, event, frame)
            self._answer_rechecks(frame.at_ms, events)
            if events or rested.changed or frame.at_ms - camera.saved_ms >= _SAVE_EVERY_MS:
                self._store.save_camera(state)
                self._rests.store(camera, rested, frame, seen.seen, self._store.all_of_stay)
                camera.saved_ms = frame.at_ms
        camera.state = state
        self._rests.keep(rested)
        note_doubts(camera, seen, glance.terms, again=glance.again)
        if camera.bays is not None:
            camera.bays.look(frame, seen)

    def frame(self, frame: Frame, gap: GapKind = "offline") -> None:
        """Look at a picture and decide, one after the other. `gap` says why nothing was seen since the last one, if that was long ago.

        Raises:
            UnavailableError: as from `decide`.
        """
        look = self.looking(frame)
        if look is not None:
            glance = self.considering(frame, look(), gap, lambda: True)
            self.decide(glance, glance.attend())

    def tick(self, at_ms: Millis) -> None:
        """Let time pass for all open cases."""
        due = [case for case in self._cases.values() if may_be_due(case, at_ms)]
        if due:
            with Deciding(self):
                for case in due:
                    self._take(self._heed(case, at_ms), Tick(at_ms), None)
        if self._rechecks:
            with Deciding(self):
                self._answer_rechecks(at_ms, ())

    def arrivals(self, at_ms: Millis) -> int:
        """Take the results that workers brought; returns how many."""
        waiting = self._store.arrivals()
        for arrival in waiting:
            with Deciding(self):
                case = self._cases.get(arrival.case_id) or self._store.case(arrival.case_id)
                if case is not None:
                    self._take(case, as_input(arrival, at_ms), None)
                if arrival.kind == "notice_refused":
                    self._store.forget_notice(arrival.case_id)
                elif arrival.kind == "notice_accepted" and case is not None and case.plate is not None:
                    self._note_notice(case, case.plate, at_ms)
                self._store.arrived(arrival)
        return len(waiting)

    def step_clock(self, by_ms: int, time_base: str) -> None:
        """The time base stepped by `by_ms`: running clocks keep the time that is really left.

        Cameras' memories move along only where time went back, or their next pictures would look old; forward, the
        step shows as a gap. The new mark of the time base is stored with it: a start that is cut off must not count
        the same step twice.
        """
        with Deciding(self):
            self._store.set_meta("time_base", time_base)
            outbox.shift(self._store.db, by_ms)
            if by_ms < 0:
                for camera_id in self._store.camera_ids():
                    self._store.save_camera(shift_stays(self._store.camera(camera_id), by_ms))
                self._rests.shift(by_ms)
            for case in list(self._cases.values()):
                self._keep(shift_clock(case, by_ms))

    def wants_fresh(self, camera_id: str, at_ms: Millis) -> bool:
        """Whether a case of this camera waits for a fresh picture at this time."""
        if self._rechecks is not None and self._rechecks.wants(camera_id):
            return True
        return any(
            case.camera_id == camera_id and wants_picture(case, at_ms) for case in self._cases.values()
        )

    @property
    def open_cases(self) -> int:
        return len(self._cases)

    def _on_stay(self, camera: Camera, event: StayEvent, frame: Frame) -> None:
        stay = event.stay
        case = self.case_of(stay)
        match event:
            case StaySettled():
                if case is None:
                    began = (
                        "came to rest" if stay.counts_from_ms <= stay.first_ms else "the zone's hours began"
                    )
                    self._note(frame.at_ms, camera.id, stay, None, "observing", f"{began}; {stay.why}")
            case StayWatched(at_ms=at_ms, proven=proven):
                if case is None:
                    case = self._maybe_open(camera, stay, at_ms, frame) if proven else None
                else:
                    case = self._heed(case, at_ms)
                    unclear = isinstance(self.rules.on_case(case, at_ms), Unclear)
                    case = self._take(case, Watched(at_ms, proven, stay.anchor, stay.why, unclear), frame)
                if case is not None and case.state == "confirmed" and not case.identified:
                    self._identify(case, stay, at_ms, frame)
            case StayEnded(at_ms=at_ms, reason=reason):
                if case is not None and reason == "hours_over":
                    return  # a case has its own hours: those of the rules under which it was opened
                if case is not None and reason == "allowed":
                    self._take(case, Exempted(at_ms, ALLOWED_NOW), frame)
                elif case is not None:
                    self._take(case, Ended(max(at_ms, case.changed_ms), reason), frame)
                else:
                    self._note(
                        frame.at_ms, camera.id, stay, None, "ended", f"{reason} before it was confirmed"
                    )
                self._by_stay.pop(stay.id, None)

    def _maybe_open(self, camera: Camera, stay: Stay, at_ms: Millis, frame: Frame) -> Case | None:
        opening = self.rules.opening(camera, stay, at_ms)
        if opening is None:
            return None
        zone, file = opening.zone, opening.file
        earlier = self._store.cases_of_stay(stay.id)
        key = f"{stay.id}.{earlier + 1}" if earlier else stay.id
        case, effects = open_case(
            f"C-{key}",
            key,
            camera_id=camera.id,
            zone=zone,
            place=zone.place or camera.place,
            street=camera.street or zone.place or camera.place,
            position=position_of(file, zone),
            vehicle_class=stay.label,
            box=stay.anchor,
            why=stay.why,
            first_seen_ms=stay.first_ms,
            at_ms=at_ms,
            time_zone=file.time_zone,
            calendar=file.calendar,
            exempt=opening.exempt,
        )
        return self._carry(case, effects, frame)

    def _heed(self, case: Case, at_ms: Millis) -> Case:
        """The case, ended if an exemption holds for it now: its hours have come, or a permit was entered."""
        ruling = None if case.task_issued else self.rules.on_case(case, at_ms)
        return self._take(case, Exempted(at_ms, ruling.reason), None) if isinstance(ruling, Exempt) else case

    def _identify(self, case: Case, stay: Stay, at_ms: Millis, frame: Frame) -> Case:
        """Settle who the vehicle is, or wait for more looks."""
        plate, reason = (
            (None, "plates are not read here") if self._plates is None else self._plates.verdict(stay)
        )
        waiting = at_ms - case.confirmed_ms < self._plate_wait_ms
        if plate is None and self._plates is not None and self._plates.wants(stay) and waiting:
            return case
        ruling = self.rules.on_case(case, at_ms, None if plate is None else plate.text)
        exempt = ruling.reason if isinstance(ruling, Exempt) else None
        unclear = unclear_why(ruling, reason) if isinstance(ruling, Unclear) else None
        if plate is None:
            who = Identified(at_ms, None, reason=reason, exempt=exempt, unclear=unclear)
            return self._take(case, who, frame)
        mark = self._store.vault.mark(plate.text)
        since = at_ms - round(case.zone.renotice_after_s * 1000)
        elsewhere = next(
            (
                other.id
                for other in self._cases.values()
                if other.id != case.id and other.plate == plate.text and other.street == case.street
            ),
            None,
        )
        who = Identified(
            at_ms,
            plate.text,
            plate.confidence,
            warned_in=self._store.last_notice(mark, case.street, since),
            open_in=elsewhere,
            exempt=exempt,
            unclear=unclear,
        )
        return self._take(case, who, frame)

    def _take(self, case: Case, happened: CaseInput, frame: Frame | None) -> Case:
        after, effects = step(case, happened)
        return case if after == case and not effects else self._carry(after, effects, frame)

    def _carry(self, case: Case, effects: Iterable[CaseEffect], frame: Frame | None) -> Case:
        """Store the case with everything that it calls for. Pictures are sealed first: tasks name them."""
        waiting: list[CaseEffect] = []
        for effect in effects:
            if isinstance(effect, Capture):
                assert frame is not None, "a picture is only wanted in answer to one"
                ref = self._sealer.seal(case, effect.role, frame, self._seen)
                if ref.sha256 not in {known.sha256 for known in case.evidence}:
                    case = replace(case, evidence=(*case.evidence, ref))
            else:
                waiting.append(effect)
        for effect in waiting:
            match effect:
                case PublishRecord():
                    self._writer.record(self._store.db, case, effect)
                    self._note(
                        effect.at_ms,
                        case.camera_id,
                        None,
                        case,
                        effect.state,
                        effect.reason,
                        stay_id=case.stay_id,
                    )
                case PublishTask():
                    self._writer.task(self._store.db, case, effect)
                case PublishRetraction():
                    self._writer.retraction(self._store.db, case, effect)
                case SendNotice(plate):
                    self._writer.notice(self._store.db, case, plate)
                    self._note_notice(case, plate, case.changed_ms)
                case CancelNotice():
                    withdrawn = self._writer.cancel_notice(self._store.db, case)
                    if withdrawn or case.notice == "given_up":
                        self._store.forget_notice(case.id)
        self._keep(case)
        return case

    def _answer_rechecks(self, at_ms: Millis, events: Iterable[StayEvent]) -> None:
        if not self._rechecks:
            return
        watched = (event for event in events if isinstance(event, StayWatched) and event.proven)
        proven = [(case.id, event.at_ms) for event in watched if (case := self.case_of(event.stay))]
        for answer in self._rechecks.answers(at_ms, self._any_case, proven):
            self._writer.recheck_answer(self._store.db, answer)

    def _any_case(self, case_id: str) -> Case | None:
        return self._cases.get(case_id) or self._store.case(case_id)

    # Memory

    def _note_notice(self, case: Case, plate: str, at_ms: Millis) -> None:
        self._store.note_notice(self._store.vault.mark(plate), case.street, case.id, at_ms)

    def _keep(self, case: Case) -> None:
        self._store.save_case(case)
        if case.state in ENDED:
            self._cases.pop(case.id, None)
            camera = self.cameras.get(case.camera_id)
            if camera is None or all(stay.id != case.whole_stay_id for stay in camera.state.stays):
                self._by_stay.pop(case.whole_stay_id, None)  # it has left; the database knows it
                return
        else:
            self._cases[case.id] = case
        self._by_stay[case.whole_stay_id] = case.id

    def case_of(self, stay: Stay) -> Case | None:
        """The stay's case, open, or ended since its standing there began to count."""
        known = self._by_stay.get(stay.id)
        case = None if known is None else self._cases.get(known) or self._store.case(known)
        if case is None or (case.state in ENDED and case.changed_ms < stay.counts_from_ms):
            case = self._store.case_of_stay(stay.id, stay.counts_from_ms)
            if case is not None:
                self._by_stay[stay.id] = case.id
        return case

    def _note(
        self,
        at_ms: Millis,
        camera_id: str,
        stay: Stay | None,
        case: Case | None,
        state: str,
        reason: str,
        *,
        stay_id: str | None = None,
    ) -> None:
        event: Event = {
            "time": iso(at_ms),
            "camera": camera_id,
            "zone": case.zone.id if case is not None else (plain_zone_id(stay) if stay is not None else None),
            "stay": stay_id or (stay.id if stay is not None else None),
            "case": case.id if case is not None else None,
            "state": state,
            "reason": reason,
        }
        self._store.add_event(at_ms, event)
        self._told.append(event)
