"""One's own account in a real browser: the QR code is read off the screen as a phone's camera would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from urllib.parse import parse_qs, urlsplit

import cv2
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from django.test import override_settings
from playwright.sync_api import expect

from central.people import services
from central.people.models import Role
from protocol.clock import SystemClock
from tests.central.people.conftest import PASSWORD, Phone
from tests.central.test_browser import DESK, PHONE

pytestmark = pytest.mark.parametrize(
    "centre", ["sqlite"], indirect=True
)  # what is drawn hangs on no database


@pytest.fixture
def site(centre):
    """The pages, with the second factor required; its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "patrol", "central", "web", "--port", "0"],
        env=centre.env(PATROL_CENTRAL_SECOND_FACTOR="required"),
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stderr:
        if found := re.search(r"pages at (http://\S+)", line):
            yield found[1]
            break
    else:
        pytest.fail("the pages did not come up")
    process.terminate()
    process.stderr.read()
    process.stderr.close()
    process.wait(10)


def look(page, name):
    """Nothing wider than the screen; a picture where asked for."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
    if folder := os.environ.get("PATROL_PICTURES"):
        size, theme = (
            page.viewport_size["width"],
            page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches"),
        )
        language = page.evaluate("document.documentElement.lang")
        page.screenshot(
            path=f"{folder}/{name}-{size}-{language}-{'dark' if theme else 'light'}.png", full_page=True
        )


def scan(page):
    """The address in the QR code, read from what is on the screen."""
    shot = page.locator(".qr").screenshot()
    picture = cv2.imdecode(np.frombuffer(shot, np.uint8), cv2.IMREAD_COLOR)
    text, _, _ = cv2.QRCodeDetector().detectAndDecode(cv2.resize(picture, None, fx=2, fy=2))
    return text


def everywhere(page, name):
    """Look at a page in both themes and sizes; nothing in it is grave for those who see or hear differently."""
    for scheme, sizes in (("dark", (DESK, PHONE)), ("light", (PHONE, DESK))):
        page.emulate_media(color_scheme=scheme)
        for size in sizes if "PATROL_PICTURES" in os.environ else sizes[-1:]:
            page.set_viewport_size(size)
            look(page, name)
        found = Axe().run(page).response["violations"]
        grave = [each for each in found if each["impact"] in {"serious", "critical"}]
        assert grave == [], [
            (
                each["id"],
                [(node["html"], node["any"][0]["message"] if node["any"] else "") for node in each["nodes"]],
            )
            for each in grave
        ]


def test_from_the_first_link_to_a_second_device(site, person, chromium):
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.Argon2PasswordHasher"]):
        people = [person("chen", Role.DISPATCHER, password=PASSWORD), person("an", Role.AUDITOR)]
    with override_settings(
        PATROL_CLOCK=SystemClock()
    ):  # the pages run in a process of their own, by the real clock
        chen, an = map(services.make_login_link, people)
    page = chromium.new_context(viewport=PHONE, locale="zh-CN").new_page()
    errors = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(f"{site}/login/{chen}/")
    page.get_by_role("button", name="登录").click()
    expect(page.get_by_role("heading", name="设置双因素验证")).to_be_visible()
    everywhere(page, "second-factor")
    page.emulate_media(color_scheme="dark")
    url = urlsplit(scan(page))
    assert (url.scheme, url.netloc) == ("otpauth", "totp")
    phone = Phone(parse_qs(url.query)["secret"][0])
    page.get_by_role("textbox", name="验证码").fill("000000")
    page.get_by_role("button", name="继续").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_role("textbox", name="验证码").fill(phone.code())
    page.get_by_role("button", name="继续").click()
    expect(page.get_by_role("heading", name="恢复码")).to_be_visible()
    everywhere(page, "recovery-codes")
    recovery = page.locator(".codes code").first.inner_text()
    page.get_by_role("link", name="完成").click()
    everywhere(page, "account")
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", name="My account")).to_be_visible()
    everywhere(page, "account")

    second = chromium.new_context(viewport=DESK, locale="en-GB").new_page()
    second.goto(f"{site}/login/")
    second.get_by_label("Name").fill("chen")
    second.get_by_label("Password").fill(PASSWORD)
    second.get_by_role("button", name="Log in").click()
    expect(second.get_by_role("heading", name="One more step")).to_be_visible()
    everywhere(second, "code")
    second.get_by_role("textbox", name="Code").fill(recovery)
    second.get_by_role("button", name="Continue").click()
    second.goto(f"{site}/account/")
    expect(second.get_by_text("9 left")).to_be_visible()
    second.get_by_role("button", name="End all others").click()
    expect(second.get_by_text("All other sessions are ended.")).to_be_visible()
    page.goto(f"{site}/account/")
    expect(page.get_by_label("Password")).to_be_visible()
    second.goto(f"{site}/account/password/")
    everywhere(second, "password")

    third = chromium.new_context(viewport=DESK, locale="en-GB").new_page()
    third.goto(f"{site}/login/{an}/")
    third.get_by_role("button", name="Log in").click()
    third.get_by_role("textbox", name="Code").fill(
        Phone(parse_qs(urlsplit(scan(third)).query)["secret"][0]).code()
    )
    third.get_by_role("button", name="Continue").click()
    third.get_by_role("link", name="Done").click()
    third.get_by_role("link", name="Who saw what").click()
    everywhere(third, "access-log")
    assert errors == []
