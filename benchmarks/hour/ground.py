"""Where things lie: a square of four grids, in it places that are too far apart for two reports to be taken for one."""

from __future__ import annotations

from dataclasses import dataclass

MINUTE = 60_000
HOUR = 60 * MINUTE

WEST, SOUTH = 116.30, 39.88
SIDE = 0.08
"""Of the whole square, degrees."""

PITCH = 0.005
"""Between two places, degrees: 425 m or more, and 150 m is the most within which reports are compared."""

ROW = int(SIDE / PITCH) - 1
PLACES = ROW * ROW
NAMES = ("西南网格", "东南网格", "西北网格", "东北网格")


@dataclass(frozen=True, slots=True)
class Spot:
    """A place: its number, words for it, and where it is (WGS-84 degrees)."""

    number: int
    longitude: float
    latitude: float

    @property
    def grid(self) -> str:
        """Code of the grid it lies in."""
        east = self.longitude > WEST + SIDE / 2
        north = self.latitude > SOUTH + SIDE / 2
        return f"g{1 + east + 2 * north}"

    @property
    def words(self) -> str:
        """As people write it."""
        return f"和平路{self.number + 1}号院"


def spot(number: int) -> Spot:
    """The place of this number, from 0; after the last one they begin again."""
    row, column = divmod(number % PLACES, ROW)
    return Spot(number, round(WEST + (column + 0.75) * PITCH, 6), round(SOUTH + (row + 0.75) * PITCH, 6))


def box_of(grid: int) -> tuple[float, float, float, float]:
    """West, south, east, north of a grid, from 0."""
    half = SIDE / 2
    x, y = WEST + (grid % 2) * half, SOUTH + (grid // 2) * half
    return x, y, x + half, y + half
