"""What the link stores: which items are on their way, what became of them, what the centre answered.

Every method that takes a connection runs inside a transaction that its caller opened and commits.
"""

from __future__ import annotations

import logging
import random
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pydantic import TypeAdapter, ValidationError

from notifier import outbox
from notifier.backoff import Backoff
from notifier.mqtt import _reasons
from notifier.mqtt._session import Acknowledged, Received
from notifier.mqtt._troubles import Troubles
from notifier.mqtt.config import MqttConfig
from notifier.outbox import Entry, OutboxItem
from protocol.clock import Clock, Millis
from protocol.errors import UnavailableError
from protocol.messages import Accept, InboxMessage, NoticeResult, Outcome, RecheckRequest, Refuse
from protocol.topics import parse_agent_topic

_log = logging.getLogger(__name__)

OnInbox = Callable[[sqlite3.Connection, Accept | Refuse | Outcome | NoticeResult | RecheckRequest], None]
"""Called for each inbox message inside the transaction that also updates the outbox. It must be idempotent
(a message may come twice) and must only store; the message is acknowledged after the commit."""

_INBOX = TypeAdapter[Accept | Refuse | Outcome | NoticeResult | RecheckRequest](InboxMessage)

REFUSAL = Backoff(first_ms=15_000, cap_ms=300_000, floor_ms=5_000)
"""Between attempts after a refusal: only a person ends it, and wrong passwords lock accounts."""

_UNACCEPTED_CAP_MS = 600_000
"""A message that the centre does not accept is sent again at least this often, milliseconds."""

_PACKET_OVERHEAD = 64
"""Bytes of a PUBLISH besides topic and payload, generously."""


@dataclass(slots=True)
class InFlight:
    """A published message that the broker has not acknowledged; `key` is None for the status message."""

    key: str | None
    topic: str
    size: int
    needs_accept: bool = True
    attempts: int = 1


