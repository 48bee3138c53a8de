"""The page in a real browser: drawing, moving, undoing, saving and reading back, by mouse, finger and keyboard."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.zones.editing import TWO_ZONES, editing
from tests.zones.hand import DESK, PHONE, Hand, Open, touch
from zones import load_zone_file


def test_draw_move_undo_redo_save_and_read_back(open_page: Open, street: Path, still: Path) -> None:
    with editing(street, "--picture", still, "--no-detect") as editor:
        draw_and_read_back(open_page(editor=editor), street)


def draw_and_read_back(hand: Hand, street: Path) -> None:
    page = hand.page
    expect(page.locator(".zone-item")).to_have_count(2)
    expect(page.get_by_role("button", name="Save", exact=True)).to_be_disabled()

    page.get_by_role("button", name="Draw a polygon").click()
    for x, y in ((300, 220), (380, 230), (390, 330)):
        hand.click(x, y)
    page.keyboard.press("Enter")
    expect(page.locator(".zone-item")).to_have_count(3)
    expect(page.locator(".zone-item[aria-current=true]")).to_contain_text("P1")
    hand.field("name").fill("School gate")

    hand.drag((380, 230), (372, 205))
    expect(page.locator("#undo")).to_have_attribute("aria-label", "Undo: move vertex 2 of P1")
    page.locator("#undo").click()
    page.locator("#redo").click()
    hand.drag((350, 260), (330, 250))
    expect(page.locator("#undo")).to_have_attribute("aria-label", "Undo: move zone P1")
    page.keyboard.press("Control+z")
    hand.save()

    saved = load_zone_file(street)
    assert [zone.id for zone in saved.zone] == ["walk", "bay", "P1"]
    assert saved.zone[2].name == "School gate"
    assert saved.zone[2].polygon == ((300, 220), (372, 205), (390, 330))
    text = street.read_text()
    assert text.startswith(TWO_ZONES), "what was there is there to the byte"

    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert hand.names() == ["North pavement", "Bay", "School gate"]
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_file_that_was_only_looked_at_stays_as_it_is(open_page: Open, street: Path) -> None:
    before = street.read_bytes(), street.stat().st_mtime_ns
    hand = open_page(street)
    hand.page.locator(".zone-item").first.click()
    hand.page.keyboard.press("Control+s")
    expect(hand.page.locator("#say")).to_have_text("Nothing has changed.")
    assert (street.read_bytes(), street.stat().st_mtime_ns) == before


def test_closing_by_the_first_point_and_by_double_click_and_a_rectangle(
    open_page: Open, street: Path
) -> None:
    hand = open_page(street)
    page = hand.page
    page.locator("#tool-snap").click()
    page.locator("#tool-polygon").click()
    for x, y in ((300, 20), (340, 20), (340, 60), (300, 20)):
        hand.click(x, y)
    page.locator("#tool-polygon").click()
    for x, y in ((350, 220), (390, 220)):
        hand.click(x, y)
    hand.page.mouse.dblclick(*hand.at(390, 260))
    page.locator("#tool-rectangle").click()
    hand.drag((20, 20), (80, 60))
    expect(page.locator(".zone-item")).to_have_count(5)
    hand.save()
    assert [zone.polygon for zone in load_zone_file(street).zone[2:]] == [
        ((300, 20), (340, 20), (340, 60)),
        ((350, 220), (390, 220), (390, 260)),
        ((20, 20), (80, 20), (80, 60), (20, 60)),
    ]


def test_points_catch_on_other_zones_and_on_right_angles(open_page: Open, street: Path) -> None:
    hand = open_page(street)
    page = hand.page
    page.locator("#tool-polygon").click()
    hand.click(403, 183)  # the corner of the bay is at 400, 180
    hand.click(402, 263)  # straight below
    hand.click(500, 261)  # level with it
    page.keyboard.press("Enter")
    page.keyboard.down("Alt")
    page.locator("#tool-polygon").click()
    for x, y in ((403, 20), (440, 20), (420, 50)):
        hand.click(x, y)
    page.keyboard.up("Alt")
    page.locator("#stage").focus()
    page.keyboard.press("Enter")
    hand.save()
    caught, free = load_zone_file(street).zone[2:]
    assert caught.polygon == ((400, 180), (400, 263), (500, 263))
    assert free.polygon[0] == (403, 20)


def test_by_keyboard_alone(open_page: Open, street: Path) -> None:
    hand = open_page(street)
    page, press = hand.page, hand.page.keyboard.press
    page.locator("#stage").focus()
    press("p")
    press("Space")
    for key, times in (
        ("Shift+ArrowRight", 6),
        ("Space", 1),
        ("Shift+ArrowDown", 5),
        ("ArrowDown", 3),
        ("Space", 1),
    ):
        for _ in range(times):
            press(key)
    press("Shift+ArrowUp")
    press("Space")
    press("Backspace")
    press("Enter")
    expect(page.locator(".zone-item")).to_have_count(3)
    press(".")
    press("ArrowLeft")
    press("Shift+ArrowUp")
    expect(page.locator("#undo")).to_have_attribute("aria-label", "Undo: move vertex 1 of P1")
    press("[")
    press("Control+d")
    expect(page.locator(".zone-item")).to_have_count(4)
    press("Delete")
    press("]")
    press("Control+s")
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".diff .add").first).to_be_visible()
    press("Enter")
    expect(page.locator("#toast.on")).to_contain_text("Saved")
    zone = load_zone_file(street).zone[2]
    assert len(load_zone_file(street).zone) == 3
    (x, y), *_ = zone.polygon
    assert zone.polygon == ((x, y), (x + 61, y + 10), (x + 61, y + 63))


def test_by_finger_on_a_phone(open_page: Open, street: Path, still: Path) -> None:
    hand = open_page(street, still, viewport=PHONE, touch=True, language="zh-CN")
    page = hand.page
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], "nothing sticks out"
    page.get_by_role("button", name="吸附").tap()
    page.get_by_role("button", name="画多边形").tap()
    for x, y in ((260, 20), (380, 20), (380, 90)):
        touch(page, hand.at(x, y))
    box = page.get_by_role("button", name="闭合多边形").bounding_box()
    assert box is not None
    assert min(box["width"], box["height"]) >= 44
    touch(page, hand.at(260, 20))
    expect(page.locator(".zone-item")).to_have_count(3)

    # A vertex under the finger is seen in the loupe while it moves.
    page.get_by_role("button", name="收起面板").tap()
    expect(page.get_by_role("button", name="展开面板")).to_be_visible()
    hand.settled()
    session = page.context.new_cdp_session(page)
    (ax, ay), (bx, by) = hand.at(380, 90), hand.at(340, 120)
    send = lambda kind, *points: session.send(  # noqa: E731
        "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in points]}
    )
    send("touchStart", (ax, ay))
    send("touchMove", (bx, by))
    expect(page.locator("#loupe")).to_be_visible()
    loupe = page.locator("#loupe").bounding_box()
    assert loupe is not None
    assert loupe["y"] + loupe["height"] < by, "the finger does not cover it"
    send("touchEnd")
    expect(page.locator("#loupe")).to_be_hidden()
    expect(page.locator("#undo")).to_have_attribute("aria-label", "撤销：移动 P1 的顶点 3")

    # Two fingers make the picture larger and draw nothing.
    width = page.locator("#stage .frame").bounding_box()["width"]
    send("touchStart", (150, 300), (240, 300))
    send("touchMove", (100, 300), (290, 300))
    send("touchEnd")
    assert page.locator("#stage .frame").bounding_box()["width"] > 1.5 * width
    expect(page.locator(".zone-item")).to_have_count(3)
    page.get_by_role("button", name="保存", exact=True).tap()
    page.get_by_role("dialog").get_by_role("button", name="保存").tap()
    expect(page.locator("#toast.on")).to_contain_text("已保存")
    zone = load_zone_file(street).zone[2]
    for found, meant in zip(zone.polygon, ((260, 20), (380, 20), (340, 120)), strict=True):
        assert found == pytest.approx(meant, abs=4)
    assert zone.name == "区域 1"


def test_what_somebody_else_wrote_is_not_written_over(open_page: Open, street: Path) -> None:
    hand = open_page(street, refusals=(409, 400))
    page = hand.page
    page.locator(".zone-item").nth(1).click()
    hand.field("name").fill("Bay of mine")
    theirs = TWO_ZONES.replace("North pavement", "South pavement")
    street.write_text(theirs)
    page.keyboard.press("Control+s")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    conflict = page.get_by_role("dialog", name="The file has changed on disk")
    conflict.get_by_role("button", name="Save as…").click()
    page.get_by_role("dialog").get_by_label("File name").fill("street.toml")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("exists already")
    page.get_by_role("dialog").get_by_label("File name").fill("mine.toml")
    page.keyboard.press("Enter")
    expect(page.locator("#file-name")).to_have_text("mine.toml")
    assert street.read_text() == theirs
    assert load_zone_file(street.with_name("mine.toml")).zone[1].name == "Bay of mine"

    # Back on the page, a change on disk is told without being asked for.
    other = street.with_name("mine.toml")
    other.write_text(other.read_text().replace("Bay of mine", "Bay of theirs"))
    page.evaluate("dispatchEvent(new Event('focus'))")
    page.locator("#banner").get_by_role("button", name="Open it again, lose mine").click()
    expect(page.locator(".zone-item strong").nth(1)).to_have_text("Bay of theirs")
    expect(page.locator("#banner")).to_be_hidden()


def test_errors_show_where_they_are_and_forbid_saving(open_page: Open, street: Path) -> None:
    hand = open_page(street)
    page = hand.page
    save = page.get_by_role("button", name="Save", exact=True)
    page.locator(".zone-item").first.click()
    page.locator("[data-group=times] summary").click()
    grace = page.locator("[data-path=grace_s]")
    grace.get_by_role("textbox").fill("0")
    expect(grace).to_contain_text("greater than or equal to 1")
    expect(page.locator("[data-group=times] .badge")).to_have_text("1 wrong")
    expect(save).to_be_disabled()
    grace.get_by_role("textbox").fill("soon")
    expect(grace).to_contain_text("valid number")
    grace.get_by_role("textbox").fill("240")
    expect(save).to_be_enabled()

    # The edge that crosses is named and drawn.
    hand.drag((240, 200), (30, 260))
    expect(page.locator(".problem.bad")).to_contain_text("crosses itself")
    expect(page.locator(".bad-edge")).to_be_attached()
    expect(page.locator(".handle.bad").first).to_be_attached()
    expect(save).to_be_disabled()
    page.keyboard.press("Control+z")
    expect(page.locator(".problem.bad")).to_have_count(0)

    # What is allowed but odd is told at once, too.
    page.locator("[data-group=presence] summary").click()
    page.locator("[data-path=leave_ratio]").get_by_role("textbox").fill("0.4")
    expect(page.locator(".problem.odd")).to_contain_text("leave_ratio equals enter_ratio")
    expect(save).to_be_enabled()


def test_hours_and_exemptions_have_forms_of_their_own(open_page: Open, street: Path) -> None:
    hand = open_page(street)
    page = hand.page
    page.locator(".zone-item").first.click()
    page.locator("[data-group=hours] summary").click()
    page.get_by_role("button", name="Add: Hours").first.click()
    card = page.get_by_role("group", name="Hours 1")
    for day in ("Sat", "Sun"):
        card.locator("label", has_text=re.compile(f"^{day}$")).click()
    hand.field("hours.0.from").fill("8:00")
    expect(card).to_contain_text("match pattern")
    hand.field("hours.0.from").fill("08:00")
    hand.field("hours.0.to").fill("18:30")
    page.get_by_role("button", name="Add: Exemptions").click()
    hand.field("exempt.0.reason").fill("Post")
    hand.field("exempt.0.plates").fill("京A12*\n京B1234?")
    hand.save()
    zone = tomllib.loads(street.read_text())["zone"][0]
    assert zone["hours"] == [{"days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "to": "18:30"}]
    assert zone["exempt"] == [{"reason": "Post", "plates": ["京A12*", "京B1234?"]}]
    assert "# ten minutes are too long here" in street.read_text()


def test_a_trial_vehicle_is_judged_while_the_zone_moves(open_page: Open, street: Path) -> None:
    hand = open_page(street)
    page = hand.page
    page.locator("#tool-probe").click()
    hand.click(140, 310)
    row = page.locator(".vehicle")
    expect(row).to_contain_text("of its footprint is in zone walk, needs 40%")
    expect(row.locator(".badge")).to_have_text("stands in walk")
    page.locator("#tool-select").click()
    page.locator("#stage").focus()
    page.keyboard.press("]")
    # The verdict follows while the hand still holds the zone.
    page.mouse.move(*hand.at(60, 220))
    page.mouse.down()
    page.mouse.move(*hand.at(60, 100), steps=4)
    expect(row.locator(".badge")).to_have_text("stands nowhere forbidden")
    page.mouse.up()
    page.keyboard.press("Control+z")
    expect(row.locator(".badge")).to_have_text("stands in walk")


def test_a_draft_survives_the_loss_of_page_and_server(
    open_page: Open, street: Path, wait_until: Callable[..., None]
) -> None:
    with editing(street) as editor:
        hand = open_page(editor=editor)
        page = hand.page
        page.locator(".zone-item").nth(1).click()
        page.locator("#stage").focus()
        page.keyboard.press("Delete")
        expect(page.locator(".zone-item")).to_have_count(1)
        kept = f"localStorage.getItem('patrol-zones-draft:{street}')"
        wait_until(lambda: page.evaluate(kept))
        port, context = editor.port, page.context
        page.close(run_before_unload=False)
    with editing(street) as again:
        assert again.port == port, "the same file has the same port, so the browser finds its draft"
        page = context.new_page()
        page.goto(again.url)
        page.get_by_role("dialog").get_by_role("button", name="Take it up").click()
        expect(page.locator(".zone-item")).to_have_count(1)
        expect(page.locator("#undo")).to_have_attribute("aria-label", "Undo: take up the draft")
        Hand(page, again).save()
        assert [zone.id for zone in load_zone_file(street).zone] == ["walk"]
        page.goto("about:blank")


def test_a_new_file_begins_with_the_picture(open_page: Open, tmp_path: Path, still: Path) -> None:
    fresh = tmp_path / "new.toml"
    hand = open_page(fresh, still)
    page = hand.page
    expect(page.locator(".empty")).to_be_visible()
    page.locator(".empty").get_by_role("button", name="Draw a rectangle").click()
    hand.drag((100, 100), (300, 250))
    hand.save()
    file = load_zone_file(fresh)
    assert (file.picture.width, file.picture.height) == (640, 360)
    assert file.zone[0].polygon == ((100, 100), (300, 100), (300, 250), (100, 250))


def test_a_file_with_errors_can_be_mended(open_page: Open, street: Path) -> None:
    street.write_text(
        TWO_ZONES.replace("[240, 320], [40, 320]", "[40, 320], [240, 320]").replace(
            "grace_s = 300", "grase_s = 3"
        )
    )
    hand = open_page(street)
    page = hand.page
    expect(page.locator(".problem.bad")).to_have_count(1)
    expect(page.locator(".problem.bad")).to_contain_text("this key is not known")
    page.locator(".problem.bad").click()
    page.get_by_role("button", name="Remove unknown key grase_s").click()
    expect(page.locator(".problem.bad")).to_contain_text("crosses itself")
    page.locator(".zone-item").first.click()
    hand.drag((40, 320), (240, 340))
    hand.drag((240, 320), (40, 320))
    expect(page.locator(".problem.bad")).to_have_count(0)
    hand.save()
    assert load_zone_file(street).zone[0].id == "walk"


def test_calibration_by_a_rectangle(open_page: Open, street: Path) -> None:
    hand = open_page(street)
    page = hand.page
    page.get_by_role("tab", name="Ground").click()
    page.get_by_role("button", name="Mark a rectangle").click()
    for corner in ((200, 340), (440, 340), (380, 120), (260, 120)):
        hand.click(*corner)
    hand.field("calibration.rectangle.width_m").fill("3.5")
    hand.field("calibration.rectangle.length_m").fill("18")
    expect(page.locator(".residuals tbody tr")).to_have_count(4)
    expect(page.locator(".grid-line")).to_be_attached()
    expect(page.locator("#pane-ground")).to_contain_text("Four points always fit")
    hand.save()
    rectangle = load_zone_file(street).calibration.rectangle
    assert (rectangle.width_m, rectangle.length_m) == (3.5, 18)
    for found, meant in zip(rectangle.picture, ((200, 340), (440, 340), (380, 120), (260, 120)), strict=True):
        assert found == pytest.approx(meant, abs=0.8)
    page.get_by_role("button", name="Remove the calibration").click()
    hand.save()
    assert load_zone_file(street).calibration is None


def test_quit_asks_and_ends_the_command(open_page: Open, street: Path) -> None:
    with editing(street) as editor:
        hand = open_page(editor=editor)
        page = hand.page
        page.locator(".zone-item").first.click()
        hand.field("name").fill("Elsewhere")
        page.get_by_role("button", name="More").click()
        page.get_by_role("menuitem", name="Quit").click()
        page.get_by_role("dialog").get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_role("heading", name="The zone editor has ended.")).to_be_visible()
        assert editor.process.wait(20) == 0
    assert load_zone_file(street).zone[0].name == "Elsewhere"


@pytest.mark.parametrize(
    ("viewport", "scheme", "language"),
    [(DESK, "light", "en-GB"), (PHONE, "dark", "zh-CN")],
    ids=["desk, light", "phone, dark"],
)
def test_nothing_stands_in_anybodys_way(
    open_page: Open, street: Path, still: Path, viewport: dict[str, int], scheme: str, language: str
) -> None:
    hand = open_page(street, still, viewport=viewport, scheme=scheme, language=language)
    page = hand.page
    rules = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
    found: list[str] = []
    for tab in ("zones", "vehicles", "ground", "file"):
        page.locator(f"#tab-{tab}").click()
        if tab == "zones":
            page.locator(".zone-item").first.click()
            for group in page.locator("summary").all()[1:]:
                group.click()
        if tab == "vehicles":
            page.locator("#tool-probe").click()
            hand.click(140, 310)
            expect(page.locator(".vehicle .badge")).to_be_visible()
        result = Axe().run(page, options=rules)
        found += [
            f"{tab}: {each['id']}: {each['nodes'][0]['html']}" for each in result.response["violations"]
        ]
    page.keyboard.press("Control+s")
    page.locator("#more").click()
    result = Axe().run(page, options=rules)
    found += [f"menu: {each['id']}: {each['nodes'][0]['html']}" for each in result.response["violations"]]
    assert found == []
    if viewport is PHONE:
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_the_page_does_not_jump(open_page: Open, street: Path, still: Path) -> None:
    hand = open_page(street, still)
    moved = hand.page.evaluate(
        """() => new Promise(done => { let sum = 0;
             new PerformanceObserver(list => { for (const shift of list.getEntries()) sum += shift.value; })
               .observe({type: "layout-shift", buffered: true});
             requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => done(sum), 300))); })"""
    )
    assert moved < 0.02
