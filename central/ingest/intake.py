"""Messages from agents, taken or not: the decision and its effect, without a broker in sight.

`take_all` takes a batch in one transaction with a savepoint per message, and returns what is to be answered. It
never raises for what a message holds, only where the database or the disk fails; then nothing was taken.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F
from pydantic import TypeAdapter, ValidationError

from central.bays.observations import take_report as take_bay_report
from central.cases import pictures
from central.cases.models import Picture
from central.cases.services import tie_pictures
from central.driver import services as driver
from central.fleet import services as fleet
from central.fleet.models import Agent
from central.ingest.models import Quarantined, Receipt
from central.notices import services as notices
from central.parking import services as parking
from central.project.clock import now_ms
from protocol.messages import (
    AgentHealth,
    AgentMessage,
    AgentStatus,
    BayReport,
    CaseRecord,
    EnforcementTask,
    NoticeRequest,
    RecheckAnswer,
    TaskRetraction,
)
from protocol.topics import AgentTopics, ParsedTopic, parse_agent_topic

log = logging.getLogger(__name__)

Report = TypeVar("Report", AgentStatus, AgentHealth, BayReport)

Checked = dict[tuple[str, str], pictures.Size | pictures.BadPictureError]
"""(topic, hash of the payload) -> what looking at the picture showed."""

_SHA256 = re.compile(r"[0-9a-f]{64}")

KEY_LENGTH = 300
HEAD_LENGTH = 4000
QUARANTINE_KEPT = 10_000
JSON_BYTES = 256 * 1024
"""A task is a few kilobytes."""

CHANNELS: dict[str, set[str]] = {
    "tasks": {"enforcement_task", "task_retraction"},
    "cases": {"case_record", "recheck_answer"},
    "notices": {"notice_request"},
}
"""Which kinds may come through which channel, since a broker's rights are given by topic."""

KeyedMessage = EnforcementTask | TaskRetraction | CaseRecord | NoticeRequest | RecheckAnswer

_messages: TypeAdapter[KeyedMessage] = TypeAdapter(AgentMessage)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the agent is told: `accepted` keys may be forgotten, `refused` ones need a person."""

    jurisdiction_id: str
    agent_id: str
    accepted: str | None = None
    refused: str | None = None
    reason: str = ""
    agent_pk: int = 0
    pictures: tuple[str, ...] = ()
    """Hashes that the message named or brought, to be tied to cases once it is committed."""


class _Refused(Exception):
    """The message will never be accepted as it is."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(reason)
        self.key = key[:KEY_LENGTH]
        self.reason = reason[:500]


def _order_of(topic: str, payload: bytes) -> str:
    """A name that messages of one case share."""
    where = parse_agent_topic(topic)
    if where is None or where.channel not in CHANNELS:
        return topic
    try:
        body = json.loads(payload)
        return "/".join((where.jurisdiction_id, where.agent_id, str(body["camera_id"]), str(body["case_id"])))
    except (ValueError, KeyError, TypeError, RecursionError):
        return topic


def take_all(messages: Sequence[tuple[str, bytes]]) -> list[Answer]:
    """Take a batch of (topic, payload) and say what to answer, now that all of it is stored for good.

    Raises:
        OperationalError, InterfaceError: the database failed; the batch must be taken again.
        OSError: a picture could not be written; the batch must be taken again.
    """
    # Cases are locked in one order by every worker, so that none waits for another in a circle.
    ordered = sorted(messages, key=lambda message: _order_of(*message))
    checked = _check_pictures(messages)
    with transaction.atomic():
        taken = [_answer(topic, payload, checked) for topic, payload in ordered]
    answers = [answer for answer in taken if answer is not None]
    named: dict[int, set[str]] = {}
    for answer in answers:
        if answer.pictures:
            named.setdefault(answer.agent_pk, set()).update(answer.pictures)
    for agent_pk, hashes in sorted(named.items()):
        tie_pictures(agent_pk, hashes)
    return answers


