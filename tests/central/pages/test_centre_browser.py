"""The command centre in a real Chromium: usable by keyboard, without script, without colour; nothing jumps."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import product
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from central.administration.common import SECTIONS
from central.cases import actions, services
from central.cases.models import WorkOrder
from central.cases.states import Result
from central.clocks import calendars, whistle
from central.clocks import services as clocks
from central.clocks.models import Clock
from central.clocks.whistle import Call
from central.ingest import intake
from central.iot import intake as telemetry
from central.iot import registry
from central.notices import texts
from central.people import access_log
from central.people.models import Role
from central.shops import appeals, inspecting, register, voices
from central.shops.checklists import current
from central.shops.models import Shop
from central.shops.sealing import Owner
from notifier.wording import SHIPPED
from protocol.clock import SystemClock
from protocol.messages import ZonePlan
from tests.central.cases.test_attachments import photo
from tests.central.pages.city import make_grids
from tests.central.street import (
    AGENT,
    CAMERA,
    JURISDICTION,
    MINUTE,
    NOON,
    TOPICS,
    picture,
    reference,
    sha256,
    task,
)

DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
PASSWORD = "correct horse 9"

pytestmark = pytest.mark.parametrize("centre", ["sqlite"], indirect=True)
"""What a browser shows does not depend on the database; test_listing.py compares those."""


@dataclass
class Site:
    """A running web process on the test's own database."""

    url: str
    people: dict[str, Any]
    problems: list[str]
    open_page: Callable[..., Page]


@pytest.fixture
def site(
    centre: Any, agent: Any, person: Any, chromium: Browser, free_port: Callable[[], int]
) -> Iterator[Site]:
    # The web process lives by the system's clock, so this one must too.
    centre.clock.advance(SystemClock().utc_ms() - NOON)
    make_grids()
    people = {
        name: person(name, role, password=PASSWORD)
        for name, role in (("chen", Role.DISPATCHER), ("wang", Role.OFFICER), ("root", Role.ADMINISTRATOR))
    }
    port = free_port()
    command = [sys.executable, "-m", "patrol", "central", "web", "--port", str(port)]
    process = subprocess.Popen(command, env=centre.env(), stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert "pages at" in process.stderr.readline()
    contexts, problems = [], []
    url = f"http://127.0.0.1:{port}"

    def open_page(name: str = "chen", viewport: Any = DESK, **how: Any) -> Page:
        context = chromium.new_context(
            viewport=viewport, **{"locale": "en-GB", "timezone_id": "Asia/Shanghai", **how}
        )
        contexts.append(context)
        page = context.new_page()
        page.on(
            "console", lambda said: problems.append(said.text) if said.type in {"error", "warning"} else None
        )
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda asked: None if asked.url.startswith(url) else problems.append(asked.url))
        page.goto(url + "/login/")
        if not name:
            return page
        page.fill("[name=username]", name)
        page.fill("[name=password]", PASSWORD)
        page.locator("section.login button").click()
        page.wait_for_url(lambda address: "/login/" not in address)
        return page

    try:
        yield Site(url, people, problems, open_page)
    finally:
        for context in contexts:
            context.close()
        process.terminate()
        process.wait(20)
        process.stderr.close()


def send(
    name: str, *, due_in: int = 20, at: tuple[float, float] = (116.305, 39.905), **changes: Any
) -> WorkOrder:
    """A task of this moment with both pictures, its deadline `due_in` minutes away."""
    from protocol.messages import Position

    now = SystemClock().utc_ms()
    before, after = picture(len(name) * 7), picture(len(name) * 7 + 3)
    refs = (reference(before, "confirm", now - 10 * MINUTE), reference(after, "recheck", now))
    message = task(
        name,
        pictures=refs,
        issued_at_ms=now,
        first_seen_ms=now - 11 * MINUTE,
        confirmed_at_ms=now - 10 * MINUTE,
        clock_ends_ms=now,
        position=Position(longitude=at[0], latitude=at[1]),
        **changes,
    )
    intake.take_all([(TOPICS.of("tasks"), message.model_dump_json().encode())])
    intake.take_all([(TOPICS.evidence(sha256(data)), data) for data in (before, after)])
    order = WorkOrder.objects.latest("pk")
    WorkOrder.objects.filter(pk=order.pk).update(due_at_ms=now + due_in * MINUTE)
    return order


