"""Who should go, as a pure question."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from central.dispatch.choose import (
    COARSE_M,
    FRESH_MS,
    Ask,
    Asked,
    Candidate,
    Nobody,
    StraightLine,
    Travel,
    decide,
    haversine,
    rank,
)
from protocol.messages import Position

HERE = Position(longitude=116.33, latitude=39.91)


def north(metres):
    return Position(longitude=HERE.longitude, latitude=HERE.latitude + math.degrees(metres / 6_371_008.8))


def one(officer, metres=0.0, **changes):
    return Candidate(**{"officer": officer, "position": north(metres), **changes})


places = st.builds(Position, longitude=st.floats(116.2, 116.5), latitude=st.floats(39.8, 40.0))
candidates = st.lists(
    st.builds(
        Candidate,
        officer=st.integers(1, 40),
        standing=st.sampled_from(["on_duty", "primary", "deputy"]),
        covers=st.booleans(),
        mode=st.sampled_from(["foot", "bicycle", "scooter", "car"]),
        position=st.none() | places,
        position_age_ms=st.integers(0, 2 * FRESH_MS),
        accuracy_m=st.floats(0, 2 * COARSE_M),
        ground=st.none() | places,
        load=st.integers(0, 5),
        asked=st.integers(0, 2),
    ),
    max_size=12,
    unique_by=lambda candidate: candidate.officer,
)


def test_distances_are_those_of_a_sphere():
    # A quarter of the meridian is 10,007,557 m on this sphere (pi/2 * 6,371,008.8).
    assert (
        round(haversine(Position(longitude=0, latitude=0), Position(longitude=0, latitude=90))) == 10_007_557
    )
    paris, london = (
        Position(longitude=2.3522, latitude=48.8566),
        Position(longitude=-0.1276, latitude=51.5072),
    )
    assert 343_000 < haversine(paris, london) < 344_500
    assert haversine(HERE, HERE) == 0


def test_nearer_before_farther_until_the_load_weighs_more():
    assert [c.officer for c in rank(HERE, [one(1, 900), one(2, 300)])] == [2, 1]
    # 600 m of street on foot are ten minutes; one other task is twelve.
    assert [c.officer for c in rank(HERE, [one(1, 900), one(2, 300, load=1)])] == [1, 2]
    assert [c.officer for c in rank(HERE, [one(1, 2000, mode="scooter"), one(2, 1000)])] == [1, 2]


def test_a_place_that_is_old_or_coarse_or_absurd_is_not_believed():
    fresh = one(1, 400)
    for doubtful in (
        one(2, 10, position_age_ms=FRESH_MS + 1, ground=HERE),
        one(2, 10, accuracy_m=COARSE_M + 1, ground=HERE),
        one(2, 200_000, ground=HERE),
    ):
        best, second = rank(HERE, [doubtful, fresh])
        assert (best.officer, second.why.source) == (1, "ground")
    unknown = rank(HERE, [one(3, position=None)])[0]
    assert (unknown.why.source, unknown.why.metres) == ("unknown", None)


def test_those_who_answer_for_the_grid_only_where_nobody_is_on_duty():
    primary, deputy = one(1, 5, standing="primary"), one(2, 1, standing="deputy")
    assert [c.officer for c in rank(HERE, [deputy, primary])] == [1, 2]
    assert [c.officer for c in rank(HERE, [deputy, primary, one(3, 9000)])] == [3]
    assert [c.officer for c in rank(HERE, [deputy, primary, one(3, 9000, covers=False)])] == [1, 2]
    # Whoever is on duty and has said no is no reason to wake those who are not.
    assert rank(HERE, [primary, one(3)], passed_over={3}) == []


def test_another_way_of_measuring_takes_its_place():
    class River:
        def travel(self, start, end, mode):
            plain = StraightLine().travel(start, end, mode)
            return (
                Travel(plain.metres + 5000, plain.seconds + 4000) if start.latitude > HERE.latitude else plain
            )

    people = [one(1, 100), one(2, -800)]
    assert [c.officer for c in rank(HERE, people)] == [1, 2]
    assert [c.officer for c in rank(HERE, people, travel=River())] == [2, 1]


@given(candidates, st.none() | places, st.randoms())
@settings(max_examples=150, deadline=None)
def test_the_order_of_the_question_does_not_matter_and_nobody_comes_twice(people, place, dice):
    ranked = rank(place, people)
    shuffled = list(people)
    dice.shuffle(shuffled)
    assert rank(place, shuffled) == ranked
    assert len({choice.officer for choice in ranked}) == len(ranked)
    assert [choice.rank for choice in ranked] == list(range(1, len(ranked) + 1))
    able = {c.officer for c in people if c.covers}
    assert {choice.officer for choice in ranked} <= able
    assert bool(ranked) == bool(able)
    for choice in ranked:
        assert choice.cost_s >= 0
        if choice.why.metres is not None:
            assert choice.why.metres >= 0


@given(candidates, places, st.integers(0, 11), st.sampled_from(["nearer", "freer"]))
@settings(max_examples=150, deadline=None)
def test_who_comes_nearer_or_gets_freer_never_falls_back(people, place, which, how):
    people = [replace(c, position_age_ms=0, accuracy_m=0.0, position=c.position or place) for c in people]
    if not people:
        return
    chosen = people[which % len(people)]
    better = (
        replace(chosen, position=place) if how == "nearer" else replace(chosen, load=max(0, chosen.load - 1))
    )

    def place_of(others):
        return next((c.rank for c in rank(place, others) if c.officer == chosen.officer), None)

    before = place_of(people)
    after = place_of([better if c is chosen else c for c in people])
    assert (before is None) == (after is None)
    if before is not None:
        assert after <= before


@given(candidates, places, st.integers(1, 3))
@settings(max_examples=150, deadline=None)
def test_asking_ends_and_asks_everybody_once_a_round(people, place, rounds):
    asked: list[Asked] = []
    while True:
        decision = decide(place, people, asked, rounds=rounds)
        if isinstance(decision, Nobody):
            break
        assert isinstance(decision, Ask)
        asked.append(Asked(decision.choice.officer, decision.round))
        assert len(asked) <= rounds * len(people)
    able = {choice.officer for choice in rank(place, people)}
    assert decision.reason == ("all_declined" if able else "nobody_on_duty")
    for officer in able:
        assert [a.round for a in asked if a.officer == officer] == list(range(1, rounds + 1))
    # Somebody new is asked all the same, once.
    new = Candidate(officer=99, standing="on_duty", ground=place)
    if not any(c.standing == "on_duty" and c.covers for c in people):
        return
    decision = decide(place, [*people, new], asked, rounds=rounds)
    assert isinstance(decision, Ask)
    assert decision.choice.officer == 99
