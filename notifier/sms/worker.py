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
from typing import Protocol

from notifier import outbox
from notifier.backoff import system_dice
from notifier.letter import Written
from notifier.masking import mask_plate, mask_text
from notifier.notice import segments
from notifier.outbox import Entry, OutboxItem, Transact
from notifier.owners._port import NoOwner, OwnerDirectory
from notifier.policy import Hold, Refuse, Send, Verdict
from notifier.sms._port import Accepted, Held, Refused, Retry, SmsGateway, SmsRequest, SmsResult, Unknown
from notifier.sms.course import (
    Finish,
    LookLater,
    Looks,
    SendLater,
    SmsPolicy,
    after_look,
    after_send,
    gave_up,
    retry_wait_ms,
)
from protocol.clock import Clock, Millis
from protocol.errors import UnavailableError

_log = logging.getLogger(__name__)

_NO_DATABASE = "the database cannot be used"

OnResult = Callable[[sqlite3.Connection, OutboxItem, SmsResult | Held], None]
"""Called with `Held` when an item has to wait for its hour, and once with its final result, inside the transaction that closes the item: `Accepted`;
`Refused`, whose code is the gateway's or begins with ``owner_`` or is ``gave_up``; or `Unknown` if nobody
could tell in time whether the message went out. It must only store."""

_HELD = "held until "
"""Begins the note of an item that waits for its hour."""


_FAULT_WAIT_MS = 60_000
"""Before an item on which our own code failed is taken again."""


Compose = Callable[[OutboxItem, str | None, Millis], Written]
"""Writes the text of an item at the moment of sending: item, the owner's language, now."""


class Gate(Protocol):
    """Whether a message may be sent now, and the ledger that it asks."""

    def verdict(self, conn: sqlite3.Connection, key: str, phone: str, now_ms: Millis) -> Verdict:
        """Judge a message to this number; earlier attempts at the same message do not count."""

    def note(self, conn: sqlite3.Connection, key: str, phone: str, now_ms: Millis, segments: int) -> None:
        """A message to this number is about to leave."""


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
        compose: writes the text at the moment of sending; without it the item's payload is the text.
        gate: says whether a message may be sent now.
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
        compose: Compose | None = None,
        gate: Gate | None = None,
        dice: random.Random | None = None,
    ) -> None:
        self._transact = transact
        self._gateway = gateway
        self._owners = owners
        self._on_result = on_result
        self._clock = clock
        self._policy = policy or SmsPolicy()
        self._unseal = unseal
        self._compose = compose
        self._gate = gate
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
        if entry.state == "pending" and self._too_late(entry):
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
        language: str | None = None
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
            phone, language = found.phone, found.language
        if self._compose is None:
            return SmsRequest(item.key, str(phone), item.payload.decode("utf-8"))
        written = self._compose(item, language, self._clock.utc_ms())
        return SmsRequest(item.key, str(phone), written.notice.text, written.language, written.notice.values)

    def _send(self, entry: Entry, item: OutboxItem, request: SmsRequest) -> None:
        now_ms = self._clock.utc_ms()
        with self._transact() as conn:
            verdict = Send() if self._gate is None else self._gate.verdict(conn, item.key, request.to, now_ms)
            if isinstance(verdict, Hold):
                self._hold(conn, entry, item, verdict)
                return
            if isinstance(verdict, Send):
                taken = outbox.mark_sending(
                    conn,
                    item.key,
                    now_ms,
                    due_ms=now_ms + self._policy.settle_ms,
                    from_attempt=entry.attempts,
                )
                if not taken:
                    return  # cancelled in the meantime
                if self._gate is not None:
                    self._gate.note(conn, item.key, request.to, now_ms, segments(request.text).segments)
        if isinstance(verdict, Refuse):
            self._finish(entry, item, Refused(verdict.reason, verdict.code))
            return
        result = self._gateway.send(request)
        match after_send(result, entry.attempts, self._policy, self._dice):
            case Finish(final):
                self._finish(entry, item, final)
            case SendLater(wait_ms, reason):
                self._send_later(entry, wait_ms, reason)
            case LookLater(wait_ms, reason, looks):
                self._postpone(entry, wait_ms, reason, str(looks))

    def _hold(self, conn: sqlite3.Connection, entry: Entry, item: OutboxItem, hold: Hold) -> None:
        """It waits for its hour; that is told once."""
        note = f"{_HELD}{hold.until_ms}"
        outbox.postpone(
            conn, item.key, self._clock.utc_ms(), due_ms=hold.until_ms, reason=hold.reason, note=note
        )
        if entry.note != note:
            self._on_result(conn, item, Held(hold.until_ms, hold.reason))

    def _look(self, entry: Entry, item: OutboxItem, request: SmsRequest) -> None:
        step = after_look(
            self._gateway.lookup(request, item.created_ms),
            Looks.read(entry.note),
            too_late=self._too_late(entry),
            reason=entry.reason,
            policy=self._policy,
            dice=self._dice,
        )
        match step:
            case Finish(final):
                if isinstance(final, Unknown):
                    _log.error("SMS %s: %s", item.key, mask_text(final.reason))
                self._finish(entry, item, final)
            case LookLater(wait_ms, reason, looks):
                self._postpone(entry, wait_ms, reason, str(looks))
            case SendLater(wait_ms, reason):
                self._send_later(entry, wait_ms, reason, from_attempt=entry.attempts)

    def _postpone(self, entry: Entry, wait_ms: int, reason: str, note: str) -> None:
        """The item stays in its state and is looked at again after `wait_ms`."""
        text = mask_text(reason)
        self._trouble(text or None)
        now_ms = self._clock.utc_ms()
        with self._transact() as conn:
            outbox.postpone(conn, entry.item.key, now_ms, due_ms=now_ms + wait_ms, reason=text, note=note)

    def _retry(self, entry: Entry, result: Retry) -> None:
        """The directory cannot say now whom to write to."""
        wait_ms = retry_wait_ms(result, entry.attempts, self._policy, self._dice)
        if entry.state == "sending":  # what became of the earlier attempt is still to be found out
            self._postpone(entry, wait_ms, result.reason, entry.note)
        else:
            self._send_later(entry, wait_ms, result.reason)

    def _send_later(
        self, entry: Entry, wait_ms: int, reason: str, *, from_attempt: int | None = None
    ) -> None:
        """It certainly was not sent this time."""
        text = mask_text(reason)
        self._trouble(text)
        now_ms = self._clock.utc_ms()
        with self._transact() as conn:
            outbox.mark_failed(
                conn,
                entry.item.key,
                now_ms,
                retry_at_ms=now_ms + wait_ms,
                reason=text,
                may_have_left=False,
                from_attempt=from_attempt,
                note=entry.note if entry.note.startswith(_HELD) else "",
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

    def _too_late(self, entry: Entry) -> bool:
        """Whether it would be pointless by now. What was held for its hour has its whole time from that hour on."""
        item = entry.item
        limit: Millis = item.meta.get("give_up_ms") or item.created_ms + self._policy.give_up_ms
        if entry.note.startswith(_HELD):
            limit += max(0, int(entry.note.removeprefix(_HELD)) - item.created_ms)
        return self._clock.utc_ms() >= limit

    def _give_up(self, entry: Entry, item: OutboxItem) -> None:
        result = gave_up(entry.reason)
        _log.error("SMS %s: %s", item.key, mask_text(result.reason))
        self._finish(entry, item, result)

    def _trouble(self, text: str | None) -> None:
        with self._lock:
            changed, self._problem = text != self._problem, text
        if changed and text is not None:
            _log.warning("SMS: %s", text)
