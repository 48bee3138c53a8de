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
class Plan:
    """The drawing: origin at the top left, y downwards, north up.

    Attributes:
        width: of the drawing, in its own units.
        height: likewise.
        body: the SVG elements. Put together here and not in the page's template, because a template takes thirty
            times as long for them; only numbers go in, so there is nothing to escape.
    """

    width: int
    height: int
    body: str


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

    bar_m = max((each for each in _BARS_M if each * scale <= WIDTH * 0.32), default=_BARS_M[0])
    left, top = point(0.0, 0.0)
    own_x, own_y = f"{left:.1f}", f"{top:.1f}"
    spots = [(*point(x, y), held) for (x, y), (_, held) in zip(places, bays, strict=True)]
    parts = [f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}"/>']
    parts += [
        f'<circle class="ring" cx="{own_x}" cy="{own_y}" r="{number * bar_m * scale:.1f}"/>'
        for number in (1, 2, 3)
    ]
    parts += [
        f'<line class="way{_KEPT[held]}" x1="{own_x}" y1="{own_y}" x2="{x:.1f}" y2="{y:.1f}"/>'
        for x, y, held in spots
    ]
    parts.append(
        f'<g class="own"><circle cx="{own_x}" cy="{own_y}" r="10"/>'
        f'<circle class="dot" cx="{own_x}" cy="{own_y}" r="4"/></g>'
    )
    parts += [
        f'<g class="spot{_KEPT[held]}"><circle cx="{x:.1f}" cy="{y:.1f}" r="15"/>'
        f'<text x="{x:.1f}" y="{y:.1f}" dy="6.5">{number}</text></g>'
        for number, (x, y, held) in enumerate(spots, 1)
    ]
    parts.append(
        f'<g class="north" transform="translate({WIDTH - 24} 34)"><path d="M0-22 8 4 0-2-8 4z"/><text y="20">N</text></g>'
        f'<g class="scale" transform="translate(14 {HEIGHT - 14})"><path d="M0-6V0H{bar_m * scale:.1f}V-6"/>'
        f'<text x="2" y="-9">{bar_m} m</text></g>'
    )
    return Plan(WIDTH, HEIGHT, "".join(parts))


_KEPT = {False: "", True: " kept"}
