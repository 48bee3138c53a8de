"""Chinese number plates as pictures: blue, green (new energy) and yellow, in their true proportions.

Sizes follow GA 36-2018: 440 x 140 mm (blue, and yellow here) and 480 x 140 mm (green); characters are 90 mm high.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures
from PIL import ImageDraw, ImageFont

from models.plates.colour import Colour
from models.plates.grammar import china
from protocol.errors import PatrolError

Image = NDArray[np.uint8]

PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
DIGITS = "0123456789"

KINDS = {
    "blue": ("civil_blue",),
    "yellow": ("civil_yellow",),
    "green": ("energy_small", "energy_large"),
}
"""Kinds drawn here -> the kinds of China's grammar that they are."""

_BLUE, _YELLOW = (18, 70, 168), (245, 185, 30)
_GREEN_TOP, _GREEN_FOOT = (240, 250, 243), (70, 190, 120)


def plate_kind(text: str, wanted: str | None = None) -> str:
    """The kind of a plate: as wanted, else green with eight characters and blue with seven."""
    return wanted or ("green" if len(text) == 8 else "blue")


@lru_cache(maxsize=256)
def plate_picture(text: str, kind: str) -> Image:
    """A plate, BGR, one pixel per millimetre.

    Raises:
        PatrolError: the text is no plate, or the font is not installed.
    """
    check_plate(text, kind)
    width, height = (480 if kind == "green" else 440), 140
    ground = {"blue": _BLUE, "yellow": _YELLOW}.get(kind, _GREEN_TOP)
    ink = (250, 250, 250) if kind == "blue" else (15, 15, 15)
    picture = Pictures.new("RGB", (width, height), ground)
    draw = ImageDraw.Draw(picture)
    if kind == "green":
        for row in range(height):
            share = min(1.0, max(0.0, (row - 20) / 90))
            colour = tuple(round(a + (b - a) * share) for a, b in zip(_GREEN_TOP, _GREEN_FOOT, strict=True))
            draw.line([(0, row), (width, row)], fill=colour)
    draw.rounded_rectangle([4, 4, width - 5, height - 5], radius=9, outline=ink, width=3)
    # Characters are 45 mm wide with 12 mm between them; the separating dot makes the second gap 34 mm.
    cell, gap, wide_gap = (45, 12, 34) if len(text) == 7 else (43, 9, 49)
    if len(text) == 8:
        gap, wide_gap = 9, 43
    left = (width - (cell * len(text) + gap * (len(text) - 2) + wide_gap)) / 2
    for i, character in enumerate(text):
        write_character(picture, character, left, cell, ink)
        left += cell + (wide_gap if i == 1 else gap)
        if i == 1 and len(text) == 7:
            middle = left - wide_gap / 2
            draw.ellipse([middle - 5, 65, middle + 5, 75], fill=ink)
    return np.ascontiguousarray(np.asarray(picture)[:, :, ::-1])


@lru_cache(maxsize=64)
def motorcycle_plate_picture(text: str, kind: str) -> Image:
    """The two-line plate of a motorcycle, 220 x 140 mm, BGR, one pixel per millimetre."""
    check_plate(text, kind)
    ground = {"blue": _BLUE, "yellow": _YELLOW}.get(kind, _GREEN_FOOT)
    ink = (250, 250, 250) if kind == "blue" else (15, 15, 15)
    picture = Pictures.new("RGB", (220, 140), ground)
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle([3, 3, 216, 136], radius=8, outline=ink, width=3)
    for i, character in enumerate(text[:2]):
        write_character(picture, character, 62 + i * 60, 38, ink, top=12, tall=42)
    draw.ellipse([107, 30, 115, 38], fill=ink)
    cell = 180 / (len(text) - 2)
    for i, character in enumerate(text[2:]):
        write_character(picture, character, 22 + i * cell, round(cell * 0.8), ink, top=64, tall=62)
    return np.ascontiguousarray(np.asarray(picture)[:, :, ::-1])


