"""Tasks, retractions and records of a batch applied together: one transaction, few statements, all or nothing.

What has to be looked up is looked up for all messages at once, and what only accumulates (histories, announcements,
evidence, searches for officers) is written once at the end. The rules are the same functions that apply a single message.
A batch in which anything goes wrong leaves no trace; `central.ingest.intake` then takes its messages one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from central.fleet import services as fleet
from central.fleet.models import Agent
from central.ingest.keyed import CHANNELS, Keyed, RefusedError, first_receipts, read
from central.parking import services as parking
from central.project.unit import unit
from protocol.messages import CaseRecord, EnforcementTask, TaskRetraction
from protocol.topics import parse_agent_topic

Told = EnforcementTask | TaskRetraction | CaseRecord


@dataclass(frozen=True, slots=True)
class Ready:
    """A message that can be applied with others."""

    agent: Agent
    keyed: Keyed

    @property
    def message(self) -> Told:
        """What the agent says of a case."""
        assert isinstance(self.keyed.message, Told)
        return self.keyed.message


def ready(messages: Sequence[tuple[str, bytes]]) -> list[Ready | None]:
    """For each message what is to be applied, or None: then it needs to be looked at by itself."""
    wheres = [parse_agent_topic(topic) for topic, _ in messages]
    agents = fleet.find_agents(
        {(where.jurisdiction_id, where.agent_id) for where in wheres if where and where.channel in CHANNELS}
    )
    found: list[Ready | None] = []
    for where, (_, payload) in zip(wheres, messages, strict=True):
        found.append(None)
        if where is None or where.channel not in CHANNELS:
            continue
        agent = agents.get((where.jurisdiction_id, where.agent_id))
        if agent is None:
            continue
        try:
            keyed = read(where, payload)
        except RefusedError:
            continue
        if isinstance(keyed.message, Told):
            found[-1] = Ready(agent, keyed)
    return found


def take(batch: Sequence[Ready]) -> None:
    """Apply messages that `ready` gave, in their order; those that were applied before change nothing.

    Raises:
        Exception: whatever went wrong; then nothing was applied.
    """
    if not batch:
        return
    by_key = {one.keyed.key: one for one in reversed(batch)}
    with unit() as work:
        first = first_receipts([(key, one.message.kind, one.keyed.digest) for key, one in by_key.items()])
        news = [one for one in batch if one.keyed.key in first and by_key[one.keyed.key] is one]
        parking.hold(work, [(one.agent, one.message) for one in news])
        for one in news:
            parking.apply(one.agent, one.message)
