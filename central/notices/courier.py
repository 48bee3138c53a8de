"""Takes one due notice a step further. At most one message per notice, whatever dies in between.

The intent is committed before the gateway is called. A notice found in `sending` is looked up at the gateway; only when
the gateway has said often enough, far enough apart, that it has no such message is it sent again. The rules of what
follows what are `notifier.sms.course`, the same that a box obeys.
"""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass, field

from django.conf import settings
from django.db import DatabaseError, transaction

from central.cases.models import Case
from central.notices import ledger, services, texts
from central.notices.config import NoticesFile
from central.notices.models import Notice, NoticeState
from central.notices.page import with_page
from central.notices.sealing import Content, seal, unseal
from central.owners import keys
from central.owners import services as owners
from central.project import leases
from central.project.clock import now_ms
from notifier.backoff import system_dice
from notifier.letter import Written
from notifier.masking import mask_phone, mask_text
from notifier.owners import NoOwner
from notifier.policy import Hold, Refuse
from notifier.sms import Refused, Retry, SmsGateway, SmsPolicy, SmsRequest, SmsResult, Unknown
from notifier.sms.course import (
    Finish,
    LookLater,
    Looks,
    SendLater,
    after_look,
    after_send,
    gave_up,
    retry_wait_ms,
)
from protocol.clock import Millis
from protocol.errors import PatrolError, UnavailableError

log = logging.getLogger(__name__)

LEASE_MS = 30_000
"""A notice that a worker took is not taken by another for so long, besides what a call of the gateway may last."""

WHO = "notices worker"


