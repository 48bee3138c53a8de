"""Messages between camera side and centre, version 1 (MQTT 5, QoS 1, JSON in UTF-8).

Every message that must not be lost carries an `idempotency_key`; the centre answers each key once or more
with an `Accept`, and the sender keeps the message until then. Receivers ignore fields that they do not
know, so that a newer minor sender can talk to an older reader; `v` changes when that is not enough.
Instants are UTC milliseconds (`…_ms`), positions WGS-84 degrees, lengths pixels unless named otherwise.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Ident = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
"""A name that is safe in a topic, a path and a file name."""

LonLat = tuple[Annotated[float, Field(ge=-180, le=180)], Annotated[float, Field(ge=-90, le=90)]]
"""Degrees east and north, WGS-84."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

CaseState = Literal[
    "observing",
    "confirmed",
    "notified",
    "unnotifiable",
    "rechecking",
    "tasked",
    "unverified",
    "self_corrected",
    "exempt",
    "closed",
]


class Message(BaseModel):
    """Base of all messages: immutable, tolerant of unknown fields, versioned."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    v: Literal[1] = Field(default=1, description="Major version of the protocol.")


class Position(BaseModel):
    """A place on earth, WGS-84 (EPSG:4326)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    longitude: float = Field(ge=-180, le=180, description="Degrees east.")
    latitude: float = Field(ge=-90, le=90, description="Degrees north.")


class EvidenceRef(BaseModel):
    """One sealed picture of a case, named by what it contains."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    sha256: Sha256 = Field(description="Hash of the picture's bytes as sent.")
    role: Literal["confirm", "recheck", "plate"] = Field(description="Which step of the case it proves.")
    taken_at_ms: int = Field(description="Stream time of the frame.")
    media_type: Literal["image/jpeg"] = "image/jpeg"
    width: int = Field(gt=0, le=16384)
    height: int = Field(gt=0, le=16384)
    size: int = Field(gt=0, description="Bytes.")
    box: tuple[float, float, float, float] | None = Field(
        default=None,
        description="The vehicle in this picture: left, top, right, bottom, in its own pixels; none if not said.",
    )


class Vehicle(BaseModel):
    """What is known of the vehicle. A plate is absent rather than guessed."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    vehicle_class: str = Field(description="Detector class: car, bus, truck, motorcycle.")
    plate: str | None = Field(default=None, max_length=12)
    plate_confidence: float | None = Field(default=None, ge=0, le=1)
    box: tuple[float, float, float, float] = Field(
        description="Left, top, right, bottom in the camera's frame, which its picture may show at another size."
    )


class Keyed(Message):
    """A message that is kept by its sender until the centre has accepted its key."""

    idempotency_key: str = Field(min_length=1, max_length=300)
    jurisdiction_id: Ident
    agent_id: Ident
    camera_id: Ident
    case_id: Ident


class EnforcementTask(Keyed):
    """The clock ended and a fresh picture proves that the same vehicle still stands there (or, for
    `manual_check`, that the camera could not tell and the zone's policy wants a person to look)."""

    kind: Literal["enforcement_task"] = "enforcement_task"
    manual_check: bool = False
    issued_at_ms: int
    zone_id: str
    zone_name: str
    zone_version: str = Field(description="Hash of the rules the case was opened under.")
    place: str = Field(description="Where, in words for a person.")
    position: Position | None = None
    vehicle: Vehicle
    first_seen_ms: int
    confirmed_at_ms: int
    notified_at_ms: int | None = Field(
        default=None, description="When the SMS gateway accepted; none if it never did."
    )
    unnotifiable_reason: str | None = None
    clock_started_ms: int
    clock_ends_ms: int
    rechecked_at_ms: int | None = Field(
        default=None, description="Time of the frame that proves; none for a manual check."
    )
    why: str = Field(
        description="The decision explained, e.g. '62% of its footprint is in zone P3, needs 40%'."
    )
    evidence: tuple[EvidenceRef, ...] = ()


class TaskRetraction(Keyed):
    """The vehicle left after the task was issued: nobody needs to go."""

    kind: Literal["task_retraction"] = "task_retraction"
    at_ms: int
    reason: str


NoticeLanguage = Literal["zh-Hans", "en"]
"""Language of a message to an owner."""


