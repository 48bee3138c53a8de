"""A lorry of which only the cab is found in the whole picture is one lorry, with one case; a car beside one is a car."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import inf
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from edge_agent.attention import Camera, attend, look_closer
from edge_agent.cases import Case
from edge_agent.frames import Frame
from edge_agent.perception import Eyes, EyesConfig
from edge_agent.stays import Seen, Stay, StayEnded, StayEvent, StayWatched
from edge_agent.stays.wholes import View, around, is_end, within
from tests.edge_agent.test_pieces import Knowing, box
from tests.edge_agent.test_stays import HEIGHT, INDEX, RULES, WIDTH, Street, Vehicle
from zones import Box

CAB: Box = (60, 125, 110, 184)
LORRY: Box = (58, 110, 180, 186)
REAR: Box = (135, 138, 178, 184)
NEARER: Box = (100, 150, 150, 200)
HALF_IN: Box = (150, 140, 205, 184)
SIZE = (float(WIDTH), float(HEIGHT))
OPEN: Box = (-inf, -inf, inf, inf)

Found = tuple[Box, str, float]


def stay_at(where: Box) -> Stay:
    street = Street()
    for _ in range(6):
        street.look([box(where)])
    (stay,) = street.state.stays
    return replace(stay, id=str(where))


@pytest.mark.parametrize(
    ("views", "becomes"),
    [
        pytest.param([[(LORRY, "truck", 0.5), (CAB, "car", 0.4)]] * 4, LORRY, id="a lorry"),
        pytest.param([[(LORRY, "bus", 0.2), (CAB, "car", 0.36)]] * 4, LORRY, id="faint, by night"),
        pytest.param([[(LORRY, "truck", 0.5), (REAR, "car", 0.4)]] * 4, LORRY, id="two of whose ends show"),
        pytest.param([[(LORRY, "truck", 0.4), (NEARER, "car", 0.7)]] * 4, LORRY, id="one passes before it"),
        pytest.param([[(LORRY, "truck", 0.2), (CAB, "car", 0.7)]] * 4, None, id="a car"),
        pytest.param([[(LORRY, "truck", 0.3), (REAR, "car", 0.5)]] * 4, None, id="two cars"),
        pytest.param([[(LORRY, "truck", 0.3), (HALF_IN, "car", 0.5)]] * 4, None, id="one and a half"),
        pytest.param([[(LORRY, "truck", 0.14)]] * 4, None, id="too faint"),
        pytest.param([[(LORRY, "truck", 0.9)]] * 2 + [[]] * 2, None, id="never mirrored"),
        pytest.param([[((58, 100, 180, 176), "truck", 0.5)]] * 4, None, id="in the lane behind"),
        pytest.param([[((58, 110, 180, 215), "truck", 0.5)]] * 4, None, id="in the lane before"),
        pytest.param([[((20, 110, 160, 186), "truck", 0.5)]] * 4, None, id="it stands at no end of it"),
        pytest.param([[((58, 60, 180, 186), "bus", 0.5)]] * 4, None, id="twice as high"),
        pytest.param([[(LORRY, "car", 0.5)]] * 4, None, id="no lorry"),
    ],
)
def test_of_what_a_box_is_an_end(views: Sequence[Sequence[Found]], becomes: Box | None) -> None:
    found = around(
        (
            View(OPEN, tuple(Seen(*item) for item in view), mirrored)
            for view, mirrored in zip(views, (False, False, True, True), strict=True)
        ),
        CAB,
        SIZE,
        RULES.vehicle_score,
    )
    assert (None if found is None else found.box) == becomes


def test_a_box_that_is_long_is_a_vehicle_seen_from_the_side() -> None:
    side, around_two = (100, 130, 195, 184), Seen((0, 120, 197, 188), "truck", 0.3)
    assert not is_end(side, around_two, SIZE)
    assert is_end((side[0] + 20, *side[1:]), around_two, SIZE)


def test_a_view_that_cuts_the_lorry_says_only_that_it_is_worth_a_further_one() -> None:
    taken = []

    def views(*found: View) -> Iterator[View]:
        for view in found:
            taken.append(view)
            yield view

    cut, lorry = Seen((58, 110, 150, 186), "truck", 0.8), Seen(LORRY, "truck", 0.4)
    narrow, wide, mirrored = (
        View((20, 60, 150, 220), (cut,)),
        View(OPEN, (lorry,)),
        View(OPEN, (lorry,), True),
    )
    found = around(views(narrow, wide, narrow, mirrored), CAB, SIZE, RULES.vehicle_score)
    assert (found is not None and found.box, len(taken)) == (LORRY, 4)
    assert around(views(View(OPEN, ()), wide), CAB, SIZE, RULES.vehicle_score) is None
    assert len(taken) == 5, "nearly all are no lorries: they cost one view"


class Lane:
    """A camera over a lorry of which the whole picture shows the ends; what a view shows is said look by look."""

    def __init__(self, *ends: Box, with_case: Box | None = None) -> None:
        street = Street()
        lorry = Vehicle(LORRY, seed=7, label="truck", detected=False)
        for moment in range(12):
            street.look([lorry, *(box(end) for end in ends[: 1 + moment // 4])])
        x, y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
        self.image = np.dstack([x % 256, x // 256, y]).astype(np.uint8)
        self.detector = Knowing([])
        stays = tuple(replace(stay, covered_ms=10**6, counts=False) for stay in street.state.stays)
        state = replace(street.state, stays=stays)
        self.camera = Camera("cam1", Eyes(INDEX, self.detector, 320, EyesConfig()), RULES, state, "", "")
        self.now = street.now
        self.ids = {end: stay.id for end, stay in zip(ends, stays, strict=True)}
        self.cases = {self.ids[with_case]} if with_case else set()
        self.times = {stay.id: (stay.first_ms, stay.covered_ms) for stay in stays}

    def look(self, asked: Box, *known: Box, after_s: int = 4) -> tuple[StayEvent, ...]:
        """A closer look at the stay of this end, while nothing else is proven."""
        self.detector.known = [(one, 0.4) for one in known]
        self.now += after_s * 1000
        state = self.camera.state
        watched = tuple(StayWatched(s, self.now, proven=s.id == self.ids[asked]) for s in state.stays)
        self.camera.state, events = look_closer(
            self.camera, Frame("cam1", self.now, self.image, 0), state, watched, self.case_of
        )
        return events

    def case_of(self, stay: Stay) -> Case | None:
        case = SimpleNamespace(state="confirmed", clock_ends_ms=None)
        return cast(Case, case) if stay.id in self.cases else None


@pytest.mark.parametrize(
    ("first", "second", "with_case", "keeps"),
    [(CAB, REAR, None, CAB), (REAR, CAB, None, REAR), (REAR, CAB, CAB, CAB)],
)
def test_ends_of_a_lorry_become_one_that_has_the_case_or_else_the_oldest(
    first: Box, second: Box, with_case: Box | None, keeps: Box
) -> None:
    lane = Lane(first, second, with_case=with_case)
    asked = REAR if with_case == CAB else CAB
    (seen, _) = sorted(lane.look(asked, LORRY), key=lambda event: event.stay.id != lane.ids[asked])
    assert isinstance(seen, StayWatched)
    assert (seen.proven, seen.stay.larger is None) == (False, False), "as long as it is in question, no case"
    events = lane.look(asked, LORRY)
    (stay,) = lane.camera.state.stays
    assert (stay.id, stay.anchor, stay.label) == (lane.ids[keeps], LORRY, "truck")
    assert (stay.first_ms, stay.covered_ms) == lane.times[stay.id], "never early"
    assert stay.checks == (0.4, 0.4)
    assert stay.larger is None
    told = {event.stay.id: event for event in events}
    whole = told.pop(stay.id)
    assert isinstance(whole, StayWatched)
    assert not whole.proven, "its zone is judged anew"
    (gone,) = told.values()
    assert isinstance(gone, StayEnded)
    assert gone.reason == "double"


def test_of_a_lorry_is_what_lies_in_it_on_the_same_ground() -> None:
    """A motorcycle before it and a car that it hides stay what they are."""
    before, behind, again = (120, 160, 140, 195), (100, 120, 150, 170), (62, 112, 178, 184)
    stays = [stay_at(where) for where in (CAB, before, behind, REAR, again)]
    assert [stay.anchor for stay in within(stays, LORRY)] == [CAB, REAR, again]


def test_a_lorry_that_passes_behind_makes_no_whole_of_what_stands_before_it() -> None:
    lane = Lane(CAB)
    lane.look(CAB, LORRY)
    lane.look(CAB, (44, 110, 115, 186), after_s=1)
    for _ in range(4):
        (stay,) = lane.camera.state.stays
        assert (stay.anchor, stay.larger is None) == (CAB, False)
        (event,) = lane.look(CAB, CAB)
    assert (event.stay.anchor, event.stay.larger) == (CAB, None)
    assert isinstance(event, StayWatched)
    assert event.proven


@pytest.mark.parametrize(("cases", "checks", "proven"), [(0, 2, False), (0, 1, True), (1, 2, True)])
def test_while_there_is_no_time_to_ask_what_may_be_an_end_opens_no_case(
    cases: int, checks: int, proven: bool
) -> None:
    lane = Lane(CAB, with_case=CAB if cases else None)
    (stay,) = lane.camera.state.stays
    stay = replace(stay, larger=Seen(LORRY, "truck", 0.4), larger_ms=lane.now, checks=(0.4,) * checks)
    state = replace(lane.camera.state, stays=(stay,))
    frame = Frame("cam1", lane.now, lane.image, 0)
    events = (StayWatched(stay, lane.now, proven=True),)
    _, (event,) = attend(lane.camera, frame, state, events, None, lane.case_of, closer=False)
    assert isinstance(event, StayWatched)
    assert event.proven is proven
