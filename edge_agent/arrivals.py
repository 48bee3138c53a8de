"""Results that workers brought, and messages of the centre, as inputs of cases."""

from __future__ import annotations

from edge_agent.cases import CaseInput, NoticeAccepted, NoticeHeld, NoticeRefused, OfficerOutcome
from edge_agent.store import Arrival
from protocol.clock import Millis


def as_input(arrival: Arrival, at_ms: Millis) -> CaseInput:
    """The input that a stored result is to its case, taken at `at_ms`."""
    body = arrival.body
    match arrival.kind:
        case "notice_accepted":
            return NoticeAccepted(at_ms, body.get("told_until_ms"), body.get("result_id"))
        case "notice_refused":
            return NoticeRefused(at_ms, str(body.get("reason", "refused")), body.get("result_id"))
        case "notice_held":
            return NoticeHeld(at_ms, int(body["until_ms"]), str(body["reason"]), body.get("result_id"))
        case "outcome":
            return OfficerOutcome(at_ms, str(body["outcome_id"]), body["result"])
