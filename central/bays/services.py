"""Which bays a driver is sent to, and holding one for him. Nothing that is not known to be free is offered."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple, Protocol

import numpy as np
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q

from central.bays.hours import Rule, open_throughout
from central.bays.models import Bay, BayKind, BayStatus, Layout, Reservation
from central.bays.nearest import BayIndex, StraightLine, WalkingDistance, haversine
from central.cases import history
from central.cases.models import Case
from central.live.services import announce, case_topic
from central.project.clock import now_ms
from protocol.clock import Millis
from protocol.messages import Position

OFFERED = 3
"""Bays in a warning and on the page: more is no help on a small screen."""

EN_ROUTE_MS = 5 * 60_000
"""How long a bay stays held after the vehicle has left the pavement: its driver is on the way there."""

_BATCH = 24
"""Candidates whose state is read at once, the first time; then twice as many."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A free bay near a vehicle.

    Attributes:
        spot_id: the bay's id in its jurisdiction.
        name: what a person calls it.
        distance_m: on foot from the vehicle's place, metres.
        position: WGS-84.
        reserved_until_ms: until when it is held for this case; none where it is not.
        kind: NGSI-LD type.
        free: how many vehicles it can take now.
    """

    spot_id: str
    name: str
    distance_m: float
    position: Position
    reserved_until_ms: Millis | None = None
    kind: str = BayKind.SPOT
    free: int = 1


class _FreeBay(NamedTuple):
    """What is read of a bay while looking for one."""

    pk: int
    bay_id: str
    name: str
    longitude: float
    latitude: float
    kind: str
    free: int


class _Candidate(NamedTuple):
    bay: _FreeBay | Bay
    metres: float


def offer_for_case(
    case: Case,
    *,
    vehicle_class: str,
    position: Position,
    until_ms: Millis,
    limit: int = OFFERED,
    avoid: Collection[str] = (),
) -> list[Offer]:
    """The nearest free bays that this vehicle may use; the first is held for the case.

    A repetition gives the bay that is held already, for longer if `until_ms` is later, never for less. No bay is
    held for two cases at once, whatever runs beside this. Where no bay is free the list is empty.

    Args:
        case: for whom.
        vehicle_class: detector class.
        position: where the vehicle stands.
        until_ms: how long the first is held.
        limit: length of the list.
        avoid: bays that are not to be held for this case (their ids); they are listed last.
    """
    with transaction.atomic():
        # Locked through the caller's own object: its history goes on from here.
        Case.objects.select_for_update().get(pk=case.pk)
        case.refresh_from_db(fields=["history_length", "history_head"])
        held = live_reservation(case)
        if held is not None and not _usable(held.bay, held=True):
            _release([held], "occupied")
            held = None
        if held is not None and until_ms > held.until_ms and _open(held.bay.hours, until_ms):
            held.until_ms = until_ms
            held.save(update_fields=["until_ms"])
        near = _free_near(case, vehicle_class, position, limit, until_ms)
        found: list[_Candidate] = []
        passed_over: list[_Candidate] = []
        for candidate in near:
            if held is not None and candidate.bay.pk == held.bay_id:
                continue
            if held is None and candidate.bay.bay_id in avoid:
                passed_over.append(candidate)
                continue
            if held is None:
                held = _hold(candidate.bay, case, until_ms)
            else:
                found.append(candidate)
            if len(found) >= limit:
                break
        offers = [
            _offer(each) for each in (*found, *passed_over) if held is None or each.bay.pk != held.bay_id
        ]
        if held is not None:
            metres = _metres(position, held.bay)
            offers.insert(0, _offer(_Candidate(held.bay, metres), held.until_ms))
    return offers[:limit]


class CaseRef(Protocol):
    """What is needed of a case to look for bays."""

    pk: int
    jurisdiction_id: str


def nearby(
    case: CaseRef,
    *,
    vehicle_class: str,
    position: Position,
    until_ms: Millis | None = None,
    limit: int = OFFERED,
) -> list[Offer]:
    """What `offer_for_case` would list, the held bay first, without holding, releasing or writing anything. `until_ms`:
    until when the bays have to be open; None: now."""
    held, held_until_ms = _held_now(case)
    offers = []
    if held is not None:
        offers.append(_offer(_Candidate(held, _metres(position, held)), held_until_ms))
    near = (
        each
        for each in _free_near(case, vehicle_class, position, limit, until_ms)
        if held is None or each.bay.pk != held.pk
    )
    offers.extend(_offer(each) for each in islice(near, limit - len(offers)))
    return offers


def take_another(case: Case, *, vehicle_class: str, position: Position, until_ms: Millis) -> list[Offer]:
    """Let the held bay go and hold another one, not any that was held for this case before as long as there is another.

    Where no other is free, the old one is held again: declining must not leave a driver with nothing.
    """
    with transaction.atomic():
        Case.objects.select_for_update().get(pk=case.pk)
        before = Reservation.objects.filter(case=case).values_list("bay__bay_id", flat=True)
        declined = set(before)
        release_for(case, "declined")
        offers = offer_for_case(
            case, vehicle_class=vehicle_class, position=position, until_ms=until_ms, avoid=declined
        )
        if all(offer.reserved_until_ms is None for offer in offers):
            offers = offer_for_case(case, vehicle_class=vehicle_class, position=position, until_ms=until_ms)
        return offers


def live_reservation(case: CaseRef) -> Reservation | None:
    """The bay that is held for this case now."""
    live = Reservation.objects.filter(case_id=case.pk, released_at_ms__isnull=True, until_ms__gt=now_ms())
    return live.select_related("bay").first()


def release_for(case: Case, reason: str) -> int:
    """Hold nothing for this case any more; returns how many bays were let go. In the caller's transaction."""
    return _release(list(Reservation.objects.filter(case=case, released_at_ms__isnull=True)), reason)


