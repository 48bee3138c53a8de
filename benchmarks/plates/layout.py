"""Chinese number plates laid out flat, in every kind, one pixel per millimetre.

Sizes, cells and gaps are those of GA 36-2018: 440 x 140 mm in one row, 480 x 140 for new energy, 440 x 220 in two rows;
characters 45 x 90, in two rows 80 x 60 above and 65 x 110 below. The standard's own typeface is not free: glyphs are
Noto's, stretched into the standard's cells, so that figures from here show balance and robustness, not real accuracy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures
from PIL import ImageDraw

from benchmarks.simulator.plates import write_character
from models.plates.colour import Colour
from models.plates.grammar import Automaton, Form, china
from protocol.errors import PatrolError

Image = NDArray[np.uint8]
Rgb = tuple[int, int, int]

WHITE, BLACK, RED = (248, 248, 248), (14, 14, 14), (200, 20, 25)
BLUE, YELLOW, DARK = (18, 70, 168), (245, 185, 30), (20, 20, 22)
GREEN_TOP, GREEN_FOOT = (240, 250, 243), (70, 190, 120)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of plate as it is drawn.

    Attributes:
        form: the form of China's grammar that its texts have.
        colour: of its ground, as a reader should call it.
        ink: of its characters.
        marked: colour of the last character where it is another one.
        rows: 1 or 2.
    """

    form: str
    colour: Colour
    ink: Rgb
    marked: Rgb | None = None
    rows: int = 1


KINDS: Mapping[str, Kind] = {
    "civil_blue": Kind("civil", Colour.BLUE, WHITE),
    "energy_small": Kind("energy_small", Colour.GREEN, BLACK),
    "civil_yellow": Kind("civil", Colour.YELLOW, BLACK),
    "civil_yellow_two_rows": Kind("civil", Colour.YELLOW, BLACK, rows=2),
    "energy_large": Kind("energy_large", Colour.GREEN, BLACK),
    "police": Kind("police", Colour.WHITE, BLACK, RED),
    "driving_school": Kind("driving_school", Colour.YELLOW, BLACK),
    "trailer_two_rows": Kind("trailer", Colour.YELLOW, BLACK, rows=2),
    "civil_black": Kind("civil", Colour.BLACK, WHITE),
    "consulate": Kind("consulate", Colour.BLACK, WHITE),
    "embassy": Kind("embassy", Colour.BLACK, WHITE),
    "border": Kind("border", Colour.BLACK, WHITE),
}
"""Name -> kind. Names are those of the grammar, with `_two_rows` where the plate has two."""

REGIONS = china().grammar.sets["province"]
SERIAL_LETTER = 0.2
"""How often a place that may hold letter or digit holds a letter."""


def grammar_kind(name: str) -> str:
    """The kind that a reader should report for a plate of this name."""
    return name.removesuffix("_two_rows")


def random_text(rng: np.random.Generator, name: str, region: str | None = None) -> str:
    """A legal text of this kind drawn by lot, of a region where the kind has regions.

    Raises:
        PatrolError: no such kind.
    """
    if name not in KINDS:
        raise PatrolError(
            "no such kind of plate", field="kind", value=name, mend=f"Known: {', '.join(KINDS)}."
        )
    automaton = china()
    (form,) = [each for each in automaton.grammar.forms if each.name == KINDS[name].form]
    while True:
        text = "".join(_member(rng, automaton, form, place) for place in range(len(form.slots)))
        if region is not None and form.slots[0] == "province":
            text = region + text[1:]
        # Limits on letters are kept by drawing again; at most one in a few is refused.
        if form in automaton.forms(text):
            return text


def _member(rng: np.random.Generator, automaton: Automaton, form: Form, place: int) -> str:
    pool = automaton.grammar.members(form.slots[place])
    letters = [char for char in pool if char.isascii() and char.isalpha()]
    digits = [char for char in pool if char.isdigit()]
    if letters and digits:
        pool = "".join(letters if rng.random() < SERIAL_LETTER else digits)
    return pool[int(rng.integers(len(pool)))]


@lru_cache(maxsize=512)
def plate(text: str, name: str) -> Image:
    """The plate seen straight on, H x W x 3, BGR.

    Raises:
        PatrolError: the text is no plate of this kind, or the font is not installed.
    """
    kind = KINDS[name]
    if china().kind(text, kind.colour) != grammar_kind(name):
        raise PatrolError("not a plate of this kind", field="plate", value=text, mend=f"Draw one for {name}.")
    energy = kind.colour is Colour.GREEN
    width, height = (480, 140) if energy else (440, 220) if kind.rows == 2 else (440, 140)
    picture = Pictures.new("RGB", (width, height), _GROUND[kind.colour])
    draw = ImageDraw.Draw(picture)
    if energy:
        _fade(draw, width, height)
        if kind.form == "energy_large":
            draw.rectangle([0, 0, 133, height], fill=YELLOW)
    draw.rounded_rectangle([4, 4, width - 5, height - 5], radius=9, outline=kind.ink, width=3)
    for place, (char, cell) in enumerate(zip(text, _cells(text, kind), strict=True)):
        ink = kind.marked if kind.marked and place == len(text) - 1 else kind.ink
        write_character(picture, char, cell[0], cell[2], ink, top=cell[1], tall=cell[3])
    dot = _dot(kind)
    if dot is not None:
        draw.ellipse([dot[0] - 5, dot[1] - 5, dot[0] + 5, dot[1] + 5], fill=kind.ink)
    for x in (110, width - 110):
        draw.ellipse([x - 5, 7, x + 5, 17], fill=(150, 150, 150), outline=(70, 70, 70))
    return np.ascontiguousarray(np.asarray(picture)[:, :, ::-1])


_GROUND: Mapping[Colour, Rgb] = {
    Colour.BLUE: BLUE,
    Colour.YELLOW: YELLOW,
    Colour.GREEN: GREEN_TOP,
    Colour.WHITE: (240, 240, 240),
    Colour.BLACK: DARK,
}


def _fade(draw: ImageDraw.ImageDraw, width: int, height: int) -> None:
    for row in range(height):
        share = min(1.0, max(0.0, (row - 20) / 90))
        rgb = tuple(round(a + (b - a) * share) for a, b in zip(GREEN_TOP, GREEN_FOOT, strict=True))
        draw.line([(0, row), (width, row)], fill=rgb)


def _cells(text: str, kind: Kind) -> list[tuple[float, int, int, int]]:
    """Left, top, width and height of each character, millimetres."""
    if kind.rows == 2:
        upper = [(110.0, 15, 80, 60), (250.0, 15, 80, 60)]
        return upper + [(27.5 + 80 * place, 90, 65, 110) for place in range(len(text) - 2)]
    first, cell, gap, wide = (45, 43, 9, 49) if kind.colour is Colour.GREEN else (45, 45, 12, 34)
    if kind.form == "embassy":
        # Six digits and 使: the wide gap stands after the third digit.
        places = [15.5 + place * 57 + (22 if place > 2 else 0) for place in range(7)]
        return [(left, 25, 45, 90) for left in places]
    cells, left = [], 15.5
    for place in range(len(text)):
        size = first if place == 0 else cell
        cells.append((left, 25, size, 90))
        left += size + (wide if place == 1 else gap)
    return cells


def _dot(kind: Kind) -> tuple[int, int] | None:
    if kind.rows == 2:
        return 220, 47
    if kind.colour is Colour.GREEN:
        return None
    return (203, 70) if kind.form == "embassy" else (134, 70)
