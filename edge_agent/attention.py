"""Where to look twice: at what a check was not sure of, closer looks before a case is opened, and number plates.

The latter cost more than a detection, so they are spent only on vehicles that stand in a zone, a few times each, and what
they find is kept with the stay.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from edge_agent.bays import BayWatch
from edge_agent.cases import Case
from edge_agent.doubts import Doubts, after_look
from edge_agent.frames import Frame
from edge_agent.perception import Eyes
from edge_agent.plates import PlateDesk
from edge_agent.stays import (
    CameraState,
    Observation,
    Stay,
    StayEnded,
    StayEvent,
    StayRules,
    StayWatched,
    Terms,
)
from edge_agent.stays.appearance import look_at
from edge_agent.stays.model import VEHICLES, Seen
from edge_agent.stays.pieces import as_whole, cut_off, holds_another, needed_score
from edge_agent.wholes import look_is_due, look_wider
from protocol.clock import Millis

CaseOf = Callable[[Stay], Case | None]
"""The case of a stay, open or ended, if it has one."""

Outlook = tuple[CameraState, tuple[StayEvent, ...]]


@dataclass(slots=True)
class Camera:
    """What the engine keeps of one camera."""

    id: str
    eyes: Eyes
    rules: StayRules
    state: CameraState
    place: str
    street: str
    saved_ms: Millis = 0
    bays: BayWatch | None = None
    doubts: Doubts | None = None
    """What a second look between two checks is for; none where checks are frequent."""


def observe(camera: Camera, frame: Frame, *, force: bool, again: bool, spare: bool = True) -> Observation:
    """What a picture shows, see `Eyes.observe`; `again`: of a second look, at the places of the camera's doubts."""
    if again and camera.doubts is not None and not force:
        return camera.eyes.look_again(frame, camera.state, camera.doubts.places)
    return camera.eyes.observe(frame, camera.state, force=force, spare=spare)


def note_doubts(camera: Camera, seen: Observation, terms: Terms, *, again: bool) -> None:
    """Remember what this look, after which the camera's memory is as it is now, was not sure of."""
    if camera.doubts is not None:
        camera.doubts = after_look(
            camera.doubts, camera.eyes, seen, camera.state, camera.rules, terms, again=again
        )


def attend(
    camera: Camera,
    frame: Frame,
    state: CameraState,
    events: tuple[StayEvent, ...],
    plates: PlateDesk | None,
    case_of: CaseOf,
    *,
    closer: bool,
) -> Outlook:
    """All that is looked at twice, in its order: closer looks if there is time, then known plates, then those still to be read.

    Where there is no time, no case is opened of what may be the end of a lorry: that question is open until the next closer look.
    """
    if closer:
        state, events = look_closer(camera, frame, state, events, case_of)
    else:
        stays = (event.stay for event in events)
        events = _unproven(events, {stay.id for stay in stays if _may_be_end(stay) and case_of(stay) is None})
    if plates is not None:
        state, events = know_again(plates, frame, state, events, case_of)
        state, events = read_plates(camera, plates, frame, state, events, case_of)
    return state, events


def _may_be_end(stay: Stay) -> bool:
    """Whether a wider look has yet to tell if what closer looks have found is but the end of a lorry."""
    return stay.larger is not None and len(stay.checks) > 1


