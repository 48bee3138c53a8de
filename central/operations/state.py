"""How the whole centre is: the database, the workers, the clocks, the broker. One list of findings for `/readyz`, for the
page of those who keep the centre, and for metrics."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from django.db import DatabaseError, connection

from central.clocks import health as clocks
from central.ingest.state import CONNECTED, ingest_state
from central.live.beats import KINDS, SILENT_MS, STOPPED, WORKING
from central.live.models import Heartbeat
from central.project import bootstrap
from central.project.clock import now_ms
from protocol.errors import PatrolError

OK, DEGRADED, UNAVAILABLE = "ok", "degraded", "unavailable"
"""Of the whole: all is well; pages work and something else does not; pages cannot work."""

GOOD, LATER, BAD = "good", "later", "bad"
"""Of one finding: well; to be mended within days; to be mended now."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: `database`, `schema`, `worker`, `broker`, `clocks` or `calendar`.
        subject: which one of several, e.g. the kind of worker.
        tone: `good`, `later` or `bad`.
        word: its state, one of a few words.
        facts: JSON values; times in UTC milliseconds.
    """

    name: str
    subject: str
    tone: str
    word: str
    facts: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class State:
    """The state of the whole with what it rests on."""

    status: str
    findings: tuple[Finding, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"status": self.status, "findings": [finding.as_dict() for finding in self.findings]}


def look(*, briefly: bool = False) -> State:
    """Look at everything; never fails for what it finds.

    Args:
        briefly: stop where pages could not work, and look at nothing else. For a supervisor's probe.
    """
    try:
        connection.ensure_connection()
        bootstrap.check_schema()
    except DatabaseError:
        return State(UNAVAILABLE, (Finding("database", "", BAD, "unreachable"),))
    except PatrolError as error:
        return State(UNAVAILABLE, (Finding("schema", "", BAD, "other_version", {"problem": error.problem}),))
    found = [Finding("database", connection.vendor, GOOD, "ok"), Finding("schema", "", GOOD, "ok")]
    if not briefly:
        try:
            found += [*_workers(), _broker(), *_clocks()]
        except DatabaseError:
            return State(UNAVAILABLE, (Finding("database", connection.vendor, BAD, "unreachable"),))
    status = DEGRADED if any(finding.tone == BAD for finding in found) else OK
    return State(status, tuple(found))


def _workers() -> list[Finding]:
    now = now_ms()
    beats: dict[str, list[Heartbeat]] = {kind: [] for kind in KINDS}
    for beat in Heartbeat.objects.order_by("-beat_at_ms"):
        beats.setdefault(beat.kind, []).append(beat)
    found = []
    for kind in KINDS:
        alive = [b for b in beats[kind] if b.beat_at_ms >= now - SILENT_MS and b.state != STOPPED]
        facts: dict[str, Any] = {
            "running": len(alive),
            "beat_at_ms": max((b.beat_at_ms for b in beats[kind]), default=None),
            "success_at_ms": max((b.success_at_ms for b in beats[kind] if b.success_at_ms), default=None),
            "versions": sorted({b.version for b in alive}),
        }
        if not alive:
            stopped = bool(beats[kind]) and beats[kind][0].state == STOPPED
            found.append(
                Finding("worker", kind, BAD, "stopped" if stopped or not beats[kind] else "silent", facts)
            )
            continue
        best = next((b for b in alive if b.state == WORKING), alive[0])
        if best.state == WORKING:
            found.append(Finding("worker", kind, GOOD, "working", facts))
        else:
            facts |= {"state": best.state, "reason": best.reason}
            found.append(Finding("worker", kind, BAD, "trouble", facts))
    return found


def _broker() -> Finding:
    ingest = ingest_state()
    good = ingest.state == CONNECTED
    return Finding(
        "broker", "", GOOD if good else BAD, ingest.state, {"reason": ingest.reason} if ingest.reason else {}
    )


def _clocks() -> list[Finding]:
    found = []
    late = Finding("clocks", "", GOOD, "ok")
    for problem in clocks.problems():
        if problem.name == "sweeper_late":
            late = Finding("clocks", "", BAD, "late", problem.facts)
        elif problem.name == "missing_year":
            tone = BAD if problem.urgent else LATER
            subject = f"{problem.facts['jurisdiction']} {problem.facts['year']}"
            found.append(Finding("calendar", subject, tone, "missing", problem.facts))
    return [late, *(found or [Finding("calendar", "", GOOD, "ok")])]
