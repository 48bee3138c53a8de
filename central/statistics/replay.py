"""The figures once more, from the append-only history alone: what was published can be recomputed from it.

This is slow and asks no table but the histories', so that it agrees with `central.statistics.figures` only if both are
right. Rows that were changed behind the history's back show as a difference.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from django.db.models import QuerySet

from central.cases.models import Case, HistoryEntry
from central.parking.services import ORDER
from central.statistics.figures import Departure, OnTime
from central.statistics.period import Period
from protocol.clock import Millis

ENDED = {"self_corrected", "unverified", "exempt", "closed"}


@dataclass(slots=True)
class _Task:
    due_ms: Millis | None
    closed_ms: Millis | None = None
    retracted: bool = False


@dataclass(slots=True)
class _Life:
    """One case as its history tells it."""

    notified_ms: Millis | None = None
    task_notified_ms: Millis | None = None
    state: str = ""
    state_at: tuple[Millis, int] = (-1, -1)
    enforced: bool = False
    tasks: list[_Task] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Replay:
    """What the histories say of a period; `without_deadline`: tasks of a time when it was not written down."""

    departure: Departure
    on_time: OnTime
    cases: int
    entries: int
    without_deadline: int


def replay(
    cases: QuerySet[Case], period: Period, now_ms: Millis, *, on_case: Callable[[], None] = lambda: None
) -> Replay:
    """Fold every history of these cases and count by the definitions of the page; `on_case` after each."""
    left = tasked = unproven = undecided = on_time = late = open_late = seen = entries = unknown = 0
    for count, life in _lives(cases):
        seen += 1
        entries += count
        on_case()
        warned = life.task_notified_ms or life.notified_ms
        if warned is not None and period.from_ms <= warned < period.to_ms:
            if life.enforced:
                tasked += 1
            elif life.state == "self_corrected":
                left += 1
            elif life.state in ENDED:
                unproven += 1
            else:
                undecided += 1
        for task in life.tasks:
            if task.due_ms is None:
                unknown += 1
            elif task.retracted or not period.from_ms <= task.due_ms < period.to_ms or task.due_ms > now_ms:
                continue
            elif task.closed_ms is None:
                open_late += 1
            elif task.closed_ms <= task.due_ms:
                on_time += 1
            else:
                late += 1
    return Replay(
        Departure(left, tasked, unproven, undecided), OnTime(on_time, late, open_late), seen, entries, unknown
    )


def _lives(cases: QuerySet[Case]) -> Iterator[tuple[int, _Life]]:
    entries = (
        HistoryEntry.objects.filter(case__in=cases.order_by().values("pk"))
        .order_by("case_id", "number")
        .values_list("case_id", "kind", "at_ms", "body")
    )
    for _case_id, of_case in groupby(entries.iterator(chunk_size=2000), key=lambda row: row[0]):
        life, count = _Life(), 0
        for _pk, kind, at_ms, body in of_case:
            count += 1
            _step(life, kind, at_ms, json.loads(body))
        yield count, life


def _step(life: _Life, kind: str, at_ms: Millis, facts: dict[str, Any]) -> None:
    if kind == "agent_step":
        state = facts["state"]
        if state == "notified" and life.notified_ms is None:
            life.notified_ms = at_ms
        if (at_ms, ORDER[state]) >= life.state_at:
            life.state, life.state_at = state, (at_ms, ORDER[state])
    elif kind == "task_issued":
        life.enforced |= facts.get("work") == "enforce"
        life.tasks.append(_Task(facts.get("due_at_ms")))
        told = facts.get("message", {}).get("notified_at_ms")
        life.task_notified_ms = life.task_notified_ms or told
    elif kind == "task_retracted" and life.tasks:
        life.tasks[-1].retracted = True
    elif kind == "outcome" and life.tasks:
        life.tasks[-1].closed_ms = at_ms