def _check_pictures(messages: Sequence[tuple[str, bytes]]) -> Checked:
    """Decode and store new pictures before the transaction: it takes long, and SQLite has one writer at a time.

    A file is stored before its row: a row without its file would be a lie, a file without its row is kept in vain.
    """
    checked: Checked = {}
    for topic, payload in messages:
        where = parse_agent_topic(topic)
        if where is None or where.channel != "evidence" or not _SHA256.fullmatch(where.rest):
            continue
        key = AgentTopics(where.jurisdiction_id, where.agent_id).evidence_key(where.rest)
        if fleet.find_agent(where.jurisdiction_id, where.agent_id) is None:
            continue
        if Receipt.objects.filter(key=key).exists():
            continue
        name = (topic, hashlib.sha256(payload).hexdigest())
        try:
            size, thumbnail = pictures.check(payload, where.rest)
        except pictures.BadPictureError as error:
            checked[name] = error
            continue
        pictures.store(payload, thumbnail, where.rest)
        checked[name] = size
    return checked


def _answer(topic: str, payload: bytes, checked: Checked) -> Answer | None:
    where = parse_agent_topic(topic)
    if where is None:
        _quarantine(topic, payload, "", "not a topic of an agent")
        return None
    agent = fleet.find_agent(where.jurisdiction_id, where.agent_id)
    if agent is None:
        # Not answered: the agent keeps it and sends it again once somebody has enrolled it.
        fleet.note_stranger(where.jurisdiction_id, where.agent_id)
        return None
    try:
        with transaction.atomic():
            key, hashes = _take(agent, where, topic, payload, checked)
    except _Refused as refusal:
        _quarantine(topic, payload, refusal.key, refusal.reason)
        return Answer(where.jurisdiction_id, where.agent_id, refused=refusal.key, reason=refusal.reason)
    except (OperationalError, InterfaceError, OSError):
        raise
    except Exception:
        # Our own mistake must not stop the others, nor make the agent forget: no answer, a person looks.
        # The agent will send it again and again; the log says it once.
        if _quarantine(topic, payload, "", "the centre failed to apply it; see its log"):
            log.exception("a message on %s could not be applied", topic)
        return None
    if key is None:
        return None
    return Answer(where.jurisdiction_id, where.agent_id, accepted=key, agent_pk=agent.pk, pictures=hashes)


def _take(
    agent: Agent, where: ParsedTopic, topic: str, payload: bytes, checked: Checked
) -> tuple[str | None, tuple[str, ...]]:
    """(key to accept, hashes of pictures concerned). Also for a duplicate, whose first taking may have been cut short."""
    if where.channel == "evidence":
        found = checked.get((topic, hashlib.sha256(payload).hexdigest()))
        return _take_picture(agent, where, payload, found), (where.rest,)
    if len(payload) > JSON_BYTES:
        raise _Refused("", f"{len(payload)} bytes, at most {JSON_BYTES} are accepted")
    if where.channel == "status":
        if payload:  # empty: a retained status was cleared
            status = _parse(AgentStatus, payload)
            _same_agent(where, status.jurisdiction_id, status.agent_id, "")
            _storable(status.model_dump(mode="python"), "")
            fleet.take_status(agent, status)
        return None, ()
    if where.channel == "health":
        health = _parse(AgentHealth, payload)
        _same_agent(where, health.jurisdiction_id, health.agent_id, "")
        _storable(health.model_dump(mode="python"), "")
        fleet.take_health(agent, health)
        return None, ()
    if where.channel == "bays":
        bays = _parse(BayReport, payload)
        _same_agent(where, bays.jurisdiction_id, bays.agent_id, "")
        _storable(bays.model_dump(mode="python"), "")
        take_bay_report(agent, bays)
        return None, ()
    if where.channel not in CHANNELS:
        raise _Refused("", f"nothing is expected on channel {where.channel!r}")
    try:
        message = _messages.validate_json(payload)
    except ValidationError as error:
        raise _Refused(_key_of(payload), _explain(error)) from None
    key = message.idempotency_key
    _same_agent(where, message.jurisdiction_id, message.agent_id, key)
    if message.kind not in CHANNELS[where.channel]:
        raise _Refused(key, f"a {message.kind} does not belong on channel {where.channel!r}")
    _storable(message.model_dump(mode="python"), key)
    content = message.model_dump_json().encode()
    hashes = _pictures_of(message)
    if not _first(key, message.kind, content):
        return key, hashes
    if isinstance(message, EnforcementTask):
        parking.apply_task(agent, message)
    elif isinstance(message, TaskRetraction):
        parking.apply_retraction(agent, message)
    elif isinstance(message, RecheckAnswer):
        driver.apply_answer(agent, message)
    elif isinstance(message, NoticeRequest):
        notices.take_request(agent, message)
    else:
        parking.apply_record(agent, message)
    return key, hashes


