"""What a decision calls for, written into the outbox in the decision's own transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from edge_agent.cases import Case, PublishRecord, PublishRetraction, PublishTask
from edge_agent.identity import Identity
from edge_agent.vault import Vault
from notifier import outbox
from notifier.outbox import OutboxItem

_NOTICE_TOO_LATE = 1.0
"""Share of the grace period after which an unsent warning is given up: the driver must get the whole of it."""


class PictureSource(Protocol):
    """Where the bytes of a sealed picture are."""

    def read(self, case_id: str, sha256: str) -> bytes: ...


class EffectWriter:
    """Puts messages and warnings into the outbox. Never commits: the engine's transaction does.

    Args:
        identity: in whose name.
        vault: seals what waits in the outbox; `unsealed` opens it for the workers.
        pictures: the evidence store.
        text: writes the text of the warning for a case and plate, or None where nobody is warned here.
    """

    def __init__(
        self,
        identity: Identity,
        vault: Vault,
        pictures: PictureSource,
        text: Callable[[Case, str], str] | None,
    ) -> None:
        self._identity = identity
        self._vault = vault
        self._pictures = pictures
        self._text = text

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
            item = OutboxItem(
                key=topics.evidence_key(ref.sha256),
                channel="mqtt",
                payload=self._pictures.read(case.id, ref.sha256),
                meta={"topic": topics.evidence(ref.sha256), "case_id": case.id},
                created_ms=effect.at_ms,
            )
            self._put(db, item)
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

    def notice(self, db: sqlite3.Connection, case: Case, plate: str) -> None:
        """The one warning of this stay."""
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
                    "give_up_ms": case.changed_ms + round(case.zone.grace_s * 1000 * _NOTICE_TOO_LATE),
                },
                created_ms=case.changed_ms,
            ),
        )

    def cancel_notice(self, db: sqlite3.Connection, case: Case) -> None:
        """Too late if it has left; then it stays sent, and the case has ended in the driver's favour anyway."""
        outbox.cancel(db, self._notice_key(case), case.changed_ms)

    def _notice_key(self, case: Case) -> str:
        return self._identity.key(case, "notice")

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