def look_closer(
    camera: Camera, frame: Frame, state: CameraState, events: tuple[StayEvent, ...], case_of: CaseOf
) -> Outlook:
    """Before a case is opened: make sure that what stands there is a vehicle, and all of it.

    Of a vehicle that the picture's edge cuts a detector likes to find the end that shows, and a closer look finds that again. So
    where the whole was seen in any look before, it is looked at for itself, and taken if there is a vehicle: the stay
    is that from the next look on.

    A vehicle that nobody saw come (`Stay.unsure`) is looked at once more when its time is over: a task needs no less than the case did.

    Who does not stand to the inch where it stood in the look before may just pull out: no task rests on the first such look
    (`Stay.stirred`).

    Of a lorry that the detector does not find in the whole picture, wider views tell, here and before a task, see
    `wholes.look_wider`.
    """
    looked: dict[str, Stay] = {}
    larger: set[str] = set()
    doubted: set[str] = set()
    wider: list[str] = []
    for event in events:
        if not isinstance(event, StayWatched) or not event.proven:
            continue
        stay = event.stay
        case = case_of(stay)
        if case is not None:
            due = is_due(case, frame.at_ms)
            if due and stay.stirred == 1:
                doubted.add(stay.id)
            elif stay.unsure and due:
                looked[stay.id] = after = _looked_at(camera, frame, stay)
                if after.vehicle_score < needed_score(after, camera.rules):
                    doubted.add(stay.id)
            if due and stay.id not in doubted:
                wider.append(stay.id)
        elif _wants_check(camera, stay, frame.at_ms):
            looked[stay.id] = _looked_at(camera, frame, stay)
            whole = _whole(camera, frame, stay, state.stays)
            if whole is not None:
                looked[stay.id] = replace(
                    as_whole(stay, whole), checks=(whole.score,), checked_ms=frame.at_ms
                )
                larger.add(stay.id)
            else:
                wider.append(stay.id)
        elif _may_be_end(stay):
            wider.append(stay.id)
    state, events = _with_stays(state, _unproven(events, larger | doubted), looked)
    for stay_id in wider:
        state, events = _one_whole(camera, frame, state, events, stay_id, case_of)
    return state, events


def _one_whole(
    camera: Camera,
    frame: Frame,
    state: CameraState,
    events: tuple[StayEvent, ...],
    stay_id: str,
    case_of: CaseOf,
) -> Outlook:
    """State and events after a wider look at a stay, unless it was told just now that it is an end of another."""
    stay = next((stay for stay in state.stays if stay.id == stay_id), None)
    if stay is None or not look_is_due(stay, frame.at_ms, camera.rules):
        return state, events if stay is None or stay.larger is None else _unproven(events, {stay_id})
    answer = look_wider(
        camera.eyes, camera.rules, frame, stay, state.stays, lambda one: case_of(one) is not None
    )
    if answer.stay is None:
        return state, events
    ended = tuple(
        StayEnded(replace(one, zone_id=one.zone_id or one.former_zone_id), frame.at_ms, "double")
        for one in state.stays
        if one.id in answer.gone and one.settled and (one.zone_id or one.former_zone_id) is not None
    )
    state = replace(state, stays=tuple(one for one in state.stays if one.id not in answer.gone))
    events = (*(event for event in events if event.stay.id not in answer.gone), *ended)
    if answer.held:
        events = _unproven(events, {answer.stay.id})
    return _with_stays(state, events, {answer.stay.id: answer.stay})


def _unproven(events: tuple[StayEvent, ...], ids: Collection[str]) -> tuple[StayEvent, ...]:
    """The events, without these stays being proven by this look."""
    return tuple(
        replace(event, proven=False) if isinstance(event, StayWatched) and event.stay.id in ids else event
        for event in events
    )


def _looked_at(camera: Camera, frame: Frame, stay: Stay) -> Stay:
    score = camera.eyes.examine(frame.image, stay.anchor, VEHICLES)
    checks = (*stay.checks, score)[-camera.rules.max_checks :]
    return replace(stay, checks=checks, checked_ms=frame.at_ms)


def _whole(camera: Camera, frame: Frame, stay: Stay, stays: Sequence[Stay]) -> Seen | None:
    """The vehicle of which the stay is the end that the picture's edge leaves to be seen, if it is to be found; no box around it
    and another that has come."""
    index = camera.eyes.index
    if stay.whole is None or not cut_off(stay.whole, (index.width, index.height)):
        return None
    if any(holds_another(one, stay, stay.whole, camera.rules) for one in stays):
        return None
    score = camera.eyes.examine(frame.image, stay.whole, VEHICLES, piece=stay.anchor)
    if score < needed_score(stay, camera.rules):
        return None
    return Seen(stay.whole, stay.label, score, look_at(frame.image, stay.whole))


