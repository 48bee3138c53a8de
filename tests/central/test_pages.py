"""Who may see which page, what each shows, and what a forged or repeated form does."""

from __future__ import annotations

import re

import pytest

from central.cases import services
from central.cases.models import Evidence, WorkOrder
from central.cases.states import Result, WorkState
from central.fleet.models import Letter
from central.fleet.services import note_stranger
from central.ingest import intake
from central.ingest.state import CONNECTED, REFUSED, beat
from central.people.models import Role
from tests.central.street import MINUTE, TOPICS, health, picture, record, reference, retraction, sha256, task

FIRST, SECOND = picture(1), picture(2)


def take(topic, payload):
    intake.take_all([(topic, payload)])


@pytest.fixture
def order(agent):
    refs = (reference(FIRST, "confirm"), reference(SECOND, "recheck"))
    take(TOPICS.of("tasks"), task(pictures=refs).model_dump_json().encode())
    take(TOPICS.evidence(sha256(FIRST)), FIRST)
    return WorkOrder.objects.get()


def test_what_lies_outside_the_scope_is_on_no_list(order, browse, person):
    client = browse(person("zhao", scope="elsewhere"))
    for address in ("/", "/officer/"):
        assert "三里河路" not in client.get(address).content.decode()


def test_every_answer_carries_the_headers_that_keep_forged_text_harmless(order, browse, person):
    client = browse(person("wang"))
    for address in ("/", "/officer/", f"/cases/{order.case_id}/", "/nothing", "/login/"):
        answer = client.get(address)
        assert "script-src 'self'" in answer["Content-Security-Policy"]
        assert "unsafe" not in answer["Content-Security-Policy"]
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["X-Frame-Options"] == "DENY"
        assert "no-store" in answer["Cache-Control"]
        text = answer.content.decode()
        assert not re.search(r"<script(?![^>]* src=)|<style| style=| on\w+=", text), "nothing inline"
        assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", text), "nothing from the network"


def test_texts_from_the_street_are_shown_as_text(agent, browse, person):
    evil = "<script>alert(1)</script>"
    message = task(place=evil, why=evil, zone_name=evil)
    take(TOPICS.of("tasks"), message.model_dump_json().encode())
    order = WorkOrder.objects.get()
    client = browse(person("wang"))
    for address in ("/", "/officer/", f"/officer/{order.pk}/", f"/cases/{order.case_id}/"):
        text = client.get(address).content.decode()
        assert evil not in text
        assert "&lt;script&gt;" in text


def test_a_picture_goes_only_to_those_who_may_see_the_case(order, browse, person):
    address = f"/cases/{order.case_id}/pictures/{sha256(FIRST)}.jpg"
    answer = browse(person("wang")).get(address)
    assert answer.content == FIRST
    assert answer["Content-Type"] == "image/jpeg"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert answer["Cache-Control"].startswith("private")
    again = browse(person("li")).get(address, headers={"if-none-match": answer["ETag"]})
    assert again.status_code == 304
    assert browse(person("zhao", scope="elsewhere")).get(address).status_code == 404
    assert browse().get(address).status_code == 302
    waiting = f"/cases/{order.case_id}/pictures/{sha256(SECOND)}.jpg"
    assert browse(person("chen")).get(waiting).status_code == 404, "named but not yet arrived"


def test_the_plate_is_masked_until_somebody_asks_for_it(order, browse, person):
    client = browse(person("chen", Role.DISPATCHER))
    for address in ("/", f"/cases/{order.case_id}/"):
        text = client.get(address).content.decode()
        assert "京A12345" not in text
        assert "京A•••45" in text
    client.post(f"/cases/{order.case_id}/plate/", {"why": "the driver calls"})
    assert "京A12345" in client.get(f"/cases/{order.case_id}/").content.decode()


