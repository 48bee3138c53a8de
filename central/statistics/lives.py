"""One case as its history tells it: a fold over the entries, which asks no other table.

Rows and histories are written by different code at different moments. What is folded here is what the rows must say, so a row
that was changed by hand, or an update that was lost, shows as a difference (`central.statistics.replay`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from django.db.models import QuerySet

from central.cases.models import Case, HistoryEntry
from central.cases.rules import by_hash
from central.cases.states import CaseState, Relation, WorkKind
from central.parking.services import ORDER
from protocol.clock import Millis

OBJECTED, REVIEWED = "objection", "objection_reviewed"


@dataclass(slots=True)
class Task:
    """A work order. `officer`: the user name of who has it; `untold` where the history does not say."""

    kind: str
    issued_ms: Millis
    due_ms: Millis | None
    officer: str = ""
    untold: bool = False
    accepted_ms: Millis | None = None
    ended_ms: Millis | None = None
    result: str = ""
    retracted: bool = False

    @property
    def open(self) -> bool:
        """Whether it waits for somebody."""
        return self.ended_ms is None


@dataclass(slots=True)
class Promise:
    """A resolution clock: when it was due at last, and when it stopped."""

    due_ms: Millis
    stopped_ms: Millis | None = None


@dataclass(slots=True)
class Life:
    """What a history says of its case.

    Attributes:
        agent: ``jurisdiction/agent`` of the box that told it; empty for reports.
        zone: its zone, name and version of its rules; None while nobody has told it.
        notified_ms: when the owner was warned.
        state: the newest state at the camera.
        process: the state by the rules; `coarse` as lists count it, `closed_ms` since when.
        round: how often it was opened again.
    """

    number: int
    entries: int = 0
    opened_ms: Millis | None = None
    service: str = ""
    definition: str | None = None
    agent: str = ""
    camera: str = ""
    place: str = ""
    zone: str | None = None
    zone_name: str = ""
    zone_version: str = ""
    notified_ms: Millis | None = None
    state: str = ""
    state_at: tuple[Millis, int] = (0, -1)
    process: str = ""
    coarse: str = ""
    closed_ms: Millis | None = None
    round: int = 0
    relation: str = ""
    objected: bool = False
    place_untold: bool = False
    tasks: list[Task] = field(default_factory=list)
    promises: list[Promise] = field(default_factory=list)

    @property
    def enforced(self) -> bool:
        """Whether an enforcement task was ever issued, also one that was taken back later."""
        return any(task.kind == WorkKind.ENFORCE for task in self.tasks)

    @property
    def untold_zone(self) -> bool:
        """Whether it is a stay of a time when its zone, or the place that a request for a notice names, was not written into the
        history."""
        return bool(self.agent) and bool(self.state) and (self.zone is None or self.place_untold)


def lives(cases: QuerySet[Case]) -> Iterator[Life]:
    """Every case that has a history, one after the other; memory does not grow with them."""
    entries = (
        HistoryEntry.objects.filter(case__in=cases.order_by().values("pk"))
        .order_by("case_id", "number")
        .values_list("case_id", "kind", "at_ms", "actor", "body")
    )
    for number, of_case in groupby(entries.iterator(chunk_size=2000), key=lambda row: row[0]):
        life = Life(number)
        for _number, kind, at_ms, actor, body in of_case:
            life.entries += 1
            _step(life, kind, at_ms, actor, json.loads(body))
        yield life


def _step(life: Life, kind: str, at_ms: Millis, actor: str, facts: dict[str, Any]) -> None:
    if kind == "opened":
        life.opened_ms = at_ms
        life.service = facts.get("service", "")
        life.camera = facts.get("camera", "")
        life.agent = actor.removeprefix("agent:") if life.camera else ""
    elif kind == "agent_step":
        _agent_step(life, at_ms, facts)
    elif kind == "notice_asked":
        life.place, life.place_untold = facts.get("place", life.place), "place" not in facts
        life.zone, life.zone_name = (
            life.zone or facts.get("zone"),
            life.zone_name or facts.get("zone_name", ""),
        )
    elif kind in {OBJECTED, REVIEWED}:
        life.objected = kind == OBJECTED or facts.get("state") != "rejected"
    elif kind.startswith("clock_"):
        _clock(life, kind, at_ms, facts)
    else:
        _task(life, kind, at_ms, actor, facts)
    if kind == OBJECTED:
        for task in life.tasks:
            task.kind = WorkKind.MANUAL_CHECK if task.open else task.kind
    if kind == "linked" and "parent" in facts:
        life.relation = facts.get("relation", "")
    _move(life, at_ms, facts)
    if (kind == "unlinked" and "parent" in facts) or "left_case" in facts:
        life.relation = ""


def _agent_step(life: Life, at_ms: Millis, facts: dict[str, Any]) -> None:
    state = facts["state"]
    if state == "notified":
        life.notified_ms = life.notified_ms or at_ms
    if (at_ms, ORDER[state]) >= life.state_at:
        life.state, life.state_at = state, (at_ms, ORDER[state])
    if "zone" in facts:
        life.zone = life.zone or facts["zone"]
        life.zone_name = life.zone_name or facts.get("zone_name", "")
        life.place = life.place or facts.get("zone_name", "")


def _task(life: Life, kind: str, at_ms: Millis, actor: str, facts: dict[str, Any]) -> None:
    if kind in {"task_issued", "task_repeated"} and "message" in facts:
        told = facts["message"]
        # As long as the columns are.
        life.zone, life.zone_name = told["zone_id"][:200], told["zone_name"][:200]
        life.zone_version, life.place = told["zone_version"][:100], told["place"][:300]
        life.place_untold = False
        life.notified_ms = told.get("notified_at_ms") or life.notified_ms
    if kind == "task_issued":
        by_hand = life.objected or facts.get("work") == WorkKind.MANUAL_CHECK
        work = WorkKind.MANUAL_CHECK if by_hand else facts.get("work", "")
        life.tasks.append(Task(work, at_ms, facts.get("due_at_ms")))
    if not life.tasks:
        return
    task = life.tasks[-1]
    if kind == "accepted":
        task.officer, task.accepted_ms = actor.removeprefix("user:"), at_ms
    elif kind == "reassigned":
        task.officer, task.accepted_ms = facts.get("to", ""), at_ms
        task.untold = "to" not in facts
    elif kind == "task_retracted":
        task.ended_ms, task.retracted = at_ms, True
    elif kind == "outcome":
        task.ended_ms, task.result = at_ms, facts.get("result", "")


def _clock(life: Life, kind: str, at_ms: Millis, facts: dict[str, Any]) -> None:
    if facts.get("clock") != "resolution" or "party" in facts or "due_at_ms" not in facts:
        return
    if kind == "clock_started" or not life.promises:
        life.promises.append(Promise(facts["due_at_ms"]))
    promise = life.promises[-1]
    promise.due_ms = facts["due_at_ms"]
    if kind == "clock_stopped":
        promise.stopped_ms = at_ms


def _move(life: Life, at_ms: Millis, facts: dict[str, Any]) -> None:
    if life.definition is None and "definition" in facts:
        life.definition = facts["definition"]
        first = by_hash(facts["definition"]).initial
        life.process, life.coarse = first.name, first.coarse
    if life.definition is None:
        return
    known = by_hash(life.definition).by_name
    for _transition, target in facts.get("moved", ()):
        before, life.process = life.coarse, target
        life.coarse = known[target].coarse
        life.closed_ms = at_ms if life.coarse == CaseState.CLOSED else None
        if before == CaseState.CLOSED and life.coarse != CaseState.CLOSED:
            life.round += life.relation != Relation.DUPLICATE
            life.relation = ""
