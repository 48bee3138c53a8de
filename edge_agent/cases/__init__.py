"""Cases: the life of one violation, as a pure state machine.

`step(case, input) -> (case, effects)`. Nothing here reads a clock, a picture or a file; effects are data that
the runtime stores together with the new state and that workers carry out.
"""

from edge_agent.cases.machine import (
    ALLOWED_NOW,
    may_be_due,
    notice_give_up_ms,
    notice_overdue,
    open_case,
    shift_clock,
    step,
)
from edge_agent.cases.model import (
    ENDED,
    CancelNotice,
    Capture,
    Case,
    CaseEffect,
    CaseInput,
    Ended,
    Exempted,
    Identified,
    NoticeAccepted,
    NoticeHeld,
    NoticeRefused,
    OfficerOutcome,
    PublishRecord,
    PublishRetraction,
    PublishTask,
    SendNotice,
    Tick,
    Watched,
)

__all__ = [
    "ALLOWED_NOW",
    "ENDED",
    "CancelNotice",
    "Capture",
    "Case",
    "CaseEffect",
    "CaseInput",
    "Ended",
    "Exempted",
    "Identified",
    "NoticeAccepted",
    "NoticeHeld",
    "NoticeRefused",
    "OfficerOutcome",
    "PublishRecord",
    "PublishRetraction",
    "PublishTask",
    "SendNotice",
    "Tick",
    "Watched",
    "may_be_due",
    "notice_give_up_ms",
    "notice_overdue",
    "open_case",
    "shift_clock",
    "step",
]
