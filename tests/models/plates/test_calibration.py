"""Intervals, random halves and the threshold that comes with the weights."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.plates.calibration import accepted, halvings, in_force, wilson
from models.plates.reader import THRESHOLD


@dataclass(frozen=True)
class Judged:
    confidence: float
    right: bool
    text: str | None = "皖A12345"


def test_the_threshold_is_data_and_says_how_it_was_found() -> None:
    calibration = in_force()
    assert calibration.threshold == THRESHOLD
    assert "half" in calibration.method or "halved" in calibration.method
    assert calibration.set


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # Newcombe, Statistics in Medicine 17 (1998), table I
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (29, 29, 0.8830, 1.0),
    ],
)
def test_intervals_are_those_of_the_literature(right: int, n: int, low: float, high: float) -> None:
    assert wilson(right, n) == pytest.approx((low, high), abs=6e-5)


@given(n=st.integers(0, 500), data=st.data())
def test_an_interval_holds_the_share(n: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, n))
    low, high = wilson(right, n)
    assert 0 <= low <= (right / n if n else 0.5) + 1e-12
    assert (right / n if n else 0.5) - 1e-12 <= high <= 1


def test_halves_are_measured_by_thresholds_found_without_them() -> None:
    # Sure and right, but for one that is surer than most and wrong: where it lies in the measured half, it passes.
    outcomes = [Judged(0.9995, True)] * 200 + [Judged(0.9996, False)]
    found = halvings(outcomes, lambda number: 0, times=10)
    assert found is not None
    assert found.worst < 1
    assert 0.99 < found.precision < 1
    assert found.interval[0] < found.precision < found.interval[1]
    assert found == halvings(outcomes, lambda number: 0, times=10)


def test_strata_are_dealt_out_evenly() -> None:
    # Of the rare stratum, each half must hold one: a threshold found on the other passes exactly one of the two.
    outcomes = [Judged(0.9999, True)] * 40 + [Judged(0.2, True)] * 2
    found = halvings(outcomes, lambda number: number >= 40, times=5)
    assert found is not None
    assert found.coverage == pytest.approx(40 / 42)


def test_a_handful_of_pictures_is_not_halved() -> None:
    assert halvings([Judged(1.0, True)] * 3, lambda number: 0) is None


def test_pictures_without_a_reading_are_not_accepted() -> None:
    assert accepted([Judged(1.0, False, None), Judged(1.0, True)], 0.5) == (1, 1)
