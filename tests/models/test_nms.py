"""Suppression of doubles."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.nms import iou, nms
from tests.models.reference import slow


def random_boxes(seed: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 60, (count, 2))
    boxes = np.concatenate((corner, corner + rng.uniform(1, 40, (count, 2))), axis=1).astype(np.float32)
    return boxes, rng.permutation(count).astype(np.float32) / max(count, 1), rng.integers(0, 3, count)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(0, 40), threshold=st.sampled_from([0.0, 0.3, 0.6, 1.0]))
def test_it_keeps_what_plain_loops_keep(seed: int, count: int, threshold: float) -> None:
    boxes, scores, classes = random_boxes(seed, count)
    found = [
        slow.Found(*map(float, box), float(score), int(number))
        for box, score, number in zip(boxes, scores, classes, strict=True)
    ]
    by_class = [found[index] for index in nms(boxes, scores, threshold, classes)]
    assert by_class == slow.without_doubles(found, threshold)
    together = [found[index] for index in nms(boxes, scores, threshold)]
    assert together == slow.without_doubles(found, threshold, frozenset(range(3)))


@pytest.mark.parametrize("seed", range(5))
def test_it_keeps_what_opencv_keeps(seed: int) -> None:
    boxes, scores, classes = random_boxes(seed, 60)
    widths = np.concatenate((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), axis=1)
    theirs = cv2.dnn.NMSBoxesBatched(widths.tolist(), scores.tolist(), classes.tolist(), -1.0, 0.5)
    assert sorted(nms(boxes, scores, 0.5, classes)) == sorted(np.array(theirs).tolist())


def test_equal_scores_keep_their_order() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [50, 50, 60, 60]], np.float32)
    assert nms(boxes, np.array([0.5, 0.5, 0.5], np.float32), 0.5).tolist() == [0, 2]


def test_boxes_without_area_overlap_nothing() -> None:
    point = np.array([5, 5, 5, 5], np.float32)
    assert iou(point, np.array([[5, 5, 5, 5], [0, 0, 10, 10]], np.float32)).tolist() == [0, 0]
