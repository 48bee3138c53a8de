"""YOLOv8, v9, v11, v12 and 26 with their one-to-many head, and the end-to-end heads of YOLOv10 and YOLO26.

One-to-many: one output of (4 + classes) x cells, columns of centre x, centre y, width, height in input pixels
and class scores already sigmoid; doubles are still to be suppressed. End-to-end: one output of boxes x 6 rows
of left, top, right, bottom in input pixels, score, class number; nothing is to be suppressed.
Source: the output layout that ultralytics writes when it exports to ONNX.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.decoders._family import Candidates, Family, Outputs, Preparation, Shapes, Size
from models.decoders._scores import best_class, corners
from models.letterbox import Fit

STRIDES = (8, 16, 32)
PREPARATION = Preparation(fit=Fit.CENTRE, fill=114, rgb=True, std=(255.0, 255.0, 255.0))


def _one_to_many_classes(shapes: Shapes, size: Size) -> int | None:
    cells = sum((size[0] // stride) * (size[1] // stride) for stride in STRIDES)
    if len(shapes) != 1 or len(shapes[0]) != 2:
        return None
    rows, columns = shapes[0]
    return rows - 4 if columns == cells and rows > 4 else None


def decode_one_to_many(
    outputs: Outputs, _size: Size, min_score: float, wanted: NDArray[np.intp] | None
) -> Candidates:
    """Candidates from one output of (4 + classes) x cells."""
    (raw,) = outputs
    places, classes, scores = best_class(raw[4:].T, min_score, wanted)
    return Candidates(corners(raw[:4, places].T), scores, classes)


def _end_to_end_classes(shapes: Shapes, _size: Size) -> int | None:
    # The number of classes cannot be told from the shape: 0 means any.
    return 0 if len(shapes) == 1 and len(shapes[0]) == 2 and shapes[0][1] == 6 else None


def decode_end_to_end(
    outputs: Outputs, _size: Size, min_score: float, wanted: NDArray[np.intp] | None
) -> Candidates:
    """Candidates from one output of boxes x 6."""
    (raw,) = outputs
    keep = raw[:, 4] > np.float32(min_score)
    classes = raw[:, 5].astype(np.intp)
    if wanted is not None:
        keep &= np.isin(classes, wanted)
    return Candidates(raw[keep, :4], raw[keep, 4], classes[keep])


ONE_TO_MANY = Family(
    name="yolo",
    title="YOLOv8, v9, v11, v12, 26 (one-to-many head)",
    preparation=PREPARATION,
    stride=32,
    rectangular=True,
    end_to_end=False,
    expects="one output 1 x (4 + classes) x cells with cells = sum over strides 8, 16, 32 of (height / stride) * (width / stride)",
    classes_of=_one_to_many_classes,
    decode=decode_one_to_many,
)

END_TO_END = Family(
    name="yolo-end2end",
    title="YOLOv10, YOLO26 (end-to-end head)",
    preparation=PREPARATION,
    stride=32,
    rectangular=True,
    end_to_end=True,
    expects="one output 1 x boxes x 6 (left, top, right, bottom, score, class)",
    classes_of=_end_to_end_classes,
    decode=decode_end_to_end,
)
