"""A driver says that he has left: the agent looks at once, answers once, and moves no clock."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.rechecks import MOST, STAY_MS, WAIT_MS, Rechecks
from protocol.messages import RecheckRequest
from tests.edge_agent.crashing import Box, Crash, Fate, box
from tests.edge_agent.scripted import GRACE_S, T0, Beat, Scene

WARNED = [Beat("empty")] * 2 + [Beat("A")] * 6


def ask(one: Box, request_id: str = "r1", case_id: str | None = None) -> RecheckRequest:
    """The centre's message, as the inbox hands it over now."""
    if one.engine._rechecks is None:
        one.engine._rechecks = Rechecks("j", "a")
    at_ms = one.clock.utc_ms()
    request = RecheckRequest(
        request_id=request_id, camera_id="cam1", case_id=case_id or one.case_ids()[0], at_ms=at_ms
    )
    one.engine._rechecks.ask(request, at_ms)
    return request


def go_on(one: Box, scene: Scene, seconds: int, done: int = len(WARNED)) -> None:
    script = [*WARNED, *[Beat(scene)] * 200]
    for number in range(done, done + seconds):
        one._beat([*script[:done], *[Beat(scene)] * 200], number)
    one._deliver(T0 + (done + seconds) * 1000)


def answers(one: Box) -> list[tuple[str, str]]:
    return [(m["request_id"], m["result"]) for m in one.outside.messages("recheck_answer")]


def states(one: Box) -> list[str]:
    return [event["state"] for event in one.events() if event["case"] is not None]


def test_who_is_still_there_is_told_so_and_nothing_changes(tmp_path: Path) -> None:
    with box(tmp_path) as one:
        one.live(WARNED)
        (before,) = one.store.open_cases()
        ask(one)
        assert one.engine.wants_fresh("cam1", one.clock.utc_ms())
        assert not one.engine.wants_fresh("cam2", one.clock.utc_ms())
        go_on(one, "A", STAY_MS // 1000 - 1)
        assert answers(one) == [], "a driver may just be pulling out"
        go_on(one, "A", 2, len(WARNED) + STAY_MS // 1000 - 1)
        assert answers(one) == [("r1", "still_there")]
        (after,) = one.store.open_cases()
        assert (after.clock_ends_ms, after.state, after.steps) == (
            before.clock_ends_ms,
            before.state,
            before.steps,
        )
        assert not one.engine.wants_fresh("cam1", one.clock.utc_ms())


def test_who_has_left_is_believed_by_the_pictures(tmp_path: Path) -> None:
    with box(tmp_path) as one:
        one.live(WARNED)
        ask(one)
        go_on(one, "empty", 7)
        assert states(one)[-1] == "self_corrected"
        assert answers(one) == [("r1", "gone")]


def test_words_alone_end_no_case(tmp_path: Path) -> None:
    """In the dark nothing can be said; the clock runs out as it would have."""
    with box(tmp_path) as one:
        one.live(WARNED)
        (case,) = one.store.open_cases()
        ask(one)
        go_on(one, "dark", 5)
        assert one.store.case(case.id).clock_ends_ms == case.clock_ends_ms  # type: ignore[union-attr]
        go_on(one, "dark", WAIT_MS // 1000, len(WARNED) + 5)
        assert answers(one)[0][1] in {"could_not_tell", "case_over"}
        assert "self_corrected" not in states(one)
        assert case.clock_ends_ms == T0 + 7_000 + GRACE_S * 1000, "seven seconds in, the gateway accepted"


def test_a_case_that_is_over_or_unknown_is_answered_too(tmp_path: Path) -> None:
    with box(tmp_path) as one:
        one.live([*WARNED, *[Beat("empty")] * 8])
        ask(one)
        ask(one, "r2", "C-never-heard-of")
        go_on(one, "empty", 1, len(WARNED) + 8)
        assert sorted(answers(one)) == [("r1", "gone"), ("r2", "case_over")]


def test_a_request_that_comes_again_is_answered_once(tmp_path: Path) -> None:
    with box(tmp_path) as one:
        one.live(WARNED)
        for second in range(8):
            ask(one)
            go_on(one, "empty", 1, len(WARNED) + second)
        assert answers(one) == [("r1", "gone")]


def test_a_flood_of_requests_is_bounded() -> None:
    waiting = Rechecks("j", "a")
    for number in range(MOST * 2):
        request = RecheckRequest(request_id=f"r{number}", camera_id="c", case_id="C", at_ms=T0)
        waiting.ask(request, T0)
    assert len(waiting.answers(T0, lambda _: None)) == MOST
    assert not waiting


@pytest.mark.parametrize("scene", ["A", "empty"])
def test_a_crash_anywhere_answers_all_the_same(tmp_path: Path, scene: Scene) -> None:
    """The box dies at each of its steps in turn; the centre asks again, and hears one answer."""
    gap = 0
    while True:
        gap += 3
        fate = Fate([])
        with box(tmp_path / f"{scene}-{gap}", fate) as one:
            one.live(WARNED)
            (case,) = one.store.open_cases()
            fate.asleep, fate._gaps = False, [gap]
            fate.revive()
            second = 0
            while not answers(one) and second < 60:
                try:
                    ask(one, case_id=case.id)
                    go_on(one, scene, 1, len(WARNED) + second)
                except Crash:
                    one._begin_again()
                    continue
                second += 1
            fate.asleep = True
            expected = "still_there" if scene == "A" else "gone"
            assert answers(one) == [("r1", expected)]
            kept = one.store.case(case.id)
            assert kept is not None
            assert kept.clock_ends_ms == case.clock_ends_ms
            if not fate.fired:
                break
    assert gap > 10