class NoticeRequest(Keyed):
    """Please warn the owner of this vehicle, once. The box knows no phone number: the centre finds the owner, sends,
    and answers with a `NoticeResult`. The picture that it names is sent before it."""

    kind: Literal["notice_request"] = "notice_request"
    asked_at_ms: int = Field(description="When it was decided, by the agent's clock.")
    give_up_ms: int = Field(
        description="From this instant of the agent's clock on it must not be sent any more: the agent stops waiting."
    )
    plate: str = Field(min_length=1, max_length=12, repr=False)
    vehicle_class: str = Field(max_length=40)
    zone_id: str = Field(max_length=200)
    zone_name: str = Field(max_length=200)
    place: str = Field(max_length=300, description="Where, in words for a person.")
    street: str = Field(max_length=300, description="Within it a plate is not warned again too soon.")
    position: Position | None = None
    first_seen_ms: int
    confirmed_at_ms: int
    grace_s: float = Field(gt=0, le=86400, description="Time to leave, from the gateway's acceptance on.")
    renotice_after_s: float = Field(
        default=0, ge=0, le=31_536_000, description="The plate is not warned again in this street sooner."
    )
    languages: tuple[NoticeLanguage, ...] = Field(default=("zh-Hans",), min_length=1, max_length=2)
    time_zone: str = Field(
        default="",
        max_length=64,
        description="IANA name, for the deadline in the text; empty: the centre's own.",
    )
    sender: str = Field(
        default="", max_length=40, description="Who warns, in words; empty: the centre's own."
    )
    evidence: EvidenceRef | None = Field(
        default=None, description="The picture on which the violation rests."
    )


class CaseRecord(Keyed):
    """One step in the life of a case, for the centre's history and statistics."""

    kind: Literal["case_record"] = "case_record"
    state: CaseState
    previous: CaseState | None
    at_ms: int
    reason: str
    zone_id: str
    zone_name: str
    vehicle_class: str
    plate: str | None = None
    first_seen_ms: int
    clock_ends_ms: int | None = None
    outcome_id: str | None = Field(
        default=None, description="The officer's outcome that this step applies, if any."
    )
    notice_result_id: str | None = Field(
        default=None, description="The notice result that this step applies or notes, if any."
    )


class RecheckAnswer(Keyed):
    """What the camera saw when a driver said that the vehicle has left. It moves no clock: a vehicle that is gone ends
    its case as always, one that still stands there changes nothing."""

    kind: Literal["recheck_answer"] = "recheck_answer"
    request_id: Ident = Field(description="The request that this answers.")
    result: Literal["gone", "still_there", "could_not_tell", "case_over"]
    at_ms: int = Field(description="Time of the frame, or of the decision where there was none.")


class ZonesInForce(BaseModel):
    """By which zone file a camera's pictures are judged."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    sha256: str = Field(description="Hash of the whole file.")
    version: int | None = Field(default=None, description="Of a published file.")
    author: str | None = Field(default=None, description="Who published it.")


class CameraHealth(BaseModel):
    """What a camera is doing now."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    camera_id: Ident
    state: Literal[
        "connecting", "live", "stalled", "frozen", "unauthorised", "unreachable", "unsupported", "ended"
    ]
    reason: str = ""
    since_ms: int
    last_frame_age_ms: int | None = None
    frames: int = 0
    reconnects: int = 0
    zones: ZonesInForce | None = None


class AgentHealth(Message):
    """Sent now and then; the newest replaces the rest. Not kept in the outbox."""

    kind: Literal["agent_health"] = "agent_health"
    jurisdiction_id: Ident
    agent_id: Ident
    at_ms: int
    version: str
    cameras: tuple[CameraHealth, ...] = ()
    outbox_waiting: int = 0
    open_cases: int = 0
    problems: tuple[str, ...] = Field(default=(), description="Named health states, e.g. 'disk_full: …'.")


class BayObservation(BaseModel):
    """One parking bay as a camera sees it."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    bay_id: Ident = Field(description="The zone's id, which is the bay's id in the jurisdiction.")
    name: str = Field(default="", max_length=120)
    status: Literal["free", "occupied", "unknown"]
    since_ms: int = Field(description="Since when it has this status.")
    observed_at_ms: int | None = Field(
        default=None, description="When that was last clearly seen; none if it never was."
    )
    reason: str = Field(
        default="", max_length=40, description="Why it is not known: occluded, dark, offline."
    )
    allowed: tuple[str, ...] = Field(
        default=(), max_length=20, description="Vehicle classes that may stand there."
    )
    position: Position | None = None


class BayReport(Message):
    """All bays of one camera. Sent when one changes and every few minutes; the newest replaces the rest. Not kept in
    the outbox."""

    kind: Literal["bay_report"] = "bay_report"
    jurisdiction_id: Ident
    agent_id: Ident
    camera_id: Ident
    at_ms: int
    bays: tuple[BayObservation, ...] = Field(max_length=200)


class GroundOutline(BaseModel):
    """A polygon on the ground as GeoJSON has it (RFC 7946): one closed ring, longitude first, WGS-84 degrees."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    type: Literal["Polygon"] = "Polygon"
    coordinates: tuple[Annotated[tuple[LonLat, ...], Field(min_length=4, max_length=25)]]


