"""Whenever the agent dies, and however often: nobody is warned twice, nobody is fined unproven, nothing is lost."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, note, settings
from hypothesis import strategies as st

from protocol.clock import from_iso
from tests.edge_agent.crashing import Box, Fate, box
from tests.edge_agent.scripted import BEAT_MS, GRACE_S, PHONES, T0, Beat, Deed, Scene

FAST_DISK = Path("/dev/shm")
"""A folder in memory, where fsync costs nothing."""


@contextmanager
def folder() -> Iterator[Path]:
    where = FAST_DISK if FAST_DISK.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="patrol-engine-", dir=where) as name:
        yield Path(name)


ALL: tuple[Deed, ...] = ("sms", "deliver")


def stretch(scene: Scene, beats: int, deeds: tuple[Deed, ...] = ALL) -> list[Beat]:
    return [Beat(scene, deeds)] * beats


STAYS = [*stretch("empty", 2), *stretch("A", 22), *stretch("A", 2, (*ALL, "outcome", "outcome again"))]
LEAVES = [*stretch("empty", 2), *stretch("A", 11), *stretch("empty", 14)]
UNKNOWN_OWNER = [*stretch("empty", 2), *stretch("B", 26), *stretch("empty", 8)]
REPLACED = [*stretch("empty", 2), *stretch("A", 9), *stretch("B", 20)]
HIDDEN_AT_THE_END = [*stretch("empty", 2), *stretch("A", 9), *stretch("bus", 18), *stretch("A", 4)]
LATE_GATEWAY = [*stretch("empty", 2), *stretch("A", 12, ("deliver",)), *stretch("A", 14)]

STORIES = {
    "stays": STAYS,
    "leaves": LEAVES,
    "owner unknown": UNKNOWN_OWNER,
    "replaced": REPLACED,
    "hidden at the end": HIDDEN_AT_THE_END,
    "late gateway": LATE_GATEWAY,
}

scripts = st.lists(
    st.tuples(
        st.sampled_from(["A", "A", "A", "B", "empty", "bus", "dark", "gone"]),
        st.integers(2, 14),
        st.sets(st.sampled_from(["sms", "deliver", "outcome", "outcome again"]), min_size=1).map(
            lambda deeds: tuple(sorted(deeds))
        ),
    ),
    min_size=2,
    max_size=6,
).map(lambda parts: [beat for scene, beats, deeds in parts for beat in stretch(scene, beats, deeds)])

lives = st.lists(st.integers(1, 260), min_size=1, max_size=8)


def undisturbed(script: list[Beat]) -> dict[str, Any]:
    with folder() as where, box(where) as one:
        one.live(script)
        check_promises(one, script)
        return outcome_of(one)


def outcome_of(one: Box) -> dict[str, Any]:
    return {
        "events": one.events(),
        "received": one.outside.received,
        "outbox": one.outbox_keys(),
        "sms": [(line["key"], line["to"], line["text"]) for line in one.sms_sent()],
        "cases": one.case_ids(),
    }


def check_promises(one: Box, script: list[Beat]) -> None:
    """What must hold after any history."""
    sent = one.sms_sent()
    # At most one warning per stay; a stay has at most one case, whose id names it.
    assert len({line["key"] for line in sent}) == len(sent) == len(one.outside.sms_calls)
    assert {line["to"] for line in sent} <= set(PHONES.values())
    accepted_ms = {line["key"].split("/")[-2]: from_iso(line["at"]) for line in sent}

    confirmed_scene = {}
    steps: dict[str, list[int]] = {}
    for record in one.outside.messages("case_record"):
        case_id = record["case_id"]
        steps.setdefault(case_id, []).append(int(record["idempotency_key"].rsplit("-", 1)[1]))
        if record["state"] == "confirmed":
            confirmed_scene[case_id] = scene_at(script, record["at_ms"])
    for case_id, numbers in steps.items():
        # Records of one case arrive in order and without gaps.
        assert numbers == list(range(len(numbers))), case_id

    tasks = one.outside.messages("enforcement_task")
    assert len({task["case_id"] for task in tasks}) == len(tasks)
    for task in tasks:
        assert not task["manual_check"]
        assert task["rechecked_at_ms"] >= task["clock_ends_ms"]
        # The truth of that very second: the vehicle that was confirmed stands there in plain sight.
        assert scene_at(script, task["rechecked_at_ms"]) == confirmed_scene[task["case_id"]]
        started = accepted_ms.get(task["case_id"], task["confirmed_at_ms"])
        assert task["clock_ends_ms"] >= started + GRACE_S * 1000
        pictures = {ref["role"]: ref for ref in task["evidence"]}
        assert set(pictures) == {"confirm", "recheck"}
        assert pictures["recheck"]["taken_at_ms"] >= task["clock_ends_ms"]
        for ref in task["evidence"]:
            assert f"j/a/evidence/{ref['sha256']}" in one.outside.received

    # Nothing waits for the deciding loop any more, and what comes again is known.
    assert one.store.arrivals() == []
    before = one.events()
    for line in sent:
        with one.store.transaction() as db:
            one.store.arrive(db, "notice_accepted", line["key"].split("/")[-2], {}, f"{line['key']}#result")
    assert one.engine.arrivals(T0 + len(script) * BEAT_MS) == 0
    assert one.events() == before


def scene_at(script: list[Beat], at_ms: int) -> str:
    return script[(at_ms - T0) // BEAT_MS].scene


@pytest.mark.parametrize(
    ("story", "states", "warned"),
    [
        pytest.param(
            "stays", ["confirmed", "notified", "rechecking", "tasked", "closed", "closed"], 1, id="a fine"
        ),
        pytest.param("leaves", ["confirmed", "notified", "rechecking", "self_corrected"], 1, id="no fine"),
        pytest.param(
            "owner unknown",
            ["confirmed", "unnotifiable", "rechecking", "tasked", "closed"],
            0,
            id="nobody to warn, a retraction when it leaves",
        ),
    ],
)
def test_the_stories_go_as_told(story: str, states: list[str], warned: int) -> None:
    result = undisturbed(STORIES[story])
    assert [e["state"] for e in result["events"] if e["case"] is not None] == states
    assert len(result["sms"]) == warned


@pytest.mark.parametrize("story", STORIES)
def test_a_crash_at_any_step_changes_nothing(story: str) -> None:
    """One crash, at every eleventh of all steps; together with the neighbours' offsets all kinds of steps."""
    script = STORIES[story]
    expected = undisturbed(script)
    fired = 0
    for gap in range(1 + len(story) % 11, 100_000, 11):
        with folder() as where, box(where, Fate([gap])) as one:
            one.live(script)
            if not one.fate.fired:
                break
            fired += 1
            what = f"{one.fate.fired[0][:40]} (step {gap})"
            check_promises(one, script)
            assert outcome_of(one) == expected, what
    assert fired > 30


