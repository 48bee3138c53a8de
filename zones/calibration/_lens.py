"""Radial lens distortion.

The model is that of Brown (Decentering distortion of lenses, 1971) without its decentering part, in the direction
that OpenCV uses: a point at the distance r from the picture's centre in a picture without distortion is seen at
r (1 + k1 r^2 + k2 r^4). Negative k1 is a barrel. r is measured in half diagonals of the picture, so that the
corners lie at 1 and the coefficients do not depend on the focal length or the resolution. Coefficients of OpenCV,
whose unit is the focal length f in pixels, become k1 (R/f)^2 and k2 (R/f)^4 with R half the diagonal in pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_ROUNDS = 30


@dataclass(frozen=True)
class Lens:
    """The lens of a camera that gives pictures of `width` x `height` pixels.

    Strong distortion folds the picture over itself outside some radius. Beyond it the model goes on in a straight
    line, so that it stays invertible; `reaches` tells which points are seen by the lens proper.
    """

    width: float
    height: float
    k1: float = 0.0
    k2: float = 0.0
    _limit: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_limit", _fold(self.k1, self.k2))

    @property
    def straight(self) -> bool:
        """Whether it distorts nothing."""
        return self.k1 == 0 and self.k2 == 0

    @property
    def centre(self) -> Floats:
        """Pixels, (2,)."""
        return np.array([self.width / 2, self.height / 2])

    @property
    def unit(self) -> float:
        """Half the diagonal, pixels."""
        return float(np.hypot(self.width, self.height)) / 2

    @property
    def reach(self) -> float:
        """Largest distance from the centre, in pixels of the picture, up to which the model does not fold."""
        if not np.isfinite(self._limit):
            return float("inf")
        return float(self._limit * self._factor(np.array(self._limit**2)) * self.unit)

    def reaches(self, points: Floats) -> NDArray[np.bool_]:
        """Which picture points (N, 2) are within the reach of the model."""
        return np.asarray(np.hypot(*(np.asarray(points, float) - self.centre).T) <= self.reach)

    def distort(self, points: Floats) -> Floats:
        """Points (..., 2) of a straight picture where the camera shows them, pixels."""
        points = np.asarray(points, float)
        if self.straight:
            return points
        away = (points - self.centre) / self.unit
        return np.asarray(self.centre + away * self._factor((away**2).sum(-1))[..., None] * self.unit)

    def straighten(self, points: Floats) -> Floats:
        """Points (..., 2) of the picture where a straight picture would show them, pixels.

        Newton's method, kept in a bracket, to the precision of the numbers.
        """
        points = np.asarray(points, float)
        if self.straight:
            return points
        away = (points - self.centre) / self.unit
        seen = np.sqrt((away**2).sum(-1))
        low = np.zeros_like(seen)
        high = np.maximum(seen, seen / self._factor(np.full_like(seen, np.inf))) + 1e-9
        while np.any(grow := (high * self._factor(high**2) < seen)):
            high = np.where(grow, high * 2, high)
        radius = np.clip(seen, low, high)
        for _ in range(_ROUNDS):
            error = radius * self._factor(radius**2) - seen
            low, high = np.where(error < 0, radius, low), np.where(error >= 0, radius, high)
            inside = np.minimum(radius, self._limit) ** 2
            slope = np.where(
                radius < self._limit, 1 + 3 * self.k1 * inside + 5 * self.k2 * inside**2, self._factor(inside)
            )
            with np.errstate(divide="ignore", invalid="ignore"):
                step = radius - error / slope
            step = np.where((step >= low) & (step <= high), step, (low + high) / 2)
            if np.all(np.abs(step - radius) <= 1e-14 + 1e-14 * radius):
                radius = step
                break
            radius = step
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(seen > 1e-12, radius / seen, 1.0)
        return np.asarray(self.centre + away * share[..., None] * self.unit)

    def stretch(self, points: Floats) -> Floats:
        """How `distort` stretches the surroundings of straight points (..., 2): Jacobians (..., 2, 2)."""
        points = np.asarray(points, float)
        away = (points - self.centre) / self.unit
        square = (away**2).sum(-1)
        bent = np.minimum(square, self._limit**2)
        slope = np.where(square < self._limit**2, 2 * self.k1 + 4 * self.k2 * bent, 0.0)
        outer = away[..., :, None] * away[..., None, :]
        return np.asarray(self._factor(square)[..., None, None] * np.eye(2) + slope[..., None, None] * outer)

    def _factor(self, square: Floats) -> Floats:
        square = np.minimum(square, self._limit**2) if np.isfinite(self._limit) else square
        if not np.isfinite(self._limit) and np.any(np.isinf(square)):
            return np.ones_like(square)
        return np.asarray(1 + square * (self.k1 + square * self.k2))


def _fold(k1: float, k2: float) -> float:
    """The straight radius at which r (1 + k1 r^2 + k2 r^4) stops growing; infinity if it never does."""
    inside = 9 * k1 * k1 - 20 * k2
    if inside < 0:
        return float("inf")
    # The roots of 5 k2 q^2 + 3 k1 q + 1 in q = r^2, written so that a tiny k2 does no harm.
    below = [-3 * k1 + sign * math.sqrt(inside) for sign in (-1, 1)]
    squares = [2 / value for value in below if value > 1e-9]
    return math.sqrt(min(squares)) if squares else float("inf")
