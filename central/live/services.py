"""Announcing changes. What is announced becomes visible to followers exactly when the change commits."""

from __future__ import annotations

from collections.abc import Iterable

from central.live.models import Change
from central.project.clock import now_ms
from central.project.unit import Unit, current

KEPT_MS = 3_600_000
TASKS = "tasks"
FLEET = "fleet"
DEVICES = "devices"


def case_topic(case_id: int) -> str:
    """The topic of one case's page."""
    return f"case-{case_id}"


def officer_topic(officer: int) -> str:
    """The topic of one officer: what is offered to them, and what became of it."""
    return f"officer-{officer}"


def announce(*topics: str) -> None:
    """Note that these topics changed, in the caller's transaction; in a unit each once, at its end."""
    unit = current()
    if unit is None:
        _write(topics)
        return
    unit.topics.update(dict.fromkeys(topics))
    unit.at_end("announce", lambda: _write_all(unit))


def _write(topics: Iterable[str]) -> None:
    at = now_ms()
    Change.objects.bulk_create([Change(topic=topic, at_ms=at) for topic in topics])


def _write_all(unit: Unit) -> None:
    topics, unit.topics = unit.topics, {}
    _write(topics)


def sweep() -> int:
    """Delete changes that every page has long seen; returns how many."""
    count, _ = Change.objects.filter(at_ms__lt=now_ms() - KEPT_MS).delete()
    return count
