"""A closer look: is what was found in the whole picture there in views of its own, too?"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from math import inf
from typing import Protocol

import numpy as np

from edge_agent.frames import Image
from edge_agent.stays import Seen
from edge_agent.stays.wholes import View
from models.detections import Detections
from zones import Box
from zones.geometry import iou

_VIEWS = (2.2, 3.2, 1.5, 4.5)
"""Sides of the closer look's views, in sides of the box. Those in which most vehicles are found come first."""

_WIDER = (6.0, 8.0)
"""Sides of the views in which a larger vehicle around the box is looked for, in the box's longer side."""

_HALF = len(_VIEWS)
"""The better half of the views, each also mirrored."""

_SURE = 0.4
"""From this on it does not matter how much higher the answer is: no case asks for more than 0.3."""

SAME = 0.5
"""Overlap from which a detection in a view is the thing that was looked at."""

Region = tuple[int, int, int, int]


class RegionDetector(Protocol):
    """What the eyes need of a detector."""

    def detect_regions(self, picture: Image, regions: Sequence[Region]) -> Detections: ...

    def detect(self, pictures: Sequence[Image]) -> list[Detections]: ...


def closer_look(
    detector: RegionDetector, image: Image, box: Box, labels: Collection[str], *, piece: Box | None = None
) -> float:
    """How surely there is an object of these classes in a box, 0 to 1.

    The detector sees the box in eight views (four widths of surroundings, each also mirrored). Road marks,
    heaps and shadows that pass for a vehicle in one view do not in the others. The answer is the mean of the
    better half, because a vehicle that fills or hardly fills its view scores low there without being less real.
    Where the first views say enough, the others are left out: they could only raise it.

    Args:
        detector: looks.
        image: the whole picture.
        box: what is looked at.
        labels: the classes that count.
        piece: a part of the box that was found for itself; what is found in a view and lies nearer to that does not count.
    """
    scores: list[float] = []
    for factor in _VIEWS:
        if _better(scores) >= _SURE:
            break
        left, top, right, bottom = _region(image, box, factor)
        view = image[top:bottom, left:right]
        for mirrored in (False, True):
            found = detector.detect([np.ascontiguousarray(view[:, ::-1] if mirrored else view)])[0]
            here = _in_view(box, left, top, view.shape[1], mirrored=mirrored)
            apart = None if piece is None else _in_view(piece, left, top, view.shape[1], mirrored=mirrored)
            scores.append(
                max(
                    (
                        float(d.score)
                        for d in found
                        if d.label in labels and _is_it(as_box(d.box), here, apart)
                    ),
                    default=0.0,
                )
            )
    return round(_better(scores), 4)


def _region(image: Image, box: Box, factor: float) -> Region:
    """The square around a box, so many of its longer sides wide, as far as it lies in the picture."""
    height, width = image.shape[:2]
    middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    half = max(box[2] - box[0], box[3] - box[1]) * factor / 2
    left, top = max(0, int(middle[0] - half)), max(0, int(middle[1] - half))
    return left, top, min(width, int(middle[0] + half) + 1), min(height, int(middle[1] + half) + 1)


def _better(scores: Sequence[float]) -> float:
    """Mean of the best half of all views, of which these have been taken so far. It only grows with further ones."""
    return sum(sorted(scores, reverse=True)[:_HALF]) / _HALF


def _is_it(found: Box, box: Box, piece: Box | None) -> bool:
    same = iou(found, box)
    return same >= SAME and (piece is None or iou(found, piece) < same)


def _in_view(box: Box, left: float, top: float, width: float, *, mirrored: bool) -> Box:
    """A box of the picture in a view whose corner is there."""
    here: Box = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
    return (width - here[2], here[1], width - here[0], here[3]) if mirrored else here


def as_box(values: object) -> Box:
    """A detector's box, to a hundredth of a pixel."""
    left, top, right, bottom = (round(float(v), 2) for v in values)  # type: ignore[attr-defined]
    return (left, top, right, bottom)


def wider_views(
    detector: RegionDetector, image: Image, box: Box, shift: tuple[float, float] = (0, 0)
) -> Iterator[View]:
    """What is found in views that show far more than a box: six and eight of its sides wide, then both mirrored.

    Lazy: a view that nobody asks for costs nothing.

    Args:
        detector: looks.
        image: the whole picture.
        box: what lies in the middle of the views.
        shift: how far the picture is moved against the pixels in which the box is given.

    Yields:
        Views in the pixels in which the box is given, what they show without looks.
    """
    height, width = image.shape[:2]
    box = moved_box(box, *shift)
    # Where the picture is not much larger than the box, several are all of it.
    regions = list(dict.fromkeys(_region(image, box, factor) for factor in _WIDER))
    for mirrored in (False, True):
        for left, top, right, bottom in regions:
            view = image[top:bottom, left:right]
            found = detector.detect([np.ascontiguousarray(view[:, ::-1] if mirrored else view)])[0]
            borders: Box = (
                left if left > 0 else -inf,
                top if top > 0 else -inf,
                right if right < width else inf,
                bottom if bottom < height else inf,
            )
            corner = (left - shift[0], top - shift[1])
            yield View(
                moved_box(borders, -shift[0], -shift[1]),
                tuple(
                    Seen(
                        moved_box(_in_view(as_box(d.box), 0, 0, right - left, mirrored=mirrored), *corner),
                        d.label,
                        round(float(d.score), 4),
                    )
                    for d in found
                ),
                mirrored,
            )


def moved_box(box: Box, right: float, down: float) -> Box:
    """A box so many pixels further to the right and down."""
    if right == 0 and down == 0:
        return box
    return (
        round(box[0] + right, 2),
        round(box[1] + down, 2),
        round(box[2] + right, 2),
        round(box[3] + down, 2),
    )
