"""Enrolling agents, what they report of themselves, and letters to them."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import F, Q

from central.fleet.models import Agent, Camera, Letter, Stranger
from central.live.services import FLEET, announce
from central.project.clock import now_ms
from protocol.errors import PatrolError
from protocol.messages import AgentHealth, AgentStatus
from protocol.topics import OFFICER_PREFIX

_INT_MAX = 2**31 - 1
_IDENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")

STRANGERS_KEPT = 200
"""Anyone who may publish can invent names: only so many are shown."""

HEALTH_STALE_MS = 120_000
"""An agent that said nothing for so long is shown as silent whatever it said last."""

FIRST_RETRY_MS = 3_000
LAST_RETRY_MS = 5 * 60_000


def enrol(agent_id: str, jurisdiction_id: str) -> tuple[Agent, bool]:
    """Listen to this agent from now on; (agent, whether it is new). A known one is enabled again.

    Raises:
        PatrolError: a name that is not safe in a topic.
    """
    for field, value in (("agent", agent_id), ("jurisdiction", jurisdiction_id)):
        if not _IDENT.match(value):
            raise PatrolError(
                "a name has letters, digits, '_', '.' and '-', and at most 64 of them",
                field=field,
                value=value,
            )
    if agent_id.startswith(OFFICER_PREFIX):
        raise PatrolError(
            f"names that begin with {OFFICER_PREFIX!r} are those of officers at the broker",
            field="agent",
            value=agent_id,
        )
    with transaction.atomic():
        agent, new = Agent.objects.get_or_create(
            jurisdiction_id=jurisdiction_id, agent_id=agent_id, defaults={"enrolled_at_ms": now_ms()}
        )
        if not agent.enabled:
            agent.enabled = True
            agent.save(update_fields=["enabled"])
        Stranger.objects.filter(jurisdiction_id=jurisdiction_id, agent_id=agent_id).delete()
        announce(FLEET)
    return agent, new


def disable(agent: Agent) -> None:
    """Listen to this agent no more; what it sent stays."""
    with transaction.atomic():
        Agent.objects.filter(pk=agent.pk).update(enabled=False)
        announce(FLEET)


def find_agent(jurisdiction_id: str, agent_id: str) -> Agent | None:
    """The enrolled, enabled agent of this name."""
    return Agent.objects.filter(jurisdiction_id=jurisdiction_id, agent_id=agent_id, enabled=True).first()


def find_agents(names: Collection[tuple[str, str]]) -> dict[tuple[str, str], Agent]:
    """The enrolled, enabled agents among these (jurisdiction, agent)."""
    if not names:
        return {}
    found = Agent.objects.filter(agent_id__in={agent for _, agent in names}, enabled=True)
    return {
        (agent.jurisdiction_id, agent.agent_id): agent
        for agent in found
        if (agent.jurisdiction_id, agent.agent_id) in names
    }


def note_stranger(jurisdiction_id: str, agent_id: str) -> None:
    """Remember that somebody who was never enrolled knocked."""
    if not (_IDENT.match(jurisdiction_id) and _IDENT.match(agent_id)):
        return
    at = now_ms()
    known = Stranger.objects.filter(jurisdiction_id=jurisdiction_id, agent_id=agent_id)
    if known.update(last_at_ms=at, messages=F("messages") + 1):
        return
    if Stranger.objects.count() >= STRANGERS_KEPT:
        return
    _, new = Stranger.objects.get_or_create(
        jurisdiction_id=jurisdiction_id,
        agent_id=agent_id,
        defaults={"first_at_ms": at, "last_at_ms": at, "messages": 1},
    )
    if new:
        announce(FLEET)


def take_status(agent: Agent, status: AgentStatus) -> None:
    """Online, or gone by its last will. Believed in the order of arrival: a will is written before it is true."""
    changed = agent.online != status.online
    if changed or agent.online_since_ms is None:
        agent.online_since_ms = now_ms()
    agent.online = status.online
    agent.version = status.version[:64] or agent.version
    agent.heard_at_ms = now_ms()
    agent.save(update_fields=["online", "online_since_ms", "version", "heard_at_ms"])
    if changed and status.online:
        # It may have missed letters while it was away: no need to wait for the next turn.
        agent.letters.filter(confirmed_at_ms__isnull=True).update(next_at_ms=now_ms())
    if changed:
        announce(FLEET)


def take_health(agent: Agent, health: AgentHealth) -> None:
    """The newest word on an agent and its cameras replaces the rest."""
    if agent.health_at_ms is not None and health.at_ms < agent.health_at_ms:
        return
    before = {camera.camera_id: camera for camera in agent.cameras.all()}
    changed = list(health.problems) != agent.problems or set(before) != {c.camera_id for c in health.cameras}
    agent.health_at_ms = health.at_ms
    agent.heard_at_ms = now_ms()
    agent.version = health.version[:64]
    agent.outbox_waiting = min(health.outbox_waiting, _INT_MAX)
    agent.open_cases = min(health.open_cases, _INT_MAX)
    agent.problems = list(health.problems)
    agent.save(
        update_fields=["health_at_ms", "heard_at_ms", "version", "outbox_waiting", "open_cases", "problems"]
    )
    for camera in health.cameras:
        known = before.get(camera.camera_id)
        changed = changed or known is None or (known.state, known.reason) != (camera.state, camera.reason)
        age = camera.last_frame_age_ms
        Camera.objects.update_or_create(
            agent=agent,
            camera_id=camera.camera_id,
            defaults={
                "state": camera.state,
                "reason": camera.reason[:300],
                "since_ms": camera.since_ms,
                "frame_at_ms": None if age is None else health.at_ms - age,
                "frames": camera.frames,
                "reconnects": min(camera.reconnects, _INT_MAX),
                "reported_at_ms": health.at_ms,
            },
        )
    agent.cameras.exclude(camera_id__in=[camera.camera_id for camera in health.cameras]).delete()
    if changed:
        announce(FLEET)


def write_letter(agent: Agent, letter_id: str, payload: str) -> None:
    """Keep a message for an agent, in the caller's transaction, until it is confirmed."""
    at = now_ms()
    Letter.objects.create(agent=agent, letter_id=letter_id, payload=payload, created_at_ms=at, next_at_ms=at)


