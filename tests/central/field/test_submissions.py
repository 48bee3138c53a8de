"""One key, one effect: what a phone sends arrives once, whatever the network, the process or a second officer does."""

from __future__ import annotations

import threading
import uuid

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from central.cases import history
from central.cases.models import Attachment, HistoryEntry, WorkOrder
from central.cases.states import WorkState
from central.driver.services import object_to
from central.field import services
from central.field.models import Kind, Submission, Verdict
from central.field.services import Action, UsedKeyError, submit
from central.field.tapping import LONGEST_WAIT_MS, SLACK_MS, tap
from central.fleet.models import Letter
from central.ingest import intake
from central.people.models import Role
from tests.central.street import MINUTE, NOON, TOPICS, picture, retraction, task

ADDRESS = "/field/submissions"


@pytest.fixture
def order(agent):
    intake.take_all([(TOPICS.of("tasks"), task().model_dump_json().encode())])
    return WorkOrder.objects.get()


def send(client, user, order, kind, key=None, **fields):
    photo = fields.pop("photo", None)
    data = {"user": user.pk, "key": key or str(uuid.uuid4()), "order": order.pk, "kind": kind, **fields}
    if photo is not None:
        data["photo"] = SimpleUploadedFile("IMG_1.jpg", photo, "image/jpeg")
    return client.post(ADDRESS, data)


def act(order, kind, **more):
    return Action(uuid.uuid4(), order.pk, kind, **more)


def kinds(order):
    """What officers did, as the history tells it."""
    entries = HistoryEntry.objects.filter(case=order.case, actor__startswith="user:").order_by("number")
    return list(entries.values_list("kind", flat=True))


def test_a_whole_visit_each_part_sent_three_times(order, browse, person):
    wang = person("wang")
    client = browse(wang)
    keys = [str(uuid.uuid4()) for _ in range(5)]
    for _ in range(3):
        assert send(client, wang, order, "accept", keys[0]).json()["message"] == "The task is yours."
        for number in (1, 2, 3):
            assert send(client, wang, order, "photo", keys[number], photo=picture(number)).status_code == 200
        done = send(client, wang, order, "outcome", keys[4], result="moved_on", note="talked")
        assert (done.status_code, done.json()["message"]) == (200, "Closed: Moved on after talking")
        assert done.json()["key"] == keys[4]
    assert Attachment.objects.count() == 3
    assert Letter.objects.count() == 1
    assert kinds(order) == ["accepted", "attachment", "attachment", "attachment", "outcome"]
    assert Submission.objects.count() == 5
    assert list(history.verify(history.Audit())) == []


def test_two_that_race_with_one_key_have_one_effect_and_one_answer(order, person):
    wang = person("wang")
    submit(wang, act(order, Kind.ACCEPT))
    outcome = act(order, Kind.OUTCOME, result="towed", note="by truck")
    photo = act(order, Kind.PHOTO, photo=picture(1), photo_name="a.jpg")
    for action in (photo, outcome):
        start = threading.Barrier(4)
        answers = []

        def run(action=action, start=start, answers=answers):
            try:
                start.wait(10)
                answers.append(submit(wang, action).pk)
            finally:
                connection.close()

        threads = [threading.Thread(target=run) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(answers) == 4
        assert len(set(answers)) == 1
    assert Attachment.objects.count() == 1
    assert kinds(order).count("outcome") == 1
    assert Letter.objects.count() == 1


def test_two_officers_who_race_for_a_task_both_get_an_answer(order, person):
    people = [person("wang"), person("li")]
    start = threading.Barrier(2)
    answers = {}

    def run(user):
        try:
            start.wait(10)
            answers[user.pk] = submit(user, act(order, Kind.ACCEPT)).verdict
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(user,)) for user in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(answers.values()) == [Verdict.DONE, Verdict.REFUSED]
    winner = next(pk for pk, verdict in answers.items() if verdict == Verdict.DONE)
    assert WorkOrder.objects.get().assignee_id == winner


