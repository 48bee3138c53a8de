"""Every step that a warning takes. Each runs in one transaction, with its case locked first, as all writers do."""

from __future__ import annotations

import uuid
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import F

from central.bays.services import release_for
from central.cases import history
from central.cases import services as cases
from central.cases.models import Case
from central.fleet.models import Agent
from central.fleet.services import confirm_letter, write_letter
from central.live.services import TASKS, announce
from central.notices import ledger
from central.notices.models import OPEN, Delivery, Notice, NoticeState, Receipt
from central.notices.sealing import Content, seal
from central.owners import keys
from central.owners.services import plate_mark
from central.parking.models import Stay
from central.parking.services import open_stay
from central.project.clock import now_ms
from notifier.letter import Letter
from notifier.masking import mask_text
from notifier.policy import DAY_MS
from notifier.sms import Accepted, Refused, Unknown, reference
from protocol.clock import Millis
from protocol.messages import CaseRecord, NoticeRequest, NoticeResult

SYSTEM = "system"

CONTENT_KEPT_MS = 2 * DAY_MS
"""How long a settled notice keeps its sealed content, or longer where its plate may not be warned again so long."""

_WAITED_FOR = {"observing", "confirmed"}
"""States of the agent's case in which it waits for its warning."""


def take_request(agent: Agent, request: NoticeRequest) -> None:
    """An agent asks that the owner be warned. A second request for a case changes nothing: one warning a stay."""
    case, stay = open_stay(agent, request, request.first_seen_ms)
    stay.zone_id = stay.zone_id or request.zone_id
    stay.zone_name = stay.zone_name or request.zone_name
    stay.vehicle_class = stay.vehicle_class or request.vehicle_class
    stay.plate = stay.plate or request.plate
    stay.confirmed_at_ms = stay.confirmed_at_ms or request.confirmed_at_ms
    stay.save()
    cases.set_place(case, request.place, request.position)
    if request.evidence is not None:
        cases.name_evidence(case, agent, (request.evidence,))
    if Notice.objects.filter(case=case).exists():
        return
    key = keys.the_key()
    now = now_ms()
    letter = Letter(
        plate=request.plate,
        place=request.place,
        grace_ms=max(1, round(request.grace_s * 1000)),
        time_zone=_known_zone(request.time_zone),
        reference=reference(request.idempotency_key),
        languages=request.languages,
        sender=request.sender,
    )
    content = Content(
        letter=letter,
        vehicle_class=request.vehicle_class,
        position=request.position,
    )
    notice = Notice.objects.create(
        case=case,
        agent=agent,
        key=request.idempotency_key,
        reference=letter.reference,
        sealed=seal(key, request.idempotency_key, content),
        plate_mark=plate_mark(key, request.plate),
        street=request.street,
        renotice_ms=round(request.renotice_after_s * 1000),
        asked_at_ms=request.asked_at_ms,
        give_up_ms=request.give_up_ms,
        received_at_ms=now,
        due_at_ms=now,
    )
    told = {"place": case.place, "zone": stay.zone_id, "zone_name": stay.zone_name}
    history.append(case, "notice_asked", request.asked_at_ms, f"agent:{agent}", **told)
    drop_if_pointless(notice, case)


def _known_zone(name: str) -> str:
    """The agent's time zone, or the centre's own where that one says nothing to it."""
    try:
        return str(ZoneInfo(name)) if name else settings.PATROL.time_zone
    except (KeyError, ValueError, OSError):
        return str(settings.PATROL.time_zone)


def on_agent_step(case: Case, agent: Agent, record: CaseRecord, **_: Any) -> None:
    """The agent's case went on: a warning that it does not wait for any more is not sent, an answer that it took is
    not repeated."""
    if record.notice_result_id and confirm_letter(agent, record.notice_result_id):
        history.append(
            case, "notice_taken", record.at_ms, f"agent:{agent}", result_id=record.notice_result_id
        )
    if record.state in _WAITED_FOR:
        return
    waiting = (NoticeState.WAITING, NoticeState.HELD)
    notice = Notice.objects.select_for_update().filter(case=case, state__in=waiting).first()
    if notice is not None:
        _cancel(notice, case, now_ms())


def drop_if_pointless(notice: Notice, case: Case) -> None:
    """A warning that has certainly not been sent is not sent any more once the agent's case went on without it."""
    state = Stay.objects.values_list("agent_state", flat=True).filter(case=case).first()
    if state and state not in _WAITED_FOR:
        _cancel(notice, case, now_ms())


def _cancel(notice: Notice, case: Case, at_ms: Millis) -> None:
    _close(notice, NoticeState.CANCELLED, "", at_ms)
    ledger.release(notice)
    history.append(case, "notice_cancelled", at_ms, SYSTEM)


