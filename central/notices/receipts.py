"""What gateways say afterwards: receipts of delivery, and what people answered. Each may come twice and in any order."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from django.db import transaction

from central.contact import services as contact
from central.notices import services
from central.notices.models import Delivery, Notice, NoticeState, Receipt
from central.owners import keys
from central.owners import services as owners
from central.project.clock import now_ms
from notifier.masking import mask_phone
from notifier.policy import heard
from notifier.sms import Accepted
from protocol.errors import PatrolError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Word:
    """What a gateway said of one message.

    Args:
        gateway: ``twilio`` or ``aliyun``.
        provider_id: the gateway's name of the message.
        outcome: what it means.
        code: the gateway's own code, if it failed.
        reason: the code in words.
        reference: our name of the message, if the call-back carries it.
        phone: whom it went to, if the call-back says.
    """

    gateway: str
    provider_id: str
    outcome: Delivery
    code: str = ""
    reason: str = ""
    reference: str = ""
    phone: str = field(default="", repr=False)


def take(word: Word) -> bool:
    """Keep a receipt and apply it; True if it was new. A receipt of a message whose acceptance was never heard proves
    that the gateway has it: that settles the notice, and nothing is sent again."""
    code = f"{word.code} {word.reason}".strip()[:100] if word.outcome == Delivery.FAILED else ""
    now = now_ms()
    with transaction.atomic():
        _, new = Receipt.objects.get_or_create(
            gateway=word.gateway,
            provider_id=word.provider_id,
            status=word.outcome,
            code=code,
            defaults={"at_ms": now},
        )
    notice_id = _notice_of(word)
    if notice_id is None:
        contact.delivered(word.gateway, word.provider_id, word.reference, word.outcome, word.phone)
    else:
        _apply(word, notice_id)
    if word.reason == "opted_out" and word.phone:
        note_answer(word.phone, "TD", source=word.gateway)
    return new


def _apply(word: Word, notice_id: int) -> None:
    with transaction.atomic():
        _, notice = services.locked(notice_id)
        if notice.state in (NoticeState.SENDING, NoticeState.UNKNOWN):
            services.settle(notice, Accepted(word.provider_id))
        elif notice.state == NoticeState.ACCEPTED:
            if notice.provider_id != word.provider_id:  # known from a look-up only, which does not name it
                notice.provider_id = word.provider_id
                notice.save(update_fields=["provider_id"])
            services.apply_receipts(notice)


def _notice_of(word: Word) -> int | None:
    named = Notice.objects.filter(gateway=word.gateway)
    found = named.filter(provider_id=word.provider_id).values_list("pk", flat=True).first()
    if found is not None or not word.reference:
        return found
    # Our reference has 30 bits: it names a message only together with the number that it went to.
    asked = named.filter(reference=word.reference).exclude(sent_at_ms=None)
    if word.phone:
        asked = asked.filter(phone_mark=owners.phone_mark(keys.the_key(), word.phone))
    unnamed = [
        notice.pk
        for notice in asked
        if not notice.provider_id or notice.provider_id == f"out-{notice.reference}"
    ]
    return unnamed[0] if len(unnamed) == 1 else None


def note_answer(phone: str, text: str, *, source: str, asks: str | None = None) -> bool:
    """Somebody answered: those who want no messages get none any more, until they say otherwise. True if that is news.

    Args:
        phone: who answered.
        text: what, in full.
        source: through which gateway.
        asks: what the gateway itself understood, ``stop`` or ``start``.
    """
    wish = asks or heard(text)
    if wish is None:
        log.info("an answer from %s that asks for nothing we know", mask_phone(phone))
        return False
    try:
        news = owners.opt_out(phone, source=source, opted_out=wish == "stop")
    except PatrolError as error:
        log.warning("an answer could not be noted: %s", error.problem)
        return False
    if news:
        log.info("%s wants %s messages", mask_phone(phone), "no more" if wish == "stop" else "again")
    return news
