"""The agent's link to the broker: publishes the outbox, takes the inbox, says in which state it is.

One thread calls `pump` (or `run`) and does everything; `wake`, `publish_health`, `publish_bays`, `state` and
`problems` may be used from any thread. Nothing is kept in memory that would be missed: a message counts as sent
only after PUBACK, as done only after the centre's Accept, and an inbox message is acknowledged only once committed.
"""

from __future__ import annotations

import logging
import random
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from notifier.backoff import Backoff, system_dice
from notifier.mqtt._ledger import REFUSAL, InFlight, Ledger, OnInbox
from notifier.mqtt._session import (
    Acknowledged,
    Connected,
    Event,
    Lost,
    Received,
    Refused,
    Session,
    Subscribed,
)
from notifier.mqtt._troubles import Troubles
from notifier.mqtt._waker import Waker
from notifier.mqtt.config import MqttConfig
from notifier.outbox import Entry, OutboxItem, Transact
from protocol.clock import Clock, Millis
from protocol.errors import PatrolError, UnavailableError
from protocol.messages import AgentHealth, AgentStatus, BayReport
from protocol.topics import AgentTopics

_log = logging.getLogger(__name__)

StateName = Literal["connecting", "online", "offline", "refused"]

_LOSS = Backoff(first_ms=1_000, cap_ms=30_000)
"""Between attempts after a loss: a broker that restarts is back in seconds; the jitter spreads a district."""

_STABLE_MS = 10_000
"""A connection that lasted this long forgets earlier failures."""

_SHORT_LIVES = 3
"""So many connections in a row that were not stable are named: not every broker says that it closed one
because another client came under the same name."""

_IDLE_MS = 500
"""How often the outbox is looked at when nobody woke the link."""

_STORAGE_RETRY_MS = 1_000
"""Between attempts when the database cannot be written."""

_INFLIGHT_BYTES = 1 << 20
"""Bytes that may wait for PUBACK. More would sit in socket buffers and delay pings on a slow uplink."""

_NO_LIMIT = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class LinkState:
    """What the link is doing, and why, since when (UTC milliseconds).

    ``refused`` is an answer that stays the same until a person changes something; ``offline`` is a loss,
    which passes by itself. Both are tried again, a refusal more slowly.
    """

    name: StateName
    reason: str
    since_ms: Millis


