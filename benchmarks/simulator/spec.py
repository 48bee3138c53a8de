"""The scene file: what it may say, with the limits of each field.

Every table refuses keys that it does not know. Distances are metres, angles degrees (counter-clockwise seen from
above, 0 along the x axis), times seconds from the scene's first picture.
"""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from protocol.clock import from_iso
from protocol.errors import PatrolError

Metres2 = tuple[float, float]
Range = tuple[float, float]

VEHICLE_KINDS = (
    "saloon",
    "hatchback",
    "suv",
    "carrier",
    "taxi",
    "van",
    "bus",
    "truck",
    "motorcycle",
    "rider",
)
VehicleKind = Literal[
    "saloon", "hatchback", "suv", "carrier", "taxi", "van", "bus", "truck", "motorcycle", "rider"
]
PaintName = Literal[
    "white", "silver", "grey", "black", "red", "blue", "green", "yellow", "brown", "orange", "gold", "navy"
]
PlateKind = Literal["blue", "green", "yellow"]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class CameraSpec(_Table):
    """Where the camera hangs and how it looks."""

    at: Metres2 = Field(description="foot of the pole")
    height: float = Field(gt=0.5, le=60, description="of the lens above the ground")
    yaw: float = Field(description="direction of sight")
    pitch: float = Field(ge=-5, le=89, description="downwards")
    fov: float = Field(ge=4, le=120, description="horizontal field of view")
    shake: float = Field(
        default=0.0, ge=0, le=8, description="standard deviation of the picture's trembling, pixels"
    )
    overlay: str | None = Field(
        default=None, max_length=40, description="name written into the picture beside a clock"
    )


class LightSpec(_Table):
    """Hour and weather."""

    time: Literal["day", "dusk", "night"] = "day"
    sun: Range = Field(default=(120.0, 48.0), description="azimuth and elevation")
    rain: float = Field(default=0.0, ge=0, le=1)
    noise: float | None = Field(
        default=None, ge=0, le=30, description="sensor noise, grey levels; absent: by hour"
    )


class BandSpec(_Table):
    """A strip of ground along the whole street."""

    kind: Literal["pavement", "kerb", "road", "verge", "cycle", "bay"]
    y: Range

    @model_validator(mode="after")
    def _ordered(self) -> BandSpec:
        if self.y[0] >= self.y[1]:
            raise ValueError("y must run from the smaller to the larger value")
        return self


class LineSpec(_Table):
    """A painted line along the street."""

    y: float
    colour: Literal["white", "yellow"] = "white"
    dash: float = Field(default=0.0, ge=0, description="length of a dash; 0 for an unbroken line")
    gap: float = Field(default=0.0, ge=0)
    width: float = Field(default=0.15, gt=0, le=1)


class BoxSpec(_Table):
    """Painted bays side by side along x, or a crossing."""

    x: float
    y: Range
    count: int = Field(default=1, ge=1, le=60)
    length: float = Field(default=6.0, gt=0)


class BuildingSpec(_Table):
    """A row of houses whose front stands on a line along x (`y`), or across it (`x`)."""

    y: float | None = None
    x: float | None = None
    height: float = Field(default=12.0, gt=1, le=100)
    width: float = Field(default=11.0, gt=2, description="of each house")

    @model_validator(mode="after")
    def _one_axis(self) -> BuildingSpec:
        if (self.y is None) == (self.x is None):
            raise ValueError("give either x or y")
        return self


class ThingSpec(_Table):
    """Something upright."""

    kind: Literal["tree", "pole", "lamp", "bollard", "bush", "sign"]
    at: Metres2
    height: float | None = Field(default=None, gt=0.2, le=30)
    repeat: int = Field(default=1, ge=1, le=60)
    step: Metres2 = (0.0, 0.0)


class StreetSpec(_Table):
    """What stands still."""

    band: list[BandSpec] = Field(min_length=1)
    line: list[LineSpec] = []
    bays: list[BoxSpec] = []
    crossing: list[BoxSpec] = []
    building: list[BuildingSpec] = []
    thing: list[ThingSpec] = []


class ZoneSpec(_Table):
    """A zone on the ground, as the agent's zone file will name it."""

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$")
    name: str
    kind: Literal["no_parking", "parking_bay", "loading", "fire_lane", "ignore"]
    polygon: list[Metres2] = Field(min_length=3)
    confirm_after_s: float | None = Field(default=None, gt=0)
    grace_s: float | None = Field(default=None, ge=0)


class PlaceSpec(_Table):
    """A named spot where vehicles stand."""

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$")
    at: Metres2
    heading: float


class StepSpec(_Table):
    """One point of a route: a position or a place, and how long to stand there."""

    at: Metres2 | None = None
    place: str | None = None
    heading: float | None = None
    wait_s: float = Field(default=0.0, ge=0, description="inf: to the end of the scene")
    speed_kmh: float | None = Field(default=None, gt=0.5, le=120, description="on the way to this point")
    reverse: bool = Field(default=False, description="drive backwards to this point")

    @model_validator(mode="after")
    def _somewhere(self) -> StepSpec:
        if (self.at is None) == (self.place is None):
            raise ValueError("give either at or place")
        if math.isnan(self.wait_s):
            raise ValueError("wait_s is not a number")
        return self


