"""Checks of all cameras go before closer looks and second looks, and every closer look is taken in the end."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.doubts import LOOKS_A_THING, LOOKS_A_WHILE, WHILE_MS, Doubts
from edge_agent.frames import Frame
from edge_agent.second_looks import AT_ONCE, CHECK_SHARE, SecondLooks
from edge_agent.turns import Load, Turns
from zones import Box

IMAGE = np.zeros((1, 1, 3), np.uint8)


def test_a_round_that_has_time_puts_nothing_off() -> None:
    turns = Turns()
    for began in range(0, 60_000, 1_000):
        turns.begin(began)
        assert all(turns.may_look_closer(f"cam{n}", began + n) for n in range(300))


def test_in_a_late_round_only_those_who_waited_twice_look_closer() -> None:
    turns = Turns()
    for asked, expected in (
        (501, False),
        (501, False),
        (501, True),
        (501, False),
        (499, True),
        (501, False),
    ):
        turns.begin(0)
        assert turns.may_look_closer("cam1", asked) is expected


def test_those_who_waited_have_their_turns_one_after_the_other() -> None:
    turns = Turns()
    turns.begin(0)
    cameras = [f"cam{n}" for n in range(4)]
    at_ms = [1_000, 1_400, 1_800, 3_000, 3_800, 4_000, 5_800]
    turn = [[camera for camera in cameras if turns.may_look_closer(camera, now)] for now in at_ms]
    assert turn == [[], [], ["cam0"], [], ["cam1"], ["cam2", "cam3"], []], "two were put off five times"


def test_the_longer_a_look_takes_the_longer_the_next_waits() -> None:
    turns = Turns()
    turns.begin(0)
    for camera in ("cam0", "cam1", "cam2"):
        assert [turns.may_look_closer(camera, 600) for _ in range(2)] == [False, False]
    assert turns.may_look_closer("cam0", 1_000)
    turns.took(900)
    assert not turns.may_look_closer("cam1", 3_100)
    assert turns.may_look_closer("cam1", 5_500)
    turns.took(100)
    assert turns.may_look_closer("cam2", 7_500)


def test_while_pictures_wait_there_is_no_time() -> None:
    waits = [True]
    turns = Turns(lambda: waits[0])
    turns.begin(0)
    assert not turns.has_time(0)
    assert [turns.may_look_closer("cam", 0) for _ in range(3)] == [False, False, True]
    waits[0] = False
    assert turns.has_time(0)


def test_a_box_is_told_to_be_behind_when_one_check_in_ten_comes_late() -> None:
    load = Load()
    now_ms = 0

    def told(checks: int, late_of_twenty: int) -> bool:
        nonlocal now_ms
        for number in range(checks):
            now_ms += 500
            load.note(now_ms, late=number % 20 >= 20 - late_of_twenty)
        return load.problem is not None

    assert not told(600, 1)
    assert told(600, 3)
    assert not told(600, 1)
    assert told(200, 20)
    assert load.problem is not None
    assert load.problem.startswith("behind: ")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5_000)), max_size=60))
def test_of_six_pictures_of_a_camera_one_has_its_turn_whatever_the_load(
    pictures: list[tuple[str, int]],
) -> None:
    turns = Turns()
    answers: dict[str, list[bool]] = {}
    for camera_id, late_ms in pictures:
        turns.begin(10_000)
        answers.setdefault(camera_id, []).append(turns.may_look_closer(camera_id, 10_000 + late_ms))
    for given_to in answers.values():
        assert all(any(given_to[at : at + 6]) for at in range(len(given_to) - 5))


HEAP: Box = (100, 100, 180, 160)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6), st.booleans()), max_size=80))
def test_no_thing_and_no_camera_is_looked_at_again_for_ever(
    checks: list[tuple[bool, int, bool]],
) -> None:
    """A heap that is doubted now and then, and something new elsewhere at each check: twigs, a flag."""
    doubts = Doubts()
    of_heap: list[int] = []
    of_all: list[int] = []
    for number, (heap, elsewhere, lasts) in enumerate(checks):
        at_ms = number * 10_000
        other: Box = (300 + 90 * elsewhere, 100, 380 + 90 * elsewhere, 160)
        unsure = [(other, True), *([(HEAP, True)] if heap else [])]
        doubts = doubts.after(at_ms, unsure, again=False)
        while doubts.places:
            at_ms += 2_000
            of_all.append(at_ms)
            of_heap += [at_ms] if HEAP in doubts.places else []
            doubts = doubts.after(at_ms, unsure if lasts else [], again=True)
    for looks, most in ((of_heap, LOOKS_A_THING), (of_all, LOOKS_A_WHILE)):
        assert all(later - first >= WHILE_MS for first, later in zip(looks, looks[most:], strict=False))


def test_only_what_is_new_is_worth_a_second_look_until_it_is_sure() -> None:
    known = Doubts().after(0, [(HEAP, False)], again=False)
    assert known.after(10_000, [(HEAP, True)], again=False).places == (), "it stood there before"
    doubts = Doubts().after(0, [(HEAP, True)], again=False)
    assert doubts.places == (HEAP,)
    other: Box = (300, 100, 380, 160)
    again = doubts.after(2_000, [(HEAP, False), (other, False)], again=True)
    assert again.places == (HEAP,), "what a second look meets elsewhere waits for the check"
    assert again.after(4_000, [], again=True).places == ()


@given(st.data())
def test_second_looks_wait_for_time_and_never_for_a_check(data: st.DataObject) -> None:
    """Cameras that doubt all the time, keyframes every two seconds, checks every ten; a box that has time now and then."""
    second, period_ms = SecondLooks(), 10_000
    cameras = [f"cam{n}" for n in range(data.draw(st.integers(1, 9)))]
    busy = data.draw(st.lists(st.booleans(), min_size=60, max_size=60))
    asked: set[str] = set()
    checked_ms: dict[str, int] = {}
    since: list[str] = []
    for beat, late in enumerate(busy):
        now_ms = beat * 500
        for n, camera in enumerate(cameras):
            taken_ms = now_ms - 300 * (n % 3)
            if beat % 20 == n % 4 * 4:
                frame = Frame(camera, taken_ms, IMAGE, beat)
                assert not second.keeps(frame), "a check waits for nothing"
                second.looked(camera, taken_ms, period_ms, again=False, wanted=True)
                asked.discard(camera)
                checked_ms[camera] = taken_ms
            elif beat % 4 == 0 and camera in asked:
                assert second.keeps(Frame(camera, taken_ms, IMAGE, beat))
        while not late and (frame_now := second.take(now_ms)) is not None:
            asked.remove(frame_now.camera_id)
            since.append(frame_now.camera_id)
            second.looked(frame_now.camera_id, frame_now.at_ms, period_ms, again=True, wanted=True)
        if not late:
            asked |= set(second.ask(now_ms))
        assert sum(now_ms < checked_ms[camera] + CHECK_SHARE * period_ms for camera in asked) <= AT_ONCE
    if not any(busy):
        assert set(since) == set(cameras), "first come, first served"
