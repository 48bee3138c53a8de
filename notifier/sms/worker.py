"""Carries out the sms items of an outbox: at most one message per item, whatever dies in between.

    pending --intent stored--> sending --gateway accepted--> done
       ^                          |  \\-- gateway refused --> dead
       |--- certainly not sent ---|
       '--- looked up, not found -'   unknown outcome: stays `sending`, is looked up, never just sent again

The intent is committed before the gateway is called. An item found in `sending`, after a crash or an unknown
outcome, is looked up at the gateway; only when the gateway has said often enough, far enough apart, that it
has no such message is it sent again.
"""

from __future__ import annotations

import logging
import random
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass

from notifier import outbox
from notifier.backoff import Backoff, system_dice
from notifier.masking import mask_plate, mask_text
from notifier.outbox import Entry, OutboxItem, Transact
from notifier.owners._port import NoOwner, OwnerDirectory
from notifier.sms._port import Accepted, Refused, Retry, SmsGateway, SmsRequest, SmsResult, Unknown
from protocol.clock import Clock, Millis
from protocol.errors import UnavailableError

_log = logging.getLogger(__name__)

_NO_DATABASE = "the database cannot be used"

OnResult = Callable[[sqlite3.Connection, OutboxItem, SmsResult], None]
"""Called once per item with its final result, inside the transaction that closes the item: `Accepted`;
`Refused`, whose code is the gateway's or begins with ``owner_`` or is ``gave_up``; or `Unknown` if nobody
could tell in time whether the message went out. It must only store."""


_RETRY = Backoff(first_ms=2_000, cap_ms=120_000)

_FAULT_WAIT_MS = 60_000
"""Before an item on which our own code failed is taken again."""


@dataclass(frozen=True, slots=True)
class SmsPolicy:
    """When to try, look and give up.

    Args:
        retry: between attempts that certainly did not reach the gateway.
        settle_ms: how long after an attempt its message may still surface at the gateway; at least this
            long before the first look and between looks.
        looks: how often in a row the gateway must not know the message before it is sent again.
        give_up_ms: age at which a warning is pointless, unless the item says otherwise (``give_up_ms``).
        failed_looks: how often a message of that age is looked up in vain before its outcome stays unknown.
    """

    retry: Backoff = _RETRY
    settle_ms: int = 20_000
    looks: int = 2
    give_up_ms: int = 1_800_000
    failed_looks: int = 5


