"""Where the centre warns: asked once, picture first, no phone number here, and no crash changes anything."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, note, settings

from tests.edge_agent.crashing import Box, Fate, box
from tests.edge_agent.scripted import GRACE_S, PHONES, Beat
from tests.edge_agent.test_engine_crashes import FAST_DISK, STORIES, lives, scripts, stretch


@contextmanager
def centre_box(fate: Fate | None = None) -> Iterator[Box]:
    where = FAST_DISK if FAST_DISK.is_dir() else None
    with (
        tempfile.TemporaryDirectory(prefix="patrol-asks-", dir=where) as name,
        box(Path(name), fate, centre_warns=True) as one,
    ):
        yield one


def played(script: list[Beat], fate: Fate | None = None) -> tuple[dict[str, Any], list[str]]:
    with centre_box(fate) as one:
        one.live(script)
        check_promises(one)
        result = {
            "events": one.events(),
            "received": one.outside.received,
            "outbox": one.outbox_keys(),
            "sms": one.outside.sms_calls,
            "cases": one.case_ids(),
        }
        return result, one.fate.fired


def check_promises(one: Box) -> None:
    outside = one.outside
    assert len(outside.sms_calls) == len(set(outside.sms_calls))
    requests = outside.messages("notice_request")
    assert len({request["case_id"] for request in requests}) == len(requests), "one warning a stay"
    order = list(outside.received)
    for request in requests:
        picture = f"j/a/evidence/{request['evidence']['sha256']}"
        assert order.index(picture) < order.index(request["idempotency_key"]), "the picture goes first"
        assert not any(phone in str(request) for phone in PHONES.values())
    accepted = {a.case_id: a for a in outside.answers.values() if a.state == "accepted"}
    for task in outside.messages("enforcement_task"):
        answer = accepted.get(task["case_id"])
        if answer is not None and task["notified_at_ms"] is not None:
            assert task["clock_ends_ms"] >= answer.at_ms + GRACE_S * 1000
            assert task["clock_ends_ms"] >= answer.told_until_ms
            assert task["rechecked_at_ms"] >= task["clock_ends_ms"]


LOST_CENTRE = [*stretch("empty", 2), *stretch("A", 120, ("deliver",)), *stretch("A", 4)]
"""The request arrives, and nobody answers for two minutes."""

OFFLINE = [*stretch("empty", 2), *stretch("A", 120, ()), *stretch("A", 30), *stretch("empty", 8)]
"""Nothing reaches the centre for two minutes."""


def test_a_case_is_told_by_the_centre_and_the_clock_runs_from_its_answer() -> None:
    result, _ = played(STORIES["stays"])
    states = [event["state"] for event in result["events"] if event["case"] is not None]
    assert states[:4] == ["confirmed", "notified", "rechecking", "tasked"]
    assert len(result["sms"]) == 1


@pytest.mark.parametrize(
    ("script", "sent"), [(LOST_CENTRE, 0), (OFFLINE, 0)], ids=["no answer", "no way out"]
)
def test_a_case_whose_owner_nobody_can_tell_does_not_hang_and_says_why(script: list[Beat], sent: int) -> None:
    result, _ = played(script)
    case = [event for event in result["events"] if event["case"] is not None]
    states = [event["state"] for event in case]
    assert states[:2] == ["confirmed", "unnotifiable"]
    assert case[1]["reason"] == "no answer came whether the warning went out"
    assert "tasked" in states, "the zone's policy for those whom nobody could tell"
    assert len(result["sms"]) == sent


def test_a_request_that_never_left_the_box_is_withdrawn_when_the_case_stops_waiting() -> None:
    """Then it certainly was never sent, whatever the centre does later."""
    with centre_box() as one:
        one.live(OFFLINE)
        assert one.outside.messages("notice_request") == []


@pytest.mark.parametrize("story", [*STORIES, "no answer"])
def test_a_crash_at_any_step_changes_nothing(story: str) -> None:
    """One crash, at every 23rd of all steps, or at every 97th of the long story; `test_engine_crashes` looks closer."""
    every = 23 if story in STORIES else 97
    script = STORIES.get(story, LOST_CENTRE[:100])
    expected, _ = played(script)
    fired = 0
    for gap in range(1 + len(story) % 11, 100_000, every):
        result, died = played(script, Fate([gap]))
        if not died:
            break
        fired += 1
        assert result == expected, died
    assert fired > 8


@settings(max_examples=25, deadline=None)
@given(script=scripts, gaps=lives)
@example(script=STORIES["stays"], gaps=[40] * 12)
def test_any_history_with_any_crashes_ends_as_if_there_had_been_none(
    script: list[Beat], gaps: list[int]
) -> None:
    expected, _ = played(script)
    result, died = played(script, Fate(gaps))
    note(f"died at {died}")
    assert result == expected
