"""A call taken by the keyboard alone, in a real Chromium; the other pages as people see them, in both languages."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from central.cases.models import Case
from central.hotline.models import Call
from central.people.models import Role
from protocol.clock import SystemClock
from tests.central.pages.test_centre_browser import DESK, PASSWORD, PHONE
from tests.central.street import JURISDICTION, NOON

pytestmark = pytest.mark.parametrize("centre", ["sqlite"], indirect=True)
PICTURES = os.environ.get("PATROL_PICTURES")
"""A folder for screenshots, for whoever wants to look at them."""


@pytest.fixture
def address(centre: Any, person: Any, free_port: Any) -> Iterator[str]:
    centre.clock.advance(SystemClock().utc_ms() - NOON)
    person("chen", Role.DISPATCHER, JURISDICTION, password=PASSWORD)
    port = free_port()
    command = [sys.executable, "-m", "patrol", "central", "web", "--port", str(port)]
    process = subprocess.Popen(command, env=centre.env(), stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert "pages at" in process.stderr.readline()
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(20)
    process.stderr.close()


class Keys:
    """Counts what is pressed."""

    def __init__(self, page: Page) -> None:
        self.page, self.pressed = page, 0

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)
        self.pressed += len(text)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.pressed += 1


def look(page: Page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=str(Path(PICTURES) / f"{name}.png"), full_page=True)


def test_a_case_is_made_with_the_keyboard_alone(address, chromium):
    context = chromium.new_context(viewport=DESK, locale="zh-CN", timezone_id="Asia/Shanghai")
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda said: problems.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(address + "/login/?next=/hotline/new/")
    page.fill("[name=username]", "chen")
    page.fill("[name=password]", PASSWORD)
    page.locator("section.login button").click()
    page.wait_for_url("**/hotline/new/")
    keys = Keys(page)
    expect(page.locator("#phone")).to_be_focused()
    keys.type("13800138000")
    expect(page.locator("#caller")).to_contain_text("该号码以前没有来电")
    keys.press("Tab", "Tab")
    expect(page.locator("#subject")).to_be_focused()
    keys.type("zy")
    look(page, "new-subject")
    keys.press("Tab")
    expect(page.locator("#subject")).to_have_value("噪音扰民")
    keys.type("德胜里3号楼")
    keys.press("Tab")
    keys.type("楼上半夜装修")
    keys.press("Control+Enter")
    expect(page.locator(".note.success")).to_be_visible()
    case = Case.objects.get()
    assert (case.service_code, case.place, case.text) == ("hotline_matter", "德胜里3号楼", "楼上半夜装修")
    # 11 of the number, 2 of the subject, 13 of place and words, and these: three tabs to the place, one to the text, one chord.
    assert keys.pressed == 11 + 2 + len("德胜里3号楼楼上半夜装修") + 5

    # The same number rings again: its case stands there, a place is chosen from those before, the call joins the case.
    keys = Keys(page)
    keys.type("13800138000")
    expect(page.locator("#caller")).to_contain_text(str(case.pk))
    keys.press("Alt+p")
    keys.type("dsl3")
    expect(page.locator("#places li").first).to_have_attribute("aria-selected", "true")
    look(page, "new-places")
    keys.press("Enter")
    expect(page.locator("#place")).to_have_value("德胜里3号楼")
    expect(page.locator("#same")).to_contain_text(str(case.pk))
    look(page, "new-same")
    page.locator("#caller [name=join]").first.focus()
    keys.press("Space")
    with page.expect_navigation():
        keys.press("Control+Shift+Enter")
    expect(page.locator(".note.success")).to_be_visible()
    assert (Case.objects.count(), Call.objects.filter(case=case).count()) == (1, 2)
    found = Axe().run(page).response["violations"]
    assert [each["id"] for each in found] == []
    number = Call.objects.order_by("pk").first().pk
    for name, where in (
        ("new", "/hotline/new/"),
        ("desk", "/hotline/"),
        ("call", f"/hotline/calls/{number}/"),
        ("due", "/hotline/due/"),
        ("figures", "/hotline/figures/"),
        ("city", "/hotline/city/"),
    ):
        for size, width in (("desk", DESK), ("phone", PHONE)):
            page.set_viewport_size(width)
            page.goto(address + where)
            wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            assert wide <= 0, f"{name} is wider than a {size}"
            look(page, f"{name}-{size}")
    # A page that is left while it still asks for something breaks that off; htmx says so.
    left = ("htmx:afterRequest", "htmx:sendAbort", "htmx:sendError")
    assert {each for each in problems if not each.startswith(left)} == set()
    context.close()
