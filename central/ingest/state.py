"""How ingest is, as the pages and the health address tell it."""

from __future__ import annotations

from dataclasses import dataclass

from central.ingest.models import Worker
from central.live.services import FLEET, announce
from central.project.clock import now_ms

BEAT_MS = 5_000
SILENT_MS = 20_000
"""A worker beats every `BEAT_MS`; one that missed several is not running."""

CONNECTED = "connected"
CONNECTING = "connecting"
REFUSED = "refused"
UNREACHABLE = "unreachable"
DISK_FULL = "disk_full"
STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class IngestState:
    """The best state of all workers, with the reason of the worst."""

    state: str
    reason: str
    workers: int


def ingest_state() -> IngestState:
    """Whether messages are being taken now."""
    workers = list(Worker.objects.filter(beat_at_ms__gte=now_ms() - SILENT_MS).exclude(state=STOPPED))
    if not workers:
        return IngestState(STOPPED, "", 0)
    for worker in workers:
        if worker.state == CONNECTED:
            return IngestState(CONNECTED, "", len(workers))
    return IngestState(workers[0].state, workers[0].reason, len(workers))


def beat(name: str, state: str, reason: str, taken: int) -> None:
    """A worker's heartbeat."""
    now = now_ms()
    worker, new = Worker.objects.get_or_create(
        name=name, defaults={"state": state, "reason": reason[:300], "since_ms": now, "beat_at_ms": now}
    )
    if new or (worker.state, worker.reason) != (state, reason[:300]) or worker.beat_at_ms < now - SILENT_MS:
        worker.state, worker.reason, worker.since_ms = state, reason[:300], now
        announce(FLEET)
    worker.beat_at_ms, worker.taken = now, taken
    worker.save()
