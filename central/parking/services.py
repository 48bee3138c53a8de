"""An agent's messages applied to its cases, in whatever order they come, and outcomes back to the agent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.dispatch import Signal

from central.cases import engine, history
from central.cases import services as cases
from central.cases.models import Case, WorkOrder
from central.cases.states import WorkKind
from central.fleet.models import Agent
from central.fleet.services import confirm_letter, write_letter
from central.grids.services import hold_leaves
from central.live.services import TASKS, announce
from central.parking.models import Stay
from central.project.unit import Unit, insert
from protocol.messages import CaseRecord, EnforcementTask, NoticeRequest, Outcome, TaskRetraction

ENDED = {"self_corrected", "exempt", "closed"}

stay_ended = Signal()
"""Sent in the recording transaction with `case`, `state` and `at_ms` when the camera's side has ended a case."""

ORDER = {
    state: rank
    for rank, state in enumerate(
        (
            "observing",
            "confirmed",
            "notified",
            "unnotifiable",
            "rechecking",
            "tasked",
            "unverified",
            "self_corrected",
            "exempt",
            "closed",
        )
    )
}
"""Of two steps of one instant, the one further down a case's life is the newer."""


Told = EnforcementTask | TaskRetraction | CaseRecord | NoticeRequest
"""What an agent says about a case."""

agent_stepped = Signal()
"""Sent in the transaction of an agent's record, its case locked, with `case`, `agent` and `record`."""


def source_key(message: Told) -> str:
    """What makes a camera's case the same case."""
    return "/".join((message.jurisdiction_id, message.agent_id, message.camera_id, message.case_id))


def apply(agent: Agent, message: EnforcementTask | TaskRetraction | CaseRecord) -> None:
    """Apply what an agent says of a case."""
    if isinstance(message, EnforcementTask):
        apply_task(agent, message)
    elif isinstance(message, TaskRetraction):
        apply_retraction(agent, message)
    else:
        apply_record(agent, message)


def apply_task(agent: Agent, task: EnforcementTask) -> None:
    """A vehicle still stands there, or a person has to look: a work order, with its facts and evidence."""
    case, stay = open_stay(agent, task, task.first_seen_ms, keep=True)
    vehicle = task.vehicle
    stay.zone_id, stay.zone_name = task.zone_id[:200], task.zone_name[:200]
    stay.zone_version = task.zone_version[:100]
    stay.vehicle_class = vehicle.vehicle_class[:40]
    stay.plate = vehicle.plate or ""
    stay.plate_confidence = vehicle.plate_confidence
    stay.box = list(vehicle.box)
    stay.first_seen_ms = task.first_seen_ms
    stay.confirmed_at_ms = task.confirmed_at_ms
    stay.notified_at_ms = task.notified_at_ms or stay.notified_at_ms
    stay.unnotifiable_reason = (task.unnotifiable_reason or "")[:300]
    stay.clock_started_ms, stay.clock_ends_ms = task.clock_started_ms, task.clock_ends_ms
    stay.rechecked_at_ms = task.rechecked_at_ms
    stay.why = task.why
    _save(stay)
    cases.set_place(case, task.place, task.position)
    actor = f"agent:{agent}"
    cases.issue_work_order(
        case,
        key=task.idempotency_key,
        kind=WorkKind.MANUAL_CHECK if task.manual_check else WorkKind.ENFORCE,
        issued_at_ms=task.issued_at_ms,
        actor=actor,
        message=task.model_dump(mode="json", exclude={"idempotency_key"}),
    )
    cases.name_evidence(case, agent, task.evidence)


def apply_retraction(agent: Agent, retraction: TaskRetraction) -> None:
    """The vehicle left: nobody needs to go."""
    case, _ = open_stay(agent, retraction, retraction.at_ms)
    cases.retract(
        case,
        key=retraction.idempotency_key,
        at_ms=retraction.at_ms,
        reason=retraction.reason,
        actor=f"agent:{agent}",
    )


