"""Whether a message may be sent now: every boundary, every reason in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from notifier.policy import (
    SAYINGS,
    Hold,
    NoticePolicy,
    QuietWindow,
    RefusalCode,
    Refuse,
    Send,
    Standing,
    heard,
    judge,
    quiet_until,
)

CHINA = ZoneInfo("Asia/Shanghai")
PHONE = "+8613800138000"


def at(text: str, zone: ZoneInfo = CHINA) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


def policy(**changes: object) -> NoticePolicy:
    return NoticePolicy.model_validate(changes)


def standing(**changes: object) -> Standing:
    return Standing(**{"now_ms": at("2026-01-15 12:00"), "phone": PHONE, **changes})  # type: ignore[arg-type]


NIGHT = {"quiet": [{"from": "22:00", "to": "07:00"}]}


def test_without_a_reason_it_is_sent() -> None:
    assert judge(policy(), standing(), CHINA) == Send()


@pytest.mark.parametrize(
    ("changes", "facts", "code"),
    [
        ({}, {"opted_out": True}, "opted_out"),
        ({}, {"warned_before": True}, "warned_before"),
        ({}, {"phone": "+85291234567"}, "foreign_number"),
        ({"home": ["+86", "+852"]}, {"phone": "+85291234567"}, None),
        ({"foreign": "send"}, {"phone": "+85291234567"}, None),
        ({"per_number_per_day": 3}, {"to_number": 2}, None),
        ({"per_number_per_day": 3}, {"to_number": 3}, "number_limit"),
        ({"per_number_per_day": 0}, {"to_number": 10**6}, None),
        ({"per_agent_per_hour": 3}, {"by_agent": 2}, None),
        ({"per_agent_per_hour": 3}, {"by_agent": 3}, "agent_limit"),
        ({"per_agent_per_hour": 0}, {"by_agent": 10**6}, None),
        ({"segments_per_day": 3}, {"segments_today": 2}, None),
        ({"segments_per_day": 3}, {"segments_today": 3}, "day_limit"),
        ({}, {"segments_today": 10**9}, None),
        # What waiting cannot mend is said, not the hour.
        ({**NIGHT, "quiet_then": "hold"}, {"opted_out": True, "now_ms": at("2026-01-15 23:00")}, "opted_out"),
    ],
)
def test_limits_at_their_boundaries(changes: dict, facts: dict, code: str | None) -> None:
    expected = Send() if code is None else Refuse(code)  # type: ignore[arg-type]
    assert judge(policy(**changes), standing(**facts), CHINA) == expected


def test_every_reason_has_words() -> None:
    assert set(SAYINGS) == set(get_args(RefusalCode))
    assert Refuse("opted_out").reason == "the owner has opted out"


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-01-15 21:59:59", None),
        ("2026-01-15 22:00:00", "2026-01-16 07:00"),
        ("2026-01-16 00:00:00", "2026-01-16 07:00"),
        ("2026-01-16 06:59:59", "2026-01-16 07:00"),
        ("2026-01-16 07:00:00", None),
    ],
)
def test_a_window_over_midnight(now: str, until: str | None) -> None:
    found = quiet_until(policy(**NIGHT).quiet, at(now), CHINA)
    assert found == (None if until is None else at(until))


def test_windows_that_touch_are_one() -> None:
    windows = policy(quiet=[{"from": "12:00", "to": "14:00"}, {"from": "14:00", "to": "15:30"}]).quiet
    assert quiet_until(windows, at("2026-01-15 12:30"), CHINA) == at("2026-01-15 15:30")


def test_quiet_all_day_ends_some_day() -> None:
    windows = policy(quiet=[{"from": "00:00", "to": "24:00"}]).quiet
    now = at("2026-01-15 12:30")
    until = quiet_until(windows, now, CHINA)
    assert until is not None
    assert now < until <= now + 3 * 86_400_000


def test_in_quiet_hours_a_message_is_refused_or_waits() -> None:
    night = standing(now_ms=at("2026-01-15 23:30"))
    assert judge(policy(**NIGHT), night, CHINA) == Refuse("quiet_hours")
    held = judge(policy(**NIGHT, quiet_then="hold"), night, CHINA)
    assert held == Hold(at("2026-01-16 07:00"), "the message waits until 07:00")


@pytest.mark.parametrize(
    ("zone", "now", "until"),
    [
        # Berlin skips 02:00 to 03:00 on 29 March 2026: a window that ends in the gap ends after it.
        ("Europe/Berlin", "2026-03-29T00:30:00+00:00", "2026-03-29T01:30:00+00:00"),
        # And has 02:00 to 03:00 twice on 25 October: the first time counts.
        ("Europe/Berlin", "2026-10-24T23:30:00+00:00", "2026-10-25T00:30:00+00:00"),
    ],
)
def test_a_window_that_ends_where_clocks_change(zone: str, now: str, until: str) -> None:
    windows = policy(quiet=[{"from": "01:00", "to": "02:30"}]).quiet
    now_ms = round(datetime.fromisoformat(now).timestamp() * 1000)
    found = quiet_until(windows, now_ms, ZoneInfo(zone))
    assert found == round(datetime.fromisoformat(until).timestamp() * 1000)


minutes = st.integers(0, 1439).map(lambda number: f"{number // 60:02}:{number % 60:02}")


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(minutes, minutes).filter(lambda pair: pair[0] != pair[1]), max_size=4),
    st.integers(0, 400 * 86_400),
    st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
)
def test_the_end_of_quiet_hours_is_later_and_not_quiet(
    pairs: list[tuple[str, str]], second: int, zone: str
) -> None:
    windows = tuple(QuietWindow.model_validate({"from": start, "to": end}) for start, end in pairs)
    now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
    now_ms = round(now.timestamp() * 1000)
    until = quiet_until(windows, now_ms, ZoneInfo(zone))
    if until is None:
        return
    assert until > now_ms
    if until < now_ms + 86_400_000:
        assert quiet_until(windows, until, ZoneInfo(zone)) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"quiet": [{"from": "22:00", "to": "22:00"}]},
        {"quiet": [{"from": "24:00", "to": "07:00"}]},
        {"quiet": [{"from": "7:00", "to": "08:00"}]},
        {"quiet": [{"from": "22:00", "until": "07:00"}]},
        {"home": []},
        {"home": ["86"]},
        {"per_number_per_day": -1},
        {"currency": "yuan"},
        {"surprise": True},
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict) -> None:
    with pytest.raises(ValidationError):
        policy(**wrong)


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("TD", "stop"),
        (" td。 ", "stop"),
        ("退订", "stop"),
        ("【退订】", "stop"),
        ("Stop.", "stop"),
        ("START", "start"),
        ("恢复", "start"),
        ("stop it now", None),
        ("我没有退订", None),
        ("", None),
        ("TD1", None),
    ],
)
def test_only_the_bare_word_is_heard(text: str, wish: str | None) -> None:
    assert heard(text) == wish
