"""What an answer to the warning does to a case, however late it comes: no time that a text gave is ever cut short."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.cases import (
    CancelNotice,
    Case,
    CaseInput,
    Ended,
    Identified,
    NoticeAccepted,
    NoticeHeld,
    NoticeRefused,
    PublishRecord,
    PublishRetraction,
    PublishTask,
    Tick,
    notice_give_up_ms,
    shift_clock,
)
from edge_agent.cases.machine import ANSWER_MARGIN_MS, LONGEST_HOLD_MS
from tests.edge_agent.test_cases import GRACE_MS, T0, opened, play, watched, zone

GIVES_UP = T0 + GRACE_MS + ANSWER_MARGIN_MS
HOUR = 3_600_000


def asked(**rules: object) -> Case:
    case, _ = opened(zone(**rules))
    case, _ = play(case, Identified(T0, "京A12345", 0.99))
    return case


def test_the_clock_starts_where_the_box_learns_of_the_acceptance_and_a_clock_ahead_cannot_shorten_it() -> (
    None
):
    case, _ = play(asked(), NoticeAccepted(T0 + 9_000, told_until_ms=T0 + GRACE_MS - 60_000, result_id="n-1"))
    assert case.state == "notified"
    assert case.clock_ends_ms == T0 + 9_000 + GRACE_MS


@pytest.mark.parametrize(
    ("told_ms", "ends_ms"),
    [
        (T0 + 9_000 + GRACE_MS + 1, T0 + 9_000 + GRACE_MS + 1),  # the text promises a millisecond more
        (T0 + 2 * GRACE_MS, T0 + 2 * GRACE_MS),  # the centre's clock is ten minutes ahead
        (T0 + 10**12, T0 + 9_000 + GRACE_MS + LONGEST_HOLD_MS),  # a clock that is plainly wrong
    ],
)
def test_the_clock_never_ends_before_the_time_that_the_text_names(told_ms: int, ends_ms: int) -> None:
    case, _ = play(asked(), NoticeAccepted(T0 + 9_000, told_until_ms=told_ms, result_id="n-1"))
    assert case.clock_ends_ms == ends_ms


def test_the_box_stops_waiting_a_margin_after_the_last_moment_of_sending() -> None:
    case = asked()
    assert notice_give_up_ms(case.zone, T0) == T0 + GRACE_MS
    waiting, effects = play(case, Tick(GIVES_UP - 1))
    assert (waiting.state, effects) == ("confirmed", [])
    case, effects = play(case, Tick(GIVES_UP))
    assert case.state == "unnotifiable"
    assert case.unnotifiable_reason == "no answer came whether the warning went out"
    assert case.clock_ends_ms == GIVES_UP + GRACE_MS
    assert [type(effect) for effect in effects] == [CancelNotice, PublishRecord]


@pytest.mark.parametrize("late_ms", [0, 1_000, GRACE_MS - 1, GRACE_MS, GRACE_MS + 60_000])
def test_an_acceptance_after_that_starts_the_clock_anew(late_ms: int) -> None:
    """Also where the clock of those whom nobody can tell has ended and a fresh picture is waited for."""
    learned = GIVES_UP + late_ms
    case, effects = play(asked(), Tick(GIVES_UP), Tick(learned), NoticeAccepted(learned, None, "n-1"))
    assert (case.state, case.unnotifiable_reason) == ("notified", None)
    assert case.clock_ends_ms == learned + GRACE_MS
    case, effects = play(case, watched(learned + GRACE_MS - 1))
    assert not any(isinstance(effect, PublishTask) for effect in effects)
    case, effects = play(case, watched(learned + GRACE_MS))
    assert any(isinstance(effect, PublishTask) and not effect.manual_check for effect in effects)


def test_an_acceptance_that_comes_after_the_task_takes_it_back() -> None:
    end = GIVES_UP + GRACE_MS
    case, _ = play(asked(), Tick(GIVES_UP), watched(end))
    assert case.state == "tasked"
    case, effects = play(case, NoticeAccepted(end + 1, None, "n-1"))
    assert case.state == "closed"
    assert [type(effect) for effect in effects] == [PublishRetraction, PublishRecord]
    record = effects[-1]
    assert isinstance(record, PublishRecord)
    assert record.notice_result_id == "n-1"


def test_a_refusal_is_told_in_its_own_words_and_named() -> None:
    case, effects = play(asked(), NoticeRefused(T0 + 5_000, "the owner has opted out", "n-1"))
    assert case.unnotifiable_reason == "the owner has opted out"
    assert [effect.notice_result_id for effect in effects if isinstance(effect, PublishRecord)] == ["n-1"]
    assert play(case, NoticeRefused(T0 + 6_000, "the owner has opted out", "n-1")) == (case, [])


def test_a_message_that_did_not_reach_the_phone_gives_the_whole_time_again() -> None:
    case, _ = play(asked(), NoticeAccepted(T0 + 1_000, None, "n-1"))
    case, _ = play(case, NoticeRefused(T0 + 90_000, "landline", "n-2"))
    assert (case.state, case.notified_ms) == ("unnotifiable", None)
    assert case.clock_ends_ms == T0 + 90_000 + GRACE_MS


def test_a_held_message_is_waited_for_and_the_time_runs_from_its_hour() -> None:
    until = T0 + 6 * HOUR
    case, effects = play(asked(), NoticeHeld(T0 + 2_000, until, "the message waits until 07:00", "n-1"))
    assert case.state == "confirmed"
    assert [effect.reason for effect in effects if isinstance(effect, PublishRecord)] == [
        "the message waits until 07:00"
    ]
    case, effects = play(case, Tick(until + GRACE_MS + ANSWER_MARGIN_MS - 1))
    assert (case.state, effects) == ("confirmed", [])
    sent, _ = play(case, NoticeAccepted(until + 3_000, None, "n-2"))
    assert sent.clock_ends_ms == until + 3_000 + GRACE_MS
    late, _ = play(case, Tick(until + GRACE_MS + ANSWER_MARGIN_MS))
    assert late.state == "unnotifiable"


def test_a_car_that_leaves_while_its_message_waits_ends_the_message() -> None:
    case, _ = play(asked(), NoticeHeld(T0 + 2_000, T0 + HOUR, "it waits", "n-1"))
    case, effects = play(case, Ended(T0 + 60_000, "departed"))
    assert case.state == "self_corrected"
    assert any(isinstance(effect, CancelNotice) for effect in effects)
    # What the gateway took meanwhile is noted, so that the centre stops telling, and changes nothing.
    after, effects = play(case, NoticeAccepted(T0 + 70_000, None, "n-2"))
    assert after.state == "self_corrected"
    assert [effect.notice_result_id for effect in effects if isinstance(effect, PublishRecord)] == ["n-2"]


def test_the_wait_moves_along_with_the_time_base() -> None:
    moved = shift_clock(asked(), 90_000)
    assert play(moved, Tick(GIVES_UP + 89_999))[0].state == "confirmed"
    assert play(moved, Tick(GIVES_UP + 90_000))[0].state == "unnotifiable"


answers = st.one_of(
    st.builds(
        NoticeAccepted,
        st.integers(T0, T0 + 4 * HOUR),
        st.none() | st.integers(T0, T0 + 5 * HOUR),
        st.sampled_from(["n-1", "n-2", "n-3"]),
    ),
    st.builds(
        NoticeRefused, st.integers(T0, T0 + 4 * HOUR), st.just("landline"), st.sampled_from(["n-4", "n-5"])
    ),
    st.builds(
        NoticeHeld,
        st.integers(T0, T0 + 4 * HOUR),
        st.integers(T0, T0 + 3 * HOUR),
        st.just("it waits"),
        st.sampled_from(["n-6", "n-7"]),
    ),
    st.builds(Tick, st.integers(T0, T0 + 4 * HOUR)),
    st.builds(watched, st.integers(T0, T0 + 4 * HOUR), st.booleans()),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(answers, max_size=25))
def test_no_task_stands_in_a_time_that_was_given(history: list[CaseInput]) -> None:
    """Whatever answers come, in whatever order: a task that is not taken back was proven after every acceptance's
    whole time, and after every time that a text had named by then."""
    case = asked()
    task_ms = None
    retracted = False
    fair_ms = 0
    for happened in sorted(history, key=lambda each: each.at_ms):
        before = case
        case, effects = play(case, happened)
        if isinstance(happened, NoticeAccepted) and case.notice == "accepted" and before.notice != "accepted":
            fair_ms = max(fair_ms, happened.at_ms + GRACE_MS, happened.told_until_ms or 0)
        assert case.clock_ends_ms is None or case.clock_ends_ms >= (before.clock_ends_ms or 0)
        retracted = retracted or any(isinstance(effect, PublishRetraction) for effect in effects)
        if any(isinstance(effect, PublishTask) and not effect.manual_check for effect in effects):
            task_ms = case.proven_ms
            assert task_ms is not None
            assert task_ms >= fair_ms
    if task_ms is not None and not retracted:
        assert task_ms >= fair_ms
