"""Who takes another's place within a look or two is another; and who comes beside what is none has a stay."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_agent.stays import StayEnded, StayRules, StaySettled
from edge_agent.stays.model import Seen
from edge_agent.stays.pieces import doubles
from tests.edge_agent.test_stays import CAR, PLACE, RULES, Street, Vehicle

LEFT, TOP, RIGHT, BOTTOM = PLACE

PASSING = Vehicle((LEFT - 30, TOP - 20, RIGHT - 40, BOTTOM + 40), seed=50, label="truck")
PULLING_OUT = Vehicle((LEFT - 3, TOP, RIGHT - 3, BOTTOM), CAR.seed)
TWIN = Vehicle((LEFT + 2, TOP, RIGHT + 2, BOTTOM), CAR.seed)


@pytest.mark.parametrize("stirs", [True, False])
def test_who_was_seen_to_pull_out_may_have_been_followed_by_another_within_five_seconds(stirs: bool) -> None:
    """A lorry passes while they change places; the other stands two pixels aside. Of a car that was at rest in the look before, two
    pixels are the camera's."""
    street = Street()
    for _ in range(10):
        street.look([CAR])
    street.look([PULLING_OUT if stirs else CAR])
    street.look([replace(CAR, detected=False), PASSING])
    for _ in range(10):
        street.look([TWIN])
    ends = [event.reason for event in street.of(StayEnded) if isinstance(event, StayEnded)]
    assert ends == (["replaced"] if stirs else [])
    assert len(street.of(StaySettled)) == (2 if stirs else 1)


@pytest.mark.parametrize(
    ("period_s", "aside", "ends"),
    [
        pytest.param(10, 2, ["replaced"], id="ten seconds are enough for two to change places"),
        pytest.param(10, 0, [], id="who stands on is the same"),
        pytest.param(2, 2, [], id="two seconds are not enough"),
    ],
)
def test_where_looks_are_far_apart_who_stands_aside_is_another(
    period_s: float, aside: int, ends: list[str]
) -> None:
    """The other was there in the next look, as like as two peas."""
    street = Street(StayRules.for_period(period_s))
    for _ in range(6):
        street.look([CAR], after_s=period_s)
    twin = Vehicle((LEFT + aside, TOP, RIGHT + aside, BOTTOM), CAR.seed)
    for _ in range(6):
        street.look([twin], after_s=period_s)
    assert [event.reason for event in street.of(StayEnded) if isinstance(event, StayEnded)] == ends
    assert len(street.of(StaySettled)) == 1 + len(ends)


HEAP = Vehicle((100, 132, 130, 168), seed=4)


@pytest.mark.parametrize(
    ("checks", "cars"),
    [
        pytest.param((0.04, 0.05), 1, id="twice looked at and none"),
        pytest.param((0.04,), 0, id="looked at once"),
        pytest.param((0.3, 0.3), 0, id="a motorcycle"),
    ],
)
def test_a_heap_that_is_found_in_every_look_keeps_no_car_from_its_stay(
    checks: tuple[float, ...], cars: int
) -> None:
    """The heap shows beside the car's wheel, and is found for itself all the while."""
    street = Street()
    for _ in range(6):
        street.look([HEAP])
    street.state = replace(
        street.state, stays=tuple(replace(stay, checks=checks) for stay in street.state.stays)
    )
    car = Vehicle((105, 110, 185, 172), seed=7)
    for _ in range(8):
        street.look([car, HEAP])
    assert [stay.anchor for stay in street.state.stays if stay.settled and stay.anchor != HEAP.box] == [
        car.box
    ] * cars


def test_a_heap_ends_no_car_in_which_a_closer_look_has_found_a_vehicle() -> None:
    street = Street()
    for _ in range(6):
        street.look([CAR])
    (car,) = street.state.stays
    heap = replace(car, id="heap", first_ms=car.first_ms - 20_000, anchor=HEAP.box, checks=(0.05, 0.03))
    seen = (Seen(HEAP.box, "car", 0.4), Seen(PLACE, "car", 0.6))
    assert doubles([heap, replace(car, checks=(0.5,))], seen, RULES) == {"heap"}
    assert doubles([replace(heap, checks=(0.3, 0.3)), replace(car, checks=(0.5,))], seen, RULES) == {car.id}
