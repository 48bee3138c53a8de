"""Whatever dies, whenever: nothing is lost, nothing happens twice, and a worker that comes after goes on."""

from __future__ import annotations

import queue
import subprocess
import sys

import paho.mqtt.client as mqtt
import pytest
from django.db import connection
from paho.mqtt.enums import CallbackAPIVersion

from central.cases.history import Audit, verify
from central.cases.models import Case, Evidence, HistoryEntry, WorkOrder
from central.dispatch import lease, rosters
from central.dispatch.models import Assignment, Offer, Push
from central.ingest import intake
from central.ingest.models import Receipt
from central.live.models import Change
from protocol.clock import SystemClock
from protocol.messages import OfficerTask
from tests.central.street import (
    JURISDICTION,
    MINUTE,
    NOON,
    TOPICS,
    picture,
    record,
    reference,
    retraction,
    task,
)
from tests.servers.mosquitto import Mosquitto

TABLES = (Case, WorkOrder, Evidence, HistoryEntry, Receipt, Assignment, Offer, Push, Change)


class Killed(BaseException):
    """As sudden as kill -9: no handler of ours catches it."""


def counts():
    return {model.__name__: model._base_manager.count() for model in TABLES}


def killed_at_every_statement(act):
    """Run `act`, dying before its first statement, its second, ... until one run ends; how many died."""
    deaths = 0
    while True:
        left = deaths

        def wrapper(execute, sql, params, many, context):
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1
            return execute(sql, params, many, context)

        before = counts()
        try:
            with connection.execute_wrapper(wrapper):
                act()
            return deaths
        except Killed:
            connection.close()
            deaths += 1
            yielded = counts()
            if yielded != before:
                # Only what a transaction finished may stay: then the act is simply begun again.
                assert yielded["WorkOrder"] in {before["WorkOrder"], 3}


def messages():
    shot = picture(1)
    return [
        (TOPICS.of("tasks"), task("c1", pictures=(reference(shot),)).model_dump_json().encode()),
        (TOPICS.of("tasks"), task("c2").model_dump_json().encode()),
        (TOPICS.of("tasks"), retraction("c2").model_dump_json().encode()),
        (TOPICS.of("tasks"), task("c3").model_dump_json().encode()),
        (TOPICS.of("cases"), record("c3", "tasked", NOON + 900).model_dump_json().encode()),
    ]


def test_a_batch_is_taken_whole_or_not_at_all(agent):
    answers = []
    deaths = killed_at_every_statement(lambda: answers.append(intake.take_all(messages())))
    assert deaths > 10
    assert len(answers) == 1
    assert len(answers[0]) == 5
    assert counts() | {"Change": 0} == {
        "Case": 3,
        "WorkOrder": 3,
        "Evidence": 1,
        "HistoryEntry": 16,  # each task starts two clocks, the retraction and the handling stop some
        "Receipt": 5,
        "Assignment": 3,
        "Offer": 0,
        "Push": 0,
        "Change": 0,
    }
    assert list(WorkOrder.objects.values_list("state", flat=True).order_by("case__source_key")) == [
        "new",
        "retracted",
        "new",
    ]
    assert not list(verify(Audit()))
    intake.take_all(messages())
    assert HistoryEntry.objects.count() == 16


def test_taken_together_or_one_by_one_the_result_is_the_same(agent, monkeypatch, caplog):
    caplog.set_level("INFO", "central.ingest")

    def told():
        return [
            (e.case.source_key, e.number, e.kind, e.at_ms, e.actor, e.body)
            for e in HistoryEntry.objects.select_related("case").order_by("case__source_key", "number")
        ]

    intake.take_all(messages())
    together = (
        told(),
        list(Case.objects.order_by("source_key").values_list("state", "place", "closed_at_ms")),
    )
    for message in messages():
        case = message[1].replace(b'"c1"', b'"d1"').replace(b'"c2"', b'"d2"').replace(b'"c3"', b'"d3"')
        case = case.replace(b"/c", b"/d")
        monkeypatch.setattr(
            intake.together, "take", lambda _: (_ for _ in ()).throw(ValueError("one by one"))
        )
        intake.take_all([(message[0], case)])
    apart = [row for row in told() if "/d" in row[0]]
    assert len(apart) == len(together[0])
    for one, other in zip(together[0], apart, strict=True):
        assert (one[0], one[1:5]) == (other[0].replace("/d", "/c"), other[1:5])
    states = Case.objects.filter(source_key__contains="/d").order_by("source_key")
    assert list(states.values_list("state", "place", "closed_at_ms")) == together[1]
    assert not list(verify(Audit()))


