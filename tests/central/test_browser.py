"""A real browser: the list follows the street by itself, an officer accepts and closes on a phone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from protocol.clock import SystemClock
from protocol.messages import Outcome
from tests.central.conftest import Centre
from tests.central.engines import ON_POSTGRESQL, ON_SQLITE
from tests.central.street import (
    MINUTE,
    TOPICS,
    Sender,
    health,
    picture,
    record,
    reference,
    retraction,
    task,
)
from tests.servers.mosquitto import Mosquitto

PATROL = [sys.executable, "-m", "patrol", "central"]
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1440, "height": 900}


@dataclass
class Site:
    """A running centre with its agent."""

    url: str
    box: Sender
    run: Callable[..., dict[str, Any]]


@pytest.fixture
def site(centre: Centre, agent: Any, tmp_path, free_port) -> Iterator[Site]:
    def run(*arguments: str) -> dict[str, Any]:
        done = subprocess.run(
            [*PATROL, *arguments, "--json"], env=centre.env(), check=True, capture_output=True, text=True
        )
        return json.loads(done.stdout)

    (tmp_path / "mq").mkdir()
    with Mosquitto(tmp_path / "mq", free_port()) as broker:
        process = subprocess.Popen(
            [*PATROL, "up", "--port", "0", "--broker", broker.url, "--json"],
            env=centre.env(),
            stdout=subprocess.PIPE,
            text=True,
        )
        box = Sender(broker.port)
        try:
            yield Site(json.loads(process.stdout.readline())["url"], box, run)
        finally:
            box.stop()
            process.terminate()
            process.wait(20)
            process.stdout.close()


def _is_problem(said: ConsoleMessage) -> bool:
    """A browser calls every refusal an error; 409 is the centre's word that a task has ended otherwise."""
    return said.type in {"error", "warning"} and "status of 409" not in said.text


@pytest.fixture
def enter(site: Site, chromium: Browser) -> Iterator[Callable[..., Page]]:
    """`enter(name, role, viewport, language)`: a page of somebody who logged in by a link; errors fail the test."""
    contexts = []
    problems: list[str] = []

    def open_page(name: str, role: str, viewport: dict[str, int], language: str = "en-GB") -> Page:
        link = site.run("users", "add", name, "--role", role, "--full-name", name.title(), "--url", site.url)
        context = chromium.new_context(viewport=viewport, locale=language, timezone_id="Asia/Shanghai")
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: problems.append(said.text) if _is_problem(said) else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "request", lambda asked: None if asked.url.startswith(site.url) else problems.append(asked.url)
        )
        page.goto(link["login_url"])
        page.locator("section.login button").click()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


def fresh(case: str, **changes: object) -> tuple[Any, bytes, bytes]:
    """A task of this moment with both its pictures."""
    now = SystemClock().utc_ms()
    before, after = picture(len(case)), picture(len(case) + 100)
    refs = (reference(before, "confirm", now - 10 * MINUTE), reference(after, "recheck", now))
    times = {
        "issued_at_ms": now,
        "first_seen_ms": now - 11 * MINUTE,
        "confirmed_at_ms": now - 10 * MINUTE,
        "notified_at_ms": now - 10 * MINUTE,
        "clock_started_ms": now - 10 * MINUTE,
        "clock_ends_ms": now,
        "rechecked_at_ms": now,
    }
    return task(case, pictures=refs, **{**times, **changes}), before, after


