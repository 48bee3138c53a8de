"""Tells the centre which zones are in force for each camera, and where they lie on the map."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace

from edge_agent.identity import Identity
from edge_agent.store import Store
from edge_agent.zone_rules import Rules
from notifier import outbox
from notifier.items import plan_item
from protocol.clock import Millis
from protocol.messages import ZonePlan
from zones.outlines import outlines_of

Tell = Callable[[str, Rules, Millis], None]
"""Camera id, what is in force for it, and when that is told."""


def plan_of(identity: Identity, camera_id: str, rules: Rules, at_ms: Millis) -> ZonePlan:
    """What the centre is told. Each telling is a message of its own: zones may come back to what they were."""
    position, zones = outlines_of(rules.zones)
    return ZonePlan(
        idempotency_key=f"{identity.jurisdiction_id}/{identity.agent_id}/{camera_id}/zones/{rules.tag}-{at_ms}",
        jurisdiction_id=identity.jurisdiction_id,
        agent_id=identity.agent_id,
        camera_id=camera_id,
        at_ms=at_ms,
        in_force=rules.told(),
        position=position,
        zones=zones,
    )


def through_outbox(identity: Identity, store: Store) -> Tell:
    """Tells by the outbox. What still waits there of the same camera is withdrawn: only the newest is worth sending."""

    def tell(camera_id: str, rules: Rules, at_ms: Millis) -> None:
        plan = plan_of(identity, camera_id, rules, at_ms)
        item = plan_item(plan, identity.topics, at_ms)
        with store.transaction() as db:
            _withdraw(db, store.meta(_meta(camera_id)), at_ms)
            outbox.put(db, replace(item, payload=store.vault.seal(item.payload)))
            store.set_meta(_meta(camera_id), item.key)

    return tell


def _withdraw(db: sqlite3.Connection, key: str | None, at_ms: Millis) -> None:
    if key is not None:
        outbox.cancel(db, key, at_ms)


def _meta(camera_id: str) -> str:
    return f"zones_told/{camera_id}"
