"""Stays over steps of the clock and over gaps: durations stay as they were, and what nobody saw counts for nothing."""

from __future__ import annotations

from dataclasses import fields, replace

from edge_agent.stays import StayEnded, StaySettled, shift
from edge_agent.stays.model import Gap, Stay
from tests.edge_agent.test_stays import CAR, Street, Vehicle

LORRY = Vehicle((60, 60, 300, 239), seed=88, detected=False)
"""So near that the detector does not know it; all that surrounds the car is hidden, too."""
HOUR_MS = 3_600_000


def test_every_point_in_time_moves_with_the_clock() -> None:
    street = Street()
    for _ in range(10):
        street.look([CAR])
    (stay,) = street.state.stays
    points = [field.name for field in fields(Stay) if "Millis" in str(field.type)]
    assert {"first_ms", "last_ms", "hidden_ms", "larger_ms"} <= set(points)
    stay = replace(stay, **dict.fromkeys(points, street.now), gaps=(Gap("offline", street.now, street.now),))
    state = shift(replace(street.state, stays=(stay,)), -HOUR_MS)
    (moved,) = state.stays
    assert {name: getattr(moved, name) for name in points} == dict.fromkeys(points, street.now - HOUR_MS)
    assert (moved.gaps[0].start_ms, moved.gaps[0].end_ms, state.last_ms) == (street.now - HOUR_MS,) * 3
    assert shift(state, HOUR_MS).stays == (stay,)
    assert shift(replace(state, stays=(replace(stay, hidden_ms=None),)), 1).stays[0].hidden_ms is None


def test_something_that_hides_a_car_before_and_after_an_outage_has_not_stood_there_all_the_while() -> None:
    street = Street()
    for _ in range(10):
        street.look([CAR])
    for _ in range(3):
        street.look([LORRY])
    assert street.state.stays[0].verdict == "hidden"
    street.look([LORRY], after_s=3600)
    assert street.of(StayEnded) == []
    street.look([CAR])
    street.look([CAR])
    assert len(street.of(StaySettled)) == 1, "the car is still the same"


def test_a_clock_that_went_back_lets_a_car_go_before_whose_place_a_lorry_stays() -> None:
    street = Street()
    for _ in range(10):
        street.look([CAR])
    for _ in range(5):
        street.look([LORRY])
    street.state, street.now = shift(street.state, -HOUR_MS), street.now - HOUR_MS
    for _ in range(100):
        street.look([LORRY])
    assert [event.reason for event in street.of(StayEnded) if isinstance(event, StayEnded)] == ["departed"]