def test_an_offer_is_made_whole_or_not_at_all(agent, person, centre):
    person("wang", scope=JURISDICTION)
    rosters.store(JURISDICTION, [rosters.Wanted("wang", NOON - MINUTE, NOON + 60 * MINUTE)])
    intake.take_all([(TOPICS.of("tasks"), task(f"c{n}").model_dump_json().encode()) for n in range(3)])
    assert killed_at_every_statement(lease.work) > 10
    assert (Offer.rows.count(), Push.objects.count()) == (3, 3)
    centre.clock.advance(120_000)
    assert killed_at_every_statement(lease.work) > 10
    states = sorted(Offer.rows.values_list("state", flat=True))
    assert states == ["expired"] * 3 + ["offered"] * 3
    assert HistoryEntry.objects.filter(kind="offer_expired").count() == 3
    assert not list(verify(Audit()))


@pytest.mark.parametrize("centre", ["postgresql"], indirect=True)
def test_killing_dispatch_workers_loses_no_task_and_offers_none_twice(
    centre, agent, person, tmp_path, free_port, wait_until
):
    """Real workers on PostgreSQL with a real Mosquitto, killed while they work."""
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    now = SystemClock().utc_ms()
    officers = [person(f"officer{number}", scope=JURISDICTION) for number in range(4)]
    rosters.store(
        JURISDICTION,
        [rosters.Wanted(user.get_username(), now - MINUTE, now + 60 * MINUTE) for user in officers],
    )
    told: queue.Queue[mqtt.MQTTMessage] = queue.Queue()
    running: list[subprocess.Popen] = []
    with Mosquitto(folder, free_port()) as broker:
        ready = queue.Queue()
        device = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        device.on_message = lambda _c, _u, message: told.put(message)
        device.on_subscribe = lambda *_: ready.put(True)
        device.connect("127.0.0.1", broker.port)
        device.subscribe("patrol/v1/+/officers/+/tasks", qos=1)
        device.loop_start()
        assert ready.get(timeout=10)

        def start():
            running.append(
                subprocess.Popen(
                    [sys.executable, "-m", "patrol", "central", "dispatch", "work"],
                    env=centre.env(PATROL_CENTRAL_BROKER=broker.url, PATROL_CENTRAL_LEASE_SECONDS="3600"),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )

        try:
            start()
            start()
            for turn in range(3):
                intake.take_all(
                    [(TOPICS.of("tasks"), task(f"t{turn}-{n}").model_dump_json().encode()) for n in range(25)]
                )
                wait_until(lambda turn=turn: Offer.rows.count() > turn * 25, 60, "offers of this turn")
                victim = running.pop(0)
                victim.kill()
                victim.wait()
                start()
            wait_until(lambda: Offer.rows.count() >= 75, 60, "all offers")
            wait_until(lambda: not Push.objects.exists(), 60, "the broker to have all")
        finally:
            for process in running:
                process.kill()
                process.wait()
            device.disconnect()
            device.loop_stop()
    assert Offer.rows.count() == 75
    assert set(Offer.rows.values_list("order_id", flat=True)) == set(
        WorkOrder.objects.values_list("pk", flat=True)
    )
    assert HistoryEntry.objects.filter(kind="offered").count() == 75
    assert not list(verify(Audit()))
    heard: dict[str, set[str]] = {}
    while not told.empty():
        message = told.get()
        assert 3500 < message.properties.MessageExpiryInterval <= 3600
        assert not message.retain
        said = OfficerTask.model_validate_json(message.payload)
        heard.setdefault(said.offer_id, set()).add(message.topic)
    names = {
        str(offer.pk): {f"patrol/v1/{JURISDICTION}/officers/officer-{offer.officer_id}/tasks"}
        for offer in Offer.rows.all()
    }
    assert heard == names, "each offer was told, to its officer alone; again is allowed"
