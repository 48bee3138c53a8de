"""A case that somebody tells of - a person, a hotline, a device, a round - taken once, placed, and put with those like it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from central.cases import history, telling
from central.cases.clustering import cluster, gate
from central.cases.definition import PRIORITIES, Priority
from central.cases.engine import participate
from central.cases.models import Case, Reporter
from central.cases.rules import service
from central.cases.services import lock_case, set_grid, set_place
from central.grids.models import Grid
from central.live.services import TASKS, announce
from protocol.errors import PatrolError
from protocol.messages import Position

TEXT_LENGTH = 4000
PLACE_LENGTH = 300
PLATE_LENGTH = 12


@dataclass(frozen=True, slots=True)
class NewCase:
    """What is told. `source_key` makes a repetition the same case; `at_ms` is when it was seen, UTC milliseconds."""

    source: str
    source_key: str
    service_code: str
    jurisdiction_id: str
    at_ms: int
    actor: str
    text: str = ""
    place: str = ""
    plate: str = ""
    position: Position | None = None
    grid: Grid | None = None
    """The grid that is known without a position, from a code on a wall or words for the place."""
    reporter: Reporter | None = None
    collector: bool = False
    """Whether the actor found it himself, on a round: then he never handles it."""
    priority: Priority | None = None
    """Where it is known already how urgent it is; else as the service says."""


def check(new: NewCase) -> None:
    """Refuse what the service does not take.

    Raises:
        PatrolError: unknown service, a source that it does not take, no name where it needs one, nothing said.
    """
    definition = service(new.service_code, new.jurisdiction_id)
    if new.source not in definition.sources:
        raise PatrolError(
            f"this service takes nothing from {new.source!r}",
            field="source",
            value=new.source,
            mend=f"It takes: {', '.join(definition.sources)}",
        )
    by_people = new.source in {"person", "hotline"}
    if by_people and new.reporter is None and not definition.anonymous:
        raise PatrolError("this service needs a reporter", field="reporter")
    for name, text, most in (
        ("text", new.text, TEXT_LENGTH),
        ("place", new.place, PLACE_LENGTH),
        ("plate", new.plate, PLATE_LENGTH),
    ):
        if len(text) > most or "\x00" in text:
            raise PatrolError(f"a text of at most {most} characters is needed", field=name)
    if by_people and not new.text.strip():
        raise PatrolError("what is the matter? A text is needed", field="text")


def open_case(new: NewCase) -> tuple[Case, bool]:
    """The case of this report; (case, whether it is new). In one transaction with its history and its likenesses.

    Raises:
        PatrolError: see `check`.
    """
    check(new)
    definition = service(new.service_code, new.jurisdiction_id)
    with transaction.atomic():
        if definition.duplicates is not None:
            gate(new.jurisdiction_id, new.service_code)
        case, fresh = lock_case(new.source_key, _fields(new), new.service_code)
        if not fresh:
            return case, False
        history.append(case, "opened", new.at_ms, new.actor, **_facts(new, case))
        if new.collector:
            participate(case, "collector", new.actor)
        if new.position is not None:
            set_place(case, case.place, new.position)
        if new.grid is not None and case.grid_id is None:
            set_grid(case, new.grid)
        parent = cluster(case)
        if parent is None and definition.initial.tell:
            telling.tell(case, case.step, case.process_state, new.at_ms)
        announce(TASKS)
    return case, True


def _fields(new: NewCase) -> dict[str, Any]:
    urgency = {} if new.priority is None else {"priority": PRIORITIES[new.priority]}
    return {
        **urgency,
        "source": new.source,
        "jurisdiction_id": new.jurisdiction_id,
        "opened_at_ms": new.at_ms,
        "text": new.text.strip(),
        "place": new.place.strip(),
        "plate": new.plate.strip().upper(),
        "reporter": new.reporter,
        "longitude": None if new.position is None else new.position.longitude,
        "latitude": None if new.position is None else new.position.latitude,
    }


def _facts(new: NewCase, case: Case) -> dict[str, Any]:
    """What the history keeps: hashes of what people wrote, since a history cannot forget."""
    return {
        "source": new.source,
        "service": case.service_code,
        "definition": case.definition_id,
        "text_sha256": hashlib.sha256(case.text.encode()).hexdigest() if case.text else None,
        "reporter": None if new.reporter is None else new.reporter.pk,
    }
