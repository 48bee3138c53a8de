"""What an agent sends is taken once, in any order, and what cannot be taken never stops the rest."""

from __future__ import annotations

import io
import itertools
import json

import pytest
from PIL import Image

from central.cases.models import Case, Evidence, Picture, WorkOrder
from central.cases.pictures import path_of
from central.cases.states import CaseState, WorkKind, WorkState
from central.fleet.models import Agent, Stranger
from central.ingest import intake
from central.ingest.models import Quarantined, Receipt
from protocol.topics import AgentTopics
from tests.central.street import (
    AGENT,
    JURISDICTION,
    MINUTE,
    NOON,
    TOPICS,
    health,
    key,
    picture,
    record,
    reference,
    retraction,
    sha256,
    task,
)

pytestmark = pytest.mark.usefixtures("agent")


def take(topic: str, payload: bytes | str) -> intake.Answer | None:
    answers = intake.take_all([(topic, payload.encode() if isinstance(payload, str) else payload)])
    return answers[0] if answers else None


def send(message: object) -> intake.Answer | None:
    channel = "cases" if message.kind == "case_record" else "tasks"
    return take(TOPICS.of(channel), message.model_dump_json())


def test_a_task_becomes_one_work_order_however_often_it_comes():
    for _ in range(3):
        assert send(task()).accepted == key("c1", "task")
    order = WorkOrder.objects.select_related("case__stay").get()
    assert (order.state, order.kind) == (WorkState.NEW, WorkKind.ENFORCE)
    assert order.case.stay.plate == "京A12345"
    assert order.case.place == "三里河路12号北门人行道"
    assert order.due_at_ms == NOON + 30 * MINUTE
    assert order.case.history.exclude(kind__startswith="clock_").count() == 2


def test_every_order_of_arrival_ends_in_the_same_place():
    data = picture(1)
    messages = [
        lambda case: send(task(case, pictures=(reference(data, "confirm"), reference(data, "recheck")))),
        lambda case: send(retraction(case)),
        lambda case: send(record(case, "tasked", NOON + 1000)),
        lambda case: take(TOPICS.evidence(sha256(data)), data),
    ]
    for number, order in enumerate(itertools.permutations(range(len(messages)))):
        case = f"c{number}"
        for index in order:
            assert messages[index](case).accepted
        work = WorkOrder.objects.get(case__source_key__endswith=f"/{case}")
        assert work.state == WorkState.RETRACTED, order
        assert work.case.state == CaseState.CLOSED
        assert work.case.stay.agent_state == "tasked"
        assert work.case.evidence.filter(picture__isnull=False).count() == 2
        Evidence.objects.update(picture=None)
        Picture.objects.all().delete()
        Receipt.objects.filter(kind="evidence").delete()


def test_a_retraction_older_than_the_task_does_not_take_it_back():
    send(retraction(at_ms=NOON - MINUTE))
    send(task())
    assert WorkOrder.objects.get().state == WorkState.NEW


def test_a_second_task_for_a_case_that_is_open_makes_no_second_work_order():
    send(task())
    assert send(task(idempotency_key=key("c1", "task-again"))).accepted
    assert WorkOrder.objects.count() == 1


def test_a_manual_check_is_told_apart():
    send(task(manual_check=True, rechecked_at_ms=None))
    assert WorkOrder.objects.get().kind == WorkKind.MANUAL_CHECK


def test_records_alone_show_a_watched_case_and_close_it_when_the_vehicle_leaves():
    send(record("c1", "observing", NOON))
    send(record("c1", "notified", NOON + MINUTE, clock_ends_ms=NOON + 11 * MINUTE))
    case = Case.objects.get()
    assert (case.state, case.stay.agent_state) == (CaseState.WATCHED, "notified")
    send(record("c1", "self_corrected", NOON + 3 * MINUTE))
    case.refresh_from_db()
    assert case.state == CaseState.CLOSED
    send(record("c1", "confirmed", NOON + 30_000))
    case.stay.refresh_from_db()
    assert case.stay.agent_state == "self_corrected", "a late, older step must not bring it back"


def test_a_message_that_makes_no_sense_is_refused_and_kept_for_a_person():
    for channel, payload, reason in (
        ("tasks", b"", "message"),  # nothing at all
        ("tasks", b"\xff\xfe\x00", "JSON"),  # not UTF-8
        ("tasks", b"{", "JSON"),  # cut short
        ("tasks", b"[" * 5000, "JSON"),  # deeper than any parser likes
        ("tasks", b"[]", "message"),  # not an object
        ("tasks", b'{"kind":"enforcement_task"}', "idempotency_key"),  # fields missing
        ("tasks", b'{"kind":"surprise"}', "message"),  # a kind from nowhere
        ("cases", task().model_dump_json().encode(), "does not belong"),  # a task through the cases' channel
        ("tasks", record("c1", "observing", NOON).model_dump_json().encode(), "does not belong"),
        ("tasks", task(place="a\x00b").model_dump_json().encode(), "NUL"),  # PostgreSQL stores no NUL
        ("tasks", task(issued_at_ms=2**63).model_dump_json().encode(), "too large"),  # no database holds it
        ("tasks", task(place="x" * 300_000).model_dump_json().encode(), "at most"),  # larger than any task
        ("health", b'{"kind":"agent_health"}', "jurisdiction_id"),
        ("elsewhere", b"{}", "nothing is expected"),
    ):
        answer = take(f"patrol/v1/{JURISDICTION}/agents/{AGENT}/{channel}", payload)
        assert answer.accepted is None, (channel, reason)
        assert answer.refused is not None, (channel, reason)
        assert reason in answer.reason
        kept = Quarantined.objects.get()
        assert kept.size == len(payload), (channel, reason)
        kept.delete()
        assert not Case.objects.exists(), (channel, reason)
    assert send(task()).accepted, "the next one is taken"