def test_the_case_page_draws_the_box_on_the_recheck_picture(order, browse, person):
    take(TOPICS.evidence(sha256(SECOND)), SECOND)
    text = browse(person("wang")).get(f"/cases/{order.case_id}/").content.decode()
    assert text.count('<rect class="box" x="120.0" y="90.0" width="300.0" height="210.0"/>') == 1


def test_a_picture_with_its_own_box_shows_that_one(agent, browse, person):
    """Of a 4K frame the sealed picture is smaller, and the frame's box would lie beside the vehicle."""
    refs = tuple(
        reference(data, role).model_copy(update={"box": box})
        for data, role, box in (
            (FIRST, "confirm", (60.0, 45.0, 210.0, 150.0)),
            (SECOND, "recheck", (64.0, 45.0, 214.0, 150.0)),
        )
    )
    take(TOPICS.of("tasks"), task(pictures=refs).model_dump_json().encode())
    for data in (FIRST, SECOND):
        take(TOPICS.evidence(sha256(data)), data)
    text = browse(person("wang")).get(f"/cases/{WorkOrder.objects.get().case_id}/").content.decode()
    boxes = re.findall(r'<rect class="box" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"', text)
    assert boxes == [("60.0", "45.0", "150.0"), ("64.0", "45.0", "150.0")]


def test_the_agents_words_are_in_the_readers_language(agent, person):
    from django.test import Client

    why = "62% of its footprint is in zone P3, needs 40%"
    take(
        TOPICS.of("tasks"),
        task(why=why, notified_at_ms=None, unnotifiable_reason="not_found").model_dump_json().encode(),
    )
    take(
        TOPICS.of("cases"),
        record("c1", "unnotifiable", 1_767_239_400_000, reason="not_found").model_dump_json().encode(),
    )
    order = WorkOrder.objects.get()
    take(TOPICS.of("tasks"), retraction(reason="the vehicle left").model_dump_json().encode())
    take(TOPICS.of("status"), b'{"jurisdiction_id":"sanlihe","agent_id":"box-1","online":true}')
    troubled = health(state="live").model_copy(
        update={"problems": ("sms: no connection in time", "mqtt_publish_refused_tasks: quota", "odd: thing")}
    )
    take(TOPICS.of("health"), troubled.model_dump_json().encode())
    chinese = Client(headers={"accept-language": "zh-CN"})
    chinese.force_login(person("wang"))
    pages = {
        "/": ["车辆占地面积的 62%", "短信：连接超时", "消息服务器拒收一条消息：quota", "odd: thing"],
        f"/officer/{order.pk}/": ["车辆占地面积的 62%", "未查到该车牌的车主", "车辆已离开"],
        f"/cases/{order.case_id}/": ["车辆占地面积的 62%", "未查到该车牌的车主", "车辆已离开"],
    }
    for address, said in pages.items():
        text = chinese.get(address).content.decode()
        for words in said:
            assert words in text, (address, words)
        for words in ("footprint", "not_found", "the vehicle left"):
            assert words not in text, (address, words)


def test_filters_take_any_text_without_harm(order, browse, person):
    client = browse(person("wang"))
    for shown in ("all", "open", "closed", "retracted", "' OR 1=1 --", ""):
        for before in ("", "1-1", "x", "9999999999999999-1", "1-" + "9" * 60):
            answer = client.get("/", {"show": shown, "before": before})
            assert answer.status_code == 200, (shown, before)


