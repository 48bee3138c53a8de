"""The pages of those who keep the centre: each shows what there is, each change counts once or says why not."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from central.cases.history import Audit, verify
from central.cases.models import Case, ServiceVersion, WorkOrder
from central.cases.rules import service
from central.cases.services import Finding, accept, close
from central.cases.states import Result
from central.clocks import calendars
from central.clocks.models import CalendarDay
from central.dispatch.models import Shift
from central.fleet.models import Agent
from central.fleet.services import note_stranger
from central.grids.models import Grid
from central.notices.texts import wording_of
from central.parking.models import Stay
from central.people.models import Role, User
from central.people.services import set_scope
from protocol.messages import ZonePlan
from tests.central.administration.saying import said, take
from tests.central.engines import ON_SQLITE
from tests.central.street import AGENT, CAMERA, JURISDICTION, health, task

PAGES = ("devices", "zones", "grids", "rosters", "services", "calendar", "texts", "people")


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_every_page_opens_also_where_there_is_nothing(
    centre: Any, person: Any, browse: Any, language: str
) -> None:
    client = browse(person("keeper", "administrator", scope="nowhere"))
    for name in PAGES:
        answer = client.get(f"/administration/{name}/", headers={"accept-language": language})
        assert answer.status_code == 200, name
        assert ("系统管理" in answer.content.decode()) == (language != "en"), name


def test_devices_show_health_and_strangers_are_enrolled(keeper: Any, centre: Any) -> None:
    take("health", health(problems=("disk_full: 12 MB left",)))
    note_stranger(JURISDICTION, "box-9")
    page = keeper.get("/administration/devices/").content.decode()
    assert f"{JURISDICTION}/{AGENT}" in page
    assert "gate-north" in page
    assert "disk full" in page
    assert "box-9" in page
    keeper.post("/administration/devices/enrol/", {"j": JURISDICTION, "agent": "box-9"})
    assert Agent.objects.filter(agent_id="box-9", enabled=True).exists()
    bad = keeper.post("/administration/devices/enrol/", {"j": JURISDICTION, "agent": "no such name!"})
    assert "agent" in said(keeper, bad)
    other = Agent.objects.get(agent_id="box-9")
    keeper.post(f"/administration/devices/{other.pk}/disable/")
    other.refresh_from_db()
    assert not other.enabled
    assert (
        keeper.post("/administration/devices/enrol/", {"j": "elsewhere", "agent": "box-1"}).status_code == 404
    )


def test_a_zone_that_was_wrong_shows(keeper: Any, centre: Any, person: Any) -> None:
    officer = person("li")
    for number, result in enumerate(
        [Result.TICKETED, Result.TICKETED, Result.NOT_A_VIOLATION, Result.VEHICLE_GONE]
    ):
        take("tasks", task(f"c{number}"))
        order = WorkOrder.objects.latest("pk")
        accept(order.pk, officer)
        close(order.pk, officer, Finding(result))
    row = keeper.get("/administration/zones/").context["rows"][0]
    assert (row["confirmed"], row["false"], row["gone"]) == (2, 1, 1)
    assert "66.7\u00a0%" in keeper.get("/administration/zones/").content.decode()


def zone_plan(at_ms: int, *zones: dict[str, Any], version: int | None = None) -> ZonePlan:
    return ZonePlan.model_validate(
        {
            "idempotency_key": f"{JURISDICTION}/{AGENT}/{CAMERA}/zones/{at_ms}",
            "jurisdiction_id": JURISDICTION,
            "agent_id": AGENT,
            "camera_id": CAMERA,
            "at_ms": at_ms,
            "in_force": {"sha256": "a" * 64, "version": version, "author": "Li Wei"},
            "position": {"longitude": 116.33, "latitude": 39.91},
            "zones": zones,
        }
    )


RING = [[116.33, 39.91], [116.331, 39.91], [116.331, 39.911], [116.33, 39.91]]
PAVEMENT = {
    "zone_id": "P1",
    "name": "北侧人行道",
    "kind": "no_parking",
    "outline": {"type": "Polygon", "coordinates": [RING]},
}


def test_zones_that_a_box_told_are_drawn_and_lead_to_their_cases(
    keeper: Any, centre: Any, person: Any, browse: Any
) -> None:
    now = centre.clock.utc_ms()
    assert "No box has told its zones yet" in keeper.get("/administration/zones/").content.decode()
    take("tasks", task("c1", zone_id="P1"))
    take("tasks", task("c2", zone_id="P2"))
    take("zones", zone_plan(now - 3000, {"zone_id": "P9", "kind": "ignore"}, version=4))
    assert "Nothing can be drawn" not in keeper.get("/administration/zones/").content.decode()
    for _ in range(2):  # it came twice
        take("zones", zone_plan(now - 2000, PAVEMENT, {"zone_id": "B1", "kind": "parking_bay"}, version=5))
    take("zones", zone_plan(now - 1000, {"zone_id": "P9", "kind": "ignore"}, version=4))
    (camera,) = keeper.get("/administration/zones/map/").json()["cameras"]
    assert (camera["name"], camera["at"]) == (f"{AGENT}/{CAMERA}", [116.33, 39.91])
    assert [(zone["name"], zone["says"]) for zone in camera["zones"]] == [
        ("北侧人行道", "No parking"),
        ("B1", "Parking bay"),
    ]
    assert camera["zones"][0]["outline"]["coordinates"] == [RING]
    (plan,) = keeper.get("/administration/zones/").context["plans"]
    assert (plan["version"], plan["author"]) == (5, "Li Wei")
    listed = keeper.get("/" + plan["zones"][0]["cases"]).context["page"]
    stays = Stay.objects.filter(case__in=[row.case for row in listed.rows])
    assert list(stays.values_list("agent_case_id", flat=True)) == ["c1"]
    away = browse(person("away", "administrator", scope="elsewhere"))
    assert away.get(f"/administration/zones/map/?j={JURISDICTION}").json() == {"cameras": []}


def test_a_grid_is_handed_over(keeper: Any, tree: list[Grid], person: Any) -> None:
    li, wang = person("li", "grid_worker"), person("wang", "grid_worker")
    leaf = tree[3]
    assert "1 grid has nobody" in keeper.get("/administration/grids/").content.decode()
    keeper.post(f"/administration/grids/{leaf.pk}/", {"primary": "li", "deputy": "wang"})
    leaf.refresh_from_db()
    assert (leaf.primary, leaf.deputy) == (li, wang)
    answer = keeper.post(f"/administration/grids/{leaf.pk}/", {"primary": "nobody", "deputy": ""})
    assert "there is no such person" in said(keeper, answer)
    leaf.refresh_from_db()
    assert leaf.primary == li
    far = Grid.objects.create(jurisdiction_id="elsewhere", code="x", name="x", level=1)
    assert keeper.post(f"/administration/grids/{far.pk}/", {"primary": "li"}).status_code == 404
    found = keeper.get("/administration/grids/", {"q": "Part 3"}).content.decode()
    assert "Part 3" in found
    assert "Part 2</th>" not in found


def test_shifts_by_a_weekly_pattern(keeper: Any, centre: Any, person: Any, browse: Any) -> None:
    person("li", scope=JURISDICTION)
    pattern = {
        "j": JURISDICTION,
        "officer": "li",
        "first": "2026-01-05",
        "last": "2026-01-11",
        "begins": "08:00",
        "ends": "16:00",
        "day": ["0", "1", "2", "3", "4"],
        "mode": "foot",
    }
    assert "stored" in said(keeper, keeper.post("/administration/rosters/add/", pattern))
    assert Shift.rows.count() == 5
    # Sent twice it is stored once.
    assert "stored" in said(keeper, keeper.post("/administration/rosters/add/", pattern))
    assert Shift.rows.count() == 5
    overlapping = {**pattern, "begins": "15:00", "ends": "20:00"}
    assert "stored" not in said(keeper, keeper.post("/administration/rosters/add/", overlapping))
    assert Shift.rows.count() == 5
    for wrong in ({"first": "soon"}, {"begins": "8 o'clock"}, {"last": "2027-01-01"}, {"day": []}):
        assert "stored" not in said(keeper, keeper.post("/administration/rosters/add/", {**pattern, **wrong}))
    assert Shift.rows.count() == 5
    page = keeper.get("/administration/rosters/").content.decode()
    assert page.count("Take back") == 5
    one = Shift.rows.first()
    keeper.post(f"/administration/rosters/{one.pk}/remove/")
    assert Shift.rows.count() == 4
    begun = Shift.rows.order_by("from_ms").first()
    centre.clock.set_utc(begun.from_ms + 1000)
    keeper = browse(User.objects.get(username="keeper"))
    assert "stays as it is" in said(keeper, keeper.post(f"/administration/rosters/{begun.pk}/remove/"))
    assert "1 person is on duty now." in keeper.get("/administration/rosters/").content.decode()


def test_categories_come_from_their_definitions(keeper: Any) -> None:
    page = keeper.get("/administration/services/").content.decode()
    assert "sidewalk_parking" in page
    assert page.count('class="adm-states"') >= 3
    chinese = keeper.get("/administration/services/", headers={"accept-language": "zh-CN"}).content.decode()
    assert "案卷建立" in chinese
    assert "<small>establish</small>" not in chinese


@ON_SQLITE
def test_rules_are_put_in_force_for_new_cases_and_taken_back(
    keeper: Any, centre: Any, person: Any, browse: Any
) -> None:
    code = "sidewalk_parking"
    address = f"/administration/services/{code}/?j={JURISDICTION}"
    change = f"/administration/services/{code}/change/"
    take("tasks", task("c1"))
    shipped = Case.objects.get().definition_id
    page = keeper.get(address).context
    base = {"j": JURISDICTION, "seen": page["now"]["sha256"], "reason": "a trial"}
    form = {
        "do": "usual",
        "j": JURISDICTION,
        "title_zh": "占道停车",
        "title_en": "On the sidewalk",
        "priority": "high",
    }
    for rule in page["now"]["clocks"]:
        form |= {
            f"{rule['kind']}_amount": "7",
            f"{rule['kind']}_unit": "hours",
            f"{rule['kind']}_warn": "6.5",
        }
    answer = keeper.post(change, form)
    assert answer.status_code == 200
    assert any("占道停车" in line for line in answer.context["checked"]["changes"])
    assert "priority: " in str(answer.context["checked"]["changes"])
    text = answer.context["text"]
    assert text.count("#") == page["text"].count("#"), "remarks stay"
    assert keeper.post(change, form | {"priority": "<b>now"}).context["found"][0].field == "priority"
    for wrong in (
        {"text": text.replace('priority = "high"', 'priority = "mad"')},
        {"text": text.replace(code, "residents_voice")},
        {"text": "\x01 = ="},
        {"text": text, "reason": " "},
        {"text": text, "seen": "0" * 64},
        {"text": page["text"]},
    ):
        refused = keeper.post(change, base | {"do": "put"} | wrong)
        assert (refused.status_code, len(refused.context["found"])) == (422, 1), wrong
    assert ServiceVersion.objects.count() == 0
    for outside in (person("narrow", "administrator", JURISDICTION), person("li", "officer", JURISDICTION)):
        if outside.role == Role.ADMINISTRATOR:
            Grid.objects.create(jurisdiction_id=JURISDICTION, code="g", name="g", level=1)
            set_scope(outside, JURISDICTION, ["g"])
        assert browse(outside).post(change, base | {"do": "put", "text": text}).status_code in {403, 422}
    assert keeper.post(change, base | {"do": "put", "text": text, "j": "elsewhere"}).status_code == 404
    assert "in force for new cases" in said(keeper, keeper.post(change, base | {"do": "put", "text": text}))
    take("tasks", task("c2"))
    old, new = Case.objects.order_by("pk")
    assert (old.definition_id, old.priority) == (shipped, 3)
    assert (new.definition_id, new.priority) == (ServiceVersion.objects.get().definition_id, 2)
    assert service(code).sha256 == shipped, "nowhere else"
    assert "On the sidewalk" in keeper.get("/administration/services/").content.decode()
    assert keeper.post(change, base | {"do": "back"}).status_code == 422, "others are in force than were seen"
    back = base | {"do": "back", "seen": new.definition_id}
    assert "files again" in said(keeper, keeper.post(change, back))
    take("tasks", task("c3"))
    assert Case.objects.latest("pk").definition_id == shipped
    kept = keeper.get(address).context["kept"]
    assert [(each.author, each.definition_id) for each in kept] == [
        ("user:keeper", None),
        ("user:keeper", new.definition_id),
    ]
    assert keeper.get(f"{address}&version={kept[1].pk}").context["text"] == text
    assert not list(verify(Audit()))


def test_a_day_of_the_calendar_is_changed(keeper: Any, centre: Any) -> None:
    change = {"j": JURISDICTION, "day": "2026-03-04", "kind": "holiday", "reason": "Town festival"}
    assert "calendar was changed" in said(keeper, keeper.post("/administration/calendar/day/", change))
    assert not calendars.calendar_for(JURISDICTION).hours(date(2026, 3, 4))
    assert CalendarDay.objects.get().author == "user:keeper"
    page = keeper.get("/administration/calendar/?year=2026").content.decode()
    assert "Town festival" in page
    for wrong in ({"day": "2026-02-30"}, {"kind": "feast"}, {"reason": " "}):
        keeper.post("/administration/calendar/day/", {**change, **wrong})
    assert CalendarDay.objects.count() == 1
    assert keeper.get("/administration/calendar/?year=2031").context["months"][0]["weeks"]
    assert keeper.get("/administration/calendar/?year=0001").status_code == 404
    assert keeper.post("/administration/calendar/day/", {**change, "j": "elsewhere"}).status_code == 404
    short = {**change, "day": "2026-03-05", "kind": "shortened", "hours": "09:00-11:30"}
    assert "calendar was changed" in said(keeper, keeper.post("/administration/calendar/day/", short))
    assert calendars.calendar_for(JURISDICTION).hours(date(2026, 3, 5)) == ((540, 690),)


@ON_SQLITE
def test_the_week_and_a_whole_year_are_changed_and_who_did_it_stands_there(
    keeper: Any, centre: Any, person: Any, browse: Any
) -> None:
    week = dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), "08:30-12:00,13:00-17:00") | {
        "sat": "",
        "sun": "",
    }
    form = {"j": JURISDICTION, "zone": "Asia/Shanghai", "country": "cn", "reason": "summer hours", **week}
    address = "/administration/calendar/week/"
    for wrong in ({"mon": "8 to 5"}, {"zone": "Mars/Olympus"}, {"country": "xx"}, {"reason": ""}):
        assert "changed" not in said(keeper, keeper.post(address, form | wrong)), wrong
    assert "calendar was changed" in said(keeper, keeper.post(address, form))
    assert calendars.calendar_for(JURISDICTION).hours(date(2026, 3, 4)) == ((510, 720), (780, 1020))
    page = keeper.get("/administration/calendar/").context
    assert [(row.author, row.reason) for row, _words in page["weeks"]] == [("user:keeper", "summer hours")]
    days = b"day,kind,reason,hours\n2031-01-01,holiday,New Year,\n2031-01-04,makeup,worked,\n"

    def bring(text: bytes, **more: str) -> str:
        given = {"j": JURISDICTION, "file": SimpleUploadedFile("2031.csv", text), "reason": "notice 12"}
        return said(keeper, keeper.post("/administration/calendar/import/", given | more))

    for text, more in (
        (days.replace(b"makeup", b"feast"), {}),
        (days, {"complete": "2030"}),
        (days, {"complete": "soon"}),
        (days, {"complete": "2031", "reason": ""}),
        (b"\xff\xfe", {}),
    ):
        assert "changed" not in bring(text, **more), (text, more)
    assert not calendars.calendar_for(JURISDICTION).is_known(2031)
    assert "calendar was changed" in bring(days, complete="2031")
    held = calendars.calendar_for(JURISDICTION)
    assert held.is_known(2031)
    assert held.hours(date(2031, 1, 1)) == ()
    assert held.hours(date(2031, 1, 4)) == ((510, 720), (780, 1020))
    Grid.objects.create(jurisdiction_id=JURISDICTION, code="g", name="g", level=1)
    narrow = person("narrow", "administrator", JURISDICTION)
    set_scope(narrow, JURISDICTION, ["g"])
    for one in ("week", "day", "import"):
        assert browse(narrow).post(f"/administration/calendar/{one}/", form).status_code == 403


def test_the_warning_is_shown_with_its_length(keeper: Any) -> None:
    rows = {row["language"]: row for row in keeper.get("/administration/texts/").context["rows"]}
    assert rows["zh-Hans"]["size"]["encoding"] == "UCS-2"
    assert all(row["size"]["segments"] >= 1 and "京A" in row["text"] for row in rows.values())
    assert "三里河" in rows["zh-Hans"]["text"], "the place is in the words of the message, not of the page"
    assert "Sanlihe" in rows["en"]["text"]


@ON_SQLITE
def test_a_jurisdiction_writes_its_own_words_after_they_were_checked(
    keeper: Any, person: Any, browse: Any
) -> None:
    own = "{place}的{plate}请在{deadline}前开走，编号{reference}[，照片{link}][，退订回{opt_out}]"
    form = {"j": JURISDICTION, "language": "zh-Hans", "text": own, "reason": "shorter"}
    part = keeper.post("/administration/texts/preview/", form).content.decode()
    assert "京A***45请在" in part
    bad = {**form, "text": own.replace("{deadline}", "{dead<line}")}
    part = keeper.post(
        "/administration/texts/preview/", bad, headers={"accept-language": "zh-CN"}
    ).content.decode()
    assert "必须包含 {deadline}" in part
    assert "{dead&lt;line}" in part
    change = "/administration/texts/change/"
    for wrong in (bad, {**form, "reason": " "}, {**form, "text": own.replace("[，照片{link}]", "")}):
        assert "written so" not in said(keeper, keeper.post(change, wrong))
    assert keeper.post(change, {**form, "language": "fr"}).status_code == 404
    assert wording_of(JURISDICTION) == {}
    assert "written so" in said(keeper, keeper.post(change, form))
    assert wording_of(JURISDICTION) == {"zh-Hans": own}
    rows = {row["language"]: row for row in keeper.get("/administration/texts/").context["rows"]}
    assert "前开走" in rows["zh-Hans"]["text"]
    assert "前开走" in rows["zh-Hans+en"]["text"]
    assert [row.author for row in rows["zh-Hans"]["kept"]] == ["user:keeper"]
    assert "written so" in said(keeper, keeper.post(change, {**form, "do": "back"}))
    assert wording_of(JURISDICTION) == {}
    assert browse(person("li", scope=JURISDICTION)).post(change, form).status_code == 403


def test_others_read_and_change_nothing(agent: Any, person: Any, browse: Any) -> None:
    officer = browse(person("li", scope=JURISDICTION))
    assert officer.get("/administration/devices/").status_code == 200
    assert officer.get("/administration/people/").status_code == 403
    for address in ("devices/enrol/", "rosters/add/", "calendar/day/", "people/add/"):
        assert officer.post(f"/administration/{address}", {"j": JURISDICTION}).status_code == 403
    page = officer.get("/administration/devices/").content.decode()
    assert "Enrol an agent" not in page


def test_a_handing_over_is_shown_before_it_is_done_and_a_dispatcher_decides(
    agent: Any, tree: list[Grid], person: Any, browse: Any
) -> None:
    from central.dispatch import lease, rerouting

    old, new = (person(name, "grid_worker", JURISDICTION) for name in ("old", "new"))
    keeper, desk = (
        browse(person(f"a-{role}", role, JURISDICTION)) for role in ("administrator", "dispatcher")
    )
    leaf, address = tree[3], f"/administration/grids/{tree[3].pk}/"
    keeper.post(address, {"primary": "old"})
    take("tasks", task("c1"))
    take("tasks", task("c2"))
    orders = list(WorkOrder.objects.order_by("pk"))
    for order in orders:
        order.case.grid = leaf
        order.case.save()
    lease.work()
    accept(orders[1].pk, old)
    shown = keeper.post(address, {"primary": "new", "preview": "1"})
    assert shown.status_code == 200
    told = shown.context["trial"]
    assert (told.cases, told.anew, told.asked) == (2, 1, 1)
    assert "Nothing was changed yet." in shown.content.decode()
    leaf.refresh_from_db()
    assert leaf.primary == old
    assert keeper.post(address, {"primary": "who", "preview": "1"}).status_code == 302
    keeper.post(address, {"primary": "new", "reason": "moved away"})
    while rerouting.work():
        pass
    (question,) = desk.get("/administration/grids/").context["questions"]
    decide = f"/administration/grids/decide/{question.pk}/"
    assert keeper.post(decide, {"reason": "x"}).status_code == 403
    assert "why" in said(desk, desk.post(decide, {"officer": "new", "reason": " "}))
    assert "given to new" in said(desk, desk.post(decide, {"officer": "new", "reason": "nearer"}))
    orders[1].refresh_from_db()
    assert orders[1].assignee == new
    assert desk.get("/administration/grids/").context["questions"] == []
    elsewhere = browse(person("far", "dispatcher", "elsewhere"))
    assert elsewhere.post(decide, {"reason": "x"}).status_code == 404