def test_numbers_that_are_not_finite_are_refused():
    text = task().model_dump_json().replace("120.0", "NaN")
    assert "finite" in take(TOPICS.of("tasks"), text).reason
    assert not WorkOrder.objects.exists()


@pytest.mark.parametrize("change", [{"agent_id": "box-2"}, {"jurisdiction_id": "elsewhere"}])
def test_an_agent_cannot_speak_for_another(change):
    answer = send(task(**change))
    assert answer.refused == key("c1", "task")
    assert (answer.jurisdiction_id, answer.agent_id) == (JURISDICTION, AGENT), "told to the one who sent it"
    assert not Case.objects.exists()
    assert not Receipt.objects.exists()


def test_a_stranger_is_not_answered_so_that_it_keeps_what_it_has():
    stranger = AgentTopics(JURISDICTION, "box-9")
    message = task(agent_id="box-9")
    for _ in range(3):
        assert take(stranger.of("tasks"), message.model_dump_json()) is None
    assert Stranger.objects.get().messages == 3
    assert not Case.objects.exists()
    from central.fleet.services import enrol

    enrol("box-9", JURISDICTION)
    assert take(stranger.of("tasks"), message.model_dump_json()).accepted
    assert not Stranger.objects.exists()


def test_a_disabled_agent_is_a_stranger():
    Agent.objects.update(enabled=False)
    assert send(task()) is None
    assert not Case.objects.exists()


def test_a_picture_is_stored_once_under_its_hash_with_a_thumbnail_without_metadata():
    data = picture(3)
    for _ in range(2):
        assert take(TOPICS.evidence(sha256(data)), data).accepted == TOPICS.evidence_key(sha256(data))
    assert Picture.objects.count() == 1
    assert path_of(sha256(data)).read_bytes() == data
    with Image.open(path_of(sha256(data), thumbnail=True)) as small:
        assert small.format == "JPEG"
        assert max(small.size) <= 640
        assert not small.getexif()
    assert (path_of(sha256(data)).stat().st_mode & 0o077) == 0


def _png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 64)).save(out, "PNG")
    return out.getvalue()


def _enormous() -> bytes:
    out = io.BytesIO()
    Image.new("L", (9000, 9000)).save(out, "JPEG", quality=1)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "name", "reason"),
    [
        (picture(1), "0" * 64, "hash"),  # another picture under this name
        (picture(1), "../../etc/passwd", "SHA-256"),  # a name that would leave the folder
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", None, "JPEG"),
        (b"<html><script>alert(1)</script></html>", None, "JPEG"),
        (_png(), None, "JPEG"),  # a picture, but not of the kind that was agreed
        (picture(1)[:2000], None, "decoded"),  # cut short
        (_enormous(), None, "pixels"),  # a small file that unfolds to 81 megapixels
        (picture(1) + b"\0" * (8 * 2**20), None, "at most"),  # larger than allowed
        (b"", None, "JPEG"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_the_named_jpeg_is_refused_and_nothing_is_written(data, name, reason, centre):
    answer = take(f"{TOPICS.of('evidence')}/{name or sha256(data)}", data)
    if answer is None:  # more levels than any topic of ours
        assert Quarantined.objects.exists()
    else:
        # Bytes with another hash say nothing of the picture that was named: that one is not refused with them.
        assert answer.refused == ("" if reason == "hash" else TOPICS.evidence_key(sha256(data)))
        assert reason in answer.reason
    assert not Picture.objects.exists()
    assert not list(centre.data.glob("evidence/**/*.jpg"))


def test_a_picture_proves_only_its_own_agents_cases():
    from central.fleet.services import enrol

    enrol("box-2", JURISDICTION)
    data = picture(4)
    send(task(pictures=(reference(data),)))
    other = AgentTopics(JURISDICTION, "box-2")
    assert take(other.evidence(sha256(data)), data).accepted
    assert Evidence.objects.get().picture is None
    assert take(TOPICS.evidence(sha256(data)), data).accepted
    assert Evidence.objects.get().picture is not None


def test_health_replaces_what_was_known_and_an_older_word_is_not_believed():
    take(TOPICS.of("health"), health(NOON, "live").model_dump_json())
    take(TOPICS.of("health"), health(NOON - MINUTE, "stalled").model_dump_json())
    camera = Agent.objects.get().cameras.get()
    assert (camera.state, camera.frame_at_ms) == ("live", NOON - 800)
    take(TOPICS.of("health"), health(NOON + MINUTE, cameras=()).model_dump_json())
    assert not Agent.objects.get().cameras.exists()


def test_a_failure_of_ours_is_neither_accepted_nor_refused(monkeypatch):
    from central.parking import services

    def fail(*_: object) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(services, "apply_task", fail)
    assert send(task()) is None
    assert not Receipt.objects.exists(), "or the repetition would be taken for a duplicate"
    monkeypatch.undo()
    assert send(task()).accepted


def test_the_reason_of_a_refusal_repeats_nothing_that_was_sent():
    body = json.loads(task().model_dump_json())
    body["vehicle"]["plate"] = "京A12345" * 5
    answer = take(TOPICS.of("tasks"), json.dumps(body))
    assert "京A" not in answer.reason
    assert "vehicle.plate" in answer.reason
