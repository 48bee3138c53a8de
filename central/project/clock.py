"""The centre's clock, `settings.PATROL_CLOCK`, so that tests can hold time still; and instants in its time zone."""

from __future__ import annotations

from datetime import date, datetime, time

from django.conf import settings
from django.utils import timezone

from protocol.clock import Millis


def now_ms() -> Millis:
    """UTC milliseconds now."""
    return settings.PATROL_CLOCK.utc_ms()  # type: ignore[no-any-return]


def local(at_ms: Millis) -> datetime:
    """An instant where the centre is."""
    return datetime.fromtimestamp(at_ms / 1000, timezone.get_default_timezone())


def local_day(at_ms: Millis) -> date:
    """The day that it is at this instant where the centre is."""
    return local(at_ms).date()


def midnight_ms(day: date) -> Millis:
    """When a day begins where the centre is."""
    return round(datetime.combine(day, time.min, tzinfo=timezone.get_default_timezone()).timestamp() * 1000)