class MqttLink:
    """Publishes the mqtt items of an outbox and hands the inbox to `on_inbox`.

    Args:
        config: how to reach the broker.
        topics: whose topics these are.
        transact: opens a transaction on the agent's database in the pumping thread.
        on_inbox: stores an inbox message, see `OnInbox`.
        clock: the machine's clocks.
        version: the agent's version, for its status.
        unseal: turns a stored item into what is to be sent, for stores that keep content encrypted.
        dice: for jitter.

    A certificate or password that cannot be read is an error of `check`, and while running a refusal.
    """

    def __init__(
        self,
        config: MqttConfig,
        topics: AgentTopics,
        transact: Transact,
        on_inbox: OnInbox,
        clock: Clock,
        *,
        version: str = "",
        unseal: Callable[[OutboxItem], OutboxItem] | None = None,
        dice: random.Random | None = None,
    ) -> None:
        self._config = config
        self._topics = topics
        self._transact = transact
        self._clock = clock
        self._version = version
        self._dice = dice or system_dice()
        self._troubles = Troubles()
        self._ledger = Ledger(config, on_inbox, clock, self._troubles, self._dice, unseal)
        self._client_id = config.client_id or f"patrol-{topics.jurisdiction_id}-{topics.agent_id}"

        self._pumping = threading.Lock()
        self._closed = False
        self._lock = threading.Lock()
        self._state = LinkState("offline", "not started", clock.utc_ms())
        self._newest: dict[str, tuple[str, bytes]] = {}
        self._waker = Waker()

        self._session: Session | None = None
        self._failures = 0
        self._short_lives = 0
        self._next_attempt_ms = 0  # monotonic, as all below
        self._answer_due_ms = 0
        self._online_since_ms = 0
        self._moved_ms = 0
        self._next_look_ms = 0
        self._storage_retry_ms = 0
        self._window = config.max_inflight
        self._largest_packet = _NO_LIMIT
        self._in_flight: dict[int, InFlight] = {}
        self._unstored: list[Acknowledged | Received] = []

    # For any thread

    @property
    def state(self) -> LinkState:
        """The link's state now."""
        with self._lock:
            return self._state

    @property
    def problems(self) -> tuple[str, ...]:
        """Named troubles for `AgentHealth.problems`, e.g. ``mqtt_refused: wrong user name or password``."""
        named = self._troubles.as_dict()
        state = self.state
        if state.name in ("offline", "refused"):
            named[f"mqtt_{state.name}"] = state.reason
        return tuple(f"{name}: {text}" for name, text in sorted(named.items()))

    @property
    def malformed(self) -> int:
        """Inbox messages that could not be used and were thrown away."""
        return self._ledger.malformed

    def wake(self) -> None:
        """Look at the outbox now; call it after a commit that put something in."""
        self._waker.wake()

    def publish_health(self, health: AgentHealth) -> bool:
        """Publish the newest health report once; it is not kept. False if the link is not online."""
        return self._publish_newest("health", self._topics.of("health"), health)

    def publish_bays(self, report: BayReport) -> bool:
        """Publish the newest report of a camera's bays once; it is not kept. False if the link is not online."""
        return self._publish_newest(f"bays/{report.camera_id}", self._topics.of("bays"), report)

    def _publish_newest(self, name: str, topic: str, message: AgentHealth | BayReport) -> bool:
        with self._lock:
            if self._state.name != "online":
                return False
            self._newest[name] = (topic, message.model_dump_json().encode())
        self.wake()
        return True

    def check(self) -> None:
        """Read certificates and password now, so that a mistake shows at start.

        Raises:
            PatrolError: one of them cannot be used.
        """
        self._new_session()

    # For the pumping thread

    def run(self, stop: threading.Event, wait_s: float = 0.5) -> None:
        """Pump until `stop` is set or the link is closed, then close. `wake` makes it notice at once."""
        try:
            while not stop.is_set() and not self._closed:
                self.pump(wait_s)
        finally:
            self.close()

    def pump(self, wait_s: float = 0.0) -> int:
        """Do what there is to do now, waiting for at most `wait_s` seconds if there is nothing.

        A connection attempt may block for twice the connect time-out.

        Returns:
            Number of outbox items handed to the broker.
        """
        with self._pumping:
            return 0 if self._closed else self._pump(wait_s)

    def _pump(self, wait_s: float) -> int:
        now = self._clock.monotonic_ms()
        if self._session is None:
            if now < self._next_attempt_ms:
                self._waker.wait(min(wait_s, (self._next_attempt_ms - now) / 1000))
            else:
                self._open()
            return 0
        events = self._step(wait_s)
        now = self._clock.monotonic_ms()
        if self._session is None or self._is_stuck(now):
            return 0
        self._store(now)
        if self.state.name != "online":
            return 0
        self._send_newest()  # also while nothing can be stored: the centre must hear of that
        if self._unstored:
            return 0
        if now - self._online_since_ms > _STABLE_MS:
            self._failures = self._short_lives = 0
            self._troubles.name("mqtt_unstable", None)
        if events or now >= self._next_look_ms:
            self._next_look_ms = now + _IDLE_MS
            return self._publish_due(now)
        return 0

    def close(self, flush_s: float = 2.0) -> None:
        """Say that the agent is offline, wait up to `flush_s` seconds for the broker to take it, hang up.

        From any thread; harmless if repeated.
        """
        with self._pumping:
            if self._closed:
                return
            self._closed = True
            if self._session is not None and self.state.name == "online":
                self._say_goodbye(self._clock.monotonic_ms() + round(flush_s * 1000))
            if self._session is not None:
                self._session.close()
                self._session = None
            self._become("offline", "closed")
            self._waker.close()

    def _say_goodbye(self, deadline_ms: int) -> None:
        mid = self._publish_status(online=False)
        while self._session is not None and mid in self._in_flight:
            if self._clock.monotonic_ms() > deadline_ms:
                return
            self._step(0.1)
            self._store(self._clock.monotonic_ms())

    # Connection

    def _new_session(self) -> Session:
        return Session(self._config, self._client_id, (self._topics.of("status"), self._status(online=False)))

    def _open(self) -> None:
        self._become("connecting", f"{self._config.host}:{self._config.port}")
        try:
            self._session = self._new_session()
        except PatrolError as error:  # files may be renewed while the agent runs
            self._hang_up("refused", str(error))
            return
        failed = self._session.open()
        self._moved_ms = self._clock.monotonic_ms()
        self._answer_due_ms = self._moved_ms + round(self._config.connect_timeout_s * 1000)
        if failed is not None:
            self._take(failed)

    def _step(self, wait_s: float) -> list[Event]:
        """Move bytes and take what happened; an empty event list with `wake` still looks at the outbox."""
        assert self._session is not None
        wait_s = min(wait_s, _STORAGE_RETRY_MS / 1000) if self._unstored else wait_s
        events, moved = self._session.step(wait_s, self._waker)
        if moved:
            self._moved_ms = self._clock.monotonic_ms()
        else:
            self._next_look_ms = 0  # woken, or nothing happened for a while
        for event in events:
            self._take(event)
            if self._session is None:
                break
        return events

    def _take(self, event: Event) -> None:
        match event:
            case Connected(receive_maximum, maximum_packet_size):
                self._window = max(1, min(self._config.max_inflight, receive_maximum))
                self._largest_packet = maximum_packet_size
                self._troubles.clear("mqtt_too_large")
                if self._session is not None:
                    self._session.subscribe(self._topics.of("inbox"))
            case Subscribed():
                self._go_online()
            case Refused(reason):
                self._hang_up("refused", reason)
            case Lost(reason):
                self._hang_up("offline", reason)
            case Acknowledged() | Received():
                self._unstored.append(event)

    def _go_online(self) -> None:
        try:
            with self._transact() as conn:
                self._ledger.begin(conn)
        except (sqlite3.Error, UnavailableError) as error:
            self._hang_up("offline", f"the agent's database cannot be written: {error}")
            return
        self._online_since_ms = self._clock.monotonic_ms()
        self._become("online", f"{self._config.host}:{self._config.port}")
        self._publish_status(online=True)

    def _hang_up(self, name: Literal["offline", "refused"], reason: str) -> None:
        if self._session is not None:
            self._session.drop()
            self._session = None
        # The outbox knows what was not marked, and the broker sends what was not acknowledged again.
        self._in_flight.clear()
        self._unstored.clear()
        self._failures += 1
        if self.state.name == "online" and self._clock.monotonic_ms() - self._online_since_ms < _STABLE_MS:
            self._short_lives += 1
        if self._short_lives >= _SHORT_LIVES:
            text = f"connections end soon after they begin; does another box use the name {self._client_id}?"
            self._troubles.name("mqtt_unstable", text)
        policy = REFUSAL if name == "refused" else _LOSS
        self._next_attempt_ms = self._clock.monotonic_ms() + policy.delay_ms(self._failures, self._dice)
        self._become(name, reason)

    def _is_stuck(self, now: int) -> bool:
        """Give up on a broker that neither answers nor takes bytes; the keep-alive covers an idle link."""
        assert self._session is not None
        if self.state.name == "connecting":
            if now > self._answer_due_ms:
                self._hang_up("offline", "the broker does not answer")
        elif not self._in_flight and not self._session.unsent:
            self._moved_ms = now
        elif now - self._moved_ms > self._config.ack_timeout_s * 1000:
            self._hang_up("offline", "the broker does not acknowledge")
        return self._session is None

    # Outbox and inbox

    def _store(self, now: int) -> None:
        """Commit acknowledgements and inbox messages together, then acknowledge the latter."""
        if not self._unstored or self._session is None or now < self._storage_retry_ms:
            return
        try:
            with self._transact() as conn:
                self._ledger.store(conn, self._unstored, self._in_flight)
        except (sqlite3.Error, UnavailableError) as error:
            self._storage_failed(now, error)
            return
        self._troubles.name("mqtt_storage", None)
        for event in self._unstored:
            if isinstance(event, Received):
                self._session.acknowledge(event.mid)
            else:
                self._in_flight.pop(event.mid, None)
        self._unstored.clear()
        self._next_look_ms = 0

    def _publish_due(self, now: int) -> int:
        free = self._window - len(self._in_flight)
        room = _INFLIGHT_BYTES - sum(flight.size for flight in self._in_flight.values())
        if self._session is None or free <= 0 or room <= 0 or now < self._storage_retry_ms:
            return 0
        try:
            with self._transact() as conn:
                chosen = self._ledger.choose(conn, free, room, self._largest_packet)
        except (sqlite3.Error, UnavailableError) as error:
            self._storage_failed(now, error)
            return 0
        for number, entry in enumerate(chosen):
            if not self._publish(self._session, entry):
                return number  # the connection is gone; the rest is requeued with the next one
        return len(chosen)

    def _publish(self, session: Session, entry: Entry) -> bool:
        item = entry.item
        topic = item.meta["topic"]
        mid = session.publish(topic, item.payload, qos=1)
        if mid is None:
            return False
        needs_accept = bool(item.meta.get("needs_accept", True))
        self._in_flight[mid] = InFlight(item.key, topic, len(item.payload), needs_accept, entry.attempts + 1)
        return True

    def _storage_failed(self, now: int, error: Exception) -> None:
        self._troubles.name("mqtt_storage", f"the agent's database cannot be written: {error}")
        self._storage_retry_ms = now + _STORAGE_RETRY_MS

    def _status(self, *, online: bool, at_ms: Millis | None = None) -> bytes:
        status = AgentStatus(
            jurisdiction_id=self._topics.jurisdiction_id,
            agent_id=self._topics.agent_id,
            online=online,
            at_ms=at_ms,
            version=self._version,
        )
        return status.model_dump_json().encode()

    def _publish_status(self, *, online: bool) -> int | None:
        assert self._session is not None
        topic = self._topics.of("status")
        payload = self._status(online=online, at_ms=self._clock.utc_ms())
        mid = self._session.publish(topic, payload, qos=1, retain=True)
        if mid is not None:
            self._in_flight[mid] = InFlight(None, topic, 0)
        return mid

    def _send_newest(self) -> None:
        with self._lock:
            newest, self._newest = self._newest, {}
        if self._session is not None:
            for topic, payload in newest.values():
                self._session.publish(topic, payload, qos=0)

    def _become(self, name: StateName, reason: str) -> None:
        with self._lock:
            if (self._state.name, self._state.reason) == (name, reason):
                return
            self._state = LinkState(name, reason, self._clock.utc_ms())
        level = {"online": logging.INFO, "connecting": logging.DEBUG}.get(name, logging.WARNING)
        _log.log(level, "link to the broker: %s (%s)", name, reason)
