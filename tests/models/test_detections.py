"""The value object that detectors return."""

from __future__ import annotations

import numpy as np
import pytest

from models import Detection, Detections
from protocol.errors import PatrolError

BOXES = [[0.25, 1.5, 10.75, 20.125], [-3.5, -2.0, 700.5, 9.0], [5.0, 5.0, 5.0, 5.0]]


def three() -> Detections:
    return Detections(BOXES, [0.9, 0.5, 0.125], ["car", "bus", "car"], [False, True, False])


def test_it_iterates_as_single_detections() -> None:
    first, second, third = three()
    assert first == Detection((0.25, 1.5, 10.75, 20.125), pytest.approx(0.9), "car")
    assert (second.cut, third.cut) == (True, False)
    assert len(three()) == 3


def test_boxes_keep_their_fractions_and_may_reach_beyond_the_picture() -> None:
    assert three().boxes.tolist() == BOXES


def test_it_cannot_be_changed() -> None:
    source = np.array(BOXES, np.float32)
    detections = Detections(source, [0.9, 0.5, 0.1], ["car"] * 3)
    source[0] = 0
    assert detections.boxes.tolist() == BOXES
    with pytest.raises(ValueError, match="read-only"):
        detections.boxes[0, 0] = 1
    with pytest.raises(AttributeError):
        detections.labels = ()  # type: ignore[misc]


@pytest.mark.parametrize(
    ("boxes", "scores", "labels", "cut", "field", "words"),
    [
        ([[1, 2, 3]], [0.5], ["car"], None, "detections.boxes", r"expected shape \(1, 4\).*found \(1, 3\)"),
        ([1, 2, 3, 4], [0.5], ["car"], None, "detections.boxes", r"expected shape \(1, 4\).*found \(4,\)"),
        (BOXES, [0.5], ["car"] * 3, None, "detections.scores", r"expected shape \(3,\).*found \(1,\)"),
        (BOXES, [0.5] * 3, ["car"], None, "detections.boxes", r"expected shape \(1, 4\) for 1 labels"),
        (BOXES, [0.5] * 3, ["car"] * 3, [True], "detections.cut", r"expected shape \(3,\).*found \(1,\)"),
        ([[1, 2, 3, np.nan]], [0.5], ["car"], None, "detections.boxes", "finite"),
        ([[9, 2, 3, 4]], [0.5], ["car"], None, "detections.boxes[0]", "left <= right"),
        ([[1, 2, 3, 4]], [1.5], ["car"], None, "detections.scores[0]", "from 0 to 1"),
        ([[1, 2, 3, 4]], [np.nan], ["car"], None, "detections.scores[0]", "from 0 to 1"),
        ([["a", 2, 3, 4]], [0.5], ["car"], None, "detections.boxes", "expected numbers"),
        ([[1, 2, 3, 4]], [0.5], "car", None, "labels", "not one string"),
    ],
)
def test_what_does_not_fit_is_refused_with_expected_and_found(
    boxes: object, scores: object, labels: object, cut: object, field: str, words: str
) -> None:
    with pytest.raises(PatrolError, match=words) as caught:
        Detections(boxes, scores, labels, cut)  # type: ignore[arg-type]
    assert caught.value.field == field


def test_nothing_seen_has_the_right_shapes() -> None:
    nothing = Detections.empty()
    assert (len(nothing), nothing.boxes.shape, nothing.scores.shape) == (0, (0, 4), (0,))
    assert list(nothing) == []
    assert Detections([], [], []) == nothing


def test_filter_by_label_and_score() -> None:
    assert three().filter(labels={"car"}) == three().take([0, 2])
    assert three().filter(labels="bus") == three().take([1])
    assert three().filter(min_score=0.5) == three().take([0, 1])  # at least, not more than
    assert three().filter(labels={"car"}, min_score=0.5) == three().take([0])
    assert len(three().filter(labels=())) == 0


def test_take_by_mask_and_by_index_keeps_the_order_asked_for() -> None:
    assert [d.label for d in three().take([1, 0])] == ["bus", "car"]
    assert three().take(np.array([True, False, True])) == three().take([0, 2])
    with pytest.raises(PatrolError, match=r"mask of shape \(3,\), found \(2,\)"):
        three().take(np.array([True, False]))


def test_equality_and_repr() -> None:
    assert three() == three()
    assert three() != three().take([0, 1])
    assert three() != "three"
    assert repr(three()) == "<Detections 2 car, 1 bus>"
    assert repr(Detections.empty()) == "<Detections nothing>"


def test_shifted_moves_every_box() -> None:
    assert three().shifted(10, -1).boxes[0].tolist() == [10.25, 0.5, 20.75, 19.125]