def test_a_dispatcher_works_by_keyboard(site):
    for number, due in ((1, -3), (2, 5), (3, 40)):
        send(f"case-{number}", due_in=due, place=f"Road {number}")
    page = site.open_page()
    expect(page.locator(".row h2")).to_have_text(["Road 1", "Road 2", "Road 3"])
    expect(page.locator(".row .clock").first).to_have_text(re.compile(r"^\+03:\d\d$"))
    running = page.locator(".row .clock").nth(1)
    shown = running.inner_text()
    expect(running).not_to_have_text(shown)
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator(".row .cover").nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#panel h1")).to_have_text("Road 2")
    expect(page.locator("#panel .pictures img")).to_have_count(2)
    expect(page).to_have_url(re.compile(r"[?&]case=\d+"))
    page.keyboard.press("j")
    expect(page.locator("#panel h1")).to_have_text("Road 3")
    page.reload()
    expect(page.locator("#panel h1")).to_have_text("Road 3")
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_be_hidden()
    page.keyboard.press("/")
    page.keyboard.type("Road 2")
    expect(page.locator(".row h2")).to_have_text(["Road 2"])
    expect(page).to_have_url(re.compile("q=Road"))
    expect(page.locator(".found")).to_contain_text("1 case")
    page.get_by_role("link", name="Clear filters").click()
    expect(page.locator(".row")).to_have_count(3)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    page.locator("select[name=sort]").select_option("newest")
    expect(page.locator(".row h2")).to_have_text(["Road 3", "Road 2", "Road 1"])
    page.locator(".filters").get_by_role("link", name="Overdue").click()
    expect(page.locator(".row h2")).to_have_text(["Road 1"])
    assert page.locator("#filters [name=show]").input_value() == "overdue"
    page.go_back()
    expect(page.locator(".row")).to_have_count(3)
    assert site.problems == []


def test_what_changes_on_the_street_moves_nothing_else_on_the_page(site):
    orders = [send(f"case-{number}", place=f"Road {number}", due_in=number - 2) for number in range(4)]
    page = site.open_page()
    page.wait_for_selector("#map[data-ready]")
    page.evaluate(
        """() => { window.moved = 0; new PerformanceObserver(list => { for (const shift of list.getEntries()) window.moved += shift.value; })
             .observe({type: "layout-shift", buffered: true}); }"""
    )
    page.locator(".row .cover").nth(2).focus()
    services.accept(orders[2].pk, site.people["wang"])
    expect(page.locator(".row .badge.accepted")).to_have_count(1)
    assert page.evaluate("document.activeElement.id") == f"open-{orders[2].case_id}", (
        "the focus stays where it was"
    )
    services.close(orders[2].pk, site.people["wang"], services.Finding(Result.TOWED))
    expect(page.locator(".row .badge.closed")).to_have_count(1)
    send("another", place="Road 9")
    expect(page.locator(".row")).to_have_count(5)
    expect(page.locator(".row .thumbs img")).to_have_count(10)
    running = page.locator(".row .clock").last
    shown = running.inner_text()
    expect(running).not_to_have_text(shown)
    assert page.evaluate("window.moved") < 0.02


