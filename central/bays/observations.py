"""What is heard of bays, from cameras and from other systems: the newest observation wins, whatever comes when."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal

from django.db import transaction
from django.db.models import Q

from central.bays import services
from central.bays.models import Bay, BayKind, BayStatus
from central.fleet.models import Agent
from central.project.clock import now_ms
from protocol.clock import Millis
from protocol.messages import BayObservation, BayReport

log = logging.getLogger(__name__)

AHEAD_MS = 5 * 60_000
"""How far a sender's clock may be ahead. An instant from further in the future would silence all later ones."""

Outcome = Literal["applied", "older", "same"]


@dataclass(frozen=True, slots=True)
class Observation:
    """One observation of one bay. `free` is how many vehicles it can take; None: what its status says."""

    status: BayStatus
    at_ms: Millis
    by: str
    free: int | None = None
    total: int | None = None


def observe(bay: Bay, seen: Observation) -> Outcome:
    """Take an observation unless a newer one is known. In a transaction of its own or the caller's.

    The condition is in the update itself, so that of two that come at once the newer stays, on every database.
    """
    total = seen.total or bay.total
    free = seen.free if seen.free is not None else (total if bay.kind == BayKind.SPOT else bay.free)
    if seen.status != BayStatus.FREE:
        free = 0
    at_ms = min(seen.at_ms, now_ms())
    with transaction.atomic():
        older = Q(observed_at_ms__isnull=True) | Q(observed_at_ms__lt=at_ms)
        changed = Bay.objects.filter(older, pk=bay.pk).update(
            status=seen.status,
            free=min(free, total),
            total=total,
            observed_at_ms=at_ms,
            observed_by=seen.by[:160],
        )
        if not changed:
            known = Bay.objects.filter(pk=bay.pk, observed_at_ms=at_ms, status=seen.status).exists()
            return "same" if known else "older"
        bay.status, bay.free, bay.total = seen.status, min(free, total), total
        bay.observed_at_ms, bay.observed_by = at_ms, seen.by[:160]
        if seen.status in (BayStatus.OCCUPIED, BayStatus.CLOSED):
            services.note_taken(bay)
    return "applied"


def take_report(agent: Agent, report: BayReport) -> None:
    """What an agent's camera sees of its bays. A bay that nobody has imported is added where its place is known."""
    by = f"agent:{agent}/{report.camera_id}"
    ids = [each.bay_id for each in report.bays]
    known = {
        bay.bay_id: bay for bay in Bay.objects.filter(jurisdiction_id=agent.jurisdiction_id, bay_id__in=ids)
    }
    for told in report.bays:
        bay = known.get(told.bay_id) or _add(agent, told, by)
        if bay is None:
            continue
        if bay.kind != BayKind.SPOT:
            log.warning("%s: bay %s is a site, a camera's zone cannot speak for it", by, bay)
            continue
        # "Not known" is itself something that is known from now on; what was seen counts from when it was seen.
        at_ms = told.observed_at_ms if told.status != "unknown" else report.at_ms
        observe(bay, Observation(BayStatus(told.status), at_ms if at_ms is not None else report.at_ms, by))


def _add(agent: Agent, told: BayObservation, by: str) -> Bay | None:
    if told.position is None:
        log.warning(
            "%s: bay %s is not known here and has no position; import it, or set one", by, told.bay_id
        )
        return None
    bay, new = Bay.objects.get_or_create(
        jurisdiction_id=agent.jurisdiction_id,
        bay_id=told.bay_id,
        defaults={
            "name": told.name or told.bay_id,
            "longitude": told.position.longitude,
            "latitude": told.position.latitude,
            "allowed": list(told.allowed) or ["car"],
            "imported_at_ms": now_ms(),
        },
    )
    if new:
        services.layout_changed(agent.jurisdiction_id)
    return bay
