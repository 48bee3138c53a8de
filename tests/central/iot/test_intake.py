"""Batches of real messages on both databases: states, points, alarms, cases."""

from __future__ import annotations

import json
import threading
from xml.etree import ElementTree

import pytest
from django.db import IntegrityError, connection, transaction

from central.cases.models import Case, WorkOrder
from central.ingest.worker import Slot
from central.iot import alarms, cap, engine, follow, intake, registry, types, views
from central.iot.decode import Incoming
from central.iot.models import Alarm, DeadLetter, Device, DeviceState, Letter, Point, Unreadable
from central.iot.packing import unpack
from central.iot.worker import DeviceWorker
from central.project.broker import read_broker
from protocol.errors import PatrolError
from protocol.topics import DeviceTopics
from tests.central.engines import ON_SQLITE
from tests.central.street import JURISDICTION, Sender
from tests.commands import call
from tests.servers.mosquitto import Mosquitto

MINUTE = 60_000


@pytest.fixture
def detector(centre) -> Device:
    return registry.add(
        JURISDICTION, registry.Wanted("smoke-1", "smoke", "3 号楼 2 单元", "三里河路 3 号", 116.33, 39.91)
    )


def say(centre, name="smoke-1", ago_ms=0, again=False, **content) -> Incoming:
    now = centre.clock.utc_ms()
    body = json.dumps({"ts": now - ago_ms, **content}).encode()
    return Incoming(JURISDICTION, name, body, now, again)


def test_smoke_opens_one_urgent_case_with_a_task_and_its_end_is_told(centre, detector):
    taken = intake.take(
        [say(centre, smoke=30, battery=90), say(centre, smoke=40), say(centre, "nobody", smoke=1)]
    )
    assert (taken.accepted, taken.letters) == (2, 1)
    assert {place: error.code for place, error in taken.refused.items()} == {2: "unknown_device"}
    alarm = Alarm.objects.get()
    assert (alarm.kind, alarm.severity, alarm.times) == ("smoke", "critical", 1)
    assert follow.carry() == 1
    assert follow.carry() == 0
    case = Case.objects.get()
    assert (case.service_code, case.priority, case.source) == ("iot_alarm", 1, "device")
    assert (case.process_state, WorkOrder.objects.get().kind) == ("dispatched", "handle")
    centre.clock.advance(MINUTE)
    intake.take([say(centre, smoke=1)])
    centre.clock.advance(2 * MINUTE)
    intake.take([say(centre, smoke=1)])
    alarm.refresh_from_db()
    assert (alarm.cleared_why, alarm.case_id) == ("well", case.pk)
    assert follow.carry() == 1
    assert case.history.filter(kind="alarm_cleared").count() == 1
    # The next one joins the case that is still open.
    centre.clock.advance(MINUTE)
    intake.take([say(centre, smoke=30)])
    follow.carry()
    assert [each.case_id for each in Alarm.objects.order_by("pk")] == [case.pk, case.pk]
    assert Case.objects.count() == 1
    assert not Letter.objects.exists()


def test_a_batch_in_disorder_keeps_its_points_and_repetitions_change_nothing(centre, detector):
    early, late = say(centre, ago_ms=40_000, smoke=3), say(centre, ago_ms=10_000, smoke=1)
    assert intake.take([late, early, late]).accepted == 3
    state, bucket = unpack(*DeviceState.objects.values_list("body", "heard_at_ms").get())
    assert (state.taken, state.values["smoke"]) == (2, 1)
    assert bucket.fields["smoke"] == [1, 3, 4, 2]
    before = DeviceState.objects.values().get()
    assert intake.take([say(centre, ago_ms=10_000, smoke=1)]).accepted == 1
    assert DeviceState.objects.values().get() == before
    for _ in range(100):  # more than a day of quarters: the ring does not grow
        centre.clock.advance(15 * MINUTE)
        intake.take([say(centre, smoke=2)])
    assert Point.objects.count() == 96


def test_a_silent_device_is_missed_and_its_state_is_put_on_lazily(centre, detector):
    intake.take([say(centre, smoke=1)])
    due = DeviceState.objects.get().due_at_ms
    centre.clock.advance(MINUTE)
    intake.take([say(centre, smoke=1)])
    assert DeviceState.objects.get().due_at_ms == due, "an index is not written for each message"
    centre.clock.advance(due - centre.clock.utc_ms())
    assert intake.tick() == (1, 0)
    assert not Alarm.objects.exists(), "it was heard a minute later"
    centre.clock.advance(MINUTE)
    intake.tick()
    assert Alarm.objects.get().kind == "silent"
    assert DeviceState.objects.get().silent
    centre.clock.advance(MINUTE)
    intake.take([say(centre, smoke=1)])
    assert Alarm.objects.get().cleared_why == "heard"
    assert intake.tick() == (0, 0)


