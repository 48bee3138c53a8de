"""Intervals, medians, periods and drawings: pure parts."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from central.statistics import charts
from central.statistics.figures import Day
from central.statistics.intervals import Z95, median, wilson
from central.statistics.period import read_period
from protocol.errors import PatrolError
from tests.central.street import NOON


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_equals_published_values(hits: int, of: int, low: float, high: float) -> None:
    assert wilson(hits, of) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(0, 5000), st.integers(0, 5000))
def test_the_bounds_of_wilson_solve_its_equation(one: int, other: int) -> None:
    hits, of = min(one, other), max(one, other)
    low, high = wilson(hits, of)
    assert 0 <= low <= high <= 1
    if of:
        assert low <= hits / of <= high
        for bound in {low, high} - {0.0, 1.0}:
            assert abs(hits / of - bound) == pytest.approx(Z95 * (bound * (1 - bound) / of) ** 0.5, abs=1e-9)


@pytest.mark.parametrize(("hits", "of"), [(2, 1), (-1, 4)])
def test_no_share(hits: int, of: int) -> None:
    with pytest.raises(ValueError, match="no share"):
        wilson(hits, of)


@given(st.lists(st.integers(-1000, 1000), max_size=50))
def test_half_lie_on_each_side_of_the_median(values: list[int]) -> None:
    middle = median(values)
    if not values:
        assert middle is None
    else:
        assert sum(v < middle for v in values) <= len(values) / 2 >= sum(v > middle for v in values)


def test_a_period_has_whole_local_days() -> None:
    week = read_period({}, NOON)
    assert (week.last - week.first).days == 6
    assert week.from_ms < NOON < week.to_ms
    assert week.day_of(week.from_ms) == week.first
    assert week.day_of(week.to_ms - 1) == week.last
    assert week.day_of(week.to_ms) != week.last
    assert len(week.days) == 7


def test_dates_may_be_given() -> None:
    period = read_period({"from": "2026-02-27", "to": "2026-03-02"}, NOON)
    assert period.days == [date(2026, 2, 27), date(2026, 2, 28), date(2026, 3, 1), date(2026, 3, 2)]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"period": "1y"}, "period"),
        ({"from": "yesterday"}, "from"),
        ({"to": "2026-13-01"}, "to"),
        ({"from": "2026-03-02", "to": "2026-03-01"}, "from"),
        ({"from": "2020-01-01", "to": "2026-01-01"}, "from"),
    ],
)
def test_a_period_that_is_none(asked: dict[str, str], field: str) -> None:
    with pytest.raises(PatrolError) as error:
        read_period(asked, NOON)
    assert error.value.field == field


@given(st.lists(st.integers(0, 100_000), min_size=1, max_size=60))
def test_bars_stand_on_the_ground_and_stay_in_the_drawing(counts: list[int]) -> None:
    chart = charts.bars([Day(date(2026, 1, 1), n, n // 2, n // 3) for n in counts])
    assert chart.top >= max(counts)
    assert 2 <= len(chart.lines) <= 6
    for bar, count in zip(chart.bars, counts, strict=True):
        for rect in bar.rects:
            assert rect.x >= 0
            assert rect.x + rect.width <= chart.width
            assert rect.y + rect.height == pytest.approx(chart.height)
        assert bar.rects[0].height == pytest.approx(chart.height * count / chart.top)
    assert sum(bool(bar.label) for bar in chart.bars) <= charts.LABELS
