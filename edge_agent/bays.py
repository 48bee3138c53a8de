"""Which parking bays are free, from the detections that the patrol makes anyway.

`step` is pure: memory and look in, memory out. A bay is *occupied* when a vehicle rests with enough of its footprint
in the bay, *free* when the place was clearly visible and empty in several looks, and *unknown* otherwise: hidden by
something, dark, offline, or not yet looked at for long enough. A driver may be sent to a bay that is called free, so
of two mistakes the one to avoid is calling a taken bay free: a vehicle that the detector misses still holds its bay
while the place looks as it did with it, and a place that changed without a vehicle being found is not called free.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from shapely import box as rectangle

from edge_agent.frames import Frame
from edge_agent.stays import Observation
from edge_agent.stays.appearance import Look, blend, likeness, look_at
from edge_agent.stays.model import VEHICLES
from protocol.clock import Millis
from protocol.messages import BayObservation, BayReport
from zones import Box, ZoneIndex
from zones.geometry import iou
from zones.positions import position_of

Status = Literal["free", "occupied", "unknown"]

Sight = Literal["free", "occupied", "missed", "occluded"]
"""What one look says of a bay. `missed`: nothing was detected, but the place looks as it did with the vehicle."""


@dataclass(frozen=True, slots=True)
class BayRules:
    """Thresholds, each with its reason.

    Attributes:
        still_iou: boxes of two looks that overlap so much are one vehicle at rest; passing traffic moves on.
        occupied_hits, occupied_ms: looks and time at rest before a bay counts as taken.
        free_hits, free_ms: clear looks and time without a vehicle before a taken bay counts as free.
        first_free_ms: the same for a bay of which nothing is known. Longer than a detection may be used again while
            nothing moves (20 s), so that at least two detections found nothing.
        covered_share: share of the bay under vehicles that do not stand in it from which nothing can be said of it.
            Below half, because a neighbour nearer to the camera covers a part of the next bay all day.
        keep_likeness: the place looks as it did with its vehicle, from here on.
        strange_likeness, strange_spread: a place less like the empty ground than this, with at least so much
            structure (grey levels), holds something that was not detected.
        relearn_ms: a place that has looked strange for so long, with nothing detected, is the new ground (shade, snow).
        adapt: how fast a remembered look follows the light, per look.
        stale_ms: after so long without a clear look nothing is known any more.
        repeat_ms: a report is sent so often though nothing changed.
    """

    still_iou: float = 0.45
    occupied_hits: int = 3
    occupied_ms: int = 3_000
    free_hits: int = 4
    free_ms: int = 8_000
    first_free_ms: int = 25_000
    covered_share: float = 0.45
    keep_likeness: float = 0.6
    strange_likeness: float = 0.3
    strange_spread: float = 6.0
    relearn_ms: int = 600_000
    adapt: float = 0.08
    stale_ms: int = 90_000
    repeat_ms: int = 120_000


@dataclass(frozen=True, slots=True)
class BayState:
    """What is remembered of one bay.

    Attributes:
        status: free, occupied or unknown.
        since_ms: since when.
        seen_ms: the last clear look that agreed with the status.
        reason: why the last look was no clear one.
        occupant: the box of the vehicle that stands or seems to come to rest there.
        look: how the place of the occupant looks with it; kept while it is missed.
        ground: how the empty bay looks.
        leaning: the other status, which the last looks speak for, with their number and the first's time.
        strange_ms: since when the place has looked like neither.
    """

    status: Status = "unknown"
    since_ms: Millis = 0
    seen_ms: Millis | None = None
    reason: str = "not yet known"
    occupant: Box | None = None
    look: Look | None = None
    ground: Look | None = None
    leaning: Status | None = None
    hits: int = 0
    leaning_ms: Millis = 0
    strange_ms: Millis | None = None


@dataclass(frozen=True, slots=True)
class BayLook:
    """What one picture shows of all bays of a camera.

    Attributes:
        at_ms: when it was taken.
        usable: whether it can be trusted; if not, `reason` says why.
        standing: bay -> the vehicle with the largest share of its footprint in it, and that share.
        covered: bay -> share of it under vehicles that do not stand in it.
        ground: bay -> the look of the bay.
        places: bay -> the look of its occupant's place.
    """

    at_ms: Millis
    usable: bool = True
    reason: str = ""
    standing: Mapping[str, tuple[Box, float]] = field(default_factory=dict)
    covered: Mapping[str, float] = field(default_factory=dict)
    ground: Mapping[str, Look] = field(default_factory=dict)
    places: Mapping[str, Look] = field(default_factory=dict)


def step(
    state: BayState, bay_id: str, look: BayLook, enter: float, leave: float, rules: BayRules
) -> BayState:
    """Take one look into account.

    Args:
        state: the bay's memory.
        bay_id: which bay.
        look: what the picture shows.
        enter: share of the footprint from which a vehicle stands in the bay.
        leave: share under which one that stood there no longer does.
        rules: thresholds.
    """
    if not look.usable:
        return _unclear(state, look.at_ms, look.reason, rules)
    sight, state = _judge(state, bay_id, look, enter, leave, rules)
    if sight == "occluded":
        return _unclear(state, look.at_ms, "occluded", rules)
    if sight == "missed":
        return replace(state, seen_ms=look.at_ms, leaning=None, hits=0, reason="")
    if sight == "occupied":
        return _occupied(state, look.standing[bay_id][0], look, bay_id, rules)
    return _empty(state, look, bay_id, rules)


def status_at(state: BayState, now_ms: Millis, rules: BayRules) -> tuple[Status, Millis, str]:
    """Status, since when, and why it is unknown, as it is to be told now: silence makes a bay unknown too."""
    if state.status == "unknown" or state.seen_ms is None:
        return "unknown", state.since_ms, state.reason
    if now_ms - state.seen_ms > rules.stale_ms:
        return "unknown", state.seen_ms + rules.stale_ms, state.reason or "offline"
    return state.status, state.since_ms, ""


def _judge(
    state: BayState, bay_id: str, look: BayLook, enter: float, leave: float, rules: BayRules
) -> tuple[Sight, BayState]:
    box, share = look.standing.get(bay_id, (None, 0.0))
    needed = leave if state.status == "occupied" else enter
    if box is not None and share >= needed:
        return "occupied", replace(state, strange_ms=None)
    place = look.places.get(bay_id)
    if state.status == "occupied" and state.look is not None and place is not None:
        alike = likeness(state.look, place)
        if alike >= rules.keep_likeness:
            return "missed", replace(state, look=blend(state.look, place, rules.adapt), strange_ms=None)
    if share >= leave or look.covered.get(bay_id, 0.0) >= rules.covered_share:
        return "occluded", state
    ground = look.ground.get(bay_id)
    if state.ground is None or ground is None:
        return "free", state
    strange = (
        ground.spread >= max(rules.strange_spread, 1.5 * state.ground.spread)
        or state.ground.spread >= rules.strange_spread
    ) and likeness(state.ground, ground) < rules.strange_likeness
    if not strange:
        return "free", replace(state, strange_ms=None)
    since = look.at_ms if state.strange_ms is None else state.strange_ms
    if look.at_ms - since >= rules.relearn_ms:
        return "free", replace(state, ground=ground, strange_ms=None)
    return "occluded", replace(state, strange_ms=since)


def _occupied(state: BayState, box: Box, look: BayLook, bay_id: str, rules: BayRules) -> BayState:
    same = state.occupant is not None and iou(state.occupant, box) >= rules.still_iou
    if state.status == "occupied":
        # Another vehicle in the same bay is the same news.
        place = look.places.get(bay_id)
        kept = state.look if same else None
        if place is not None and same:
            kept = place if kept is None else blend(kept, place, rules.adapt)
        occupant = state.occupant if same else box
        return replace(
            state, seen_ms=look.at_ms, occupant=occupant, look=kept, leaning=None, hits=0, reason=""
        )
    if state.leaning != "occupied" or not same:
        return replace(
            state,
            leaning="occupied",
            hits=1,
            leaning_ms=look.at_ms,
            occupant=box,
            look=None,
            reason="being looked at",
        )
    hits = state.hits + 1
    if hits < rules.occupied_hits or look.at_ms - state.leaning_ms < rules.occupied_ms:
        return replace(state, hits=hits)
    return replace(
        state,
        status="occupied",
        since_ms=state.leaning_ms,
        seen_ms=look.at_ms,
        look=look.places.get(bay_id),
        leaning=None,
        hits=0,
        reason="",
    )


def _empty(state: BayState, look: BayLook, bay_id: str, rules: BayRules) -> BayState:
    ground = look.ground.get(bay_id)
    if state.status == "free":
        if ground is not None:
            ground = ground if state.ground is None else blend(state.ground, ground, rules.adapt)
        return replace(
            state,
            seen_ms=look.at_ms,
            ground=ground or state.ground,
            occupant=None,
            leaning=None,
            hits=0,
            reason="",
        )
    if state.leaning != "free":
        return replace(state, leaning="free", hits=1, leaning_ms=look.at_ms, reason="being looked at")
    hits = state.hits + 1
    needed = rules.free_ms if state.status == "occupied" else rules.first_free_ms
    if hits < rules.free_hits or look.at_ms - state.leaning_ms < needed:
        return replace(state, hits=hits)
    return replace(
        state,
        status="free",
        since_ms=state.leaning_ms,
        seen_ms=look.at_ms,
        ground=ground,
        occupant=None,
        look=None,
        leaning=None,
        hits=0,
        reason="",
    )


def _unclear(state: BayState, at_ms: Millis, reason: str, rules: BayRules) -> BayState:
    """A look that says nothing: what the looks before spoke for is not settled by it, and time makes it unknown."""
    state = replace(state, leaning=None, hits=0, reason=reason)
    if state.seen_ms is None or at_ms - state.seen_ms <= rules.stale_ms:
        return state
    if state.status == "unknown":
        return state
    return replace(state, status="unknown", since_ms=state.seen_ms + rules.stale_ms, strange_ms=None)


class BayWatch:
    """The parking bays of one camera: looks are fed in, reports come out when there is news.

    Args:
        index: the camera's zones, scaled to its pictures; those of kind `parking_bay` are watched.
        rules: thresholds.
    """

    def __init__(self, index: ZoneIndex, rules: BayRules | None = None) -> None:
        self._index = index
        self._rules = rules or BayRules()
        self._bays = {z.id: z for z in index.zones.values() if z.kind == "parking_bay"}
        self._shapes = {bay_id: index.shape(bay_id) for bay_id in self._bays}
        self._boxes: dict[str, Box] = {bay_id: shape.bounds for bay_id, shape in self._shapes.items()}
        self.states: dict[str, BayState] = {}
        self._shares: dict[tuple[Box, str], dict[str, float]] = {}
        self._last_ms: Millis | None = None
        self._told: tuple[tuple[str, Status], ...] | None = None
        self._told_ms: Millis = 0

    def __bool__(self) -> bool:
        return bool(self._bays)

    def look(self, frame: Frame, seen: Observation) -> None:
        """Take one picture into account, with what was detected in it. Older pictures change nothing."""
        if not self._bays or (self._last_ms is not None and frame.at_ms <= self._last_ms):
            return
        self._last_ms = frame.at_ms
        look = self._reduce(frame, seen)
        for bay_id, zone in self._bays.items():
            before = self.states.get(bay_id, BayState(since_ms=frame.at_ms))
            self.states[bay_id] = step(before, bay_id, look, zone.enter_ratio, zone.leave_ratio, self._rules)

    def report(self, jurisdiction_id: str, agent_id: str, camera_id: str, now_ms: Millis) -> BayReport | None:
        """What is to be told now, or None where there is no news. Again until `told`."""
        if not self._bays:
            return None
        current = tuple(self._observation(bay_id, now_ms) for bay_id in self._bays)
        news = tuple((each.bay_id, each.status) for each in current)
        if news == self._told and now_ms - self._told_ms < self._rules.repeat_ms:
            return None
        return BayReport(
            jurisdiction_id=jurisdiction_id,
            agent_id=agent_id,
            camera_id=camera_id,
            at_ms=now_ms,
            bays=current,
        )

    def told(self, report: BayReport) -> None:
        """The report was handed to the link."""
        self._told = tuple((each.bay_id, each.status) for each in report.bays)
        self._told_ms = report.at_ms

    def _observation(self, bay_id: str, now_ms: Millis) -> BayObservation:
        zone = self._bays[bay_id]
        state = self.states.get(bay_id, BayState(since_ms=now_ms))
        status, since_ms, reason = status_at(state, now_ms, self._rules)
        return BayObservation(
            bay_id=bay_id,
            name=zone.name,
            status=status,
            since_ms=since_ms,
            observed_at_ms=state.seen_ms,
            reason=reason[:40],
            allowed=zone.classes,
            position=position_of(self._index.file, zone),
        )

    def _reduce(self, frame: Frame, seen: Observation) -> BayLook:
        if not seen.usable:
            return BayLook(frame.at_ms, usable=False, reason=seen.gap)
        vehicles = [item for item in seen.seen if item.label in VEHICLES]
        # Between two inferences the boxes stay the same to the digit: their shares are known already.
        self._shares = {
            (item.box, item.label): self._shares.get((item.box, item.label))
            or self._index.ratios(item.box, item.label)
            for item in vehicles
        }
        standing: dict[str, tuple[Box, float]] = {}
        covered: dict[str, float] = {}
        for bay_id, shape in self._shapes.items():
            under = 0.0
            for item in vehicles:
                share = self._shares[item.box, item.label].get(bay_id, 0.0)
                if share > standing.get(bay_id, (item.box, 0.0))[1]:
                    standing[bay_id] = (item.box, share)
                if _touch(item.box, self._boxes[bay_id]) and share < self._bays[bay_id].leave_ratio:
                    under = max(under, shape.intersection(rectangle(*item.box)).area / shape.area)
            covered[bay_id] = under
        ground: dict[str, Look] = {}
        places: dict[str, Look] = {}
        for bay_id, box in self._boxes.items():
            patch = look_at(frame.image, box)
            if patch is not None:
                ground[bay_id] = patch
            state = self.states.get(bay_id)
            spot = state.occupant if state is not None and state.occupant is not None else None
            place = None if spot is None else look_at(frame.image, spot)
            if place is not None:
                places[bay_id] = place
        return BayLook(frame.at_ms, True, "", standing, covered, ground, places)


def _touch(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
