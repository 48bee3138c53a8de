"""A detection that is a piece of a vehicle, or a box around two, is no vehicle of its own; who is hidden has not left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from edge_agent.attention import Camera, look_closer
from edge_agent.frames import Frame, Image
from edge_agent.perception import Eyes, EyesConfig
from edge_agent.perception._merge import one_each
from edge_agent.perception.closer import closer_look
from edge_agent.stays import StayEnded, StaySettled, StayWatched
from edge_agent.stays.model import VEHICLES, Seen
from edge_agent.stays.pieces import doubles, feet_hidden, holds_another, needed_score, spans
from models.detections import Detection, Detections
from tests.edge_agent.test_stays import CAR, HEIGHT, INDEX, PERIOD_S, PLACE, RULES, T0, WIDTH, Street, Vehicle
from zones import Box

LEFT, TOP, RIGHT, BOTTOM = PLACE
BUS: Box = (40, 60, 150, 230)
REST: Box = (150, TOP + 2, RIGHT, BOTTOM)
"""What the bus leaves to be seen of the car."""


def box(where: Box, label: str = "car") -> Vehicle:
    """Detected, and nothing but what others have painted."""
    return Vehicle(where, seed=0, label=label, painted=False)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("seconds", [8, 150])
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


@pytest.mark.parametrize("wheel", [(43, 164, 81, 190), (44, 172, 68, 190)], ids=["small", "tiny"])
@pytest.mark.parametrize("half", [True, False])
def test_neither_a_wheel_nor_half_of_a_van_behind_a_bus_is_another_vehicle(wheel: Box, half: bool) -> None:
    """The half that still shows lies in the van's place and has another size; the wheel has few cells of the van's look."""
    van = Vehicle((40, 80, 220, 188), seed=7)
    bus = Vehicle((136, 50, 300, 230), seed=99, label="bus", detected=False)
    found = [box((42, 82, 139, 184))] * half + [box(wheel)]
    street = Street()
    for _ in range(12):
        street.look([van], jitter=1)
    for _ in range(30):
        street.look([replace(van, detected=False), bus, *found], jitter=1)
    for _ in range(5):
        street.look([van], jitter=1)
    (stay,) = street.state.stays
    assert [event.stay.id for event in street.of(StaySettled)] == [stay.id]
    assert street.of(StayEnded) == []


@pytest.mark.parametrize("drop", [0, 12], ids=["on its ground", "a box that trembles"])
def test_of_what_something_nearer_covers_just_now_the_next_look_tells(drop: int) -> None:
    """A passer-by before the end of a car that a bus leaves to be seen: nothing of it can be compared."""
    van = Vehicle((40, 80, 220, 188), seed=7)
    bus = Vehicle((140, 50, 300, 230), seed=99, label="bus", detected=False)
    end = (42, 100, 110, 184)
    street = Street()
    for _ in range(12):
        street.look([van], jitter=1)
    for number in range(20):
        covered = number == 10
        passer_by = [box((38, 96, 112, 210), "person")] * covered
        end_now = (*end[:3], end[3] + drop * covered)
        street.look([replace(van, detected=False), bus, box(end_now), *passer_by], jitter=1)
    assert len(street.of(StaySettled)) == 1


@pytest.mark.parametrize(("looks", "stays"), [(0, 1), (4, 2)])
def test_what_looks_otherwise_behind_the_bus_is_another_stay_once_there_was_time_to_change_places(
    looks: int, stays: int
) -> None:
    """Within a look of the last proof it is the same car with something before it: a mirror, a shadow."""
    street = Street()
    for _ in range(12):
        street.look([CAR])
    bus = Vehicle(BUS, seed=99, label="bus")
    for _ in range(looks):
        street.look([replace(CAR, detected=False), bus])
    for _ in range(12):
        street.look([Vehicle(PLACE, seed=8, detected=False), bus, box(REST)])
    assert len(street.of(StaySettled)) == stays


def test_a_car_that_stops_before_another_is_another_stay_at_once() -> None:
    """It stands on nearer ground, so it is not what still shows of the one behind."""
    street = Street()
    for _ in range(12):
        street.look([CAR])
    before = Vehicle((LEFT + 10, TOP + 12, RIGHT, BOTTOM + 10), seed=31)
    for _ in range(6):
        street.look([replace(CAR, detected=False), before])
    assert [event.stay.anchor for event in street.of(StaySettled)] == [PLACE, before.box]


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


def test_what_is_found_faintly_and_never_closely_ends_no_car_that_stands_over_it() -> None:
    """A shop's window that once passed for a car."""
    window: Box = (LEFT + 40, TOP, RIGHT + 15, BOTTOM - 10)
    street = Street()
    for _ in range(6):
        street.look([box(window)])
    (ghost,) = street.state.stays
    street = Street()
    for _ in range(6):
        street.look([CAR])
    (car,) = street.state.stays
    car = replace(car, id="car", first_ms=ghost.first_ms + 20_000)
    found = Seen(PLACE, "car", 0.66)
    for score, checks, ended in ((0.24, (), set()), (0.5, (), {"car"}), (0.24, (0.3,), {"car"})):
        there = (Seen(window, "car", score), found)
        assert doubles([replace(ghost, checks=checks), car], there, RULES) == ended
    assert doubles([ghost, replace(car, checks=(0.6,))], (found,), RULES) == {ghost.id}


