"""What a case hears of an alarm: that it began, got worse, and ended. Each letter once, in its order, after the commit.

An alarm opens a case by the template of its severity, named by the alarm's number, so that no repetition makes a second one.
Where the same alarm of the same device has a case that is still open, it joins that case: somebody is on the way already.
"""

from __future__ import annotations

import logging

from django.db import connection, transaction
from django.db.models import Exists, OuterRef

from central.cases.definition import PRIORITIES
from central.cases.engine import record
from central.cases.models import Case
from central.cases.reports import NewCase, open_case
from central.cases.services import issue_work_order
from central.cases.states import CaseState, WorkKind
from central.iot import dead
from central.iot.alarms import CLEARED, RAISED, WORSE
from central.iot.known import device_types
from central.iot.models import Alarm, Letter
from central.iot.types import CaseTemplate, DeviceType
from central.live.services import DEVICES, TASKS, announce, case_topic
from central.project import faults
from central.project.clock import now_ms
from protocol.messages import Position

log = logging.getLogger(__name__)

EVENTS = frozenset({"alarm_raised", "alarm_cleared"})
BATCH = 50
AGAIN_MS = 60_000
"""A letter that cannot be delivered is tried again after so long, and stops no other."""

TRIES = 5
"""After so many it is a dead letter."""


def carry(most: int = BATCH) -> int:
    """Deliver letters that are due, each in a transaction of its own; returns how many.

    Raises:
        DatabaseError, InterfaceError: the database cannot be used; nothing is lost.
    """
    earlier = Letter.objects.filter(alarm=OuterRef("alarm"), pk__lt=OuterRef("pk"))
    due = Letter.objects.filter(~Exists(earlier), next_at_ms__lte=now_ms()).order_by("pk")
    done = 0
    for number in list(due.values_list("pk", flat=True)[:most]):
        try:
            done += _deliver(number)
        except Exception as error:
            if not faults.of_this_alone(error):
                raise
            log.exception("letter %s of an alarm could not be delivered", number)
            _put_off(number, error)
    return done


def _put_off(number: int, error: Exception) -> None:
    """Later; or never, and then the next one of the same alarm has its turn."""
    with transaction.atomic():
        letter = (
            Letter.objects.select_for_update(of=("self",)).select_related("alarm").filter(pk=number).first()
        )
        if letter is None:
            return
        letter.tries += 1
        letter.next_at_ms = now_ms() + AGAIN_MS
        if letter.tries < TRIES:
            letter.save(update_fields=["tries", "next_at_ms"])
        else:
            dead.keep_letter(letter, error)
            announce(DEVICES)


def _deliver(number: int) -> bool:
    skip = {"skip_locked": True} if connection.features.has_select_for_update_skip_locked else {}
    with transaction.atomic():
        letter = (
            Letter.objects.select_for_update(of=("self",), **skip)
            .select_related("alarm__device")
            .filter(pk=number)
            .first()
        )
        if letter is None:
            return False  # another worker has it
        tell(letter)
    return True


def tell(letter: Letter) -> None:
    """Deliver one, in the caller's transaction, and delete it."""
    alarm: Alarm = letter.alarm
    made = device_types().get(alarm.device.kind)
    if letter.what == CLEARED:
        _cleared(alarm, letter.at_ms)
    elif made is not None and alarm.severity in made.cases:
        _raised(alarm, made, made.cases[alarm.severity], letter)  # type: ignore[index]
        others = Letter.objects.filter(alarm=alarm).exclude(pk=letter.pk)
        if letter.what == RAISED and alarm.cleared_at_ms is not None and not others.exists():
            # It was a dead letter for so long that the end came, and was told to nobody.
            alarm.refresh_from_db(fields=["case"])
            _cleared(alarm, alarm.cleared_at_ms)
    letter.delete()
    announce(DEVICES)


def _raised(alarm: Alarm, made: DeviceType, template: CaseTemplate, letter: Letter) -> None:
    joined = alarm.case if alarm.case_id is not None else _open_case_of(alarm)
    if joined is None:
        case, new = open_case(_new(alarm, made, template))
    else:
        case, new = Case.objects.select_for_update().get(pk=joined.pk), False
        if case.state == CaseState.CLOSED and alarm.case_id is None:
            case, new = open_case(_new(alarm, made, template))
    if alarm.case_id is None:
        Alarm.objects.filter(pk=alarm.pk).update(case=case, case_at_ms=now_ms())
    facts = {"device": alarm.device.name, "alarm": alarm.pk, "what": alarm.kind, "severity": alarm.severity}
    if not new:
        kind = "alarm_worse" if letter.what == WORSE else "alarm_raised"
        event = "alarm_raised" if letter.what == RAISED else None
        record(case, kind, letter.at_ms, "centre", event=event, **facts)
        announce(TASKS, case_topic(case.pk))
        return
    if PRIORITIES[template.priority] == 1 and alarm.cleared_at_ms is None:
        # Nobody waits for a dispatcher where it burns.
        issue_work_order(
            case,
            key=f"iot/alarm/{alarm.pk}",
            kind=WorkKind.HANDLE,
            issued_at_ms=now_ms(),
            actor="centre",
        )


def _cleared(alarm: Alarm, at_ms: int) -> None:
    if alarm.case_id is None:
        return
    case = Case.objects.select_for_update().get(pk=alarm.case_id)
    others = Alarm.objects.filter(case=case, cleared_at_ms__isnull=True).exclude(pk=alarm.pk).exists()
    record(
        case,
        "alarm_cleared",
        at_ms,
        "centre",
        event=None if others else "alarm_cleared",
        device=alarm.device.name,
        alarm=alarm.pk,
        what=alarm.kind,
        why=alarm.cleared_why,
    )
    announce(TASKS, case_topic(case.pk))


def _open_case_of(alarm: Alarm) -> Case | None:
    """The case of an earlier alarm of the same kind at this device, if it is still open."""
    earlier = (
        Alarm.objects.filter(device=alarm.device_id, kind=alarm.kind, pk__lt=alarm.pk, case__isnull=False)
        .order_by("-pk")
        .select_related("case")
        .first()
    )
    case = None if earlier is None else earlier.case
    return None if case is None or case.state == CaseState.CLOSED else case


def _new(alarm: Alarm, made: DeviceType, template: CaseTemplate) -> NewCase:
    device = alarm.device
    titles = made.alarm_titles(alarm.kind)
    field = next((rule.field for rule in made.alarms if rule.name == alarm.kind), None)
    measured = made.by_name.get(field) if field else None
    value = (
        f" {alarm.value} {measured.unit}".rstrip()
        if measured is not None and measured.kind == "number" and alarm.value
        else ""
    )
    named = device.title or device.name
    position = None
    if device.longitude is not None and device.latitude is not None:
        position = Position(longitude=device.longitude, latitude=device.latitude)
    return NewCase(
        source="device",
        source_key=f"iot/{alarm.jurisdiction_id}/alarm/{alarm.pk}",
        service_code=template.service_code,
        jurisdiction_id=alarm.jurisdiction_id,
        at_ms=alarm.raised_at_ms,
        actor=f"device:{device.name}",
        text=f"{made.titles.zh} {named}：{titles.zh}{value} / {made.titles.en} {named}: {titles.en}{value}",
        place=device.place or named,
        position=position,
        priority=template.priority,
    )
