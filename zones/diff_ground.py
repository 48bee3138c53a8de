"""Square metres and metres of what was drawn in pixels, where the camera is calibrated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from shapely import get_parts, segmentize, transform
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from zones.model import Vertex, ZoneFile

Floats = NDArray[np.float64]

_STEPS = 64
"""Pieces of a picture's longer side into which edges are cut: a lens bends straight lines."""


@dataclass(frozen=True, slots=True)
class GroundMeasure:
    """Measures on the ground.

    Attributes:
        to_ground: (N, 2) pixels to (N, 2) metres; not finite where a point is no ground (above the horizon).
        step_px: edges are cut into pieces no longer than this.
    """

    to_ground: Callable[[Floats], Floats]
    step_px: float

    def area(self, shape: BaseGeometry) -> float | None:
        """Square metres, to a tenth; None where a part of it is no ground."""
        total = 0.0
        for part in get_parts(shape):
            if not isinstance(part, Polygon) or part.is_empty:
                continue
            there = transform(segmentize(part, self.step_px), self.to_ground)
            if not np.isfinite(there.area):
                return None
            total += float(there.area)
        return round(total, 1)

    def longest(self, pairs: Sequence[tuple[Vertex, Vertex]]) -> float | None:
        """The longest of the ways from one point to another, metres, to a centimetre; None where that is not known."""
        if not pairs:
            return None
        one, two = (self.to_ground(np.array([pair[side] for pair in pairs], float)) for side in (0, 1))
        ways = np.hypot(*(two - one).T)
        return round(float(ways.max()), 2) if np.isfinite(ways).all() else None


def measure_of(file: ZoneFile) -> GroundMeasure | None:
    """What measures in this file's pixels, or None where it is not calibrated.

    Raises:
        PatrolError: the calibration contradicts itself.
    """
    from zones.calibration import Ground

    ground = Ground.of(file)
    if ground is None:
        return None
    return GroundMeasure(ground.to_ground, max(file.picture.width, file.picture.height) / _STEPS)
