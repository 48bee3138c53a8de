"""The parts of a camera's picture on which the detector runs."""

from __future__ import annotations

from edge_agent.perception.closer import Region
from zones import Box, ZoneIndex

_ROOM = 0.15
"""Room around a change that a region must show, in shares of the change's side."""


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
