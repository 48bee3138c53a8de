"""A thing that nobody saw come must be twice as surely a vehicle; by day only if it is known that it was there before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from edge_agent.attention import Camera, look_closer
from edge_agent.cases import Case
from edge_agent.frames import Frame, Image
from edge_agent.glances import considered
from edge_agent.perception import Eyes, EyesConfig
from edge_agent.stays import CameraState, Observation, Stay, StayWatched, Terms, step
from edge_agent.stays.arrival import with_arrival
from edge_agent.stays.pieces import needed_score
from models.detections import Detections
from tests.edge_agent.test_stays import INDEX, PLACE, RULES, T0, Vehicle, paint

CAR = Vehicle(PLACE, seed=7)
WIDE, HIGH = PLACE[2] - PLACE[0], PLACE[3] - PLACE[1]


class Scripted:
    """Finds the place when told to, and in closer looks with a score that is told."""

    def __init__(self) -> None:
        self.finds, self.faintly, self.closer = False, False, 0.2

    def detect_regions(self, picture: Image, regions: object) -> Detections:
        score = 0.5 if self.finds else 0.25
        found = self.finds or self.faintly
        return Detections([PLACE] if found else [], [score] if found else [], ["car"] * found)

    def detect(self, pictures: Sequence[Image]) -> list[Detections]:
        (view,) = pictures
        x, y = view.shape[1] / 2, view.shape[0] / 2
        box = (x - WIDE / 2, y - HIGH / 2, x + WIDE / 2, y + HIGH / 2)
        return [Detections([box], [self.closer], ["car"])]


def seen_by_eyes(
    light: float, *, there: int, found: int, looks: int = 12, faintly: bool = False
) -> tuple[Camera, Stay, Frame]:
    """The one stay of what `watched` shows."""
    camera, frame = watched(light, there=there, found=found, looks=looks, faintly=faintly)
    (stay,) = camera.state.stays
    return camera, stay, frame


def watched(light: float, *, there: int, found: int, looks: int, faintly: bool) -> tuple[Camera, Frame]:
    """What stands in the place from one look on, and is detected from another on; before, not at all or faintly."""
    detector = Scripted()
    eyes = Eyes(INDEX, detector, 320, EyesConfig(skip_unchanged=False))
    camera = Camera("cam1", eyes, RULES, CameraState("cam1"), "", "")
    frame = None
    for number in range(looks):
        detector.finds, detector.faintly = number >= found, faintly and number >= there
        image = paint([CAR] if number >= there else [], number, light)
        frame = Frame("cam1", T0 + number * 2000, image, number)
        seen = eyes.observe(frame, camera.state, force=True)
        assert seen.dim is (light < 0.5)
        camera.state, _ = step(camera.state, seen, INDEX, RULES)
    assert frame is not None
    return camera, frame


@pytest.mark.parametrize(
    ("light", "there", "found", "unsure"),
    [
        pytest.param(0.3, 4, 4, False, id="seen coming by night"),
        pytest.param(0.3, 0, 4, True, id="a shrub that is found now and then"),
        pytest.param(0.3, 0, 0, True, id="there and found from the first picture"),
        pytest.param(0.3, 1, 1, True, id="one look at a place does not tell how it is"),
        pytest.param(1.0, 0, 4, True, id="a shrub by day"),
        pytest.param(1.0, 4, 4, False, id="seen coming by day"),
        pytest.param(1.0, 0, 0, False, id="there and found from the first picture by day"),
    ],
)
def test_who_must_be_found_twice_as_surely(light: float, there: int, found: int, unsure: bool) -> None:
    _, stay, _ = seen_by_eyes(light, there=there, found=found)
    assert (stay.settled, stay.unsure) == (True, unsure)
    assert needed_score(stay, RULES) == RULES.vehicle_score * (2 if unsure else 1)


@pytest.mark.parametrize(
    ("light", "there", "found", "unsure"),
    [
        pytest.param(1.0, 0, 20, True, id="a shrub that is nearly a car all the time"),
        pytest.param(1.0, 0, 4, False, id="a car of the first picture that is found faintly for some looks"),
        pytest.param(1.0, 20, 40, False, id="seen coming, though it is found faintly for long"),
        pytest.param(0.3, 20, 40, False, id="seen coming by night, though it is found faintly for long"),
        pytest.param(0.3, 0, 20, True, id="a shrub that is nearly a car by night"),
    ],
)
def test_what_was_found_faintly_all_the_time_was_there_before(
    light: float, there: int, found: int, unsure: bool
) -> None:
    _, stay, _ = seen_by_eyes(light, there=there, found=found, looks=found + 8, faintly=True)
    assert (stay.settled, stay.unsure) == (True, unsure)


@pytest.mark.parametrize("light", [1.0, 0.3])
def test_what_came_begins_a_stay_though_it_is_found_but_faintly_and_must_be_plain_to_see(
    light: float,
) -> None:
    _, stay, _ = seen_by_eyes(light, there=4, found=99, looks=12, faintly=True)
    assert (stay.first_ms, stay.settled, stay.unsure) == (T0 + 8000 + RULES.roll_ms, True, True)
    assert needed_score(stay, RULES) == 2 * RULES.vehicle_score
    _, stay, _ = seen_by_eyes(light, there=4, found=8, looks=12, faintly=True)
    assert (stay.first_ms, stay.unsure) == (T0 + 8000 + RULES.roll_ms, False)


def test_what_was_found_faintly_all_the_time_begins_no_stay() -> None:
    camera, _ = watched(1.0, there=0, found=99, looks=30, faintly=True)
    assert camera.state.stays == ()


def test_passers_by_are_no_arrival_and_a_new_place_is_judged_anew() -> None:
    def look(stay: Stay, before: float) -> Stay:
        seen = Observation(stay.last_ms, before={stay.id: before}, dim=True)
        return with_arrival(replace(stay, hits=stay.hits + 1), seen, RULES)

    _, shrub, _ = seen_by_eyes(0.3, there=0, found=0, looks=5)
    for before in (0.1, 0.8, 0.9, 0.7):
        shrub = look(shrub, before)
    assert shrub.unsure
    car = shrub
    for before in (0.1, 0.2, 0.1):
        car = look(replace(car, hits=0) if before == 0.1 and car is shrub else car, before)
    assert (car.compared, car.unsure) == (3, False)


def test_the_end_of_the_clock_asks_what_the_case_asked() -> None:
    camera, found, frame = seen_by_eyes(0.3, there=0, found=0)
    for unsure, state, score, proven in (
        (True, "rechecking", 0.1, False),
        (True, "rechecking", 0.5, True),
        (True, "tasked", 0.1, True),
        (False, "rechecking", 0.1, True),
    ):
        cast(Any, camera.eyes)._detector.closer = score
        stay = replace(found, unsure=unsure, checks=(0.31, 0.31))
        case = cast(Case, SimpleNamespace(state=state, clock_ends_ms=frame.at_ms))
        events = (StayWatched(stay, frame.at_ms, proven=True),)
        now = replace(camera.state, stays=(stay,))
        after, (event,) = look_closer(camera, frame, now, events, lambda _, case=case: case)  # type: ignore[misc]
        assert isinstance(event, StayWatched)
        assert event.proven is proven
        asked = unsure and state == "rechecking"
        assert after.stays[0].checks == pytest.approx((0.31, 0.31, score) if asked else (0.31, 0.31))


@pytest.mark.parametrize(("stirred", "proven"), [(0, True), (1, False), (2, True)])
@pytest.mark.parametrize("due", [True, False])
def test_no_task_rests_on_the_first_look_in_which_it_may_pull_out(
    stirred: int, proven: bool, due: bool
) -> None:
    camera, found, frame = seen_by_eyes(1.0, there=4, found=4)
    stay = replace(found, stirred=stirred, checks=(0.5, 0.5))
    now = replace(camera.state, stays=(stay,))
    ends_ms = frame.at_ms if due else frame.at_ms + 1
    case = cast(Case, SimpleNamespace(state="notified", clock_ends_ms=ends_ms))
    _, (event,) = look_closer(
        camera, frame, now, (StayWatched(stay, frame.at_ms, proven=True),), lambda _: case
    )
    assert isinstance(event, StayWatched)
    assert event.proven is (proven or not due)


@pytest.mark.parametrize("state", ["observing", "notified", "rechecking"])
def test_a_look_on_which_a_task_may_rest_is_never_put_off(state: str) -> None:
    """However late the round is, and in a second look between two checks, too."""
    camera, found, frame = seen_by_eyes(0.3, there=0, found=0)
    cast(Any, camera.eyes)._detector.closer = 0.1
    stay = replace(found, unsure=True, checks=(0.31, 0.31), zone_id="P1")
    camera.state = replace(camera.state, stays=(stay,))
    case = cast(Case, SimpleNamespace(state=state, clock_ends_ms=frame.at_ms, plate=None, identified=True))
    later = replace(frame, at_ms=frame.at_ms + 2_000)
    seen = camera.eyes.observe(later, camera.state, force=True)
    asked: list[str] = []

    def no_time() -> bool:
        asked.append(state)
        return False

    glance = considered(camera, later, seen, Terms(), None, lambda _: case, no_time, again=False)
    _, events = glance.attend()
    (event,) = (event for event in events if isinstance(event, StayWatched))
    assert event.proven is (state == "observing"), "what was doubted proves nothing"
    assert asked == []


def test_a_thing_of_the_night_is_not_asked_for_ever() -> None:
    """Each look is a draw: who is asked often enough says yes some time."""
    camera, stay, frame = seen_by_eyes(0.3, there=0, found=0)
    stay = replace(stay, zone_id="P1", counts=False, covered_ms=10**6, checks=(0.2,) * RULES.max_checks)
    for unsure, looks in ((True, 0), (False, 1)):
        asked = replace(stay, unsure=unsure, masked=True)
        events = (StayWatched(asked, frame.at_ms, proven=True),)
        after, _ = look_closer(camera, frame, replace(camera.state, stays=(asked,)), events, lambda _: None)
        assert np.sign(after.stays[0].checked_ms) == looks


def test_a_thing_that_closer_looks_refute_is_asked_ever_more_rarely_and_must_be_plain_to_see_in_the_end() -> (
    None
):
    """Each look is a draw: a shrub that is asked each minute of a day is found to be a car some time."""
    camera, stay, frame = seen_by_eyes(1.0, there=4, found=4)
    cast(Any, camera.eyes)._detector.closer = 0.1
    stay = replace(stay, zone_id="P1", counts=False, covered_ms=60_000, checks=(0.1, 0.1))
    stay = replace(stay, checked_ms=frame.at_ms)
    asked = 0
    for look in range(12 * 120):
        at_ms = frame.at_ms + 30_000 * (look + 1)
        stay = replace(stay, covered_ms=stay.covered_ms + 30_000)
        state, _ = look_closer(
            camera,
            replace(frame, at_ms=at_ms),
            replace(camera.state, stays=(stay,)),
            (StayWatched(stay, at_ms, proven=True),),
            lambda _: None,
        )
        asked += state.stays[0].checked_ms == at_ms
        (stay,) = state.stays
    assert 8 < asked < 20
    assert needed_score(replace(stay, checks=(0.1,) * 5), RULES) == RULES.vehicle_score
    assert needed_score(stay, RULES) == 2 * RULES.vehicle_score