def check_plate(text: str, kind: str) -> None:
    """Refuse a text that no plate of this kind could carry.

    Raises:
        PatrolError: naming what is wrong.
    """
    wanted = 8 if kind == "green" else 7
    example = "京AD12345" if kind == "green" else "京A12345"
    mend = f"A {kind} plate is a province, a letter and {wanted - 2} letters or digits, e.g. {example}."
    if len(text) != wanted or text[0] not in PROVINCES or text[1] not in LETTERS:
        raise PatrolError("not a Chinese plate", field="plate", value=text, mend=mend)
    if any(c not in LETTERS + DIGITS for c in text[2:]):
        raise PatrolError(
            "a plate has only letters (no I, no O) and digits", field="plate", value=text, mend=mend
        )
    if china().kind(text, Colour(kind)) not in KINDS[kind]:
        raise PatrolError("no plate of this kind is written so", field="plate", value=text, mend=mend)


def random_plate(rng: np.random.Generator, kind: str) -> str:
    """A legal plate drawn by lot. Every plate takes as many numbers from `rng` as any other of its kind."""
    rest = 6 if kind == "green" else 5
    text = PROVINCES[int(rng.integers(len(PROVINCES)))] + LETTERS[int(rng.integers(len(LETTERS)))]
    if kind == "green":
        text += "DF"[int(rng.integers(2))]
        rest -= 1
    pool = DIGITS * 3 + LETTERS
    lots = [int(i) for i in rng.integers(len(pool), size=rest)]
    # A letter where none may stand becomes a digit: five places hold two letters at most, of new energy only the first.
    letters_left = 1 if kind == "green" else 2
    for place, lot in enumerate(lots):
        char = pool[lot]
        if char in LETTERS:
            if letters_left == 0 or (kind == "green" and place > 0):
                char = DIGITS[lot % 10]
            letters_left = max(0, letters_left - 1)
        text += char
    return text


@lru_cache(maxsize=1)
def font_file() -> Path:
    """The Noto CJK font of the package cvttf-notosanscjk-regular.

    Raises:
        PatrolError: it is not installed.
    """
    from importlib.metadata import PackageNotFoundError, files

    try:
        found = [f for f in files("cvttf-notosanscjk-regular") or [] if f.suffix == ".otf"]
    except PackageNotFoundError:
        found = []
    for entry in found:
        path = Path(str(entry.locate()))
        if path.is_file():
            return path
    raise PatrolError(
        "the font for number plates is not installed", mend="Run: pip install 'street-patrol[sim]'"
    )


@lru_cache(maxsize=4)
def font(size: int) -> ImageFont.FreeTypeFont:
    """The font at a size in pixels."""
    return ImageFont.truetype(str(font_file()), size)


def write_character(
    picture: Pictures.Image,
    character: str,
    left: float,
    cell: int,
    ink: tuple[int, int, int],
    *,
    top: int = 25,
    tall: int = 90,
) -> None:
    """One character stretched into its cell, in strokes as bold as a plate's."""
    if character == "1":
        draw, middle, bold = ImageDraw.Draw(picture), left + cell / 2, cell * 0.28
        draw.rectangle([middle - bold / 2, top, middle + bold / 2, top + tall], fill=ink)
        draw.polygon(
            [
                (middle, top),
                (middle - cell * 0.36, top + tall * 0.20),
                (middle - cell * 0.36, top + tall * 0.32),
                (middle, top + tall * 0.17),
            ],
            fill=ink,
        )
        return
    mask = Pictures.new("L", (220, 220), 0)
    # Chinese characters have thinner strokes, or those of many strokes would run together.
    bold = 5 if character.isascii() else 2
    ImageDraw.Draw(mask).text((40, 20), character, font=font(120), fill=255, stroke_width=bold)
    box = mask.getbbox()
    if box is None:
        return
    glyph = mask.crop(box).resize((cell, tall), Pictures.Resampling.LANCZOS)
    picture.paste(Pictures.new("RGB", glyph.size, ink), (round(left), top), glyph)
