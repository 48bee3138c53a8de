"""The figures of the hotline's cases again, from the histories alone: the same entries that `audit verify` proves.

Calls, call-backs to callers without a case, and the city's work orders stand in no case's history: their figures are not
computed again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from django.db.models import QuerySet

from central.cases.models import Case, HistoryEntry
from central.cases.rules import by_hash
from central.cases.states import CaseState
from central.hotline.figures import Period
from central.hotline.models import ErrandKind, ErrandResult
from protocol.clock import Millis

Entry = tuple[str, Millis, dict[str, Any]]
"""What happened, when, and what belongs to it."""

COUNTED = {
    ErrandKind.CALL_BACK: ("call_backs_done", "call_backs_on_time"),
    ErrandKind.VISIT: ("visits_done", ""),
    ErrandKind.SUPERVISION: ("supervisions_answered", "supervisions_on_time"),
    ErrandKind.RETURN_VISIT: ("asked", ""),
}
"""Kind of an errand -> the figures that count it done, and done in time."""


@dataclass(slots=True)
class Replay:
    """What the histories say.

    Attributes:
        figures: by the names of `central.hotline.figures.count`.
        cases, entries: how many were read.
    """

    figures: Counter[str] = field(default_factory=Counter)
    cases: int = 0
    entries: int = 0


def replay(cases: QuerySet[Case], period: Period, on_case: Callable[[], None] = lambda: None) -> Replay:
    """Fold the history of each of these cases; `on_case` after each."""
    found = Replay()
    for entries in _histories(cases):
        found.cases += 1
        found.entries += len(entries)
        _case(found.figures, entries, period)
        _errands(found.figures, entries, period)
        on_case()
    return found


def _histories(cases: QuerySet[Case]) -> Iterator[list[Entry]]:
    rows = (
        HistoryEntry.objects.unscoped("the cases were looked up in somebody's scope")
        .filter(case__in=cases.order_by().values("pk"))
        .order_by("case_id", "number")
        .values_list("case_id", "kind", "at_ms", "body")
    )
    for _number, of_case in groupby(rows.iterator(chunk_size=2000), key=lambda row: row[0]):
        yield [(kind, at_ms, json.loads(body)) for _case_id, kind, at_ms, body in of_case]


def _case(figures: Counter[str], entries: list[Entry], period: Period) -> None:
    """How it was opened, and where it stands now by its own rules."""
    # Its clocks may have begun an entry before.
    began = next(((at_ms, facts) for kind, at_ms, facts in entries if kind == "opened"), None)
    if began is None or began[1].get("source") != "hotline" or not _within(period, began[0]):
        return
    facts = began[1]
    definition = by_hash(facts["definition"])
    state, again = definition.initial, False
    for _kind, _at_ms, more in entries:
        for _transition, name in more.get("moved") or ():
            was, state = state, definition.by_name[name]
            again |= (
                was.coarse == CaseState.CLOSED and state.coarse != CaseState.CLOSED and was.ending != "merged"
            )
    figures["opened"] += 1
    figures["reopened"] += again
    if state.coarse == CaseState.CLOSED:
        figures["closed"] += 1
        figures["fixed"] += state.ending == "fixed"
        figures["not_fixed"] += state.ending == "not_fixed"


def _errands(figures: Counter[str], entries: list[Entry], period: Period) -> None:
    due: dict[int, Millis] = {}
    for kind, at_ms, facts in entries:
        if kind == "errand":
            due[facts["errand"]] = facts["due_at_ms"]
        if kind != "errand_done" or not _within(period, at_ms):
            continue
        done, in_time = COUNTED[facts["errand_kind"]]
        figures[done] += 1
        if in_time:
            figures[in_time] += at_ms <= due[facts["errand"]]
        if facts["errand_kind"] == ErrandKind.RETURN_VISIT:
            figures["reached"] += facts["result"] != ErrandResult.UNREACHABLE
            figures[facts["result"]] += 1


def _within(period: Period, at_ms: Millis) -> bool:
    return period.from_ms <= at_ms < period.to_ms