def release_at_end(case: Case, state: str, **_: Any) -> None:
    """The case has ended at the camera. A driver who has just left is on the way to his bay: it stays held a little."""
    live = Reservation.objects.filter(case=case, released_at_ms__isnull=True)
    if state != "self_corrected":
        _release(list(live), "case_over")
        return
    arrives_by = now_ms() + EN_ROUTE_MS
    for reservation in live.filter(until_ms__gt=arrives_by):
        reservation.until_ms = arrives_by
        reservation.save(update_fields=["until_ms"])


def sweep() -> int:
    """Let go of what was held for long enough; returns how many."""
    due = Reservation.objects.filter(released_at_ms__isnull=True, until_ms__lte=now_ms())
    return due.update(released_at_ms=now_ms(), release_reason="expired") if due.exists() else 0


def note_taken(bay: Bay) -> None:
    """A bay was seen occupied: whoever it was held for has arrived, or was too late. In the caller's transaction."""
    live = bay.reservations.filter(released_at_ms__isnull=True).select_related("case")
    if bay.kind == BayKind.SPOT:
        _release(list(live), "occupied")
    elif bay.free == 0:
        _release(list(live), "full")


def effective_status(bay: Bay) -> BayStatus:
    """What is known of a bay now: an observation that is too old says nothing."""
    if bay.status == BayStatus.CLOSED:
        return BayStatus.CLOSED
    if bay.observed_at_ms is None or bay.observed_at_ms < now_ms() - settings.PATROL.bay_fresh_ms:
        return BayStatus.UNKNOWN
    return BayStatus(bay.status)


def layout_changed(jurisdiction_id: str) -> None:
    """Bays were added, moved or taken away: every process loads their positions anew. In the caller's transaction."""
    Layout.objects.update_or_create(
        jurisdiction_id=jurisdiction_id, defaults={"stamp": secrets.token_hex(16)}
    )