class Ledger:
    """The database side of a link. `malformed` counts inbox messages that were thrown away."""

    def __init__(
        self,
        config: MqttConfig,
        on_inbox: OnInbox,
        clock: Clock,
        troubles: Troubles,
        dice: random.Random,
        unseal: Callable[[OutboxItem], OutboxItem] | None,
    ) -> None:
        self._config = config
        self._on_inbox = on_inbox
        self._clock = clock
        self._troubles = troubles
        self._dice = dice
        self._unseal = unseal
        self._accept_timeout_ms = round(config.accept_timeout_s * 1000)
        self._accept_backoff = Backoff(
            first_ms=self._accept_timeout_ms,
            cap_ms=max(_UNACCEPTED_CAP_MS, self._accept_timeout_ms),
            floor_ms=0,
        )
        self._last_accept_ms: int | None = None
        self.malformed = 0

    def begin(self, conn: sqlite3.Connection) -> None:
        """A new connection: what was on its way over the old one is pending again."""
        outbox.requeue(conn, "mqtt", self._clock.utc_ms())
        self._count_dead(conn)

    def store(
        self,
        conn: sqlite3.Connection,
        events: Sequence[Acknowledged | Received],
        in_flight: dict[int, InFlight],
    ) -> None:
        """Write down acknowledgements and inbox messages, in order."""
        for event in events:
            if isinstance(event, Received):
                self._received(conn, event)
            elif event.mid in in_flight:
                self._acknowledged(conn, event, in_flight[event.mid])

    def choose(self, conn: sqlite3.Connection, free: int, room: int, largest_packet: int) -> list[Entry]:
        """Pick what to publish now and mark it as on its way.

        Args:
            free: how many messages may be published.
            room: how many bytes; a single larger item goes alone.
            largest_packet: bytes that the broker takes.
        """
        now_ms = self._clock.utc_ms()
        unaccepted = outbox.waiting(conn, "mqtt").sent
        states: tuple[outbox.State, ...] = ("sent",)
        if unaccepted < self._config.max_unaccepted:
            states = ("pending", "sent")
        chosen: list[Entry] = []
        for entry in outbox.claim(conn, "mqtt", now_ms, free, states):
            item = self._opened(conn, entry)
            if item is None:
                continue
            topic, size = item.meta["topic"], len(item.payload)
            if size + len(topic.encode()) + _PACKET_OVERHEAD > largest_packet:
                text = f"{topic}: {size} bytes, the broker takes {largest_packet}"
                self._put_off(conn, entry, "mqtt_too_large", text, "larger than the broker takes")
                continue
            if chosen and size > room:
                break
            due = now_ms + outbox.LONGEST_WAIT_MS  # the connection, not the clock, ends this state
            if outbox.mark_sending(conn, item.key, now_ms, due_ms=due, from_attempt=entry.attempts):
                chosen.append(replace(entry, item=item))
                room -= size
        return chosen

    def _opened(self, conn: sqlite3.Connection, entry: Entry) -> OutboxItem | None:
        """The item as it is to be sent; None if it cannot be opened, which stops no other."""
        if self._unseal is None:
            return entry.item
        try:
            return self._unseal(entry.item)
        except Exception:
            _log.exception("outbox item %s cannot be opened", entry.item.key)
            text = f"{entry.item.key} cannot be opened; is it sealed with another key?"
            self._put_off(conn, entry, "outbox_unreadable", text, "cannot be opened")
            return None

    def _put_off(self, conn: sqlite3.Connection, entry: Entry, trouble: str, text: str, reason: str) -> None:
        """It was not sent this time, and only a person can change that."""
        self._troubles.name(trouble, text)
        now_ms = self._clock.utc_ms()
        outbox.mark_failed(
            conn,
            entry.item.key,
            now_ms,
            retry_at_ms=now_ms + REFUSAL.delay_ms(entry.attempts + 1, self._dice),
            reason=reason,
            may_have_left=entry.may_have_left,
        )

    def _acknowledged(self, conn: sqlite3.Connection, event: Acknowledged, flight: InFlight) -> None:
        refused = event.code >= _reasons.FIRST_FAILURE
        parsed = parse_agent_topic(flight.topic)
        trouble = f"mqtt_publish_refused_{parsed.channel if parsed else 'other'}"
        self._troubles.name(trouble, f"{flight.topic}: {event.reason}" if refused else None)
        if flight.key is None:
            return
        now_ms = self._clock.utc_ms()
        if refused:
            delay = REFUSAL.delay_ms(flight.attempts, self._dice)
            reason = f"the broker refused it: {event.reason}"
            outbox.mark_failed(conn, flight.key, now_ms, retry_at_ms=now_ms + delay, reason=reason)
        elif flight.needs_accept:
            nobody = event.code == _reasons.NO_SUBSCRIBERS
            text = "the broker has nobody to hand our messages to" if nobody else None
            self._troubles.name("centre_not_listening", text)
            # The first accept time-out is a promise; only repetitions are jittered.
            wait_ms = self._accept_backoff.ceiling_ms(flight.attempts)
            if flight.attempts > 1:
                wait_ms = round(wait_ms * self._dice.uniform(0.75, 1.0))
            outbox.mark_sent(conn, flight.key, now_ms, due_ms=now_ms + wait_ms)
        else:
            outbox.mark_done(conn, flight.key, now_ms)

    def _received(self, conn: sqlite3.Connection, event: Received) -> None:
        try:
            message = _INBOX.validate_json(event.payload)
        except ValidationError as error:
            fault = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, fault["loc"])) or "the message"
            _log.error("inbox message not understood and thrown away: %s: %s", where, fault["msg"])
            self._thrown_away()
            return
        conn.execute("SAVEPOINT inbox_message")
        try:
            self._apply(conn, message)
        except (sqlite3.Error, UnavailableError):
            raise
        except Exception:
            # One message that our own code cannot take must not block all others; the centre repeats an
            # outcome until it is applied.
            conn.execute("ROLLBACK TO inbox_message")
            _log.exception("inbox message of kind %s could not be applied and was thrown away", message.kind)
            self._thrown_away()
        conn.execute("RELEASE inbox_message")

    def _apply(
        self, conn: sqlite3.Connection, message: Accept | Refuse | Outcome | NoticeResult | RecheckRequest
    ) -> None:
        now_ms = self._clock.utc_ms()
        if isinstance(message, Accept):
            self._accepted(conn, message, now_ms)
        elif isinstance(message, Refuse):
            reason = f"refused by the centre: {message.reason}"
            if outbox.mark_dead(conn, message.key, now_ms, reason):
                _log.error("the centre refused %s for good: %s", message.key, message.reason)
                self._count_dead(conn)
        self._on_inbox(conn, message)

    def _accepted(self, conn: sqlite3.Connection, message: Accept, now_ms: Millis) -> None:
        for key in message.keys:
            outbox.mark_done(conn, key, now_ms)
        now = self._clock.monotonic_ms()
        if self._last_accept_ms is None or now - self._last_accept_ms > self._accept_timeout_ms:
            # The centre is back: what it may have missed does not wait for its long back-off.
            outbox.hasten(conn, "mqtt", now_ms + self._accept_timeout_ms)
        self._last_accept_ms = now
        self._troubles.name("centre_not_listening", None)

    def _count_dead(self, conn: sqlite3.Connection) -> None:
        dead = outbox.waiting(conn, "mqtt").dead
        text = f"{dead} messages were refused by the centre and need a person" if dead else None
        self._troubles.name("messages_dead", text)

    def _thrown_away(self) -> None:
        self.malformed += 1
        self._troubles.name("inbox_malformed", f"{self.malformed} inbox messages could not be used")
