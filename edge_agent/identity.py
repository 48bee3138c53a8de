"""Who this agent is, and the messages it writes in its own name. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from edge_agent.cases import Case, PublishRecord, PublishRetraction, PublishTask
from protocol.messages import CaseRecord, EnforcementTask, TaskRetraction, Vehicle, idempotency_key
from protocol.topics import AgentTopics


@dataclass(frozen=True, slots=True)
class Identity:
    """Jurisdiction and agent, part of every topic and key."""

    jurisdiction_id: str
    agent_id: str

    @property
    def topics(self) -> AgentTopics:
        return AgentTopics(self.jurisdiction_id, self.agent_id)

    def key(self, case: Case, stage: str) -> str:
        """Idempotency key of one effect of a case."""
        return idempotency_key(self.jurisdiction_id, self.agent_id, case.camera_id, case.id, stage)

    def record(self, case: Case, effect: PublishRecord) -> CaseRecord:
        """One step in the life of a case."""
        return CaseRecord(
            idempotency_key=self.key(case, f"record-{effect.step}"),
            jurisdiction_id=self.jurisdiction_id,
            agent_id=self.agent_id,
            camera_id=case.camera_id,
            case_id=case.id,
            state=effect.state,
            previous=effect.previous,
            at_ms=effect.at_ms,
            reason=effect.reason,
            zone_id=case.zone.id,
            zone_name=case.zone.name,
            vehicle_class=case.vehicle_class,
            plate=case.plate,
            first_seen_ms=case.first_seen_ms,
            clock_ends_ms=case.clock_ends_ms,
            outcome_id=effect.outcome_id,
            notice_result_id=effect.notice_result_id,
        )

    def task(self, case: Case, effect: PublishTask) -> EnforcementTask:
        """What an officer needs to go there and decide."""
        clock_started = case.clock_started_ms if case.clock_started_ms is not None else case.confirmed_ms
        clock_ends = case.clock_ends_ms if case.clock_ends_ms is not None else case.confirmed_ms
        return EnforcementTask(
            idempotency_key=self.key(case, "task"),
            jurisdiction_id=self.jurisdiction_id,
            agent_id=self.agent_id,
            camera_id=case.camera_id,
            case_id=case.id,
            manual_check=effect.manual_check,
            issued_at_ms=effect.at_ms,
            zone_id=case.zone.id,
            zone_name=case.zone.name,
            zone_version=case.zone.version,
            place=case.place or case.zone.name,
            position=case.position,
            vehicle=Vehicle(
                vehicle_class=case.vehicle_class,
                plate=case.plate,
                plate_confidence=case.plate_confidence,
                box=case.box,
            ),
            first_seen_ms=case.first_seen_ms,
            confirmed_at_ms=case.confirmed_ms,
            notified_at_ms=case.notified_ms,
            unnotifiable_reason=case.unnotifiable_reason,
            clock_started_ms=clock_started,
            clock_ends_ms=clock_ends,
            rechecked_at_ms=case.proven_ms,
            why=case.why,
            evidence=case.evidence,
        )

    def retraction(self, case: Case, effect: PublishRetraction) -> TaskRetraction:
        """The vehicle left: nobody needs to go."""
        return TaskRetraction(
            idempotency_key=self.key(case, "retraction"),
            jurisdiction_id=self.jurisdiction_id,
            agent_id=self.agent_id,
            camera_id=case.camera_id,
            case_id=case.id,
            at_ms=effect.at_ms,
            reason=effect.reason,
        )
