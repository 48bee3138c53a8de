"""A day of measurements in quarters of an hour: least, greatest, sum and count of each number; of the rest the last value.

The quarter under way travels in the device's state, which is written for each message anyway. A quarter that is over becomes a
row of a ring: 96 a device, each day writing over the day before, so that nothing has to be deleted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

QUARTER_MS = 15 * 60_000
SLOTS = 96

Value = float | bool | str


@dataclass(slots=True)
class Bucket:
    """One quarter. `fields`: name -> [least, greatest, sum, count] of a number, or the last value of another."""

    start_ms: int
    fields: dict[str, Any] = field(default_factory=dict)

    @property
    def slot(self) -> int:
        """Its place in the ring."""
        return self.start_ms // QUARTER_MS % SLOTS


def add(
    before: Bucket | None, at_ms: int, values: Mapping[str, Value]
) -> tuple[Bucket | None, Bucket | None]:
    """Add a message; (the quarter under way, the one that is over with it). One older than the quarter is left out."""
    start = at_ms - at_ms % QUARTER_MS
    over = None
    if before is None or start > before.start_ms:
        over, before = before, Bucket(start)
    elif start < before.start_ms:
        return before, None
    fields = before.fields
    for name, value in values.items():
        if isinstance(value, bool | str):
            fields[name] = value
            continue
        kept = fields.get(name)
        if kept is None:
            fields[name] = [value, value, value, 1]
            continue
        if value < kept[0]:
            kept[0] = value
        if value > kept[1]:
            kept[1] = value
        kept[2] = round(kept[2] + value, 6)
        kept[3] += 1
    return before, over
