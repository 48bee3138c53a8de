"""The colour of a plate's ground, from its pixels."""

from __future__ import annotations

from enum import StrEnum

import cv2
import numpy as np

from models.detections import Image


class Colour(StrEnum):
    """Grounds that plates have."""

    BLUE = "blue"
    GREEN = "green"
    YELLOW = "yellow"
    WHITE = "white"
    BLACK = "black"


HUES = {Colour.YELLOW: (12, 36), Colour.GREEN: (38, 92), Colour.BLUE: (94, 130)}
"""Spans of OpenCV's hue (half degrees). Green reaches into turquoise: plates of electric cars fade to it in shade."""

COLOURED = 60
"""Saturation (of 255) from which a pixel has a hue."""

DARK = 50
"""Value (of 255) below which a hue says nothing."""

LEAST_SHARE = 0.3
"""Part of the plate that must show one hue. Glyphs and border take a third, glare some more."""

GREY_PICTURE = 18.0
"""Mean saturation below which the light may be infrared, so that black, white and coloured grounds look alike."""


def ground_colour(plate: Image) -> Colour | None:
    """The colour of a rectified plate's ground.

    Args:
        plate: H x W x 3, uint8, BGR, the plate filling it.

    Returns:
        None where the picture has no colour or no colour prevails.
    """
    height, width = plate.shape[:2]
    # Rims and what lies beyond the plate would vote for the car.
    inner = plate[height // 8 : height - height // 8 or 1, width // 16 : width - width // 16 or 1]
    hue, saturation, value = cv2.split(cv2.cvtColor(inner, cv2.COLOR_BGR2HSV))
    coloured = (saturation >= COLOURED) & (value >= DARK)
    shares = {
        colour: float(np.mean(coloured & (hue >= low) & (hue <= high)))
        for colour, (low, high) in HUES.items()
    }
    best = max(shares, key=lambda colour: shares[colour])
    if shares[best] >= LEAST_SHARE:
        return best
    if float(saturation.mean()) < GREY_PICTURE or max(shares.values()) > LEAST_SHARE / 2:
        return None
    # The ground is the larger part: it decides the median.
    middle = float(np.median(value))
    spread = float(np.percentile(value, 95) - np.percentile(value, 5))
    if spread < DARK:
        return None
    return Colour.WHITE if middle > 140 else Colour.BLACK if middle < 90 else None
