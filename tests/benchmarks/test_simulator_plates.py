"""Number plates of the simulator."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.simulator.plates import check_plate, motorcycle_plate_picture, plate_picture, random_plate
from protocol.errors import PatrolError


@pytest.mark.parametrize(
    ("text", "kind", "size", "ground"),
    [
        ("沪A8K526", "blue", (140, 440, 3), (168, 70, 18)),
        ("沪AD12345", "green", (140, 480, 3), (243, 250, 240)),  # new energy: eight characters
        ("京B03917", "yellow", (140, 440, 3), (30, 185, 245)),
    ],
)
def test_plates_have_their_true_proportions_and_colours(
    text: str, kind: str, size: tuple[int, int, int], ground: tuple[int, int, int]
) -> None:
    picture = plate_picture(text, kind)
    assert picture.shape == size
    assert tuple(picture[14, 14]) == ground


def test_each_character_leaves_ink() -> None:
    blank = plate_picture("京A11111", "blue")
    for position, letter in enumerate("2345678", start=2):
        if position < 7:
            other = plate_picture("京A" + "1" * (position - 2) + letter + "1" * (6 - position), "blue")
            assert np.count_nonzero(other != blank) > 500


def test_a_motorcycle_has_two_lines() -> None:
    assert motorcycle_plate_picture("京A12345", "yellow").shape == (140, 220, 3)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("A京12345", "blue"),  # the province comes first
        ("京A1234", "blue"),  # too short
        ("京A123456", "blue"),  # too long for blue
        ("京A1O345", "blue"),  # no O on plates
    ],
)
def test_what_is_no_plate_is_refused(text: str, kind: str) -> None:
    with pytest.raises(PatrolError):
        plate_picture(text, kind)


@pytest.mark.parametrize("kind", ["blue", "green", "yellow"])
def test_plates_drawn_by_lot_are_plates(kind: str) -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        check_plate(random_plate(rng, kind), kind)
