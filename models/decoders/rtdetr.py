"""RT-DETR: boxes as fractions of the picture, no suppression. The picture is stretched into the input.

Two layouts, both with rows of centre x, centre y, width, height from 0 to 1: queries x (4 + classes) with
class scores already sigmoid, and, as ultralytics writes it since it selects inside the model, boxes x 6 with
score and class number.
Source: Zhao et al., RT-DETR, 2023 (arXiv 2304.08069); the output layouts of ultralytics' exports.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.decoders._family import Candidates, Family, Outputs, Preparation, Shapes, Size
from models.decoders._scores import best_class, corners
from models.letterbox import Fit

QUERIES = 300
"""Decoder queries of every published RT-DETR."""


def _classes_of(shapes: Shapes, _size: Size) -> int | None:
    if len(shapes) != 1 or len(shapes[0]) != 2:
        return None
    rows, columns = shapes[0]
    return columns - 4 if rows == QUERIES and columns > 4 else None


def decode(outputs: Outputs, size: Size, min_score: float, wanted: NDArray[np.intp] | None) -> Candidates:
    """Candidates from one output of queries x (4 + classes)."""
    (raw,) = outputs
    places, classes, scores = best_class(raw[:, 4:], min_score, wanted)
    return Candidates(_boxes(raw[places], size), scores, classes)


def _selected_classes(shapes: Shapes, _size: Size) -> int | None:
    # The number of classes cannot be told from the shape: 0 means any.
    return 0 if len(shapes) == 1 and len(shapes[0]) == 2 and shapes[0][1] == 6 else None


def decode_selected(
    outputs: Outputs, size: Size, min_score: float, wanted: NDArray[np.intp] | None
) -> Candidates:
    """Candidates from one output of boxes x 6."""
    (raw,) = outputs
    keep = raw[:, 4] > np.float32(min_score)
    classes = raw[:, 5].astype(np.intp)
    if wanted is not None:
        keep &= np.isin(classes, wanted)
    return Candidates(_boxes(raw[keep], size), raw[keep, 4], classes[keep])


def _boxes(rows: NDArray[np.float32], size: Size) -> NDArray[np.float32]:
    height, width = size
    scaled: NDArray[np.float32] = corners(rows[:, :4]) * np.array([width, height, width, height], np.float32)
    return scaled


PREPARATION = Preparation(fit=Fit.STRETCH, fill=114, rgb=True, std=(255.0, 255.0, 255.0))

FAMILY = Family(
    name="rtdetr",
    title="RT-DETR",
    preparation=PREPARATION,
    stride=32,
    rectangular=False,
    end_to_end=True,
    expects=f"one output 1 x {QUERIES} x (4 + classes)",
    classes_of=_classes_of,
    decode=decode,
)

SELECTED = Family(
    name="rtdetr-selected",
    title="RT-DETR, boxes selected inside the model",
    preparation=PREPARATION,
    stride=32,
    rectangular=False,
    end_to_end=True,
    expects="one output 1 x boxes x 6 (centre x, centre y, width, height from 0 to 1, score, class)",
    classes_of=_selected_classes,
    decode=decode_selected,
)
