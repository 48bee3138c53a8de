"""What a driver says, and what follows: the camera looks, a person looks, and no clock moves."""

from __future__ import annotations

import pytest
from django.db import transaction

from central.cases import services as cases
from central.cases.history import Audit, verify
from central.cases.models import Case, WorkOrder
from central.cases.services import Finding
from central.cases.states import ObjectedError, Result, WorkKind
from central.driver import services
from central.driver.models import CaseLink, Objection, Recheck
from central.fleet.models import Letter
from central.fleet.services import take_due_letters
from protocol.messages import RecheckRequest
from tests.central.driver.street import Phone, answer, tell, token, warn
from tests.central.street import CAMERA, MINUTE, NOON, record, task


@pytest.fixture
def phone(centre, agent):
    warn(agent)
    made = Phone(f"/n/{token()}")
    made.look()
    return made


def kinds() -> list[str]:
    return list(Case.objects.get().history.values_list("kind", flat=True))


def test_i_have_left_asks_the_box_until_it_answers(phone, centre, agent):
    phone.press("left")
    request = Recheck.objects.get()
    (letter,) = take_due_letters()
    asked = RecheckRequest.model_validate_json(letter.payload)
    assert (asked.request_id, asked.camera_id, asked.case_id) == (request.request_id, CAMERA, "c1")
    centre.clock.advance(5_000)
    assert len(take_due_letters()) == 1, "again, until it is answered"
    tell(answer(request.request_id, "still_there"))
    centre.clock.advance(10 * MINUTE)
    assert take_due_letters() == []
    assert kinds()[-2:] == ["driver_left", "recheck_answered"]
    assert list(verify(Audit())) == []


def test_pressing_again_asks_nothing_new_while_the_camera_looks(phone, centre):
    for _ in range(4):
        phone.press("left")
    assert Recheck.objects.count() == Letter.objects.count() == 1
    tell(answer(Recheck.objects.get().request_id, "still_there"))
    phone.press("left")
    assert Recheck.objects.count() == 1, "not within half a minute of the answer"
    centre.clock.advance(services.RECHECK_GAP_MS)
    phone.press("left")
    assert Recheck.objects.count() == 2


def test_asking_has_an_end(phone, centre):
    for _ in range(services.RECHECKS + 3):
        centre.clock.advance(MINUTE)
        phone.press("left")
        waiting = Recheck.objects.filter(answered_at_ms__isnull=True).first()
        if waiting is not None:
            tell(answer(waiting.request_id, "still_there"))
    assert Recheck.objects.count() == services.RECHECKS


def test_the_clock_stands_where_it_stood(phone):
    before = Case.objects.get().stay.clock_ends_ms
    phone.press("left")
    tell(answer(Recheck.objects.get().request_id, "still_there"))
    phone.press("wrong")
    stay = Case.objects.get().stay
    assert (stay.clock_ends_ms, stay.agent_state) == (before, "notified")


def test_a_car_that_left_ends_the_case_and_the_page_thanks(phone):
    phone.press("left")
    tell(
        record("c1", "self_corrected", NOON + MINUTE),
        answer(Recheck.objects.get().request_id, "gone"),
    )
    phone.look()
    assert "Thank you. The sidewalk is clear." in phone.text


def test_an_answer_counts_once_and_only_from_its_own_box(phone, centre):
    from central.fleet.services import enrol

    phone.press("left")
    request_id = Recheck.objects.get().request_id
    stranger = enrol("box-2", "sanlihe")[0]
    with transaction.atomic():
        services.apply_answer(stranger, answer(request_id, "gone"))
    assert Recheck.objects.get().result == ""
    assert Letter.objects.get().confirmed_at_ms is None
    tell(answer(request_id, "still_there"))
    tell(answer(request_id, "still_there"))
    assert kinds().count("recheck_answered") == 1


def test_an_answer_to_nothing_is_accepted_and_forgotten(phone):
    tell(answer("r-unknown", "gone"))
    assert "recheck_answered" not in kinds()


# Wrong vehicle


def test_an_objection_is_made_once_and_seen_by_dispatchers(phone, person, browse):
    phone.press("wrong")
    phone.look()
    assert "Your objection is with a person" in phone.text
    assert "This is not my vehicle" not in phone.text
    services.object_to(Case.objects.get().pk)
    assert kinds().count("objection") == 1
    desk = browse(person("chen", "dispatcher"))
    page = desk.get(f"/cases/{Case.objects.get().pk}/").content.decode()
    assert "The driver says that it is another vehicle." in page
    assert "Save the review" in page
    officer = browse(person("wang", "officer"))
    assert "Save the review" not in officer.get(f"/cases/{Case.objects.get().pk}/").content.decode()