def test_a_process_that_dies_before_the_commit_has_done_nothing(order, person, monkeypatch):
    wang = person("wang")
    accept = act(order, Kind.ACCEPT)
    monkeypatch.setattr(Submission, "save", lambda self, **given: 1 / 0 if "update_fields" in given else None)
    with pytest.raises(ZeroDivisionError):
        submit(wang, accept)
    assert WorkOrder.objects.get().state == WorkState.NEW
    assert Submission.objects.count() == 0
    monkeypatch.undo()
    assert submit(wang, accept).verdict == Verdict.DONE


def test_what_was_found_after_a_retraction_is_told_and_kept(order, browse, person):
    wang = person("wang")
    client = browse(wang)
    send(client, wang, order, "accept")
    intake.take_all([(TOPICS.of("tasks"), retraction().model_dump_json().encode())])
    assert send(client, wang, order, "photo", photo=picture(4)).status_code == 200
    key = str(uuid.uuid4())
    for _ in range(2):
        refused = send(client, wang, order, "outcome", key, result="ticketed", note="stood at the gate")
        assert refused.status_code == 409
        assert "nobody needs to go" in refused.json()["message"]
        assert refused.json()["state"] == "retracted"
    assert WorkOrder.objects.get().state == WorkState.RETRACTED
    assert Attachment.objects.count() == 1
    assert kinds(order).count("finding_refused") == 1
    page = client.get(f"/cases/{order.case_id}/").content.decode()
    assert "stood at the gate" in page
    assert Letter.objects.count() == 0, "nobody is fined"


def test_refusals_say_why(order, browse, person):
    wang, li = person("wang"), person("li")
    first, second = browse(wang), browse(li)
    early = send(second, li, order, "outcome", result="towed")
    assert (early.status_code, early.json()["code"]) == (409, "accept_first")
    send(first, wang, order, "accept")
    late = send(second, li, order, "accept")
    assert (late.status_code, late.json()["message"]) == (409, "Wang has already accepted this task.")
    object_to(order.case_id)
    objected = send(first, wang, order, "outcome", result="ticketed")
    assert (objected.status_code, objected.json()["code"]) == (409, "objected")
    assert send(first, wang, order, "outcome", result="wrong_vehicle").status_code == 200
    assert send(second, li, order, "outcome", result="towed").json()["code"] == "closed_by"


def test_bad_input_changes_nothing(order, browse, person):
    wang = person("wang")
    client = browse(wang)
    for fields, status in (
        ({"kind": "explode"}, 422),  # no such action
        ({"kind": "outcome"}, 422),  # nothing found
        ({"kind": "outcome", "result": "burnt"}, 422),
        ({"kind": "photo"}, 422),  # no photo
        ({"kind": "note", "note": "  "}, 422),
        ({"kind": "note", "note": "x" * 2001}, 422),
        ({"kind": "accept", "key": "1"}, 422),
        ({"kind": "accept", "order": "-1"}, 422),
        ({"kind": "accept", "order": str(2**80)}, 422),
        ({"kind": "accept", "order": "999"}, 404),
        ({"kind": "accept", "tapped_ms": "1e9"}, 422),
        ({"kind": "accept", "user": "999"}, 403),
    ):
        data = {"user": wang.pk, "key": str(uuid.uuid4()), "order": order.pk, **fields}
        answer = client.post(ADDRESS, data)
        assert answer.status_code == status, fields
        assert answer.json()["message"], fields
        assert Submission.objects.count() == 0, fields
        assert WorkOrder.objects.get().state == WorkState.NEW, fields


