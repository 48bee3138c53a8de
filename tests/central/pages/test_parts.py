"""Parts of the case page: clocks and whistle, offers, notes and steps, each by a plain form and by htmx."""

from __future__ import annotations

import io
import re

import pytest

from central.cases.models import Case, Note, WorkOrder
from central.clocks.models import Clock, ClockPause, Whistle, WhistleParty
from central.dispatch import lease, rosters
from central.dispatch.models import Offer
from central.ingest import intake
from tests.central.cases.test_engine import go, report
from tests.central.clocks.office import MONDAY
from tests.central.street import JURISDICTION, MINUTE, NOON, TOPICS, picture, task

HTMX = {"HX-Request": "true"}


@pytest.fixture
def crew(centre, person):
    people = {
        "dispatcher": person("chief", "dispatcher", JURISDICTION),
        "officer": person("wang", "officer", JURISDICTION),
        "second": person("zhao", "officer", JURISDICTION),
        "worker": person("grid", "grid_worker", JURISDICTION),
    }
    return people


def text_of(answer) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def test_a_clock_is_paused_and_resumed_with_a_reason_once_each(crew, browse, centre):
    centre.clock.set_utc(MONDAY)
    case = go(report(at_ms=MONDAY), crew, until="handling")
    clock = Clock.objects.get(case=case, kind="resolution")
    chief, address = browse(crew["dispatcher"]), f"/cases/{case.pk}/clocks/"
    pause, resume = f"{address}{clock.pk}/pause/", f"{address}{clock.pk}/resume/"
    refused = chief.post(pause, {"reason": " ", "pauses": "0"}, headers=HTMX)
    assert refused.status_code == 422
    assert "Say why" in text_of(refused)
    assert "<html" not in refused.content.decode(), "htmx gets the part alone"
    for _ in range(2):
        done = chief.post(pause, {"reason": "waits for <papers>", "pauses": "0"}, headers=HTMX)
        assert (done.status_code, "The clock stands still" in text_of(done)) == (200, True)
    assert "waits for &lt;papers&gt;" in done.content.decode()
    assert "Chief" in text_of(done)
    first = ClockPause.objects.get()
    other = chief.post(pause, {"reason": "another reason", "pauses": "0"}, headers=HTMX)
    assert (other.status_code, ClockPause.objects.count()) == (409, 1)
    centre.clock.advance(5 * MINUTE)
    for _ in range(2):
        assert chief.post(resume, {"pause": first.pk})["Location"] == address, "a plain form is sent on"
    assert chief.post(pause, {"reason": "waits for <papers>", "pauses": "0"}).status_code == 302
    clock.refresh_from_db()
    assert (clock.state, ClockPause.objects.count()) == ("running", 1), (
        "what was sent long ago pauses nothing"
    )
    assert browse(crew["officer"]).post(pause, {"reason": "x"}).status_code == 403
    page = browse(crew["officer"]).get(address)
    assert "Stood still" in text_of(page)
    assert "/pause/" not in page.content.decode()
    assert chief.post(f"/cases/{report(2).pk}/clocks/{clock.pk}/pause/", {"reason": "x"}).status_code == 404


def test_a_date_in_a_year_that_nobody_knows_is_called_provisional(crew, browse, centre):
    case = report(at_ms=MONDAY)
    case = go(case, crew, until="handling")
    Clock.objects.filter(case=case, kind="resolution").update(provisional=True)
    client = browse(crew["officer"])
    assert "Days off in" in text_of(client.get(f"/cases/{case.pk}/clocks/"))
    chinese = client.get(f"/cases/{case.pk}/clocks/", headers={"accept-language": "zh-CN"})
    assert "暂定" in chinese.content.decode()


def test_the_whistle_is_blown_and_answered_on_the_case_page(crew, browse):
    case = report()
    worker, chief = browse(crew["worker"]), browse(crew["dispatcher"])
    address = f"/cases/{case.pk}/whistle/"
    form = {
        "leader": crew["officer"].pk,
        "departments": "Water company\n\nWater company\n",
        "reason": "a main",
    }
    for changed in ({"leader": ""}, {"leading_department": "Fire"}, {"people": "0"}, {"reason": ""}):
        refused = worker.post(address, {**form, **changed}, headers=HTMX)
        assert refused.status_code == 422, changed
        assert "Water company" in refused.content.decode(), "what was typed is kept"
    for _ in range(2):
        assert worker.post(address, form).status_code == 302
    sounding = Whistle.objects.get()
    assert [party.name for party in sounding.parties.all()] == ["Wang", "Water company"]
    assert worker.post(address, {**form, "reason": "another"}).status_code == 409
    lead, water = sounding.parties.all()
    hear = "/whistles/%d/acknowledge/"
    shown = text_of(worker.get(f"/cases/{case.pk}/clocks/"))
    assert "2 have not answered" in shown
    own = browse(crew["officer"]).post(hear % lead.pk, {"from": "case"}, headers=HTMX)
    assert (own.status_code, "Wang has heard the call" in text_of(own)) == (200, True)
    assert chief.post(hear % water.pk, {"from": "case"}, headers=HTMX).status_code == 422
    assert chief.post(hear % water.pk, {"from": "case", "note": "by telephone"}).status_code == 302
    assert "Everybody has heard" in text_of(chief.get(f"/cases/{case.pk}/clocks/"))
    assert chief.post(f"/whistles/{lead.pk}/excuse/", {"reason": "no"}).status_code == 409
    for _ in range(2):
        assert chief.post(f"/whistles/{water.pk}/excuse/", {"reason": "it is gas"}).status_code == 302
    assert WhistleParty.objects.get(pk=water.pk).excused_at_ms is not None
    assert chief.post("/whistles/999/excuse/", {"reason": "x"}).status_code == 404
    closing = chief.post(f"/cases/{case.pk}/steps/refuse/", {"reason": "nothing there"}, headers=HTMX)
    assert closing.status_code == 409
    assert "Only Wang, who leads, closes this case" in text_of(closing)


