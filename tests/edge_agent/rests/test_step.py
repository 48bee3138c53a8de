"""What is remembered of vehicles at rest, zone or not."""

from __future__ import annotations

import pytest

from edge_agent.rests import Memory, Rest, Rested, shift, step
from edge_agent.stays import CameraState, Observation, Seen, StayRules
from zones import Box

T0 = 1_767_225_600_000
RULES = StayRules.for_period(2.0)
KERB: Box = (100, 20, 180, 60)
NOBODY = CameraState("cam1")


class Watch:
    """Feeds detections to `step`, one look each two seconds."""

    def __init__(self) -> None:
        self.memory = Memory("cam1")
        self.came: list[Rest] = []
        self.ended: list[Rest] = []
        self.at_ms = T0

    def look(
        self, *boxes: Box, times: int = 1, wait_ms: int = 2_000, usable: bool = True, label: str = "car"
    ) -> Rested:
        for _ in range(times):
            seen = tuple(Seen(box, label, 0.7) for box in boxes)
            done = step(
                self.memory, Observation(self.at_ms, seen, usable=usable, gap="dark"), NOBODY, (), RULES
            )
            self.memory = done.memory
            self.came.extend(done.came)
            self.ended.extend(done.ended)
            self.at_ms += wait_ms
        return done


def test_a_vehicle_outside_all_zones_is_remembered_from_its_first_look() -> None:
    watch = Watch()
    watch.look(KERB, times=10)
    (rest,) = watch.memory.standing
    assert [one.id for one in watch.came] == [rest.id]
    assert (rest.first_ms, rest.last_ms, rest.covered_ms) == (T0, T0 + 18_000, 18_000)
    assert rest.by == "place"
    watch.look(times=40)
    (over,) = watch.ended
    assert over.ended_ms == T0 + 20_000
    assert over.end == "departed"
    assert not watch.memory.standing


def test_what_passes_is_not_remembered() -> None:
    watch = Watch()
    for number in range(12):
        watch.look((100 + 30 * number, 20, 180 + 30 * number, 60))
    assert not watch.came
    assert not watch.memory.standing


def test_where_it_stands_is_the_middle_of_trembling_boxes() -> None:
    watch = Watch()
    for number in range(12):
        off = (number % 3) - 1
        watch.look((100 + off, 20, 180 + off, 60 + off))
    (rest,) = watch.memory.standing
    assert rest.box == KERB
    assert 0.3 < rest.scatter_px < 1


def test_a_missed_detection_covers_an_obstacle_does_not() -> None:
    watch = Watch()
    watch.look(KERB, times=5)
    watch.look(times=3)
    watch.look(KERB, times=2)
    (rest,) = watch.memory.standing
    assert rest.covered_ms == 18_000
    assert len(rest.spans) == 1
    bus: Box = (60, 10, 230, 120)
    watch.look(bus, times=3)
    watch.look(KERB, times=2)
    (rest,) = watch.memory.standing
    assert rest.covered_ms == 18_000 + 2_000
    assert [span.before for span in rest.spans] == [None, "occluded"]


@pytest.mark.parametrize("dark", [True, False])
def test_time_in_which_nothing_was_seen_is_a_gap(dark: bool) -> None:
    watch = Watch()
    watch.look(KERB, times=5)
    if dark:
        watch.look(usable=False, times=3)
    else:
        watch.at_ms += 60_000
    watch.look(KERB, times=2)
    (rest,) = watch.memory.standing
    assert rest.covered_ms == 8_000 + 2_000
    assert len(rest.spans) == 2


def test_another_vehicle_nearly_there_is_another_rest() -> None:
    watch = Watch()
    watch.look(KERB, times=5)
    watch.look(times=2)
    watch.look((115, 25, 190, 66), times=5)
    (over,) = watch.ended
    assert over.end == "replaced"
    assert over.ended_ms == T0 + 10_000
    (rest,) = watch.memory.standing
    assert rest.first_ms > over.ended_ms


def test_a_long_busy_day_stays_small() -> None:
    watch = Watch()
    bus: Box = (60, 10, 230, 120)
    for _ in range(200):
        watch.look(KERB, times=3)
        watch.look(bus)
    (rest,) = watch.memory.standing
    assert len(rest.spans) <= 48
    assert rest.trimmed
    assert rest.covered_ms == sum(span.end_ms - span.start_ms for span in rest.spans)
    assert [span.looks for span in rest.spans[:16]] == [3] * 16


def test_a_crowd_is_bounded() -> None:
    watch = Watch()
    crowd = [(x * 50.0, y * 50.0, x * 50.0 + 40, y * 50.0 + 40) for x in range(20) for y in range(10)]
    watch.look(*crowd, times=5)
    assert len(watch.memory.standing) == 64


def test_a_step_of_the_clock_moves_all_instants() -> None:
    watch = Watch()
    watch.look(KERB, times=5)
    watch.look(times=1)
    moved = shift(watch.memory, -5_000)
    assert shift(moved, 5_000) == watch.memory
    assert moved.standing[0].first_ms == T0 - 5_000
    assert moved.standing[0].missing_ms == T0 + 10_000 - 5_000