def test_the_list_is_read_in_pages(agent, browse, person):
    for number in range(60):
        message = task(f"c{number}", issued_at_ms=1_767_240_000_000 + number // 2, place=f"Place {number}.")
        take(TOPICS.of("tasks"), message.model_dump_json().encode())
    client = browse(person("wang"))
    first = client.get("/").content.decode()
    older = re.search(r'href="(\?show=all&amp;before=[^"]+)"', first).group(1).replace("&amp;", "&")
    second = client.get("/" + older).content.decode()
    places = [re.findall(r"<h2>Place (\d+)\.</h2>", text) for text in (first, second)]
    assert [int(place) for page in places for place in page] == list(range(59, -1, -1))


def test_an_offline_agents_cameras_are_not_shown_as_live(agent, browse, person, centre):
    client = browse(person("wang"))
    take(
        TOPICS.of("status"),
        b'{"jurisdiction_id":"sanlihe","agent_id":"box-1","online":true}',
    )
    take(TOPICS.of("health"), health(state="live").model_dump_json().encode())
    assert "<b>live</b>" in client.get("/").content.decode()
    centre.clock.advance(3 * MINUTE)
    text = client.get("/").content.decode()
    assert "<b>live</b>" not in text, "it said nothing for minutes"
    assert "<b>not known</b>" in text


def test_the_strip_says_how_ingest_is(browse, person, centre):
    client = browse(person("wang"))
    assert "<b>not running</b>" in client.get("/").content.decode()
    beat("w", REFUSED, "Not authorized", 0)
    text = client.get("/").content.decode()
    assert "<b>refused by the broker</b>" in text
    assert "Not authorized" in text
    beat("w", CONNECTED, "", 5)
    assert "<b>receiving</b>" in client.get("/").content.decode()
    centre.clock.advance(MINUTE)
    assert "<b>not running</b>" in client.get("/").content.decode()


def test_a_stranger_is_shown_with_the_command_that_enrols_it_to_dispatchers_only(browse, person, centre):
    note_stranger("sanlihe", "box-9")
    hint = "patrol central agents add box-9 --jurisdiction sanlihe"
    assert hint in browse(person("chen", Role.DISPATCHER)).get("/").content.decode()
    assert hint not in browse(person("wang")).get("/").content.decode()


def test_an_officer_accepts_and_closes_without_any_script(order, browse, person):
    client = browse(person("wang"))
    assert "Accept this task" in client.get(f"/officer/{order.pk}/").content.decode()
    answer = client.post(f"/officer/{order.pk}/accept/", follow=True)
    assert "The task is yours." in answer.content.decode()
    nothing = client.post(f"/officer/{order.pk}/close/", {"note": "kept"})
    assert nothing.status_code == 422
    assert "Choose what you found." in nothing.content.decode()
    assert "kept" in nothing.content.decode()
    for _ in range(2):
        done = client.post(
            f"/officer/{order.pk}/close/", {"result": "towed", "note": "by truck"}, follow=True
        )
        assert "Closed: Towed" in done.content.decode()
    assert Letter.objects.count() == 1
    changed = client.post(f"/officer/{order.pk}/close/", {"result": "ticketed"}, follow=True)
    assert "Wang has already closed this task: Towed" in changed.content.decode()


def test_the_second_officer_reads_who_was_faster(order, browse, person):
    browse(person("wang")).post(f"/officer/{order.pk}/accept/")
    answer = browse(person("li")).post(f"/officer/{order.pk}/accept/", follow=True)
    assert "Wang has already accepted this task." in answer.content.decode()
    refused = browse(person("zhao")).post(f"/officer/{order.pk}/close/", {"result": "towed"}, follow=True)
    assert WorkOrder.objects.get().state == WorkState.ACCEPTED
    assert "Wang has already accepted this task." in refused.content.decode()


def test_a_retracted_task_drops_out_with_a_word(order, browse, person):
    client = browse(person("wang"))
    client.post(f"/officer/{order.pk}/accept/")
    take(TOPICS.of("tasks"), retraction().model_dump_json().encode())
    listed = client.get("/officer/").content.decode()
    assert f'id="job-{order.pk}"' not in listed
    assert "the vehicle has left" in listed
    page = client.get(f"/officer/{order.pk}/").content.decode()
    assert "The vehicle has left. Nobody needs to go." in page
    late = client.post(f"/officer/{order.pk}/close/", {"result": "ticketed"}, follow=True)
    assert "nobody needs to go" in late.content.decode()
    assert WorkOrder.objects.get().state == WorkState.RETRACTED


def test_a_manual_check_says_that_the_camera_could_not_tell(agent, browse, person):
    take(TOPICS.of("tasks"), task(manual_check=True).model_dump_json().encode())
    order = WorkOrder.objects.get()
    client = browse(person("wang"))
    assert "The camera could not tell" in client.get("/").content.decode()
    assert "the camera could not tell" in client.get(f"/officer/{order.pk}/").content.decode()
    assert "Manual check" in client.get("/officer/").content.decode()


def test_a_form_from_another_site_does_nothing(order, browse, person):
    client = browse(person("wang"), csrf=True)
    assert client.post(f"/officer/{order.pk}/accept/").status_code == 403
    assert client.post("/logout/").status_code == 403
    assert WorkOrder.objects.get().state == WorkState.NEW


def test_a_get_changes_nothing(order, browse, person):
    client = browse(person("wang"))
    for address in (f"/officer/{order.pk}/accept/", f"/officer/{order.pk}/close/", "/logout/"):
        assert client.get(address).status_code == 405
    assert WorkOrder.objects.get().state == WorkState.NEW


def test_the_history_page_tells_the_whole_course(order, browse, person, agent):
    officer = person("wang")
    services.accept(order.pk, officer)
    services.close(order.pk, officer, services.Finding(Result.OTHER, "spoke with the driver"))
    message = record("c1", "closed", 1_767_240_100_000, outcome_id=WorkOrder.objects.get().outcome_id)
    take(TOPICS.of("cases"), message.model_dump_json().encode())
    text = browse(officer).get(f"/cases/{order.case_id}/").content.decode()
    for words in (
        "Case opened",
        "Task received",
        "Picture received and verified",
        "Accepted by an officer",
        "spoke with the driver",
        "Closed at the camera",
        "The agent has applied the outcome",
    ):
        assert words in text, words


def test_the_language_follows_the_browser_and_the_switch(order, person):
    from django.test import Client

    chinese = Client(headers={"accept-language": "zh-CN,zh;q=0.9"})
    chinese.force_login(person("wang"))
    text = chinese.get("/").content.decode()
    assert '<html lang="zh-hans">' in text
    assert "待受理" in text
    chinese.post("/language/", {"language": "en", "next": "/"})
    assert '<html lang="en">' in chinese.get("/").content.decode()
    away = chinese.post("/language/", {"language": "en", "next": "https://evil.example/"})
    assert not away["Location"].startswith("https://evil")
    other = Client(headers={"accept-language": "fr"})
    assert '<html lang="zh-hans">' in other.get("/login/").content.decode()


@pytest.mark.parametrize(("language", "words"), [("en", "There is no such page"), ("zh-CN", "没有这个页面")])
def test_error_pages_speak_the_readers_language(order, person, language, words):
    from django.test import Client

    client = Client(headers={"accept-language": language}, raise_request_exception=False)
    client.force_login(person("wang"))
    answer = client.get("/nothing")
    assert answer.status_code == 404
    assert words in answer.content.decode()
    assert client.post("/officer/").status_code == 405


def test_a_mistake_of_ours_shows_a_page_and_no_traceback(person, monkeypatch, centre):
    from django.test import Client

    from central.pages import queries

    monkeypatch.setattr(queries, "counts", lambda user: 1 / 0)
    client = Client(headers={"accept-language": "en"}, raise_request_exception=False)
    client.force_login(person("wang"))
    answer = client.get("/")
    assert answer.status_code == 500
    assert "Something went wrong here" in answer.content.decode()
    assert "ZeroDivision" not in answer.content.decode()


def test_health_addresses_answer_without_a_log_in(browse, centre):
    assert browse().get("/healthz").json() == {"status": "ok"}
    ready = browse().get("/readyz")
    assert ready.status_code == 200
    assert ready.json() == {"status": "ok"}


def test_evidence_that_is_on_its_way_is_said_to_be(order, browse, person):
    assert Evidence.objects.filter(picture__isnull=True).count() == 1
    assert "Picture on its way" in browse(person("wang")).get("/").content.decode()
