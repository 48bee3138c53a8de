"""Words that a jurisdiction writes itself: nothing that is let through can fail, or leave out what a driver must know."""

from __future__ import annotations

import dataclasses
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.notice import Bay, render
from notifier.wording import MAY_LACK, NEEDED, SHIPPED, fill, flaws
from tests.notifier.test_notice import FACTS

VALUES = {name: f"<{name}>" for name in (*NEEDED, *MAY_LACK)}
WHOLE = "{plate} {place} {deadline} {reference} [{link}] [{opt_out}]"
PIECES = [
    *(f"{{{name}}}" for name in VALUES),
    "[",
    "]",
    "{",
    "}",
    "{no}",
    "{{7*7}}",
    "{% if %}",
    " ",
    "请",
    "x",
]


@pytest.mark.parametrize(
    ("text", "code", "name"),
    [
        ("", "length", "400"),
        (WHOLE + "x" * 400, "length", "400"),
        (WHOLE + "\n", "control", ""),
        (WHOLE + "[", "brackets", ""),
        (WHOLE + "[[{bays}]]", "brackets", ""),
        (WHOLE + "{", "braces", ""),
        (WHOLE + "{plate!r}", "unknown", "plate!r"),
        (WHOLE + "{plate.__class__}", "unknown", "plate.__class__"),
        (WHOLE + "[x]", "idle", "x"),
        (WHOLE + "{bays}", "bare", "bays"),
        (WHOLE.replace("{deadline}", "[{deadline}{bays}]"), "needed", "deadline"),
        (WHOLE.replace("[{link}]", ""), "needed", "link"),
    ],
)
def test_what_cannot_be_sent_is_named(text: str, code: str, name: str) -> None:
    assert (code, name) in {(flaw.code, flaw.name) for flaw in flaws(text)}


def test_the_words_of_the_distribution_say_the_same_in_this_form() -> None:
    for sender, link, opt_out, bays in product(
        ("", "东华门街道"),
        (None, "https://p.example/n/x"),
        ("", "TD"),
        ((), (Bay("A", 123.4), Bay("B", 260))),
    ):
        facts = dataclasses.replace(FACTS, sender=sender, link=link, opt_out=opt_out, bays=bays)
        assert render(facts, "zh-Hans+en", SHIPPED).text == render(facts, "zh-Hans+en").text
    for text in SHIPPED.values():
        assert list(flaws(text)) == []


@given(st.lists(st.sampled_from(PIECES), max_size=12), st.sets(st.sampled_from(MAY_LACK)))
def test_what_passes_says_what_is_needed_whatever_is_missing(pieces: list[str], lacking: set[str]) -> None:
    text = WHOLE + "".join(pieces)
    if list(flaws(text)):
        return
    said = fill(text, {**VALUES, **dict.fromkeys(lacking, "")})
    for name, value in VALUES.items():
        assert (value in said) or name in lacking or name in {"sender", "bays"}
    assert not set("[]{}") & set(said)
