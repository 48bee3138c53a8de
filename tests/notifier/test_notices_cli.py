"""`patrol notices`: what an owner would read, and what it costs."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path

import pytest
from typer.testing import CliRunner

from notifier.notices_cli import app
from protocol.errors import PatrolError

run = CliRunner()
AT = ("--at", "2026-01-15T04:00:47Z")


def test_a_preview_shows_text_encoding_units_segments_and_cost() -> None:
    shown = run.invoke(app, ["preview", "--lang", "zh-Hans", *AT, "--price", "0.05", "--json"])
    answer = json.loads(shown.stdout)
    assert (answer["language"], answer["encoding"], answer["segments"]) == ("zh-Hans", "UCS-2", 1)
    assert answer["units"] == len(answer["text"])
    assert answer["cost"] == 0.05
    assert answer["told_until"] == "2026-01-15T04:10:00.000Z"
    assert "12:10前" in answer["text"]


def test_an_english_preview_in_plain_letters_is_counted_in_septets() -> None:
    options = ["--plate", "ABC12345", "--place", "12 Main St", "--time-zone", "Europe/London"]
    answer = json.loads(run.invoke(app, ["preview", "--lang", "en", *options, *AT, "--json"]).stdout)
    assert (answer["encoding"], answer["segments"]) == ("GSM-7", 1)
    assert "04:10" in answer["text"]


def test_the_page_shows_the_message_and_nothing_of_it_is_markup(tmp_path: Path) -> None:
    out = tmp_path / "sms.html"
    words = ["preview", "--place", "<b>12&Kerb</b>", "--sender", "<i>", *AT, "--json", "--html", str(out)]
    assert json.loads(run.invoke(app, [*words, "--dry-run"]).stdout)["dry_run"] is True
    assert not out.exists()
    answer = json.loads(run.invoke(app, words).stdout)
    page = out.read_text("utf-8")
    assert f"<article>{escape(answer['text'])}</article>" in page
    assert "发送于 12:00" in page
    assert "<b>" not in page
    assert "<i>" not in page
    assert "src" not in page
    with pytest.raises(PatrolError, match="web page"):
        run.invoke(app, ["preview", "--html", "sms.pdf"], catch_exceptions=False)


def test_bays_link_and_both_languages_make_it_longer() -> None:
    more = [
        "--lang",
        "zh-Hans+en",
        "--bay",
        "Market:120",
        "--bay",
        "P2:1:300",
        "--link",
        "https://p.example/n/x",
    ]
    answer = json.loads(run.invoke(app, ["preview", *more, *AT, "--json"]).stdout)
    assert answer["language"] == "zh-Hans+en"
    assert "P2:1约300米" in answer["text"]
    assert answer["segments"] >= 3


def test_a_preview_for_a_person() -> None:
    shown = run.invoke(app, ["preview", *AT, "--price", "0.05"])
    assert "UCS-2" in shown.stdout
    assert "1 segment, 0.05 CNY" in shown.stdout


def test_any_text_can_be_counted() -> None:
    answer = json.loads(run.invoke(app, ["count", "a" * 161, "--json"]).stdout)
    assert (answer["encoding"], answer["units"], answer["segments"]) == ("GSM-7", 161, 2)


@pytest.mark.parametrize(
    "wrong",
    [
        ["--lang", "fr"],
        ["--at", "tomorrow"],
        ["--bay", "Market"],
        ["--bay", "Market:-3"],
        ["--bay", ":12"],
        ["--time-zone", "Nowhere/Land"],
    ],
)
def test_a_mistake_is_named(wrong: list[str]) -> None:
    shown = run.invoke(app, ["preview", *wrong])
    assert isinstance(shown.exception, PatrolError)
    assert shown.exception.exit_code == 2


def test_a_place_that_is_a_pavement_is_not_called_one_twice() -> None:
    text = json.loads(run.invoke(app, ["preview", "--place", "北门人行道", "--json"]).stdout)["text"]
    assert "停在北门人行道上" in text
