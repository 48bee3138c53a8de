"""The data of rests. Instants are UTC milliseconds of stream time, boxes pixels of the camera's picture.

No plate, no face and no phone number is in here: a plate is a keyed hash that only this box can make again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import ConfigDict

from edge_agent.cases import Case
from edge_agent.stays import GapKind, Look
from edge_agent.stays.model import EndReason
from protocol.clock import Millis
from protocol.messages import CaseState
from zones import Box

FollowedBy = Literal["stay", "place"]
"""`stay`: proven look by look, as a case needs it. `place`: seen by detections alone, because no zone was near."""

RestEnd = EndReason


@dataclass(frozen=True, slots=True)
class Span:
    """A time in which the vehicle was seen at every look.

    Attributes:
        start_ms, end_ms: first and last look.
        looks: how many there were, evenly apart as far as is remembered.
        before: why it was not seen just before; None for the first span.
    """

    start_ms: Millis
    end_ms: Millis
    looks: int
    before: GapKind | None = None


@dataclass(frozen=True, slots=True)
class Pose:
    """From this instant on it stood here and was taken for this."""

    at_ms: Millis
    box: Box
    label: str


@dataclass(frozen=True, slots=True)
class Rest:
    """One vehicle at rest at one place.

    Attributes:
        id: unique for ever.
        camera_id: who saw it.
        by: how it was followed.
        stay_id: the stay that it was (last), if it was one: its case is `C-` and this.
        first_ms, last_ms: the first and the last look that saw it.
        covered_ms: time seen standing, without gaps.
        spans: those times.
        doubtful: from and to of looks in them that saw it, but not well enough to prove that it was the same.
        poses: where it stood, for geometry; the last holds on.
        scatter_px: how far the detector's boxes strayed, mean over the four sides.
        score: the best score of a detection.
        checks: scores of the closer looks; empty where none was taken.
        unsure: as long as it stood nobody had seen it come and it was dark or its place looked as before, or it was found but faintly:
            closer looks had to be twice as sure.
        missing_ms: the first look without it since it was last seen.
        ended_ms, end: the first moment without it and why; None while it stands.
        noticed_ms: the look at which that was sure; until then its case went on.
        trimmed: its gaps were too many to keep, so that short ones count as seen.
    """

    id: str
    camera_id: str
    by: FollowedBy
    stay_id: str | None
    first_ms: Millis
    last_ms: Millis
    covered_ms: int
    spans: tuple[Span, ...]
    poses: tuple[Pose, ...]
    doubtful: tuple[tuple[Millis, Millis], ...] = ()
    scatter_px: float = 0.0
    score: float = 0.0
    checks: tuple[float, ...] = ()
    unsure: bool = False
    missing_ms: Millis | None = None
    ended_ms: Millis | None = None
    end: RestEnd | None = None
    noticed_ms: Millis | None = None
    trimmed: bool = False

    @property
    def label(self) -> str:
        """Its class, as it was taken for last."""
        return self.poses[-1].label

    @property
    def box(self) -> Box:
        """Where it stood last."""
        return self.poses[-1].box


@dataclass(frozen=True, slots=True)
class Place:
    """A rest that is being followed by detections alone, or may become one.

    Attributes:
        rest: what is known.
        recent: its first boxes, whose median is where it stands.
        hits: looks at which it was there since it came to rest.
        settled: it stands; before that it is nobody's business.
        misses: looks without it since it was last seen.
        hidden: at one of these something nearer stood before it, or the picture could not tell.
        look: how it looked when it was seen first; tells it from one that takes its place.
    """

    __pydantic_config__ = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    rest: Rest
    recent: tuple[Box, ...]
    look: Look | None = None
    hits: int = 1
    settled: bool = False
    misses: int = 0
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of one camera between two pictures.

    Attributes:
        stays: rests that are stays, by age.
        places: those that are not.
    """

    camera_id: str
    last_ms: Millis | None = None
    next_number: int = 1
    stays: tuple[Rest, ...] = ()
    places: tuple[Place, ...] = ()

    @property
    def standing(self) -> tuple[Rest, ...]:
        """All vehicles at rest, by age."""
        rests = [*self.stays, *(place.rest for place in self.places if place.settled)]
        return tuple(sorted(rests, key=lambda rest: (rest.first_ms, rest.id)))


@dataclass(frozen=True, slots=True)
class Decided:
    """What was decided about a rest, without whom it is about.

    Attributes:
        case_id, zone_id, zone_version: the case, and the rules under which it was opened.
        why: the place in words.
        confirmed_ms: when the case was opened.
        identified_ms: when it was settled who it is: the warning went out, or nobody could be told.
        clock_ends_ms: the end of the time to leave; None if it never began to run.
        tasked_ms: when an officer was sent; None if never.
        manual: that task asked a person to look, because the camera could not tell.
        state, reason, changed_ms: how it ended, and when; the last state of a case that is still open.
        street: of the once-per-plate rule.
        plate_mark: keyed hash of the plate; None where there is none.
        warned: whether a warning went out. unnotifiable: why none did, or was needed.
    """

    case_id: str
    zone_id: str
    zone_version: str
    why: str
    confirmed_ms: Millis
    identified_ms: Millis | None
    clock_ends_ms: Millis | None
    tasked_ms: Millis | None
    manual: bool
    state: CaseState
    reason: str
    changed_ms: Millis
    street: str
    plate_mark: str | None
    warned: bool
    unnotifiable: str | None = None

    @classmethod
    def of(cls, case: Case, plate_mark: str | None) -> Decided:
        """The part of a case that may be kept for long.

        Args:
            case: open or ended.
            plate_mark: the keyed hash of its plate.
        """
        return cls(
            case_id=case.id,
            zone_id=case.zone.id,
            zone_version=case.zone.version,
            why=case.why,
            confirmed_ms=case.confirmed_ms,
            identified_ms=case.clock_started_ms if case.clock_started_ms is not None else case.notified_ms,
            clock_ends_ms=case.clock_ends_ms,
            tasked_ms=(case.proven_ms or case.recheck_until_ms) if case.task_issued else None,
            manual=case.task_issued and case.proven_ms is None,
            state=case.state,
            reason=case.reason,
            changed_ms=case.changed_ms,
            street=case.street,
            plate_mark=plate_mark,
            warned=case.notice == "accepted",
            unnotifiable=case.unnotifiable_reason,
        )