def test_files_that_are_no_photos_are_refused(order, browse, person, settings_with):
    wang = person("wang")
    client = browse(wang)
    for data in (b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\xff\xd8\xff\xe0 cut", b"GIF89a"):
        answer = send(client, wang, order, "photo", photo=data)
        assert (answer.status_code, answer.json()["code"]) == (409, "bad_photo")
    assert Attachment.objects.count() == 0
    with settings_with(picture_bytes=1000):
        assert send(client, wang, order, "photo", photo=picture(1)).status_code == 413


def test_a_stuck_button_stops_at_the_limit(order, person, monkeypatch):
    monkeypatch.setattr(services, "PHOTOS_MAX", 2)
    wang = person("wang")
    done = [submit(wang, act(order, Kind.PHOTO, photo=picture(number))).code for number in range(3)]
    assert done == ["photo", "photo", "too_many_photos"]


def test_a_key_belongs_to_one_officer_and_one_action(order, person):
    wang, li = person("wang"), person("li")
    note = act(order, Kind.NOTE, note="barrier is broken")
    assert submit(wang, note).code == "note"
    with pytest.raises(UsedKeyError):
        submit(li, note)
    with pytest.raises(UsedKeyError):
        submit(wang, Action(note.key, order.pk, Kind.NOTE, note="another"))
    assert kinds(order).count("field_note") == 1


def test_another_districts_officer_finds_no_task(order, browse, person):
    zhao = person("zhao", scope="elsewhere")
    for kind in ("accept", "photo", "note"):
        fields = {"photo": picture(1)} if kind == "photo" else {"note": "x"}
        assert send(browse(zhao), zhao, order, kind, **fields).status_code == 404
    assert Attachment.objects.count() == 0


def test_only_officers_with_a_token_of_their_own_session_send(order, browse, person):
    wang, chen = person("wang"), person("chen", Role.DISPATCHER)
    assert send(browse(chen), chen, order, "accept").status_code == 403
    assert browse().post(ADDRESS, {}).status_code == 302
    assert browse().get("/field/session").status_code == 302
    client = browse(wang, csrf=True)
    assert send(client, wang, order, "accept").status_code == 403
    token = client.get("/field/session").json()
    assert token["user"] == wang.pk
    data = {"user": wang.pk, "key": str(uuid.uuid4()), "order": order.pk, "kind": "accept"}
    assert client.post(ADDRESS, data, headers={"X-CSRFToken": token["csrf"]}).status_code == 200


def test_a_flood_is_asked_to_wait(order, browse, person):
    wang = person("wang")
    client = browse(wang)
    answers = [client.post(ADDRESS, {"user": wang.pk}) for _ in range(121)]
    assert answers[119].status_code == 422
    assert answers[120].status_code == 429
    assert int(answers[120]["Retry-After"]) >= 1


def test_the_tap_is_told_beside_the_arrival(order, browse, person, centre):
    wang = person("wang")
    client = browse(wang)
    centre.clock.advance(20 * MINUTE)
    phone = NOON - 3 * 3_600_000  # its clock is hours off, and that does not matter
    answer = send(client, wang, order, "accept", tapped_ms=phone, ahead_ms=phone - (NOON + 8 * MINUTE))
    arrived = NOON + 20 * MINUTE
    assert answer.json()["tapped_at_ms"] == arrived - 12 * MINUTE
    entry = HistoryEntry.objects.get(kind="sent_late")
    assert entry.at_ms == arrived - 12 * MINUTE
    page = client.get(f"/officer/{order.pk}/").content.decode()
    assert "received 12 min later" in page
    assert "Done without a network" in client.get(f"/cases/{order.case_id}/").content.decode()


@given(
    received=st.integers(2 * 10**12, 3 * 10**12),
    tapped=st.integers(0, 2**52),
    ahead=st.integers(-(2**52), 2**52),
    begun=st.integers(0, 10**12),
)
def test_a_tap_lies_between_the_task_and_its_arrival_whatever_a_phone_says(received, tapped, ahead, begun):
    not_before = received - begun
    moment = tap(received, tapped, ahead, not_before)
    assert max(not_before, received - LONGEST_WAIT_MS) <= moment.at_ms <= received
    assert moment.known == (abs(moment.at_ms - (tapped - ahead)) <= SLACK_MS)


@pytest.mark.parametrize(
    ("tapped", "ahead", "expected"),
    [
        (None, None, (10_000, True)),  # a plain form
        (7_000, 0, (7_000, True)),
        (7_000, -1_500, (8_500, True)),  # the phone is behind
        (999_000, 990_000, (9_000, True)),  # and far ahead
        (11_000, 0, (10_000, True)),  # after its arrival, by what measuring may err
        (60_000, 0, (10_000, False)),  # after its arrival: the clock was set back meanwhile
        (0, 0, (6_000, False)),  # before the task was there
    ],
)
def test_taps_at_the_edges(tapped, ahead, expected):
    moment = tap(10_000, tapped, ahead, 6_000)
    assert (moment.at_ms, moment.known) == expected
