"""An upright body with rounded edges, and the parts that vans, buses and trucks share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from benchmarks.simulator._mesh import Builder, Colour
from benchmarks.simulator._paint import GLASS_BANDS, GLASS_GLOSS, TRIM, Vector

_SECTION = (
    (0.0, 0.95),
    (0.06, 0.985),
    (0.25, 1.0),
    (0.50, 1.0),
    (0.78, 0.975),
    (0.92, 0.95),
    (0.975, 0.90),
    (1.0, 0.80),
)


@dataclass(frozen=True)
class BoxBody:
    """An upright body from x = rear to x = front, metres.

    Attributes:
        roof: height of the roof along x.
        low: height of the lower edge.
        bow: how far the middle of the front and rear stands out.
        ends: half width at the very front and rear as a share of the full one.
        lean: how far the front face lies back per metre above `nose`.
    """

    rear: float
    front: float
    width: float
    low: float
    roof: Callable[[float], float]
    bow: float = 0.12
    ends: float = 0.90
    round: float = 0.25

    def _taper(self, x: float) -> float:
        edge = min(x - self.rear, self.front - x)
        return float(np.interp(edge, [0, self.round * 0.3, self.round], [self.ends, 0.97, 1.0]))

    def side(self, x: float, z: float, lift: float = 0.0) -> Vector:
        """The point of the left side at (x, z)."""
        rise = (z - self.low) / max(self.roof(x) - self.low, 0.05)
        share = float(np.interp(rise, [k[0] for k in _SECTION], [k[1] for k in _SECTION]))
        return (x, self.width / 2 * self._taper(x) * share + lift, z)

    def end(self, y: float, z: float, facing: float, lift: float = 0.012) -> Vector:
        """The point of the front (or rear) at (y, z)."""
        x = self.front if facing > 0 else self.rear
        half = self.width / 2 * self.ends
        return (x + facing * (self.bow * (1 - min(1.0, (y / half) ** 2)) - self.bow + lift), y, z)

    def hull(self, b: Builder, stations: Sequence[float], paint: Colour, gloss: float) -> None:
        """Add sides, roof, front and rear."""
        rings = []
        for x in stations:
            top = self.roof(x)
            left = [self.side(x, self.low + r * (top - self.low)) for r, _ in _SECTION]
            reach = x - self.bow if x == self.front else x + self.bow if x == self.rear else x
            left = [(reach, p[1], p[2]) for p in left]
            y_top = left[-1][1]
            crown = [(reach, y_top * f, top + 0.03 * (1 - f * f)) for f in (0.5, 0.0, -0.5)]
            rings.append([*left, *crown, *[(p[0], -p[1], p[2]) for p in reversed(left)]])
        inside = ((self.rear + self.front) / 2, 0, (self.low + self.roof(0)) / 2)
        b.grid(rings, paint, gloss, inside=inside)
        for facing, ring in ((1.0, rings[-1]), (-1.0, rings[0])):
            rows = [
                [self.end(p[1] * f, p[2], facing, 0.0) for f in (-1, -0.7, -0.35, 0, 0.35, 0.7, 1)]
                for p in ring[: len(_SECTION)]
            ]
            b.grid(rows, paint, gloss, inside=inside)

    def on_side(
        self, x0: float, x1: float, z0: float, z1: float, side: float, lift: float = 0.012
    ) -> list[Vector]:
        """Corners of a panel on the left (+1) or right (-1) side."""
        corners = [
            self.side(x0, z0, lift),
            self.side(x1, z0, lift),
            self.side(x1, z1, lift),
            self.side(x0, z1, lift),
        ]
        return [(x, y * side, z) for x, y, z in corners]

    def on_end(
        self, y0: float, y1: float, z0: float, z1: float, facing: float, lift: float = 0.012
    ) -> list[Vector]:
        """Corners of a panel on the front (+1) or rear (-1)."""
        return [
            self.end(y0, z0, facing, lift),
            self.end(y1, z0, facing, lift),
            self.end(y1, z1, facing, lift),
            self.end(y0, z1, facing, lift),
        ]


def shade(paint: Colour, factor: float) -> Colour:
    return (paint[0] * factor, paint[1] * factor, paint[2] * factor)


def treads(b: Builder, axles: Sequence[float], half: float, radius: float) -> None:
    b.layer, b.stacked = 0, False
    for x in axles:
        for side in (-1.0, 1.0):
            b.tread(x, side * (half - 0.05), radius, 0.25)


def wheel_faces(
    b: Builder, axles: Sequence[float], half: float, radius: float, side: float, *, arch: bool = True
) -> None:
    for x in axles:
        y = side * (half + 0.002)
        if arch:
            b.disc(
                (x, y, radius),
                radius + 0.06,
                (0.03, 0.03, 0.03),
                side=side,
                from_deg=-20,
                to_deg=200,
                corners=16,
            )
        b.wheel(x, y + side * 0.006, radius, side=side, spokes=6)


def glass_end(b: Builder, body: BoxBody, y: float, z0: float, z1: float, facing: float) -> None:
    for y0, y1 in ((-y, -y / 2), (-y / 2, 0), (0, y / 2), (y / 2, y)):
        b.panel(body.on_end(y0, y1, z0, z1, facing), GLASS_BANDS, GLASS_GLOSS, outward=(facing, 0, 0))


def mirrors(b: Builder, x: float, half: float, low: float, high: float, reach: float = 0.20) -> None:
    for side in (-1.0, 1.0):
        y0, y1 = sorted((side * half * 0.97, side * (half + reach)))
        b.box((x, y0, low), (x + 0.08, y1, high), TRIM, 0.3)


def spans(start: float, end: float, count: int) -> list[tuple[float, float]]:
    edges = np.linspace(start, end, count + 1).tolist()
    return list(pairwise(edges))