@dataclass(frozen=True, slots=True)
class Courier:
    """Carries notices to the gateway. May be used from several threads.

    Args:
        gateway: sends.
        conf: how owners are warned.
        policy: when to try, look and give up.
        dice: for jitter.
    """

    gateway: SmsGateway
    conf: NoticesFile
    policy: SmsPolicy = field(default_factory=SmsPolicy)
    dice: random.Random = field(default_factory=system_dice)

    def run_once(self) -> bool:
        """Take one due notice a step further; False if none was due.

        Raises:
            DatabaseError: the database cannot be used; nothing is lost.
        """
        notice = take_due(self.lease_ms)
        if notice is None:
            return False
        try:
            self._advance(notice)
        except (DatabaseError, PatrolError) as error:
            if isinstance(error, DatabaseError):
                raise
            log.warning("notice %s: %s", notice.reference, mask_text(str(error)))
            self._put_off(notice, LEASE_MS, mask_text(error.problem))
        except Exception:
            # An error of our own with one notice must neither stop the others nor lose it.
            log.exception("notice %s could not be worked on", notice.reference)
            self._put_off(notice, LEASE_MS, "an internal error; see the log")
        return True

    @property
    def lease_ms(self) -> int:
        """For how long a notice is one worker's: longer than any call of the gateway lasts."""
        return LEASE_MS + round(self.conf.sms.longest_call_s * 1000)

    def _advance(self, notice: Notice) -> None:
        content = unseal(keys.the_key(), notice)
        if notice.state == NoticeState.SENDING:
            self._look(notice, content)
            return
        if too_late(notice, now_ms()):
            self._settle(notice, gave_up(notice.reason if notice.state == NoticeState.WAITING else ""))
            return
        found = self._owner(notice, content)
        if isinstance(found, Content):
            self._send(notice, found)

    def _owner(self, notice: Notice, content: Content) -> Content | None:
        """The content with the number to write to; None if that has settled or put off the notice."""
        if content.phone is not None:
            return content
        try:
            found = owners.find(content.letter.plate, purpose=f"warning {notice.key}", who=WHO)
        except UnavailableError as error:
            retry = Retry(f"the directory of owners does not answer: {error.problem}")
            self._send_later(
                notice, retry_wait_ms(retry, notice.attempts, self.policy, self.dice), retry.reason
            )
            return None
        if isinstance(found, NoOwner):
            self._settle(notice, Refused(found.reason, f"owner_{found.reason}"))
            return None
        return content.model_copy(update={"phone": found.phone, "preferred": found.language})

    def _send(self, notice: Notice, content: Content) -> None:
        assert content.phone is not None
        content = self._signed(content)
        key = keys.the_key()
        mark = owners.phone_mark(key, content.phone)
        with transaction.atomic():
            case, current = services.locked(notice.pk)
            if current.attempts != notice.attempts or current.state not in (
                NoticeState.WAITING,
                NoticeState.HELD,
            ):
                return  # cancelled in the meantime, or taken by another
            now = now_ms()
            if too_late(current, now):
                services.settle(current, gave_up(""))
                return
            policy = self.conf.policy_of(case.jurisdiction_id)
            verdict = ledger.verdict(current, content, content.phone, mark, policy, now)
            current.phone_mark = mark
            current.phone_masked = mask_phone(content.phone)
            match verdict:
                case Refuse():
                    services.settle(current, Refused(verdict.reason, verdict.code))
                    return
                case Hold(until_ms, reason):
                    services.held(current, until_ms, reason)
                    return
            content = _with_page(case, current, content, now)
            wording = {"wording": texts.wording_of(case.jurisdiction_id)}
            content = content.model_copy(update={"letter": content.letter.model_copy(update=wording)})
            current.sealed = seal(key, current.key, content)
            written = content.letter.write(now, content.preferred)
            ledger.note(current, now)
            self._mark_sending(current, written, now)
        log.info("notice %s to %s: attempt %d", current.reference, current.phone_masked, current.attempts)
        result = self.gateway.send(_request(current, content, written))
        self._after(current, after_send(result, current.attempts - 1, self.policy, self.dice))

    def _signed(self, content: Content) -> Content:
        """With the sender, where the agent names none, and the word to answer, as this centre is configured now."""
        letter = content.letter
        words = {"sender": letter.sender or self.conf.sender, "opt_out": self.conf.opt_out}
        return content.model_copy(update={"letter": letter.model_copy(update=words)})

    def _mark_sending(self, notice: Notice, written: Written, now: Millis) -> None:
        notice.state = NoticeState.SENDING
        notice.attempts += 1
        notice.looks = ""
        notice.reason = ""
        notice.sent_at_ms = now
        notice.told_until_ms = max(written.told_until_ms, notice.told_until_ms or 0)
        notice.language = written.language
        notice.segments = written.notice.size.segments
        notice.gateway = self.conf.sms.gateway
        notice.due_at_ms = now + max(self.lease_ms, self.policy.settle_ms)
        notice.save()

    def _look(self, notice: Notice, content: Content) -> None:
        assert content.phone is not None
        written = content.letter.write(notice.sent_at_ms or notice.received_at_ms, content.preferred)
        result = self.gateway.lookup(_request(notice, content, written), notice.received_at_ms)
        step = after_look(
            result,
            Looks.read(notice.looks),
            too_late=too_late(notice, now_ms()),
            reason=notice.reason,
            policy=self.policy,
            dice=self.dice,
        )
        self._after(notice, step)

    def _after(self, notice: Notice, step: Finish | LookLater | SendLater) -> None:
        match step:
            case Finish(result):
                self._settle(notice, result)
            case SendLater(wait_ms, reason):
                self._send_later(notice, wait_ms, reason)
            case LookLater(wait_ms, reason, looks):
                self._put_off(notice, wait_ms, mask_text(reason), str(looks))

    # What is stored of it. A notice that went on by other hands meanwhile (a receipt) stays as it is.

    def _settle(self, notice: Notice, result: SmsResult) -> None:
        assert not isinstance(result, Retry)
        if isinstance(result, Unknown | Refused):
            log.warning("notice %s: %s", notice.reference, mask_text(result.reason))
        with transaction.atomic():
            _, current = services.locked(notice.pk)
            if (current.state, current.attempts) == (notice.state, notice.attempts):
                services.settle(current, result)

    def _send_later(self, notice: Notice, wait_ms: int, reason: str) -> None:
        """It certainly was not sent this time. If nobody waits for it any more, it is not sent at all."""
        with transaction.atomic():
            case, current = services.locked(notice.pk)
            if (current.state, current.attempts) != (notice.state, notice.attempts):
                return
            current.state = NoticeState.HELD if current.held_until_ms else NoticeState.WAITING
            current.due_at_ms = now_ms() + wait_ms
            current.reason = mask_text(reason)[:500]
            current.save()
            services.drop_if_pointless(current, case)

    def _put_off(self, notice: Notice, wait_ms: int, reason: str, looks: str | None = None) -> None:
        changes = {"due_at_ms": now_ms() + wait_ms, "reason": reason[:500]}
        if looks is not None:
            changes["looks"] = looks
        Notice.objects.filter(pk=notice.pk, state=notice.state, attempts=notice.attempts).update(**changes)


def take_due(lease_ms: int) -> Notice | None:
    """The notice that has been due for longest, leased."""
    return leases.take_due(Notice.objects.order_by("due_at_ms", "pk"), lease_ms)


def too_late(notice: Notice, now: Millis) -> bool:
    """Whether the agent may have stopped waiting. Its clock may be ahead of ours: then as much of it has passed since
    it asked as of ours since we heard. What was held for its hour has its whole time from that hour on."""
    limit_ms = notice.give_up_ms + max(0, (notice.held_until_ms or 0) - notice.asked_at_ms)
    agent_ms = max(now, notice.asked_at_ms + now - notice.received_at_ms)
    return agent_ms >= limit_ms


def _with_page(case: Case, notice: Notice, content: Content, now: Millis) -> Content:
    """Bays and page help; a message without them is better than none."""
    try:
        with transaction.atomic():
            return with_page(case, notice, content, now)
    except PatrolError as error:
        log.warning("notice %s goes without a page: %s", notice.reference, mask_text(str(error)))
        return content


def _request(notice: Notice, content: Content, written: Written) -> SmsRequest:
    assert content.phone is not None
    return SmsRequest(notice.key, content.phone, written.notice.text, written.language, written.notice.values)


def status_url() -> str | None:
    """Where Twilio posts what became of a message, if it can reach us."""
    base = settings.PATROL.public_url
    return None if base is None else f"{base.rstrip('/')}/notices/twilio/status"
