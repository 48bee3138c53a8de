"""The data of stays. Instants are UTC milliseconds of stream time, boxes pixels of the camera's picture."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import ConfigDict

from edge_agent.stays.appearance import Look
from protocol.clock import Millis
from zones import Box

GapKind = Literal["offline", "frozen", "dark", "occluded", "absent", "overloaded", "clock_step"]
"""Why a moment is not covered: nothing of it counts as standing time."""

LARGE = frozenset({"bus", "truck"})
"""Labels of vehicles that a detector finds in part, or with what is beside them."""

VEHICLES = frozenset({"car", "bus", "truck", "motorcycle", "bicycle"})
"""Labels that can stay; anything else that is detected can only hide."""

Verdict = Literal["present", "occluded", "hidden", "absent", "different", "unseen"]
"""What one observation says of one stay. `hidden`: by something that the detector does not know. `unseen`: the picture could not tell (dark, frozen)."""

EndReason = Literal["departed", "replaced", "lost", "left_zone", "double", "passing", "hours_over", "allowed"]
"""`hours_over`: it stands there still, but the zone does not count any more. `allowed`: nor has it moved, but a bay or an
ignored place has begun to count there."""


@dataclass(frozen=True, slots=True)
class PlateLook:
    """One reading of a plate; the vote over several is what counts."""

    text: str
    confidence: float
    sharpness: float
    at_ms: Millis
    kind: str = ""
    per_character: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """One detected vehicle (or person, who may hide one).

    Attributes:
        box: where, whole picture's pixels.
        label: what, by the detector.
        score: how surely, 0 to 1.
        look: how it looks.
        before: of a faint one, likeness of its place now to what was to be seen there without any vehicle; None where that is not known.
    """

    box: Box
    label: str
    score: float
    look: Look | None = None
    before: float | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """What one picture shows, reduced to what decisions need.

    Attributes:
        at_ms: when the picture was taken.
        seen: detections, whole picture's pixels.
        patches: stay id -> the look of this picture at that stay's spot.
        rings: stay id -> the look of that spot with its surroundings.
        empty: stay id -> likeness of the spot now to the spot without any vehicle; missing where that is not known.
        calm: stay id -> likeness of the spot now to the spot in the picture before.
        usable: whether the picture can be trusted; if not, `gap` says why.
        gap: why it cannot, or why nothing was seen since the last observation.
        before: as `empty`, where the spot was seen without any vehicle often enough to say that this is how it looks.
        dim: the picture is dark, or has no colours (infrared light).
    """

    at_ms: Millis
    seen: tuple[Seen, ...] = ()
    patches: Mapping[str, Look] = field(default_factory=dict)
    empty: Mapping[str, float] = field(default_factory=dict)
    calm: Mapping[str, float] = field(default_factory=dict)
    usable: bool = True
    gap: GapKind = "offline"
    rings: Mapping[str, Look] = field(default_factory=dict)
    before: Mapping[str, float] = field(default_factory=dict)
    dim: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """An interval in which the vehicle was not proven to stand there."""

    kind: GapKind
    start_ms: Millis
    end_ms: Millis


@dataclass(frozen=True, slots=True)
class Stay:
    """A vehicle at one place.

    Attributes:
        id: unique for ever: camera, first moment, number.
        first_ms: the first observation at this place.
        last_ms: the last observation that proved it there.
        spot: the box in which its looks are compared; fixed while it rests, because two pixels aside already
            look different.
        anchor: where it stands, for geometry: the median of its first boxes.
        recent: those boxes.
        look: how the spot looks with the vehicle in it.
        ring: how its surroundings look.
        aside: where the last look showed it, if that was a little off its place: taken for its place once it is seen there
            again. Who pulls out is not.
        stirred: looks in a row, up to the last, in which it did not stand to the inch where it is remembered (`same_place`). In the first
            of them it may pull out; who stands on, in another light, stands in the second, too.
        displaced: how far it stood from there in the look that proved it last.
        settled: it stands (seen often enough without moving).
        hits: observations that matched since it came to rest.
        covered_ms: proven standing time, without gaps.
        zone_id: the forbidding zone in which it stands, with hysteresis.
        ratio, why: share of the footprint in that zone and the decision in words.
        doubt: it was out of sight since last proven; only a strict match may clear that.
        absent: consecutive observations in which it was visibly not there, since `absent_ms`.
        hidden_ms: since when something unknown has been standing still in its place.
        remnant: how its place looked while something hid it so shortly after its last proof that what shows must be it.
        different: consecutive observations in which something else stood there.
        unseen_as: why it was last not proven; names the gap when it is proven again.
        returned: it was out of sight for a while; where a plate is known, it must be read again before anything is
            proven.
        votes: class -> summed scores; the class with the most is the label.
        checks: scores of the closer looks at it, the last at `checked_ms`.
        masked: it was found behind another vehicle, with its feet hidden.
        compared: of its first looks, those at which its place could be compared with what was there before; `alike`: the mean
            likeness.
        unsure: nobody saw it come, and it is dark or known that its place looked the same before; or it was never found as surely as
            a stay begins of itself.
        whole: the box of a larger vehicle of which this may be a piece, last seen in `wholes` looks more than the piece alone.
        inners: looks, more than those that found the box, in which a lorry or bus within it was found instead (`loose.narrowed`).
        larger: the lorry or bus of which this may be an end, as wider views last showed it, at `larger_ms`; in question for
            `larger_looks` looks. As long as it is, no case is opened.
        counts: whether its standing there counts: the zone is in its hours, and nothing exempts the vehicle.
        counted_ms: the part of `covered_ms` since `counts_from_ms` in which it counted. A violation is made of this.
        counts_from_ms: when the counting began that goes on, or was the last.
        free_until_ms: the end of the exemption that was last seen to hold.
        former_zone_id: the zone whose hours ended while it stood there; a task of that time is still to be taken back
            when it leaves.
    """

    id: str
    label: str
    first_ms: Millis
    last_ms: Millis
    spot: Box
    anchor: Box
    recent: tuple[Box, ...]
    look: Look
    ring: Look | None = None
    aside: Box | None = None
    stirred: int = 0
    displaced: float = 0.0
    score: float = 0.0
    settled: bool = False
    hits: int = 1
    covered_ms: int = 0
    zone_id: str | None = None
    ratio: float = 0.0
    why: str = ""
    doubt: bool = False
    absent: int = 0
    absent_ms: Millis = 0
    hidden_ms: Millis | None = None
    remnant: Look | None = None
    different: int = 0
    verdict: Verdict = "present"
    unseen_as: GapKind = "absent"
    votes: tuple[tuple[str, float], ...] = ()
    returned: bool = False
    gaps: tuple[Gap, ...] = ()
    plates: tuple[PlateLook, ...] = ()
    plate_tries: int = 0
    checks: tuple[float, ...] = ()
    checked_ms: Millis = 0
    masked: bool = False
    compared: int = 0
    alike: float = 0.0
    unsure: bool = False
    whole: Box | None = None
    wholes: int = 0
    inners: int = 0
    larger: Seen | None = None
    larger_ms: Millis = 0
    larger_looks: int = 0
    counts: bool = False
    counted_ms: int = 0
    counts_from_ms: Millis = 0
    free_until_ms: Millis = 0
    former_zone_id: str | None = None

    @property
    def vehicle_score(self) -> float:
        """Mean of the closer looks: how surely this is a vehicle at all. 0 before the first."""
        return sum(self.checks) / len(self.checks) if self.checks else 0.0


@dataclass(frozen=True, slots=True)
class CameraState:
    """All that is remembered of one camera between two pictures."""

    __pydantic_config__ = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    camera_id: str
    last_ms: Millis | None = None
    next_number: int = 1
    stays: tuple[Stay, ...] = ()


@dataclass(frozen=True, slots=True)
class StayRules:
    """Thresholds of the tracker, each with its reason.

    Attributes:
        max_interval_ms: observations further apart than this leave a gap between them.
        match_iou: a detection belongs to a stay from this overlap; detectors jitter by a tenth of a box.
        begin_score: detections below it keep a stay alive but begin none, unless something came where they are (`came_likeness`).
        same_nest: share of the smaller of two boxes inside the other from which both are one vehicle.
        piece_share: share of a box in the place of a vehicle that is hidden, from which it may be what still shows of it.
        whole_hits: looks that must agree on a larger box around the stay's before the stay is all of that.
        whole_drop: the lower edge of that box is no higher than this share of the stay's height above the stay's own: what stands
            behind, stands higher in the picture.
        span_each, span_share: a box of which two standing vehicles each cover the one share, and together the other, is
            neither of them and no third.
        feet_share: share of the footprint in a nearer vehicle's box from which the ground is hidden.
        same_size: sides of two boxes of one body differ by this factor at most.
        still_shift: centre movement, in box sizes, above which a vehicle is moving, if its place looks otherwise, too:
            boxes of lorries tremble by half their length.
        settle_hits, settle_ms: looks and time before a vehicle counts as standing.
        keep_likeness: the place looks as before: present even if the detector missed it.
        match_likeness: least likeness for a detected vehicle at the place to pass as the same.
        strict_likeness: least likeness after the vehicle was out of sight. A similar car never parks to the
            pixel; a shift of a twentieth of its length brings likeness below this.
        same_place: most displacement (`appearance.displacement`) of a vehicle that stood on while it was out of sight, in
            shares of its box: three centimetres of a car's length.
        pulls_out: displacement from which one that stood to the inch in the look before is pulling out: a tenth of a metre, 0.4 s at
            1 m/s2. In a crowd a parked lorry reaches 0.0094.
        roll_ms: a vehicle begins to stand so long after the first look at its place: it may have rolled the last inch.
        swap_ms: within this time of its last proof, and as long as the place was not seen empty, nobody else can have
            taken the place: the vehicle before has to pull out first. Then `keep_likeness` is enough, unless it was seen to.
        free_share: share of the place that nothing nearer covers, from which what is free of it is compared alone.
        ring_likeness: the surroundings look as before, from here on: what changed is the place alone.
        out_of_sight_ms: a vehicle that was not proven for longer has to prove its plate again.
        learn_likeness: the remembered look follows the picture only from this likeness, so that what passes in
            front is not learned.
        blocked_share: share of the place covered by something nearer, from which it counts as occluded.
        empty_likeness: the spot looks as it did without any vehicle, from here on.
        calm_likeness, hidden_ms: a spot that shows neither the vehicle nor the known empty ground, while its
            surroundings changed too or it does not rest, is hidden by something that the detector does not know (a
            bus roof close to the lens). If it then rests for this long, the vehicle counts as gone.
        before_likeness, veiled_ms: where the ground before the place looks less as before, something stands there, and
            the vehicle counts as gone only after this time. Measured: up to 0.42 behind a bus, from 0.5 where the
            vehicle left and the place without it was never seen.
        rest_likeness: where the surroundings look as before, a place at rest looks like the picture before from here
            on. Lower than `calm_likeness`: empty ground has little structure, and rain or a night's noise disturbs it;
            what moves before a place stays below 0.4.
        bare_likeness: surroundings that look so much as before, around a place that does not, show that nothing hides it.
        absent_hits, absent_ms: clear looks and time without the vehicle before it counts as departed.
        different_hits: looks at another vehicle in the place before the first counts as replaced.
        arrival_looks: looks at which the place is compared with what was there before.
        came_likeness: something came if they are less alike than this. On drawn scenes vehicles that came reach 0.36 (98 of
            100), shrubs 0.56 and more (nine of ten).
        adapt: how fast the remembered look follows the light, per proven look.
        catch_up: how fast it follows a change of a vehicle that was watched all along and stands still.
        vehicle_score: least mean score of the closer looks for a case. On real footage cars reach 0.2 and more,
            the worst heap 0.11, road marks 0.04.
        recheck_ms, max_checks: how soon a doubtful thing is looked at again at first, and how many looks count; from so many on it must be
            plain to see.
    """

    max_interval_ms: int = 6_000
    match_iou: float = 0.45
    begin_score: float = 0.3
    same_nest: float = 0.55
    piece_share: float = 0.6
    same_size: float = 1.35
    whole_hits: int = 3
    whole_drop: float = 0.1
    span_each: float = 0.15
    span_share: float = 0.6
    feet_share: float = 0.8
    still_shift: float = 0.12
    settle_hits: int = 3
    settle_ms: int = 3_000
    keep_likeness: float = 0.6
    match_likeness: float = 0.3
    strict_likeness: float = 0.8
    same_place: float = 0.0071
    pulls_out: float = 0.0142
    roll_ms: int = 1_000
    swap_ms: int = 5_000
    free_share: float = 0.6
    ring_likeness: float = 0.6
    out_of_sight_ms: int = 4_000
    learn_likeness: float = 0.7
    blocked_share: float = 0.12
    empty_likeness: float = 0.55
    calm_likeness: float = 0.8
    hidden_ms: int = 30_000
    before_likeness: float = 0.45
    veiled_ms: int = 180_000
    rest_likeness: float = 0.55
    bare_likeness: float = 0.75
    absent_hits: int = 3
    absent_ms: int = 5_000
    different_hits: int = 3
    arrival_looks: int = 6
    came_likeness: float = 0.5
    adapt: float = 0.08
    catch_up: float = 0.5
    vehicle_score: float = 0.15
    recheck_ms: int = 60_000
    max_checks: int = 6

    @classmethod
    def for_period(cls, period_s: float) -> StayRules:
        """Rules for a camera that is looked at every `period_s` seconds."""
        return cls(max_interval_ms=round(period_s * 2500) + 1000)


@dataclass(frozen=True, slots=True)
class Terms:
    """What the rules of time and the exemptions say at the moment of an observation.

    Attributes:
        counting: id of each zone that counts -> since when it has without a pause (0: for days); None: all, always.
        kept: stays whose zone counts for them all the same, by the rules under which their case was opened.
        free_until: stay id -> until when the vehicle is exempt.
    """

    counting: Mapping[str, Millis] | None = None
    kept: Collection[str] = frozenset()
    free_until: Mapping[str, Millis] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StaySettled:
    """A vehicle has come to rest in a zone, or stands there when the zone begins to count."""

    stay: Stay
    at_ms: Millis


@dataclass(frozen=True, slots=True)
class StayWatched:
    """One more observation of a settled vehicle in a zone.

    `proven` means: this picture shows the same vehicle standing in the zone, to the standard that an
    enforcement task needs.
    """

    stay: Stay
    at_ms: Millis
    proven: bool


@dataclass(frozen=True, slots=True)
class StayEnded:
    """A settled vehicle that was in a zone no longer is, or the zone no longer counts. `at_ms` is the first moment
    without it."""

    stay: Stay
    at_ms: Millis
    reason: EndReason


StayEvent = StaySettled | StayWatched | StayEnded