def test_a_dispatcher_sees_who_was_asked_and_gives_the_task_away(crew, agent, browse):
    rosters.store(JURISDICTION, [rosters.Wanted("wang", NOON - MINUTE, NOON + 60 * MINUTE)])
    intake.take_all([(TOPICS.of("tasks"), task("c1").model_dump_json().encode())])
    order = WorkOrder.objects.get()
    lease.work()
    chief = browse(crew["dispatcher"])
    part, give = f"/cases/{order.case_id}/dispatch/", f"/dispatch/tasks/{order.pk}/give/"
    page = chief.get(part).content.decode()
    near, _, others = page.partition("Not on duty here")
    assert 'value="wang"' in near
    assert 'value="zhao"' in others
    assert "whereabouts not known" in near
    assert browse(crew["officer"]).post(give, {}).status_code == 403
    assert give not in browse(crew["officer"]).get(part).content.decode()
    assert chief.post(give, {"officer": "zhao", "reason": ""}, headers=HTMX).status_code == 422
    assert chief.post(give, {"officer": "chief", "reason": "x"}, headers=HTMX).status_code == 422
    for _ in range(2):
        assert chief.post(give, {"officer": "zhao", "reason": "wang is ill"})["Location"] == part
    assert list(Offer.rows.order_by("pk").values_list("officer__username", "state")) == [
        ("wang", "withdrawn"),
        ("zhao", "accepted"),
    ]
    shown = text_of(chief.get(part, headers=HTMX))
    assert shown.count("wang is ill") == 2
    assert "has it" in shown


def test_notes_and_photos_are_kept_once(crew, browse):
    case = report()
    wang = browse(crew["officer"])
    add = f"/cases/{case.pk}/notes/add/"
    assert wang.post(add, {"text": " "}, headers=HTMX).status_code == 422

    def sent(data: bytes = picture(), **changes):
        file = io.BytesIO(data)
        file.name = "spot.jpg"
        key = "6f1d7a52-4a53-4d0c-9a51-1f4d6a1f1f10"
        return wang.post(add, {"key": key, "text": "a heap of sand", "photo": file, **changes})

    for _ in range(2):
        assert sent().status_code == 302
    assert (case.notes.count(), case.attachments.count()) == (1, 1)
    assert sent(text="something else").status_code == 409
    bad = sent(b"no photo", text="kept <text>")
    assert bad.status_code == 422
    assert "kept &lt;text&gt;" in bad.content.decode()
    assert Note.objects.get().actor == "user:wang"
    auditor = browse(crew["second"])
    shown = auditor.get(f"/cases/{case.pk}/notes/")
    assert "a heap of sand" in text_of(shown)
    assert "/thumbnail.jpg" in shown.content.decode()


def test_steps_are_those_of_the_rules_and_one_click_is_one_step(crew, browse):
    case = report()
    chief, officer = browse(crew["dispatcher"]), browse(crew["officer"])
    part, steps = f"/cases/{case.pk}/notes/", f"/cases/{case.pk}/steps/"
    assert "Do not establish" in text_of(chief.get(part))
    assert "/steps/" not in officer.get(part).content.decode()
    assert officer.post(f"{steps}establish/", headers=HTMX).status_code == 403
    assert chief.post(f"{steps}nothing/", headers=HTMX).status_code == 404
    refused = chief.post(f"{steps}refuse/", {"reason": ""}, headers=HTMX)
    assert (refused.status_code, "This field is missing" in text_of(refused)) == (422, True)
    seen = re.search(r'name="seen" value="(\d+)"', chief.get(part).content.decode())[1]
    for _ in range(2):
        assert chief.post(f"{steps}establish/", {"seen": seen}).status_code == 302
    late = chief.post(f"{steps}refuse/", {"reason": "too late", "seen": seen}, headers=HTMX)
    assert (late.status_code, "Where this step begins" in text_of(late)) == (409, False)
    assert "not where this step begins" in text_of(late)
    assert [e.kind for e in case.history.all()].count("moved") == 1


def test_a_step_is_proven_by_a_new_photo(crew, browse):
    case = go(report(), crew, until="verifying")
    worker = browse(crew["worker"])
    address = f"/cases/{case.pk}/steps/pass/"
    assert worker.post(address, {}, headers=HTMX).status_code == 422
    file = io.BytesIO(picture())
    file.name = "after.jpg"
    assert worker.post(address, {"photo_file": file}, headers=HTMX).status_code == 200
    assert Case.objects.get(pk=case.pk).process_state == "fixed"
    assert case.attachments.count() == 1