@pytest.mark.parametrize(
    ("later_s", "lorry", "cab", "ends"),
    [
        pytest.param(0, 0.5, 0.3, "cab", id="the lorry is surer"),
        pytest.param(0, 0.3, 0.5, "lorry", id="a box around a car and a heap"),
        pytest.param(0, 0.0, 0.0, "lorry", id="nobody has looked closer"),
        pytest.param(60, 0.5, 0.3, "lorry", id="a motorcycle stood before it came"),
    ],
)
def test_of_a_lorry_and_an_end_of_it_that_came_together_one_stays(
    later_s: int, lorry: float, cab: float, ends: str
) -> None:
    """The end has the lower number, for boxes are numbered from the left."""
    end: Box = (100, 118, 125, 160)
    streets = (Street(), Street())
    for _ in range(6):
        streets[0].look([box(end, "motorcycle")])
        streets[1].look([box((105, 110, 280, 186), "truck")])
    (one,), (other,) = (street.state.stays for street in streets)
    one = replace(one, id="1", checks=(cab, cab) if cab else ())
    looks = (lorry, lorry) if lorry else ()
    other = replace(other, id="2", checks=looks, first_ms=one.first_ms + 1000 * later_s)
    seen = (Seen(end, "motorcycle", 0.3), Seen(other.anchor, "truck", 0.5))
    assert doubles([one, other], seen, RULES) == {"1" if ends == "cab" else "2"}


def test_a_car_out_of_sight_is_no_piece_of_what_still_shows_of_it() -> None:
    """A bus stands before it, and its rear passes for a car, even when looked at closely."""
    street = Street()
    for _ in range(6):
        street.look([CAR])
    (car,) = street.state.stays
    rear = replace(car, id="rear", first_ms=car.first_ms + 60_000, anchor=REST, checks=(0.2,))
    seen = (Seen(REST, "car", 0.35),)
    assert doubles([replace(car, verdict="occluded"), rear], seen, RULES) == set()
    assert doubles([car, rear], seen, RULES) == {car.id}, (
        "its place looks as ever, and only the smaller is found"
    )
    whole = replace(car, id="whole", first_ms=rear.first_ms + 60_000, checks=(0.2,))
    assert doubles(
        [replace(rear, verdict="occluded", checks=()), whole], (Seen(PLACE, "car", 0.6),), RULES
    ) == {"rear"}


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
        return [(item.score, item.box) for item in one_each(items, (320, 240))]

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


