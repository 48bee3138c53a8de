"""The driver's way in a real browser: the message comes, he follows its link, presses a button, and leaves.

Real centre, broker, database and Chromium; the box is the test's, the SMS lies in the log gateway's file.
"""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from central.bays.models import Bay, Reservation
from central.cases.models import Case
from protocol.clock import SystemClock
from protocol.messages import BayObservation, BayReport, NoticeResult, RecheckRequest
from tests.central.bays.plan import at
from tests.central.conftest import Centre
from tests.central.driver.street import PLACE, answer
from tests.central.engines import ON_POSTGRESQL, ON_SQLITE
from tests.central.notices.world import request
from tests.central.street import AGENT, CAMERA, JURISDICTION, TOPICS, Sender, picture, record, reference
from tests.central.test_browser import DESK, PATROL, PHONE
from tests.servers.mosquitto import Mosquitto

WAIT_MS = 20_000
PLACES = {"B1": (35, 18), "B2": (-70, 30), "B3": (120, -90)}
"""Bays, metres east and north of the vehicle."""


@dataclass
class Town:
    """A running centre, the box at the street, and the messages that phones got."""

    url: str
    box: Sender
    sms_file: Path

    def sms(self) -> str:
        """The one text that was sent."""
        (line,) = self.sms_file.read_text("utf-8").splitlines()
        text = json.loads(line)["text"]
        assert isinstance(text, str)
        return text

    def report(self, **status: str) -> None:
        """The camera tells of its bays, as it does now and then, until the centre has heard."""
        wanted = {name: status.get(name, "free") for name in PLACES}
        waiting = threading.Event()
        for _ in range(60):
            now = SystemClock().utc_ms()
            bays = tuple(
                BayObservation(
                    bay_id=name,
                    name=f"三里河路 {name.removeprefix('B')} 号泊位",
                    status=wanted[name],
                    since_ms=now - 60_000,
                    observed_at_ms=now,
                    allowed=("car",),
                    position=at(*place),
                )
                for name, place in PLACES.items()
            )
            told = BayReport(
                jurisdiction_id=JURISDICTION, agent_id=AGENT, camera_id=CAMERA, at_ms=now, bays=bays
            )
            self.box.publish(TOPICS.of("bays"), told.model_dump_json())
            for _ in range(10):
                if dict(Bay.objects.values_list("bay_id", "status")) == wanted:
                    return
                waiting.wait(0.1)
        raise AssertionError("the centre never heard of the bays")

    def warn(self, data: bytes) -> NoticeResult:
        """The box asks that the owner be warned, and hears that the gateway took it."""
        now = SystemClock().utc_ms()
        ref = reference(data, "confirm", now - 2_000, (1280, 720))
        asked = request(
            asked_at_ms=now,
            give_up_ms=now + 600_000,
            first_seen_ms=now - 60_000,
            confirmed_at_ms=now,
            position=PLACE,
            evidence=ref.model_copy(update={"box": (400.0, 250.0, 900.0, 600.0)}),
        )
        self.box.send_picture(data)
        self.box._keep(asked.idempotency_key, TOPICS.of("notices"), asked.model_dump_json().encode())
        self.box.wait_until_accepted()
        result = self.box.wait_for(NoticeResult)
        assert isinstance(result, NoticeResult)
        assert result.state == "accepted", result.reason
        told = record(
            "c1",
            "notified",
            now,
            plate="京A12345",
            clock_ends_ms=result.told_until_ms,
            notice_result_id=result.result_id,
        )
        self.box.send(told)
        self.box.wait_until_accepted()
        return result


