"""Messages of devices taken in batches: a few statements for hundreds of them, all or nothing.

One statement locks the states of all devices of the batch in one order; the engine decides in memory; one statement writes the
states back, one the quarters of an hour that are over. Alarms are few and take a statement or two each. The caller
acknowledges after the commit, so a batch that fails is brought again, and what was taken before changes nothing.

Where the database refuses one thing of a batch, the batch is halved until that one stands alone; it becomes a dead letter
(`central.iot.dead`), and the others are taken.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, QuerySet

from central.iot import alarms, dead, engine, points
from central.iot.alarms import Of
from central.iot.decode import Incoming, UnreadableError
from central.iot.known import device_types, reader_of
from central.iot.models import DeadLetter, Device, DeviceState, Point, Unreadable
from central.iot.packing import encode, pack, unpack
from central.iot.points import Bucket
from central.iot.types import DeviceType
from central.project import faults
from central.project.clock import now_ms

log = logging.getLogger(__name__)

UNREADABLE_KEPT = 20_000
TICKED = 500
FEW = 2
"""Devices whose messages may all be at fault at once, with none of another's between."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a batch: `refused` has a reason for each message that was not taken, by its place."""

    accepted: int
    refused: dict[int, UnreadableError]
    letters: int


@dataclass(slots=True)
class _Held:
    """A device of the batch: its row, locked, and what the batch makes of it."""

    of: Of
    made: DeviceType | None
    due_ms: int | None
    silent: bool
    state: engine.State
    bucket: Bucket | None
    over: list[Bucket]
    changed: bool = False
    listened_ms: int = -1


def take(messages: Sequence[Incoming]) -> Taken:
    """Take a batch: in one transaction, or in several where the database refuses something that stands in it.

    Raises:
        DatabaseError, InterfaceError: the database cannot be used; what was not taken may be brought again.
    """
    try:
        return together(messages)
    except Exception as error:
        if not faults.of_this_alone(error):
            raise
        log.warning("a batch of %d messages is taken apart: %s", len(messages), faults.reason_of(error))
    return _apart(messages)


def _apart(messages: Sequence[Incoming]) -> Taken:
    accepted = letters = 0
    refused: dict[int, UnreadableError] = {}
    lost: dict[int, Exception] = {}
    waiting = [(0, len(messages))]
    while waiting:
        begin, end = waiting.pop()
        try:
            taken = together(messages[begin:end])
        except Exception as error:
            if not faults.of_this_alone(error):
                raise
            if end - begin == 1:
                lost[begin] = error
            else:
                middle = (begin + end) // 2
                waiting += [(middle, end), (begin, middle)]  # the earlier half first
            continue
        accepted, letters = accepted + taken.accepted, letters + taken.letters
        refused |= {begin + place: error for place, error in taken.refused.items()}
    among = {(messages[place].jurisdiction_id, messages[place].name) for place in lost}
    if len(lost) == len(messages) and len(among) > FEW:
        # No message of so many devices is to blame: it is kept at the broker until somebody has mended the centre.
        raise lost[0]
    for place, error in lost.items():
        dead.keep_message(messages[place], error)
        refused[place] = UnreadableError("failed")
    return Taken(accepted, refused, letters)


def together(messages: Sequence[Incoming]) -> Taken:
    """Take a batch in one transaction, whole or not at all.

    Raises:
        DatabaseError, InterfaceError: nothing was taken.
    """
    refused: dict[int, UnreadableError] = {}
    effects: list[tuple[Of, engine.Effect]] = []
    with transaction.atomic():
        held = _lock(messages)
        ready: list[tuple[_Held, engine.Message, int]] = []
        for place, message in enumerate(messages):
            try:
                ready.append((*_read(message, held.get((message.jurisdiction_id, message.name))), place))
            except UnreadableError as error:
                refused[place] = error
        # By device and own time, so that a batch's own disorder costs nothing; the sort keeps the order of equals.
        ready.sort(key=lambda each: (each[0].of.pk, each[1].at_ms))
        for one, decoded, place in ready:
            try:
                _apply(one, decoded, effects)
            except Exception:
                # Our own mistake must not stop the others, nor be brought again for ever.
                log.exception("a message of device %s could not be applied", one.of.pk)
                refused[place] = UnreadableError("failed")
        changed = [one for one in held.values() if one.changed]
        _write(changed)
        letters = alarms.write(effects)
        if refused:
            _note(messages, refused)
    return Taken(len(messages) - len(refused), refused, letters)


