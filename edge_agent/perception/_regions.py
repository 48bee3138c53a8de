"""The parts of a camera's picture on which the detector runs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from edge_agent.perception.closer import Region
from protocol.clock import Millis
from zones import Box, ZoneIndex

_ROOM = 0.15
"""Room around a change that a region must show, in shares of the change's side."""

_CALM_PART = 3
"""A region in which nothing has changed for long is looked at again after this part of the time for which nothing has."""


@dataclass(slots=True)
class Ages:
    """When regions in which nothing changes are looked at again.

    Each such look is one more draw at what the detector did not find before, and the more of them were in vain, the less another
    is worth: it comes after a third of the time for which nothing has changed.

    Attributes:
        soon_ms: no sooner than this.
        late_ms: no later than this. Where it is longer than the former, a look is put off as long while there is no time for it.
    """

    soon_ms: int
    late_ms: int
    _looked: dict[Region, Millis] = field(default_factory=dict)
    _changed: dict[Region, Millis] = field(default_factory=dict)

    def looked(self, regions: Collection[Region], at_ms: Millis) -> None:
        """These were looked at."""
        self._looked |= dict.fromkeys(regions, at_ms)

    def changed(self, regions: Collection[Region], at_ms: Millis) -> None:
        """Something changed in these, or they were never looked at."""
        self._changed |= dict.fromkeys(regions, at_ms)

    def due(self, regions: Sequence[Region], at_ms: Millis, *, spare: bool) -> Region | None:
        """The region whose look is most overdue, if one is; `spare`: there is time for it."""

        def overdue(region: Region) -> Millis:
            looked_ms = self._looked.get(region, 0)
            if looked_ms > at_ms:
                looked_ms = 0  # the clock was set back
            calm_ms = (at_ms - self._changed.get(region, at_ms)) // _CALM_PART if spare else self.late_ms
            return at_ms - looked_ms - min(max(self.soon_ms, calm_ms), self.late_ms)

        latest = max(regions, key=overdue)
        return latest if overdue(latest) >= 0 else None


def whole_region(index: ZoneIndex, margin: float) -> Region:
    """The zones' bounding box with a margin, at least a third of the picture each way, whole pixels."""
    left, top, right, bottom = index.bounds()
    side = max((right - left), (bottom - top)) * margin
    wide = max(right - left + 2 * side, index.width / 3)
    high = max(bottom - top + 2 * side, index.height / 3)
    middle = ((left + right) / 2, (top + bottom) / 2)
    x1 = max(0, min(round(middle[0] - wide / 2), index.width - round(wide)))
    y1 = max(0, min(round(middle[1] - high / 2), index.height - round(high)))
    return (x1, y1, min(index.width, x1 + round(wide)), min(index.height, y1 + round(high)))


def tiles(whole: Region, side: int) -> list[Region]:
    """Overlapping tiles of at most `side` pixels, none where the whole is no larger."""
    left, top, right, bottom = whole
    if right - left <= side and bottom - top <= side:
        return []

    def starts(low: int, high: int) -> list[int]:
        length = high - low
        if length <= side:
            return [low]
        count = -(-(length - side // 4) // (side - side // 4))
        return [round(low + i * (length - side) / (count - 1)) for i in range(count)]

    return [
        (x, y, min(right, x + side), min(bottom, y + side))
        for y in starts(top, bottom)
        for x in starts(left, right)
    ]


def holds(region: Region, box: Box, whole: Region) -> bool:
    """Whether a region shows a box with some room around it, except where the picture that is looked at ends."""
    room = _ROOM * max(box[2] - box[0], box[3] - box[1])
    return all(
        region[side] * sign == whole[side] * sign or (box[side] - sign * room - region[side]) * sign >= 0
        for side, sign in ((0, 1), (1, 1), (2, -1), (3, -1))
    )
