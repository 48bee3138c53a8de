"""The small picture of a rest: enough to know the place and the vehicle again, too little to read or recognise anybody.

The vehicle's longer side is 96 pixels at most. A plate is 0.44 m wide, and no vehicle shows less than 1.5 m of itself
beside it, so that a plate is under 30 pixels wide and a character under 4. Heads of people are hidden all the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from edge_agent.evidence.masking import mask_people
from edge_agent.frames import Image
from edge_agent.stays import Seen
from zones import Box

WIDTH, HEIGHT = 160, 120
"""Pixels."""

VEHICLE_PX = 96
"""The longer side of the vehicle in it, at most."""

_QUALITY = 62


def thumbnail(image: Image, box: Box, seen: Sequence[Seen]) -> bytes | None:
    """A JPEG of 160 x 120 around a vehicle, or None where hardly anything of it is in the picture.

    Args:
        image: height x width x 3, uint8, BGR.
        box: the vehicle, pixels; may reach beyond the picture.
        seen: what was detected, for the people among it.
    """
    height, width = image.shape[:2]
    scale = max(box[2] - box[0], box[3] - box[1]) / VEHICLE_PX
    half = (max(scale, 0.25) * WIDTH / 2, max(scale, 0.25) * HEIGHT / 2)
    middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    left, top = round(middle[0] - half[0]), round(middle[1] - half[1])
    right, bottom = round(middle[0] + half[0]), round(middle[1] + half[1])
    inner = (max(0, left), max(0, top), min(width, right), min(height, bottom))
    if inner[2] - inner[0] < 8 or inner[3] - inner[1] < 8:
        return None
    part = image[inner[1] : inner[3], inner[0] : inner[2]]
    people = [_moved(item.box, inner) for item in seen if item.label == "person"]
    part = mask_people(np.ascontiguousarray(part), people)
    padded = cv2.copyMakeBorder(
        part, inner[1] - top, bottom - inner[3], inner[0] - left, right - inner[2], cv2.BORDER_CONSTANT, value=(48, 44, 40)
    )  # fmt: skip
    small = cv2.resize(padded, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    done, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return data.tobytes() if done else None


def _moved(box: Box, inner: tuple[int, int, int, int]) -> Box:
    return (box[0] - inner[0], box[1] - inner[1], box[2] - inner[0], box[3] - inner[1])