def test_the_database_lets_one_alarm_of_a_kind_last(centre, detector):
    of = alarms.Of(detector.pk, JURISDICTION, None, "smoke")
    effect = engine.Raise("smoke", "critical", 1000, 1000)
    assert [alarms.write([(of, effect)]) for _ in range(2)] == [1, 0]
    row = {name: value for name, value in Alarm.objects.values().get().items() if name != "id"}
    with pytest.raises(IntegrityError), transaction.atomic():
        Alarm.objects.create(**row)
    assert Letter.objects.count() == 1


@ON_SQLITE
def test_what_may_not_be_sent_is_counted_and_not_kept(centre, detector):
    registry.add(JURISDICTION, registry.Wanted("cam-1", "fall_camera"))
    bad = [
        say(centre, smoke=1, face_template="AAAA"),
        say(centre, smoke=1, data={"x": "/9j/4AAQSkZJRg"}),
        say(centre, smoke=1, more=[0.1] * 128),
        say(centre, smoke=1, text="x" * 400),
        say(centre, "cam-1", event="fall", plate="京A12345"),
        Incoming(JURISDICTION, "smoke-1", b'{"smoke": NaN}', 0),
        Incoming(JURISDICTION, "smoke-1", b'{"ts": 1, "humidity": 3}', 0),
    ]
    codes = [error.code for _, error in sorted(intake.take(bad).refused.items())]
    assert codes == [*["biometric_or_picture"] * 4, "unknown_key", "not_json", "nothing_measured"]
    kept = " ".join(str(row) for row in Unreadable.objects.values())
    assert "AAAA" not in kept
    assert "京A12345" not in kept
    assert Unreadable.objects.get(code="biometric_or_picture").times == 4


@ON_SQLITE
def test_what_the_database_refuses_holds_up_nothing_else_and_can_be_tried_again(
    centre, detector, browse, person
):
    names = ["smoke-1", "smoke-2", "smoke-3", "smoke-4"]
    numbers = {"smoke-1": detector.pk} | {
        name: registry.add(JURISDICTION, registry.Wanted(name, "smoke")).pk for name in names[1:]
    }
    refuse = "CREATE TRIGGER {0} BEFORE {1} WHEN {2} BEGIN SELECT RAISE(ABORT, '{0} says no'); END"
    with connection.cursor() as cursor:
        state = f"NEW.device_id = {numbers['smoke-2']}"
        cursor.execute(refuse.format("bad_state", "UPDATE ON iot_devicestate", state))
        cursor.execute(refuse.format("bad_case", "INSERT ON cases_case", "NEW.place LIKE '%smoke-3%'"))
    taken = intake.take([say(centre, name, smoke=30) for name in names])
    assert (taken.accepted, [error.code for error in taken.refused.values()]) == (3, ["failed"])
    assert list(taken.refused) == [1]
    for _ in range(follow.TRIES):
        follow.carry()
        centre.clock.advance(MINUTE)
    assert set(Case.objects.values_list("place", flat=True)) == {"三里河路 3 号", "smoke-4"}
    assert not Letter.objects.exists()
    # Its alarm ends while the case has yet to hear that it began.
    intake.take([say(centre, "smoke-3", smoke=1)])
    centre.clock.advance(2 * MINUTE)
    intake.take([say(centre, "smoke-3", smoke=1)])
    follow.carry()
    # A device that cannot be written is not looked at for ever; the others are missed.
    centre.clock.advance(14 * 60 * MINUTE)
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER bad_state")
        cursor.execute(
            refuse.format("stuck", "UPDATE ON iot_devicestate", "NEW.device_id = " + str(detector.pk))
        )
    assert intake.tick()[0] == 2
    assert intake.tick()[0] == 0
    assert set(Alarm.objects.filter(kind="silent").values_list("device__name", flat=True)) == {
        "smoke-3",
        "smoke-4",
    }
    rows = json.loads(call("central", "iot", "dead", "--json").stdout)
    assert [(row["device"], row["what"], row["tries"]) for row in rows] == [
        ("smoke-2", "message", 1),
        ("smoke-3", "raised", follow.TRIES),
        ("smoke-1", "silence", 1),
    ]
    assert all("says no" in row["reason"] for row in rows)
    client = browse(person("zhou", "dispatcher", JURISDICTION))
    assert "bad_case says no" in client.get("/iot/").content.decode()
    client.post(f"/iot/dead/{rows[1]['id']}/", {"do": "again"})
    assert DeadLetter.objects.get(what="raised").tries == follow.TRIES + 1, "the case is still refused"
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER bad_case")
        cursor.execute("DROP TRIGGER stuck")
    assert json.loads(call("central", "iot", "dead", "--all-again", "--json").stdout) == []
    assert Alarm.objects.filter(device=numbers["smoke-2"], kind="smoke").count() == 1
    told = Case.objects.get(place="smoke-3").history
    assert told.filter(kind="alarm_cleared").count() == 1
    assert browse(person("far", "dispatcher", "elsewhere")).post("/iot/dead/1/").status_code == 404


