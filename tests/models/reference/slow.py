"""The detectors' arithmetic once more, one number at a time, from the papers and the makers' descriptions.

Nothing of `models` is used, so that a mistake there cannot hide here. Only resizing is left to OpenCV.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Found:
    """One box: left, top, right, bottom in picture pixels, score, class number."""

    left: float
    top: float
    right: float
    bottom: float
    score: float
    number: int


@dataclass(frozen=True)
class Placed:
    """A picture inside a network's input."""

    tensor: np.ndarray
    left: int
    top: int
    stretch_x: float
    stretch_y: float

    def back(self, x: float, y: float) -> tuple[float, float]:
        """Input pixels to picture pixels."""
        return (x - self.left) / self.stretch_x, (y - self.top) / self.stretch_y


def nanodet_input(picture: np.ndarray) -> Placed:
    """Long side 416, short side filled up to a multiple of 32, black around, BGR, normalised per channel."""
    height, width = picture.shape[:2]
    shrink = 416 / max(height, width)
    new_width, new_height = round(width * shrink), round(height * shrink)
    full_width, full_height = (32 * math.ceil(side / 32) for side in (new_width, new_height))
    left, top = (full_width - new_width) // 2, (full_height - new_height) // 2
    small = cv2.resize(picture, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
    tensor = np.zeros((3, full_height, full_width), np.float32)
    for channel, (mean, std) in enumerate(((103.53, 57.375), (116.28, 57.12), (123.675, 58.395))):
        tensor[channel] = (0 - mean) / std
        tensor[channel, top : top + new_height, left : left + new_width] = (small[:, :, channel] - mean) / std
    return Placed(tensor[None], left, top, new_width / width, new_height / height)


def yolox_input(picture: np.ndarray) -> Placed:
    """416 x 416, picture at the upper left, 114 elsewhere, BGR, 0 to 255."""
    height, width = picture.shape[:2]
    shrink = min(416 / height, 416 / width)
    new_width, new_height = round(width * shrink), round(height * shrink)
    small = cv2.resize(picture, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
    tensor = np.full((3, 416, 416), 114, np.float32)
    for channel in range(3):
        tensor[channel, :new_height, :new_width] = small[:, :, channel]
    return Placed(tensor[None], 0, 0, new_width / width, new_height / height)


def nanodet(outputs: dict[str, np.ndarray], placed: Placed, threshold: float) -> list[Found]:
    """Generalized Focal Loss, section 3: each side's distance is the expectation of its softmax."""
    full_height, full_width = placed.tensor.shape[2:]
    found = []
    for stride in (8, 16, 32):
        scores = outputs[f"scores_{stride}"][0].tolist()
        distances = outputs[f"distances_{stride}"][0].tolist()
        columns = full_width // stride
        assert len(scores) == columns * (full_height // stride)
        for cell, row in enumerate(scores):
            best = max(row)
            if best <= threshold:
                continue
            centre_x = (cell % columns + 0.5) * stride
            centre_y = (cell // columns + 0.5) * stride
            sides = []
            for side in range(4):
                weights = [math.exp(value) for value in distances[cell][side * 11 : side * 11 + 11]]
                mean = sum(number * weight for number, weight in enumerate(weights)) / sum(weights)
                sides.append(mean * stride)
            left, top = placed.back(centre_x - sides[0], centre_y - sides[1])
            right, bottom = placed.back(centre_x + sides[2], centre_y + sides[3])
            found.append(Found(left, top, right, bottom, best, row.index(best)))
    return found


def yolox(output: np.ndarray, placed: Placed, threshold: float) -> list[Found]:
    """YOLOX: centre and size relative to the cell, in units of the stride; score = objectness x class."""
    rows = output[0].tolist()
    found = []
    at = 0
    for stride in (8, 16, 32):
        for y in range(416 // stride):
            for x in range(416 // stride):
                row = rows[at]
                at += 1
                classes = row[5:]
                score = row[4] * max(classes)
                if score <= threshold:
                    continue
                centre_x, centre_y = (row[0] + x) * stride, (row[1] + y) * stride
                width, height = math.exp(row[2]) * stride, math.exp(row[3]) * stride
                left, top = placed.back(centre_x - width / 2, centre_y - height / 2)
                right, bottom = placed.back(centre_x + width / 2, centre_y + height / 2)
                found.append(Found(left, top, right, bottom, score, classes.index(max(classes))))
    assert at == len(rows)
    return found


def overlap(one: Found, other: Found) -> float:
    """Intersection over union."""
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box.right - box.left) * (box.bottom - box.top) for box in (one, other)]
    return width * height / (areas[0] + areas[1] - width * height)


def without_doubles(
    found: list[Found], threshold: float, one_kind: frozenset[int] = frozenset()
) -> list[Found]:
    """Greedy suppression among boxes of one class; the classes in `one_kind` count as one."""
    kept: list[Found] = []
    for candidate in sorted(found, key=lambda box: -box.score):
        rivals = (
            box
            for box in kept
            if box.number == candidate.number or {box.number, candidate.number} <= one_kind
        )
        if all(overlap(candidate, rival) <= threshold for rival in rivals):
            kept.append(candidate)
    return kept
