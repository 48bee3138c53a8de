"""Where a vehicle touches the ground, as far as a picture shows it.

On a calibrated camera `zones.placing` works out where a vehicle stands. Without calibration the footprint is
approximated by the lower part of the detector's box. How much of
the box's height belongs to the ground depends on the class: a bus is tall for its depth, a car is not. Sides
are drawn in slightly because boxes include mirrors and shadow. The bottom centre of the box is never used: in
an oblique view a tall van in the lane "stands" on the pavement by that measure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import Polygon

from zones.overlap import Rectangles

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels; may reach beyond the picture and is never clipped."""

_DEPTH: dict[str, float] = {"car": 0.40, "truck": 0.28, "bus": 0.22, "motorcycle": 0.25, "bicycle": 0.25}
_DEPTH_OTHER = 0.3
_SIDE = 0.06


def footprints(boxes: NDArray[np.float64], classes: Sequence[str]) -> Rectangles:
    """The ground footprints of detected vehicles where the camera is not calibrated.

    Args:
        boxes: (N, 4) left, top, right, bottom, pixels.
        classes: detector class of each; unknown ones get a middle depth.

    Returns:
        Rectangles in pixels of the picture.

    Raises:
        ValueError: a box is empty or upside down.
    """
    left, top, right, bottom = check_boxes(boxes).T
    depth = (bottom - top) * np.array([_DEPTH.get(each, _DEPTH_OTHER) for each in classes])
    nothing = np.zeros(len(boxes))
    return Rectangles(
        np.stack([(left + right) / 2, bottom - depth / 2], axis=1),
        np.stack([(right - left) * (0.5 - _SIDE), nothing], axis=1),
        np.stack([nothing, depth / 2], axis=1),
    )


def trembling_share(width: float, height: float, vehicle_class: str, px: float = 3.0) -> float:
    """How far the share of a footprint in a zone can move while its box trembles, 0 to 1.

    Args:
        width, height: of the box, pixels.
        vehicle_class: detector class; unknown ones get a middle depth.
        px: how far the box is moved at most, either way in both directions, pixels.
    """
    across, deep = (1 - 2 * _SIDE) * width, _DEPTH.get(vehicle_class, _DEPTH_OTHER) * height
    return min(1.0, 2 * px / across + 2 * px / deep)


def check_boxes(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Boxes (N, 4) as they are.

    Raises:
        ValueError: a box is empty or upside down.
    """
    wrong = ~((boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]) & np.isfinite(boxes).all(axis=1))
    if wrong.any():
        raise ValueError(f"a box needs left < right and top < bottom, got {tuple(boxes[wrong][0].tolist())}")
    return boxes


def footprint(box: Box, vehicle_class: str) -> Polygon:
    """The ground footprint of a detected vehicle, pixels of the picture.

    Args:
        box: left, top, right, bottom, pixels.
        vehicle_class: detector class; unknown classes get a middle depth.

    Raises:
        ValueError: the box is empty or upside down.
    """
    corners = footprints(np.array([box], float), (vehicle_class,)).corners[0]
    return Polygon(corners)


def iou(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, 0 to 1."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / (area(one) + area(other) - both)


def nested(one: Box, other: Box) -> float:
    """Share of the smaller of two boxes that lies in the other, 0 to 1."""
    return max(covered_share(one, other), covered_share(other, one))


def area(box: Box) -> float:
    """Square pixels."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def covered_share(box: Box, by: Box) -> float:
    """Share of `box` that lies under `by`, 0 to 1."""
    width = min(box[2], by[2]) - max(box[0], by[0])
    height = min(box[3], by[3]) - max(box[1], by[1])
    if width <= 0 or height <= 0 or area(box) <= 0:
        return 0.0
    return width * height / area(box)
