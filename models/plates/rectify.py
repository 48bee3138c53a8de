"""From a plate seen at an angle to a flat picture of it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.detections import Image

HEIGHT = 48
"""Height of one row, pixels: what the reader takes."""

TWO_ROW_ASPECT = 2.5
"""Width by height below which a plate may have two rows: they are 2.0, plates of one row 3.1 to 3.5."""

LIKELY_TWO_ROWS = 2.25
"""Width by height below which they are the likelier, so that they are tried first."""

UPPER_ROW = (0.0, 0.40)
"""Top and bottom of the upper row on a plate of two rows, as parts of its height."""

LOWER_ROW = (0.38, 1.0)
UPPER_SIDES = (0.22, 0.78)
"""The upper row's two characters stand in the middle; bolts stand beside them."""


def aspect(corners: NDArray[np.float32]) -> float:
    """Width by height from the mean lengths of opposite sides; foreshortening is not undone."""
    top, right, bottom, left = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
    return float(top + bottom) / max(float(left + right), 1e-6)


def flatten(
    picture: Image,
    corners: NDArray[np.float32],
    size: tuple[int, int],
    *,
    margin: tuple[float, float] = (0.0, 0.0),
) -> Image:
    """The plate as a camera straight in front of it would see it.

    Args:
        picture: H x W x 3, uint8, BGR.
        corners: 4 x 2: left top, right top, right bottom, left bottom, pixels.
        size: width and height of the result, pixels.
        margin: what to keep beyond the plate on each side, as parts of the plate's width and height.

    Returns:
        height x width x 3, uint8; beyond the picture its border repeats.
    """
    width, height = size
    beside, above = margin
    inner_width, inner_height = width / (1 + 2 * beside), height / (1 + 2 * above)
    left, top = (width - inner_width) / 2, (height - inner_height) / 2
    right, bottom = left + inner_width, top + inner_height
    target = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)
    # Half a pixel: corners are positions on the picture, OpenCV counts from the centres of pixels.
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32) - 0.5, target - 0.5)
    shrink = float(np.linalg.norm(corners[1] - corners[0])) / inner_width
    if shrink > 2.0:
        # Bilinear sampling of a much larger plate would skip pixels: take the fitting level of a pyramid.
        picture = cv2.GaussianBlur(picture, (0, 0), 0.4 * shrink).astype(np.uint8, copy=False)
    way = cv2.INTER_CUBIC if shrink < 1 else cv2.INTER_LINEAR
    flat = cv2.warpPerspective(picture, matrix, (width, height), flags=way, borderMode=cv2.BORDER_REPLICATE)
    return flat.astype(np.uint8, copy=False)


def part(
    corners: NDArray[np.float32], left: float, top: float, right: float, bottom: float
) -> NDArray[np.float32]:
    """Corners of a part of the plate given in its own coordinates, 0 to 1 across and down."""
    return inside(corners, np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32))


def inside(corners: NDArray[np.float32], unit: NDArray[np.float32]) -> NDArray[np.float32]:
    """Points given in the plate's own coordinates, N x 2, 0 to 1 across and down, as pixels of the picture."""
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    matrix = cv2.getPerspectiveTransform(square, corners.astype(np.float32))
    result: NDArray[np.float32] = cv2.perspectiveTransform(unit.astype(np.float32)[None], matrix)[0]
    return result


def spread(corners: NDArray[np.float32], beside: float, above: float) -> NDArray[np.float32]:
    """The outline with a margin, given as parts of the plate's width and height, on every side."""
    return part(corners, -beside, -above, 1 + beside, 1 + above)


def two_rows(corners: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Corners of the upper and of the lower row."""
    upper = part(corners, UPPER_SIDES[0], UPPER_ROW[0], UPPER_SIDES[1], UPPER_ROW[1])
    lower = part(corners, 0.0, LOWER_ROW[0], 1.0, LOWER_ROW[1])
    return upper, lower


def whole(picture: Image) -> NDArray[np.float32]:
    """The corners of the picture itself."""
    height, width = picture.shape[:2]
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)


def sharpness(flat: Image) -> float:
    """0 (a smear) to 1 (crisp): how much of the contrast lies in fine detail, whatever the light.

    Args:
        flat: a plate flattened to a height of `HEIGHT`, so that values compare between plates near and far.
    """
    grey = cv2.cvtColor(flat, cv2.COLOR_BGR2GRAY).astype(np.float32)
    contrast = float(grey.std())
    if contrast < 1.0:
        return 0.0
    detail = float((grey - cv2.GaussianBlur(grey, (0, 0), 1.5)).std())
    return min(1.0, 2.0 * detail / contrast)


def area(corners: NDArray[np.float32]) -> float:
    """Square pixels inside the corners."""
    return float(abs(cv2.contourArea(corners.astype(np.float32))))