def _wants_check(camera: Camera, stay: Stay, at_ms: Millis) -> bool:
    """At half the confirm time, at its end, and then ever more rarely while it remains doubtful: each look is a draw."""
    zone = camera.eyes.index.zones.get(stay.zone_id or "")
    if zone is None:
        return False
    confirm_ms = zone.confirm_after_s * 1000
    stood_ms = stay.counted_ms if stay.counts else stay.covered_ms
    if stood_ms < confirm_ms / 2:
        return False
    if len(stay.checks) < 2:
        return not stay.checks or stood_ms >= confirm_ms
    if stay.unsure and len(stay.checks) >= camera.rules.max_checks:
        return False  # a shrub that is asked again and again says yes some time
    # A minute at first; in twelve hours some fifteen times.
    wait_ms = max(camera.rules.recheck_ms, stood_ms // 3)
    return at_ms - stay.checked_ms >= wait_ms and stay.vehicle_score < needed_score(stay, camera.rules)


def read_plates(
    camera: Camera,
    plates: PlateDesk,
    frame: Frame,
    state: CameraState,
    events: tuple[StayEvent, ...],
    case_of: CaseOf,
) -> Outlook:
    """Read the plates of proven vehicles that still want one; what is read belongs to the stay.

    Only of what a closer look has found to be a vehicle: a heap of sand has no plate, and each try costs 50 ms. Not of
    vehicles that are exempt: there is no need to know whose they are.
    """
    read: dict[str, Stay] = {}
    for event in events:
        if not isinstance(event, StayWatched) or not event.proven:
            continue
        stay = event.stay
        case = case_of(stay)
        if case is None and (stay.vehicle_score < needed_score(stay, camera.rules) or not stay.counts):
            continue
        if (case is None or not case.identified) and plates.wants(stay):
            read[stay.id] = plates.read(frame, stay)
    return _with_stays(state, events, read)


def know_again(
    plates: PlateDesk, frame: Frame, state: CameraState, events: tuple[StayEvent, ...], case_of: CaseOf
) -> Outlook:
    """Where a plate is known: is it still the same one? Looked at after a time out of sight, and at the recheck.

    Another plate ends the stay: the first vehicle has left and a similar one took its place. As long as the plate of a
    vehicle that was out of sight has not been read again, nothing is proven.
    """
    changed: dict[str, Stay] = {}
    seen: list[StayEvent] = []
    gone: set[str] = set()
    for event in events:
        case = case_of(event.stay) if isinstance(event, StayWatched) and event.proven else None
        if case is None or case.plate is None or not isinstance(event, StayWatched):
            seen.append(event)
            continue
        stay = event.stay
        if not (stay.returned or is_due(case, frame.at_ms)):
            seen.append(event)
            continue
        text = plates.read_again(frame, stay)
        if text is not None and text != case.plate:
            gone.add(stay.id)
            seen.append(StayEnded(stay, event.at_ms, "replaced"))
        elif text is not None:
            changed[stay.id] = replace(stay, returned=False)
            seen.append(event)
        else:
            seen.append(replace(event, proven=not stay.returned))
    state = replace(state, stays=tuple(stay for stay in state.stays if stay.id not in gone))
    return _with_stays(state, tuple(seen), changed)


def wants_closer(camera: Camera, stay: Stay, case: Case | None, at_ms: Millis) -> bool:
    """Whether `look_closer` would look at a proven stay."""
    if case is not None:
        return is_due(case, at_ms)
    return _wants_check(camera, stay, at_ms) or _may_be_end(stay)


def is_due(case: Case, at_ms: Millis) -> bool:
    """Whether a task would follow from a picture that proves the vehicle to be there still."""
    return case.state == "rechecking" or wants_picture(case, at_ms)


def wants_picture(case: Case, at_ms: Millis) -> bool:
    """Whether a case's clock has ended, so that the next picture decides."""
    waiting = case.state in ("notified", "unnotifiable", "rechecking")
    return waiting and case.clock_ends_ms is not None and at_ms >= case.clock_ends_ms


def _with_stays(
    state: CameraState, events: tuple[StayEvent, ...], changed: dict[str, Stay]
) -> tuple[CameraState, tuple[StayEvent, ...]]:
    """State and events with these stays in place of their earlier selves."""
    if not changed:
        return state, events
    stays = tuple(changed.get(stay.id, stay) for stay in state.stays)
    return replace(state, stays=stays), tuple(replace(e, stay=changed.get(e.stay.id, e.stay)) for e in events)
