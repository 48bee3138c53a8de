"""The warning says what the law and the driver need, in as few segments as a network counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from notifier import notice
from notifier.notice import Bay, NoticeFacts, Segments, render, segments
from protocol.clock import from_iso
from protocol.errors import PatrolError

FACTS = NoticeFacts(
    plate="京A12345",
    place="长安街12号",
    deadline_ms=from_iso("2026-01-01T04:30:00Z"),
    time_zone="Asia/Shanghai",
    reference="7K3QAZ",
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("", Segments("GSM-7", 0, 1)),
        ("a" * 160, Segments("GSM-7", 160, 1)),
        ("a" * 161, Segments("GSM-7", 161, 2)),
        ("a" * 306, Segments("GSM-7", 306, 2)),
        ("a" * 307, Segments("GSM-7", 307, 3)),
        ("€" * 80, Segments("GSM-7", 160, 1)),  # each takes two septets
        ("€" * 81, Segments("GSM-7", 162, 2)),
        # An escaped sign does not fit into the last septet of a segment and moves on.
        ("a" * 152 + "€" + "a" * 151, Segments("GSM-7", 305, 2)),
        ("a" * 152 + "€" + "a" * 152, Segments("GSM-7", 306, 3)),
        ("[]{}^~|\\", Segments("GSM-7", 16, 1)),
        ("@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà\n\r", Segments("GSM-7", 44, 1)),
        ("`", Segments("UCS-2", 1, 1)),  # the grave accent is not in the alphabet
        ("ç", Segments("UCS-2", 1, 1)),  # only the capital is
        ("京" * 70, Segments("UCS-2", 70, 1)),
        ("京" * 71, Segments("UCS-2", 71, 2)),
        ("京" * 134, Segments("UCS-2", 134, 2)),
        ("京" * 135, Segments("UCS-2", 135, 3)),
        ("🚗" * 35, Segments("UCS-2", 70, 1)),  # surrogate pairs
        ("京" * 66 + "🚗" + "京" * 66, Segments("UCS-2", 134, 3)),  # the pair is not split
    ],
)
def test_segments_are_counted_as_a_network_counts_them(text: str, size: Segments) -> None:
    assert segments(text) == size


@given(st.text(max_size=400))
def test_sizes_agree_with_the_encodings_themselves(text: str) -> None:
    size = segments(text)
    if size.encoding == "UCS-2":
        assert size.units == len(text.encode("utf-16-be", "surrogatepass")) // 2
    single, joined = (160, 153) if size.encoding == "GSM-7" else (70, 67)
    assert size.segments == 1 if size.units <= single else size.segments >= -(-size.units // joined)
    assert (size.segments - 1) * (joined - 1) < max(size.units, 1)


def test_a_chinese_notice_names_plate_place_deadline_and_reference() -> None:
    text = render(FACTS).text
    assert "京A***45" in text
    assert "京A12345" not in text
    assert "长安街12号" in text
    assert "12:30" in text, "local time of the place"
    assert "分钟" not in text, "a length of time would count from whenever it is read"
    assert "7K3QAZ" in text


def test_an_english_notice_in_plain_letters_is_short() -> None:
    facts = NoticeFacts("ABC12345", "12 Main St", FACTS.deadline_ms, "Europe/London", "7K3QAZ")
    notice_ = render(facts, "en")
    assert notice_.size.encoding == "GSM-7"
    assert notice_.size.segments == 1, notice_.text
    assert "04:30" in notice_.text


def test_the_chinese_notice_with_everything_fits_in_three_segments() -> None:
    full = NoticeFacts(
        plate="京AD12345",
        place="长安街12号",
        deadline_ms=FACTS.deadline_ms,
        time_zone="Asia/Shanghai",
        reference="7K3QAZ",
        sender="东华门街道",
        link="https://p.example.cn/n/8fK2x",
        bays=(Bay("王府井停车楼", 123.4), Bay("东安门停车场", 260)),
        opt_out="TD",
    )
    text = render(full).text
    assert text.startswith("【东华门街道】")
    assert "王府井停车楼约120米、东安门停车场约260米" in text
    assert "https://p.example.cn/n/8fK2x " in text, "a space ends the link, or phones swallow what follows"
    assert text.endswith("TD")
    assert render(full).size.segments <= 3
    assert "Free nearby" in render(full, "en").text


def test_both_languages_in_one_message() -> None:
    both = render(FACTS, "zh-Hans+en").text
    assert both == render(FACTS).text + "\n" + render(FACTS, "en").text


def test_facts_are_text_and_never_template_or_html() -> None:
    facts = NoticeFacts("京A12345", "{{ 7*7 }} <b>&</b>", FACTS.deadline_ms, "Asia/Shanghai", "7K3QAZ")
    assert "{{ 7*7 }} <b>&</b>" in render(facts).text


def test_a_template_with_an_unknown_name_fails_loudly() -> None:
    template = notice._environment().from_string("{{ gracce }}")
    with pytest.raises(UndefinedError):
        template.render(grace=1)


@pytest.mark.parametrize("zone", ["Nowhere/Land", "", "../etc/passwd"])
def test_an_unknown_time_zone_is_named(zone: str) -> None:
    facts = NoticeFacts("京A12345", "x", 0, zone, "7K3QAZ")
    with pytest.raises(PatrolError) as error:
        render(facts)
    assert error.value.field == "time_zone"


def test_an_unknown_language_is_named() -> None:
    with pytest.raises(PatrolError) as error:
        render(FACTS, "fr")  # type: ignore[arg-type]
    assert error.value.field == "language"
