"""Photos made fit for everybody: a person marks squares, and what lies there is painted over before anything is kept of it.

Pure: bytes in, bytes out.
"""

from __future__ import annotations

import io
from collections.abc import Iterable

from PIL import Image

COLUMNS = 12
ROWS_LEAST, ROWS_MOST = 3, 16


def rows_of(width: int, height: int) -> int:
    """Rows of squares over a photo of this size, so that they are nearly square; there are always `COLUMNS` columns."""
    return max(ROWS_LEAST, min(ROWS_MOST, round(COLUMNS * height / width)))


def squares_of(texts: Iterable[str], rows: int) -> list[int]:
    """Numbers of squares as a form sent them, each once, from the upper left, row by row.

    Raises:
        ValueError: one is not the number of a square.
    """
    known = {str(number): number for number in range(COLUMNS * rows)}
    found = set(texts)
    if found - known.keys():
        raise ValueError("there is no such square")
    return sorted(known[text] for text in found)


def cover(data: bytes, squares: Iterable[int], rows: int) -> bytes:
    """The JPEG with each square in the one colour that is its mean: nothing in it can be made out again.

    Args:
        data: a JPEG of ours.
        squares: from `squares_of`.
        rows: how many rows the squares lie in.
    """
    with Image.open(io.BytesIO(data), formats=["JPEG"]) as opened:
        image = opened.convert("RGB")
    width, height = image.size
    for number in squares:
        row, column = divmod(number, COLUMNS)
        box = (
            column * width // COLUMNS,
            row * height // rows,
            -(-(column + 1) * width // COLUMNS),
            -(-(row + 1) * height // rows),
        )
        mean = image.crop(box).resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
        image.paste(mean, box)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=80, optimize=True, progressive=True)
    return out.getvalue()
