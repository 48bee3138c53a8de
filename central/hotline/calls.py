"""Calls: written down once, with the case they are about; who rang is known at once by the number, and shown sparingly."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import Q

from central.cases import actions
from central.cases.models import Case, Reporter
from central.cases.reporters import Contact, contact_of, find_or_make
from central.cases.reports import NewCase, open_case
from central.cases.states import CaseState
from central.hotline.config import Subject
from central.hotline.models import Call, Direction
from central.live.services import announce
from central.owners.keys import the_key
from central.people.models import User
from central.project.clock import now_ms
from notifier.masking import mask_phone
from notifier.owners import OwnersKey
from protocol.errors import PatrolError
from protocol.messages import Position

HOTLINE = "hotline"
"""The topic of open pages that show calls and what follows from them."""

SHOWN = 20
LONGEST_MS = 4 * 3_600_000
"""A form that lay open for longer was not a call of that length."""

RECORDING_LENGTH = 200
_BOUND = b"hotline call"


@dataclass(frozen=True, slots=True)
class NewCall:
    """What a call-taker writes down. `key` makes a form that is sent twice one call; `started_at_ms` UTC milliseconds."""

    key: str
    jurisdiction_id: str
    started_at_ms: int
    phone: str = field(default="", repr=False)
    name: str = field(default="", repr=False)
    confidential: bool = False
    subject: Subject | None = None
    summary: str = ""
    place: str = ""
    recording: str = ""
    direction: str = Direction.IN
    join: int | None = None
    """Number of the case that the call is about; None: a new one, where `opens` says so."""

    opens: bool = True


def take(new: NewCall, user: User) -> tuple[Call, bool]:
    """Write a call down, with its case; (call, whether it is new). All or nothing, once for its key.

    Raises:
        PatrolError: a number that is none, nothing said where a case is to be opened, or a text too long.
        Case.DoesNotExist: the case to join is not there or not in the person's scope.
    """
    if len(new.recording) > RECORDING_LENGTH or "\x00" in new.recording:
        raise PatrolError(f"at most {RECORDING_LENGTH} characters", field="recording")
    if len(new.summary) > 4000 or "\x00" in new.summary:
        raise PatrolError("a text of at most 4000 characters is needed", field="text")
    with transaction.atomic():
        known = Call.objects.select_for_update().visible_to(user).filter(key=new.key).first()
        if known is not None:
            return known, False
        reporter = None
        if new.phone.strip() or new.name.strip():
            reporter = find_or_make(new.jurisdiction_id, Contact(new.name, new.phone))
        case = _case(new, user, reporter)
        now = now_ms()
        made = Call(
            key=new.key,
            jurisdiction_id=new.jurisdiction_id,
            direction=new.direction,
            started_at_ms=min(max(new.started_at_ms, now - LONGEST_MS), now),
            ended_at_ms=now,
            taken_by=user,
            reporter=reporter,
            sealed_name=_seal(the_key(), new.name.strip()) if new.name.strip() else None,
            confidential=new.confidential,
            subject="" if new.subject is None else new.subject.code,
            summary=new.summary.strip(),
            recording=new.recording.strip(),
            case=case,
        )
        Call.objects.bulk_create([made], ignore_conflicts=True)
        kept = Call.objects.select_for_update().get(key=new.key)
        announce(HOTLINE)
    return kept, kept.ended_at_ms == now


def _case(new: NewCall, user: User, reporter: Reporter | None) -> Case | None:
    actor = f"user:{user.get_username()}"
    if new.join is not None:
        case: Case = Case.objects.visible_to(user).get(pk=new.join, jurisdiction_id=new.jurisdiction_id)
        if new.summary.strip():
            actions.write_note(case.pk, actor, new.summary, f"call-{new.key}"[:100])
        return case
    if not new.opens:
        return None
    if new.subject is None:
        raise PatrolError("what is it about? A subject is needed", field="subject")
    at = where(user, new.jurisdiction_id, new.place)
    return open_case(
        NewCase(
            source="hotline",
            source_key=f"hotline/{new.key}",
            service_code=new.subject.service,
            jurisdiction_id=new.jurisdiction_id,
            at_ms=now_ms(),
            actor=actor,
            text=new.summary,
            place=new.place,
            position=at,
            reporter=reporter,
        )
    )[0]


def where(user: User, jurisdiction_id: str, place: str) -> Position | None:
    """Where a place lies that an earlier case named by the same words."""
    if not place.strip():
        return None
    known = (
        Case.objects.visible_to(user)
        .filter(jurisdiction_id=jurisdiction_id, place=place.strip(), longitude__isnull=False)
        .order_by("-opened_at_ms", "-pk")
        .values_list("longitude", "latitude")
        .first()
    )
    return None if known is None else Position(longitude=known[0], latitude=known[1])


@dataclass(frozen=True, slots=True)
class History:
    """What is known of a number: cases, the open ones first, and calls, the newest first."""

    cases: list[Case]
    calls: list[Call]
    confidential: int
    """How many calls are confidential: neither their cases nor their words are shown here."""


def history_of(user: User, reporter: Reporter) -> History:
    """Earlier cases and calls of a number that this person may see, without those that were told in confidence."""
    calls = Call.objects.visible_to(user).filter(reporter=reporter).order_by("-started_at_ms", "-pk")
    open_, hidden = calls.filter(confidential=False), calls.filter(confidential=True)
    told = Case.objects.visible_to(user).filter(
        Q(reporter=reporter) | Q(pk__in=open_.order_by().values("case_id"))
    )
    told = told.exclude(pk__in=hidden.order_by().exclude(case=None).values("case_id"))
    told = told.exclude(city_order__confidential=True)
    shown = [
        *told.exclude(state=CaseState.CLOSED).order_by("-opened_at_ms", "-pk")[:SHOWN],
        *told.filter(state=CaseState.CLOSED).order_by("-closed_at_ms", "-pk")[:SHOWN],
    ]
    return History(shown[:SHOWN], list(open_.select_related("case", "taken_by")[:SHOWN]), hidden.count())


def contact(call: Call) -> Contact:
    """Name and number in the clear. Whoever calls this has written the look down.

    Raises:
        PatrolError: sealed with another key, or changed.
    """
    known = Contact() if call.reporter is None else contact_of(call.reporter)
    if call.sealed_name is None:
        return known
    try:
        name = json.loads(the_key().unseal(bytes(call.sealed_name), _BOUND))
    except ValueError as error:
        raise PatrolError("this caller cannot be unsealed", value=f"call {call.pk}") from error
    return Contact(name, known.phone, known.language)


def masked_numbers(calls: Iterable[Call]) -> dict[int, str]:
    """Number of a call -> its telephone number with the middle hidden; nothing of those told in confidence."""
    found = {}
    for call in calls:
        if not call.confidential and call.reporter is not None:
            phone = contact_of(call.reporter).phone
            found[call.pk] = mask_phone(phone) if phone else ""
    return found


def reseal(old: OwnersKey, new: OwnersKey, **_: Any) -> None:
    """The key changes: names of callers and the city's messages are sealed anew."""
    from central.hotline.models import CityOrder

    for call in Call.objects.exclude(sealed_name=None).iterator(chunk_size=500):
        assert call.sealed_name is not None
        Call.objects.filter(pk=call.pk).update(
            sealed_name=new.seal(old.unseal(bytes(call.sealed_name), _BOUND), _BOUND)
        )
    for order in CityOrder.objects.all().iterator(chunk_size=500):
        plain = old.unseal(bytes(order.content), CITY_BOUND)
        CityOrder.objects.filter(pk=order.pk).update(content=new.seal(plain, CITY_BOUND))


CITY_BOUND = b"hotline city order"


def _seal(key: OwnersKey, name: str) -> bytes:
    return key.seal(json.dumps(name, ensure_ascii=False).encode(), _BOUND)
