"""NanoDet and YOLOX agree with arithmetic written a second time, on real pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from models import COCO, VEHICLES, Detections, Image, catalogue, open_detector
from tests.models.reference import slow

PICTURES = (
    "ipcam_street_704x576.png",
    "plate_scene_1920x1080.jpg",
    "ccpd_demo_0.jpg",
    "ccpd_demo_1.jpg",
    "ccpd_demo_2.jpg",
    "kerb_street_day_640x360.mp4#0",
    "kerb_street_day_640x360.mp4#300",
    "china_kerb_day_640x480.avi#0",
    "china_kerb_day_640x480.avi#200",
    "sidewalk_street_day_640x352.mp4#100",
)
LEAST = {"nanodet": 60, "yolox": 60}
"""Boxes over all pictures at a threshold of 0.1: fewer would mean that the comparison compares nothing."""


@pytest.fixture(scope="module")
def nanodet_session() -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(catalogue.find("nanodet-g"), providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def yolox_session(shared: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(shared / "models/yolox_nano.onnx", providers=["CPUExecutionProvider"])


def nanodet_boxes(
    session: onnxruntime.InferenceSession, picture: Image, threshold: float
) -> list[slow.Found]:
    placed = slow.nanodet_input(picture)
    names = [output.name for output in session.get_outputs()]
    outputs = dict(zip(names, session.run(None, {"picture": placed.tensor}), strict=True))
    return slow.nanodet(outputs, placed, threshold)


def yolox_boxes(session: onnxruntime.InferenceSession, picture: Image, threshold: float) -> list[slow.Found]:
    placed = slow.yolox_input(picture)
    return slow.yolox(session.run(None, {"images": placed.tensor})[0], placed, threshold)


def assert_same(found: Detections, expected: list[slow.Found]) -> None:
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.label == COCO[theirs.number]
        assert ours.score == pytest.approx(theirs.score, abs=1e-3)
        assert ours.box == pytest.approx((theirs.left, theirs.top, theirs.right, theirs.bottom), abs=1)


@pytest.mark.parametrize("name", PICTURES)
def test_nanodet_agrees_with_plain_arithmetic(
    name: str, pictures: dict[str, Image], nanodet_session: onnxruntime.InferenceSession
) -> None:
    detector = open_detector(
        "nanodet-g", score_threshold=0.1, iou_threshold=0.6, classes=None, merge_vehicles=False
    )
    (found,) = detector.detect([pictures[name]])
    boxes = nanodet_boxes(nanodet_session, pictures[name], 0.1)
    assert_same(found, slow.without_doubles(boxes, 0.6))


@pytest.mark.parametrize("name", PICTURES)
def test_yolox_agrees_with_plain_arithmetic(
    name: str, pictures: dict[str, Image], yolox_session: onnxruntime.InferenceSession, shared: Path
) -> None:
    detector = open_detector(
        shared / "models/yolox_nano.onnx",
        score_threshold=0.1,
        iou_threshold=0.45,
        classes=None,
        merge_vehicles=False,
    )
    (found,) = detector.detect([pictures[name]])
    boxes = yolox_boxes(yolox_session, pictures[name], 0.1)
    assert_same(found, slow.without_doubles(boxes, 0.45))


def test_the_pictures_hold_enough_boxes_to_compare(
    pictures: dict[str, Image],
    nanodet_session: onnxruntime.InferenceSession,
    yolox_session: onnxruntime.InferenceSession,
) -> None:
    counts = {
        "nanodet": sum(
            len(slow.without_doubles(nanodet_boxes(nanodet_session, p, 0.1), 0.6)) for p in pictures.values()
        ),
        "yolox": sum(
            len(slow.without_doubles(yolox_boxes(yolox_session, p, 0.1), 0.6)) for p in pictures.values()
        ),
    }
    assert all(counts[family] >= LEAST[family] for family in LEAST), counts


def test_vehicles_of_several_classes_at_one_place_are_one_detection(
    pictures: dict[str, Image], nanodet_session: onnxruntime.InferenceSession
) -> None:
    vehicles = frozenset(number for number, name in enumerate(COCO) if name in VEHICLES)
    merged = apart = 0
    for name in PICTURES:
        (found,) = open_detector(score_threshold=0.15, iou_threshold=0.6).detect([pictures[name]])
        boxes = [
            box
            for box in wanted_only(nanodet_session, pictures[name], 0.15, vehicles)
            if box.number in vehicles
        ]
        expected = slow.without_doubles(boxes, 0.6, vehicles)
        assert_same(found, expected)
        merged += len(expected)
        apart += len(slow.without_doubles(boxes, 0.6))
    assert merged < apart, "no picture holds a vehicle that is two classes at once"


def wanted_only(
    session: onnxruntime.InferenceSession, picture: Image, threshold: float, wanted: frozenset[int]
) -> list[slow.Found]:
    """NanoDet's boxes where classes that are not wanted score nothing."""
    placed = slow.nanodet_input(picture)
    names = [output.name for output in session.get_outputs()]
    outputs = dict(zip(names, session.run(None, {"picture": placed.tensor}), strict=True))
    unwanted = [number for number in range(len(COCO)) if number not in wanted]
    for stride in (8, 16, 32):
        outputs[f"scores_{stride}"] = np.array(outputs[f"scores_{stride}"])
        outputs[f"scores_{stride}"][:, :, unwanted] = 0
    return slow.nanodet(outputs, placed, threshold)
