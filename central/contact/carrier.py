"""Takes one due message a step further. At most one SMS per message, whatever dies in between.

The intent is committed before the gateway is called; a message found in `sending` is looked up at the gateway. The rules
of what follows what are `notifier.sms.course`, the same that warnings and boxes obey.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction

from central.contact.models import Message, MessageState
from central.contact.sealing import Content, unseal
from central.contact.services import settle
from central.owners import keys
from central.owners.services import has_opted_out
from central.project import faults
from central.project.clock import now_ms
from central.project.leases import take_due
from notifier.backoff import system_dice
from notifier.masking import mask_text
from notifier.notice import segments
from notifier.policy import DAY_MS, NoticePolicy, quiet_until
from notifier.sms import Accepted, Refused, SmsGateway, SmsPolicy, SmsRequest
from notifier.sms.course import Finish, LookLater, Looks, SendLater, after_look, after_send, gave_up
from protocol.errors import PatrolError

log = logging.getLogger(__name__)

LEASE_MS = 30_000
"""A message that a worker took is not taken by another for so long, besides what a call of the gateway may last."""


HELD_MOST_MS = 7 * DAY_MS
"""How long a message waits for a day on which its number has not had its messages yet."""


@dataclass(frozen=True, slots=True)
class Carrier:
    """Carries messages to the gateway. May be used from several threads.

    Args:
        gateway: sends.
        name: of the gateway, for the row.
        policy_of: quiet hours and limits of a jurisdiction.
        longest_call_ms: of the gateway.
        policy: when to try, look and give up.
        dice: for jitter.
    """

    gateway: SmsGateway
    name: str
    policy_of: Callable[[str], NoticePolicy]
    longest_call_ms: int = 0
    policy: SmsPolicy = field(default_factory=SmsPolicy)
    dice: random.Random = field(default_factory=system_dice)

    @property
    def lease_ms(self) -> int:
        """For how long a message is one worker's."""
        return LEASE_MS + self.longest_call_ms

    def run_once(self) -> bool:
        """Take one due message a step further; False if none was due.

        Raises:
            DatabaseError, InterfaceError: the database cannot be used; nothing is lost.
        """
        # Whoever waits with the phone in hand goes first.
        message = take_due(Message.objects.order_by("-urgent", "due_at_ms", "pk"), self.lease_ms)
        if message is None:
            return False
        try:
            self._advance(message)
        except PatrolError as error:
            log.warning("message %s: %s", message.reference, mask_text(str(error)))
            self._put_off(message, LEASE_MS, mask_text(error.problem))
        except Exception as error:
            if not faults.of_this_alone(error):
                raise
            # An error of our own with one message must neither stop the others nor lose it.
            log.exception("message %s could not be worked on", message.reference)
            self._put_off(message, LEASE_MS, "an internal error; see the log")
        return True

    def _advance(self, message: Message) -> None:
        content = unseal(keys.the_key(), message)
        late = now_ms() >= message.give_up_ms
        if message.state == MessageState.SENDING:
            result = self.gateway.lookup(_request(message, content), message.made_at_ms)
            looks = Looks.read(message.looks)
            step = after_look(
                result, looks, too_late=late, reason=message.reason, policy=self.policy, dice=self.dice
            )
            self._after(message, step)
        elif late:
            self._after(message, Finish(gave_up(message.reason)))
        else:
            self._send(message, content)

    def _send(self, message: Message, content: Content) -> None:
        with transaction.atomic():
            current = Message.objects.select_for_update().get(pk=message.pk)
            if (current.state, current.attempts) != (message.state, message.attempts):
                return
            now = now_ms()
            if not current.urgent:
                refused, until_ms = self._judge(current, content, now)
                if refused:
                    settle(current, MessageState.REFUSED, reason=refused)
                    return
                if until_ms is not None:
                    current.state, current.due_at_ms = MessageState.HELD, until_ms
                    current.give_up_ms = max(current.give_up_ms, until_ms + DAY_MS)
                    current.save()
                    return
            current.state = MessageState.SENDING
            current.attempts += 1
            current.looks = current.reason = ""
            current.sent_at_ms = now
            current.gateway = self.name
            current.segments = segments(content.text).segments
            current.due_at_ms = now + max(self.lease_ms, self.policy.settle_ms)
            current.save()
        result = self.gateway.send(_request(current, content))
        self._after(current, after_send(result, current.attempts - 1, self.policy, self.dice))

    def _judge(self, message: Message, content: Content, now: int) -> tuple[str, int | None]:
        """(why it is never sent, or until when it waits)."""
        policy = self.policy_of(message.jurisdiction_id)
        if has_opted_out(message.phone_mark):
            return "the number wants no messages", None
        if policy.foreign == "refuse" and not content.phone.startswith(policy.home):
            return "a foreign number", None
        recent = Message.objects.filter(phone_mark=message.phone_mark, sent_at_ms__gt=now - DAY_MS)
        sent = sorted(recent.exclude(pk=message.pk).filter(urgent=False).values_list("sent_at_ms", flat=True))
        free_at = now
        if 0 < policy.per_number_per_day <= len(sent):
            # News waits for its turn. After a week of too much of it nobody is helped by it, and it is refused where all see it.
            if now - message.made_at_ms > HELD_MOST_MS:
                return "this number has had its messages of the day", None
            free_at = sent[-policy.per_number_per_day] + DAY_MS
        until = quiet_until(policy.quiet, free_at, ZoneInfo(settings.PATROL.time_zone))
        return "", until if until is not None or free_at == now else free_at

    def _after(self, message: Message, step: Finish | LookLater | SendLater) -> None:
        with transaction.atomic():
            current = Message.objects.select_for_update().get(pk=message.pk)
            if (current.state, current.attempts) != (message.state, message.attempts):
                return  # a receipt was faster
            match step:
                case Finish(Accepted() as result):
                    settle(current, MessageState.ACCEPTED, provider_id=result.provider_id)
                case Finish(result):
                    log.warning("message %s: %s", current.reference, mask_text(result.reason))
                    lost = MessageState.REFUSED if isinstance(result, Refused) else MessageState.UNKNOWN
                    settle(current, lost, reason=result.reason)
                case SendLater(wait_ms, reason):
                    current.state = MessageState.WAITING
                    current.due_at_ms, current.reason = now_ms() + wait_ms, mask_text(reason)[:500]
                    current.save()
                case LookLater(wait_ms, reason, looks):
                    current.looks = str(looks)
                    current.due_at_ms, current.reason = now_ms() + wait_ms, mask_text(reason)[:500]
                    current.save()

    def _put_off(self, message: Message, wait_ms: int, reason: str) -> None:
        Message.objects.filter(pk=message.pk, state=message.state, attempts=message.attempts).update(
            due_at_ms=now_ms() + wait_ms, reason=reason[:500]
        )


def _request(message: Message, content: Content) -> SmsRequest:
    return SmsRequest(
        message.key, content.phone, content.text, message.language, content.values, kind=message.kind
    )
