"""YOLOX: one output of cells x (4 + 1 + classes), boxes relative to the cell and in units of its stride.

Source: Ge et al., YOLOX, 2021 (arXiv 2107.08430), and the ONNX demo's description of its raw output: centre
= (offset + cell) * stride, size = exp(value) * stride, score = objectness * class score, both already sigmoid.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.decoders._family import Candidates, Family, Outputs, Preparation, Shapes, Size
from models.decoders._scores import best_class, corners, grid_centres
from models.letterbox import Fit

STRIDES = (8, 16, 32)
MAX_LOG_SIZE = 12.0
"""exp() of more than this, times a stride, is no box of any picture; it keeps foreign numbers finite."""


@lru_cache(maxsize=8)
def _grid(size: Size) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cell positions (cells x 2) and strides (cells x 1)."""
    positions, strides = [], []
    for stride in STRIDES:
        rows, columns = size[0] // stride, size[1] // stride
        positions.append(grid_centres(rows, columns, 0.0))
        strides.append(np.full((rows * columns, 1), stride, np.float32))
    return np.concatenate(positions), np.concatenate(strides)


def _classes_of(shapes: Shapes, size: Size) -> int | None:
    cells = sum((size[0] // stride) * (size[1] // stride) for stride in STRIDES)
    if len(shapes) != 1 or len(shapes[0]) != 2:
        return None
    rows, columns = shapes[0]
    return columns - 5 if rows == cells and columns > 5 else None


def decode(outputs: Outputs, size: Size, min_score: float, wanted: NDArray[np.intp] | None) -> Candidates:
    """Candidates from one output of cells x (centre x, y, width, height, objectness, class scores…)."""
    (raw,) = outputs
    positions, strides = _grid(size)
    # A class score is at most 1, so a cell whose objectness is too low cannot reach the least score.
    alive = np.flatnonzero(raw[:, 4] > np.float32(min_score))
    places, classes, scores = best_class(raw[alive, 5:] * raw[alive, 4:5], min_score, wanted)
    places = alive[places]
    centres = (raw[places, :2] + positions[places]) * strides[places]
    sizes = np.exp(np.minimum(raw[places, 2:4], np.float32(MAX_LOG_SIZE))) * strides[places]
    return Candidates(corners(np.concatenate((centres, sizes), axis=1)), scores, classes)


FAMILY = Family(
    name="yolox",
    title="YOLOX",
    preparation=Preparation(fit=Fit.CORNER, fill=114, rgb=False),
    stride=32,
    rectangular=True,
    end_to_end=False,
    expects="one output 1 x cells x (5 + classes) with cells = sum over strides 8, 16, 32 of (height / stride) * (width / stride)",
    classes_of=_classes_of,
    decode=decode,
)
