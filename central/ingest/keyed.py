"""Messages that carry a key: read and checked, and the receipt that makes each count once."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from pydantic import TypeAdapter, ValidationError

from central.ingest.models import Receipt
from central.project.clock import now_ms
from protocol.messages import (
    AgentMessage,
    CaseRecord,
    EnforcementTask,
    NoticeRequest,
    RecheckAnswer,
    TaskRetraction,
    ZonePlan,
)
from protocol.topics import ParsedTopic

log = logging.getLogger(__name__)

KEY_LENGTH = 300

JSON_BYTES = 256 * 1024
"""A task is a few kilobytes."""

CHANNELS: dict[str, set[str]] = {
    "tasks": {"enforcement_task", "task_retraction"},
    "cases": {"case_record", "recheck_answer"},
    "notices": {"notice_request"},
    "zones": {"zone_plan"},
}
"""Which kinds may come through which channel, since a broker's rights are given by topic."""

KeyedMessage = EnforcementTask | TaskRetraction | CaseRecord | NoticeRequest | RecheckAnswer | ZonePlan

_messages: TypeAdapter[KeyedMessage] = TypeAdapter(AgentMessage)


class RefusedError(Exception):
    """The message will never be accepted as it is."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(reason)
        self.key = key[:KEY_LENGTH]
        self.reason = reason[:500]


@dataclass(frozen=True, slots=True)
class Keyed:
    """A message as it was read.

    Attributes:
        digest: hash of its contents in one spelling, the same however it was written.
    """

    message: KeyedMessage
    digest: str

    @property
    def key(self) -> str:
        """What makes it the same message."""
        return self.message.idempotency_key

    @property
    def pictures(self) -> tuple[str, ...]:
        """Hashes of the pictures that it names."""
        match self.message:
            case EnforcementTask(evidence=refs):
                return tuple(ref.sha256 for ref in refs)
            case NoticeRequest(evidence=ref) if ref is not None:
                return (ref.sha256,)
        return ()


def read(where: ParsedTopic, payload: bytes) -> Keyed:
    """Read a message and check that it may come this way.

    Raises:
        RefusedError: it is malformed, too large, somebody else's, or on the wrong channel.
    """
    check_size(payload)
    try:
        message = _messages.validate_json(payload)
    except ValidationError as error:
        raise RefusedError(_key_of(payload), explain(error)) from None
    key = message.idempotency_key
    same_agent(where, message.jurisdiction_id, message.agent_id, key)
    if message.kind not in CHANNELS[where.channel]:
        raise RefusedError(key, f"a {message.kind} does not belong on channel {where.channel!r}")
    storable(message.model_dump(mode="python"), key)
    return Keyed(message, hashlib.sha256(message.model_dump_json().encode()).hexdigest())


def first_receipts(receipts: Sequence[tuple[str, str, str]]) -> set[str]:
    """Write receipts (key, kind, digest of the contents), each key once; the keys that had none before."""
    if not receipts:
        return set()
    table = connection.ops.quote_name(Receipt._meta.db_table)
    at = now_ms()
    facts: list[Any] = []
    # In one order for all workers, so that none waits for another in a circle.
    for key, kind, digest in sorted(receipts):
        facts += [key, kind, digest, at]
    rows = ", ".join(["(%s, %s, %s, %s)"] * len(receipts))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (key, kind, content_sha256, received_at_ms)"  # noqa: S608
            f" VALUES {rows} ON CONFLICT (key) DO NOTHING RETURNING key",
            facts,
        )
        first = {str(key) for (key,) in cursor.fetchall()}
    again = {key: digest for key, _, digest in receipts if key not in first}
    if again:
        for key, digest in Receipt.objects.filter(key__in=list(again)).values_list("key", "content_sha256"):
            if digest != again[key]:
                log.warning("key %s came again with other contents; the first stays", key)
    return first


def check_size(payload: bytes) -> None:
    """Raises `RefusedError` for a text larger than any message."""
    if len(payload) > JSON_BYTES:
        raise RefusedError("", f"{len(payload)} bytes, at most {JSON_BYTES} are accepted")


def same_agent(where: ParsedTopic, jurisdiction_id: str, agent_id: str, key: str) -> None:
    """Raises `RefusedError` where a message speaks for somebody else."""
    if (where.jurisdiction_id, where.agent_id) != (jurisdiction_id, agent_id):
        raise RefusedError(
            key,
            f"it speaks for {jurisdiction_id}/{agent_id} on the topic of"
            f" {where.jurisdiction_id}/{where.agent_id}",
        )


def storable(value: Any, key: str) -> None:
    """Refuse what JSON can say and no database can keep."""
    if isinstance(value, dict):
        for part in value.values():
            storable(part, key)
    elif isinstance(value, (list, tuple)):
        for part in value:
            storable(part, key)
    elif isinstance(value, str):
        if "\x00" in value:
            raise RefusedError(key, "a text holds a NUL character")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise RefusedError(key, "a number is not finite")
    elif isinstance(value, int) and abs(value) >= 2**53:
        raise RefusedError(key, "a number is too large")


def explain(error: ValidationError) -> str:
    """Which fields are wrong, without repeating what they hold."""
    parts = [
        f"{'.'.join(str(step) for step in fault['loc']) or 'message'}: {fault['msg']}"
        for fault in error.errors(include_url=False, include_input=False, include_context=False)[:5]
    ]
    return "; ".join(parts)[:500]


def _key_of(payload: bytes) -> str:
    try:
        key = json.loads(payload)["idempotency_key"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return key if isinstance(key, str) and len(key) <= KEY_LENGTH and "\x00" not in key else ""
