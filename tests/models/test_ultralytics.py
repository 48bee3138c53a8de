"""The decoders agree with what ultralytics itself predicted, as `reference/make_fixtures.py` recorded it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.decoders import FAMILIES
from models.decoding import Choice, decode
from models.letterbox import Letterbox

RECORD = np.load(Path(__file__).parent / "reference/ultralytics.npz")
NAMES = tuple(str(name) for name in RECORD["names"])
CASES = (
    "v8",  # square input, distributions over bins
    "v9",
    "11-rectangular",  # dynamic axes, input 96 x 160
    "12",  # portrait
    "26-one-to-many",  # scale does not divide the picture's sides
    "26-end-to-end",  # 300 x 6
    "v10-end-to-end",
    "rtdetr-selected",  # fractions of a stretched picture
)


def recorded(case: str, part: str) -> NDArray[Any]:
    return np.asarray(RECORD[f"{case}/{part}"])


@pytest.mark.parametrize("case", CASES)
def test_decoding_gives_what_ultralytics_predicted(case: str) -> None:
    family = FAMILIES[str(recorded(case, "family"))]
    height, width = recorded(case, "picture").tolist()
    rows, columns = recorded(case, "input").tolist()
    letterbox = Letterbox.fit((height, width), (rows, columns), family.preparation.fit)
    choice = Choice(float(recorded(case, "threshold")), float(RECORD["iou"]), None, merge_vehicles=False)

    found = decode(family, [recorded(case, "raw")], letterbox, NAMES, choice)

    expected = recorded(case, "expected")
    expected = expected[np.argsort(-expected[:, 4], kind="stable")]
    assert len(found) == len(expected) > 50
    # ultralytics clips boxes to the picture; ours never are.
    sides = [width, height, width, height]
    np.testing.assert_allclose(
        np.clip(found.boxes, 0, sides), np.clip(expected[:, :4], 0, sides), rtol=0, atol=1
    )
    np.testing.assert_allclose(found.scores, expected[:, 4], rtol=0, atol=1e-3)
    assert list(found.labels) == [NAMES[int(number)] for number in expected[:, 5]]


@pytest.mark.parametrize("case", CASES)
def test_the_recorded_outputs_are_recognised(case: str) -> None:
    shape = recorded(case, "raw").shape
    rows, columns = recorded(case, "input").tolist()
    fitting = {
        family.name
        for family in FAMILIES.values()
        if family.classes_of([shape], (rows, columns)) in (0, len(NAMES))
    }
    assert str(recorded(case, "family")) in fitting
    assert fitting <= {str(recorded(case, "family")), "yolo-end2end", "rtdetr-selected"}


@pytest.mark.parametrize("case", ["v8", "11-rectangular", "rtdetr-selected"])
def test_a_picture_is_prepared_as_ultralytics_does(case: str) -> None:
    preparation = FAMILIES[str(recorded(case, "family"))].preparation
    picture = recorded(case, "pixels")
    rows, columns = recorded(case, "input").tolist()
    letterbox = Letterbox.fit(picture.shape[:2], (rows, columns), preparation.fit)
    tensor = preparation.tensor(picture, letterbox)
    np.testing.assert_allclose(tensor * 255, recorded(case, "prepared"), rtol=0, atol=0.51)


def test_rtdetr_with_one_score_per_class_is_decoded() -> None:
    """The layout of the paper's authors and of older exports: queries x (4 + classes)."""
    rng = np.random.default_rng(7)
    raw = rng.random((300, 4 + len(NAMES)), dtype=np.float32)
    raw[:, 2:4] *= 0.3
    letterbox = Letterbox.fit((117, 203), (96, 160), FAMILIES["rtdetr"].preparation.fit)
    found = decode(FAMILIES["rtdetr"], [raw], letterbox, NAMES, Choice(0.97, 0.6, None, merge_vehicles=False))

    expected = []
    for row in raw.tolist():
        best = max(row[4:])
        if best > 0.97:
            x, y, w, h = row[0] * 203, row[1] * 117, row[2] * 203, row[3] * 117
            box = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
            expected.append((best, NAMES[row[4:].index(best)], box))
    expected.sort(key=lambda one: -one[0])
    assert len(found) == len(expected) > 20
    for ours, (score, label, box) in zip(found, expected, strict=True):
        assert (ours.score, ours.label) == (pytest.approx(score, abs=1e-6), label)
        assert ours.box == pytest.approx(box, abs=0.01)
