"""The life of a work order, as data: which step leads where. Only `central.cases.services` takes steps."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from protocol.errors import PatrolError


class WorkState(models.TextChoices):
    """Where a work order stands."""

    NEW = "new", _("New")
    ACCEPTED = "accepted", _("Accepted")
    CLOSED = "closed", _("Closed")
    RETRACTED = "retracted", _("Retracted")


class WorkKind(models.TextChoices):
    """What the officer is asked to do."""

    ENFORCE = "enforce", _("Enforcement")
    MANUAL_CHECK = "manual_check", _("Manual check")
    HANDLE = "handle", _("Handling on the spot")


class CaseState(models.TextChoices):
    """Where a case stands in the centre."""

    WATCHED = "watched", _("Watched by the camera")
    OPEN = "open", _("Open")
    CLOSED = "closed", _("Closed")


class Relation(models.TextChoices):
    """What a case is to the one that it belongs to."""

    PART = "part", _("Part of the matter")
    DUPLICATE = "duplicate", _("The same matter")


class ProcessStep(models.TextChoices):
    """The seven steps of a case in GB/T 30428."""

    COLLECT = "collect", _("Collection")
    ESTABLISH = "establish", _("Establishing")
    DISPATCH = "dispatch", _("Dispatch")
    HANDLE = "handle", _("Handling")
    FEEDBACK = "feedback", _("Feedback")
    VERIFY_CLOSE = "verify_close", _("Verification and closing")
    EVALUATE = "evaluate", _("Evaluation")


class Result(models.TextChoices):
    """What the officer found: the protocol's OutcomeResult, in words for people."""

    TICKETED = "ticketed", _("Ticketed")
    MOVED_ON = "moved_on", _("Moved on after talking")
    TOWED = "towed", _("Towed")
    VEHICLE_GONE = "vehicle_gone", _("Vehicle was gone")
    NOT_A_VIOLATION = "not_a_violation", _("Not a violation")
    WRONG_VEHICLE = "wrong_vehicle", _("Wrong vehicle")
    OTHER = "other", _("Other")


class Step(models.TextChoices):
    """What can be done to a work order."""

    ACCEPT = "accept", _("Accept")
    CLOSE = "close", _("Close")
    RETRACT = "retract", _("Retract")


STEPS: dict[tuple[WorkState, Step], WorkState] = {
    (WorkState.NEW, Step.ACCEPT): WorkState.ACCEPTED,
    (WorkState.NEW, Step.RETRACT): WorkState.RETRACTED,
    (WorkState.ACCEPTED, Step.CLOSE): WorkState.CLOSED,
    (WorkState.ACCEPTED, Step.RETRACT): WorkState.RETRACTED,
}
"""(state, step) -> next state. What is not here cannot happen."""

OPEN_STATES = (WorkState.NEW, WorkState.ACCEPTED)


class NotPossibleError(PatrolError):
    """The step does not fit the state; `state` says where the work order stands now."""

    def __init__(self, problem: str, state: WorkState) -> None:
        super().__init__(problem)
        self.state = state


class ObjectedError(NotPossibleError):
    """The driver says that it is another vehicle. `reviewed`: somebody has looked, and he was right."""

    def __init__(self, problem: str, state: WorkState, *, reviewed: bool) -> None:
        super().__init__(problem, state)
        self.reviewed = reviewed


def next_state(state: str, step: Step) -> WorkState:
    """Where the step leads.

    Raises:
        NotPossibleError: the state has no such step.
    """
    try:
        return STEPS[WorkState(state), step]
    except KeyError:
        raise NotPossibleError(f"a work order that is {state} cannot {step}", WorkState(state)) from None
