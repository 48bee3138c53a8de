"""Boxes and footprints."""

from __future__ import annotations

import pytest
from hypothesis import given
from shapely.geometry import box as rectangle

from tests.zones.strategies import boxes
from zones import Box, footprint
from zones.geometry import area, covered_share, iou, nested


@given(boxes(), boxes())
def test_overlaps_agree_with_shapely(one: Box, other: Box) -> None:
    a, b = rectangle(*one), rectangle(*other)
    both = a.intersection(b).area
    assert iou(one, other) == pytest.approx(both / a.union(b).area, abs=1e-6)
    assert iou(one, other) == iou(other, one)
    assert covered_share(one, other) == pytest.approx(both / a.area, abs=1e-6)
    assert nested(one, other) == pytest.approx(both / min(a.area, b.area), abs=1e-6)
    assert area(one) == pytest.approx(a.area)


@given(boxes())
def test_a_box_is_the_same_as_itself(one: Box) -> None:
    assert iou(one, one) == pytest.approx(1)


@pytest.mark.parametrize(
    ("vehicle", "depth"),
    [
        ("car", 40),
        # A bus is tall for its depth.
        ("bus", 22),
        # Something that the table does not know.
        ("tractor", 30),
    ],
)
def test_the_footprint_is_the_lower_part_of_the_box(vehicle: str, depth: float) -> None:
    assert footprint((100, 50, 200, 150), vehicle).bounds == pytest.approx((106, 150 - depth, 194, 150))


@given(boxes())
def test_the_footprint_lies_in_the_box_and_is_never_clipped_to_the_picture(one: Box) -> None:
    foot = footprint(one, "car")
    assert rectangle(*one).buffer(1e-6).covers(foot)
    assert foot.bounds[3] == pytest.approx(one[3])
    assert foot.area == pytest.approx(0.88 * 0.4 * area(one))


@pytest.mark.parametrize("wrong", [(10, 10, 10, 20), (10, 20, 20, 10), (float("nan"), 0, 1, 1)])
def test_an_empty_box_has_no_footprint(wrong: Box) -> None:
    with pytest.raises(ValueError, match="left < right"):
        footprint(wrong, "car")
