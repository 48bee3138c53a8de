"""A driver says that the vehicle has left: look at once, and say what was seen. No clock is moved by it.

Requests live in memory only. The centre sends each again until it is answered, and an answer has the key of its
request, so a crash at any point repeats work and answers once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from edge_agent.cases import ENDED, Case
from protocol.clock import Millis
from protocol.messages import RecheckAnswer, RecheckRequest, idempotency_key

Result = Literal["gone", "still_there", "could_not_tell", "case_over"]

STAY_MS = 5_000
"""A vehicle counts as still there only if it is proven so long after the request: a driver who presses the button with
the engine running gets the time to pull out. It is also what a departure takes to be certain."""

WAIT_MS = 60_000
"""How long a clear picture is waited for."""

MOST = 200
"""Requests that wait at once; the centre repeats what was turned away."""

CaseById = Callable[[str], Case | None]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request and when it came, on the agent's clock."""

    request: RecheckRequest
    at_ms: Millis


def judge(asked: Asked, case: Case | None, at_ms: Millis, *, proven_ms: Millis | None) -> Result | None:
    """The answer, or None while it is too early. Pure.

    Args:
        asked: the request.
        case: the case as it is now, none if the agent does not know it.
        at_ms: now, or the time of the frame.
        proven_ms: the time of a frame that proves the vehicle in its place, if this one does.
    """
    if case is None:
        return "case_over"
    if case.state in ENDED:
        left = case.state == "self_corrected" or (case.task_issued and case.outcome_id is None)
        return "gone" if left else "case_over"
    if proven_ms is not None and proven_ms >= asked.at_ms + STAY_MS:
        return "still_there"
    return "could_not_tell" if at_ms >= asked.at_ms + WAIT_MS else None


class Rechecks:
    """The requests that wait. `ask` may be called from any thread, the rest from the deciding one."""

    def __init__(self, jurisdiction_id: str, agent_id: str) -> None:
        self._name = (jurisdiction_id, agent_id)
        self._lock = threading.Lock()
        self._waiting: dict[str, Asked] = {}

    def __bool__(self) -> bool:
        with self._lock:
            return bool(self._waiting)

    def ask(self, request: RecheckRequest, at_ms: Millis) -> None:
        """Take a request; one that waits already is not begun anew."""
        with self._lock:
            if len(self._waiting) < MOST:
                self._waiting.setdefault(request.request_id, Asked(request, at_ms))

    def wants(self, camera_id: str) -> bool:
        """Whether a fresh picture of this camera is wanted."""
        with self._lock:
            return any(asked.request.camera_id == camera_id for asked in self._waiting.values())

    def answers(
        self, at_ms: Millis, case_of: CaseById, proven: Iterable[tuple[str, Millis]] = ()
    ) -> list[RecheckAnswer]:
        """What can be said now; each request is answered once.

        Args:
            at_ms: now, or the time of the frame.
            case_of: finds a case by its id.
            proven: ids of cases whose vehicle a frame has just proven in its place, with the frame's time.
        """
        with self._lock:
            waiting = list(self._waiting.values())
        if not waiting:
            return []
        fresh = dict(proven)
        given: list[RecheckAnswer] = []
        for asked in waiting:
            request = asked.request
            case = case_of(request.case_id)
            result = judge(asked, case, at_ms, proven_ms=fresh.get(request.case_id))
            if result is None:
                continue
            given.append(
                RecheckAnswer(
                    idempotency_key=idempotency_key(
                        *self._name, request.camera_id, request.case_id, f"recheck-{request.request_id}"
                    ),
                    jurisdiction_id=self._name[0],
                    agent_id=self._name[1],
                    camera_id=request.camera_id,
                    case_id=request.case_id,
                    request_id=request.request_id,
                    result=result,
                    at_ms=at_ms,
                )
            )
            with self._lock:
                self._waiting.pop(request.request_id, None)
        return given
