"""What the pages ask: roles, scope, repetition, and words in both languages."""

from __future__ import annotations

import asyncio
import json

import pytest
from django.utils import translation

from central.cases.models import WorkOrder
from central.dispatch import lease, rosters
from central.dispatch.choose import Why
from central.dispatch.models import Offer, OfficerPosition, Push
from central.dispatch.words import facts_of, why_words
from central.ingest import intake
from central.people.models import SensitiveRead
from tests.central.street import JURISDICTION, MINUTE, NOON, TOPICS, task


@pytest.fixture
def crew(centre, agent, person):
    """Two officers on duty and a dispatcher."""
    people = {name: person(name, scope=JURISDICTION) for name in ("wang", "zhao")}
    people["chief"] = person("chief", role="dispatcher", scope=JURISDICTION)
    rosters.store(
        JURISDICTION, [rosters.Wanted(name, NOON - MINUTE, NOON + 60 * MINUTE) for name in ("wang", "zhao")]
    )
    return people


def reads():
    return list(SensitiveRead.objects.order_by("pk").values_list("name", "fields", "purpose"))


def send(case="c1"):
    intake.take_all([(TOPICS.of("tasks"), task(case).model_dump_json().encode())])
    return WorkOrder.objects.get(case__stay__agent_case_id=case)


def test_from_the_position_to_the_answer(crew, browse, centre):
    wang, zhao, chief = (browse(crew[name]) for name in ("wang", "zhao", "chief"))
    here = {"longitude": 116.3321, "latitude": 39.9145, "accuracy_m": 12.5, "at_ms": NOON}
    for _ in range(2):
        answer = wang.post("/dispatch/position/", here, content_type="application/json")
        assert answer.status_code == 200
    assert OfficerPosition.objects.get().accuracy_m == 12.5
    assert zhao.post("/dispatch/position/", here | {"longitude": "181"}).status_code == 422
    assert zhao.post("/dispatch/position/", "[]", content_type="application/json").status_code == 422
    order = send()
    lease.work()
    shown = wang.get("/dispatch/mine/").json()
    (offer,) = shown["offers"]
    assert shown["on_duty_until_ms"] == NOON + 60 * MINUTE
    assert (offer["task"]["plate"], offer["why"]) == ("京A•••45", "is there already, no open task")
    assert wang.get(f"/dispatch/mine/?after={offer['offer']}").json()["offers"] == []
    assert zhao.get("/dispatch/mine/").json()["offers"] == []
    address = f"/dispatch/tasks/{order.pk}"
    assert wang.post(f"{address}/decline/", {"reason": " "}).status_code == 422
    assert zhao.post(f"{address}/decline/", {"reason": "not mine"}).status_code == 409
    for _ in range(2):
        assert wang.post(f"{address}/decline/", {"reason": "flat tyre"}).json() == {"state": "declined"}
    lease.work()
    assert len(zhao.get("/dispatch/mine/").json()["offers"]) == 1
    for _ in range(2):
        taken = zhao.post(f"{address}/accept/").json()["task"]
        assert (taken["state"], taken["plate"]) == ("accepted", "京A12345")
    assert reads() == [("zhao", "plate", "own task")]
    late = wang.post(f"{address}/accept/")
    assert (late.status_code, late.json()["state"]) == (409, "accepted")
    assert [t["task"] for t in zhao.get("/dispatch/mine/").json()["tasks"]] == [order.pk]
    on_duty = {row["officer"]: row for row in chief.get("/dispatch/duty/").json()["officers"]}
    assert (on_duty["zhao"]["open_tasks"], on_duty["wang"]["open_tasks"]) == (1, 0)
    assert on_duty["wang"]["position"]["at_ms"] == NOON
    give = {"officer": "wang", "reason": "zhao is ill"}
    assert chief.post(f"{address}/reassign/", {**give, "reason": ""}).status_code == 422
    assert chief.post(f"{address}/reassign/", {**give, "officer": "nobody"}).status_code == 422
    for _ in range(2):
        given = chief.post(f"{address}/reassign/", give)
        assert (given.status_code, given.json()["task"]["plate"]) == (200, "京A•••45")
    assert json.loads(Push.objects.latest("pk").payload)["plate"] == "京A12345", "his device is told"
    shown = wang.get("/dispatch/mine/").json()["tasks"]
    assert [(t["task"], t["plate"]) for t in shown] == [(order.pk, "京A12345")]
    assert reads() == [("zhao", "plate", "own task"), ("wang", "plate", "own task")]
    assert zhao.post(f"{address}/reassign/", give).status_code == 403
    assert list(Offer.rows.values_list("state", flat=True).order_by("pk")) == [
        "declined",
        "withdrawn",
        "accepted",
    ]


