"""The deadline in a text: never later than the end of any clock that starts when the message is accepted."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.letter import Letter, LetterBay
from notifier.notice import told_deadline

NOON = 1_767_240_000_000


def letter(**changes: object) -> Letter:
    plain = {
        "plate": "京A12345",
        "place": "长安街12号",
        "grace_ms": 600_000,
        "time_zone": "Asia/Shanghai",
        "reference": "7K3QAZ",
    }
    return Letter.model_validate({**plain, **changes})


@given(st.integers(NOON, NOON + 10**9), st.integers(1_000, 86_400_000), st.integers(0, 60_000))
def test_the_told_deadline_is_never_later_than_a_clock_that_starts_then_or_later(
    now_ms: int, grace_ms: int, later_ms: int
) -> None:
    told = told_deadline(now_ms, grace_ms)
    assert told <= now_ms + later_ms + grace_ms
    assert told > now_ms + grace_ms - 60_000
    assert grace_ms < 300_000 or told % 60_000 == 0, (
        "what is shown is what is meant: there are no hidden seconds"
    )
    assert grace_ms >= 300_000 or told > now_ms + grace_ms - 1_000


@given(st.integers(NOON, NOON + 10**9), st.integers(1_000, 86_400_000))
def test_the_text_shows_exactly_the_told_deadline(now_ms: int, grace_ms: int) -> None:
    written = letter(grace_ms=grace_ms).write(now_ms)
    local = datetime.fromtimestamp(written.told_until_ms / 1000, UTC).astimezone(ZoneInfo("Asia/Shanghai"))
    shown = f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"
    assert f"请于{shown}前驶离" in written.notice.text


def test_a_message_that_waited_gives_the_whole_time_from_its_sending_on() -> None:
    assert "12:10前" in letter().write(NOON).notice.text
    assert "12:25前" in letter().write(NOON + 15 * 60_000 + 59_000).notice.text


def test_a_short_time_is_told_to_the_second() -> None:
    text = letter(grace_ms=30_000).write(NOON + 20_000).notice.text
    assert "12:00:50前" in text


def test_several_languages_and_the_owners_own() -> None:
    both = letter(languages=["zh-Hans", "en"])
    assert both.write(NOON).language == "zh-Hans+en"
    assert "\nVehicle" in both.write(NOON).notice.text
    assert both.write(NOON, "en").notice.text.startswith("Vehicle")


def test_the_words_for_a_gateways_own_template() -> None:
    values = letter(bays=(LetterBay(name="王府井", distance_m=123),), link="https://p.example.cn/n/x").write(
        NOON
    )
    words = values.notice.values
    assert (words["plate"], words["deadline"], words["bays"]) == ("京A***45", "12:10", "王府井120m")
    assert "京A12345" not in str(words)


def test_a_letter_shows_no_plate() -> None:
    assert "12345" not in repr(letter())


@pytest.mark.parametrize("wrong", [{"grace_ms": 0}, {"languages": []}, {"languages": ["fr"]}])
def test_what_cannot_be_written_is_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match=r"."):
        letter(**wrong)