class SmsWorker:
    """Takes due sms items, one at a time. Run one worker per database.

    Args:
        transact: opens a transaction on the database in the calling thread.
        gateway: sends.
        owners: knows whom to write to, unless the item's ``to_ref`` does.
        on_result: stores the final result, see `OnResult`.
        clock: the machine's clocks.
        policy: when to try, look and give up.
        unseal: turns a stored item into what is to be sent, for stores that keep content encrypted.
        dice: for jitter.
    """

    def __init__(
        self,
        transact: Transact,
        gateway: SmsGateway,
        owners: OwnerDirectory,
        on_result: OnResult,
        clock: Clock,
        *,
        policy: SmsPolicy | None = None,
        unseal: Callable[[OutboxItem], OutboxItem] | None = None,
        dice: random.Random | None = None,
    ) -> None:
        self._transact = transact
        self._gateway = gateway
        self._owners = owners
        self._on_result = on_result
        self._clock = clock
        self._policy = policy or SmsPolicy()
        self._unseal = unseal
        self._dice = dice or system_dice()
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._problem: str | None = None

    @property
    def problems(self) -> tuple[str, ...]:
        """Named troubles for `AgentHealth.problems`."""
        with self._lock:
            return () if self._problem is None else (f"sms: {self._problem}",)

    def wake(self) -> None:
        """Look at the outbox now; from any thread."""
        self._wake.set()

    def run(self, stop: threading.Event, idle_s: float = 1.0) -> None:
        """Work until `stop` is set; `wake` makes it notice both work and `stop` at once."""
        while not stop.is_set():
            try:
                worked = self.run_once()
            except (sqlite3.Error, UnavailableError) as error:
                self._trouble(f"{_NO_DATABASE}: {error}")
                worked = False
            else:
                if (self._problem or "").startswith(_NO_DATABASE):
                    self._trouble(None)
            if not worked:
                self._wake.wait(idle_s)
                self._wake.clear()

    def run_once(self) -> bool:
        """Take one due item a step further.

        Returns:
            False if no item was due.

        Raises:
            sqlite3.Error, UnavailableError: the database cannot be used; nothing is lost.
        """
        with self._transact() as conn:
            due = outbox.claim(conn, "sms", self._clock.utc_ms(), 1, ("pending", "sending"))
        if not due:
            return False
        entry = due[0]
        try:
            item = entry.item if self._unseal is None else self._unseal(entry.item)
            self._advance(entry, item)
        except (sqlite3.Error, UnavailableError):
            raise
        except Exception:
            # An error of our own with one item must neither stop the others nor lose it.
            _log.exception("SMS item %s could not be worked on", entry.item.key)
            self._postpone(entry, _FAULT_WAIT_MS, "an internal error; see the log", entry.note)
        return True

    def _advance(self, entry: Entry, item: OutboxItem) -> None:
        if entry.state == "pending" and self._too_late(item):
            self._give_up(entry, item)
            return
        request = self._address(entry, item)
        if request is None:
            return
        if entry.state == "sending":
            self._look(entry, item, request)
        else:
            self._send(entry, item, request)

    # Steps

    def _address(self, entry: Entry, item: OutboxItem) -> SmsRequest | None:
        """Whom to write to; None if that has closed or postponed the item."""
        phone = item.meta.get("to_ref")
        if phone is None:
            plate = str(item.meta["plate"])
            try:
                found = self._owners.find(plate, f"warning {item.meta.get('case_id', item.key)}")
            except UnavailableError as error:
                self._retry(entry, Retry(f"the directory of owners does not answer: {error.problem}"))
                return None
            if isinstance(found, NoOwner):
                if entry.state == "sending":
                    # The number it may have gone to is gone with the owner; nobody can look it up any more.
                    self._finish(entry, item, Unknown(f"outcome unknown and owner {found.reason}"))
                else:
                    _log.info("no owner for %s: %s", mask_plate(plate), found.reason)
                    self._finish(entry, item, Refused(found.reason, f"owner_{found.reason}"))
                return None
            phone = found.phone
        return SmsRequest(item.key, str(phone), item.payload.decode("utf-8"))

    def _send(self, entry: Entry, item: OutboxItem, request: SmsRequest) -> None:
        now_ms = self._clock.utc_ms()
        with self._transact() as conn:
            taken = outbox.mark_sending(
                conn,
                item.key,
                now_ms,
                due_ms=now_ms + self._policy.settle_ms,
                from_attempt=entry.attempts,
            )
        if not taken:
            return  # cancelled in the meantime
        result = self._gateway.send(request)
        match result:
            case Accepted() | Refused():
                self._finish(entry, item, result)
            case Retry():
                self._retry(entry, result)
            case Unknown(reason):
                self._postpone(entry, self._policy.settle_ms, reason, "")

    def _look(self, entry: Entry, item: OutboxItem, request: SmsRequest) -> None:
        absent, failed = (int(number) for number in (entry.note or "0 0").split())
        result = self._gateway.lookup(request, item.created_ms)
        match result:
            case Accepted() | Refused():
                self._finish(entry, item, result)
            case Retry(reason) | Unknown(reason):
                if self._too_late(item) and failed + 1 >= self._policy.failed_looks:
                    self._give_up(entry, item)
                    return
                wait = self._policy.settle_ms + self._policy.retry.delay_ms(failed + 1, self._dice)
                self._postpone(entry, wait, reason, f"{absent} {failed + 1}")
            case None if absent + 1 < self._policy.looks:
                self._postpone(entry, self._policy.settle_ms, entry.reason, f"{absent + 1} {failed}")
            case None:
                now_ms = self._clock.utc_ms()
                with self._transact() as conn:
                    outbox.mark_failed(
                        conn,
                        item.key,
                        now_ms,
                        retry_at_ms=now_ms,
                        reason="the gateway does not have it",
                        may_have_left=False,
                        from_attempt=entry.attempts,
                    )

    def _postpone(self, entry: Entry, wait_ms: int, reason: str, note: str) -> None:
        """The item stays in its state and is looked at again after `wait_ms`."""
        text = mask_text(reason)
        self._trouble(text or None)
        now_ms = self._clock.utc_ms()
        with self._transact() as conn:
            outbox.postpone(conn, entry.item.key, now_ms, due_ms=now_ms + wait_ms, reason=text, note=note)

    def _retry(self, entry: Entry, result: Retry) -> None:
        """It certainly was not sent this time."""
        wait = self._policy.retry.delay_ms(entry.attempts + 1, self._dice)
        if result.after_s is not None:
            wait = max(wait, round(result.after_s * 1000))
        if entry.state == "sending":  # what became of the earlier attempt is still to be found out
            self._postpone(entry, wait, result.reason, entry.note)
            return
        text = mask_text(result.reason)
        self._trouble(text)
        now_ms = self._clock.utc_ms()
        with self._transact() as conn:
            outbox.mark_failed(
                conn,
                entry.item.key,
                now_ms,
                retry_at_ms=now_ms + wait,
                reason=text,
                may_have_left=False,
            )

    def _finish(self, entry: Entry, item: OutboxItem, result: Accepted | Refused | Unknown) -> None:
        now_ms = self._clock.utc_ms()
        with self._transact() as conn:
            if isinstance(result, Accepted):
                closed = outbox.mark_done(conn, entry.item.key, now_ms)
                self._trouble(None)
            else:
                closed = outbox.mark_dead(conn, entry.item.key, now_ms, mask_text(result.reason))
            if closed:
                self._on_result(conn, item, result)

    def _too_late(self, item: OutboxItem) -> bool:
        limit: Millis = item.meta.get("give_up_ms") or item.created_ms + self._policy.give_up_ms
        return self._clock.utc_ms() >= limit

    def _give_up(self, entry: Entry, item: OutboxItem) -> None:
        if entry.state == "sending":
            result: Refused | Unknown = Unknown(f"gave up looking: {entry.reason or 'no answer'}")
        else:
            result = Refused(f"gave up: {entry.reason or 'not sent in time'}", "gave_up")
        _log.error("SMS %s: %s", item.key, mask_text(result.reason))
        self._finish(entry, item, result)

    def _trouble(self, text: str | None) -> None:
        with self._lock:
            changed, self._problem = text != self._problem, text
        if changed and text is not None:
            _log.warning("SMS: %s", text)
