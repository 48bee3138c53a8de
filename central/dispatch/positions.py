"""Where officers are: their phone says so while they are on duty, and it is forgotten soon."""

from __future__ import annotations

from django.db import transaction
from pydantic import BaseModel, ConfigDict, Field

from central.dispatch import desk
from central.dispatch.models import OfficerPosition
from central.people.models import User
from central.project.clock import now_ms
from protocol.errors import PatrolError

OLDEST_MS = 30 * 60_000
"""A place that the phone found so long ago says nothing about now."""


class NotOnDutyError(PatrolError):
    """Whoever is not on duty is not followed."""


class Fix(BaseModel):
    """One position as a phone's browser gives it (W3C Geolocation), WGS-84."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    longitude: float = Field(ge=-180, le=180, allow_inf_nan=False)
    latitude: float = Field(ge=-90, le=90, allow_inf_nan=False)
    accuracy_m: float = Field(ge=0, le=1_000_000, allow_inf_nan=False)
    at_ms: int = Field(ge=0, lt=2**53, description="When the phone was there, UTC.")


def take(officer: User, fix: Fix) -> bool:
    """Keep the newest place of somebody on duty; whether it is newer than what was known.

    A phone whose clock is ahead has not been anywhere in the future: its time is cut to ours, so that a wrong clock cannot
    keep later places out.

    Raises:
        NotOnDutyError: no shift of theirs is running.
    """
    now = now_ms()
    with transaction.atomic():
        if desk.on_duty(officer, now) is None:
            raise NotOnDutyError("places are taken only during a shift", field="at_ms")
        at_ms = min(fix.at_ms, now)
        if at_ms < now - OLDEST_MS:
            return False
        facts = {
            "longitude": fix.longitude,
            "latitude": fix.latitude,
            "accuracy_m": fix.accuracy_m,
            "at_ms": at_ms,
            "received_at_ms": now,
        }
        if OfficerPosition.objects.filter(officer=officer, at_ms__lt=at_ms).update(**facts):
            return True
        _, new = OfficerPosition.objects.get_or_create(officer=officer, defaults=facts)
        return new