def apply_record(agent: Agent, record: CaseRecord) -> None:
    """One step of the case at the camera: the history keeps each, the case shows the newest."""
    case, stay = open_stay(agent, record, record.first_seen_ms, keep=True)
    newest = (stay.agent_state_at_ms or 0, ORDER.get(stay.agent_state, -1))
    counts = (record.at_ms, ORDER[record.state]) >= newest
    engine.record(
        case,
        "agent_step",
        record.at_ms,
        f"agent:{agent}",
        event="camera_ended" if counts and record.state in ENDED else None,
        state=record.state,
        previous=record.previous,
        reason=record.reason,
        clock_ends_ms=record.clock_ends_ms,
        outcome_id=record.outcome_id,
        # Once: figures by zone can be counted again from the history.
        zone=None if stay.zone_id else record.zone_id[:200],
        zone_name=None if stay.zone_id else record.zone_name[:200],
    )
    if counts:
        stay.agent_state, stay.agent_state_at_ms = record.state, record.at_ms
        stay.clock_ends_ms = record.clock_ends_ms or stay.clock_ends_ms
    if record.state == "notified":
        stay.notified_at_ms = stay.notified_at_ms or record.at_ms
    stay.zone_id = stay.zone_id or record.zone_id[:200]
    stay.zone_name = stay.zone_name or record.zone_name[:200]
    stay.vehicle_class = stay.vehicle_class or record.vehicle_class[:40]
    stay.plate = stay.plate or (record.plate or "")[:12]
    stay.first_seen_ms = stay.first_seen_ms or record.first_seen_ms
    _save(stay)
    if counts:
        if record.state in ENDED:
            stay_ended.send(sender=Stay, case=case, state=record.state, at_ms=record.at_ms)
        announce(TASKS)
    if not case.place:
        case.place = record.zone_name[:300]
        case.save(update_fields=["place"])
    if record.outcome_id and confirm_letter(agent, record.outcome_id):
        history.append(case, "outcome_applied", record.at_ms, f"agent:{agent}", outcome_id=record.outcome_id)
    agent_stepped.send(sender=Stay, case=case, agent=agent, record=record)


def report_outcome(order: WorkOrder, **_: Any) -> None:
    """What the officer found goes back to the agent, until the agent's record names it."""
    stay = Stay.objects.select_related("agent").filter(case=order.case).first()
    if stay is None or order.outcome_id is None:
        return
    outcome = Outcome(
        outcome_id=order.outcome_id,
        case_id=stay.agent_case_id,
        result=order.result,  # type: ignore[arg-type]  # a member of cases.states.Result; a test compares both
        note=order.note,
        at_ms=order.ended_at_ms or 0,
    )
    write_letter(stay.agent, order.outcome_id, outcome.model_dump_json())


def hold(unit: Unit, told: Sequence[tuple[Agent, Told]]) -> None:
    """Lock the cases of these messages together, before each is applied in turn."""
    wanted: dict[str, dict[str, Any]] = {}
    for agent, message in told:
        at_ms = message.at_ms if isinstance(message, TaskRetraction) else message.first_seen_ms
        wanted.setdefault(source_key(message), _opening(agent, at_ms))
    cases.hold_cases(unit, wanted)
    tasks = [(agent, message) for agent, message in told if isinstance(message, EnforcementTask)]
    cases.hold_pictures(unit, {(agent.pk, ref.sha256) for agent, task in tasks for ref in task.evidence})
    hold_leaves(
        unit,
        (
            (agent.jurisdiction_id, task.position.longitude, task.position.latitude)
            for agent, task in tasks
            if task.position is not None
        ),
    )


def written(unit: Unit) -> None:
    """Write what waits: later messages of the same cases find it."""
    unit.flush()
    cases.release_new(unit)


def open_stay(agent: Agent, message: Told, opened_at_ms: int, *, keep: bool = False) -> tuple[Case, Stay]:
    """The case of this message, locked; made on the first word of it.

    Args:
        keep: the caller saves the stay with all it knows, so that a new one is written once.
    """
    case, new = cases.lock_case(source_key(message), _opening(agent, opened_at_ms))
    if new:
        history.append(
            case,
            "opened",
            opened_at_ms,
            f"agent:{agent}",
            camera=message.camera_id,
            service=case.service_code,
            definition=case.definition_id,
        )
    if cases.untouched(case, "facts"):
        first = Stay(case=case, agent=agent, camera_id=message.camera_id, agent_case_id=message.case_id)
        if not keep:
            _save(first)
        return case, first
    stay, _ = Stay.objects.get_or_create(
        case=case,
        defaults={"agent": agent, "camera_id": message.camera_id, "agent_case_id": message.case_id},
    )
    return case, stay


def _opening(agent: Agent, opened_at_ms: int) -> dict[str, Any]:
    return {"jurisdiction_id": agent.jurisdiction_id, "opened_at_ms": opened_at_ms}


def _save(stay: Stay) -> None:
    if stay._state.adding:
        insert(stay)
    else:
        stay.save()
