"""Broker and network of the accelerated runs: what is cut, lost, doubled, late, out of order or malformed on the way."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from benchmarks.faults.fate import Crash, Fate
from notifier.mqtt import MqttConfig, OnInbox
from notifier.mqtt._ledger import InFlight, Ledger
from notifier.mqtt._session import Acknowledged, Received
from notifier.mqtt._troubles import Troubles
from notifier.outbox import OutboxItem
from protocol.clock import Clock
from protocol.messages import Accept, Outcome, Refuse

_CONFIG = MqttConfig(url="mqtt://127.0.0.1", accept_timeout_s=3)

Take = Callable[[list[tuple[str, bytes]]], list[Any]]


class Broker:
    """Keeps what it acknowledged, for both sides; it survives the agent.

    Args:
        take: the centre's intake.
    """

    def __init__(self, fate: Fate, take: Take) -> None:
        self._fate = fate
        self._take = take
        self._to_centre: list[tuple[int, str, bytes]] = []
        self.to_agent: list[tuple[int, bytes]] = []
        self._number = 0
        self.beat = 0

    @property
    def idle(self) -> bool:
        """Whether nothing waits on either side."""
        return not self._to_centre and not self.to_agent

    def publish(self, topic: str, payload: bytes) -> None:
        """An agent's message; sometimes twice, sometimes much later, sometimes with rubbish before it."""
        fate = self._fate
        late = fate.dice.randint(1, 12) if fate.chance(0.08) else 0
        if late:
            fate.note("late message")
        self._to_centre.append((self.beat + late, topic, payload))
        if fate.chance(0.08):
            fate.note("double delivery")
            self._to_centre.append((self.beat + fate.dice.randint(0, 6), topic, payload))
        if fate.chance(0.04):
            fate.note("malformed message")
            self._to_centre.append((self.beat, topic, _spoilt(payload, fate.dice)))

    def tell(self, payload: bytes) -> None:
        """A message to the agent's inbox."""
        fate = self._fate
        if fate.chance(0.04):
            fate.note("malformed message", "to the agent")
            self._post(_spoilt(payload, fate.dice))
        self._post(payload)
        if fate.chance(0.08):
            fate.note("double delivery", "to the agent")
            self._post(payload)

    def _post(self, payload: bytes) -> None:
        self._number += 1
        self.to_agent.append((self._number, payload))

    def pass_on(self) -> None:
        """Hand the centre what is due, and its answers to the agent."""
        fate = self._fate
        due = [m for m in self._to_centre if m[0] <= self.beat]
        if not due:
            return
        batch = list(due)
        if len(batch) > 1 and fate.chance(0.2):
            fate.note("out of order")
            fate.dice.shuffle(batch)
        try:
            answers = self._take([(topic, payload) for _, topic, payload in batch])
        except Crash:
            return  # not acknowledged: the broker hands it over again
        self._to_centre = [m for m in self._to_centre if m not in due]
        for answer in answers:
            if answer.refused:
                self.tell(Refuse(key=answer.refused, reason=answer.reason).model_dump_json().encode())
            if answer.accepted is None:
                continue
            if fate.chance(0.08):
                fate.note("lost acknowledgement")
                continue
            self.tell(Accept(keys=(answer.accepted,)).model_dump_json().encode())

    def outcome(self, case_id: str, at_ms: int) -> None:
        """The officer decides; repeated until the agent's record names it."""
        message = Outcome(outcome_id=f"O-{case_id}", case_id=case_id, result="ticketed", at_ms=at_ms)
        self.tell(message.model_dump_json().encode())


def _spoilt(payload: bytes, dice: random.Random) -> bytes:
    data = bytearray(payload)
    match dice.randrange(4):
        case 0:
            return bytes(data[: len(data) // 2])
        case 1:
            return dice.randbytes(40)
        case 2:
            return b"[" * 5000
        case _:
            return b'{"kind": "case_record", "idempotency_key": 7, "x": "\\u0000"}'


class Line:
    """One life's connection to the broker. The bookkeeping is the real link's."""

    def __init__(
        self,
        fate: Fate,
        broker: Broker,
        transact: Callable[[], AbstractContextManager[Any]],
        clock: Clock,
        on_inbox: OnInbox,
        unseal: Callable[[OutboxItem], OutboxItem],
    ) -> None:
        self._fate = fate
        self._broker = broker
        self._transact = transact
        dice = random.Random(fate.dice.random())
        self._ledger = Ledger(_CONFIG, on_inbox, clock, Troubles(), dice, unseal)
        self._up = False
        self._flights: dict[int, InFlight] = {}
        self._acks: list[Acknowledged] = []
        self._mid = 0

    def turn(self) -> None:
        """One round: connect, write down what came, publish what is due. As the link, it begins anew after an error."""
        try:
            self._turn()
        except Exception:
            self._up = False
            raise

    def _turn(self) -> None:
        fate, broker = self._fate, self._broker
        if self._up and fate.chance(0.05):
            fate.note("connection cut")
            self._up = False
        if not self._up:
            if fate.chance(0.4):
                return
            with self._transact() as db:
                self._ledger.begin(db)
            self._up, self._flights, self._acks = True, {}, []
        got = broker.to_agent[:20]
        acks, self._acks = self._acks, []
        with self._transact() as db:
            events: list[Acknowledged | Received] = [*acks, *(Received(n, "inbox", p) for n, p in got)]
            self._ledger.store(db, events, self._flights)
            chosen = self._ledger.choose(db, 10, 4_000_000, 4_000_000)
        broker.to_agent = [m for m in broker.to_agent if m not in got]  # acknowledged after the commit
        for ack in acks:
            self._flights.pop(ack.mid, None)
        for entry in chosen:
            fate.step("before a publish")
            self._mid += 1
            item = entry.item
            topic = str(item.meta["topic"])
            needs = bool(item.meta.get("needs_accept", True))
            self._flights[self._mid] = InFlight(item.key, topic, len(item.payload), needs, entry.attempts + 1)
            if fate.chance(0.04):
                fate.note("connection cut", "before a message")
                self._up = False
                return
            broker.publish(topic, item.payload)
            fate.step("after a publish")
            if fate.chance(0.04):
                fate.note("connection cut", "before its PUBACK")
                self._up = False
                return
            self._acks.append(Acknowledged(self._mid, 0, ""))