# How it is done


def _free_near(
    case: CaseRef, vehicle_class: str, position: Position, wanted: int, until_ms: Millis | None
) -> Iterator[_Candidate]:
    """Bays that are free for this case and open until then, nearest first, their state read as it is now; about
    `wanted` will be taken."""
    layout = _layouts.of(case.jurisdiction_id)
    if layout is None:
        return
    walk = layout.index.walk(position, vehicle_class, settings.PATROL.bay_radius_m)
    if layout.hours:
        walk = (near for near in walk if _open(layout.hours.get(near.row), until_ms))
    size = max(_BATCH, 4 * wanted)
    while batch := list(islice(walk, size)):
        size *= 2
        free = _free_now([layout.keys[near.row] for near in batch], case)
        for near in batch:
            bay = free.get(layout.keys[near.row])
            if bay is not None:
                yield _Candidate(bay, near.metres)


def _open(rules: list[Rule] | None, until_ms: Millis | None) -> bool:
    """Whether a bay is open now and stays so until then: nobody is sent to a gate that closes before he is there."""
    now = now_ms()
    return rules is None or open_throughout(rules, now, max(now, until_ms or now), settings.PATROL.time_zone)


_HELD_NOW = """
SELECT b.id, b.bay_id, b.name, b.longitude, b.latitude, b.kind, b.free, b.status, b.public, b.observed_at_ms, r.until_ms
FROM bays_reservation r JOIN bays_bay b ON b.id = r.bay_id
WHERE r.case_id = %s AND r.released_at_ms IS NULL AND r.until_ms > %s
"""


def _held_now(case: CaseRef) -> tuple[_FreeBay | None, Millis | None]:
    """The bay that is held for a case, and until when; as `_usable` judges it."""
    with connection.cursor() as cursor:
        cursor.execute(_HELD_NOW, [case.pk, now_ms()])
        row = cursor.fetchone()
    if row is None:
        return None, None
    bay = _FreeBay(*row[:7])
    known = Bay(status=row[7], public=bool(row[8]), observed_at_ms=row[9], free=bay.free)
    return (bay, row[10]) if _usable(known, held=True) else (None, None)


_FREE_NOW = """
SELECT b.id, b.bay_id, b.name, b.longitude, b.latitude, b.kind, b.free,
  (SELECT COUNT(*) FROM bays_reservation r
   WHERE r.bay_id = b.id AND r.released_at_ms IS NULL AND r.until_ms > %s AND r.case_id <> %s)
FROM bays_bay b
WHERE b.id IN ({}) AND b.status = 'free' AND b.free > 0 AND b.public AND b.observed_at_ms >= %s
"""
"""By hand, because it is asked for each page and each warning: Django's query took five times as long to build."""


def _free_now(keys: list[int], case: CaseRef) -> dict[int, _FreeBay]:
    """Which of these bays are free, freshly observed, open to the public, and have a place not held for others."""
    now = now_ms()
    with connection.cursor() as cursor:
        cursor.execute(
            _FREE_NOW.format(",".join(["%s"] * len(keys))),
            [now, case.pk, *keys, now - settings.PATROL.bay_fresh_ms],
        )
        return {row[0]: _FreeBay(*row[:7]) for row in cursor.fetchall() if row[7] < row[6]}


