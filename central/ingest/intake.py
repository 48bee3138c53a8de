"""Messages from agents, taken or not: the decision and its effect, without a broker in sight.

`take_all` takes a batch in one transaction with a savepoint per message, and returns what is to be answered. It
never raises for what a message holds, only where the database or the disk fails; then nothing was taken.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F
from pydantic import ValidationError

from central.bays.observations import take_report as take_bay_report
from central.cases import pictures
from central.cases.models import Picture
from central.cases.services import agents_with_pictures, tie_pictures
from central.driver import services as driver
from central.fleet import services as fleet
from central.fleet import zones
from central.fleet.models import Agent
from central.ingest import keyed, together
from central.ingest.keyed import CHANNELS, RefusedError
from central.ingest.models import Quarantined, Receipt
from central.notices import services as notices
from central.parking import services as parking
from central.project.clock import now_ms
from protocol.messages import AgentHealth, AgentStatus, BayReport, NoticeRequest, RecheckAnswer, ZonePlan
from protocol.topics import AgentTopics, ParsedTopic, parse_agent_topic

log = logging.getLogger(__name__)

Report = TypeVar("Report", AgentStatus, AgentHealth, BayReport)

Checked = dict[tuple[str, str], pictures.Size | pictures.BadPictureError]
"""(topic, hash of the payload) -> what looking at the picture showed."""

_SHA256 = re.compile(r"[0-9a-f]{64}")

HEAD_LENGTH = 4000
QUARANTINE_KEPT = 10_000


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
    ready = together.ready(ordered)
    try:
        together.take([one for one in ready if one is not None])
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        # One that cannot be applied, or another worker at the same new case. Nothing of it was kept: one at a time, then.
        log.info("a batch is taken message by message: %s", type(error).__name__)
        ready = [None] * len(ordered)
    taken = [None if one is None else _accepted(one) for one in ready]
    alone = [number for number, one in enumerate(ready) if one is None]
    if alone:
        with transaction.atomic():
            for number in alone:
                taken[number] = _answer(*ordered[number], checked)
    answers = [answer for answer in taken if answer is not None]
    named: dict[int, set[str]] = {}
    for answer in answers:
        if answer.pictures:
            named.setdefault(answer.agent_pk, set()).update(answer.pictures)
    arrived = agents_with_pictures({(agent, digest) for agent, hashes in named.items() for digest in hashes})
    for agent_pk in sorted(arrived):
        tie_pictures(agent_pk, named[agent_pk])
    return answers


def _accepted(one: together.Ready) -> Answer:
    return Answer(
        one.agent.jurisdiction_id,
        one.agent.agent_id,
        accepted=one.keyed.key,
        agent_pk=one.agent.pk,
        pictures=one.keyed.pictures,
    )


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
    except RefusedError as refusal:
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
    keyed.check_size(payload)
    if where.channel == "status":
        if payload:  # empty: a retained status was cleared
            status = _parse(AgentStatus, payload)
            keyed.same_agent(where, status.jurisdiction_id, status.agent_id, "")
            keyed.storable(status.model_dump(mode="python"), "")
            fleet.take_status(agent, status)
        return None, ()
    if where.channel == "health":
        health = _parse(AgentHealth, payload)
        keyed.same_agent(where, health.jurisdiction_id, health.agent_id, "")
        keyed.storable(health.model_dump(mode="python"), "")
        fleet.take_health(agent, health)
        return None, ()
    if where.channel == "bays":
        bays = _parse(BayReport, payload)
        keyed.same_agent(where, bays.jurisdiction_id, bays.agent_id, "")
        keyed.storable(bays.model_dump(mode="python"), "")
        take_bay_report(agent, bays)
        return None, ()
    if where.channel not in CHANNELS:
        raise RefusedError("", f"nothing is expected on channel {where.channel!r}")
    read = keyed.read(where, payload)
    message = read.message
    if not keyed.first_receipts([(read.key, message.kind, read.digest)]):
        return read.key, read.pictures
    if isinstance(message, RecheckAnswer):
        driver.apply_answer(agent, message)
    elif isinstance(message, NoticeRequest):
        notices.take_request(agent, message)
    elif isinstance(message, ZonePlan):
        zones.take_plan(agent, message)
    else:
        parking.apply(agent, message)
    return read.key, read.pictures


def _take_picture(
    agent: Agent, where: ParsedTopic, payload: bytes, found: pictures.Size | pictures.BadPictureError | None
) -> str | None:
    sha256 = where.rest
    key = AgentTopics(where.jurisdiction_id, where.agent_id).evidence_key(sha256)
    if not _SHA256.fullmatch(sha256):
        raise RefusedError(key, "the topic does not name a SHA-256")
    if isinstance(found, pictures.OtherPictureError):
        # Spoilt on the way, or somebody else's: the agent's own picture is not refused with it, and comes again.
        raise RefusedError("", str(found))
    if isinstance(found, pictures.BadPictureError):
        raise RefusedError(key, str(found))
    if found is None:
        # Received before, or its agent was enrolled a moment ago: then it comes again.
        return key if Receipt.objects.filter(key=key).exists() else None
    if not keyed.first_receipts([(key, "evidence", sha256)]):
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


def _parse(model: type[Report], payload: bytes) -> Report:
    try:
        return model.model_validate_json(payload)
    except ValidationError as error:
        raise RefusedError("", keyed.explain(error)) from None


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
