"""The centre's clock: `settings.PATROL_CLOCK`, so that tests can hold time still."""

from __future__ import annotations

from django.conf import settings

from protocol.clock import Millis


def now_ms() -> Millis:
    """UTC milliseconds now."""
    return settings.PATROL_CLOCK.utc_ms()  # type: ignore[no-any-return]
