"""Finding plates and their four corners in a picture.

The network has RetinaFace's heads (Deng et al., "RetinaFace: Single-shot Multi-level Face Localisation in the Wild",
CVPR 2020) with four points in place of five: per prior a score, a box and the corners, coded against two square
priors per cell on strides 8, 16 and 32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from models._session import open_session
from models.detections import Box, Image
from models.nms import nms
from models.plates._weights import FINDER, find_weights

STRIDES = (8, 16, 32)
PRIOR_SIZES = ((24, 48), (96, 192), (384, 768))
"""Sides of the square priors in pixels, per stride."""

CENTRE_VARIANCE, SIZE_VARIANCE = 0.1, 0.2
"""Factors by which the network's numbers were scaled in training, as in SSD."""

MEAN_BGR = (104, 117, 123)
"""Taken from each pixel; padding is zero after that."""

BLUE_BGR = (168, 70, 18)
"""Ground of a blue plate."""

LONGEST = 1920
"""Long side, pixels, beyond which a picture is made smaller: plates in it are still larger than the readers need."""

COARSE, COARSE_PLATE = 640, 80
"""Long side at which a vehicle's own large crop is searched first, and the width (pixels at that size) from which a plate
found there is not looked for again at full resolution: corners of plates that wide are exact."""

SMALLEST = 320
"""Long side up to which a small crop is enlarged: the smallest priors are 24 pixels wide."""

LARGEST_ZOOM = 3.0

LEAST_SCORE = 0.3
"""Black plates on dark cars score no higher; what is no plate has no legal text and goes later."""

OVERLAP = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class FoundPlate:
    """Where a plate is: corners 4 x 2 (left top, right top, right bottom, left bottom; pixels) and score 0 to 1."""

    corners: NDArray[np.float32]
    score: float

    @property
    def box(self) -> Box:
        """Left, top, right, bottom around the corners."""
        left, top = self.corners.min(axis=0)
        right, bottom = self.corners.max(axis=0)
        return float(left), float(top), float(right), float(bottom)


class PlateFinder:
    """Finds plates. One per thread that works: a session is shared safely, but it computes one picture at a time."""

    def __init__(self, *, threads: int = 1) -> None:
        self._session = open_session(find_weights(FINDER), ["CPUExecutionProvider"], threads)

    def find(
        self,
        picture: Image,
        region: Box | None = None,
        *,
        least_score: float = LEAST_SCORE,
        longest: int = LONGEST,
    ) -> list[FoundPlate]:
        """The plates in a picture, or in a region of it at full resolution; best score first.

        Args:
            picture: H x W x 3, uint8, BGR.
            region: left, top, right, bottom in pixels of the picture; None: all of it.
            least_score: plates below it are left out.
            longest: long side, pixels, beyond which the picture is made smaller before it is searched.
        """
        left, top, part = cut(picture, region)
        if part.shape[0] < 8 or part.shape[1] < 8:
            return []
        height, width = part.shape[:2]
        side = max(height, width)
        scale = min(1.0, longest / side) if side >= SMALLEST else min(LARGEST_ZOOM, SMALLEST / side)
        if scale != 1.0:
            way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
            part = cv2.resize(part, None, fx=scale, fy=scale, interpolation=way).astype(np.uint8, copy=False)
        scale_x, scale_y = part.shape[1] / width, part.shape[0] / height
        # A margin lets corners of a plate at the border of the crop fall outside it, where they belong.
        margin = 32
        high = 32 * math.ceil((part.shape[0] + margin) / 32)
        wide = 32 * math.ceil((part.shape[1] + margin) / 32)
        pad_top, pad_left = (high - part.shape[0]) // 2, (wide - part.shape[1]) // 2
        canvas = np.zeros((1, 3, high, wide), np.float32)
        inner = canvas[0, :, pad_top : pad_top + part.shape[0], pad_left : pad_left + part.shape[1]]
        # Plane by plane: ten times as fast as subtracting from pixels and turning the whole round.
        for plane, mean, target in zip(cv2.split(part), MEAN_BGR, inner, strict=True):
            np.subtract(plane, np.float32(mean), out=target, dtype=np.float32)
        found = self._on_canvas(canvas, least_score)
        offset = np.array([pad_left, pad_top])
        back = np.array([scale_x, scale_y])
        return [
            FoundPlate(((plate.corners - offset) / back + (left, top)).astype(np.float32), plate.score)
            for plate in found
        ]

    def _on_canvas(self, canvas: NDArray[np.float32], least_score: float) -> list[FoundPlate]:
        boxes, scores, points = self._session.run(["loc", "conf", "landms"], {"image": canvas})
        score = scores[0, :, 1]
        likely = np.flatnonzero(score >= least_score)
        if not likely.size:
            return []
        prior = priors(canvas.shape[2], canvas.shape[3])[likely]
        centre = prior[:, :2] + boxes[0, likely, :2] * CENTRE_VARIANCE * prior[:, 2:]
        size = prior[:, 2:] * np.exp(boxes[0, likely, 2:] * SIZE_VARIANCE)
        box = np.concatenate([centre - size / 2, centre + size / 2], axis=1).astype(np.float32)
        corners = (
            points[0, likely].reshape(-1, 4, 2) * CENTRE_VARIANCE * prior[:, None, 2:] + prior[:, None, :2]
        )
        kept = nms(box, score[likely], OVERLAP)
        plates = []
        for index in kept:
            # The network lists right bottom, left bottom, left top, right top.
            around = corners[index][[2, 3, 0, 1]].astype(np.float32)
            if is_convex(around):
                plates.append(FoundPlate(around, float(score[likely][index])))
        return plates