class Knowing:
    """A detector that knows what stands in the picture; each pixel says where it is."""

    def __init__(self, known: Sequence[tuple[Box, float]]) -> None:
        self.known = known

    def detect(self, pictures: Sequence[Image]) -> list[Detections]:
        (view,) = pictures
        start, end = view[0, 0].astype(int), view[0, -1].astype(int)
        mirrored = bool(start[0] + 256 * start[1] > end[0] + 256 * end[1])
        left, top = min(p[0] + 256 * p[1] for p in (start, end)), start[2]
        width = view.shape[1]
        boxes = [(x1 - left, y1 - top, x2 - left, y2 - top) for (x1, y1, x2, y2), _ in self.known]
        there = [
            (width - x2, y1, width - x1, y2) if mirrored else (x1, y1, x2, y2) for x1, y1, x2, y2 in boxes
        ]
        return [Detections(there, [score for _, score in self.known], ["truck"] * len(there))]

    def detect_regions(self, picture: Image, regions: object) -> Detections:
        raise NotImplementedError


LORRY = Vehicle((220, 110, 320, 184), seed=7, label="truck", detected=False)
CAB = box((220, 118, 285, 182))
REAR: Box = (240, 108, 320, 184)
"""The lorry by a box that trembles: it holds but two thirds of the cab."""
NEAR: Box = (200, 112, 320, 240)
"""Another that comes towards the camera: all that shows of it is twice as high as its far end."""


@pytest.mark.parametrize(
    ("lorry", "seen", "found", "becomes"),
    [
        (LORRY, LORRY.box, True, LORRY.box),
        (LORRY, LORRY.box, False, CAB.box),
        (LORRY, REAR, True, REAR),
        (replace(LORRY, box=(180, 110, 280, 184)), (180, 110, 280, 184), True, (180, 118, 245, 182)),
        (replace(LORRY, box=NEAR), NEAR, True, NEAR),
    ],
)
def test_the_end_that_the_pictures_edge_leaves_of_a_lorry_becomes_the_lorry_by_a_closer_look(
    lorry: Vehicle, seen: Box, found: bool, becomes: Box
) -> None:
    left, _, _, _ = lorry.box
    cab = box((left, 118, left + 65, 182))
    street = Street()
    for moment in range(20):
        street.look([lorry, cab] if moment != 5 else [lorry, box(seen, "truck")])
    (stay,) = street.state.stays
    assert (stay.anchor, stay.whole) == (cab.box, seen)
    x, y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    image = np.dstack([x % 256, x // 256, y]).astype(np.uint8)
    detector = Knowing([(cab.box, 0.4), *([(lorry.box, 0.2)] if found else [])])
    if lorry.box[3] < HEIGHT:
        assert closer_look(detector, image, lorry.box, VEHICLES) == pytest.approx(0.4), "nearly the same box"
    assert closer_look(detector, image, lorry.box, VEHICLES, piece=cab.box) == pytest.approx(0.2 * found)
    camera = Camera("cam1", Eyes(INDEX, detector, 320, EyesConfig()), RULES, street.state, "", "")
    watched = StayWatched(stay, street.now, proven=True)
    state, (event,) = look_closer(
        camera, Frame("cam1", street.now, image, 0), street.state, (watched,), lambda _: None
    )
    assert isinstance(event, StayWatched)
    (after,) = state.stays
    assert after == event.stay
    assert after.anchor == becomes
    assert (after.first_ms, after.covered_ms) == (stay.first_ms, stay.covered_ms)
    assert event.proven is (becomes == cab.box), "nothing is opened by the look that tells"


@pytest.mark.parametrize(
    ("other", "another"),
    [
        ((225, 116, 316, 182), True),
        ((180, 111, 320, 184), False),  # most of it: a further piece
        ((150, 116, 214, 182), False),  # the same end
        ((20, 116, 110, 182), False),  # elsewhere
    ],
)
def test_a_box_around_a_vehicle_and_one_that_came_just_now_is_no_whole(other: Box, another: bool) -> None:
    end, came = Street(), Street()
    for _ in range(6):
        end.look([box((150, 118, 215, 182))])
    came.look([box(other)])
    (stay,), (new,) = end.state.stays, came.state.stays
    assert not new.settled
    assert holds_another(replace(new, id="new"), stay, (150, 110, 320, 186), RULES) is another
    assert not holds_another(stay, stay, (150, 110, 320, 186), RULES)
