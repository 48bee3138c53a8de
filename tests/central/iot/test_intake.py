"""Batches of real messages on both databases: states, points, alarms, cases."""

from __future__ import annotations

import json

import pytest

from central.cases.models import Case, WorkOrder
from central.iot import alarms, follow, intake, registry
from central.iot.intake import Incoming
from central.iot.models import Alarm, Device, DeviceState, Letter, Point, Unreadable
from tests.central.street import JURISDICTION

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
