"""Checks of all cameras go before closer looks, and every closer look is taken in the end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.turns import Turns


def test_a_round_that_has_time_puts_nothing_off() -> None:
    turns = Turns()
    for began in range(0, 60_000, 1_000):
        turns.begin(began)
        assert all(turns.may_look_closer(f"cam{n}", began + n) for n in range(300))


def test_in_a_late_round_only_those_who_waited_twice_look_closer() -> None:
    turns = Turns()
    for asked, expected in (
        (1_001, False),
        (1_001, False),
        (1_001, True),
        (1_001, False),
        (999, True),
        (1_001, False),
    ):
        turns.begin(0)
        assert turns.may_look_closer("cam1", asked) is expected


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5_000)), max_size=60))
def test_of_three_pictures_of_a_camera_one_has_its_turn_whatever_the_load(
    pictures: list[tuple[str, int]],
) -> None:
    turns = Turns()
    answers: dict[str, list[bool]] = {}
    for camera_id, late_ms in pictures:
        turns.begin(10_000)
        answers.setdefault(camera_id, []).append(turns.may_look_closer(camera_id, 10_000 + late_ms))
    for given_to in answers.values():
        assert all(any(given_to[at : at + 3]) for at in range(len(given_to) - 2))
