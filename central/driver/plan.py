"""A small map as SVG numbers: the vehicle's place, the bays, which way is north, how far is far. No tiles, no network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from protocol.messages import Position

WIDTH, HEIGHT = 340, 250
"""The drawing's own units; the page scales it."""

_MARGIN = 38
_METRES_PER_DEGREE = 111_195.0
_LEAST_M = 60.0
"""Half the width of the smallest map: below it a kerb's width would look like a journey."""

_BARS_M = (10, 20, 25, 50, 100, 200, 250, 500, 1000, 2000, 5000)


@dataclass(frozen=True, slots=True)
class Spot:
    """A point of the drawing. Numbers are texts, because a template writes numbers as the reader's language does."""

    x: str
    y: str
    label: str = ""
    held: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The drawing: origin at the top left, y downwards, north up."""

    width: int
    height: int
    own: Spot
    bays: tuple[Spot, ...]
    rings: tuple[str, ...]
    bar: str
    bar_m: int


def draw(own: Position, bays: Sequence[tuple[Position, bool]]) -> Plan | None:
    """The map of a vehicle and its bays, each with whether it is held; None where there are no bays."""
    if not bays:
        return None
    cosine = math.cos(math.radians(own.latitude))
    places = [
        (
            ((place.longitude - own.longitude + 180) % 360 - 180) * cosine * _METRES_PER_DEGREE,
            (place.latitude - own.latitude) * _METRES_PER_DEGREE,
        )
        for place, _ in bays
    ]
    east = [0.0, *(x for x, _ in places)]
    north = [0.0, *(y for _, y in places)]
    middle = ((min(east) + max(east)) / 2, (min(north) + max(north)) / 2)
    across = max(max(east) - min(east), _LEAST_M)
    along = max(max(north) - min(north), _LEAST_M)
    scale = min((WIDTH - 2 * _MARGIN) / across, (HEIGHT - 2 * _MARGIN) / along)

    def point(x: float, y: float) -> tuple[float, float]:
        return WIDTH / 2 + (x - middle[0]) * scale, HEIGHT / 2 - (y - middle[1]) * scale

    spots = []
    for number, ((x, y), (_, held)) in enumerate(zip(places, bays, strict=True), 1):
        left, top = point(x, y)
        spots.append(Spot(_text(left), _text(top), str(number), held))
    bar_m = max((each for each in _BARS_M if each * scale <= WIDTH * 0.32), default=_BARS_M[0])
    left, top = point(0.0, 0.0)
    return Plan(
        WIDTH,
        HEIGHT,
        Spot(_text(left), _text(top)),
        tuple(spots),
        tuple(_text(number * bar_m * scale) for number in (1, 2, 3)),
        _text(bar_m * scale),
        bar_m,
    )


def _text(number: float) -> str:
    return f"{number:.1f}"