def _read(message: Incoming, one: _Held | None) -> tuple[_Held, engine.Message]:
    if one is None:
        raise UnreadableError("unknown_device")
    if one.made is None:
        raise UnreadableError("unknown_type", one.of.kind)
    decoded = reader_of(one.made).read(message.payload, message.arrived_ms, again=message.again)
    return one, decoded.message


def _apply(one: _Held, message: engine.Message, effects: list[tuple[Of, engine.Effect]]) -> None:
    assert one.made is not None
    after, found = engine.step(one.made.rules, one.state, message)
    if after is one.state:
        return  # brought again
    one.state, one.changed = after, True
    one.bucket, over = points.add(one.bucket, message.at_ms, message.values)
    if over is not None:
        one.over.append(over)
    effects.extend((one.of, effect) for effect in found)


def tick(most: int = TICKED, listened_ms: int = -1) -> tuple[int, int]:
    """Do what is due without a message; (how many devices were looked at, how many letters there are now).

    Args:
        most: devices at once.
        listened_ms: since when the centre listens without a break; see `engine.tick`.

    Raises:
        DatabaseError, InterfaceError: the database cannot be used.
    """
    try:
        return tick_together(_due_now(), most, listened_ms)
    except Exception as error:
        if not faults.of_this_alone(error):
            raise
        log.warning("silent devices are looked at one by one: %s", faults.reason_of(error))
    looked = letters = 0
    for number in list(_due_now().order_by("due_at_ms").values_list("pk", flat=True)[:most]):
        try:
            done = tick_together(DeviceState.objects.filter(pk=number), 1, listened_ms)
        except Exception as error:
            if not faults.of_this_alone(error):
                raise
            dead.keep_silence(number, error)
            continue
        looked, letters = looked + done[0], letters + done[1]
    return looked, letters


def _due_now() -> QuerySet[DeviceState]:
    """States at which something is to be done now, but for those that could not be written when it was tried."""
    stuck = DeadLetter.objects.filter(device=OuterRef("pk"), what=DeadLetter.SILENCE)
    due = DeviceState.objects.filter(due_at_ms__lte=now_ms(), device__enabled=True)
    return due.filter(~Exists(stuck))


def tick_together(states: QuerySet[DeviceState], most: int, listened_ms: int) -> tuple[int, int]:
    """Do what is due at these, in one transaction; see `tick`.

    Raises:
        DatabaseError, InterfaceError: nothing was done.
    """
    now = now_ms()
    effects: list[tuple[Of, engine.Effect]] = []
    with transaction.atomic():
        found = states.order_by("due_at_ms").select_related("device")
        skip = connection.features.has_select_for_update_skip_locked
        rows = list(found.select_for_update(of=("self",), **({"skip_locked": True} if skip else {}))[:most])
        several = [_hold(*_facts(row)) for row in rows]
        for one in several:
            one.changed, one.due_ms, one.listened_ms = True, None, listened_ms
            if one.made is not None:
                one.state, new = engine.tick(one.made.rules, one.state, now, listened_ms)
                effects.extend((one.of, effect) for effect in new)
        _write(several)
        letters = alarms.write(effects)
    return len(rows), letters


def _facts(row: DeviceState) -> tuple[Any, ...]:
    device = row.device
    return (
        *(device.pk, device.jurisdiction_id, device.grid_id, device.kind),
        *(row.heard_at_ms, row.due_at_ms, row.silent, row.body),
    )


def _hold(
    pk: int,
    jurisdiction_id: str,
    grid_id: int | None,
    kind: str,
    heard: int | None,
    due: int | None,
    silent: bool,
    body: str,
) -> _Held:
    state, bucket = unpack(body, heard)
    made = device_types().get(kind)
    return _Held(Of(pk, jurisdiction_id, grid_id, kind), made, due, bool(silent), state, bucket, [])


def _lock(messages: Iterable[Incoming]) -> dict[tuple[str, str], _Held]:
    """The devices of a batch with their states, locked in one order by every worker."""
    wanted: dict[str, dict[str, None]] = {}
    for message in messages:
        if len(message.name) <= 64:
            wanted.setdefault(message.jurisdiction_id, {})[message.name] = None
    device, state = (connection.ops.quote_name(each._meta.db_table) for each in (Device, DeviceState))
    held: dict[tuple[str, str], _Held] = {}
    postgres = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        for jurisdiction_id in sorted(wanted):
            names = list(wanted[jurisdiction_id])
            among = "= ANY(%s)" if postgres else f"IN ({', '.join(['%s'] * len(names))})"
            cursor.execute(
                f"SELECT d.name, d.id, d.jurisdiction_id, d.grid_id, d.kind,"  # noqa: S608
                f" s.heard_at_ms, s.due_at_ms, s.silent, s.body FROM {device} d JOIN {state} s ON s.device_id = d.id"
                f" WHERE d.jurisdiction_id = %s AND d.enabled AND d.name {among} ORDER BY d.id"
                + (" FOR NO KEY UPDATE OF s" if postgres else ""),
                [jurisdiction_id, names] if postgres else [jurisdiction_id, *names],
            )
            for name, *facts in cursor.fetchall():
                held[jurisdiction_id, name] = _hold(*facts)
    return held


