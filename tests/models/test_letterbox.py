"""Fitting a picture into the input, and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.letterbox import Fit, Letterbox, rectangular_input

sides = st.integers(16, 4000)


@given(
    height=sides,
    width=sides,
    into=st.sampled_from([(416, 416), (640, 640), (384, 640)]),
    how=st.sampled_from(Fit),
)
def test_the_way_back_is_exact(height: int, width: int, into: tuple[int, int], how: Fit) -> None:
    letterbox = Letterbox.fit((height, width), into, how)
    inside = np.array(
        [
            [
                letterbox.pad_left,
                letterbox.pad_top,
                letterbox.pad_left + letterbox.width,
                letterbox.pad_top + letterbox.height,
            ]
        ],
        np.float32,
    )
    whole = np.array([[0, 0, width, height]], np.float32)
    np.testing.assert_allclose(letterbox.to_picture(inside), whole, atol=1e-3)
    np.testing.assert_allclose(letterbox.to_input(whole), inside, atol=1e-3)
    boxes = np.array([[-10.25, 3.5, width / 3, height + 50.75]], np.float32)
    np.testing.assert_allclose(letterbox.to_picture(letterbox.to_input(boxes)), boxes, rtol=1e-4, atol=1e-2)


@given(height=sides, width=sides)
def test_the_picture_lies_inside_and_keeps_its_aspect(height: int, width: int) -> None:
    letterbox = Letterbox.fit((height, width), (416, 416))
    assert 0 <= letterbox.pad_left <= 416 - letterbox.width
    assert 0 <= letterbox.pad_top <= 416 - letterbox.height
    assert max(letterbox.width, letterbox.height) == 416
    assert abs(letterbox.width * height / width - letterbox.height) <= 0.5 + 0.5 * height / width


@pytest.mark.parametrize(
    ("how", "left", "top"),
    [(Fit.CENTRE, 0, 91), (Fit.CORNER, 0, 0)],
)
def test_where_the_picture_lies(how: Fit, left: int, top: int) -> None:
    letterbox = Letterbox.fit((1080, 1920), (416, 416), how)
    assert (letterbox.pad_left, letterbox.pad_top, letterbox.width, letterbox.height) == (left, top, 416, 234)
    canvas = letterbox.place(np.full((1080, 1920, 3), 200, np.uint8), 114)
    assert (canvas[top : top + 234] == 200).all()
    assert (np.delete(canvas, np.s_[top : top + 234], axis=0) == 114).all()


def test_stretching_fills_the_input() -> None:
    letterbox = Letterbox.fit((100, 400), (160, 160), Fit.STRETCH)
    assert (letterbox.scale_x, letterbox.scale_y, letterbox.pad_left, letterbox.pad_top) == (0.4, 1.6, 0, 0)


def test_a_picture_of_the_right_size_is_not_touched() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (256, 416, 3), np.uint8)
    assert np.array_equal(Letterbox.fit((256, 416), (256, 416)).place(picture, 0), picture)


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        ((1080, 1920), (256, 416)),  # 234 rows, filled up to a multiple of 32
        ((1920, 1080), (416, 256)),
        ((416, 416), (416, 416)),
        ((10, 4000), (32, 416)),  # never less than one stride
        ((480, 640), (320, 416)),  # 312 rows
    ],
)
def test_the_rectangular_input_is_the_smallest_that_holds_the_picture(
    picture: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert rectangular_input(picture, 416, 32) == expected


@given(height=sides, width=sides)
def test_the_rectangular_input_costs_less_than_one_row_of_scale(height: int, width: int) -> None:
    size = rectangular_input((height, width), 416, 32)
    assert all(side % 32 == 0 and 32 <= side <= 416 for side in size)
    square, rectangle = Letterbox.fit((height, width), (416, 416)), Letterbox.fit((height, width), size)
    # Where the short side rounds down to a multiple of 32, the picture shrinks by less than one row.
    assert square.height - 1 <= rectangle.height <= square.height or width < height
    assert square.width - 1 <= rectangle.width <= square.width or height < width
    scale = 416 / max(height, width)
    assert min(rectangle.width / width, rectangle.height / height) >= scale - 1 / min(height, width)
