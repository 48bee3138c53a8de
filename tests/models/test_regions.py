"""Looking at parts of a picture."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import Detections, Image, open_detector
from models.decoding import Choice
from models.regions import check_regions, merge, tiles
from protocol.errors import PatrolError

CHOICE = Choice(0.3, 0.6)
HALVES = [(0, 0, 120, 100), (80, 0, 200, 100)]
"""Two regions of a 200 x 100 picture that share 40 columns."""


def in_halves(left: Detections, right: Detections) -> Detections:
    return merge((100, 200), HALVES, [left, right], CHOICE)


def test_a_box_comes_back_in_the_whole_picture() -> None:
    merged = in_halves(Detections.empty(), Detections([[50, 10, 90.5, 40]], [0.8], ["car"]))
    assert merged == Detections([[130, 10, 170.5, 40]], [0.8], ["car"])


def test_a_vehicle_seen_whole_by_both_regions_is_one() -> None:
    left = Detections([[85, 10, 115, 40]], [0.7], ["car"])
    right = Detections([[5.5, 10, 35, 40]], [0.8], ["truck"])  # the same place, another class
    assert in_halves(left, right) == Detections([[85.5, 10, 115, 40]], [0.8], ["truck"])


def test_the_whole_box_wins_over_a_better_cut_one() -> None:
    left = Detections([[90, 10, 120, 40]], [0.95], ["car"])  # ends at the left region's inner border
    right = Detections([[10, 10, 80, 40]], [0.5], ["car"])
    (only,) = in_halves(left, right)
    assert (only.box, only.cut) == ((90, 10, 160, 40), False)


def test_the_whole_box_wins_over_a_better_cut_one_that_it_covers_half() -> None:
    left = Detections([[60, 10, 120, 40]], [0.95], ["car"])
    right = Detections([[10, 10, 80, 40]], [0.5], ["car"])
    strict = Choice(0.3, iou_threshold=0.25)
    (only,) = merge((100, 200), HALVES, [left, right], strict)
    assert (only.box, only.cut) == ((90, 10, 160, 40), False)
    lax = Choice(0.3, iou_threshold=0.6)
    assert [one.cut for one in merge((100, 200), HALVES, [left, right], lax)] == [True, False]


def test_a_cut_box_that_nobody_saw_whole_is_flagged() -> None:
    (only,) = in_halves(Detections([[60, 10, 119.5, 40]], [0.9], ["car"]), Detections.empty())
    assert only.cut
    assert only.box == (60, 10, 119.5, 40)


def test_the_picture_s_own_border_cuts_nothing() -> None:
    (only,) = in_halves(Detections([[-2, 0, 50, 100]], [0.9], ["car"]), Detections.empty())
    assert not only.cut


def test_a_person_in_front_of_a_car_takes_nothing_away() -> None:
    left = Detections([[100, 10, 120, 40]], [0.9], ["person"])
    right = Detections([[10, 10, 80, 40]], [0.5], ["car"])
    merged = in_halves(left, right)
    assert set(merged.labels) == {"person", "car"}


def test_regions_are_clipped_and_empty_ones_refused() -> None:
    assert check_regions((100, 200), [(-5, -5, 50, 300)]) == [(0, 0, 50, 100)]
    with pytest.raises(PatrolError, match="no area inside the picture of 200 x 100") as caught:
        check_regions((100, 200), [(0, 0, 10, 10), (300, 0, 400, 50)])
    assert caught.value.field == "regions[1]"


@given(
    height=st.integers(1, 2000),
    width=st.integers(1, 2000),
    side=st.integers(50, 900),
    overlap=st.floats(0, 0.8),
)
def test_tiles_cover_the_picture_and_overlap_as_asked(
    height: int, width: int, side: int, overlap: float
) -> None:
    for length, low, high in ((width, 0, 2), (height, 1, 3)):
        spans = sorted({(tile[low], tile[high]) for tile in tiles((height, width), side, overlap)})
        assert (spans[0][0], spans[-1][1]) == (0, length)
        for one, following in pairwise(spans):
            assert one[1] - following[0] >= side * overlap - 1
            assert one[1] - one[0] == min(side, length)


def test_tiles_refuse_nonsense() -> None:
    with pytest.raises(PatrolError, match="at least one pixel"):
        tiles((100, 100), 0)
    with pytest.raises(PatrolError, match="from 0 to below 1"):
        tiles((100, 100), 50, 1.0)


def test_one_region_over_all_is_the_same_as_the_picture(street: Image) -> None:
    detector = open_detector()
    height, width = street.shape[:2]
    assert detector.detect_regions(street, [(0, 0, width, height)]) == detector.detect([street])[0]


def test_no_region_means_nothing_seen(street: Image) -> None:
    assert open_detector().detect_regions(street, []) == Detections.empty()


def test_small_vehicles_in_a_big_picture_are_found_in_tiles(street: Image) -> None:
    """The street fills a ninth of a big picture: at once its cars are too small, in tiles they are found."""
    height, width = street.shape[:2]
    big = np.full((3 * height, 3 * width, 3), 90, np.uint8)
    big[height : 2 * height, width : 2 * width] = street
    detector = open_detector()
    (known,) = detector.detect([street])
    (at_once,) = detector.detect([big])
    tiled = detector.detect_regions(big, tiles((3 * height, 3 * width), width, 0.3))
    assert len(at_once) < len(known) / 2
    assert len(tiled) >= len(known) - 2
    inside = tiled.shifted(-width, -height)
    matched = sum(
        any(
            other.label == one.label and np.abs(np.subtract(one.box, other.box)).max() < 12
            for other in inside
        )
        for one in known
    )
    assert matched >= len(known) / 2
