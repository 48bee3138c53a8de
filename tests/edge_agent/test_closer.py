"""A closer look takes as many views as it needs, and says the same of a case as if it had taken all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.frames import Image
from edge_agent.perception.closer import closer_look
from models.detections import Detections

PICTURE = np.zeros((400, 600, 3), np.uint8)
BOX = (280.0, 180.0, 320.0, 220.0)
MOST_ASKED_FOR = 0.3


class Scripted:
    """Finds the box in the middle of each view, with these scores one after another."""

    def __init__(self, scores: Sequence[float]) -> None:
        self.left = list(scores)

    def detect_regions(self, picture: Image, regions: Sequence[tuple[int, int, int, int]]) -> Detections:
        raise AssertionError("a closer look looks at views")

    def detect(self, pictures: Sequence[Image]) -> list[Detections]:
        (view,) = pictures
        height, width = view.shape[:2]
        x, y = width / 2, height / 2
        boxes = np.array([[x - 20, y - 20, x + 20, y + 20]], np.float32)
        score = np.array([self.left.pop(0)], np.float32)
        return [Detections(boxes, score, ["car"], np.zeros(1, np.bool_))]


@given(st.lists(st.floats(0, 1, width=16), min_size=8, max_size=8))
def test_what_it_leaves_out_changes_no_answer_that_a_case_asks_for(scores: list[float]) -> None:
    detector = Scripted(scores)
    answer = closer_look(detector, PICTURE, BOX, {"car"})
    whole = sum(sorted(scores, reverse=True)[:4]) / 4
    if detector.left:
        assert MOST_ASKED_FOR < answer <= whole + 1e-4
    else:
        assert abs(answer - whole) < 1e-3


def test_a_plain_vehicle_takes_four_views_and_a_heap_all_eight() -> None:
    car, heap = Scripted([0.7, 0.6, 0.7, 0.6] * 2), Scripted([0.11] * 8)
    assert closer_look(car, PICTURE, BOX, {"car"}) > MOST_ASKED_FOR
    assert len(car.left) == 4
    assert closer_look(heap, PICTURE, BOX, {"car"}) < 0.15
    assert heap.left == []
