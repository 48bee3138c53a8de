"""Straightening by the characters."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from models.plates import rectify
from models.plates._deskew import straightened
from tests.models.plates import drawn


def off(corners: np.ndarray, truth: np.ndarray) -> float:
    """How far the sides' directions are off: drop of the right end and lean of the left side, pixels."""

    def slopes(points: np.ndarray) -> np.ndarray:
        return np.array([points[1, 1] - points[0, 1], points[3, 0] - points[0, 0]])

    return float(np.abs(slopes(corners) - slopes(truth)).max())


@pytest.mark.parametrize("roll", [-7.0, -4.0, 4.0, 7.0])
def test_a_box_around_a_tilted_plate_is_turned_with_it(roll: float) -> None:
    rng = np.random.default_rng(1)
    conditions = drawn.Conditions(width=200, roll=roll)
    picture, truth = drawn.scene(drawn.plate("京A8K526", "civil_blue"), conditions, rng)
    left, top = truth.min(axis=0)
    right, bottom = truth.max(axis=0)
    box = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)
    found = straightened(picture, box)
    assert off(found, truth) < 0.7 * off(box, truth)


def test_what_is_straight_stays_nearly_so() -> None:
    flat = cv2.resize(drawn.plate("京A8K526", "civil_blue"), (220, 70), interpolation=cv2.INTER_AREA)
    box = rectify.whole(flat)
    assert np.abs(straightened(flat, box) - box).max() < 7


def test_noise_and_an_even_ground_have_no_tilt_that_matters() -> None:
    even = np.full((30, 100, 3), 120, np.uint8)
    assert np.isfinite(straightened(even, rectify.whole(even))).all()
