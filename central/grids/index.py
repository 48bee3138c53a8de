"""From a point to its leaf grid, in memory. Pure: nothing here knows of databases.

A raster of cells lies over all leaves. Most cells lie wholly in one leaf, and a look into a table answers; the others
list the few leaves whose border crosses them, and only those are tested.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import STRtree
from shapely.geometry.base import BaseGeometry

_CELLS_PER_LEAF = 60
"""Finer rasters answer more points from the table alone and cost memory: 8 bytes a cell."""

_MOST_CELLS = 4_000_000

_NOBODY = -1


class GridIndex:
    """The leaves of a jurisdiction at one time.

    A point on a common border belongs to the leaf that comes first; each point of the ground has exactly one leaf.

    Args:
        leaves: (name, ground) of each leaf, WGS-84 degrees. Grounds may be polygons or multipolygons.
    """

    def __init__(self, leaves: Sequence[tuple[str, BaseGeometry]]) -> None:
        self._names = [name for name, _ in leaves]
        self._shapes = np.array([shape for _, shape in leaves], dtype=object)
        self._single: list[int] = []
        self._several: dict[int, tuple[int, ...]] = {}
        self._columns = self._rows = 0
        self._left = self._bottom = 0.0
        self._across = self._up = 1.0
        if leaves:
            shapely.prepare(self._shapes)
            self._lay_raster()

    def __len__(self) -> int:
        return len(self._names)

    def leaf_at(self, longitude: float, latitude: float) -> str | None:
        """The leaf that a point lies in, or None outside all of them.

        Args:
            longitude, latitude: WGS-84 degrees.
        """
        column = int((longitude - self._left) * self._across)
        row = int((latitude - self._bottom) * self._up)
        if not (0 <= column < self._columns and 0 <= row < self._rows) or longitude < self._left:
            return None
        cell = row * self._columns + column
        number = self._single[cell]
        if number >= 0:
            return self._names[number]
        for candidate in self._several.get(cell, ()):
            if shapely.intersects_xy(self._shapes[candidate], longitude, latitude):
                return self._names[candidate]
        return None

    def nearest(self, longitude: float, latitude: float, within_m: float) -> tuple[str, float] | None:
        """The nearest leaf and its distance in metres, for points in the cracks between hand-drawn borders.

        Args:
            longitude, latitude: WGS-84 degrees.
            within_m: nothing farther away is taken.
        """
        if not self._names:
            return None
        # Metres are equal both ways after the degrees of longitude are shortened; good to a per mille at this size.
        squeeze = math.cos(math.radians(latitude))
        best: tuple[float, int] | None = None
        reach = within_m / 111_195 / max(squeeze, 0.01)
        window = shapely.box(longitude - reach, latitude - reach, longitude + reach, latitude + reach)
        for number in sorted(int(n) for n in self._tree.query(window)):
            shape = shapely.transform(self._shapes[number], lambda xy: xy * (squeeze, 1.0))
            metres = float(shape.distance(shapely.Point(longitude * squeeze, latitude))) * 111_195
            if metres <= within_m and (best is None or metres < best[0]):
                best = (metres, number)
        return None if best is None else (self._names[best[1]], best[0])

    def _lay_raster(self) -> None:
        bounds = shapely.bounds(self._shapes)
        left, bottom = bounds[:, 0].min(), bounds[:, 1].min()
        right, top = bounds[:, 2].max(), bounds[:, 3].max()
        wide, high = max(right - left, 1e-9), max(top - bottom, 1e-9)
        cells = min(_MOST_CELLS, max(256, _CELLS_PER_LEAF * len(self._names)))
        side = math.sqrt(wide * high / cells)
        self._columns = max(1, min(cells, math.ceil(wide / side)))
        self._rows = max(1, min(cells, math.ceil(high / side)))
        self._left, self._bottom = float(left), float(bottom)
        self._across, self._up = self._columns / wide * (1 - 1e-12), self._rows / high * (1 - 1e-12)
        self._tree = STRtree(self._shapes)
        single = np.full(self._columns * self._rows, _NOBODY, np.int64)
        for first in range(0, self._rows, 64):
            self._fill(single, first, min(self._rows, first + 64))
        self._single = single.tolist()

    def _fill(self, single: NDArray[np.int64], first: int, last: int) -> None:
        """Rows of the raster: which leaf covers a cell wholly, or which ones touch it."""
        columns, rows = np.meshgrid(np.arange(self._columns), np.arange(first, last))
        # A hair wider than the cell, so that rounding never puts a point into a neighbour's cell unnoticed.
        hair = 1e-9
        boxes = shapely.box(
            self._left + columns.ravel() / self._across - hair,
            self._bottom + rows.ravel() / self._up - hair,
            self._left + (columns.ravel() + 1) / self._across + hair,
            self._bottom + (rows.ravel() + 1) / self._up + hair,
        )
        cell, leaf = self._tree.query(boxes, predicate="intersects")
        order = np.lexsort((leaf, cell))
        cell, leaf = cell[order], leaf[order]
        whole = shapely.contains_properly(self._shapes[leaf], boxes[cell])
        number = rows.ravel() * self._columns + columns.ravel()
        starts = np.flatnonzero(np.diff(cell, prepend=-1))
        for start, end in zip(starts, [*starts[1:], len(cell)], strict=True):
            place = int(number[cell[start]])
            if whole[start]:
                # Where leaves overlap the first one counts, so nothing behind it matters.
                single[place] = leaf[start]
            else:
                self._several[place] = tuple(int(n) for n in leaf[start:end])
