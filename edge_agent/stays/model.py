"""The data of stays. Instants are UTC milliseconds of stream time, boxes pixels of the camera's picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from edge_agent.stays.appearance import Look
from protocol.clock import Millis
from zones import Box

GapKind = Literal["offline", "frozen", "dark", "occluded", "absent", "overloaded", "clock_step"]
"""Why a moment is not covered: nothing of it counts as standing time."""

Verdict = Literal["present", "occluded", "absent", "different", "unseen"]
"""What one observation says of one stay. `unseen`: the picture could not tell (dark, frozen)."""

EndReason = Literal["departed", "replaced", "lost", "left_zone", "passing"]


@dataclass(frozen=True, slots=True)
class PlateLook:
    """One reading of a plate; the vote over several is what counts."""

    text: str
    confidence: float
    sharpness: float
    at_ms: Millis


@dataclass(frozen=True, slots=True)
class Seen:
    """One detected vehicle (or person, who may hide one)."""

    box: Box
    label: str
    score: float
    look: Look | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """What one picture shows, reduced to what decisions need.

    Attributes:
        at_ms: when the picture was taken.
        seen: detections, whole picture's pixels.
        patches: stay id -> the look of this picture at the place where that stay stands.
        usable: whether the picture can be trusted; if not, `gap` says why.
        gap: why it cannot, or why nothing was seen since the last observation.
    """

    at_ms: Millis
    seen: tuple[Seen, ...] = ()
    patches: Mapping[str, Look] = field(default_factory=dict)
    usable: bool = True
    gap: GapKind = "offline"


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
        anchor: where it stands; the median of the last boxes.
        recent: the last few matched boxes, newest last.
        look: how that place looks with the vehicle in it.
        settled: it stands (seen often enough without moving).
        hits: observations that matched since it came to rest.
        covered_ms: proven standing time, without gaps.
        zone_id: the forbidding zone in which it stands, with hysteresis.
        ratio, why: share of the footprint in that zone and the decision in words.
        doubt: it was out of sight since last proven; only a strict match may clear that.
        absent: consecutive observations in which it was visibly not there, since `absent_ms`.
        different: consecutive observations in which something else stood there.
        unseen_as: why it was last not proven; names the gap when it is proven again.
        votes: class -> summed scores; the class with the most is the label.
    """

    id: str
    label: str
    first_ms: Millis
    last_ms: Millis
    anchor: Box
    recent: tuple[Box, ...]
    look: Look
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
    different: int = 0
    verdict: Verdict = "present"
    unseen_as: GapKind = "absent"
    votes: tuple[tuple[str, float], ...] = ()
    gaps: tuple[Gap, ...] = ()
    plates: tuple[PlateLook, ...] = ()
    plate_tries: int = 0


@dataclass(frozen=True, slots=True)
class CameraState:
    """All that is remembered of one camera between two pictures."""

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
        still_shift: centre movement, in box sizes, above which a vehicle is moving.
        settle_hits, settle_ms: looks and time before a vehicle counts as standing.
        keep_likeness: the place looks as before: present even if the detector missed it.
        match_likeness: least likeness for a detected vehicle at the place to pass as the same.
        strict_likeness: least likeness after the vehicle was out of sight. A similar car never parks to the
            pixel; a shift of a twentieth of its length brings likeness below this.
        blocked_share: share of the place covered by something nearer, from which it counts as occluded.
        absent_hits, absent_ms: clear looks and time without the vehicle before it counts as departed.
        different_hits: looks at another vehicle in the place before the first counts as replaced.
        adapt: how fast the remembered look follows the light, per proven look.
    """

    max_interval_ms: int = 6_000
    match_iou: float = 0.45
    still_shift: float = 0.12
    settle_hits: int = 3
    settle_ms: int = 3_000
    keep_likeness: float = 0.6
    match_likeness: float = 0.3
    strict_likeness: float = 0.75
    blocked_share: float = 0.12
    absent_hits: int = 3
    absent_ms: int = 5_000
    different_hits: int = 3
    adapt: float = 0.08

    @classmethod
    def for_period(cls, period_s: float) -> StayRules:
        """Rules for a camera that is looked at every `period_s` seconds."""
        return cls(max_interval_ms=round(period_s * 2500) + 1000)


@dataclass(frozen=True, slots=True)
class StaySettled:
    """A vehicle has come to rest in a zone."""

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
    """A settled vehicle that was in a zone no longer is. `at_ms` is the first moment without it."""

    stay: Stay
    at_ms: Millis
    reason: EndReason


StayEvent = StaySettled | StayWatched | StayEnded
