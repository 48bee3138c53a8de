"""Straightening what is left of a tilt, from the characters themselves.

Corners of small or blurred plates are found some pixels off, and a crop has no corners at all: its sides are those of
a box around a plate that may be tilted. In the right position the edges of plate and characters lie along rows, and the
gaps between characters along columns, so that both show in the means of rows and columns.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.detections import Image
from models.plates import rectify

SIZE = (96, 32)
"""Width and height that the plate is judged at, pixels."""

DROPS = np.linspace(-0.55, 0.55, 23)
"""How much higher the right end is tried to be, as parts of the outline's height."""

LEANS = np.linspace(-0.12, 0.12, 17)
"""How far the top is tried to lean to the right, as parts of the outline's width."""

CLEARER = 1.1
"""A drop must show the rows this many times as clearly as none at all, or it is noise."""

EDGE = 4
"""Columns at either end that are left out of the means of rows: the plate's corners lie there."""

MIDDLE = slice(6, 26)
"""Rows in which the gaps between characters are looked for."""


def straightened(picture: Image, corners: NDArray[np.float32]) -> NDArray[np.float32]:
    """Corners of the upright plate within this outline, 4 x 2, pixels; the outline itself where nothing is gained.

    Args:
        picture: H x W x 3, uint8, BGR.
        corners: an outline around the plate: left top, right top, right bottom, left bottom.
    """
    grey = cv2.cvtColor(rectify.flatten(picture, corners, SIZE), cv2.COLOR_BGR2GRAY).astype(np.float32)
    clear = [_rows(_sheared(grey, drop, 0.0)) for drop in DROPS]
    drop = float(DROPS[int(np.argmax(clear))])
    if max(clear) < CLEARER * _rows(grey):
        drop = 0.0
    upright = [float(_sheared(grey, drop, lean)[MIDDLE].mean(axis=0).std()) for lean in LEANS]
    lean = float(LEANS[int(np.argmax(upright))])
    return rectify.inside(corners, _parallelogram(drop, lean))


def _parallelogram(drop: float, lean: float) -> NDArray[np.float32]:
    """The plate whose box is the unit square, its right end higher by `drop` and its top to the right by `lean`."""
    down, side = abs(drop), abs(lean)
    falls, leans = drop > 0, lean > 0
    left, right = (side if leans else 0.0), (side if not leans else 0.0)
    return np.array(
        [
            [left, down if falls else 0.0],
            [1.0 - right, 0.0 if falls else down],
            [1.0 - left, 1.0 - (down if falls else 0.0)],
            [right, 1.0 - (0.0 if falls else down)],
        ],
        np.float32,
    )


def _sheared(grey: NDArray[np.float32], drop: float, lean: float) -> NDArray[np.float32]:
    height, width = grey.shape
    scale = np.array([width, height], np.float32)
    source = _parallelogram(drop, lean)[[0, 1, 3]] * scale - 0.5
    target = np.array([[0, 0], [width, 0], [0, height]], np.float32) - 0.5
    # From the result back to the outline, so that OpenCV need not invert it.
    matrix = cv2.getAffineTransform(target.astype(np.float32), source.astype(np.float32))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    turned = cv2.warpAffine(grey, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return turned.astype(np.float32, copy=False)


def _rows(grey: NDArray[np.float32]) -> float:
    """How sharply the plate's and the characters' upper and lower edges show in the means of rows."""
    steps = np.diff(grey[:, EDGE:-EDGE].mean(axis=1))
    return float(np.sqrt(np.square(steps).sum()))
