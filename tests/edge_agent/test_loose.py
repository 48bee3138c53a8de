"""A box with more in it than its vehicle, or with two, is told from the vehicle's own, and what shows of another proves nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_agent.stays import StayEnded, StaySettled, StayWatched
from tests.edge_agent.test_stays import RULES, T0, Street, Vehicle
from zones import Box

LORRY = Vehicle((60, 110, 160, 185), seed=7, label="truck", score=0.45)
LOOSE: Box = (58, 100, 270, 186)


def around(box: Box, score: float = 0.35) -> Vehicle:
    """A box that a detector puts around what others have painted."""
    return Vehicle(box, seed=0, label="bus", painted=False, score=score)


def test_a_lorry_that_was_found_with_the_street_beside_it_becomes_itself_and_keeps_its_time() -> None:
    street = Street()
    for _ in range(5):
        street.look([replace(LORRY, detected=False), around(LOOSE)])
    for _ in range(RULES.whole_hits):
        street.look([LORRY])
    (stay,) = street.state.stays
    assert (stay.anchor, stay.label, stay.first_ms) == (LORRY.box, "truck", T0 + 2000 + RULES.roll_ms)
    assert stay.covered_ms == 14_000 - RULES.roll_ms
    assert len(street.of(StaySettled)) == 1


@pytest.mark.parametrize(
    "inner",
    [
        pytest.param(replace(LORRY, score=0.3), id="less sure than the box"),
        pytest.param(replace(LORRY, label="car"), id="a car: the lorry's cab"),
        pytest.param(replace(LORRY, box=(110, 110, 210, 185)), id="in the middle"),
        pytest.param(replace(LORRY, box=(60, 60, 160, 165)), id="on other ground"),
    ],
)
def test_what_may_be_a_piece_of_the_lorry_or_another_vehicle_does_not_take_its_place(inner: Vehicle) -> None:
    street = Street()
    whole = Vehicle(LOOSE, seed=7, label="truck", score=0.35)
    for _ in range(5):
        street.look([whole])
    for _ in range(8):
        street.look([replace(whole, detected=False), replace(inner, painted=False)])
    assert LOOSE in [stay.anchor for stay in street.state.stays]


def test_a_box_that_is_found_again_between_keeps_its_vehicle() -> None:
    """A long lorry whose box trembles: as often whole as not."""
    street = Street()
    whole = Vehicle(LOOSE, seed=7, label="truck", score=0.35)
    for number in range(24):
        short = number % 2 == 1
        piece = [replace(LORRY, painted=False)] * short
        street.look([replace(whole, detected=not short), *piece])
    assert [stay.anchor for stay in street.state.stays if stay.settled] == [LOOSE]


def test_a_box_over_two_lorries_moves_neither_and_the_second_has_its_stay_at_once() -> None:
    first = Vehicle((150, 105, 260, 170), seed=7, label="truck")
    second = Vehicle((60, 115, 160, 190), seed=8, label="truck")
    both = around((62, 105, 240, 189), score=0.5)
    street = Street()
    for _ in range(8):
        street.look([first])
    looked_at = replace(street.state.stays[0], checks=(0.5, 0.5))
    street.state = replace(street.state, stays=(looked_at,))
    street.look([first, second])
    for number in range(10):
        found = number in (5, 8)
        street.look([replace(first, detected=found), replace(second, detected=found), both])
    assert [stay.anchor for stay in street.state.stays] == [first.box, second.box]
    assert [event.stay.first_ms for event in street.of(StaySettled)] == [
        T0 + 2000 + RULES.roll_ms,
        T0 + 18_000 + RULES.roll_ms,
    ]


def test_a_box_around_a_hidden_vehicle_and_more_begins_no_second_stay() -> None:
    first = Vehicle((150, 105, 260, 170), seed=7, label="truck")
    second = Vehicle((90, 80, 225, 190), seed=8, label="bus")
    street = Street()
    for _ in range(8):
        street.look([first])
    for _ in range(12):
        street.look([replace(first, detected=False), second, around((148, 70, 300, 172), score=0.5)])
    assert [event.stay.anchor for event in street.of(StaySettled)] == [first.box, second.box]


@pytest.mark.parametrize("leaves", [True, False])
def test_what_shows_of_a_lorry_before_it_proves_no_vehicle(leaves: bool) -> None:
    """Of a loose box most is another's rear. When its own vehicle has left, that still looks as it did."""
    lorry = Vehicle((60, 60, 175, 195), seed=8, label="truck")
    own = Vehicle((170, 100, 210, 172), seed=7)
    loose = (130, 70, 212, 172)
    street = Street()
    for _ in range(8):
        street.look([lorry])
    for _ in range(12):
        street.look([replace(own, detected=False), lorry, replace(around(loose), score=0.5)])
    (stay,) = (stay for stay in street.state.stays if stay.anchor != lorry.box)
    until = street.now
    for _ in range(3):
        street.look([replace(own, detected=False)] * (not leaves) + [lorry, around(loose)])
    proven = [
        event.proven
        for event in street.of(StayWatched)
        if isinstance(event, StayWatched) and event.stay.id == stay.id and event.at_ms > until
    ]
    assert proven == [not leaves] * 3
    assert street.of(StayEnded) == []