@pytest.fixture
def town(centre: Centre, agent: Any, tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Town]:
    port = free_port()
    sms_file = tmp_path / "sms.jsonl"
    notices = tmp_path / "notices.toml"
    notices.write_text(f'sender = "三里河街道"\n[sms]\ngateway = "log"\nlog_file = "{sms_file}"\n')
    owners = tmp_path / "owners.csv"
    owners.write_text("plate,phone,language,opted_out\n京A12345,+8613800138000,zh-Hans,no\n")
    (tmp_path / "mq").mkdir()
    environment = centre.env(
        PATROL_CENTRAL_PUBLIC_URL=f"http://127.0.0.1:{port}", PATROL_CENTRAL_NOTICES_FILE=str(notices)
    )
    with Mosquitto(tmp_path / "mq", free_port()) as broker:
        subprocess.run(
            [*PATROL, "owners", "import", str(owners)], env=environment, check=True, capture_output=True
        )
        process = subprocess.Popen(
            [*PATROL, "up", "--port", str(port), "--broker", broker.url, "--json"],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        box = Sender(broker.port)
        try:
            assert process.stdout is not None
            yield Town(json.loads(process.stdout.readline())["url"], box, sms_file)
        finally:
            box.stop()
            process.terminate()
            process.wait(60)
            process.stdout.close()


@pytest.fixture
def follow(chromium: Browser, town: Town) -> Iterator[Callable[..., Page]]:
    """`follow(link, …)`: the page in a browser that logs in nowhere; errors and foreign requests fail the test."""
    contexts = []
    problems: list[str] = []

    def open_page(link: str, *, language: str = "zh-CN", scripts: bool = True, size: Any = PHONE) -> Page:
        context = chromium.new_context(
            viewport=size, locale=language, timezone_id="Asia/Shanghai", java_script_enabled=scripts
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "request", lambda asked: None if asked.url.startswith(town.url) else problems.append(asked.url)
        )
        page.goto(link)
        return page

    yield open_page
    for context in contexts:
        assert context.cookies() == []
        context.close()
    assert problems == []


def link_in(text: str) -> str:
    found = re.search(r"http://127\.0\.0\.1:\d+/n/[\w-]{32}(?![\w-])", text)
    assert found is not None, text
    return found[0]


@ON_POSTGRESQL
def test_a_driver_follows_the_link_says_that_he_left_and_is_believed_by_the_camera(
    town: Town, follow: Callable[..., Page]
) -> None:
    town.report()
    town.warn(picture(3, (1280, 720)))
    text = town.sms()
    assert "京A***45" in text
    assert "京A12345" not in text
    assert "三里河路 1 号泊位" in text
    held = Reservation.objects.get()
    assert (held.bay.bay_id, held.released_at_ms) == ("B1", None)

    # A telephone without scripts, as it opens the link of the message.
    phone = follow(link_in(text), scripts=False)
    expect(phone.get_by_role("heading", name="请尽快挪车")).to_be_visible()
    expect(phone.locator(".shot img")).to_be_visible()
    assert phone.locator(".shot img").evaluate("image => image.naturalWidth") > 300
    expect(phone.locator(".bay.held")).to_contain_text("为您预留至")
    expect(phone.locator(".bay.held")).to_contain_text("三里河路 1 号泊位")
    expect(phone.locator(".plan svg .spot")).to_have_count(3)
    amap = phone.locator(".bay.held a", has_text="高德地图")
    assert amap.bounding_box()["height"] >= 48
    assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], "nothing sticks out"
    phone.get_by_role("button", name="我已驶离").click()
    expect(phone.get_by_text("摄像头正在查看")).to_be_visible()
    asked = town.box.wait_for(RecheckRequest)
    assert isinstance(asked, RecheckRequest)
    assert asked.case_id == "c1"

    # He was still there: nothing changes, and the page says so by itself.
    keep = answer(asked.request_id, "still_there")
    town.box._keep(keep.idempotency_key, TOPICS.of("cases"), keep.model_dump_json().encode())
    expect(phone.get_by_text("摄像头仍看到该车辆")).to_be_visible(timeout=WAIT_MS)
    before = Case.objects.get().stay.clock_ends_ms

    # Now he goes: the camera sees the pavement empty and, a moment later, his car in the bay that was kept for him.
    now = SystemClock().utc_ms()
    town.box.send(record("c1", "self_corrected", now, reason="the vehicle left", plate="京A12345"))
    town.box.wait_until_accepted()
    town.report(B1="occupied")
    held.refresh_from_db()
    assert held.release_reason == "occupied"
    case = Case.objects.get()
    assert (case.state, case.stay.agent_state, case.stay.clock_ends_ms) == (
        "closed",
        "self_corrected",
        before,
    )
    phone.reload()
    expect(phone.get_by_role("heading", name="谢谢您，人行道已畅通。")).to_be_visible()


@ON_SQLITE
def test_with_scripts_the_time_runs_and_another_bay_can_be_kept(
    town: Town, follow: Callable[..., Page]
) -> None:
    town.report()
    town.warn(picture(4, (1280, 720)))
    phone = follow(link_in(town.sms()), language="en-GB")
    expect(phone.locator(".count")).to_have_text(re.compile(r"^9:\d\d minutes left$"))
    expect(phone.locator(".bay.held")).to_contain_text("1 号泊位")
    phone.get_by_role("button", name="Keep another bay for me").click()
    expect(phone.locator(".bay.held")).to_contain_text("2 号泊位")
    assert {r.bay.bay_id for r in Reservation.objects.filter(released_at_ms__isnull=True)} == {"B2"}
    phone.get_by_text("This is not my vehicle").click()
    phone.get_by_role("button", name="Wrong vehicle: ask for a review").click()
    expect(phone.get_by_text("Your objection is with a person.")).to_be_visible()
    desk = follow(phone.url.split("?")[0], language="en-GB", size=DESK)
    expect(desk.get_by_role("heading", name="Please move your vehicle")).to_be_visible()
    assert desk.evaluate("document.documentElement.scrollWidth") <= DESK["width"]
