"""The worst errors as one picture, for the eye: each plate enlarged, what it is and what was read beneath it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image as Pictures
from PIL import ImageDraw

from benchmarks.plates.camera import Image
from benchmarks.simulator.plates import font

CELL = (300, 128)
"""Width and height of one cell, pixels."""

COLUMNS = 4
TEXT = 44
"""Height of the lines under the picture, pixels."""


@dataclass(frozen=True, slots=True)
class Error:
    """A plate that was read wrongly, with its picture, BGR."""

    picture: Image
    plate: str
    text: str | None
    confidence: float
    name: str


def sheet(errors: Sequence[Error]) -> Image:
    """All errors, most confident first: those are the ones that matter."""
    ranked = sorted(errors, key=lambda error: (-error.confidence, error.name))
    rows = max(1, -(-len(ranked) // COLUMNS))
    page = Pictures.new("RGB", (COLUMNS * CELL[0], rows * CELL[1]), (250, 250, 250))
    draw = ImageDraw.Draw(page)
    for number, error in enumerate(ranked):
        left, top = (number % COLUMNS) * CELL[0], (number // COLUMNS) * CELL[1]
        height, width = error.picture.shape[:2]
        scale = min((CELL[0] - 8) / width, (CELL[1] - TEXT - 6) / height)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        shown = cv2.resize(error.picture, size, interpolation=cv2.INTER_CUBIC)
        page.paste(Pictures.fromarray(shown[:, :, ::-1].astype(np.uint8)), (left + 4, top + 2))
        foot = top + CELL[1] - TEXT
        read = error.text or "not read"
        draw.text(
            (left + 4, foot), f"{error.plate} → {read}  {error.confidence:.3f}", (150, 20, 20), font(18)
        )
        draw.text((left + 4, foot + 24), error.name, (110, 110, 110), font(11))
    return np.ascontiguousarray(np.asarray(page)[:, :, ::-1])