def give_task(person) -> tuple[WorkOrder, object]:
    tell(task("c1"))
    officer = person("wang", "officer")
    order = WorkOrder.objects.get()
    cases.accept(order.pk, officer)
    return order, officer


def test_nobody_is_fined_before_an_objection_is_reviewed(phone, person, browse):
    order, officer = give_task(person)
    phone.press("wrong")
    order.refresh_from_db()
    assert order.kind == WorkKind.MANUAL_CHECK
    for result in (Result.TICKETED, Result.TOWED):
        with pytest.raises(ObjectedError):
            cases.close(order.pk, officer, Finding(result))
    page = browse(officer)
    shown = page.post(f"/officer/{order.pk}/close/", {"result": "ticketed"}, follow=True).content.decode()
    assert "A dispatcher has to review it before anybody is fined" in shown
    order.refresh_from_db()
    assert order.state == "accepted"
    services.review(order.case_id, person("chen", "dispatcher"), upheld=False, note="plate compared")
    assert cases.close(order.pk, officer, Finding(Result.TICKETED)).state == "closed"


def test_an_open_page_of_the_officer_tells_of_the_objection_and_not_of_the_camera(phone, person, browse):
    order, officer = give_task(person)
    phone.press("wrong")
    living = browse(officer).get(f"/officer/{order.pk}/", headers={"hx-request": "true"}).content.decode()
    assert "The driver says that it is another vehicle." in living
    assert "could not tell" not in living
    case = browse(officer).get(f"/cases/{order.case_id}/").content.decode()
    assert "could not tell" not in case


def test_an_objection_that_was_right_is_never_fined(phone, person):
    order, officer = give_task(person)
    phone.press("wrong")
    services.review(order.case_id, person("chen", "dispatcher"), upheld=True, note="")
    with pytest.raises(ObjectedError) as caught:
        cases.close(order.pk, officer, Finding(Result.TICKETED))
    assert caught.value.reviewed
    assert cases.close(order.pk, officer, Finding(Result.WRONG_VEHICLE)).state == "closed"
    phone.look()
    assert "You are right" in phone.text


def test_without_an_objection_officers_close_as_ever(phone, person):
    order, officer = give_task(person)
    assert order.kind == WorkKind.ENFORCE
    assert cases.close(order.pk, officer, Finding(Result.TICKETED)).state == "closed"


def test_a_task_that_comes_after_the_objection_is_a_manual_check(phone):
    phone.press("wrong")
    tell(task("c1"))
    assert WorkOrder.objects.get().kind == WorkKind.MANUAL_CHECK


def test_a_review_is_done_by_a_dispatcher_of_the_place_once(phone, person, browse):
    phone.press("wrong")
    case_id = Case.objects.get().pk
    path = f"/cases/{case_id}/objection/"
    body = {"finding": "rejected", "note": "same plate in both pictures"}
    assert browse(person("wang", "officer")).post(path, body).status_code == 403
    assert browse(person("far", "dispatcher", scope="elsewhere")).post(path, body).status_code == 404
    assert browse().post(path, body).status_code == 302, "to the log-in"
    desk = browse(person("chen", "dispatcher"))
    assert desk.post(path, {"finding": "maybe"}, follow=True).status_code == 200
    assert Objection.objects.get().state == "open"
    page = desk.post(path, body, follow=True).content.decode()
    assert "same plate in both pictures" in page
    assert desk.post(path, {"finding": "upheld"}, follow=True).status_code == 200
    objection = Objection.objects.get()
    assert (objection.state, objection.reviewer.username) == ("rejected", "chen")
    assert kinds().count("objection_reviewed") == 1
    phone.look()
    assert "it is this vehicle" in phone.text
    assert "chen" not in phone.text.lower()
    assert "same plate" not in phone.text


def test_each_case_has_its_link_from_its_first_word(centre, agent):
    warn(agent, "c1")
    tell(task("c2"))
    assert CaseLink.objects.count() == 2
    for name in ("c1", "c2"):
        assert (
            services.open_link(token(name)).case.pk == CaseLink.objects.get(case__stay__agent_case_id=name).pk
        )