@ON_POSTGRESQL
def test_from_the_street_to_the_officer_and_back(site, enter):
    desk = enter("chen", "dispatcher", DESK)
    expect(desk.get_by_text("The sidewalks are clear.")).to_be_visible()
    expect(desk.locator("#ingest-state")).to_contain_text("receiving", timeout=20_000)
    phone = enter("wang", "officer", PHONE)
    expect(phone.get_by_text("Nothing is waiting.")).to_be_visible()

    message, before, after = fresh("c1")
    site.box.send(message)
    expect(desk.locator(".row")).to_have_count(1, timeout=5_000)
    expect(desk.locator(".row .coming")).to_have_count(2)
    site.box.send_picture(before)
    site.box.send_picture(after)
    expect(desk.locator(".row .thumbs img")).to_have_count(2, timeout=5_000)
    expect(desk.locator(".row")).to_contain_text("京A•••45")

    phone.locator(".job").click()
    assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], "nothing sticks out"
    button = phone.get_by_role("button", name="Accept this task")
    box = button.bounding_box()
    assert box["height"] >= 44
    assert box["y"] + box["height"] <= PHONE["height"], "within reach of the thumb without scrolling"
    button.click()
    expect(phone.get_by_text("The task is yours.")).to_be_visible()
    expect(desk.locator(".row .badge.accepted")).to_be_visible(timeout=5_000)
    phone.get_by_label("Moved on after talking").check()
    phone.get_by_label("Note").fill("driver came back")
    phone.get_by_role("button", name="Close this task").dblclick()
    expect(phone.get_by_text("Closed: Moved on after talking")).to_be_visible()
    outcome = site.box.wait_for(Outcome)
    assert (outcome.case_id, outcome.result, outcome.note) == ("c1", "moved_on", "driver came back")
    expect(desk.locator(".row .badge.closed")).to_have_text("Moved on after talking", timeout=5_000)

    desk.locator(".row").click()
    expect(desk.locator(".pictures img")).to_have_count(2)
    expect(desk.locator(".pictures svg rect.box")).to_have_count(1)
    now = SystemClock().utc_ms()
    site.box.send(record("c1", "closed", now, outcome_id=outcome.outcome_id))
    expect(desk.locator(".history")).to_contain_text("The agent has applied the outcome", timeout=5_000)


@ON_POSTGRESQL
def test_a_retraction_reaches_the_open_phone_and_the_note_in_hand_survives(site, enter):
    message, *_pictures = fresh("c1")
    site.box.send(message)
    site.box.wait_until_accepted()
    phone = enter("wang", "officer", PHONE, "zh-CN")
    phone.locator(".job").click()
    phone.get_by_role("button", name="受理此任务").click()
    phone.get_by_label("备注").fill("写到一半")
    site.box.send(retraction("c1", SystemClock().utc_ms()))
    expect(phone.get_by_text("车辆已离开，无需前往。")).to_be_visible(timeout=5_000)
    assert phone.get_by_label("备注").input_value() == "写到一半"


@ON_SQLITE
def test_cameras_and_language_follow_without_a_reload(site, enter):
    desk = enter("chen", "dispatcher", DESK)
    site.box.publish(TOPICS.of("health"), health(SystemClock().utc_ms(), "live").model_dump_json())
    chip = desk.locator(".chip", has_text="gate-north")
    expect(chip).to_contain_text("live", timeout=20_000)
    site.box.publish(TOPICS.of("health"), health(SystemClock().utc_ms(), "stalled").model_dump_json())
    expect(chip).to_contain_text("stalled", timeout=5_000)
    desk.get_by_role("button", name="中文").click()
    expect(chip).to_contain_text("画面停滞")
    assert desk.evaluate("document.documentElement.lang") == "zh-hans"


@ON_SQLITE
def test_the_pictures_do_not_move_what_is_below_them(site, enter):
    message, before, after = fresh("c1")
    site.box.send(message)
    site.box.send_picture(before)
    site.box.send_picture(after)
    site.box.wait_until_accepted()
    desk = enter("chen", "dispatcher", DESK)
    moved = desk.evaluate(
        """() => new Promise(done => { let sum = 0;
             new PerformanceObserver(list => { for (const shift of list.getEntries()) sum += shift.value; })
               .observe({type: "layout-shift", buffered: true});
             setTimeout(() => done(sum), 1500); })"""
    )
    assert moved < 0.02