def test_a_key_opens_the_https_way_for_its_device_alone(centre, detector, browse):
    secret = registry.new_key(detector)
    client = browse()

    def post(key, **content):
        body = json.dumps({"ts": centre.clock.utc_ms(), **content})
        bearer = {"authorization": f"Bearer {key}"}
        return client.post("/api/v1/devices/telemetry", body, content_type="application/json", headers=bearer)

    assert post(secret, smoke=50).status_code == 204
    assert Alarm.objects.get().case.service_code == "iot_alarm", "its case is there at once"
    assert post(secret, face="x", smoke=1).json()["code"] == "biometric_or_picture"
    assert post("x" * 43, smoke=1).status_code == 401
    registry.enable(detector, wanted=False)
    assert post(secret, smoke=1).status_code == 401
    assert Alarm.objects.get().cleared_why == "disabled"


@ON_SQLITE
def test_a_table_is_reported_row_by_row(centre, tmp_path):
    path = tmp_path / "d.csv"
    path.write_bytes("name,type,place\na,smoke,三里河路\nb,toaster,\na,gas,\n".encode("gb18030"))
    rows = registry.read_table(path)
    report = registry.import_rows(JURISDICTION, rows)
    assert [(row.number, row.result, row.field) for row in report.rows] == [
        (2, "added", ""),
        (3, "bad", "type"),
        (4, "bad", "name"),
    ]
    assert not Device.objects.exists()
    registry.import_rows(JURISDICTION, rows, skip_bad=True)
    assert [row.result for row in registry.import_rows(JURISDICTION, rows[:1]).rows] == ["unchanged"]
    intake.take([say(centre, "a", smoke=50)])
    registry.import_rows(JURISDICTION, [(2, {"name": "a", "type": "gas", "place": "三里河路"})])
    assert Alarm.objects.get().cleared_why == "disabled", "the rules that raised it are not its own any more"
    assert DeviceState.objects.get().device.place == "三里河路"
    path.write_text("name,typ\n")
    with pytest.raises(PatrolError, match="not known"):
        registry.read_table(path)


def test_types_that_make_no_sense_are_refused_with_their_field(tmp_path):
    good = (types.SHIPPED / "smoke.toml").read_text()
    path = tmp_path / "t.toml"
    for old, new, field in (
        ('from = "smoke"', 'from = "smoke["', "fields.0"),
        ('from = "smoke"', f'from = "{"a." * 70}b"', "fields.0"),
        ("clear = 4", "clear = 9", "alarms.0"),
        ("period_s", "perod_s = 1\nperiod_s", "perod_s"),
        ('field = "smoke"', 'field = "heat"', None),
    ):
        path.write_text(good.replace(old, new, 1))
        with pytest.raises(PatrolError) as told:
            types.read(path)
        assert told.value.field == field, new
    assert len(types.load()) == 12