def confirm_letter(agent: Agent, letter_id: str) -> bool:
    """The agent acted on it: never sent again. True the first time."""
    return bool(
        Letter.objects.filter(agent=agent, letter_id=letter_id, confirmed_at_ms__isnull=True).update(
            confirmed_at_ms=now_ms(), next_at_ms=None
        )
    )


@dataclass(frozen=True, slots=True)
class DueLetter:
    """A letter to be sent now."""

    jurisdiction_id: str
    agent_id: str
    payload: str


def take_due_letters(limit: int = 100) -> list[DueLetter]:
    """Letters whose time has come; each is put off first, so that a crash repeats rather than loses it."""
    at = now_ms()
    due = Letter.objects.filter(
        Q(confirmed_at_ms__isnull=True), next_at_ms__lte=at, agent__enabled=True
    ).order_by("next_at_ms")
    if not due.exists():
        return []
    with transaction.atomic():
        if connection.features.has_select_for_update_skip_locked:
            due = due.select_for_update(skip_locked=True, of=("self",))
        letters = list(due.select_related("agent")[:limit])
        for letter in letters:
            letter.attempts += 1
            wait = min(FIRST_RETRY_MS * 2 ** min(letter.attempts - 1, 12), LAST_RETRY_MS)
            letter.next_at_ms = at + wait
        Letter.objects.bulk_update(letters, ["attempts", "next_at_ms"])
    return [DueLetter(x.agent.jurisdiction_id, x.agent.agent_id, x.payload) for x in letters]
