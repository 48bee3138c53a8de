"""What is wrong with clocks, for the readiness address, the board and metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from central.clocks.calendars import missing_years
from central.clocks.models import Clock, Sweeper
from central.project.clock import now_ms

SILENT_MS = 60_000
"""A sweeper says every few seconds that it lives."""

LATE_MS = 120_000
"""A clock that was due so long ago and is still not done means that sweepers cannot keep up, or cannot work."""

FORGET_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that somebody has to mend.

    Attributes:
        name: ``no_sweeper``, ``sweeper_late`` or ``missing_year``.
        urgent: promises suffer now; else it can wait for days.
        facts: JSON values.
    """

    name: str
    urgent: bool
    facts: dict[str, Any]


def problems() -> list[Problem]:
    """Everything that is wrong now; three cheap queries and one per jurisdiction."""
    now = now_ms()
    found = []
    seen = Sweeper.objects.order_by("-seen_at_ms").values_list("seen_at_ms", flat=True).first()
    if seen is None or seen < now - SILENT_MS:
        found.append(Problem("no_sweeper", True, {"seen_at_ms": seen}))
    overdue = Clock.objects.filter(next_at_ms__lt=now - LATE_MS).order_by("next_at_ms")
    oldest = overdue.values_list("next_at_ms", flat=True).first()
    if oldest is not None:
        found.append(Problem("sweeper_late", True, {"since_ms": oldest, "waiting": overdue.count()}))
    found += [
        Problem(
            "missing_year", missing.urgent, {"jurisdiction": missing.jurisdiction_id, "year": missing.year}
        )
        for missing in missing_years(now)
    ]
    return found
