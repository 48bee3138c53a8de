"""A resident's phone in a real Chromium, in both languages: say something, be shown the same matter, follow it; no network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from central.cases.models import Case
from central.grids.models import Grid
from tests.central.engines import ON_SQLITE
from tests.central.street import JURISDICTION

PHONE = {"width": 390, "height": 844}


@ON_SQLITE
def test_a_resident_says_something_on_a_phone(chromium, centre, free_port):
    Grid.objects.create(jurisdiction_id=JURISDICTION, code="3", name="三里河街道", level=1)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "patrol", "central", "web", "--port", str(port)]
    server = subprocess.Popen(
        command,
        env=centre.env(PATROL_CENTRAL_TILES=f"{url}/static/{{z}}/{{x}}/{{y}}.png"),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert "pages at" in server.stderr.readline()
        problems: list[str] = []

        def open_page(language: str, **more: object):
            context = chromium.new_context(
                viewport=PHONE, locale=language, timezone_id="Asia/Shanghai", **more
            )
            page = context.new_page()
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.goto(f"{url}/say/")
            return page

        first = open_page("zh-CN")
        first.get_by_label("公共设施维修").check(force=True)
        first.get_by_label("是什么事？").fill("3号楼电梯坏了三天，老人上不了楼")
        first.get_by_label("在哪里？").fill("三里河一区3号楼")
        first.get_by_text("在地图上标出").click()
        first.locator("#saymap").click(position={"x": 170, "y": 150})
        expect(first.locator("#marked")).to_have_text("已标出。")
        assert axe(first) == []
        look(first, "say-zh")
        # The network is gone when it is sent: it waits, and goes out by itself, once.
        first.context.set_offline(True)
        first.get_by_role("button", name="提交").click()
        expect(first.locator("#waiting")).to_contain_text("联网后自动发送")
        first.context.set_offline(False)
        first.wait_for_url("**/say/p/*")
        expect(first.get_by_role("heading", level=1)).to_contain_text("公共设施维修")
        assert axe(first) == []
        look(first, "progress-zh")
        case = Case.objects.get()

        second = open_page("en-GB", color_scheme="dark")
        second.get_by_label("Repairs").check(force=True)
        second.get_by_label("What is the matter?").press_sequentially("三号楼电梯坏了没人修")
        second.get_by_label("Where is it?").press_sequentially("三里河一区3号楼")
        joins = second.get_by_role("button", name="Me too")
        expect(joins).to_be_visible()
        assert axe(second) == []
        look(second, "same-en")
        joins.click()
        second.wait_for_url("**/say/p/*")
        expect(second.get_by_text("2 people said so")).to_be_visible()
        look(second, "progress-en")
        # A form without a script, from a page whose address is secret.
        second.get_by_role("button", name="中文").click()
        expect(second.get_by_text("2 人反映")).to_be_visible()
        assert (Case.objects.count(), case.sayings.count()) == (1, 2)
        width = second.evaluate("document.documentElement.scrollWidth")
        assert width <= PHONE["width"], "the page is wider than the phone"
        assert problems == []
    finally:
        server.terminate()
        server.wait(20)
        server.stderr.close()


def look(page, name: str) -> None:
    """A picture, for whoever names a folder in PATROL_PICTURES."""
    if folder := os.environ.get("PATROL_PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def axe(page) -> list[str]:
    found = (
        Axe()
        .run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]})
        .response["violations"]
    )
    return [f"{one['id']}: {[node['target'] for node in one['nodes']]}" for one in found]