@ON_SQLITE
def test_pages_show_acknowledge_and_warn_in_both_languages(centre, detector, browse, person, monkeypatch):
    intake.take([say(centre, smoke=50)])
    follow.carry()
    alarm = Alarm.objects.get()
    client = browse(person("zhou", "dispatcher", JURISDICTION))
    assert (
        "smoke-1"
        not in browse(person("far", "dispatcher", "elsewhere")).get("/iot/devices/").content.decode()
    )
    client.post(f"/iot/alarms/{alarm.pk}/acknowledge/", {"note": "seen on camera 3"})
    page = client.get("/iot/").content.decode()
    assert "acknowledged by Zhou" in page
    assert "seen on camera 3" in page
    chinese = client.get(
        f"/iot/devices/{detector.pk}/", headers={"accept-language": "zh-hans"}
    ).content.decode()
    assert "烟雾报警" in chinese
    assert '<path class="mean"' in chinese
    for query, found in (
        ("state=alarm", True),
        ("state=silent", False),
        ("q=3 号楼", True),
        ("kind=gas", False),
    ):
        assert ("smoke-1" in client.get(f"/iot/devices/?{query}").content.decode()) is False or found
        assert ("3 号楼 2 单元" in client.get(f"/iot/devices/?{query}").content.decode()) is found, query
    sent = ElementTree.fromstring(client.get(f"/iot/alarms/{alarm.pk}/cap.xml").content)
    assert list(cap.faults(sent)) == []
    space = {"c": cap.NAMESPACE}
    assert [each.text for each in sent.findall("c:info/c:language", space)] == ["zh-CN", "en-US"]
    assert sent.find("c:info/c:area/c:circle", space).text == "39.910000,116.330000 0.2"
    later = cap.warning(alarm, types.load()["smoke"], "testserver", centre.clock.utc_ms() + 13 * 60 * MINUTE)
    update = ElementTree.fromstring(later)
    assert update.find("c:msgType", space).text == "Update"
    assert update.find("c:references", space).text.endswith(sent.find("c:sent", space).text)
    client.post(f"/iot/alarms/{alarm.pk}/clear/")
    alarm.refresh_from_db()
    assert (alarm.cleared_why, alarm.cleared_by.username) == ("person", "zhou")
    over = ElementTree.fromstring(client.get(f"/iot/alarms/{alarm.pk}/cap.xml").content)
    assert over.find("c:msgType", space).text == "Cancel"
    first = ",".join(sent.find(f"c:{name}", space).text for name in ("sender", "identifier", "sent"))
    assert over.find("c:references", space).text == first
    sent.remove(sent.find("c:scope", space))
    sent.find("c:sent", space).text = "2026-11-29T07:00:00Z"
    assert len(list(cap.faults(sent))) == 2, "the check can fail"
    assert b"<svg" in client.get(f"/iot/devices/{detector.pk}/label/").content
    # What lasts comes first, the most severe of it on top, page by page.
    times = ("since_ms", "raised_at_ms", "seen_at_ms", "last_at_ms")
    for at_ms, severity in enumerate(("critical", "warning", "critical")):
        Alarm.objects.create(
            device=detector, jurisdiction_id=JURISDICTION, kind=f"k{at_ms}", severity=severity, **dict.fromkeys(times, at_ms)
        )  # fmt: skip
    monkeypatch.setattr(views, "PAGE", 1)
    shown, before = [], ""
    for _ in range(4):
        rows, before = views._page(Alarm.objects.unscoped("a test"), "", before)
        shown += [row.kind for row in rows]
    assert (shown, before) == (["k2", "k0", "k1", alarm.kind], "")


@ON_SQLITE
def test_a_worker_takes_what_came_while_it_was_away_and_the_next_one_takes_its_place(
    centre, detector, tmp_path, free_port, wait_until
):
    topic = DeviceTopics(JURISDICTION, "smoke-1").telemetry
    (tmp_path / "mq").mkdir()

    def worker(broker):
        place = Slot(centre.data, "devices")
        made = DeviceWorker(read_broker({"BROKER": broker.url}, ""), place, shared=False, places=centre.data)
        thread = threading.Thread(target=made.run)
        thread.start()
        return made, thread

    def taken():
        body, heard = DeviceState.objects.values_list("body", "heard_at_ms").get()
        return unpack(body, heard)[0].taken

    with Mosquitto(tmp_path / "mq", free_port()) as broker:
        device = Sender(broker.port)
        first, thread = worker(broker)
        second, other = worker(broker)
        try:
            wait_until(
                lambda: first._link is not None and first._link.state[0] == "connected", what="listening"
            )
            device.publish(topic, say(centre, smoke=1).payload)
            wait_until(lambda: taken() == 1, what="the first message")
            broker.stop()
            broker.start()
            # The broker is back before the worker is: it keeps what comes for its session.
            device.publish(topic, say(centre, ago_ms=-1, smoke=2).payload)
            wait_until(lambda: taken() == 2, what="the message after the restart")
            first.stop()
            thread.join(20)
            device.publish(topic, say(centre, ago_ms=-2, smoke=3).payload)
            wait_until(lambda: taken() == 3, what="the message after the change of workers")
        finally:
            device.stop()
            for each in (first, second):
                each.stop()
            thread.join(20)
            other.join(20)
