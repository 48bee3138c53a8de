"""The process that takes devices' messages: in batches, acknowledged after the commit; misses those that are silent; tells cases.

Any number may run, in one of two ways (PATROL_CENTRAL_TELEMETRY). *one*: one of them has a subscription for all devices, the
others tell cases, miss silent devices, and take its place at once when it ends. That is for brokers that forget shared
subscriptions when they are restarted, as Mosquitto 2.0 does: what comes before a worker is back would be lost. *shared*: all
share one subscription. In both ways the session outlives the process, and what was not acknowledged is brought again. Two that
hold messages of one device wait for each other at its row.
"""

from __future__ import annotations

import queue
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.db.models import Max

from central.ingest.link import Incoming as Arrived
from central.ingest.link import Link
from central.ingest.state import CONNECTED
from central.ingest.worker import Slot
from central.iot import dead, follow, intake
from central.iot.decode import PAYLOAD_BYTES, Incoming
from central.iot.known import device_types
from central.live import beats
from central.live.models import Heartbeat
from central.live.work import DATABASE_RETRY_S, Worker, run_here
from central.project.broker import Broker
from central.project.clock import now_ms
from protocol.topics import parse_telemetry_topic, telemetry_filters

BATCH = 500
IDLE_S = 0.1
GATHER_S = 0.1
"""How long it waits for others after the first: a statement for two hundred messages costs little more than for ten."""

RECEIVE_MAXIMUM = 1500
"""Three batches: one is written while the next ones arrive."""

PACKET_BYTES = 4 * PAYLOAD_BYTES
TICK_EVERY_MS = 1_000
CARRY_EVERY_MS = 1_000
"""How soon letters of other workers, which died or failed, are carried; one's own go out after each batch."""

PLACE_EVERY_MS = 1_000
GAP_MS = 60_000
"""A break in listening that is too short to make a device look silent."""

SWEEP_EVERY_MS = 60_000


