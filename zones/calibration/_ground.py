"""How one camera's picture lies on the ground."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from protocol.errors import PatrolError
from zones.calibration._camera import Camera, recover_camera
from zones.calibration._fit import fit_homography, fit_lens, project
from zones.calibration._lens import Lens
from zones.calibration._map import TangentPlane
from zones.ground import Calibration

if TYPE_CHECKING:
    from zones.model import ZoneFile

Floats = NDArray[np.float64]

HORIZON_PX = 1.5
"""Nearer to the horizon than this, in straight pixels of the drawn picture, nothing is said of the ground."""


@dataclass(frozen=True, slots=True)
class PointResidual:
    """How far a calibration point is from where the others say it should be.

    Attributes:
        name: "point 3" or "corner 2", numbered from 1.
        picture: pixels. ground: metres.
        cm: on the ground, centimetres. px: in the picture, pixels.
    """

    name: str
    picture: tuple[float, float]
    ground: tuple[float, float]
    cm: float
    px: float


@dataclass(frozen=True, slots=True)
class Residuals:
    """All points' residuals, their root mean squares and the largest. Four points always fit: they prove nothing."""

    points: tuple[PointResidual, ...]
    rms_cm: float
    rms_px: float
    worst: PointResidual


@dataclass(frozen=True)
class Ground:
    """The ground seen by a camera, in pixels of one picture size.

    Use :meth:`of` or :meth:`fit`. Arrays of points are (N, 2); pixels are continuous, the top left corner is (0, 0).

    Attributes:
        width, height: picture size to which all pixels refer.
        plane: where the ground lies on the map, if that is known.
    """

    width: float
    height: float
    plane: TangentPlane | None
    lens: Lens
    names: tuple[str, ...]
    picture_points: Floats
    ground_points: Floats
    _to_straight: Floats
    """3 x 3: ground metres to straight pixels of the drawn picture, with positive depth at the points."""
    _factor: tuple[float, float] = (1.0, 1.0)
    """Pixels of the pictures looked at, in pixels of the drawn one."""

    @classmethod
    def of(cls, file: ZoneFile) -> Self | None:
        """The ground of a zone file, in pixels of its `picture`; None when the file has no calibration.

        Raises:
            PatrolError: the calibration is degenerate, mirrored or contradicts itself.
        """
        if file.calibration is None:
            return None
        return cls.fit(file.calibration, file.picture.width, file.picture.height)

    @classmethod
    def fit(cls, calibration: Calibration, width: float, height: float) -> Self:
        """The ground that a calibration describes, on pictures of this size.

        Raises:
            PatrolError: as `of`.
        """
        origin = calibration.origin
        plane = (
            TangentPlane(origin.longitude, origin.latitude, calibration.bearing_deg)
            if origin is not None
            else None
        )
        names, picture, ground = _points_of(calibration, plane)
        lens = Lens(width, height, calibration.k1, calibration.k2)
        for name, seen in zip(names, lens.reaches(picture), strict=True):
            if not seen:
                raise PatrolError(
                    f"the lens coefficients k1 {calibration.k1:g} and k2 {calibration.k2:g} fold the picture there",
                    field=f"calibration: {name}",
                    mend="Give smaller coefficients, or a k2 of the other sign; their unit is half the picture's diagonal.",
                )
        matrix = fit_homography(lens.straighten(picture), ground, names, float(np.hypot(width, height)))
        return cls(width, height, plane, lens, names, picture, ground, matrix)

    def scaled(self, width: float, height: float) -> Self:
        """The same ground in pixels of pictures of another size and the same shape."""
        return replace(
            self,
            width=width,
            height=height,
            _factor=(self.lens.width / width, self.lens.height / height),
        )

    @property
    def factor(self) -> Floats:
        """What pixels are multiplied with to become pixels of the drawn picture, (2,)."""
        return np.array(self._factor)

    @cached_property
    def camera(self) -> Camera:
        """The camera above the ground; its pixels are straight ones of the drawn picture."""
        return recover_camera(self._to_straight, self.lens)

    @cached_property
    def _to_metres(self) -> Floats:
        inverse = np.linalg.inv(self._to_straight)
        middle = self.lens.straighten(self.picture_points) @ inverse[2, :2] + inverse[2, 2]
        return np.asarray(inverse if np.median(middle) > 0 else -inverse)

    def straighten(self, points: Floats) -> Floats:
        """Points (N, 2) of the pictures as straight pixels of the drawn picture."""
        return self.lens.straighten(np.asarray(points, float).reshape(-1, 2) * self._factor)

    @cached_property
    def horizon(self) -> Floats | None:
        """The horizon as (a, b, c) with a^2 + b^2 = 1: a u + b v + c is how far a straight pixel of the drawn picture
        lies on the ground's side of it. None where there is none, because the camera looks straight down."""
        line = self._to_metres[2]
        steep = float(np.hypot(line[0], line[1]))
        if steep * float(np.hypot(self.lens.width, self.lens.height)) < 1e-6 * abs(line[2]):
            return None
        return np.asarray(line / steep)

    def below_horizon(self, points: Floats) -> Floats:
        """How far points (N, 2) of the pictures are on the ground's side of the horizon, straight pixels of the
        drawn picture; infinity where there is no horizon."""
        straight = self.straighten(points)
        line = self.horizon
        return np.full(len(straight), np.inf) if line is None else np.asarray(straight @ line[:2] + line[2])

    def straight_to_ground(self, straight: Floats) -> Floats:
        """Straight pixels (N, 2) of the drawn picture on the ground, metres. They must lie below the horizon."""
        return project(self._to_metres, straight)

    def to_ground(self, points: Floats) -> Floats:
        """Points (N, 2) of the pictures on the ground, metres; NaN on or above the horizon."""
        straight = self.straighten(points)
        with np.errstate(all="ignore"):
            metres = self.straight_to_ground(straight)
        metres[~(self.below_horizon(points) >= HORIZON_PX)] = np.nan
        return metres

    def to_picture(self, metres: Floats) -> Floats:
        """Points (N, 2) of the ground in the pictures, pixels, which may lie beyond their edges; NaN behind the
        camera."""
        metres = np.asarray(metres, float).reshape(-1, 2)
        depth = metres @ self._to_straight[2, :2] + self._to_straight[2, 2]
        with np.errstate(all="ignore"):
            points = self.lens.distort(project(self._to_straight, metres)) / self._factor
        points[~(depth > 0)] = np.nan
        return np.asarray(points)

    def metres_per_pixel(self, points: Floats) -> Floats:
        """How far on the ground one pixel at points (N, 2) reaches in its longest direction, metres; NaN above
        the horizon."""
        points = np.asarray(points, float).reshape(-1, 2)
        across, along = np.array([0.5, 0]), np.array([0, 0.5])
        right = self.to_ground(points + across) - self.to_ground(points - across)
        down = self.to_ground(points + along) - self.to_ground(points - along)
        # The larger singular value of the 2 x 2 matrix of both.
        total = (right**2).sum(1) + (down**2).sum(1)
        spread = np.maximum(total**2 - 4 * (right[:, 0] * down[:, 1] - right[:, 1] * down[:, 0]) ** 2, 0)
        return np.asarray(np.sqrt((total + np.sqrt(spread)) / 2))

    def to_wgs84(self, metres: Floats) -> Floats:
        """Points (N, 2) in metres as longitude, latitude, degrees (N, 2).

        Raises:
            PatrolError: the calibration has no `origin`.
        """
        return self._plane().to_wgs84(np.asarray(metres, float).reshape(-1, 2))

    def from_wgs84(self, degrees: Floats) -> Floats:
        """Longitude, latitude in degrees (N, 2) as metres (N, 2).

        Raises:
            PatrolError: the calibration has no `origin`.
        """
        return self._plane().from_wgs84(np.asarray(degrees, float).reshape(-1, 2))

    def residuals(self) -> Residuals:
        """How well the calibration's own points agree. Pixels are those of the drawn picture."""
        drawn = self.scaled(self.lens.width, self.lens.height)
        px = np.hypot(*(drawn.to_picture(self.ground_points) - self.picture_points).T)
        cm = np.hypot(*(drawn.to_ground(self.picture_points) - self.ground_points).T) * 100
        points = tuple(
            PointResidual(name, (float(p[0]), float(p[1])), (float(g[0]), float(g[1])), float(c), float(x))
            for name, p, g, c, x in zip(
                self.names, self.picture_points, self.ground_points, cm, px, strict=True
            )
        )
        return Residuals(
            points,
            float(np.sqrt((cm**2).mean())),
            float(np.sqrt((px**2).mean())),
            max(points, key=lambda point: point.px),
        )

    def _plane(self) -> TangentPlane:
        if self.plane is None:
            raise PatrolError(
                "the calibration has no origin on the map",
                field="calibration: origin",
                mend="Give `origin` and `bearing_deg`, or points by `at`.",
            )
        return self.plane


