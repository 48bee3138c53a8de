"""A detection that is a piece of a vehicle, or a box around two, is no vehicle of its own; who is hidden has not left."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_agent.perception.eyes import _one_each
from edge_agent.stays import StayEnded, StaySettled
from edge_agent.stays.pieces import feet_hidden, needed_score, spans
from models.detections import Detection
from tests.edge_agent.test_stays import CAR, INDEX, PERIOD_S, PLACE, RULES, T0, Street, Vehicle
from zones import Box

LEFT, TOP, RIGHT, BOTTOM = PLACE
BUS: Box = (40, 60, 150, 230)
REST: Box = (150, TOP + 2, RIGHT, BOTTOM)
"""What the bus leaves to be seen of the car."""


def box(where: Box, label: str = "car") -> Vehicle:
    """Detected, and nothing but what others have painted."""
    return Vehicle(where, seed=0, label=label, painted=False)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("seconds", [8, 70, 150])
def test_a_bus_that_stands_before_a_car_makes_neither_two_of_it_nor_none(known: bool, seconds: int) -> None:
    street = Street()
    for _ in range(12):
        street.look([CAR], jitter=1)
    bus = Vehicle(BUS, seed=99, label="bus", detected=known)
    for _ in range(seconds // 2):
        street.look([replace(CAR, detected=False), bus, box(REST)], jitter=1)
    for _ in range(5):
        street.look([CAR], jitter=1)
    assert [event.stay.id for event in street.of(StaySettled)] == [street.state.stays[0].id]
    assert street.of(StayEnded) == []
    assert street.state.stays[0].covered_ms == 30_000 - RULES.roll_ms


def test_another_car_behind_the_bus_is_another_stay() -> None:
    street = Street()
    for _ in range(12):
        street.look([CAR])
    bus = Vehicle(BUS, seed=99, label="bus")
    for _ in range(6):
        street.look([Vehicle(PLACE, seed=8, detected=False), bus, box(REST)])
    assert len(street.of(StaySettled)) == 2


def test_a_cab_that_is_found_first_becomes_the_lorry_and_keeps_its_time() -> None:
    lorry = Vehicle((60, 110, 180, 185), seed=7, label="truck", detected=False)
    cab = box((60, 125, 110, 184))
    street = Street()
    for _ in range(10):
        street.look([lorry, cab])
    for _ in range(3):
        street.look([replace(lorry, detected=True)])
    (stay,) = street.state.stays
    assert (stay.anchor, stay.label, stay.first_ms) == (lorry.box, "truck", T0 + 2000 + RULES.roll_ms)
    assert stay.covered_ms == 24_000 - RULES.roll_ms
    assert stay.checks == ()


def test_a_van_that_comes_to_stand_behind_a_car_is_not_the_whole_of_it() -> None:
    van = Vehicle((80, 60, 200, 160), seed=31, label="truck")
    street = Street()
    for _ in range(10):
        street.look([CAR])
    for _ in range(30):
        street.look([van, replace(CAR, detected=False)])
    assert street.state.stays[0].anchor == PLACE


def test_a_box_around_the_car_and_one_that_passes_moves_nothing() -> None:
    street = Street()
    for _ in range(12):
        street.look([CAR], jitter=1)
    before = street.state.stays[0].anchor
    passing = Vehicle((40, 130, 150, 195), seed=5, detected=False)
    street.look([replace(CAR, detected=False), passing, box((60, TOP, RIGHT + 2, 195))])
    for _ in range(4):
        street.look([CAR], jitter=1)
    assert [stay.anchor for stay in street.state.stays if stay.settled] == [before]
    assert street.of(StayEnded) == []


def test_a_box_over_two_cars_that_stand_is_no_third() -> None:
    pair = [Vehicle((60, 120, 140, 175), seed=11), Vehicle((142, 120, 222, 175), seed=12)]
    street = Street()
    for _ in range(6):
        street.look(pair)
    for _ in range(6):
        street.look([*pair, box((105, 122, 180, 175))])
    assert len(street.of(StaySettled)) == 2
    stays = street.state.stays
    assert spans((105, 122, 180, 175), stays, RULES)
    assert not spans((135, 80, 190, 130), stays, RULES), "a third that looks out behind the two"


def test_boxes_that_tremble_by_half_a_lorry_restart_no_clock() -> None:
    lorry = Vehicle((60, 115, 220, 190), seed=9, label="truck", detected=False)
    street = Street()
    for moment in range(8):
        street.look([lorry, box((60, 115, 220 if moment % 2 else 170, 190), "truck")])
    (event,) = street.of(StaySettled)
    assert event.stay.first_ms == T0 + 2000 + RULES.roll_ms
    assert street.state.stays[0].covered_ms == round(14 * PERIOD_S / 2 * 1000) - RULES.roll_ms


def test_what_stands_with_its_feet_hidden_must_look_like_a_vehicle_twice_as_surely() -> None:
    street = Street()
    for _ in range(6):
        street.look([CAR])
    behind: Box = (120, 80, 175, 150)
    assert feet_hidden(behind, "bus", street.state.stays, INDEX, RULES)
    assert not feet_hidden((150, 80, 240, 150), "car", street.state.stays, INDEX, RULES)
    assert not feet_hidden((110, 120, 170, 185), "car", street.state.stays, INDEX, RULES), "nearer"
    stay = replace(street.state.stays[0], masked=True)
    assert needed_score(stay, RULES) == 2 * RULES.vehicle_score


def test_of_a_whole_and_its_piece_one_is_kept() -> None:
    def kept(*found: tuple[str, float, Box]) -> list[tuple[float, Box]]:
        items = [Detection(where, score, label) for label, score, where in found]
        return [(item.score, item.box) for item in _one_each(items, (320, 240))]

    cab: Box = (60, 125, 110, 184)
    lorry: Box = (58, 110, 180, 186)
    assert kept(("car", 0.34, cab), ("truck", 0.3, lorry)) == [(0.34, lorry)]
    assert kept(("car", 0.75, cab), ("truck", 0.25, lorry)) == [(0.75, cab)]
    assert kept(("car", 0.34, cab), ("motorcycle", 0.33, lorry)) == [(0.34, cab)]
    assert kept(("car", 0.34, cab), ("bus", 0.33, (58, 80, 180, 186))) == [(0.34, cab)], "twice as high"
    assert kept(("car", 0.5, cab), ("car", 0.5, (112, 120, 178, 186)), ("truck", 0.4, lorry)) == [
        (0.5, cab),
        (0.5, (112, 120, 178, 186)),
    ], "two cars in a box around both"
    assert kept(("person", 0.5, cab), ("car", 0.5, lorry)) == [(0.5, lorry), (0.5, cab)]