class DeviceWorker(Worker):
    """One worker; `run` returns after `stop`.

    Args:
        broker: where the devices' messages are.
        slot: its place; given back at the end.
        shared: whether all workers share one subscription; else the one in the first place hears all.
        places: where it looks for the first place when it becomes free.
    """

    def __init__(self, broker: Broker, slot: Slot, *, shared: bool, places: Path) -> None:
        super().__init__(beats.DEVICES, f"devices-{slot.installation}-{slot.number}")
        self._broker, self._slot, self._shared, self._places = broker, slot, shared, places
        self._link: Link | None = None
        self._listened_ms: int | None = None
        self._deaf_ms: int | None = None

    def run(self) -> None:
        """Take messages until told to stop; database and broker may come and go."""
        try:
            super().run()
        finally:
            self._slot.release()

    def _work(self) -> None:
        wait = DATABASE_RETRY_S[0]
        try:
            self._deaf_ms = self._last_heard()
            self._listen()
            while not self._stop.is_set():
                batch = self._next_batch()
                if batch:
                    self._take(batch)
                try:
                    self._upkeep()
                    wait = DATABASE_RETRY_S[0]
                except (DatabaseError, InterfaceError) as error:
                    self._database_failed(error)
                    self._stop.wait(wait)
                    wait = min(wait * 2, DATABASE_RETRY_S[1])
        finally:
            if self._link is not None:
                # A session that nobody may come back to must get nothing new; the first one's keeps what comes meanwhile.
                self._link.stop(unsubscribe=self._shared and self._slot.number > 0)

    def _listen(self) -> None:
        """Subscribe, if it is this worker's part."""
        if not self._shared and self._slot.number > 0:
            return
        self._link = Link(
            self._broker,
            f"{self._slot.client_id}-devices",
            telemetry_filters(shared=self._shared),
            receive_maximum=RECEIVE_MAXIMUM,
            packet_bytes=PACKET_BYTES,
            former=telemetry_filters(shared=not self._shared),
        )
        self._link.start()

    def _take_over(self) -> None:
        """Take the first place if whoever had it is gone."""
        found = Slot(self._places, "devices")
        if found.number > 0:
            found.release()
            return
        self._slot.release()
        self._slot = found
        self._listen()

    def _next_batch(self) -> list[Arrived]:
        if self._link is None:
            self._stop.wait(IDLE_S)
            return []
        incoming = self._link.incoming
        try:
            batch = [incoming.get(timeout=IDLE_S)]
        except queue.Empty:
            return []
        if incoming.qsize() < BATCH:
            # One sleep for all: to be woken for each message costs more than the message. Not where a whole batch waits
            # already, as after an outage of the broker: what waits would then be worked off hardly faster than it comes.
            self._stop.wait(GATHER_S)
        while len(batch) < BATCH:
            try:
                batch.append(incoming.get_nowait())
            except queue.Empty:
                break
        return batch

    def _take(self, batch: list[Arrived]) -> None:
        """Take, commit, acknowledge. Tries for as long as the database fails; it comes back."""
        now = now_ms()
        messages = []
        for arrived in batch:
            where = parse_telemetry_topic(arrived.topic)
            if where is not None:
                messages.append(Incoming(*where, arrived.payload, now, arrived.again))
        wait = DATABASE_RETRY_S[0]
        while True:
            try:
                taken = intake.take(messages)
                break
            except (DatabaseError, InterfaceError) as error:
                self._database_failed(error)
            if self._stop.wait(wait):
                return  # nothing was acknowledged: the broker keeps it
            wait = min(wait * 2, DATABASE_RETRY_S[1])
        if self._link is not None:
            self._link.acknowledge(batch)
        beats.count("device_messages", "accepted", taken.accepted)
        beats.count("device_messages", "refused", len(taken.refused))
        if taken.letters:
            self._due["carry"] = 0

    def _upkeep(self) -> None:
        if self._is_due("carry", CARRY_EVERY_MS) and follow.carry() == follow.BATCH:
            self._due["carry"] = 0
        listened = self._listened()
        if listened is not None and self._is_due("tick", TICK_EVERY_MS):
            looked, letters = intake.tick(listened_ms=listened)
            if letters:
                self._due["carry"] = 0
            if looked == intake.TICKED:
                self._due["tick"] = 0
        if self._is_due("sweep", SWEEP_EVERY_MS):
            intake.sweep()
            dead.sweep()
        if self._link is None and self._is_due("place", PLACE_EVERY_MS):
            self._take_over()
        state, reason = (CONNECTED, "") if self._link is None else self._link.state
        if state == CONNECTED:
            self._pulse.worked()
        self._pulse.beat(beats.WORKING if state == CONNECTED else state, reason)

    @staticmethod
    def _last_heard() -> int | None:
        """When a worker of this kind was last at work, before this one."""
        try:
            return Heartbeat.objects.filter(kind=beats.DEVICES).aggregate(at=Max("success_at_ms"))["at"]  # type: ignore[no-any-return]
        except DatabaseError:
            return None

    def _listened(self) -> int | None:
        """Since when the centre hears devices without a break of more than `GAP_MS`; None where it does not now, or has yet
        to take what waited for it. Nobody is missed for a time in which nobody listened."""
        now = now_ms()
        if self._link is None or self._link.state[0] != CONNECTED:
            self._deaf_ms = self._deaf_ms or now
            return None
        if not self._link.incoming.empty():
            return None
        if self._listened_ms is None:
            self._listened_ms = now if self._deaf_ms is None or now - self._deaf_ms > GAP_MS else 0
        elif self._deaf_ms is not None and now - self._deaf_ms > GAP_MS:
            self._listened_ms = now
        self._deaf_ms = None
        return self._listened_ms


def run_worker() -> None:
    """Run one worker in this process until SIGTERM or Ctrl-C.

    Raises:
        UnavailableError: no place is free.
        PatrolError: the broker's settings or a device type are wrong.
    """
    device_types()
    data = settings.PATROL.data
    made = DeviceWorker(
        settings.PATROL.broker,
        Slot(data, "devices"),
        shared=settings.PATROL.telemetry == "shared",
        places=data,
    )
    run_here(made)
