"""How owners are warned, from the configuration: by the centre, which is asked, or from this box."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edge_agent.cases import Case, notice_give_up_ms
from edge_agent.config import AgentConfig
from edge_agent.effects import Ask
from edge_agent.identity import Identity
from notifier.letter import Letter, Written
from notifier.outbox import OutboxItem
from notifier.sms import reference
from protocol.clock import Clock, Millis
from protocol.messages import NoticeRequest, NoticeResult, Refuse


def notice_text(config: AgentConfig, identity: Identity) -> Callable[[Case, str], str]:
    """Writes down what the warning of a case will say; its words are chosen when it is sent, by `composer`."""

    def write(case: Case, plate: str) -> str:
        return Letter(
            plate=plate,
            place=case.place or case.zone.name,
            grace_ms=round(case.zone.grace_s * 1000),
            time_zone=config.agent.time_zone,
            reference=reference(identity.key(case, "notice")),
            languages=config.agent.languages,
            sender=config.agent.sender,
        ).model_dump_json()

    return write


def composer(wall_ms: Callable[[], Millis]) -> Callable[[OutboxItem, str | None, Millis], Written]:
    """Writes the text of an item that is sent now.

    Args:
        wall_ms: the wall clock, which is what a driver reads; the box's own time base may be apart from it.
    """

    def compose(item: OutboxItem, language: str | None, _now_ms: Millis) -> Written:
        return Letter.model_validate_json(item.payload).write(wall_ms(), language)

    return compose


def notice_request(config: AgentConfig, identity: Identity) -> Ask:
    """Writes what is asked of the centre for a case: everything that its text and its rules need, and no phone number."""

    def ask(case: Case, plate: str) -> NoticeRequest:
        return NoticeRequest(
            idempotency_key=identity.key(case, "notice"),
            jurisdiction_id=identity.jurisdiction_id,
            agent_id=identity.agent_id,
            camera_id=case.camera_id,
            case_id=case.id,
            asked_at_ms=case.changed_ms,
            give_up_ms=notice_give_up_ms(case.zone, case.changed_ms),
            plate=plate,
            vehicle_class=case.vehicle_class,
            zone_id=case.zone.id,
            zone_name=case.zone.name,
            place=case.place or case.zone.name,
            street=case.street,
            position=case.position,
            first_seen_ms=case.first_seen_ms,
            confirmed_at_ms=case.confirmed_ms,
            grace_s=case.zone.grace_s,
            renotice_after_s=case.zone.renotice_after_s,
            languages=config.agent.languages,
            time_zone=config.agent.time_zone,
            sender=config.agent.sender,
            evidence=next((ref for ref in case.evidence if ref.role == "confirm"), None),
        )

    return ask


def wall_clock(clock: Clock, error_ms: Callable[[], int]) -> Callable[[], Millis]:
    """The wall clock behind a steady one that knows how far apart they are."""
    return lambda: clock.utc_ms() + error_ms()


def answer_of(result: NoticeResult) -> tuple[str, dict[str, Any]]:
    """Kind and body of the arrival that brings the centre's answer to the deciding loop."""
    named = {"result_id": result.result_id}
    match result.state:
        case "accepted":
            return "notice_accepted", {"told_until_ms": result.told_until_ms, **named}
        case "held":
            until_ms = result.at_ms if result.until_ms is None else result.until_ms
            return "notice_held", {
                "until_ms": until_ms,
                "reason": result.reason or "the message waits",
                **named,
            }
        case "unknown":
            reason = f"nobody knows whether the warning went out: {result.reason or 'no answer'}"
            return "notice_refused", {"reason": reason, **named}
        case "refused":
            return "notice_refused", {"reason": result.reason or "refused", **named}


def refused_request(refusal: Refuse) -> tuple[str, dict[str, Any]]:
    """Case and body of the arrival where the centre will never take the request itself."""
    return refusal.key.split("/")[-2], {"reason": "the centre does not take the request"}
