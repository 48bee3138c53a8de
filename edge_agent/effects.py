"""What a decision calls for, written into the outbox in the decision's own transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from edge_agent.cases import Case, PublishRecord, PublishRetraction, PublishTask, notice_give_up_ms
from edge_agent.identity import Identity
from edge_agent.vault import Vault
from notifier import outbox
from notifier.outbox import OutboxItem
from protocol.clock import Millis
from protocol.messages import EvidenceRef, NoticeRequest, RecheckAnswer

Ask = Callable[[Case, str], NoticeRequest]
"""Writes the request that the centre warn the owner of a case's plate."""


class PictureSource(Protocol):
    """Where the bytes of a sealed picture are."""

    def read(self, case_id: str, sha256: str) -> bytes: ...


class EffectWriter:
    """Puts messages and warnings into the outbox. Never commits: the engine's transaction does.

    Args:
        identity: in whose name.
        vault: seals what waits in the outbox; `unsealed` opens it for the workers.
        pictures: the evidence store.
        text: writes the warning of a case and plate that this box sends itself, or None where nobody is warned here.
        ask: writes the request to the centre, where the centre warns; then `text` is not used.
    """

    def __init__(
        self,
        identity: Identity,
        vault: Vault,
        pictures: PictureSource,
        text: Callable[[Case, str], str] | None,
        *,
        ask: Ask | None = None,
    ) -> None:
        self._identity = identity
        self._vault = vault
        self._pictures = pictures
        self._text = text
        self._ask = ask

    def record(self, db: sqlite3.Connection, case: Case, effect: PublishRecord) -> None:
        message = self._identity.record(case, effect)
        self._publish(
            db,
            case,
            message.idempotency_key,
            self._identity.topics.of("cases"),
            message.model_dump_json(),
            effect.at_ms,
        )

    def task(self, db: sqlite3.Connection, case: Case, effect: PublishTask) -> None:
        """The pictures go first, so that an officer never sees a task without them."""
        topics = self._identity.topics
        for ref in case.evidence:
            self._picture(db, case, ref, effect.at_ms)
        message = self._identity.task(case, effect)
        self._publish(
            db, case, message.idempotency_key, topics.of("tasks"), message.model_dump_json(), effect.at_ms
        )

    def retraction(self, db: sqlite3.Connection, case: Case, effect: PublishRetraction) -> None:
        message = self._identity.retraction(case, effect)
        self._publish(
            db,
            case,
            message.idempotency_key,
            self._identity.topics.of("tasks"),
            message.model_dump_json(),
            effect.at_ms,
        )

    def recheck_answer(self, db: sqlite3.Connection, answer: RecheckAnswer) -> None:
        """What was seen when a driver said that the vehicle has left."""
        item = OutboxItem(
            key=answer.idempotency_key,
            channel="mqtt",
            payload=answer.model_dump_json().encode(),
            meta={"topic": self._identity.topics.of("cases"), "case_id": answer.case_id},
            created_ms=answer.at_ms,
        )
        self._put(db, item)

    def notice(self, db: sqlite3.Connection, case: Case, plate: str) -> None:
        """The one warning of this stay: sent from here, or asked of the centre, which gets the picture first."""
        if self._ask is not None:
            request = self._ask(case, plate)
            # Picture and request leave one behind the other, neither waiting until the centre has accepted what went
            # before: a driver's time is at stake.
            if request.evidence is not None:
                self._picture(db, case, request.evidence, case.changed_ms, waits=False)
            meta = {
                "topic": self._identity.topics.of("notices"),
                "case_id": case.id,
                "group": f"notice/{case.id}",
            }
            body = request.model_dump_json().encode()
            self._put(db, OutboxItem(request.idempotency_key, "mqtt", body, meta, case.changed_ms))
            return
        text = "" if self._text is None else self._text(case, plate)
        self._put(
            db,
            OutboxItem(
                key=self._notice_key(case),
                channel="sms",
                payload=text.encode(),
                meta={
                    "plate": self._vault.seal(plate.encode()).hex(),
                    "case_id": case.id,
                    "give_up_ms": notice_give_up_ms(case.zone, case.changed_ms),
                },
                created_ms=case.changed_ms,
            ),
        )

    def cancel_notice(self, db: sqlite3.Connection, case: Case) -> bool:
        """Whether it was withdrawn. Too late if it has left; then it stays sent, or the centre hears from the case's
        record that it is pointless, and an acceptance that comes all the same starts the clock anew."""
        return outbox.cancel(db, self._notice_key(case), case.changed_ms)

    def _notice_key(self, case: Case) -> str:
        return self._identity.key(case, "notice")

    def _picture(
        self, db: sqlite3.Connection, case: Case, ref: EvidenceRef, at_ms: Millis, *, waits: bool = True
    ) -> None:
        """A picture; `waits` in the case's own order, or stands alone."""
        topics = self._identity.topics
        meta = {"topic": topics.evidence(ref.sha256)}
        item = OutboxItem(
            key=topics.evidence_key(ref.sha256),
            channel="mqtt",
            payload=self._pictures.read(case.id, ref.sha256),
            meta=meta | {"case_id": case.id} if waits else meta,
            created_ms=at_ms,
        )
        self._put(db, item)

    def _publish(
        self, db: sqlite3.Connection, case: Case, key: str, topic: str, body: str, at_ms: int
    ) -> None:
        item = OutboxItem(
            key=key,
            channel="mqtt",
            payload=body.encode(),
            meta={"topic": topic, "case_id": case.id},
            created_ms=at_ms,
        )
        self._put(db, item)

    def _put(self, db: sqlite3.Connection, item: OutboxItem) -> None:
        outbox.put(db, replace(item, payload=self._vault.seal(item.payload)))


def unsealed(vault: Vault) -> Callable[[OutboxItem], OutboxItem]:
    """What workers put between the outbox and the world: opens the content of an item."""

    def open_item(item: OutboxItem) -> OutboxItem:
        meta = dict(item.meta)
        if "plate" in meta:
            meta["plate"] = vault.unseal(bytes.fromhex(meta["plate"])).decode()
        return replace(item, payload=vault.unseal(item.payload), meta=meta)

    return open_item
