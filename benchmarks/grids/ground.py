"""Ground divided into leaves with wavy common borders, as hand-drawn grids have."""

from __future__ import annotations

import math

import numpy as np
from shapely.geometry import Polygon

_STEPS = 12


def wavy_leaves(count: int, dice: np.random.Generator) -> list[tuple[str, Polygon]]:
    """About 40 km x 44 km near 121 E, 31 N, divided into `count` leaves without overlap or hole.

    Args:
        count: number of leaves.
        dice: chance.
    """
    rows = max(1, math.isqrt(count))
    per_row = [count // rows + (row < count % rows) for row in range(rows)]
    high = 0.4 / rows
    wave = dice.uniform(0.15, 0.3, rows + 1) * high
    phase = dice.uniform(0, 6.28, rows + 1)
    wave[0] = wave[-1] = 0

    def border(row: int, x: np.ndarray) -> np.ndarray:
        return 31.0 + row * high + wave[row] * np.sin(x * 900 + phase[row])

    leaves = []
    for row, number in enumerate(per_row):
        edges = np.linspace(121.0, 121.4, number + 1)
        for column in range(number):
            # Both neighbours of a border see the same vertices, so nothing lies between them.
            below, above = _steps(edges[column], edges[column + 1]), _steps(edges[column], edges[column + 1])
            ring = [
                *zip(below, border(row, below), strict=True),
                *zip(above[::-1], border(row + 1, above)[::-1], strict=True),
            ]
            leaves.append((f"{row}-{column}", Polygon(ring)))
    return leaves


def _steps(left: float, right: float) -> np.ndarray:
    return np.linspace(left, right, _STEPS)