def _write(several: Sequence[_Held]) -> None:
    """States and quarters of an hour back, each in one statement."""
    if not several:
        return
    rows = [
        (
            one.of.pk,
            one.state.heard_ms if one.state.heard_ms >= 0 else None,
            _due(one),
            one.state.stage > 0,
            pack(one.state, one.bucket),
        )
        for one in several
    ]
    table = connection.ops.quote_name(DeviceState._meta.db_table)
    quarters = [
        (one.of.pk, over.slot, over.start_ms, encode(over.fields)) for one in several for over in one.over
    ]
    ring = connection.ops.quote_name(Point._meta.db_table)
    # Of one device twice in a batch, the later quarter stands.
    quarters = list({row[:2]: row for row in quarters}.values())
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                f"UPDATE {table} s SET heard_at_ms = f.heard, due_at_ms = f.due, silent = f.silent, body = f.body"  # noqa: S608
                " FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::boolean[], %s::text[])"
                " AS f (id, heard, due, silent, body) WHERE s.device_id = f.id",
                [list(column) for column in zip(*rows, strict=True)],
            )
            if quarters:
                cursor.execute(
                    f"INSERT INTO {ring} (device_id, slot, start_ms, fields)"  # noqa: S608
                    " SELECT * FROM unnest(%s::bigint[], %s::smallint[], %s::bigint[], %s::text[])"
                    " ON CONFLICT (device_id, slot) DO UPDATE SET start_ms = excluded.start_ms, fields = excluded.fields"
                    f" WHERE {ring}.start_ms < excluded.start_ms",
                    [list(column) for column in zip(*quarters, strict=True)],
                )
            return
        cursor.executemany(
            f"UPDATE {table} SET heard_at_ms = %s, due_at_ms = %s, silent = %s, body = %s WHERE device_id = %s",  # noqa: S608
            [(*row[1:], row[0]) for row in rows],
        )
        if quarters:
            cursor.executemany(
                f"INSERT INTO {ring} (device_id, slot, start_ms, fields) VALUES (%s, %s, %s, %s)"  # noqa: S608
                " ON CONFLICT (device_id, slot) DO UPDATE SET start_ms = excluded.start_ms, fields = excluded.fields"
                f" WHERE {ring}.start_ms < excluded.start_ms",
                quarters,
            )


def _due(one: _Held) -> int | None:
    """No later than the moment at which something is to be done. It is written only where it must be earlier: it is indexed,
    and a device that is heard all the time would otherwise move it with each message."""
    due = None if one.made is None else engine.due(one.made.rules, one.state, one.listened_ms)
    if one.due_ms is None or due is None:
        return due
    return min(due, one.due_ms)


def _note(messages: Sequence[Incoming], refused: dict[int, UnreadableError]) -> None:
    """Count what was not taken, by who and why. Nothing of what it held is kept."""
    now = now_ms()
    counted: dict[tuple[str, str, str], tuple[int, str]] = {}
    for place, error in refused.items():
        message = messages[place]
        key = (_short(message.jurisdiction_id), _short(message.name), error.code)
        counted[key] = (counted.get(key, (0, ""))[0] + 1, error.detail)
    for (jurisdiction_id, name, code), (times, detail) in sorted(counted.items()):
        known = Unreadable.objects.filter(jurisdiction_id=jurisdiction_id, name=name, code=code)
        if not known.update(times=F("times") + times, last_at_ms=now, detail=detail):
            Unreadable.objects.bulk_create(
                [
                    Unreadable(
                        jurisdiction_id=jurisdiction_id,
                        name=name,
                        code=code,
                        detail=detail,
                        times=times,
                        first_at_ms=now,
                        last_at_ms=now,
                    )
                ],
                ignore_conflicts=True,
            )


def _short(text: str) -> str:
    return text.replace("\x00", "")[:64]


def sweep() -> None:
    """Keep the newest of what was not taken."""
    cut = Unreadable.objects.order_by("-last_at_ms").values_list("last_at_ms", flat=True)
    for at_ms in cut[UNREADABLE_KEPT : UNREADABLE_KEPT + 1]:
        Unreadable.objects.filter(last_at_ms__lte=at_ms).delete()
