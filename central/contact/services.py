"""Ask for a message to somebody without a log-in, once. A worker carries it (`central.contact.carrier`)."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction

from central.cases.models import Told
from central.contact.models import Message, MessageState
from central.contact.sealing import Content, seal
from central.owners.keys import the_key
from central.owners.services import phone_mark
from central.project.clock import now_ms
from notifier.masking import mask_phone, mask_text
from notifier.owners import normal_phone
from notifier.sms import reference
from protocol.errors import PatrolError

__all__ = ["LANGUAGES", "delivered", "send", "unreachable"]

LANGUAGES = ("zh", "en")
"""Of the texts that `send` takes."""

LONGEST = 500
"""Characters of a text: some eight parts of an SMS."""

_REFERENCE = {"zh": "（编号 {}）", "en": " (ref. {})"}
"""The mark by which a gateway can be asked what became of a message, and which the person can quote."""

GIVE_UP_MS = 3 * 86_400_000
GIVE_UP_URGENT_MS = 10 * 60_000
"""After so long nobody waits for it any more: news of a case, and a code to log in with."""


def send(
    *,
    jurisdiction_id: str,
    phone: str,
    key: str,
    text: Mapping[str, str],
    language: str = "zh-hans",
    urgent: bool = False,
    kind: str = "message",
    values: Mapping[str, str] | None = None,
    told: Told | None = None,
) -> Message:
    """Ask for a message, in the caller's transaction; a second call with the same key changes nothing.

    Args:
        jurisdiction_id: who writes.
        phone: to whom; E.164, or a mobile number of the Chinese mainland.
        key: idempotency key.
        text: by language, `zh` and `en`; our reference is added.
        language: which of them the person reads: `zh-hans` or `en`.
        urgent: the person asked for it a moment ago and waits: it goes at any hour, also to those who want no
            messages, and is given up after ten minutes.
        kind: what it is, for gateways whose templates lie with the gateway and for figures.
        values: the words in the text, for the same.
        told: the step of a case that it tells of.

    Raises:
        PatrolError: no such number, no such language, or a text that is empty or too long.
        UnavailableError: the key that seals it cannot be used now.
    """
    try:
        number = normal_phone(phone)
    except ValueError as error:
        raise PatrolError(f"no phone number: {error}", field="phone", value=mask_phone(phone)) from error
    spoken = "en" if language.lower().startswith("en") else "zh"
    words = text.get(spoken, "").strip()
    if not words:
        raise PatrolError("a message has a text in the language of its reader", field=f"text.{spoken}")
    if len(words) > LONGEST:
        raise PatrolError(f"a message has at most {LONGEST} characters", field=f"text.{spoken}")
    marker = reference(key)
    words += _REFERENCE[spoken].format(marker)
    secret, now = the_key(), now_ms()
    content = Content(number, words, {**(values or {}), "reference": marker})
    fresh = Message(
        jurisdiction_id=jurisdiction_id,
        key=key,
        reference=marker,
        kind=kind,
        urgent=urgent,
        sealed=seal(secret, key, content),
        phone_mark=phone_mark(secret, number),
        phone_masked=mask_phone(number),
        language="en" if spoken == "en" else "zh-Hans",
        made_at_ms=now,
        give_up_ms=now + (GIVE_UP_URGENT_MS if urgent else GIVE_UP_MS),
        due_at_ms=now,
        told=told,
    )
    Message.objects.bulk_create([fresh], ignore_conflicts=True)
    return Message.objects.get(key=key)


def unreachable(*, jurisdiction_id: str, key: str, kind: str, reason: str, told: Told | None = None) -> None:
    """Somebody should be written to and cannot be: kept, so that it is seen and counted. Once per key."""
    now = now_ms()
    Message.objects.bulk_create(
        [
            Message(
                jurisdiction_id=jurisdiction_id,
                key=key,
                reference=reference(key),
                kind=kind,
                state=MessageState.REFUSED,
                reason=mask_text(reason)[:500],
                language="zh-Hans",
                made_at_ms=now,
                give_up_ms=now,
                settled_at_ms=now,
                told=told,
            )
        ],
        ignore_conflicts=True,
    )


def delivered(gateway: str, provider_id: str, marker: str, outcome: str, phone: str = "") -> bool:
    """A gateway says what became of a message; True if it is one of ours. May come twice, and before the acceptance.

    Args:
        gateway: which.
        provider_id: the gateway's own name of the message.
        marker: our reference, if the call-back carries it.
        outcome: `sent`, `delivered` or `failed`.
        phone: whom it went to, if the call-back says: a reference alone names no message for certain.
    """
    rows = Message.objects.filter(gateway=gateway)
    with transaction.atomic():
        found = rows.filter(provider_id=provider_id).select_for_update().first()
        if found is None and marker and phone:
            mark = phone_mark(the_key(), phone)
            unnamed = rows.filter(reference=marker, phone_mark=mark, provider_id="")
            found = unnamed.exclude(sent_at_ms=None).select_for_update().first()
        if found is None:
            return False
        if found.state in (MessageState.SENDING, MessageState.UNKNOWN):
            settle(found, MessageState.ACCEPTED, provider_id=provider_id)
        if found.delivery not in ("delivered", "failed"):
            found.delivery, found.delivery_at_ms = outcome, now_ms()
            found.save(update_fields=["delivery", "delivery_at_ms"])
    return True


def settle(message: Message, state: MessageState, *, reason: str = "", provider_id: str = "") -> None:
    """Nothing more is done about a message; its content is forgotten. In the caller's transaction, on the locked row."""
    message.state = state
    message.reason = mask_text(reason)[:500]
    message.provider_id = provider_id or message.provider_id
    message.settled_at_ms = now_ms()
    message.due_at_ms = None
    if state != MessageState.UNKNOWN:
        message.sealed = None
    message.save()
    if state == MessageState.ACCEPTED and message.told_id:
        Told.objects.filter(pk=message.told_id, sent_at_ms__isnull=True).update(sent_at_ms=now_ms())