def as_blue_plates(picture: Image, *, dark_ink: bool) -> Image:
    """The picture in the colours of a blue plate: the network was trained on coloured plates and overlooks black ones.

    Args:
        picture: H x W x 3, uint8, BGR.
        dark_ink: what is dark becomes white ink, what is light the blue ground; else the other way round.
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    dark, light = _percentiles(grey.astype(np.uint8, copy=False), (1, 99))
    share = np.clip((np.arange(256) - dark) / max(light - dark, 1.0), 0.0, 1.0)[:, None]
    share = 1.0 - share if dark_ink else share
    blue = np.array(BLUE_BGR)
    # One colour per grey level: a table is looked up, not each pixel computed.
    tints = (blue + (250.0 - blue) * share).astype(np.uint8)
    tinted = cv2.LUT(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), tints[None])
    return tinted.astype(np.uint8, copy=False)


def _percentiles(grey: NDArray[np.uint8], percents: Sequence[float]) -> list[float]:
    """As numpy.percentile, from the histogram: grey levels are few."""
    up_to = np.cumsum(np.bincount(grey.ravel(), minlength=256))
    found = []
    for percent in percents:
        position = (grey.size - 1) * percent / 100
        below, above = np.searchsorted(up_to, (math.floor(position), math.ceil(position)), side="right")
        found.append(float(below + (above - below) * (position % 1)))
    return found


def is_convex(corners: NDArray[np.float32]) -> bool:
    """Do the corners go round clockwise (on screen) without crossing, around some area?"""
    sides = np.roll(corners, -1, axis=0) - corners
    following = np.roll(sides, -1, axis=0)
    turns = sides[:, 0] * following[:, 1] - sides[:, 1] * following[:, 0]
    return bool((turns > 0).all())


def cut(picture: Image, region: Box | None) -> tuple[int, int, Image]:
    """Left, top and pixels of the region's part that lies in the picture."""
    height, width = picture.shape[:2]
    if region is None:
        return 0, 0, picture
    left, top = max(0, math.floor(region[0])), max(0, math.floor(region[1]))
    right, bottom = min(width, math.ceil(region[2])), min(height, math.ceil(region[3]))
    return left, top, picture[top : max(top, bottom), left : max(left, right)]


@lru_cache(maxsize=16)
def priors(height: int, width: int) -> NDArray[np.float32]:
    """N x 4: centre x, centre y, width, height in pixels, in the order of the network's outputs."""
    levels = []
    for stride, sizes in zip(STRIDES, PRIOR_SIZES, strict=True):
        rows, columns = np.mgrid[: math.ceil(height / stride), : math.ceil(width / stride)]
        x, y = (columns + 0.5) * stride, (rows + 0.5) * stride
        per_size = [np.stack([x, y, np.full_like(x, size), np.full_like(x, size)], axis=-1) for size in sizes]
        levels.append(np.stack(per_size, axis=2).reshape(-1, 4))
    result: NDArray[np.float32] = np.concatenate(levels).astype(np.float32)
    result.setflags(write=False)
    return result