def with_fitted_lens(calibration: Calibration, width: float, height: float) -> Calibration:
    """The calibration with the k1 with which its points agree best.

    Raises:
        PatrolError: fewer than six points.
    """
    origin = calibration.origin
    plane = (
        None if origin is None else TangentPlane(origin.longitude, origin.latitude, calibration.bearing_deg)
    )
    _, picture, ground = _points_of(calibration, plane)
    lens = fit_lens(picture, ground, Lens(width, height, 0.0, calibration.k2))
    return calibration.model_copy(update={"k1": lens.k1})


def _points_of(
    calibration: Calibration, plane: TangentPlane | None
) -> tuple[tuple[str, ...], Floats, Floats]:
    """Names, picture points and ground points, (N, 2)."""
    rectangle = calibration.rectangle
    if rectangle is None:
        ground = []
        for point in calibration.point:
            if point.ground is not None:
                ground.append(point.ground)
                continue
            assert point.at is not None
            assert plane is not None
            x, y = plane.from_wgs84(np.array([point.at.longitude, point.at.latitude]))
            ground.append((float(x), float(y)))
        names = tuple(f"point {n}" for n in range(1, len(ground) + 1))
        return names, np.array([p.picture for p in calibration.point], float), np.array(ground, float)
    picture = np.array(rectangle.picture, float)
    # The ground is right-handed whichever way round the corners were clicked: x runs along the first side, from the
    # first corner, and y to its left. Counter-clockwise corners have y positive.
    away = rectangle.length_m if _turning(picture) < 0 else -rectangle.length_m
    corners = np.array([(0, 0), (rectangle.width_m, 0), (rectangle.width_m, away), (0, away)], float)
    return tuple(f"corner {n}" for n in range(1, 5)), picture, corners


def _turning(ring: Floats) -> float:
    """Twice the signed area of a ring; negative when it runs counter-clockwise as a picture shows it."""
    x, y = ring.T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum())