def _pictures_of(message: KeyedMessage) -> tuple[str, ...]:
    """Hashes of the pictures that a message names."""
    match message:
        case EnforcementTask(evidence=refs):
            return tuple(ref.sha256 for ref in refs)
        case NoticeRequest(evidence=ref) if ref is not None:
            return (ref.sha256,)
    return ()


def _take_picture(
    agent: Agent, where: ParsedTopic, payload: bytes, found: pictures.Size | pictures.BadPictureError | None
) -> str | None:
    sha256 = where.rest
    key = AgentTopics(where.jurisdiction_id, where.agent_id).evidence_key(sha256)
    if not _SHA256.fullmatch(sha256):
        raise _Refused(key, "the topic does not name a SHA-256")
    if isinstance(found, pictures.BadPictureError):
        raise _Refused(key, str(found))
    if found is None:
        # Received before, or its agent was enrolled a moment ago: then it comes again.
        return key if Receipt.objects.filter(key=key).exists() else None
    if not _first(key, "evidence", payload):
        return key
    Picture.objects.create(
        agent=agent,
        sha256=sha256,
        size=len(payload),
        width=found.width,
        height=found.height,
        received_at_ms=now_ms(),
    )
    return key


def _first(key: str, kind: str, content: bytes) -> bool:
    """Write the receipt; False where the key has one, from this worker or another."""
    digest = hashlib.sha256(content).hexdigest()
    table = connection.ops.quote_name(Receipt._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (key, kind, content_sha256, received_at_ms)"  # noqa: S608
            " VALUES (%s, %s, %s, %s) ON CONFLICT (key) DO NOTHING",
            [key, kind, digest, now_ms()],
        )
        if cursor.rowcount == 1:
            return True
    if Receipt.objects.filter(key=key).exclude(content_sha256=digest).exists():
        log.warning("key %s came again with other contents; the first stays", key)
    return False


def _parse(model: type[Report], payload: bytes) -> Report:
    try:
        return model.model_validate_json(payload)
    except ValidationError as error:
        raise _Refused("", _explain(error)) from None


def _same_agent(where: ParsedTopic, jurisdiction_id: str, agent_id: str, key: str) -> None:
    if (where.jurisdiction_id, where.agent_id) != (jurisdiction_id, agent_id):
        raise _Refused(
            key,
            f"it speaks for {jurisdiction_id}/{agent_id} on the topic of"
            f" {where.jurisdiction_id}/{where.agent_id}",
        )


def _storable(value: Any, key: str) -> None:
    """Refuse what JSON can say and no database can keep."""
    if isinstance(value, dict):
        for part in value.values():
            _storable(part, key)
    elif isinstance(value, (list, tuple)):
        for part in value:
            _storable(part, key)
    elif isinstance(value, str) and "\x00" in value:
        raise _Refused(key, "a text holds a NUL character")
    elif isinstance(value, float) and not math.isfinite(value):
        raise _Refused(key, "a number is not finite")
    elif isinstance(value, int) and abs(value) >= 2**53:
        raise _Refused(key, "a number is too large")


def _explain(error: ValidationError) -> str:
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


def _quarantine(topic: str, payload: bytes, key: str, reason: str) -> bool:
    """Keep it for a person; whether it is the first time."""
    digest = hashlib.sha256(payload).hexdigest()
    now = now_ms()
    topic = topic[:300].replace("\x00", "")
    again = Quarantined.objects.filter(topic=topic, sha256=digest)
    if again.update(last_at_ms=now, times=F("times") + 1, reason=reason[:500]):
        return False
    Quarantined.objects.bulk_create(
        [
            Quarantined(
                topic=topic,
                key=key,
                reason=reason[:500],
                size=len(payload),
                sha256=digest,
                head=payload[:HEAD_LENGTH].decode("utf-8", "replace").replace("\x00", ""),
                first_at_ms=now,
                last_at_ms=now,
            )
        ],
        ignore_conflicts=True,
    )
    return True


def sweep() -> None:
    """Keep the newest of what was quarantined."""
    cut = Quarantined.objects.order_by("-id").values_list("id", flat=True)[
        QUARANTINE_KEPT : QUARANTINE_KEPT + 1
    ]
    for number in cut:
        Quarantined.objects.filter(id__lte=number).delete()
