"""The case machine keeps its promises whatever happens to it, in whatever order, however often."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from edge_agent.cases import (
    ENDED,
    CancelNotice,
    Capture,
    Case,
    CaseEffect,
    CaseInput,
    Ended,
    Exempted,
    Identified,
    NoticeAccepted,
    NoticeRefused,
    OfficerOutcome,
    PublishRecord,
    PublishRetraction,
    PublishTask,
    SendNotice,
    Tick,
    Watched,
    open_case,
    shift_clock,
    step,
)
from zones import Zone
from zones.hours import Hours
from zones.rules import Calendar

GRACE_MS = 600_000
WINDOW_MS = 120_000
BOX = (100.0, 100.0, 300.0, 200.0)
T0 = 1_767_225_600_000


def zone(**rules: object) -> Zone:
    return Zone.model_validate(
        {"id": "P1", "name": "North pavement", "polygon": [(0, 0), (400, 0), (400, 300)], **rules}
    )


def opened(rules: Zone | None = None) -> tuple[Case, tuple[CaseEffect, ...]]:
    return open_case(
        "C-1",
        "cam1-1-1",
        camera_id="cam1",
        zone=rules or zone(),
        place="12 Kerb Street",
        street="Kerb Street",
        position=None,
        vehicle_class="car",
        box=BOX,
        why="62% of its footprint is in zone P1, needs 40%",
        first_seen_ms=T0 - 60_000,
        at_ms=T0,
    )


def play(case: Case, *inputs: CaseInput) -> tuple[Case, list[CaseEffect]]:
    effects: list[CaseEffect] = []
    for happened in inputs:
        case, more = step(case, happened)
        effects.extend(more)
    return case, effects


def watched(at_ms: int, proven: bool = True) -> Watched:
    return Watched(at_ms, proven, BOX, "62% of its footprint is in zone P1, needs 40%")


def notified() -> Case:
    case, _ = opened()
    case, _ = play(case, Identified(T0, "京A12345", 0.99), NoticeAccepted(T0 + 1_000))
    return case


def test_a_violation_opens_a_case_with_its_first_picture() -> None:
    case, effects = opened()
    assert case.state == "confirmed"
    assert [type(e) for e in effects] == [Capture, PublishRecord]


def test_the_clock_starts_when_the_gateway_accepts_and_not_before() -> None:
    case, _ = opened()
    case, effects = play(case, Identified(T0, "京A12345", 0.99))
    assert [type(e) for e in effects] == [SendNotice]
    assert case.clock_ends_ms is None
    case, _ = play(case, NoticeAccepted(T0 + 7_000))
    assert case.state == "notified"
    assert case.clock_ends_ms == T0 + 7_000 + GRACE_MS


def test_a_fresh_proof_at_the_end_of_the_clock_becomes_a_task() -> None:
    case = notified()
    end = T0 + 1_000 + GRACE_MS
    case, effects = play(case, watched(end - 1), watched(end))
    assert case.state == "tasked"
    assert case.proven_ms == end
    assert [type(e) for e in effects] == [PublishRecord, Capture, PublishRecord, PublishTask]


def test_a_car_that_left_in_time_ends_without_punishment() -> None:
    case, effects = play(notified(), Ended(T0 + 300_000, "departed"))
    assert case.state == "self_corrected"
    assert not any(isinstance(e, PublishTask) for e in effects)


@pytest.mark.parametrize(
    ("policy", "state", "tasks"),
    [
        pytest.param("close", "closed", 0, id="a camera that cannot tell punishes nobody"),
        pytest.param("manual_check", "unverified", 1, id="or sends a person to look"),
    ],
)
def test_without_a_clear_picture_it_is_never_still_there(policy: str, state: str, tasks: int) -> None:
    case, _ = opened(zone(unverified=policy))
    end = T0 + 1_000 + GRACE_MS
    case, effects = play(
        case,
        Identified(T0, "京A12345", 0.99),
        NoticeAccepted(T0 + 1_000),
        Tick(end),
        watched(end + 1_000, proven=False),
        Tick(end + WINDOW_MS),
    )
    assert case.state == state
    issued = [e for e in effects if isinstance(e, PublishTask)]
    assert len(issued) == tasks
    assert all(e.manual_check for e in issued)


@pytest.mark.parametrize(
    ("policy", "state", "manual"),
    [("task", "tasked", False), ("manual_check", "tasked", True), ("close", "closed", None)],
)
def test_a_vehicle_nobody_can_be_told_about_follows_the_zones_policy(
    policy: str, state: str, manual: bool | None
) -> None:
    case, _ = opened(zone(unnotifiable=policy))
    case, _ = play(case, Identified(T0, None, reason="the plate could not be read"))
    assert case.state == "unnotifiable"
    assert case.unnotifiable_reason == "the plate could not be read"
    case, effects = play(case, watched(T0 + GRACE_MS))
    assert case.state == state
    assert [e.manual_check for e in effects if isinstance(e, PublishTask)] == (
        [] if manual is None else [manual]
    )


def test_the_same_vehicle_seen_by_two_cameras_is_one_case() -> None:
    case, _ = opened()
    case, effects = play(case, Identified(T0, "京A12345", 0.99, open_in="C-0"))
    assert case.state == "exempt"
    assert not any(isinstance(e, SendNotice) for e in effects)


def test_a_plate_warned_a_moment_ago_is_not_warned_again_but_gets_its_time() -> None:
    case, _ = opened()
    case, effects = play(case, Identified(T0, "京A12345", 0.99, warned_in="C-0"))
    assert case.state == "unnotifiable"
    assert not any(isinstance(e, SendNotice) for e in effects)
    assert case.clock_ends_ms == T0 + GRACE_MS


def test_leaving_after_the_task_takes_the_task_back() -> None:
    case, _ = play(notified(), watched(T0 + 1_000 + GRACE_MS))
    case, effects = play(case, Ended(T0 + GRACE_MS + 60_000, "departed"))
    assert case.state == "closed"
    assert any(isinstance(e, PublishRetraction) for e in effects)


def test_an_outcome_closes_the_case_and_its_repetition_does_nothing() -> None:
    case, _ = play(notified(), watched(T0 + 1_000 + GRACE_MS))
    outcome = OfficerOutcome(T0 + GRACE_MS + 90_000, "o-1", "ticketed")
    case, effects = play(case, outcome)
    assert case.state == "closed"
    assert [e.outcome_id for e in effects if isinstance(e, PublishRecord)] == ["o-1"]
    again, nothing = step(case, outcome)
    assert again == case
    assert nothing == ()


def test_an_outcome_that_crosses_a_retraction_is_still_answered() -> None:
    case, _ = play(notified(), watched(T0 + 1_000 + GRACE_MS), Ended(T0 + GRACE_MS + 60_000, "departed"))
    case, effects = play(case, OfficerOutcome(T0 + GRACE_MS + 61_000, "o-1", "vehicle_gone"))
    assert case.state == "closed"
    assert [e.outcome_id for e in effects if isinstance(e, PublishRecord)] == ["o-1"]


NIGHT = {"hours": [{"from": "20:00", "to": "08:05"}]}
"""T0 is 08:00 in Shanghai: five minutes before they end."""


def test_hours_that_end_before_the_clock_end_the_case_without_a_task() -> None:
    case, _ = opened(zone(**NIGHT))
    assert case.counts_until_ms == T0 + 300_000
    case, _ = play(case, Identified(T0, "京A12345", 0.99), NoticeAccepted(T0 + 1_000), watched(T0 + 299_999))
    assert case.state == "notified"
    case, effects = play(case, watched(T0 + 301_000), watched(T0 + 700_000))
    assert case.state == "closed"
    assert case.reason == "the zone's hours ended at 08:05; nothing follows"
    assert case.changed_ms == T0 + 300_000
    assert [type(e) for e in effects] == [PublishRecord]


def test_a_warning_on_its_way_is_withdrawn_when_the_hours_end() -> None:
    case, _ = opened(zone(**NIGHT))
    case, effects = play(case, Identified(T0, "京A12345", 0.99), Tick(T0 + 300_000))
    assert case.state == "closed"
    assert [type(e) for e in effects] == [SendNotice, CancelNotice, PublishRecord]


def test_a_clock_that_was_set_back_before_the_hours_does_not_make_a_task() -> None:
    """The moment at which they end was reckoned with a wrong clock; the hours themselves are asked as well."""
    case, _ = opened(zone(hours=[{"from": "07:30", "to": "20:00"}], grace_s=60))
    case, _ = play(case, Identified(T0, "京A12345", 0.99), NoticeAccepted(T0))
    case = shift_clock(case, -3_600_000)
    case, effects = play(case, watched(T0 - 3_500_000))
    assert case.state == "closed"
    assert not any(isinstance(e, PublishTask) for e in effects)


def test_a_step_is_never_told_as_older_than_the_one_before() -> None:
    """The centre shows the newest step; after a clock was set back that must still be the last one."""
    case, _ = play(opened()[0], Identified(T0, "京A12345", 0.99), NoticeAccepted(T0 + 1_000))
    case = shift_clock(case, -3_600_000)
    case, effects = play(case, Ended(T0 - 3_500_000, "departed"))
    (record,) = [e for e in effects if isinstance(e, PublishRecord)]
    assert record.state == "self_corrected"
    assert record.at_ms == T0 + 1_000


def test_a_case_stored_before_there_were_hours_still_opens() -> None:
    kept = TypeAdapter(Case)
    old = json.loads(kept.dump_json(notified()))
    for name in ("time_zone", "calendar", "counts_until_ms", "exemption_unclear"):
        del old[name]
    for name in ("hours", "exempt", "priority", "min_length_m"):
        del old["zone"][name]
    case = kept.validate_python(old, strict=False)
    assert case == notified()
    rules = zone(**NIGHT, exempt=[{"reason": "r", "hours": [{"days": ["holiday"], "from": "01:00"}]}])
    case, _ = opened(rules)
    assert kept.validate_json(kept.dump_json(case)) == case, "and new ones keep their hours and calendar"


def test_what_is_found_to_be_exempt_ends_without_a_warning() -> None:
    case, effects = play(opened()[0], Identified(T0, "京A12345", 0.99, exempt="环卫作业"))
    assert (case.state, case.reason, case.plate) == ("exempt", "exempt: 环卫作业", None)
    assert [type(e) for e in effects] == [PublishRecord]
    case, effects = play(notified(), Exempted(T0 + 60_000, "居民证"))
    assert case.state == "exempt"
    case, effects = play(
        notified(), watched(T0 + 1_000 + GRACE_MS), Exempted(T0 + GRACE_MS + 2_000, "居民证")
    )
    assert case.state == "tasked", "what was proven stands; an officer decides"


def test_where_nobody_can_tell_whether_it_is_exempt_a_person_looks() -> None:
    case, _ = play(opened()[0], Identified(T0, None, reason="no plate in view", unclear="no plate in view"))
    assert case.state == "unnotifiable"
    case, effects = play(case, watched(T0 + GRACE_MS))
    assert [e.manual_check for e in effects if isinstance(e, PublishTask)] == [True]
    look = replace(watched(T0 + 1_000 + GRACE_MS), unclear=True)
    _, effects = play(notified(), look)
    assert [e.manual_check for e in effects if isinstance(e, PublishTask)] == [True]


# What holds for every history

times = st.integers(min_value=0, max_value=2 * GRACE_MS + WINDOW_MS)
inputs = st.one_of(
    st.builds(lambda t, p: watched(T0 + t, p), times, st.booleans()),
    st.builds(lambda t: Tick(T0 + t), times),
    st.builds(lambda t, r: Ended(T0 + t, r), times, st.sampled_from(["departed", "replaced", "left_zone"])),
    st.builds(lambda t: NoticeAccepted(T0 + t), times),
    st.builds(lambda t: NoticeRefused(T0 + t, "opted out"), times),
    st.builds(
        lambda t, plate, warned, opened_in: Identified(
            T0 + t, plate, 0.9 if plate else None, "", warned, opened_in
        ),
        times,
        st.sampled_from([None, "京A12345"]),
        st.sampled_from([None, None, "C-0"]),
        st.sampled_from([None, None, None, "C-9"]),
    ),
    st.builds(lambda t: Exempted(T0 + t, "居民证"), times),
    st.builds(lambda t: Identified(T0 + t, None, unclear="no plate in view"), times),
    st.builds(lambda t, i: OfficerOutcome(T0 + t, f"o-{i}", "ticketed"), times, st.integers(1, 2)),
)
policies = st.fixed_dictionaries(
    {
        "unnotifiable": st.sampled_from(["task", "manual_check", "close"]),
        "unverified": st.sampled_from(["close", "manual_check"]),
        "hours": st.lists(
            st.integers(-30, 20).map(
                lambda m: {"from": "00:00" if m < -15 else "07:50", "to": f"08:{m:02d}" if m > 0 else "20:00"}
            ),
            max_size=2,
        ),
    }
)


@given(policies, st.lists(inputs, max_size=30), st.booleans())
@settings(max_examples=600, deadline=None)
def test_no_history_breaks_the_invariants(
    rules: dict[str, Any], history: list[CaseInput], in_order: bool
) -> None:
    within = Hours(zone(**rules).hours, "Asia/Shanghai", Calendar())
    if in_order:
        history = sorted(history, key=lambda i: i.at_ms)
    case, _ = opened(zone(**rules))
    notices = tasks = 0
    keys: list[int] = []
    clock_end: int | None = None
    for happened in history:
        before = case
        case, effects = step(case, happened)
        assert step(before, happened) == (case, effects), "pure: the same input twice gives the same"
        notices += sum(isinstance(e, SendNotice) for e in effects)
        keys.extend(e.step for e in effects if isinstance(e, PublishRecord))
        for effect in effects:
            if isinstance(effect, PublishTask):
                tasks += 1
                assert case.clock_ends_ms is not None
                assert effect.at_ms >= case.clock_ends_ms, "no task before the end of the clock"
                assert within.counts(effect.at_ms), "no task outside of the hours"
                assert (within.next_change(T0) or effect.at_ms + 1) > effect.at_ms, "nor over a pause in them"
                if before.exemption_unclear:
                    assert effect.manual_check, "what nobody can tell a person decides"
                if not effect.manual_check or case.proven_ms is not None:
                    assert isinstance(happened, Watched)
                    assert happened.proven
                    assert happened.at_ms >= case.clock_ends_ms, "only a fresh proof makes a task"
            if isinstance(effect, PublishRetraction):
                assert tasks == 1, "nothing is taken back that was not issued"
        if clock_end is not None:
            assert case.clock_ends_ms is not None
            assert case.clock_ends_ms >= clock_end, "the clock never shortens"
        clock_end = case.clock_ends_ms
        if before.state in ENDED:
            assert case.state == before.state, "nothing leaves an end"
    assert notices <= 1, "one warning a stay"
    assert tasks <= 1, "one task a stay"
    assert len(keys) == len(set(keys)), "every record has its own key"


@given(
    st.integers(1, 25),
    st.integers(0, 400),
    st.integers(5, 90),
    st.sampled_from(["close", "manual_check"]),
    st.sets(st.integers(0, 99), max_size=60),
)
@settings(max_examples=200, deadline=None)
def test_a_vehicle_that_stays_is_reported_within_the_hours_or_not_at_all(
    ends_min: int, sent_s: int, every_s: int, policy: str, hidden: set[int]
) -> None:
    rules = zone(hours=[{"from": "07:50", "to": f"08:{ends_min:02d}"}], unverified=policy)
    case, _ = play(opened(rules)[0], Identified(T0, "京A12345", 0.99))
    tasks: list[int] = []
    warned = False
    for number in range(1 + 1_600 // every_s):
        at_ms = T0 + number * every_s * 1000
        looks: list[CaseInput] = [watched(at_ms, proven=number not in hidden), Tick(at_ms)]
        if not warned and number * every_s >= sent_s:
            looks, warned = [NoticeAccepted(at_ms), *looks], True
        case, effects = play(case, *looks)
        tasks.extend(e.at_ms for e in effects if isinstance(e, PublishTask))
    ends_ms = T0 + ends_min * 60_000
    assert all(at_ms < ends_ms for at_ms in tasks)
    assert case.state == ("tasked" if tasks and policy == "close" else case.state)
    if not tasks:
        assert case.state == "closed"


@given(st.lists(inputs, max_size=20), st.data())
@settings(max_examples=300, deadline=None)
def test_a_repeated_input_has_no_second_effect(history: list[CaseInput], data: st.DataObject) -> None:
    """A worker that died after delivering its result delivers it again."""
    case, _ = opened()
    once: list[CaseEffect] = []
    twice: list[CaseEffect] = []
    other = case
    for happened in sorted(history, key=lambda i: i.at_ms):
        case, effects = step(case, happened)
        once.extend(effects)
        other, effects = step(other, happened)
        twice.extend(effects)
        if data.draw(st.booleans()) and not isinstance(happened, OfficerOutcome):
            other, effects = step(other, happened)
            twice.extend(effects)
    assert [type(e) for e in once] == [type(e) for e in twice]
    assert case == other


@given(st.integers(-7_200_000, 7_200_000))
def test_a_clock_step_leaves_the_real_time_left_as_it_was(by_ms: int) -> None:
    case = notified()
    assert case.clock_ends_ms is not None
    moved = shift_clock(case, by_ms)
    now = T0 + 60_000
    assert moved.clock_ends_ms is not None
    assert moved.clock_ends_ms - (now + by_ms) == case.clock_ends_ms - now
    assert replace(moved, clock_ends_ms=case.clock_ends_ms) == case
