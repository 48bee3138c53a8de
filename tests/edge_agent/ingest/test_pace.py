"""When a picture is due, and how long to wait before the next connection."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.ingest import SourceConfig
from edge_agent.ingest._backoff import GOOD_SESSION_MS, Backoff
from edge_agent.ingest._sampling import Grid, Pace, keyframes_suffice


@given(times=st.lists(st.integers(0, 100_000), unique=True).map(sorted), period=st.integers(1, 10_000))
def test_the_grid_takes_the_first_picture_at_or_after_each_boundary(times: list[int], period: int) -> None:
    grid = Grid(period)
    taken = []
    for at_ms in times:
        if grid.reached(at_ms):
            grid.took(at_ms)
            taken.append(at_ms)
    boundaries = range(0, 100_001, period)
    firsts = {next((at_ms for at_ms in times if at_ms >= boundary), None) for boundary in boundaries}
    assert taken == sorted(first for first in firsts if first is not None)


def test_keyframes_that_jitter_around_the_period_are_all_due() -> None:
    pace = Pace(2_000)
    for pts_ms in (0, 1_980, 4_010, 5_990, 8_005):
        assert pace.due(pts_ms)
        pace.took(pts_ms)
    assert not pace.due(9_000)


def test_time_stamps_that_jump_back_do_not_stop_the_sampling() -> None:
    pace = Pace(2_000)
    pace.took(1_000_000)
    assert pace.due(5)


@pytest.mark.parametrize(
    ("keyframes", "enough"),
    [
        ([0, 1_000, 2_000, 3_000], True),
        ([0, 1_000, 2_100, 3_000], False),  # one gap is longer than half a period
        ([1_500, 2_500, 3_500], False),  # the first keyframe comes late
        ([0], False),
        ([], False),
    ],
)
def test_keyframes_suffice_only_if_every_half_period_has_one(keyframes: list[int], enough: bool) -> None:
    assert keyframes_suffice(keyframes, 0, 4_000, 2_000) is enough


@given(dice=st.floats(0, 1, exclude_max=True), failures=st.integers(1, 40))
def test_waits_double_up_to_their_limit_and_are_at_most_halved(dice: float, failures: int) -> None:
    backoff = Backoff(SourceConfig(url="rtsp://h/", backoff_min_s=1, backoff_max_s=60), lambda: dice)
    for _ in range(failures):
        wait_s = backoff.wait_s("unreachable", 0)
    longest = min(60.0, 2.0 ** (failures - 1))
    assert longest / 2 <= wait_s <= longest


def test_a_good_connection_starts_the_waits_anew_and_a_short_one_does_not() -> None:
    backoff = Backoff(SourceConfig(url="rtsp://h/", backoff_min_s=1, backoff_max_s=60), lambda: 0.0)
    assert [backoff.wait_s("stalled", 0) for _ in range(4)] == [1, 2, 4, 8]
    assert backoff.wait_s("stalled", GOOD_SESSION_MS - 1) == 16
    assert backoff.wait_s("stalled", GOOD_SESSION_MS) == 1


@given(dice=st.floats(0, 1, exclude_max=True))
def test_a_refused_password_is_never_tried_sooner_than_allowed(dice: float) -> None:
    backoff = Backoff(SourceConfig(url="rtsp://h/", unauthorised_retry_s=300), lambda: dice)
    assert backoff.wait_s("unauthorised", 0) == 300