def locked(notice_id: int) -> tuple[Case, Notice]:
    """The notice and its case, locked in the order in which every writer locks: the case first."""
    case_id = Notice.objects.values_list("case_id", flat=True).get(pk=notice_id)
    case = Case.objects.select_for_update().get(pk=case_id)
    notice = Notice.objects.select_for_update().get(pk=notice_id)
    notice.case = case
    return case, notice


def held(notice: Notice, until_ms: Millis, reason: str) -> None:
    """It waits for its hour; the agent is told once, and waits along."""
    news = notice.held_until_ms != until_ms
    notice.state = NoticeState.HELD
    notice.held_until_ms = notice.due_at_ms = until_ms
    notice.reason = reason
    notice.save()
    if news:
        history.append(notice.case, "notice_held", now_ms(), SYSTEM, reason=reason)
        _answer(notice, state="held", until_ms=until_ms, reason=reason)
        announce(TASKS)


def settle(notice: Notice, result: Accepted | Refused | Unknown) -> None:
    """The outcome of a warning that is open, or was unknown until now; the agent is told."""
    now = now_ms()
    match result:
        case Accepted():
            _close(notice, NoticeState.ACCEPTED, "", now, save=False)
            notice.provider_id = result.provider_id[:100]
            notice.segments = result.segments or notice.segments
            notice.price, notice.currency = _price(result)
            notice.save()
            history.append(notice.case, "notice_accepted", now, SYSTEM, told_until_ms=notice.told_until_ms)
            _answer(notice, state="accepted", told_until_ms=notice.told_until_ms)
            apply_receipts(notice)
        case Refused(reason):
            reason = mask_text(reason)[:500]
            _close(notice, NoticeState.REFUSED, reason, now)
            ledger.release(notice)
            release_for(notice.case, "not_told")
            history.append(notice.case, "notice_refused", now, SYSTEM, reason=reason)
            _answer(notice, state="refused", reason=reason)
        case Unknown(reason):
            reason = mask_text(reason)[:500]
            _close(notice, NoticeState.UNKNOWN, reason, now)
            history.append(notice.case, "notice_unknown", now, SYSTEM, reason=reason)
            _answer(notice, state="unknown", reason=reason)
    announce(TASKS)


def apply_receipts(notice: Notice) -> None:
    """What the gateway said of a message, in whatever order it came: one part that failed outweighs all others. That
    a message did not reach the phone is told to the agent once."""
    words = Receipt.objects.filter(gateway=notice.gateway, provider_id=notice.provider_id)
    best = max(words, key=lambda word: (_RANK[word.status], word.pk), default=None)
    if best is None or _RANK[best.status] <= _RANK.get(notice.delivery, -1):
        return
    notice.delivery = best.status
    notice.delivery_code = best.code
    notice.delivery_at_ms = best.at_ms
    notice.save(update_fields=["delivery", "delivery_code", "delivery_at_ms"])
    if best.status == Delivery.DELIVERED:
        history.append(notice.case, "notice_delivered", best.at_ms, SYSTEM)
    elif best.status == Delivery.FAILED:
        reason = best.code.partition(" ")[2] or "not_delivered"
        notice.reason = reason
        notice.save(update_fields=["reason"])
        history.append(notice.case, "notice_failed", best.at_ms, SYSTEM, reason=reason, code=best.code)
        ledger.release(notice)
        _answer(notice, state="refused", reason=reason)
    announce(TASKS)


_RANK: dict[str, int] = {Delivery.SENT: 0, Delivery.DELIVERED: 1, Delivery.FAILED: 2}


def sweep() -> None:
    """Forget what was told under seal once nothing needs it any more; the marks and the course stay."""
    now = now_ms()
    done = Notice.objects.exclude(sealed=None).exclude(state__in=OPEN)
    old = done.filter(settled_at_ms__lt=now - CONTENT_KEPT_MS)
    old.filter(settled_at_ms__lt=now - F("renotice_ms")).update(sealed=None)
    Receipt.objects.filter(at_ms__lt=now - 30 * DAY_MS).delete()


def _close(notice: Notice, state: NoticeState, reason: str, at_ms: Millis, *, save: bool = True) -> None:
    notice.state = state
    notice.reason = reason
    notice.settled_at_ms = at_ms
    notice.due_at_ms = None
    if save:
        notice.save()


def _price(result: Accepted) -> tuple[Decimal | None, str]:
    try:
        # Twilio shows what was paid as a negative number.
        return (
            (None, "") if result.price is None else (abs(Decimal(result.price)), (result.currency or "")[:3])
        )
    except InvalidOperation:
        return None, ""


def _answer(notice: Notice, **facts: Any) -> None:
    """A letter to the agent, repeated until one of its records names it."""
    result = NoticeResult(
        result_id=f"n-{uuid.uuid4().hex}",
        key=notice.key,
        case_id=notice.agent_case_id,
        at_ms=now_ms(),
        **facts,
    )
    write_letter(notice.agent, result.result_id, result.model_dump_json())