def test_the_map_draws_grids_and_live_cases_and_opens_them(site):
    send("near", at=(116.305, 39.905), place="Road 1", due_in=-2)
    send("near-2", at=(116.3051, 39.9051), place="Road 2")
    send("far", at=(116.375, 39.905), place="Road 3")
    page = site.open_page()
    page.wait_for_selector("#map[data-ready]")
    expect(page.locator("#map .pin:not(.cam)")).to_have_count(2)
    both = page.locator("#map .pin", has_text="2")
    expect(both).to_have_class(re.compile(r"\blate\b"))
    assert both.get_attribute("aria-label") == "2 cases, 1 late"
    expect(page.locator("#map .maplabel")).not_to_have_count(0)
    page.locator("#map .pin.single").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#panel h1")).to_have_text("Road 3")
    page.keyboard.press("Escape")
    page.route("**/map/cases/**", lambda route: route.abort())
    services.accept(WorkOrder.objects.earliest("pk").pk, site.people["wang"])
    expect(page.locator(".mapsay")).to_contain_text("could not be loaded")
    expect(page.locator("#map .pin:not(.cam)")).to_have_count(2), "what was known stays"


def test_two_pictures_can_be_laid_on_one_another(site):
    order = send("case")
    page = site.open_page()
    page.goto(f"{site.url}/cases/{order.case_id}/")
    expect(page.locator(".pictures .frame")).to_have_count(2)
    page.wait_for_selector(".map.small[data-ready]")
    page.get_by_role("button", name="Slider").click()
    slider = page.get_by_role("slider")
    slider.focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert page.evaluate("document.querySelector('.pictures').style.getPropertyValue('--at')") == "60%"
    one, other = (page.locator(".pictures .shot").nth(n).bounding_box() for n in (0, 1))
    assert one == other
    services.accept(order.pk, site.people["wang"])
    expect(page.locator(".history")).to_contain_text("Accepted by an officer")
    expect(page.get_by_role("slider")).to_have_value("60"), "a live change leaves the slider where it was"
    page.get_by_role("button", name="Side by side").click()
    expect(page.get_by_role("slider")).to_be_hidden()
    page.get_by_text("Add a note", exact=True).click()
    note = page.get_by_label("Note", exact=True)
    note.fill("the kerb is low here")
    actions.write_note(order.case_id, "user:wang", "told meanwhile", "other")
    expect(page.locator(".history")).to_contain_text("Note added")
    expect(note).to_have_value("the kerb is low here"), "what somebody writes is never taken away"
    page.get_by_role("button", name="Store this note").dblclick()
    expect(page.locator(".notes-list .said")).to_have_text(["the kerb is low here", "told meanwhile"])
    expect(page.get_by_text("The note is stored.")).to_be_focused()
    assert site.problems == []


def test_without_any_script_everything_can_be_read(site):
    order = send("case", place="Road 1")
    send("other", place="Road 2")
    page = site.open_page(java_script_enabled=False)
    expect(page.locator(".row")).to_have_count(2)
    page.fill("[name=q]", "Road 1")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".row h2")).to_have_text(["Road 1"])
    page.locator(".tile.accepted").click()
    expect(page.locator(".list .empty")).to_be_visible()
    page.goto(f"{site.url}/cases/{order.case_id}/")
    expect(page.locator(".pictures img")).to_have_count(2)
    page.get_by_role("link", name="Notes and photos").click()
    page.get_by_text("Add a note", exact=True).click()
    page.get_by_label("Note", exact=True).fill("written without a script")
    page.get_by_role("button", name="Store this note").click()
    expect(page.locator(".notes-list")).to_contain_text("written without a script")
    page.get_by_role("link", name="Whole case").click()
    page.get_by_role("link", name="Evidence sheet").click()
    expect(page.locator(".sheetpage")).to_contain_text(order.case.evidence.first().sha256)
    page.locator("summary.quiet").click()
    page.get_by_role("button", name="Dark").click()
    assert page.locator("html").get_attribute("data-theme") == "dark"