@settings(max_examples=60, deadline=None)
@given(script=scripts, gaps=lives)
@example(script=STAYS, gaps=[40] * 12)
@example(script=REPLACED, gaps=[25] * 20)
def test_any_history_with_any_crashes_ends_as_if_there_had_been_none(
    script: list[Beat], gaps: list[int]
) -> None:
    expected = undisturbed(script)
    with folder() as where, box(where, Fate(gaps)) as one:
        one.live(script)
        note(f"died at {one.fate.fired}")
        check_promises(one, script)
        assert outcome_of(one) == expected
        # A listener hears each decision at most once, and only what is stored.
        stored = one.events()
        assert all(stored.count(event) >= one.told.count(event) for event in one.told)


@settings(max_examples=40, deadline=None)
@given(script=scripts, gaps=st.lists(st.integers(1, 60), min_size=1, max_size=12))
@example(script=STAYS, gaps=[9] * 20)
def test_a_disk_that_refuses_now_and_then_changes_nothing(script: list[Beat], gaps: list[int]) -> None:
    expected = undisturbed(script)
    with folder() as where, box(where, Fate(gaps, refuse=True)) as one:
        one.live(script)
        note(f"refused {one.fate.fired}")
        check_promises(one, script)
        assert outcome_of(one) == expected
