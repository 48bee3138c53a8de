"""NanoDet (first generation, GFL head): per level, class scores and distances to the four sides as distributions.

Source: Li et al., Generalized Focal Loss, 2020 (arXiv 2006.04388), and the configuration of RangiLyu/nanodet.
A cell of stride s at column x, row y looks from the point ((x + 0.5) s, (y + 0.5) s); each side's distance
is the mean of a softmax over bins 0, 1, … reg_max, times s.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from models.decoders._family import Candidates, Family, Outputs, Preparation, Shapes, Size
from models.decoders._scores import best_class, grid_centres
from models.letterbox import Fit

STRIDES = (8, 16, 32)
BINS = 11


def _levels(shapes: Shapes, size: Size) -> list[tuple[int, int, int, int, int]] | None:
    """Per stride: index of the score output, index of the distance output, stride, rows, columns."""
    if len(shapes) != 2 * len(STRIDES) or any(len(shape) != 2 for shape in shapes):
        return None
    found = []
    for stride in STRIDES:
        rows, columns = math.ceil(size[0] / stride), math.ceil(size[1] / stride)
        at = [index for index, shape in enumerate(shapes) if shape[0] == rows * columns]
        distances = [index for index in at if shapes[index][1] == 4 * BINS]
        if len(at) != 2 or not distances:
            return None
        # With 44 classes both outputs look alike; scores then come first, as the head computes them first.
        distance = distances[-1]
        score = at[0] if at[1] == distance else at[1]
        found.append((score, distance, stride, rows, columns))
    return found


def _classes_of(shapes: Shapes, size: Size) -> int | None:
    levels = _levels(shapes, size)
    if levels is None:
        return None
    counts = {shapes[score][1] for score, *_ in levels}
    return counts.pop() if len(counts) == 1 else None


def decode(outputs: Outputs, size: Size, min_score: float, wanted: NDArray[np.intp] | None) -> Candidates:
    """Candidates from score outputs (cells x classes, already sigmoid) and distance outputs (cells x 44)."""
    levels = _levels([output.shape for output in outputs], size)
    assert levels is not None, "outputs were checked when the model was opened"
    boxes, scores, classes = [], [], []
    for score_at, distance_at, stride, rows, columns in levels:
        places, found, best = best_class(outputs[score_at], min_score, wanted)
        bins = outputs[distance_at][places].reshape(len(places), 4, BINS)
        weights = np.exp(bins - bins.max(axis=2, keepdims=True))
        distances = (weights @ np.arange(BINS, dtype=np.float32)) / weights.sum(axis=2) * np.float32(stride)
        centres = grid_centres(rows, columns, 0.5)[places] * np.float32(stride)
        boxes.append(np.concatenate((centres - distances[:, :2], centres + distances[:, 2:]), axis=1))
        scores.append(best)
        classes.append(found)
    return Candidates(np.concatenate(boxes), np.concatenate(scores), np.concatenate(classes))


FAMILY = Family(
    name="nanodet",
    title="NanoDet",
    preparation=Preparation(
        fit=Fit.CENTRE, fill=0, rgb=False, mean=(103.53, 116.28, 123.675), std=(57.375, 57.12, 58.395)
    ),
    stride=32,
    rectangular=True,
    end_to_end=False,
    expects="six outputs: 1 x cells x classes and 1 x cells x 44 for each of the strides 8, 16 and 32",
    classes_of=_classes_of,
    decode=decode,
)
