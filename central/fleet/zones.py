"""Which zones each camera judges by and where they lie, as agents tell it."""

from __future__ import annotations

from central.fleet.models import Agent, CameraZones
from central.project.clock import now_ms
from protocol.messages import ZonePlan


def take_plan(agent: Agent, plan: ZonePlan) -> bool:
    """Keep what an agent says of a camera's zones; False for a word that is older than what is known.

    Of two published files the higher version is newer; else the later word is. A word from the future counts as said now,
    so that a box whose clock was wrong is heard again once it is right.
    """
    now = now_ms()
    told = min(plan.at_ms, now)
    known = CameraZones.objects.select_for_update().filter(agent=agent, camera_id=plan.camera_id).first()
    if known is not None and _older(plan, told, known):
        return False
    position = plan.position
    CameraZones.objects.update_or_create(
        agent=agent,
        camera_id=plan.camera_id,
        defaults={
            "version": plan.in_force.version,
            "sha256": plan.in_force.sha256[:64],
            "author": (plan.in_force.author or "")[:120],
            "told_at_ms": told,
            "received_at_ms": now,
            "longitude": None if position is None else position.longitude,
            "latitude": None if position is None else position.latitude,
            "zones": [zone.model_dump(mode="json") for zone in plan.zones],
        },
    )
    return True


def _older(plan: ZonePlan, told_ms: int, known: CameraZones) -> bool:
    version = plan.in_force.version
    if version is not None and known.version is not None and version != known.version:
        return version < known.version
    return told_ms < known.told_at_ms
