"""What a zone file says of the ground: how the picture lies on it. The mathematics are in `zones.calibration`."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from protocol.messages import Position

Pair = tuple[float, float]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class GroundPoint(_Strict):
    """One point that is known both in the picture and on the ground."""

    picture: Pair = Field(title="In the picture", description="x, y in pixels of `picture`.")
    ground: Pair | None = Field(
        default=None,
        title="On the ground",
        description="x, y in metres, any origin, right-handed seen from above.",
    )
    at: Position | None = Field(
        default=None,
        title="On the map",
        description="WGS-84, instead of `ground`; needs the calibration's `origin`.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.ground is None) == (self.at is None):
            raise ValueError("give either `ground` (metres) or `at` (WGS-84)")
        return self


class GroundRectangle(_Strict):
    """A rectangle of known size that lies on the ground: a parking bay, a set of paving slabs."""

    picture: tuple[Pair, Pair, Pair, Pair] = Field(
        title="Corners",
        description="Four corners in pixels of `picture`, in order around it; the first two are one side of `width_m`.",
    )
    width_m: float = Field(
        title="Width", description="Metres from the first corner to the second.", gt=0, le=1000
    )
    length_m: float = Field(
        title="Length", description="Metres from the second corner to the third.", gt=0, le=1000
    )


class Calibration(_Strict):
    """How the camera's picture lies on the ground. Without it, footprints are estimated by class."""

    point: tuple[GroundPoint, ...] = Field(
        default=(),
        title="Points",
        description="Four or more points known in picture and on the ground.",
        max_length=500,
    )
    rectangle: GroundRectangle | None = Field(
        default=None,
        title="Rectangle",
        description="Instead of points: a rectangle of known size on the ground. Its first corner is (0, 0), its first side runs along x.",
    )
    k1: float = Field(
        default=0,
        title="Lens k1",
        description="Radial distortion, first coefficient; the unit of length is half the picture's diagonal, negative is a barrel.",
        ge=-2,
        le=2,
    )
    k2: float = Field(
        default=0,
        title="Lens k2",
        description="Radial distortion, second coefficient, of the same unit.",
        ge=-2,
        le=2,
    )
    origin: Position | None = Field(
        default=None, title="Origin", description="WGS-84 position of the ground's (0, 0)."
    )
    bearing_deg: float = Field(
        default=0,
        title="Bearing",
        description="Direction of the ground's y axis, degrees clockwise from true north.",
        ge=-360,
        le=360,
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.rectangle is None) == (not self.point):
            raise ValueError("give either points or a rectangle")
        if self.point and len(self.point) < 4:
            count = "1 point is" if len(self.point) == 1 else f"{len(self.point)} points are"
            raise ValueError(f"{count} too few; a calibration needs four or more")
        if self.origin is None and any(point.at is not None for point in self.point):
            raise ValueError("points given by `at` need an `origin`")
        return self
