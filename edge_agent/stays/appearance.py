"""What a piece of picture looks like, small enough to store and robust to light.

A look is a 24 x 24 patch of local contrast: brightness less its neighbourhood's mean, divided by its
neighbourhood's spread. Shadows, headlights and dusk scale brightness and hardly touch it, while a different
vehicle, or the same model standing a hand's breadth aside, does. Two looks are compared by their correlation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict

from edge_agent.frames import Image
from zones import Box

SIDE = 24
"""Cells along each side of the patch."""

_SCALE = 42.0
"""Standard deviations per int8 step: +-3 deviations fill the range."""

_MIN_SPREAD = 2.0
"""Grey levels under which a surface counts as flat; keeps sensor noise from becoming structure."""

_BLUR = 7
"""Cells of the neighbourhood over which contrast is taken."""


_RING = np.ones((SIDE, SIDE), dtype=bool)
_RING[SIDE // 4 - 1 : 3 * SIDE // 4 + 1, SIDE // 4 - 1 : 3 * SIDE // 4 + 1] = False
"""Cells of `around(box)` that are not the box, with one cell between."""

_BEFORE = _RING.copy()
_BEFORE[: SIDE // 2 + 1] = False
"""Those of the ring that lie below the middle: the ground before what stands there."""


_ARM_Y, _ARM_X = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j][:, 1:-1, 1:-1]
_ARMS = np.stack([np.ones_like(_ARM_X), _ARM_X, _ARM_Y])
"""How far a motion moves each cell but the outermost: a shift, and what stretches or turns about the middle (its distance from there, in
half sides)."""

_INNER = (SIDE - 2) ** 2

_FITTING = 0.85
"""Share of the cells that a motion, of a vehicle or of the camera, has to explain."""


@dataclass(frozen=True, slots=True)
class Look:
    """Appearance of a box.

    Attributes:
        patch: 576 bytes, int8, 24 x 24 local contrast, row by row.
        spread: mean local spread in grey levels; below `flat` there is no structure to compare.
    """

    __pydantic_config__ = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    patch: bytes
    spread: float

    @property
    def array(self) -> NDArray[np.float32]:
        """24 x 24, float32, in standard deviations."""
        return (np.frombuffer(self.patch, dtype=np.int8).astype(np.float32) / _SCALE).reshape(SIDE, SIDE)


def look_at(image: Image | NDArray[np.float32], box: Box) -> Look | None:
    """The look of `box` in a picture, or None where less than a quarter of the box is in the picture.

    Args:
        image: height x width x 3, uint8, BGR, or height x width, float32, grey.
        box: left, top, right, bottom, pixels; the part beyond the picture is left out of the patch.
    """
    height, width = image.shape[:2]
    left, top = floor(box[0]), floor(box[1])
    right, bottom = left + round(box[2] - box[0]), top + round(box[3] - box[1])
    if right - left < 4 or bottom - top < 4:
        return None
    inner = (max(0, left), max(0, top), min(width, right), min(height, bottom))
    if inner[2] - inner[0] < 4 or inner[3] - inner[1] < 4:
        return None
    if (inner[2] - inner[0]) * (inner[3] - inner[1]) * 4 < (right - left) * (bottom - top):
        return None
    grey = _between_pixels(image, inner, (box[0] - left, box[1] - top))
    small = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    mean = cv2.blur(small, (_BLUR, _BLUR), borderType=cv2.BORDER_REFLECT)
    spread = np.sqrt(
        np.maximum(cv2.blur(small * small, (_BLUR, _BLUR), borderType=cv2.BORDER_REFLECT) - mean * mean, 0)
    )
    contrast = (small - mean) / np.maximum(spread, _MIN_SPREAD)
    return _pack(contrast.astype(np.float32), float(spread.mean()))


def _between_pixels(
    image: Image | NDArray[np.float32], part: tuple[int, int, int, int], by: tuple[float, float]
) -> NDArray[np.uint8] | NDArray[np.float32]:
    """A part of a picture, grey, whose corner lies so far between pixels, 0 to 1 (right, down): a camera that trembles by half a pixel
    would else move what stands by a whole one, which is as much as tells a vehicle from its like."""
    height, width = image.shape[:2]
    left, top, right, bottom = part
    piece = image[top : min(height, bottom + 1), left : min(width, right + 1)]
    grey = cv2.cvtColor(piece, cv2.COLOR_BGR2GRAY) if piece.ndim == 3 else piece
    size = (right - left, bottom - top)
    middle = ((size[0] - 1) / 2 + by[0], (size[1] - 1) / 2 + by[1])
    return cv2.getRectSubPix(grey, size, middle)  # type: ignore[return-value]


Cells = NDArray[np.bool_]
"""24 x 24: which cells of a look count."""


def likeness(one: Look, other: Look, cells: Cells | None = None) -> float:
    """Correlation of two looks, -1 to 1; 1 means the same structure at the same place.

    Args:
        one, other: the looks.
        cells: those that count; None: all.
    """
    first, second = one.array, other.array
    if cells is not None:
        first, second = first[cells], second[cells]
    first = first - first.mean()
    second = second - second.mean()
    norm = float(np.sqrt((first * first).sum() * (second * second).sum()))
    return float((first * second).sum()) / norm if norm > 1e-6 else 0.0


def displacement(one: Look, other: Look, cells: Cells | None = None) -> float:
    """How far what the first look shows stands from there in the second, in shares of the box's side; below 0.05 or so.

    Both are taken for one picture that was moved, turned and stretched a little (six numbers, by least squares over the
    gradients; brightness and contrast are free), and the answer is the root mean square of that motion over the box. On
    drawn scenes a car that stands on gives 0.001 to 0.004, by night and in rain too; one of its kind that was parked
    within ten centimetres of there gives 0.008 and more.

    Args:
        one, other: the looks.
        cells: those that count; None: all.
    """
    first, second = one.array, other.array
    mean = (first + second) / 2
    # The outermost cells would have one-sided gradients.
    across = (mean[1:-1, 2:] - mean[1:-1, :-2]) / 2
    down = (mean[2:, 1:-1] - mean[:-2, 1:-1]) / 2
    slopes = np.stack([across, down])[:, None] * _ARMS
    terms = np.concatenate([slopes.reshape(6, -1), np.ones((1, _INNER)), mean[1:-1, 1:-1].reshape(1, -1)])
    change = (first - second)[1:-1, 1:-1].ravel()
    if cells is not None:
        counted = cells[1:-1, 1:-1].ravel()
        terms, change = terms[:, counted], change[counted]
    motion = fitted(terms, change, trims=2)
    over_the_box = np.array([1, 1 / 3, 1 / 3, 1, 1 / 3, 1 / 3])
    return float(np.sqrt((motion[:6] ** 2 * over_the_box).sum())) / SIDE


def fitted(terms: NDArray[np.floating], change: NDArray[np.float32], *, trims: int) -> NDArray[np.floating]:
    """How much of each term makes the change: least squares without the cells that fit worst, which show something else, not motion.

    By the normal equations, because a few numbers are asked of hundreds of cells.

    Args:
        terms: K x N, a row a term, a column a cell.
        change: N, one cell at least.
        trims: so often the worst `1 - _FITTING` of all cells are left out and the rest is fitted anew.

    Returns:
        K numbers.
    """
    motion: NDArray[np.floating] = np.linalg.lstsq(terms @ terms.T, terms @ change, rcond=None)[0]
    last = int((len(change) - 1) * _FITTING)
    for _ in range(trims):
        rest = np.abs(change - motion @ terms)
        fits = rest <= np.partition(rest, last)[last]
        kept = terms[:, fits]
        motion = np.linalg.lstsq(kept @ kept.T, kept @ change[fits], rcond=None)[0]
    return motion


def uncovered(box: Box, by: Iterable[Box]) -> Cells | None:
    """Cells of a look of `box` that lie under none of these boxes; None where that is all of them."""
    cells: Cells | None = None
    across, down = (box[2] - box[0]) / SIDE, (box[3] - box[1]) / SIDE
    for left, top, right, bottom in by:
        x1, x2 = floor((left - box[0]) / across), ceil((right - box[0]) / across)
        y1, y2 = floor((top - box[1]) / down), ceil((bottom - box[1]) / down)
        if x2 <= 0 or y2 <= 0 or x1 >= SIDE or y1 >= SIDE:
            continue
        cells = np.ones((SIDE, SIDE), dtype=bool) if cells is None else cells
        cells[max(0, y1) : y2, max(0, x1) : x2] = False
    return cells


def within(box: Box, part: Box) -> Cells:
    """Cells of a look of `box` that lie wholly in `part`."""
    across, down = (box[2] - box[0]) / SIDE, (box[3] - box[1]) / SIDE
    cells = np.zeros((SIDE, SIDE), dtype=bool)
    x1, x2 = ceil((part[0] - box[0]) / across), floor((part[2] - box[0]) / across)
    y1, y2 = ceil((part[1] - box[1]) / down), floor((part[3] - box[1]) / down)
    if x2 > 0 and y2 > 0:
        cells[max(0, y1) : y2, max(0, x1) : x2] = True
    return cells


def around(box: Box) -> Box:
    """The box with as much again of its surroundings: twice as wide and twice as high."""
    across, down = (box[2] - box[0]) / 2, (box[3] - box[1]) / 2
    return (box[0] - across, box[1] - down, box[2] + across, box[3] + down)


def ring_likeness(one: Look, other: Look) -> float:
    """Correlation of the surroundings alone, -1 to 1: both looks are of `around(box)`, the middle is left out."""
    return likeness(one, other, _RING)


def before_likeness(one: Look, other: Look) -> float:
    """Correlation of the surroundings' lower half, -1 to 1: whatever hides a vehicle that stands on the ground stands nearer
    to the camera, and so covers the ground below it in the picture, too. Both looks are of `around(box)`."""
    return likeness(one, other, _BEFORE)


def blend(old: Look, new: Look, weight: float) -> Look:
    """`old` moved towards `new` by `weight` (0 keeps, 1 replaces): follows the light over a day."""
    mixed = old.array * (1 - weight) + new.array * weight
    return _pack(mixed, old.spread * (1 - weight) + new.spread * weight)


def _pack(contrast: NDArray[np.float32], spread: float) -> Look:
    return Look(np.clip(np.rint(contrast * _SCALE), -127, 127).astype(np.int8).tobytes(), round(spread, 3))
