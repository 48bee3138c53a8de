"""What a zone file says, validated. Fields carry a title and a description that feed documents and forms."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from shapely import is_valid_reason
from shapely.geometry import LineString, Polygon

from protocol.messages import Ident, Position
from zones.calibration import check_calibration
from zones.ground import Calibration
from zones.rules import Calendar, Exemption, VehicleClass, Window

ZoneKind = Literal["no_parking", "fire_lane", "parking_bay", "loading", "ignore"]
"""`no_parking` and `fire_lane` forbid standing; `parking_bay` and `loading` allow it; `ignore` hides what is there."""

FORBIDDING: frozenset[str] = frozenset({"no_parking", "fire_lane"})

Vertex = tuple[float, float]

_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Picture(_Strict):
    """The size of the picture in which the polygons were drawn."""

    width: int = Field(title="Width", description="Pixels.", ge=16, le=16384)
    height: int = Field(title="Height", description="Pixels.", ge=16, le=16384)


class Zone(_Strict):
    """One polygon and the rules inside it. Durations are seconds, ratios are shares of a vehicle's footprint."""

    id: Ident = Field(title="Id", description="Short name, unique in the file; appears in events and tasks.")
    name: _Text = Field(title="Name", description="What a person calls the place.")
    kind: ZoneKind = Field(default="no_parking", title="Kind", description="What the zone means.")
    polygon: tuple[Vertex, ...] = Field(
        title="Polygon",
        description="Vertices x, y in pixels of `picture`, in order, not repeated at the end.",
        min_length=3,
        max_length=1000,
    )
    classes: tuple[VehicleClass, ...] = Field(
        default=("car", "bus", "truck", "motorcycle"),
        title="Classes",
        description="Vehicle classes that the zone is about.",
        min_length=1,
    )
    enter_ratio: float = Field(
        default=0.4,
        title="Enter ratio",
        description="Share of the footprint inside from which a vehicle stands in the zone.",
        gt=0,
        le=1,
    )
    leave_ratio: float = Field(
        default=0.25,
        title="Leave ratio",
        description="Share under which it no longer does; lower than `enter_ratio`, never higher.",
        gt=0,
        le=1,
    )
    min_height_px: float = Field(
        default=18,
        title="Smallest height",
        description="Boxes lower than this many pixels are left alone.",
        ge=0,
    )
    min_length_m: float | None = Field(
        default=None,
        title="Smallest length",
        description="Vehicles shorter than this on the ground are left alone, metres; needs a calibration.",
        gt=0,
        le=50,
    )
    priority: int = Field(
        default=0,
        title="Priority",
        description="Where zones overlap, the one with the highest priority decides; equal ones by what they mean and by share.",
        ge=-100,
        le=100,
    )
    hours: tuple[Window, ...] = Field(
        default=(), title="Hours", description="When the zone counts; empty: always.", max_length=50
    )
    exempt: tuple[Exemption, ...] = Field(
        default=(), title="Exemptions", description="Whom the zone does not concern.", max_length=200
    )
    confirm_after_s: float = Field(
        default=60,
        title="Confirm after",
        description="Covered standing time that makes a violation, seconds.",
        ge=1,
        le=86400,
    )
    grace_s: float = Field(
        default=600, title="Grace", description="Time to leave after the warning, seconds.", ge=1, le=86400
    )
    recheck_window_s: float = Field(
        default=120,
        title="Recheck window",
        description="How long a fresh picture is waited for after the clock, seconds.",
        ge=1,
        le=86400,
    )
    renotice_after_s: float = Field(
        default=14400,
        title="Warn again after",
        description="The same plate is not warned again in this street sooner, seconds.",
        ge=0,
        le=31_536_000,
    )
    unnotifiable: Literal["task", "manual_check", "close"] = Field(
        default="task",
        title="When nobody can be told",
        description="What follows the clock if no warning could be sent: a task, a manual check, or nothing.",
    )
    unverified: Literal["close", "manual_check"] = Field(
        default="close",
        title="When the camera cannot tell",
        description="What follows a recheck without a clear answer: nothing, or a person who looks.",
    )
    place: str = Field(
        default="",
        title="Place",
        description="Address in words for people; empty: the file's place.",
        max_length=200,
    )
    position: Position | None = Field(
        default=None, title="Position", description="WGS-84 position of the zone."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        for number, (x, y) in enumerate(self.polygon, start=1):
            if not (abs(x) < 1e6 and abs(y) < 1e6):
                raise ValueError(f"vertex {number} is ({x}, {y}): not a finite position")
        if self.leave_ratio > self.enter_ratio:
            raise ValueError(
                f"leave_ratio {self.leave_ratio} is above enter_ratio {self.enter_ratio}; a vehicle would flap in and out"
            )
        shape = Polygon(self.polygon)
        if not shape.is_valid:
            raise ValueError(f"the polygon {_describe_fault(self.polygon)}")
        if shape.area < 64:
            raise ValueError(f"the polygon covers only {shape.area:.0f} square pixels; no vehicle fits")
        return self

    @property
    def version(self) -> str:
        """Hash of everything the zone says, 16 hex digits: cases name the rules that they were opened under."""
        text = json.dumps(self.model_dump(mode="json", by_alias=True), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _describe_fault(polygon: tuple[Vertex, ...]) -> str:
    """Say which edges cross, by vertex number from 1, or GEOS's own reason if no two edges do."""
    # A vertex that repeats the one before makes an edge of no length, which would touch its neighbours' neighbours.
    corners = [n for n, vertex in enumerate(polygon) if vertex != polygon[n - 1]]
    edges = list(zip(corners, [*corners[1:], *corners[:1]], strict=True))
    lines = [LineString([polygon[start], polygon[end]]) for start, end in edges]
    for first in range(len(edges)):
        for second in range(first + 2, len(edges)):
            if first == 0 and second == len(edges) - 1:
                continue
            if lines[first].intersects(lines[second]):
                return (
                    f"crosses itself: edge {edges[first][0] + 1}-{edges[first][1] + 1} meets edge "
                    f"{edges[second][0] + 1}-{edges[second][1] + 1}"
                )
    return f"is not simple: {is_valid_reason(Polygon(polygon))}"


class ZoneFile(_Strict):
    """All zones of one camera."""

    schema_: Literal[1] = Field(
        default=1, alias="schema", title="Schema", description="Version of this format."
    )
    camera: Ident | None = Field(
        default=None, title="Camera", description="The camera that the zones belong to, if the file names it."
    )
    street: str = Field(
        default="",
        title="Street",
        description="Street for the once-per-plate rule; empty: the place.",
        max_length=200,
    )
    place: str = Field(default="", title="Place", description="Address in words for people.", max_length=200)
    position: Position | None = Field(
        default=None, title="Position", description="WGS-84 position of the camera's view."
    )
    time_zone: str = Field(
        default="Asia/Shanghai", title="Time zone", description="IANA name; hours are local time there."
    )
    calendar: Calendar = Field(
        default=Calendar(), title="Calendar", description="Which days are holidays and which are worked."
    )
    calibration: Calibration | None = Field(
        default=None, title="Calibration", description="How the picture lies on the ground."
    )
    picture: Picture = Field(title="Picture", description="The picture in which the polygons were drawn.")
    zone: tuple[Zone, ...] = Field(title="Zones", description="The zones.", min_length=1, max_length=200)

    model_config = ConfigDict(populate_by_name=True)

    @model_validator(mode="after")
    def _check(self) -> Self:
        try:
            ZoneInfo(self.time_zone)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(
                f"time_zone {self.time_zone!r} is not known; write e.g. Asia/Shanghai"
            ) from error
        if self.calibration is not None:
            check_calibration(self)
        seen: set[str] = set()
        frame = Polygon(
            [
                (0, 0),
                (self.picture.width, 0),
                (self.picture.width, self.picture.height),
                (0, self.picture.height),
            ]
        )
        for zone in self.zone:
            if zone.id in seen:
                raise ValueError(f"zone {zone.id}: the id is used twice")
            seen.add(zone.id)
            for number, (x, y) in enumerate(zone.polygon, start=1):
                if not (-1 <= x <= self.picture.width + 1 and -1 <= y <= self.picture.height + 1):
                    raise ValueError(
                        f"zone {zone.id}: vertex {number} ({x:g}, {y:g}) lies off the picture of "
                        f"{self.picture.width}x{self.picture.height}"
                    )
            if not Polygon(zone.polygon).intersects(frame):
                raise ValueError(f"zone {zone.id}: lies off the picture")
        return self
