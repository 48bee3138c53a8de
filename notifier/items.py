"""Makes the outbox items of the messages that exist, so that keys, topics and groups are spelled once."""

from __future__ import annotations

from typing import Any, Literal

from notifier.outbox import OutboxItem
from protocol.clock import Millis
from protocol.messages import CaseRecord, EnforcementTask, TaskRetraction, ZonePlan, idempotency_key
from protocol.topics import AgentTopics


def message_item(
    message: EnforcementTask | TaskRetraction | CaseRecord, topics: AgentTopics, now_ms: Millis
) -> OutboxItem:
    """A task, retraction or case record for the centre; those of one case and topic keep their order."""
    channel: Literal["cases", "tasks"] = "cases" if isinstance(message, CaseRecord) else "tasks"
    meta = {"topic": topics.of(channel), "needs_accept": True, "group": f"{channel}/{message.case_id}"}
    return OutboxItem(message.idempotency_key, "mqtt", message.model_dump_json().encode(), meta, now_ms)


def plan_item(plan: ZonePlan, topics: AgentTopics, now_ms: Millis) -> OutboxItem:
    """The zones of a camera for the centre; those of one camera keep their order."""
    meta = {"topic": topics.of("zones"), "needs_accept": True, "group": f"zones/{plan.camera_id}"}
    return OutboxItem(plan.idempotency_key, "mqtt", plan.model_dump_json().encode(), meta, now_ms)


def evidence_item(sha256: str, picture: bytes, topics: AgentTopics, now_ms: Millis) -> OutboxItem:
    """An evidence picture for the centre, named by its hash; the same picture is sent once."""
    meta = {"topic": topics.evidence(sha256), "needs_accept": True}
    return OutboxItem(topics.evidence_key(sha256), "mqtt", picture, meta, now_ms)


def notice_key(jurisdiction_id: str, agent_id: str, camera_id: str, case_id: str) -> str:
    """Key of the one warning of a case."""
    return idempotency_key(jurisdiction_id, agent_id, camera_id, case_id, "notice")


def notice_item(
    key: str, text: str, *, plate: str, case_id: str, now_ms: Millis, give_up_ms: Millis | None = None
) -> OutboxItem:
    """The warning of a case.

    Args:
        key: from `notice_key`; its `notifier.sms.reference` is in the text.
        text: from `notifier.notice.render`.
        plate: whose owner is written to.
        case_id: the case.
        now_ms: when it was decided.
        give_up_ms: after this instant it is pointless; None for the worker's own limit.
    """
    meta: dict[str, Any] = {"plate": plate, "case_id": case_id}
    if give_up_ms is not None:
        meta["give_up_ms"] = give_up_ms
    return OutboxItem(key, "sms", text.encode(), meta, now_ms)
