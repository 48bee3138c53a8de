"""Zones as a picture in the terminal: coloured half blocks, or letters where there are no colours."""

from __future__ import annotations

import string

import numpy as np
from rich.console import Console
from rich.segment import Segment, Segments
from rich.style import Style
from shapely import contains_xy
from shapely.geometry import Polygon

from zones.model import ZoneFile
from zones.pictures import Image, draw

_WIDEST = 120
_LETTERS = string.ascii_uppercase + string.ascii_lowercase + string.digits


def print_zones(zones: ZoneFile, picture: Image | None, console: Console, *, grid: bool = True) -> None:
    """Draw the zones as wide as the console, and name them below.

    Args:
        zones: a valid file.
        picture: a picture of the same shape to draw over, or None.
        console: where to; without colours (NO_COLOR, a pipe, a plain terminal) each zone is a letter.
        grid: draw metres on the ground, where the file is calibrated.
    """
    columns = max(16, min(console.width, _WIDEST))
    # A character is about twice as high as wide, and a half block is one pixel: square pixels again.
    rows = max(4, round(columns * zones.picture.height / zones.picture.width / 2))
    plain = console.no_color or console.color_system is None
    if plain:
        for line in letter_map(zones, columns, rows):
            console.out(line, highlight=False)
    else:
        console.print(_blocks(draw(zones, picture, grid=grid, legend=False), columns, rows), end="")
    for letter, zone in zip(_letters(zones), zones.zone, strict=True):
        console.out(f"{letter + '  ' if plain else ''}{zone.id}  {zone.kind}  {zone.name}", highlight=False)


def letter_map(zones: ZoneFile, columns: int, rows: int) -> list[str]:
    """Lines of text: each character is the letter of the zone at its middle, a dot where there is none. Where zones
    overlap, the one with the higher priority is shown, then the later one."""
    x, y = np.meshgrid(
        (np.arange(columns) + 0.5) * zones.picture.width / columns,
        (np.arange(rows) + 0.5) * zones.picture.height / rows,
    )
    cells = np.full((rows, columns), ".")
    order = sorted(zip(zones.zone, _letters(zones), strict=True), key=lambda pair: pair[0].priority)
    for zone, letter in order:
        cells[contains_xy(Polygon(zone.polygon), x, y)] = letter
    return ["".join(line) for line in cells]


def _letters(zones: ZoneFile) -> list[str]:
    return [_LETTERS[number % len(_LETTERS)] for number in range(len(zones.zone))]


def _blocks(image: Image, columns: int, rows: int) -> Segments:
    import cv2

    small = cv2.resize(image, (columns, rows * 2), interpolation=cv2.INTER_AREA)
    segments: list[Segment] = []
    for row in range(rows):
        for upper, lower in zip(small[2 * row].tolist(), small[2 * row + 1].tolist(), strict=True):
            style = Style.parse(
                f"rgb({upper[2]},{upper[1]},{upper[0]}) on rgb({lower[2]},{lower[1]},{lower[0]})"
            )
            segments.append(Segment("\u2580", style))
        segments.append(Segment.line())
    return Segments(segments)