class VehicleSpec(_Table):
    """A vehicle and its route."""

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$")
    kind: VehicleKind
    colour: PaintName = "white"
    plate: str | None = Field(default=None, min_length=7, max_length=8)
    plate_kind: PlateKind | None = None
    from_s: float = 0.0
    speed_kmh: float = Field(default=30.0, gt=0.5, le=120)
    route: list[StepSpec] = Field(min_length=1)


class TrafficSpec(_Table):
    """Vehicles that pass along a lane, drawn by lot from the scene's seed."""

    y: float
    x: Range = Field(description="where they come from and where they go; the order gives the direction")
    every_s: Range = (6.0, 14.0)
    speed_kmh: Range = (25.0, 40.0)
    kinds: list[VehicleKind] = Field(default=["saloon", "suv", "hatchback", "taxi", "van"], min_length=1)
    from_s: float = 0.0
    to_s: float | None = None

    @model_validator(mode="after")
    def _ordered(self) -> TrafficSpec:
        if not 0.5 <= self.every_s[0] <= self.every_s[1]:
            raise ValueError("every_s must run from at least 0.5 to a larger value")
        if not 1 <= self.speed_kmh[0] <= self.speed_kmh[1]:
            raise ValueError("speed_kmh must run from at least 1 to a larger value")
        if self.x[0] == self.x[1]:
            raise ValueError("x must name two different ends")
        return self


class PersonSpec(_Table):
    """Someone who walks along a line of points, again and again."""

    path: list[Metres2] = Field(min_length=2)
    from_s: float = 0.0
    speed: float = Field(default=1.3, gt=0.1, le=4, description="metres per second")


class CrowdSpec(_Table):
    """People walking up and down between two x, somewhere between two y."""

    count: int = Field(ge=1, le=60)
    x: Range
    y: Range


class EventSpec(_Table):
    """What goes wrong with the camera."""

    kind: Literal["outage", "freeze", "black"]
    from_s: float = Field(ge=0)
    to_s: float

    @model_validator(mode="after")
    def _ordered(self) -> EventSpec:
        if self.to_s <= self.from_s:
            raise ValueError("to_s must lie after from_s")
        return self


class SceneSpec(_Table):
    """A whole scene."""

    schema_: Literal[1] = Field(alias="schema")
    title: str = ""
    seed: int = Field(default=1, ge=0)
    size: tuple[
        Annotated[int, Field(ge=64, le=4096, multiple_of=2)],
        Annotated[int, Field(ge=64, le=4096, multiple_of=2)],
    ]
    fps: float = Field(default=12.0, gt=0, le=60)
    duration_s: float = Field(gt=0, le=172_800)
    start: str = Field(default="2026-06-01T02:00:00Z", description="UTC instant of the first picture")
    camera: CameraSpec
    light: LightSpec = LightSpec()
    street: StreetSpec
    zone: list[ZoneSpec] = []
    place: list[PlaceSpec] = []
    vehicle: list[VehicleSpec] = []
    traffic: list[TrafficSpec] = []
    person: list[PersonSpec] = []
    crowd: list[CrowdSpec] = []
    event: list[EventSpec] = []

    @model_validator(mode="after")
    def _consistent(self) -> SceneSpec:
        from_iso(self.start)
        places = {p.id for p in self.place}
        for what, ids in (
            ("zone", [z.id for z in self.zone]),
            ("place", [p.id for p in self.place]),
            ("vehicle", [v.id for v in self.vehicle]),
        ):
            twice = sorted({i for i in ids if ids.count(i) > 1})
            if twice:
                raise ValueError(f"two of [[{what}]] have the id {twice[0]!r}")
        for vehicle in self.vehicle:
            for step in vehicle.route:
                if step.place is not None and step.place not in places:
                    raise ValueError(
                        f"vehicle {vehicle.id!r} drives to place {step.place!r}, which is not in [[place]]"
                    )
        return self


def parse_scene(data: dict[str, Any], *, file: object = None) -> SceneSpec:
    """Check a scene given as tables.

    Raises:
        PatrolError: the first mistake, with file, field and value.
    """
    try:
        return SceneSpec.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = _field_name(first["loc"])
        problem = first["msg"].removeprefix("Value error, ")
        mend = "See docs/simulator.md for the keys of a scene file."
        if first["type"] == "extra_forbidden":
            problem, mend = "unknown key", "Remove it, or see docs/simulator.md for the keys that exist."
        value = first["input"]
        shown = value if isinstance(value, str | int | float | bool) else None
        raise PatrolError(problem, file=file, field=field or None, value=shown, mend=mend) from None


def read_scene(path: Path) -> SceneSpec:
    """Read and check a scene file.

    Raises:
        PatrolError: no such file, no TOML, or a mistake in it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise PatrolError(
            f"cannot read the scene: {reason}",
            file=path,
            mend="Give a TOML scene file, or a name from --list.",
        ) from None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PatrolError(f"not valid TOML: {error}", file=path, mend="Mend the line named.") from None
    return parse_scene(data, file=path)


def _field_name(parts: tuple[int | str, ...]) -> str:
    name = ""
    for part in parts:
        name += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if name else part
    return name