def test_another_jurisdictions_task_does_not_exist(crew, browse, person):
    order = send()
    lease.work()
    foreign = {
        "officer": person("foreign", scope="elsewhere"),
        "dispatcher": person("boss", role="dispatcher", scope="elsewhere"),
    }
    for what, who in (("accept", "officer"), ("decline", "officer"), ("reassign", "dispatcher")):
        body = {"reason": "mine", "officer": "foreign"}
        assert browse(foreign[who]).post(f"/dispatch/tasks/{order.pk}/{what}/", body).status_code == 404
    assert browse(foreign["dispatcher"]).get("/dispatch/duty/").json() == {"officers": []}
    assert browse(foreign["officer"]).get("/dispatch/mine/").json()["offers"] == []


def test_a_dispatcher_sees_what_nobody_was_found_for_and_the_history_says_why(crew, browse, centre):
    centre.clock.advance(61 * MINUTE)
    order = send()
    lease.work()
    answer = browse(crew["chief"]).get("/dispatch/unassigned/").json()
    assert (answer["count"], answer["tasks"][0]["task"]["task"]) == (1, order.pk)
    assert answer["tasks"][0]["task"]["plate"] == "京A•••45"
    assert answer["tasks"][0]["words"] == "Nobody is on duty for this place."
    rosters.store(JURISDICTION, [rosters.Wanted("wang", NOON + 60 * MINUTE, NOON + 90 * MINUTE)])
    lease.work()
    assert browse(crew["chief"]).get("/dispatch/unassigned/").json()["count"] == 0
    page = browse(crew["chief"]).get(f"/cases/{order.case_id}/").content.decode()
    assert "Nobody is on duty for this place." in page
    assert "whereabouts not known, no open task" in page


def test_off_duty_nobody_is_followed_and_a_forged_form_is_refused(crew, browse, person):
    here = {"longitude": 116.3, "latitude": 39.9, "accuracy_m": 5, "at_ms": NOON}
    idle = browse(person("idle", scope=JURISDICTION)).post("/dispatch/position/", here)
    assert (idle.status_code, idle.json()["state"]) == (409, "off_duty")
    assert browse(crew["wang"], csrf=True).post("/dispatch/position/", here).status_code == 403
    assert not OfficerPosition.objects.exists()


def test_a_page_follows_what_is_asked_of_its_reader_alone(crew, monkeypatch, browse):
    from central.pages import following

    followed = []
    monkeypatch.setattr(following, "_events", lambda wanted: followed.append(set(wanted)) or _nothing())
    browse(crew["wang"]).get("/live/?mine")
    browse(crew["wang"]).get("/live/")
    assert followed == [{f"officer-{crew['wang'].pk}"}, {"tasks", "fleet", f"officer-{crew['wang'].pk}"}]


async def _nothing():
    await asyncio.sleep(0)
    yield ""


@pytest.mark.parametrize(
    ("why", "english", "chinese"),
    [
        (
            Why("on_duty", "position", 1234.0, 548.0, 20_000, "foot", 1, 0),
            "1.2 km away, about 9 min on foot, 1 open task",
            "距离 1.2 km，步行约 9 分钟，1 项未完成任务",
        ),
        (
            Why("primary", "ground", 420.0, 93.0, None, "scooter", 0, 1),
            "answers for this grid, 420 m away, about 2 min by scooter, place guessed from the ground of the duty,"
            " no open task, was asked before",
            "本网格责任人，距离 420 m，骑电动车约 2 分钟，位置按责任范围估计，无未完成任务，曾被询问过",
        ),
        (
            Why("deputy", "unknown", None, None, None, "foot", 3, 0),
            "deputy for this grid, whereabouts not known, 3 open tasks",
            "本网格副责任人，位置未知，3 项未完成任务",
        ),
    ],
)
def test_reasons_are_said_in_the_readers_language(centre, why, english, chinese):
    for language, wanted in (("en", english), ("zh-hans", chinese)):
        with translation.override(language):
            assert why_words(why) == why_words(facts_of(why)) == wanted
