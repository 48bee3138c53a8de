"""What the deciding loop promises besides surviving crashes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge_agent.attention import Camera
from edge_agent.frames import Frame
from edge_agent.timebase import Mark
from protocol.errors import UnavailableError
from tests.edge_agent.crashing import Box, Crash, Fate, box
from tests.edge_agent.scripted import BEAT_MS, GRACE_S, T0, Beat, ScriptedEyes, picture

WARNED = [Beat("empty")] * 2 + [Beat("A")] * 8
HOUR_MS = 3_600_000


def states(one: Box) -> list[str]:
    return [event["state"] for event in one.events() if event["case"] is not None]


def test_a_picture_that_is_not_newer_changes_nothing(tmp_path: Path) -> None:
    with box(tmp_path) as one:
        one.live(WARNED)
        before = one.events()
        for number in range(len(WARNED)):
            one.eyes.scene = "empty"
            one.engine.frame(Frame("cam1", T0 + number * BEAT_MS, picture("empty", 0), number))
        assert one.events() == before


def test_time_alone_never_makes_a_task(tmp_path: Path) -> None:
    """Ticks for a day, and not one picture: the case is closed without consequence."""
    with box(tmp_path) as one:
        one.live(WARNED)
        for second in range(len(WARNED), 86_400, 600):
            one.engine.tick(T0 + second * 1000)
        assert states(one) == ["confirmed", "notified", "rechecking", "unverified", "closed"]
        assert one.engine.open_cases == 0


def test_a_fresh_picture_is_wanted_from_the_end_of_the_clock_until_there_is_one(tmp_path: Path) -> None:
    with box(tmp_path) as one:
        one.live(WARNED)
        (case,) = one.store.open_cases()
        end_ms = case.clock_ends_ms
        assert end_ms is not None
        assert not one.engine.wants_fresh("cam1", end_ms - 1)
        assert one.engine.wants_fresh("cam1", end_ms)
        assert not one.engine.wants_fresh("cam2", end_ms)
        one.eyes.scene = "A"
        one.engine.frame(Frame("cam1", end_ms, picture("A", 1), 99))
        assert states(one)[-1] == "tasked"
        assert not one.engine.wants_fresh("cam1", end_ms + 1)


def test_the_same_plate_in_the_same_street_is_followed_once(tmp_path: Path) -> None:
    """A second camera sees the same vehicle: no second warning, no second task."""
    with box(tmp_path) as one:
        other = ScriptedEyes()
        first = one.engine.cameras["cam1"]
        one.engine.add_camera(replace(first, id="cam2", eyes=other, state=one.store.camera("cam2")))
        assert isinstance(one.engine.cameras["cam2"], Camera)
        one.live(WARNED)
        one.eyes.scene = other.scene = "A"
        for number in range(len(WARNED), len(WARNED) + 10):
            at_ms = T0 + number * BEAT_MS
            for camera in ("cam1", "cam2"):
                one.engine.frame(Frame(camera, at_ms, picture("A", number), number))
            one.engine.tick(at_ms)
        by_camera = {
            camera: [e["state"] for e in one.events() if e["camera"] == camera and e["case"] is not None]
            for camera in ("cam1", "cam2")
        }
        assert by_camera["cam2"] == ["confirmed", "exempt"]
        assert by_camera["cam1"][-1] == "tasked"
        assert len(one.sms_sent()) == 1


def test_who_comes_back_the_same_day_is_not_warned_a_second_time(tmp_path: Path) -> None:
    with box(tmp_path) as one:
        one.live([*WARNED, *[Beat("empty")] * 12, *[Beat("A")] * 22])
        assert len(one.sms_sent()) == 1
        second = [e for e in one.events() if e["case"] == one.case_ids()[1]]
        assert second[1]["state"] == "unnotifiable"
        assert one.case_ids()[0] in second[1]["reason"]


def test_listeners_hear_only_what_is_stored(tmp_path: Path) -> None:
    class Refusing:
        def seal(self, *_: object) -> None:
            raise UnavailableError("the disk is full, nothing was stored")

    with box(tmp_path) as one:
        one.live([Beat("A")] * 4)
        told = len(one.told)
        sealer, one.engine._sealer = one.engine._sealer, Refusing()  # type: ignore[assignment]
        one.eyes.scene = "A"
        for number in range(4, 10):
            frame = Frame("cam1", T0 + number * BEAT_MS, picture("A", number), number)
            if number < 9:
                try:
                    one.engine.frame(frame)
                except UnavailableError:
                    assert one.engine.open_cases == 0
                    continue
            else:
                one.engine._sealer = sealer
                one.engine.frame(frame)
        assert [e["state"] for e in one.told[told:] if e["case"]] == ["confirmed"]
        assert one.told == one.events()


@pytest.mark.parametrize(
    "by_ms",
    [
        pytest.param(-2 * HOUR_MS, id="the wall clock was set back while the agent was off"),
        pytest.param(HOUR_MS, id="it was set forward, or the machine was off"),
    ],
)
def test_a_start_that_is_cut_off_does_not_settle_a_clock_step_twice(tmp_path: Path, by_ms: int) -> None:
    """The step and the new time base are stored together, wherever the start dies."""
    gap = 0
    while True:
        gap += 1
        folder = tmp_path / str(gap)
        with box(folder) as one:
            one.live(WARNED)
            end_ms = one.store.open_cases()[0].clock_ends_ms
            assert end_ms is not None
            with one.store.transaction():
                one.store.set_meta("time_base", Mark(boot="b", utc_ms=T0, monotonic_ms=0).model_dump_json())
        fate = Fate([gap])
        with box(folder, fate) as one:
            for _ in range(3):
                try:
                    saved = Mark.model_validate_json(one.store.meta("time_base") or "")
                    if saved.utc_ms == T0:
                        now = Mark(boot="b", utc_ms=T0 + by_ms, monotonic_ms=0)
                        one.engine.step_clock(by_ms, now.model_dump_json())
                except Crash:
                    one._begin_again()
            fate.asleep = True
            assert one.store.open_cases()[0].clock_ends_ms == end_ms + by_ms
            if by_ms < 0:
                last_ms = one.store.camera("cam1").last_ms
                assert last_ms == T0 + (len(WARNED) - 1) * BEAT_MS + by_ms
        if not fate.fired:
            break
    assert gap > 8


def test_the_clock_runs_from_what_the_gateway_said(tmp_path: Path) -> None:
    """The gateway takes the warning six seconds late: the driver gets the whole grace period from then on."""
    late = [Beat("A", ("deliver",))] * 11
    with box(tmp_path) as one:
        one.live([*late, Beat("A")])
        (case,) = one.store.open_cases()
        assert case.notified_ms == T0 + 11 * BEAT_MS
        assert case.clock_ends_ms == case.notified_ms + GRACE_S * 1000
