"""Exact areas of many rectangles inside many polygons at once.

A rectangle, however turned, becomes the unit square by a change of coordinates that leaves shares as they are. The
area of a polygon inside the unit square is then a sum over its edges: the integral of the edge's height, held
between 0 and 1, over the part of the edge between x = 0 and x = 1, positive one way and negative the other
(Green's theorem for the polygon cut at two levels). No cutting, no sorting; concave polygons, holes and parts are
sums of edges like everything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import STRtree
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.geometry.polygon import orient

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

_AT_ONCE = 8192
"""Edges that are worked on at once: what is in between then stays in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Rectangles:
    """Rectangles of any direction.

    Attributes:
        centre: (N, 2).
        along: (N, 2), from the centre to the middle of one side.
        across: (N, 2), the same for the next side counter-clockwise in the coordinates' own sense, perpendicular.
    """

    centre: Floats
    along: Floats
    across: Floats

    def __len__(self) -> int:
        return len(self.centre)

    @property
    def area(self) -> Floats:
        """(N,), square units."""
        return np.asarray(4 * np.hypot(*self.along.T) * np.hypot(*self.across.T))

    @property
    def corners(self) -> Floats:
        """(N, 4, 2), in order around each."""
        return np.stack(
            [
                self.centre - self.along - self.across,
                self.centre + self.along - self.across,
                self.centre + self.along + self.across,
                self.centre - self.along + self.across,
            ],
            axis=1,
        )

    @property
    def bounds(self) -> Floats:
        """(N, 4): least x, least y, largest x, largest y."""
        reach = np.abs(self.along) + np.abs(self.across)
        return np.concatenate([self.centre - reach, self.centre + reach], axis=1)


class Regions:
    """Polygons, with or without holes and parts, prepared for many look-ups.

    Args:
        shapes: polygons and multipolygons; empty ones are allowed.
    """

    def __init__(self, shapes: Sequence[BaseGeometry]) -> None:
        starts: list[Floats] = []
        ends: list[Floats] = []
        counts: list[int] = []
        for shape in shapes:
            rings = [
                np.asarray(ring.coords, float)[:, :2]
                for part in _parts(shape)
                for ring in (part.exterior, *part.interiors)
            ]
            starts.extend(ring[:-1] for ring in rings)
            ends.extend(ring[1:] for ring in rings)
            counts.append(sum(len(ring) - 1 for ring in rings))
        none = np.zeros((0, 2))
        start = np.concatenate(starts) if starts else none
        step = (np.concatenate(ends) if ends else none) - start
        self._x, self._y = np.ascontiguousarray(start.T)
        self._run, self._rise = np.ascontiguousarray(step.T)
        self._count = np.array(counts, np.intp)
        self._first = np.concatenate([[0], np.cumsum(self._count)[:-1]]).astype(np.intp)
        self._tree = STRtree(list(shapes))

    def __len__(self) -> int:
        return len(self._count)

    def near(self, rectangles: Rectangles) -> tuple[Ints, Ints]:
        """Pairs whose bounds meet: numbers of rectangles, numbers of regions, (P,) each."""
        one, two = self._tree.query(shapely.box(*rectangles.bounds.T))
        return np.asarray(one, np.intp), np.asarray(two, np.intp)

    def shares(self, rectangles: Rectangles) -> Floats:
        """Share of each rectangle inside each region, (N, R), 0 to 1."""
        found = np.zeros((len(rectangles), len(self)))
        one, two = self.near(rectangles)
        if len(one):
            found[one, two] = self.shares_of(rectangles, one, two)
        return found

    def shares_of(self, rectangles: Rectangles, one: Ints, two: Ints) -> Floats:
        """Share of rectangle `one[i]` inside region `two[i]`, (P,)."""
        done = np.cumsum(self._count[two])
        if not len(done) or done[-1] <= _AT_ONCE:
            return self._shares_of(rectangles, one, two)
        ends = np.searchsorted(done, np.arange(_AT_ONCE, done[-1], _AT_ONCE), side="right")
        return np.concatenate(
            [
                self._shares_of(rectangles, *part)
                for part in zip(np.split(one, ends), np.split(two, ends), strict=True)
            ]
        )

    def _shares_of(self, rectangles: Rectangles, one: Ints, two: Ints) -> Floats:
        count = self._count[two]
        last = np.cumsum(count)
        if not len(last) or not last[-1]:
            return np.zeros(len(one))
        edge = np.arange(last[-1]) + np.repeat(self._first[two] - (last - count), count)
        mine = np.repeat(one, count)
        # Half the inverse of the rectangle's axes: inside, x and y run from 0 to 1.
        (cx, cy), (ax, ay), (bx, by) = rectangles.centre.T, rectangles.along.T, rectangles.across.T
        along, across = 2 * (ax * ax + ay * ay), 2 * (bx * bx + by * by)
        xx, xy, yx, yy = ax / along, ay / along, bx / across, by / across
        x_base, y_base = 0.5 - cx * xx - cy * xy, 0.5 - cx * yx - cy * yy
        x, y, run, rise = self._x[edge], self._y[edge], self._run[edge], self._rise[edge]
        turn_x, turn_y = xx[mine], xy[mine]
        x0 = x * turn_x + y * turn_y + x_base[mine]
        x_run = run * turn_x + rise * turn_y
        a = np.minimum(np.maximum(x0, 0.0), 1.0)
        b = np.minimum(np.maximum(x0 + x_run, 0.0), 1.0)
        # Only edges over the square have anything under them.
        over = np.flatnonzero(a != b)
        mine = mine[over]
        turn_x, turn_y = yx[mine], yy[mine]
        y0 = x[over] * turn_x + y[over] * turn_y + y_base[mine]
        y_run = run[over] * turn_x + rise[over] * turn_y
        signed = _under(x0[over], y0, x_run[over], y_run, a[over], b[over])
        pair = np.repeat(np.arange(len(one)), count)
        total = -np.bincount(pair[over], signed, len(one))
        return np.asarray(np.minimum(np.maximum(total, 0.0), 1.0))


def _under(x0: Floats, y0: Floats, run: Floats, rise: Floats, a: Floats, b: Floats) -> Floats:
    """Integral over x from a to b of the height, held between 0 and 1, of the lines from (x0, y0) by (run, rise)."""
    slope = rise / run
    ya = y0 + (a - x0) * slope
    yb = y0 + (b - x0) * slope
    climb = yb - ya
    flat = np.abs(climb) < 1e-7
    mean = (_integral(yb) - _integral(ya)) / np.where(flat, 1.0, climb)
    mean = np.where(flat, np.minimum(np.maximum((ya + yb) / 2, 0.0), 1.0), mean)
    return np.asarray((b - a) * mean)


def _integral(y: Floats) -> Floats:
    """Integral from 0 to y of a height held between 0 and 1."""
    held = np.minimum(np.maximum(y, 0.0), 1.0)
    return np.asarray(held * (y - held / 2))


def _parts(shape: BaseGeometry) -> list[Polygon]:
    if isinstance(shape, Polygon):
        return [] if shape.is_empty else [orient(shape)]
    if isinstance(shape, MultiPolygon):
        return [orient(part) for part in shape.geoms]
    # What is left after cutting may hold stray lines and points, which have no area.
    return [part for each in getattr(shape, "geoms", ()) for part in _parts(each)]