class ZoneOnGround(BaseModel):
    """One zone as the map shows it."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    zone_id: Ident
    name: str = Field(default="", max_length=80)
    kind: str = Field(max_length=40, description="What it means: no_parking, fire_lane, parking_bay, ...")
    version: str = Field(default="", max_length=100, description="Hash of its rules, which cases name.")
    outline: GroundOutline | None = Field(
        default=None,
        description="None where the camera is not calibrated, or the zone hangs above the horizon.",
    )


class ZonePlan(Message):
    """The zones in force for one camera and where they lie. Sent at each start and when zones come into force; the newest
    replaces what was known of the camera."""

    kind: Literal["zone_plan"] = "zone_plan"
    idempotency_key: str = Field(min_length=1, max_length=300)
    jurisdiction_id: Ident
    agent_id: Ident
    camera_id: Ident
    at_ms: int = Field(description="When the agent wrote it.")
    in_force: ZonesInForce
    position: Position | None = Field(
        default=None, description="Where the camera stands, or what it looks at."
    )
    zones: tuple[ZoneOnGround, ...] = Field(max_length=200)


class AgentStatus(Message):
    """Retained; also the last will, with `online` false."""

    kind: Literal["agent_status"] = "agent_status"
    jurisdiction_id: Ident
    agent_id: Ident
    online: bool
    at_ms: int | None = None
    version: str = ""


class Accept(Message):
    """Centre -> agent: these keys are stored for good; the agent may forget them."""

    kind: Literal["accept"] = "accept"
    keys: tuple[str, ...] = Field(min_length=1, max_length=1000)


class Refuse(Message):
    """Centre -> agent: this message will never be accepted as it is (malformed, wrong agent). It must not be
    sent again; a person has to look."""

    kind: Literal["refuse"] = "refuse"
    key: str
    reason: str


OutcomeResult = Literal[
    "ticketed", "moved_on", "towed", "vehicle_gone", "not_a_violation", "wrong_vehicle", "other"
]


class Outcome(Message):
    """Centre -> agent: what the officer found. Sent again until the agent's CaseRecord names `outcome_id`."""

    kind: Literal["outcome"] = "outcome"
    outcome_id: Ident
    case_id: Ident
    result: OutcomeResult
    note: str = Field(default="", max_length=2000)
    at_ms: int


class NoticeResult(Message):
    """Centre -> agent: what became of a `NoticeRequest`. Sent again until a CaseRecord names `result_id`.

    ``accepted``: the SMS gateway has the warning. ``refused``: nobody was told, and nobody will be; after ``accepted``
    it says that the message did not reach the phone. ``unknown``: nobody can tell whether it went out, and it will not
    be sent again. ``held``: it waits for `until_ms`, because of the hour.
    """

    kind: Literal["notice_result"] = "notice_result"
    result_id: Ident
    key: str = Field(min_length=1, max_length=300, description="The request's idempotency key.")
    case_id: Ident
    state: Literal["accepted", "refused", "unknown", "held"]
    at_ms: int = Field(description="When that was known, by the centre's clock.")
    told_until_ms: int | None = Field(
        default=None, description="The deadline that the text names: the clock must not end before it."
    )
    until_ms: int | None = Field(default=None, description="held: when it will be sent at the earliest.")
    reason: str = Field(default="", max_length=500)


class RecheckRequest(Message):
    """Centre -> agent: the driver says that the vehicle has left; look now. Sent again until it is answered."""

    kind: Literal["recheck_request"] = "recheck_request"
    request_id: Ident
    camera_id: Ident
    case_id: Ident
    at_ms: int


class OfficerTask(Message):
    """Centre -> officer's device: a task was offered to you, given to you, or is none of yours any more.

    It wakes the device; the truth is at the centre, which is asked before anything is done. It holds what an officer
    needs on the way there and nothing of the owner. The plate is masked while the task is only offered, and whole once it
    is assigned, so that the right vehicle is looked at; whoever accepts reads it on the task's page.
    """

    kind: Literal["officer_task"] = "officer_task"
    offer_id: Ident
    task_id: Ident = Field(description="The work order, as in the addresses of the centre's pages.")
    state: Literal["offered", "assigned", "withdrawn"]
    at_ms: int
    expires_at_ms: int | None = Field(default=None, description="offered: answer before this.")
    due_at_ms: int | None = Field(default=None, description="When somebody should be there.")
    manual_check: bool = Field(default=False, description="The camera could not tell: look first.")
    place: str = Field(default="", max_length=300, description="Where, in words for a person.")
    position: Position | None = None
    zone_name: str = Field(default="", max_length=200)
    vehicle_class: str = Field(default="", max_length=40)
    plate: str | None = Field(default=None, max_length=12, repr=False)
    distance_m: int | None = Field(
        default=None, ge=0, description="Way from where the officer was last seen."
    )
    travel_s: int | None = Field(default=None, ge=0)
    reason: str = Field(default="", max_length=500, description="withdrawn or assigned: why.")


InboxMessage = Annotated[
    Accept | Refuse | Outcome | NoticeResult | RecheckRequest, Field(discriminator="kind")
]
AgentMessage = Annotated[
    EnforcementTask | TaskRetraction | CaseRecord | NoticeRequest | RecheckAnswer | ZonePlan,
    Field(discriminator="kind"),
]


def idempotency_key(jurisdiction_id: str, agent_id: str, camera_id: str, case_id: str, stage: str) -> str:
    """The key of one effect: the same effect always has the same key, whoever retries it."""
    return "/".join((jurisdiction_id, agent_id, camera_id, case_id, stage))
