"""Metres on the ground and WGS-84: a plane that touches the ellipsoid at the origin.

Geodetic to topocentric coordinates by way of geocentric ones, exact for points on the ellipsoid (IOGP Guidance Note
7-2, EPSG methods 9602 and 9837), and back by Bowring's closed form (1976). Where the plane leaves the ellipsoid, by
8 cm after 1 km, the height is dropped; that shifts a place by less than a tenth of a millimetre.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_A = 6378137.0
_F = 1 / 298.257223563
_B = _A * (1 - _F)
_E2 = _F * (2 - _F)


@dataclass(frozen=True)
class TangentPlane:
    """A plane in metres. `bearing_deg` is the direction of its y axis, degrees clockwise from true north."""

    longitude: float
    latitude: float
    bearing_deg: float = 0.0
    _turn: Floats = field(init=False, repr=False, compare=False)
    _axes: Floats = field(init=False, repr=False, compare=False)
    _origin: Floats = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        lam, phi, turn = (math.radians(v) for v in (self.longitude, self.latitude, self.bearing_deg))
        east = [-math.sin(lam), math.cos(lam), 0.0]
        north = [-math.sin(phi) * math.cos(lam), -math.sin(phi) * math.sin(lam), math.cos(phi)]
        object.__setattr__(self, "_axes", np.array([east, north]))
        object.__setattr__(self, "_origin", _geocentric(np.array([[self.longitude, self.latitude]]))[0])
        # Rows: the plane's x and y in east and north.
        object.__setattr__(
            self, "_turn", np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
        )

    def to_wgs84(self, metres: Floats) -> Floats:
        """Points (..., 2) in metres as longitude, latitude in degrees, (..., 2)."""
        metres = np.asarray(metres, float)
        place = metres @ self._turn @ self._axes + self._origin
        x, y, z = np.moveaxis(place, -1, 0)
        across = np.hypot(x, y)
        theta = np.arctan2(z * _A, across * _B)
        phi = np.arctan2(
            z + (_A**2 - _B**2) / _B * np.sin(theta) ** 3, across - _E2 * _A * np.cos(theta) ** 3
        )
        return np.stack([np.degrees(np.arctan2(y, x)), np.degrees(phi)], axis=-1)

    def from_wgs84(self, degrees: Floats) -> Floats:
        """Longitude, latitude in degrees (..., 2) as metres, (..., 2)."""
        away = _geocentric(np.asarray(degrees, float)) - self._origin
        return np.asarray(away @ self._axes.T @ self._turn.T)


def _geocentric(degrees: Floats) -> Floats:
    lam, phi = np.radians(degrees[..., 0]), np.radians(degrees[..., 1])
    normal = _A / np.sqrt(1 - _E2 * np.sin(phi) ** 2)
    return np.stack(
        [
            normal * np.cos(phi) * np.cos(lam),
            normal * np.cos(phi) * np.sin(lam),
            normal * (1 - _E2) * np.sin(phi),
        ],
        axis=-1,
    )
