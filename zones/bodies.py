"""Typical vehicles: what a detector's class may be on the road, how large it is, and how its outline narrows.

Sizes are those of common vehicles on Chinese streets, from makers' data sheets: saloons and SUVs 4.2 to 4.9 m,
microvans 4.5 m, light trucks under 6 m (the limit of the blue plate), city buses 10 to 12 m, e-bikes under 2 m.
COCO, which most detectors learn from, has no van: vans are called car, truck or bus.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SPREAD = (0.10, 0.04, 0.06)
"""How much vehicles of one body differ: standard deviations of the logarithms of length, width, height."""

# Seen from above, corners are rounded: at its full length a car has not its full width, nor the other way round.
_ROUND = (
    (0.0, 0.66, 0.90),
    (0.15, 0.97, 0.55), (0.15, 0.82, 0.94),
    (0.42, 1.0, 0.60), (0.42, 0.84, 1.0),
    (0.62, 0.92, 0.72),
    (1.0, 0.42, 0.72),
)  # fmt: skip
_VAN = (
    (0.0, 0.68, 0.92),
    (0.14, 0.98, 0.70), (0.14, 0.90, 0.97),
    (0.5, 1.0, 0.75), (0.5, 0.92, 1.0),
    (0.90, 0.84, 0.92),
    (1.0, 0.70, 0.84),
)  # fmt: skip
_BOX = (
    (0.0, 0.74, 0.90),
    (0.12, 1.0, 0.88), (0.12, 0.97, 1.0),
    (0.9, 1.0, 0.88), (0.9, 0.97, 1.0),
    (1.0, 0.96, 0.92),
)  # fmt: skip
_SLIM = (
    (0.0, 0.66, 0.12),
    (0.25, 1.0, 0.20),
    (0.75, 0.45, 1.0), (0.75, 0.85, 0.3),
    (1.0, 0.35, 0.55),
)  # fmt: skip


@dataclass(frozen=True)
class Body:
    """One sort of vehicle.

    Attributes:
        share: how often the class is this body, 0 to 1.
        length, width, height: metres.
        rings: outlines from bottom to top: height, length and width as shares of the whole.
    """

    share: float
    length: float
    width: float
    height: float
    rings: tuple[tuple[float, float, float], ...]

    @property
    def points(self) -> Floats:
        """Outline points (P, 3) as shares of half the length, half the width and the height: -1 to 1, 0 to 1."""
        return np.array(
            [(a * long, b * wide, z) for z, long, wide in self.rings for a in (-1, 1) for b in (-1, 1)]
        )


_CAR = (Body(0.80, 4.6, 1.82, 1.53, _ROUND), Body(0.20, 4.6, 1.76, 1.92, _VAN))

BODIES: dict[str, tuple[Body, ...]] = {
    "car": _CAR,
    "truck": (
        Body(0.35, 4.7, 1.76, 1.95, _VAN),
        Body(0.45, 5.9, 2.1, 2.7, _BOX),
        Body(0.20, 9.0, 2.5, 3.4, _BOX),
    ),
    "bus": (
        Body(0.15, 4.9, 1.80, 2.0, _VAN),
        Body(0.25, 7.0, 2.15, 2.75, _BOX),
        Body(0.60, 11.0, 2.5, 3.1, _BOX),
    ),
    "motorcycle": (Body(0.6, 1.85, 0.72, 1.15, _SLIM), Body(0.4, 1.95, 0.74, 1.62, _SLIM)),
    "bicycle": (Body(0.6, 1.75, 0.6, 1.05, _SLIM), Body(0.4, 1.75, 0.62, 1.7, _SLIM)),
}
"""Class -> what it may be."""


def bodies_of(vehicle_class: str) -> tuple[Body, ...]:
    """What a detected vehicle may be; one of an unknown class may be a car."""
    return BODIES.get(vehicle_class, _CAR)
