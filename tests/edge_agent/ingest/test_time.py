"""Stream time of live cameras: a picture never looks newer than it is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.ingest import SteadyClock
from edge_agent.ingest._time import DRIFT_PPM, SETTLE_MS, CaptureTimes
from protocol.clock import ManualClock

INTERVAL_MS = 40
START_MS = 1_767_225_600_000


def arrivals(delays_ms: list[int], drift_ppm: int, pts_from: int) -> list[tuple[int, int, int]]:
    """(taken, PTS, arrival) of pictures that each took so long; one connection, so none overtakes another."""
    packets = []
    newest = 0
    for place, delay_ms in enumerate(delays_ms):
        taken = START_MS + place * INTERVAL_MS
        pts = pts_from + round(place * INTERVAL_MS * (1 + drift_ppm / 1e6))
        newest = max(newest, taken + delay_ms)
        packets.append((taken, pts, newest))
    return packets


@given(
    delays_ms=st.lists(st.integers(0, 20_000), min_size=1, max_size=200),
    drift_ppm=st.integers(-DRIFT_PPM, DRIFT_PPM),
    pts_from=st.integers(-(2**40), 2**40),
)
def test_a_picture_never_looks_newer_than_the_promptest_packet_allows(
    delays_ms: list[int], drift_ppm: int, pts_from: int
) -> None:
    times = CaptureTimes()
    shortest_ms: int | None = None
    for taken, pts, arrived in arrivals(delays_ms, drift_ppm, pts_from):
        times.saw(pts, arrived)
        shortest_ms = arrived - taken if shortest_ms is None else min(shortest_ms, arrived - taken)
        passed_ms = arrived - START_MS
        # The anchor may rise, and the camera's clock run, by the drift allowance since the start.
        slack_ms = 2 * passed_ms * DRIFT_PPM / 1e6 + 2
        assert times.taken_ms(pts) - taken <= shortest_ms + slack_ms
        assert times.taken_ms(pts) <= arrived


@given(waited_ms=st.integers(1_000, 30_000), on_time=st.integers(30, 200), late=st.integers(1, 100))
def test_a_backlog_keeps_its_old_times(waited_ms: int, on_time: int, late: int) -> None:
    times = CaptureTimes()
    for _, pts, arrived in arrivals([5] * on_time, 0, 0):
        times.saw(pts, arrived)
    caught_up = START_MS + on_time * INTERVAL_MS + waited_ms
    for place in range(on_time, on_time + late):
        taken, pts = START_MS + place * INTERVAL_MS, place * INTERVAL_MS
        times.saw(pts, max(caught_up, taken + 5))
        assert abs(times.taken_ms(pts) - taken) <= 5 + waited_ms * DRIFT_PPM / 1e6 + 1


@given(stored=st.integers(25, 250))
def test_a_burst_of_stored_pictures_is_not_trusted_until_it_is_over(stored: int) -> None:
    """A recorder opens with pictures of the last seconds; the first packet alone would be stamped as of now."""
    times = CaptureTimes()
    connected = START_MS + stored * INTERVAL_MS
    for place in range(stored):
        times.saw(place * INTERVAL_MS, connected + place)
        assert not times.settled
    place = stored
    while not times.settled:
        times.saw(place * INTERVAL_MS, START_MS + place * INTERVAL_MS + 5)
        place += 1
    assert place * INTERVAL_MS <= stored * INTERVAL_MS + SETTLE_MS + 2 * INTERVAL_MS
    assert abs(times.taken_ms(0) - START_MS) <= 10


def test_a_slow_camera_clock_is_followed() -> None:
    """A clock 200 millionths slow is off by 0.7 s in an hour if nothing follows it."""
    times = CaptureTimes()
    packets = arrivals([5] * 90_000, -200, 0)
    for _, pts, arrived in packets:
        times.saw(pts, arrived)
    taken, pts, _ = packets[-1]
    assert abs(times.taken_ms(pts) - taken) <= 10


def test_a_new_scale_is_noticed_and_reordered_pictures_are_not_one() -> None:
    times = CaptureTimes()
    assert times.saw(1_000_000, START_MS)
    assert times.saw(1_000_120, START_MS + 40)
    assert times.saw(1_000_040, START_MS + 80)
    assert not times.saw(0, START_MS + 120)
    assert not times.settled
    assert times.taken_ms(0) == START_MS + 120


def test_a_leap_forward_makes_earlier_stamps_old_not_new() -> None:
    times = CaptureTimes()
    times.saw(0, START_MS)
    times.saw(1_000, START_MS + 1_000)
    times.saw(3_600_000, START_MS + 1_040)
    assert not times.settled
    assert times.taken_ms(3_600_000) == START_MS + 1_040
    assert times.taken_ms(1_000) < START_MS + 1_000


def test_the_steady_clock_does_not_follow_a_step_of_the_wall_clock() -> None:
    wall = ManualClock(START_MS)
    clock = SteadyClock(wall)
    wall.advance(500)
    wall.set_utc(START_MS - 3_600_000)
    wall.advance(500)
    assert clock.utc_ms() == START_MS + 1_000
    assert clock.wall_error_ms() == -3_600_500
