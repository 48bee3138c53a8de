"""From when to when, in days of the centre's time zone; what people may ask for and what it means."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from central.project.asked import day
from central.project.clock import local_day, midnight_ms
from protocol.clock import Millis
from protocol.errors import PatrolError

PRESETS: dict[str, int] = {"today": 1, "7d": 7, "30d": 30, "90d": 90}
"""Name -> days up to and with today."""

LONGEST_DAYS = 366


@dataclass(frozen=True, slots=True)
class Period:
    """Whole local days, the first and the last included."""

    first: date
    last: date
    preset: str = ""

    @property
    def from_ms(self) -> Millis:
        """The first instant."""
        return midnight_ms(self.first)

    @property
    def to_ms(self) -> Millis:
        """The first instant that is no longer in it."""
        return midnight_ms(self.last + timedelta(days=1))

    @property
    def days(self) -> list[date]:
        """Each day."""
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]

    def day_of(self, at_ms: Millis) -> date:
        """The local day of an instant."""
        return local_day(at_ms)


def read_period(asked: dict[str, str], now_ms: Millis) -> Period:
    """What the address or the command line asks for; the last seven days where it asks for nothing.

    Args:
        asked: `period` (a preset), or `from` and `to` as YYYY-MM-DD.
        now_ms: decides what today is.

    Raises:
        PatrolError: a date is none, they are the wrong way round, or too far apart.
    """
    today = local_day(now_ms)
    if asked.get("from") or asked.get("to"):
        last = day(asked.get("to") or today.isoformat(), "to")
        first = day(asked.get("from") or last.isoformat(), "from")
        if first > last:
            raise PatrolError(
                "the period ends before it begins", field="from", value=first, mend="Swap the dates."
            )
        if (last - first).days >= LONGEST_DAYS:
            raise PatrolError(
                f"a period has {LONGEST_DAYS} days at most",
                field="from",
                value=first,
                mend="Ask for less at once.",
            )
        return Period(first, last)
    name = asked.get("period") or "7d"
    if name not in PRESETS:
        raise PatrolError(
            "there is no such period",
            field="period",
            value=name,
            mend=f"One of {', '.join(PRESETS)}, or from and to.",
        )
    return Period(today - timedelta(days=PRESETS[name] - 1), today, name)
