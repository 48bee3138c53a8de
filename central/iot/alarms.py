"""What the engine decided, written: alarms begin, last, get worse and end; and what people do to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import F

from central.iot import engine
from central.iot.known import device_types
from central.iot.models import Alarm, Device, DeviceState, Letter
from central.iot.packing import pack, unpack
from central.live.services import DEVICES, announce
from central.people.models import User
from central.project.clock import now_ms
from protocol.errors import PatrolError

NOTE_LENGTH = 500
RAISED, CLEARED, WORSE = "raised", "cleared", "worse"
"""What a case is told."""


@dataclass(frozen=True, slots=True)
class Of:
    """A device as its alarms need it."""

    pk: int
    jurisdiction_id: str
    grid_id: int | None
    kind: str


def write(effects: Sequence[tuple[Of, engine.Effect]]) -> int:
    """Write what happened to alarms, in its order, in the caller's transaction, which holds the devices' states locked.

    Returns:
        How many letters to cases there are now that were not before.
    """
    letters = sum(_one(of, effect) for of, effect in effects)
    if effects:
        announce(DEVICES)
    return letters


def _one(of: Of, effect: engine.Effect) -> int:
    match effect:
        case engine.Raise():
            return _raise(of, effect)
        case engine.Clear():
            return _clear(of, effect.kind, effect.at_ms, effect.why)
        case engine.Again():
            _live(of, effect.kind).update(times=F("times") + 1, last_at_ms=effect.at_ms)
            return 0
        case engine.Worse():
            _live(of, effect.kind).update(severity=effect.severity)
            found = _live(of, effect.kind).first()
            return 0 if found is None else _tell(of, found, WORSE, effect.at_ms)


def _live(of: Of, kind: str):  # type: ignore[no-untyped-def]
    return Alarm.objects.filter(device_id=of.pk, kind=kind, cleared_at_ms__isnull=True)


def _raise(of: Of, effect: engine.Raise) -> int:
    """A new alarm, unless one of the kind lasts: that is for the database to say."""
    row = Alarm(
        device_id=of.pk,
        jurisdiction_id=of.jurisdiction_id,
        grid_id=of.grid_id,
        kind=effect.kind,
        severity=effect.severity,
        since_ms=effect.since_ms,
        raised_at_ms=effect.at_ms,
        seen_at_ms=now_ms(),
        last_at_ms=effect.at_ms,
        value=_text(effect.value),
        flapping=effect.flapping,
    )
    fields = [each for each in Alarm._meta.concrete_fields if not each.primary_key]
    quote = connection.ops.quote_name
    columns = ", ".join(quote(each.column) for each in fields)
    marks = ", ".join(["%s"] * len(fields))
    values = [each.get_db_prep_save(getattr(row, each.attname), connection) for each in fields]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {quote(Alarm._meta.db_table)} ({columns}) VALUES ({marks})"  # noqa: S608
            " ON CONFLICT DO NOTHING RETURNING id",
            values,
        )
        made = cursor.fetchone()
    if made is None:
        return 0
    row.pk = made[0]
    return _tell(of, row, RAISED, effect.at_ms)


def _clear(of: Of, kind: str, at_ms: int, why: str, by: User | None = None) -> int:
    found = _live(of, kind).select_for_update().first()
    if found is None:
        return 0
    # A tick may end what a late message began after it: an alarm never ends before it began.
    found.cleared_at_ms, found.cleared_why, found.cleared_by = max(at_ms, found.raised_at_ms), why, by
    found.save(update_fields=["cleared_at_ms", "cleared_why", "cleared_by"])
    return _tell(of, found, CLEARED, at_ms)


def _tell(of: Of, alarm: Alarm, what: str, at_ms: int) -> int:
    """A letter to its case: where its severity opens one, or where it has one already."""
    made = device_types().get(of.kind)
    opens = made is not None and alarm.severity in made.cases
    if not opens and alarm.case_id is None:
        return 0
    Letter.objects.create(alarm_id=alarm.pk, what=what, at_ms=at_ms)
    return 1


def _text(value: engine.Value | None) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else value[:40]


def acknowledge(alarm_id: int, user: User, note: str = "") -> Alarm:
    """Somebody has seen it; the first one who says so counts, a note is kept. The caller has checked role and scope.

    Raises:
        Alarm.DoesNotExist: none in this person's scope.
        PatrolError: the note is too long.
    """
    note = note.strip()
    if len(note) > NOTE_LENGTH or "\x00" in note:
        raise PatrolError(f"a note has at most {NOTE_LENGTH} characters", field="note")
    with transaction.atomic():
        alarm: Alarm = Alarm.objects.visible_to(user).select_for_update(of=("self",)).get(pk=alarm_id)
        if alarm.acknowledged_at_ms is None:
            alarm.acknowledged_at_ms, alarm.acknowledged_by, alarm.note = now_ms(), user, note
            alarm.save(update_fields=["acknowledged_at_ms", "acknowledged_by", "note"])
            announce(DEVICES)
    return alarm


def clear(alarm_id: int, user: User) -> Alarm:
    """Somebody ends an alarm that the device does not end; the next message that is beyond raises another.

    Raises:
        Alarm.DoesNotExist: none in this person's scope.
    """
    seen: Alarm = Alarm.objects.visible_to(user).select_related("device").get(pk=alarm_id)
    device: Device = seen.device
    with transaction.atomic():
        # The device's state first, as whoever takes messages does.
        state = DeviceState.objects.select_for_update().get(device=device)
        known, bucket = unpack(state.body, state.heard_at_ms)
        now = now_ms()
        after = engine.end_by_hand(known, seen.kind, now)
        state.body, state.silent = pack(after, bucket), after.stage > 0
        if seen.kind == engine.SILENT and device.kind in device_types():
            state.heard_at_ms = after.heard_ms
            state.due_at_ms = engine.due(device_types()[device.kind].rules, after)
        state.save(update_fields=["body", "silent", "heard_at_ms", "due_at_ms"])
        of = Of(device.pk, device.jurisdiction_id, device.grid_id, device.kind)
        _clear(of, seen.kind, now, "person", user)
        announce(DEVICES)
    seen.refresh_from_db()
    return seen


def end_all(device: Device) -> None:
    """The device is not listened to any more: what lasts ends, and its state begins anew."""
    DeviceState.objects.select_for_update().get(device=device)
    of = Of(device.pk, device.jurisdiction_id, device.grid_id, device.kind)
    lasting = Alarm.objects.filter(device=device, cleared_at_ms__isnull=True)
    for kind in list(lasting.values_list("kind", flat=True)):
        _clear(of, kind, now_ms(), "disabled")
    DeviceState.objects.filter(device=device).update(body="", silent=False, due_at_ms=None, heard_at_ms=None)
    announce(DEVICES)
