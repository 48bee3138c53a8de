"""The index finds what looking at every bay finds, in the same order, anywhere on earth."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from central.bays.nearest import EARTH_M, BayIndex, StraightLine, haversine
from protocol.messages import Position
from tests.central.bays.plan import METRE_EAST, METRE_NORTH, PLACE, at


def metres(start: Position, end: Position) -> float:
    return float(haversine(start, np.array([end.longitude]), np.array([end.latitude]))[0])


def scattered(count: int, seed: int, side_m: float = 3000) -> list[Position]:
    dice = np.random.default_rng(seed)
    return [at(*dice.uniform(-side_m / 2, side_m / 2, 2)) for _ in range(count)]


def index_of(places: list[Position], classes=None, walking=None) -> BayIndex:
    return BayIndex(
        [p.longitude for p in places],
        [p.latitude for p in places],
        classes or [("car",)] * len(places),
        walking,
    )


def test_known_distances():
    # A degree of a great circle on the sphere of mean radius.
    assert metres(Position(longitude=0, latitude=0), Position(longitude=1, latitude=0)) == pytest.approx(
        EARTH_M * np.pi / 180, abs=0.01
    )
    # Beijing (Tiananmen) to Shanghai (People's Square), as the crow flies: 1,067 km on the sphere.
    beijing, shanghai = (
        Position(longitude=116.3975, latitude=39.9087),
        Position(longitude=121.4737, latitude=31.2304),
    )
    assert metres(beijing, shanghai) == pytest.approx(1_067_000, rel=0.005)


@given(st.integers(0, 400), st.integers(0, 99), st.floats(50, 5000))
@settings(max_examples=40, deadline=None)
def test_it_agrees_with_looking_at_each(count: int, seed: int, within_m: float):
    places = scattered(count, seed)
    got = list(index_of(places).walk(PLACE, "car", within_m))
    truth = sorted((1.3 * metres(PLACE, place), row) for row, place in enumerate(places))
    expected = [(m, row) for m, row in truth if m <= within_m]
    assert [near.row for near in got] == [row for _, row in expected]
    assert [near.metres for near in got] == pytest.approx([m for m, _ in expected])


@pytest.mark.parametrize("wanted", [1, 20, 100])
def test_a_search_that_ends_early_has_the_nearest(wanted: int):
    places = scattered(5000, 3)
    got = [near.row for near in islice(index_of(places).walk(PLACE, "car", 1e9), wanted)]
    assert got == sorted(range(5000), key=lambda row: metres(PLACE, places[row]))[:wanted]


def test_only_bays_for_the_class():
    index = index_of([at(10, 0), at(20, 0), at(30, 0)], [("bus",), ("car", "truck"), ()])
    assert [near.row for near in index.walk(PLACE, "car", 1000)] == [1]
    assert [near.row for near in index.walk(PLACE, "bus", 1000)] == [0]
    assert list(index.walk(PLACE, "tram", 1000)) == []
    assert list(index_of([]).walk(PLACE, "car", 1000)) == []


def test_the_date_line_is_no_border():
    west, east = Position(longitude=179.9999, latitude=-16.5), Position(longitude=-179.9999, latitude=-16.5)
    (near,) = index_of([east]).walk(west, "car", 1000)
    assert near.metres == pytest.approx(1.3 * metres(west, east))
    assert near.metres < 50


def test_a_barrier_makes_the_near_far():
    """The bay across the railway is nearer as the crow flies, and farther on foot."""
    across, along = at(0, 50), at(80, -5)
    north = PLACE.latitude + 20 * METRE_NORTH
    railway = (
        (PLACE.longitude - 2000 * METRE_EAST, north),
        (PLACE.longitude + 2000 * METRE_EAST, north),
    )
    plain = index_of([across, along])
    fenced = index_of([across, along], walking=StraightLine((railway,)))
    assert [near.row for near in plain.walk(PLACE, "car", 1000)] == [0, 1]
    got = list(fenced.walk(PLACE, "car", 1000))
    assert [near.row for near in got] == [1, 0]
    assert got[1].metres == pytest.approx(2.5 * metres(PLACE, across))


def test_another_way_of_walking_takes_its_place():
    class Graph:
        """Everything in the west is across a river without a bridge."""

        def metres(self, start, longitudes, latitudes, straight):
            return np.where(longitudes < start.longitude, np.inf, straight * 1.1)

    index = index_of([at(-10, 0), at(300, 0), at(20, 0)], walking=Graph())
    assert [near.row for near in index.walk(PLACE, "car", 1000)] == [2, 1]
