"""From a point to its leaf, against looking at every leaf."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import Point, Polygon, box

from benchmarks.grids.ground import wavy_leaves
from central.grids.index import GridIndex

LEAVES = wavy_leaves(60, np.random.default_rng(3))
INDEX = GridIndex(LEAVES)


def slow(longitude: float, latitude: float) -> str | None:
    return next((name for name, shape in LEAVES if shape.intersects(Point(longitude, latitude))), None)


@given(st.floats(120.99, 121.41), st.floats(30.99, 31.41))
def test_any_point_has_the_leaf_that_a_slow_look_finds(longitude: float, latitude: float) -> None:
    assert INDEX.leaf_at(longitude, latitude) == slow(longitude, latitude)


@given(st.sampled_from(LEAVES), st.integers(0, 100))
def test_corners_and_borders_belong_to_exactly_one(leaf: tuple[str, Polygon], number: int) -> None:
    ring = leaf[1].exterior.coords
    longitude, latitude = ring[number % len(ring)]
    assert INDEX.leaf_at(longitude, latitude) == slow(longitude, latitude)


def test_where_leaves_overlap_the_first_counts() -> None:
    index = GridIndex([("a", box(0, 0, 2, 2)), ("b", box(1, 1, 3, 3))])
    assert [index.leaf_at(1.5, 1.5), index.leaf_at(2.5, 2.5), index.leaf_at(0.5, 0.5)] == ["a", "b", "a"]


def test_holes_and_outside_belong_to_nobody() -> None:
    ring = Polygon([(0, 0), (4, 0), (4, 4), (0, 4)], [[(1, 1), (3, 1), (3, 3), (1, 3)]])
    index = GridIndex([("ring", ring)])
    assert index.leaf_at(2, 2) is None
    assert index.leaf_at(0.5, 2) == "ring"
    for outside in ((-1e-3, 2), (4.001, 2), (2, -0.001), (2, 4.001), (-180, -90)):
        assert index.leaf_at(*outside) is None
    assert GridIndex(()).leaf_at(121, 31) is None


@pytest.mark.parametrize(("metres", "expected"), [(5, "a"), (14, "a"), (16, None)])
def test_a_point_in_a_crack_belongs_to_the_nearest(metres: float, expected: str | None) -> None:
    latitude = 31.0
    degrees = metres / (111_195 * np.cos(np.radians(latitude)))
    index = GridIndex([("a", box(121.0, 30.9, 121.1, 31.1)), ("b", box(121.2, 30.9, 121.3, 31.1))])
    assert index.leaf_at(121.1 + degrees, latitude) is None
    near = index.nearest(121.1 + degrees, latitude, 15)
    assert (near[0] if near else None) == expected
    if near:
        assert near[1] == pytest.approx(metres, rel=0.01)
