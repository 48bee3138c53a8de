"""The accuracy benchmark's score on cases made by hand, where every figure is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.accuracy.figures import (
    f1,
    f1_interval,
    goals_missed,
    hidden_behind_buses,
    most_likely_none,
    real_row,
    row,
    spread,
    summary,
    wilson,
    worst,
    wrongful_below,
)
from benchmarks.accuracy.play import Log, Opened, Said, Tasked
from benchmarks.accuracy.run import LONG, Outcome, longest_hidden_s, rules_of
from benchmarks.accuracy.score import Fault, Judgement, Moments, Rules, TrueStay, due_ms, judge
from benchmarks.accuracy.script import BUS_S, LIGHTS, SITUATIONS, draw_script
from benchmarks.clips import Clip, Found, Standing, match
from benchmarks.simulator._order import nearer
from benchmarks.simulator._silhouette import box_of, silhouette
from benchmarks.simulator.scene import Scene

RULES = Rules(confirm_ms=20_000, grace_ms=40_000, period_ms=2_000, end_ms=200_000)
HERE, THERE = (100.0, 100.0, 200.0, 150.0), (300.0, 100.0, 400.0, 150.0)


def stay(
    vehicle: str = "a",
    since: int = 10_000,
    until: int | None = 120_000,
    box: tuple[float, ...] = HERE,
    **more: object,
) -> TrueStay:
    return TrueStay(f"{vehicle}-1", vehicle, box, since, until, **({"role": "event"} | more))  # type: ignore[arg-type]


def log(
    *cases: Opened, tasks: tuple[Tasked, ...] = (), said: tuple[Said, ...] = (), blind: range = range(0)
) -> Log:
    looks = list(range(0, 200_001, 2_000))
    return Log([t for t in looks if t not in blind], looks, list(said), list(cases), list(tasks))


def case(at_ms: int, box: tuple[float, ...] = HERE, name: str = "c", of: str = "s") -> Opened:
    return Opened(name, of, box, at_ms)  # type: ignore[arg-type]


def counts(found: Judgement) -> tuple[int, int, int]:
    return found.right, found.missed, found.false


def test_a_case_in_time_at_the_place_is_right() -> None:
    found = judge([stay()], log(case(32_000)), RULES)
    assert counts(found) == (1, 0, 0)
    assert (found.window_right, found.window_missed, found.window_false) == (1, 0, 0)
    assert found.cases == [1]
    assert f1(*counts(found)) == 1


@pytest.mark.parametrize(
    ("at_ms", "box", "expected"),
    [
        (42_000, HERE, (0, 1, 1)),  # due at 30 s: too late by 2 s
        (40_000, HERE, (1, 0, 0)),
        (24_000, HERE, (0, 1, 1)),  # before it can have stood for 20 s
        (32_000, THERE, (0, 1, 1)),  # in time, at a place where nobody stands
    ],
)
def test_late_early_and_misplaced_cases(
    at_ms: int, box: tuple[float, ...], expected: tuple[int, int, int]
) -> None:
    assert counts(judge([stay()], log(case(at_ms, box)), RULES)) == expected


def test_the_lenient_score_asks_only_when() -> None:
    found = judge([stay()], log(case(32_000, THERE)), RULES)
    assert (found.window_right, found.window_missed, found.window_false) == (1, 0, 0)


def test_a_second_case_of_a_stay_is_false() -> None:
    found = judge([stay()], log(case(32_000), case(80_000, name="d")), RULES)
    assert counts(found) == (1, 0, 1)
    assert found.cases == [2]


def test_who_stands_outside_must_not_have_a_case_and_at_the_edge_may() -> None:
    assert counts(judge([stay(role="outside")], log(case(32_000)), RULES)) == (0, 0, 1)
    assert counts(judge([stay(role="either")], log(case(32_000)), RULES)) == (0, 0, 0)
    assert counts(judge([stay(role="either")], log(), RULES)) == (0, 0, 0)


def test_short_stops_call_for_nothing() -> None:
    assert counts(judge([stay(until=22_000)], log(), RULES)) == (0, 0, 0)


def test_the_window_waits_while_it_is_hidden_and_while_the_camera_is_away() -> None:
    looks = log().looks
    assert due_ms(stay(), looks, RULES) == 30_000
    # Hidden from 15 to 45 s: looks at 10, 12, 14 count, and from 46 s on.
    assert due_ms(stay(hidden=((15_000, 45_000),)), looks, RULES) == 62_000
    away = [t for t in looks if not 15_000 <= t < 45_000]
    assert due_ms(stay(), away, RULES) == 62_000
    assert due_ms(stay(until=50_000, hidden=((15_000, 45_000),)), looks, RULES) is None


@pytest.mark.parametrize(
    ("at_ms", "expected"), [(64_000, (1, 0, 0)), (76_000, (0, 1, 1)), (26_000, (0, 1, 1))]
)
def test_who_is_hidden_the_moment_he_is_due_is_wanted_when_he_shows_again(
    at_ms: int, expected: tuple[int, int, int]
) -> None:
    hidden = stay(hidden=((30_500, 60_500),))
    assert due_ms(hidden, log().looks, RULES) == 30_000
    assert counts(judge([hidden], log(case(at_ms)), RULES)) == expected


@pytest.mark.parametrize(
    ("at_ms", "expected"), [(60_000, (1, 0, 0)), (90_000, (1, 0, 0)), (120_000, (0, 1, 1))]
)
def test_with_looks_half_a_minute_apart_the_look_that_makes_sure_is_in_time(
    at_ms: int, expected: tuple[int, int, int]
) -> None:
    rules = Rules(confirm_ms=60_000, grace_ms=600_000, period_ms=30_000, end_ms=900_000)
    seldom = Log(list(range(0, 900_001, 30_000)), list(range(0, 900_001, 30_000)), [], [case(at_ms)], [])
    assert counts(judge([stay(since=0, until=800_000)], seldom, rules)) == expected


@pytest.mark.parametrize(("window_ms", "expected"), [(10_000, (0, 1, 1)), (30_000, (1, 0, 0))])
def test_where_looks_are_rarer_an_alarm_may_come_later(
    window_ms: int, expected: tuple[int, int, int]
) -> None:
    rules = Rules(20_000, 40_000, 10_000, 200_000, window_ms)
    seldom = Log(list(range(0, 200_001, 10_000)), list(range(0, 200_001, 10_000)), [], [case(45_000)], [])
    assert counts(judge([stay(since=0, until=190_000)], seldom, rules)) == expected


def test_a_scene_with_other_looks_is_judged_by_them() -> None:
    script = draw_script(1, 0)
    assert rules_of(script).window_ms == 10_000
    rare = rules_of(replace(script, period_s=10.0))
    assert (rare.period_ms, rare.window_ms) == (10_000, 30_000)


@given(st.sets(st.integers(0, 100)), st.integers(0, 60_000))
def test_fewer_looks_never_make_a_case_due_sooner(left_out: set[int], since: int) -> None:
    looks = log().looks
    some = [t for n, t in enumerate(looks) if n not in left_out]
    whole, part = due_ms(stay(since=since), looks, RULES), due_ms(stay(since=since), some, RULES)
    assert whole is not None
    assert whole >= since + RULES.confirm_ms
    assert part is None or part >= whole


def test_tasks_are_wrongful_early_for_nobody_and_on_another_ones_clock() -> None:
    def wrongful(*stays: TrueStay, at_ms: int, opened_ms: int = 32_000) -> int:
        return judge(stays, log(case(opened_ms), tasks=(Tasked("c", HERE, at_ms),)), RULES).wrongful

    assert wrongful(stay(), at_ms=70_000) == 0
    assert wrongful(stay(), at_ms=69_000) == 1  # 20 s and 40 s after 10 s are not over
    assert wrongful(stay(until=60_000), at_ms=74_000) == 1
    # Another one took the place; its own time is up as well, but the clock was the first one's.
    assert wrongful(stay(until=50_000), stay("b", 60_000, 190_000), at_ms=130_000) == 1
    assert wrongful(stay(until=50_000), stay("b", 60_000, 190_000), at_ms=130_000, opened_ms=90_000) == 0
    assert wrongful(stay(role="outside"), at_ms=74_000) == 1


def test_a_picture_taken_as_a_vehicle_begins_to_leave_is_no_wrongful_task_and_is_told() -> None:
    def judged(*stays: TrueStay, at_ms: int) -> tuple[int, int]:
        found = judge(stays, log(case(32_000), tasks=(Tasked("c", HERE, at_ms),)), RULES)
        return found.wrongful, found.pulling_out

    assert judged(stay(until=74_000), at_ms=73_999) == (0, 0)
    assert judged(stay(until=74_000), at_ms=74_000) == (0, 1)
    assert judged(stay(until=74_000), at_ms=74_249) == (0, 1)
    assert judged(stay(until=74_000), at_ms=74_250) == (1, 0)
    assert judged(stay(until=69_000), at_ms=69_200) == (1, 0), "its time is not up"


def test_a_task_that_was_due_and_never_came_is_counted() -> None:
    found = judge([stay()], log(case(32_000)), RULES)
    assert (found.tasks_due, found.tasks_right) == (1, 0)
    found = judge([stay()], log(case(32_000), tasks=(Tasked("c", HERE, 72_000),)), RULES)
    assert (found.tasks_due, found.tasks_right, found.wrongful) == (1, 1, 0)


def test_switches_and_fragments() -> None:
    first, second = stay(until=60_000), stay("b", 75_000, 150_000)
    one_for_both = [Said(t, "s", "proven", HERE) for t in (20_000, 50_000, 80_000, 90_000)]
    found = judge([first, second], log(said=tuple(one_for_both)), RULES)
    assert (found.switches, found.fragments) == (1, [1, 1])
    two_for_one = [Said(t, s, "proven", HERE) for t, s in ((20_000, "s"), (30_000, "s"), (40_000, "r"))]
    found = judge([first], log(said=tuple(two_for_one)), RULES)
    assert (found.switches, found.fragments) == (0, [2])


def test_moments_are_measured_and_excused_only_while_nobody_could_see() -> None:
    said = (
        Said(16_000, "s", "settled", HERE, since_ms=13_000),
        Said(150_000, "s", "ended", HERE, since_ms=138_000),
    )
    assert judge([stay()], log(case(34_000), said=said), RULES).moments == [Moments(3_000, 18_000)]
    blind = range(115_000, 137_000)
    assert judge([stay()], log(case(34_000), said=said, blind=blind), RULES).moments == [Moments(3_000, 0)]
    assert not Moments(3_000, 18_000).near
    assert Moments(None, -10_000).near


def outcome(number: int, judgement: Judgement, light: str = "day") -> Outcome:
    return Outcome(number, 1, light, "plain", "across", "near", "usual", judgement, 10, 100, 1.0)


def test_figures_add_up() -> None:
    scenes = [
        outcome(0, Judgement(right=9, missed=1, false=2, moments=[Moments(0, 1_000), Moments(0, 30_000)])),
        outcome(1, Judgement(right=1, cases=[1, 2], tasks=4, wrongful=1)),
        outcome(2, Judgement(right=2), "night"),
        outcome(LONG, Judgement(right=3, cases=[1, 1, 1])),
    ]
    day = row("light", "day", scenes[:2])
    assert (day.precision, day.recall, day.near, day.cases_per_stay) == (10 / 12, 10 / 11, 0.5, 1.5)
    assert day.f1 == pytest.approx(20 / 23)
    assert day.f1_low is not None
    assert day.f1_high is not None
    assert day.f1_low <= day.f1 <= day.f1_high
    clip = Clip(name="c", file="c", period_s=1, seen="", standing=(Standing(what="a", box=HERE),))
    boxes = (HERE, HERE, THERE)
    real = real_row([match(clip, [Found(str(n), box, "", True) for n, box in enumerate(boxes)], 900, 1)])
    assert (real.events, real.precision, real.recall, real.cases_per_stay) == (1, 1 / 3, 1, 2)
    assert (real.wrongful, real.tasks, real.tasks_right) == (1, 3, 1)  # nobody stands there
    whole = summary(scenes, real)
    assert whole == {
        "f1": {"day": round(20 / 23, 4), "dusk": None, "night": 1.0, "rain": None, "real": 0.5},
        "within_10s": 0.5, "cases_per_stay_12h": 1.0, "cases_per_stay_12h_min": 1, "cases_per_stay_12h_max": 1,
        "false_cases_12h": 0, "wrongful_tasks": 2,
    }  # fmt: skip
    uneven = Judgement(cases=[2, 1], faults=[Fault("no case", 9, "v3-1")])  # one a stay on average
    odd = summary([outcome(0, Judgement(right=1)), outcome(LONG, uneven)], None)
    assert (odd["cases_per_stay_12h"], odd["cases_per_stay_12h_min"], odd["cases_per_stay_12h_max"]) == (
        1.0,
        0,
        2,
    )
    assert goals_missed(odd, None) == ["not every stay of twelve hours has one case"]
    assert [one.number for one in worst(scenes)] == [1, 0]
    ends = spread(scenes, end=True)
    assert (ends.count, ends.median_s, ends.near) == (2, 15.5, 0.5)


@given(st.integers(0, 400), st.integers(0, 400))
def test_intervals_hold_what_was_measured(part: int, more: int) -> None:
    low, high = wilson(part, part + more)
    if part + more:
        assert low is not None
        assert high is not None
        assert 0 <= low <= part / (part + more) + 1e-12
        assert part / (part + more) - 1e-12 <= high <= 1
    assert most_likely_none(300) == pytest.approx(0.00994, abs=1e-4)
    assert wrongful_below(1, 300) > most_likely_none(300)  # type: ignore[operator]
    faultless = f1_interval(np.array([[part, 0, 0], [more, 0, 0]]))
    if part + more:
        assert faultless[0] is not None
        assert faultless[0] < faultless[1] == 1.0  # type: ignore[operator]


def test_scenes_are_the_same_each_time_and_meet_every_stratum() -> None:
    scripts = [draw_script(7, number) for number in range(68)]
    assert scripts[5] == draw_script(7, 5)
    assert scripts[5].scene != draw_script(8, 5).scene
    met = {(s.light, s.situation) for s in scripts}
    lamps_out = {("day", "headlights"), ("rain", "headlights")}
    assert met == {(light, s) for light in LIGHTS for s in SITUATIONS} - lamps_out
    assert {s.angle for s in scripts} == {"across", "oblique", "along"}
    assert {s.distance for s in scripts} == {"near", "middle", "far"}
    for script in scripts[:4]:
        Scene.from_dict(script.scene)  # each can be drawn


def test_a_bus_stands_between_the_camera_and_the_car() -> None:
    """In each angle and from each distance nearly nothing of the car is to be seen while the bus stands."""
    scripts = [s for s in (draw_script(7, n) for n in range(160)) if s.situation in BUS_S]
    chosen = {(s.angle, s.distance): s for s in scripts}
    assert len(chosen) == 9
    for script in chosen.values():
        scene = Scene.from_dict(script.scene)
        car = next(v for v in scene.vehicles if v.id == script.hidden_vehicle)
        bus = next(v for v in scene.vehicles if v.kind == "bus")
        at, stop = car.track.halts[0], bus.track.halts[0]
        assert stop.leave_ms is not None
        assert stop.leave_ms - stop.stand_ms == 1000 * BUS_S[script.situation]
        assert at.stand_ms < stop.stand_ms
        assert at.leave_ms is not None
        assert stop.leave_ms < at.leave_ms
        window = box_of(car.mesh, at.pose, scene.camera)
        own = silhouette(car.mesh, at.pose, scene.camera, window, 0.5) > 0
        cover = silhouette(bus.mesh, stop.pose, scene.camera, window, 0.5) > 0
        assert nearer(bus.footprint(stop.pose)[:, :2], car.footprint(at.pose)[:, :2], scene.camera.eye[:2])
        assert np.count_nonzero(own & ~cover) < 0.15 * np.count_nonzero(own), script.name
    hidden = [stay("v1", hidden=((20_000, 25_000), (40_000, 61_000))), stay("b", hidden=((0, 90_000),))]
    assert longest_hidden_s(hidden, "v1") == 21.0
    scenes = [replace(outcome(0, Judgement()), situation="bus_15", hidden_s=s) for s in (15.0, 14.5)]
    assert hidden_behind_buses([*scenes, outcome(2, Judgement())]) == {"bus_15": (1, 2)}