def _hold(bay: _FreeBay | Bay, case: Case, until_ms: Millis) -> Reservation | None:
    """Hold a place of this bay for the case, or None where another was faster.

    Two cases cannot both succeed: each looks at the bay's row under its lock (on SQLite one writer is at work at a
    time), and the database's constraints stand behind that. A row that is locked is passed over, not waited for: the
    next bay is as good, and nobody waits for anybody in a circle.
    """
    locked = Bay.objects.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)
    bay_now = locked.filter(pk=bay.pk).first()
    if bay_now is None or not _usable(bay_now, held=False) or not _open(bay_now.hours, until_ms):
        return None
    now = now_ms()
    Reservation.objects.filter(
        Q(bay=bay_now) | Q(case=case), released_at_ms__isnull=True, until_ms__lte=now
    ).update(released_at_ms=now, release_reason="expired")
    live = Reservation.objects.filter(bay=bay_now, released_at_ms__isnull=True)
    taken = set(live.values_list("slot", flat=True))
    if len(taken) >= bay_now.free:
        return None
    slot = next(number for number in range(len(taken) + 1) if number not in taken)
    made = Reservation.objects.create(bay=bay_now, case=case, slot=slot, made_at_ms=now, until_ms=until_ms)
    history.append(case, "bay_held", now, "system", bay=bay_now.bay_id, name=bay_now.name, until_ms=until_ms)
    return made


def _release(reservations: list[Reservation], reason: str) -> int:
    now = now_ms()
    for reservation in reservations:
        reservation.released_at_ms, reservation.release_reason = now, reason
        reservation.save(update_fields=["released_at_ms", "release_reason"])
    announce(*{case_topic(reservation.case_id) for reservation in reservations})
    return len(reservations)


def _usable(bay: Bay, *, held: bool) -> bool:
    """Whether somebody may be sent there. A bay that is held is kept while it is merely not known to be free: its
    driver was told of it."""
    status = effective_status(bay)
    if held and status == BayStatus.UNKNOWN:
        return bay.public
    return status == BayStatus.FREE and bay.free > 0 and bay.public


def _offer(candidate: _Candidate, held_until_ms: Millis | None = None) -> Offer:
    bay = candidate.bay
    return Offer(
        spot_id=bay.bay_id,
        name=bay.name,
        distance_m=round(candidate.metres, 1),
        position=Position(longitude=bay.longitude, latitude=bay.latitude),
        reserved_until_ms=held_until_ms,
        kind=bay.kind,
        free=bay.free,
    )


def _metres(start: Position, bay: _FreeBay | Bay) -> float:
    lon, lat = np.array([bay.longitude]), np.array([bay.latitude])
    return float(WALKING.metres(start, lon, lat, haversine(start, lon, lat))[0])


WALKING: WalkingDistance = StraightLine()
"""How distances on foot are found. A street graph of the district takes this place."""


@dataclass(frozen=True, slots=True)
class _Layout:
    stamp: str
    index: BayIndex
    keys: list[int]
    hours: dict[int, list[Rule]]
    """By row, of the few that have any."""


class _Layouts:
    """Positions of each jurisdiction's bays as this process knows them, loaded again when their stamp changes.

    Only what hardly ever changes is kept in memory. What is free is asked of the database each time, so that no
    process offers what another has just given away.
    """

    def __init__(self) -> None:
        self._known: dict[str, _Layout] = {}
        self._lock = threading.Lock()

    def of(self, jurisdiction_id: str) -> _Layout | None:
        """The bays of a jurisdiction, or None where it has none."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT stamp FROM bays_layout WHERE jurisdiction_id = %s", [jurisdiction_id])
            row = cursor.fetchone()
        if row is None:
            return None
        stamp: str = row[0]
        known = self._known.get(jurisdiction_id)
        if known is not None and known.stamp == stamp:
            return known
        with self._lock:
            rows = list(
                Bay.objects.filter(jurisdiction_id=jurisdiction_id)
                .order_by("pk")
                .values_list("pk", "longitude", "latitude", "allowed", "hours")
            )
            keys, longitudes, latitudes, allowed, hours = zip(*rows, strict=True) if rows else ((),) * 5
            loaded = _Layout(
                stamp,
                BayIndex(longitudes, latitudes, allowed, WALKING),
                list(keys),
                {row: rules for row, rules in enumerate(hours) if rules is not None},
            )
            self._known[jurisdiction_id] = loaded
            return loaded


_layouts = _Layouts()
