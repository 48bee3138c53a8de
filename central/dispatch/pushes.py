"""The outbox towards officers' devices: published with QoS 1, gone once the broker has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from django.db import connection, transaction
from django.db.models import F

from central.dispatch.models import Push
from central.project.clock import now_ms

BATCH = 100
AGAIN_MS = 5_000
"""A message whose acknowledgement did not come is published again; the device knows offers by their number."""


class Sent(Protocol):
    """What became of a publication."""

    def is_published(self) -> bool:
        """Whether the broker has acknowledged it."""


Publish = Callable[[str, str, int], Sent]
"""(topic, payload, seconds until it has lost its sense) -> what becomes of it."""


class Pushes:
    """One worker's publications. What it has begun and not finished is begun again by whoever comes next."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._flying: dict[int, Sent] = {}

    def work(self) -> int:
        """Publish what is due and forget what has arrived; how many were published."""
        self._finish()
        now = now_ms()
        due = Push.objects.filter(next_at_ms__lte=now, expires_at_ms__gt=now).order_by("id")
        if not due.exists():
            return 0
        with transaction.atomic():
            if connection.features.has_select_for_update_skip_locked:
                due = due.select_for_update(skip_locked=True)
            rows = list(due[:BATCH])
            Push.objects.filter(pk__in=[row.pk for row in rows]).update(
                next_at_ms=now + AGAIN_MS, attempts=F("attempts") + 1
            )
        for row in rows:
            life = max(1, round((row.expires_at_ms - now) / 1000))
            self._flying[row.pk] = self._publish(row.topic, row.payload, life)
        return len(rows)

    def _finish(self) -> None:
        done = [number for number, sent in self._flying.items() if sent.is_published()]
        if done:
            Push.objects.filter(pk__in=done).delete()
            for number in done:
                del self._flying[number]

    def forget(self) -> None:
        """The connection is gone: what was on its way will be due again."""
        self._flying.clear()