def test_the_theme_is_the_readers_choice_before_that_of_the_system(site):
    page = site.open_page(color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.locator("summary.quiet").click()
    page.get_by_role("button", name="Light").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    light = page.evaluate(ground)
    assert light != dark
    page.locator("summary.quiet").click()
    page.locator("[name=contrast][value=more]").click()
    expect(page.locator("html")).to_have_attribute("data-contrast", "more")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    page.goto(site.url + "/nothing")
    assert page.evaluate(ground) == light


def test_the_wall_turns_its_pages_only_when_asked(site):
    send("case", place="Road 1")
    page = site.open_page()
    page.keyboard.press("w")
    expect(page.locator("body.wall")).to_be_visible()
    expect(page.locator(".bar")).to_be_hidden()
    assert not page.locator("#turn input").is_checked()
    page.locator("#turn input").check()
    send("other", place="Road 2")
    expect(page.locator(".row")).to_have_count(2)
    assert page.locator("#turn input").is_checked()
    page.keyboard.press("Escape")
    expect(page.locator(".bar")).to_be_visible()


SIZES = {"desk": DESK, "phone": PHONE}
LOOKS = [("desk", "en"), ("phone", "zh")]


@pytest.mark.timeout(3600 if "PATROL_PICTURES" in os.environ else 900)
def test_axe_finds_nothing_on_any_page(site, person):
    """One server and one browser; the other theme is put on without loading the page again, and its colours are looked at.
    The pages take turns at the desk in English and on the phone in Chinese.

    `PATROL_PICTURES=folder` goes through both languages at both sizes and keeps a picture of each page in both themes.
    """
    order = send("case", due_in=-5, place="三里河路12号北门人行道")
    send("check", due_in=5, manual_check=True)
    done = send("done", due_in=9, place="三里河路40号")
    for each in (order, done):
        services.accept(each.pk, site.people["wang"])
    services.close(done.pk, site.people["wang"], services.Finding(Result.MOVED_ON))
    number = order.case_id
    called = [Call(user=site.people["wang"], lead=True), Call("自来水公司")]
    whistle.blow(number, site.people["chen"], called, reason="管线爆裂")
    clocks.pause(
        Clock.objects.filter(case=number, kind="resolution").get().pk, site.people["chen"], "等待图纸"
    )
    access_log.note(site.people["chen"], order.case, "plate", "来电核实")
    device = smoke()
    shop, door = red_shop()
    site.people["an"] = person("an", Role.AUDITOR, password=PASSWORD)
    tell_zones()
    own = {"author": "user:root", "reason": "试行"}
    texts.put(JURISDICTION, "zh-Hans", SHIPPED["zh-Hans"].replace("按时驶离不予处罚", "感谢配合"), **own)
    calendars.set_week(JURISDICTION, time_zone="Asia/Shanghai", **own)
    pages = {
        "root": (
            *("/", f"/?show=open&case={number}", "/?wall=1", "/?show=closed", f"/cases/{number}/"),
            *(f"/cases/{number}/sheet/", "/alerts/", "/statistics/", "/account/", "/design/", "/nothing"),
            *(f"/administration/{name}/" for name in SECTIONS),
            "/administration/services/sidewalk_parking/",
            *("/iot/", "/iot/devices/", f"/iot/devices/{device}/", f"/iot/devices/{device}/label/"),
            *("/shops/", f"/shops/{shop}/", "/shops/import/", f"/shops/{shop}/inspect/"),
        ),
        "wang": ("/officer/", f"/officer/{order.pk}/"),
        "an": ("/access-log/", f"/cases/{number}/plate/"),
        "": ("/login/", f"/s/{door}", f"/s/{door}/owner/"),
    }
    folder = os.environ.get("PATROL_PICTURES")
    looks = LOOKS if folder is None else list(product(SIZES, ("en", "zh")))
    found = []
    for (size, language), (name, addresses) in product(looks, pages.items()):
        locale = {"en": "en-GB", "zh": "zh-CN"}[language]
        page = site.open_page(name, SIZES[size], color_scheme="light", locale=locale)
        for turn, address in enumerate(addresses):
            if folder is None and turn % 2 != (size == "phone"):
                continue  # each page at one size here; `PATROL_PICTURES` looks at all of them
            page.goto(site.url + address)
            if page.locator("#map").is_visible():
                page.wait_for_selector("#map[data-ready]")
            if address == f"/cases/{number}/":
                expect(page.locator(".part")).to_have_count(5)
                page.evaluate("document.querySelectorAll('.part details').forEach(each => each.open = true)")
            wide = page.evaluate("document.documentElement.scrollWidth")
            if wide > SIZES[size]["width"]:
                found.append(f"{size} {language} {address} scrolls sideways: {wide}")
            for theme, rules in (("light", RULES), ("dark", ["color-contrast"])):
                page.emulate_media(color_scheme=theme)
                result = Axe().run(page, options={"runOnly": rules})
                found += [
                    f"{size} {language} {theme} {address} {each['id']}: {each['nodes'][0]['html'][:160]}"
                    for each in result.response["violations"]
                ]
                if folder is not None:
                    slug = re.sub(r"[^a-z0-9]+", "-", address).strip("-") or "board"
                    page.screenshot(path=f"{folder}/{slug}-{size}-{theme}-{language}.png")
            page.emulate_media(color_scheme="light")
        page.context.close()
    assert found == [], "\n".join(found)


RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def red_shop() -> tuple[int, str]:
    """A shop with a finding, a tip-off, an appeal and a paper that ran out; its number, and what the code on its door says."""
    owner = Owner("王五", "+8613800138000")
    register.register(JURISDICTION, [register.NewShop("S-1", "福顺便利店", "retail", owner=owner)], "test")
    shop = Shop.objects.get()
    items = [item.id for item in current("retail").asked_in("self")]
    answers = {item: "fail" if item == "exit_clear" else "ok" for item in items}
    inspecting.inspect(shop, inspecting.Answers("self", "k" * 8, answers, {"exit_clear": photo()}), "owner")
    inspecting.set_certificate(shop, "extinguisher", date(2020, 1, 1), "owner")
    voices.tip_off(shop, "后门被货物堵住了", key="k" * 8, network="n")
    appeals.appeal(shop, "照片不是本店的", "owner")
    return shop.pk, shop.codes.get().token


def smoke() -> int:
    """A detector that sees smoke; its number."""
    made = registry.add(JURISDICTION, registry.Wanted("smoke-1", "smoke", "3 号楼 2 单元", "三里河路 3 号"))
    now = SystemClock().utc_ms()
    told = b'{"smoke": 30, "battery": 80, "tamper": false}'
    telemetry.take([telemetry.Incoming(JURISDICTION, made.name, told, now)])
    return int(made.pk)


def tell_zones() -> None:
    """A box told where its camera and zones lie."""
    ring = [[116.304, 39.904], [116.306, 39.904], [116.306, 39.9045], [116.304, 39.9045], [116.304, 39.904]]
    bay = [[116.306, 39.9046], [116.307, 39.9046], [116.307, 39.905], [116.306, 39.9046]]
    plan = ZonePlan.model_validate(
        {
            "idempotency_key": f"{JURISDICTION}/{AGENT}/{CAMERA}/zones/1",
            "jurisdiction_id": JURISDICTION,
            "agent_id": AGENT,
            "camera_id": CAMERA,
            "at_ms": SystemClock().utc_ms(),
            "in_force": {"sha256": "a" * 64, "version": 3, "author": "Li Wei"},
            "position": {"longitude": 116.3052, "latitude": 39.9043},
            "zones": [
                {"zone_id": "P1", "name": "北侧人行道", "kind": "no_parking",
                 "outline": {"type": "Polygon", "coordinates": [ring]}},
                {"zone_id": "B1", "name": "泊位", "kind": "parking_bay",
                 "outline": {"type": "Polygon", "coordinates": [bay]}},
            ],
        }
    )  # fmt: skip
    intake.take_all([(TOPICS.of("zones"), plan.model_dump_json().encode())])
