"""MQTT topics, root ``patrol/v1/{jurisdiction_id}``. The only place that spells them.

| topic below the root | direction | payload | kept by |
|---|---|---|---|
| agents/{agent}/status | agent -> all | AgentStatus, retained, last will | broker |
| agents/{agent}/tasks | agent -> centre | EnforcementTask, TaskRetraction | agent's outbox until Accept |
| agents/{agent}/cases | agent -> centre | CaseRecord, RecheckAnswer | agent's outbox until Accept |
| agents/{agent}/notices | agent -> centre | NoticeRequest | agent's outbox until Accept |
| agents/{agent}/evidence/{sha256} | agent -> centre | picture bytes | agent's outbox until Accept |
| agents/{agent}/health | agent -> centre | AgentHealth | nobody, the next replaces it |
| agents/{agent}/bays | agent -> centre | BayReport | nobody, the next replaces it |
| agents/{agent}/zones | agent -> centre | ZonePlan | agent's outbox until Accept |
| agents/{agent}/inbox | centre -> agent | any InboxMessage | centre's outbox |
| officers/{officer}/tasks | centre -> officer | OfficerTask, expires with the offer | centre's outbox |
| devices/{device}/telemetry | device -> centre | JSON as the device's type reads it | broker, for the centre's session |

An evidence picture's idempotency key is ``{jurisdiction}/{agent}/evidence/{sha256}``, derived from the topic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from protocol import PROTOCOL_VERSION

_ROOT = f"patrol/v{PROTOCOL_VERSION}"

AgentChannel = Literal["status", "tasks", "cases", "notices", "evidence", "health", "bays", "zones", "inbox"]


@dataclass(frozen=True, slots=True)
class AgentTopics:
    """The topics of one agent."""

    jurisdiction_id: str
    agent_id: str

    def of(self, channel: AgentChannel) -> str:
        """The topic of a channel; evidence needs `evidence(sha256)`."""
        return f"{_ROOT}/{self.jurisdiction_id}/agents/{self.agent_id}/{channel}"

    def evidence(self, sha256: str) -> str:
        return f"{self.of('evidence')}/{sha256}"

    def evidence_key(self, sha256: str) -> str:
        """Idempotency key of a picture."""
        return f"{self.jurisdiction_id}/{self.agent_id}/evidence/{sha256}"


OFFICER_PREFIX = "officer-"
"""Officers' names at the broker begin so, and no agent's may: rights there are given by name."""


@dataclass(frozen=True, slots=True)
class OfficerTopics:
    """The topics of one officer."""

    jurisdiction_id: str
    officer: str

    @property
    def tasks(self) -> str:
        return f"{_ROOT}/{self.jurisdiction_id}/officers/{self.officer}/tasks"


@dataclass(frozen=True, slots=True)
class DeviceTopics:
    """The topics of one device that measures."""

    jurisdiction_id: str
    device: str

    @property
    def telemetry(self) -> str:
        return f"{_ROOT}/{self.jurisdiction_id}/devices/{self.device}/telemetry"


def telemetry_filters(
    jurisdiction_id: str = "+", group: str = "devices", *, shared: bool = True
) -> tuple[str, ...]:
    """What the workers that take telemetry subscribe: together, or one of them for all."""
    plain = f"{_ROOT}/{jurisdiction_id}/devices/+/telemetry"
    return (f"$share/{group}/{plain}",) if shared else (plain,)


def parse_telemetry_topic(topic: str) -> tuple[str, str] | None:
    """(jurisdiction, device) of a telemetry topic, or None if it is none."""
    parts = topic.split("/")
    if len(parts) != 6 or parts[3] != "devices" or parts[5] != "telemetry" or "/".join(parts[:2]) != _ROOT:
        return None
    return parts[2], parts[4]


def officer_name(number: int) -> str:
    """An officer's name in topics and at the broker: a log-in name may hold what a topic may not."""
    return f"{OFFICER_PREFIX}{number}"


@dataclass(frozen=True, slots=True)
class ParsedTopic:
    """An agent's topic taken apart."""

    jurisdiction_id: str
    agent_id: str
    channel: str
    rest: str


def parse_agent_topic(topic: str) -> ParsedTopic | None:
    """Take an agent's topic apart, or None if it is none of ours."""
    parts = topic.split("/")
    if len(parts) not in (6, 7) or "/".join(parts[:2]) != _ROOT or parts[3] != "agents":
        return None
    return ParsedTopic(parts[2], parts[4], parts[5], parts[6] if len(parts) == 7 else "")


def ingest_filters(jurisdiction_id: str = "+", group: str = "ingest") -> tuple[str, ...]:
    """Shared subscriptions of the centre's ingest workers: each message goes to one worker of the group.

    Each channel has a group of its own, because rumqttd loses messages where one group has several filters. The
    retained status is subscribed by each worker for itself: brokers do not give retained messages to shared ones.
    """
    base = f"{_ROOT}/{jurisdiction_id}/agents/+"
    shared = tuple(
        f"$share/{group}-{channel}/{base}/{leaf}"
        for channel, leaf in (
            ("tasks", "tasks"),
            ("cases", "cases"),
            ("notices", "notices"),
            ("evidence", "evidence/+"),
            ("health", "health"),
            ("bays", "bays"),
            ("zones", "zones"),
        )
    )
    return (*shared, f"{base}/status")
