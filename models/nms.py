"""Non-maximum suppression: of boxes that overlap, keep the best."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def shared_area(box: NDArray[np.float32], boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Area that one box (4) has in common with each of N x 4 boxes, square pixels."""
    width = np.minimum(box[2], boxes[:, 2]) - np.maximum(box[0], boxes[:, 0])
    height = np.minimum(box[3], boxes[:, 3]) - np.maximum(box[1], boxes[:, 1])
    shared: NDArray[np.float32] = np.maximum(width, 0) * np.maximum(height, 0)
    return shared


def iou(box: NDArray[np.float32], boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of one box (4) with N x 4 boxes; 0 where both are empty."""
    shared = shared_area(box, boxes)
    area = (box[2] - box[0]) * (box[3] - box[1])
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    union = area + areas - shared
    result: NDArray[np.float32] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return result


def nms(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    iou_threshold: float,
    classes: NDArray[np.intp] | None = None,
) -> NDArray[np.intp]:
    """Greedy suppression.

    Args:
        boxes: N x 4, left, top, right, bottom.
        scores: N.
        iou_threshold: a box that overlaps a better one by more than this goes.
        classes: N class numbers; boxes of different classes then never suppress one another. None: all do.

    Returns:
        Indices of the boxes kept, best score first; equal scores in their given order.
    """
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(int(best))
        survives = iou(boxes[best], boxes[rest]) <= iou_threshold
        if classes is not None:
            survives |= classes[rest] != classes[best]
        order = rest[survives]
    return np.array(kept, np.intp)
