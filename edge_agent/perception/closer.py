"""A closer look: is what was found in the whole picture there in views of its own, too?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import numpy as np

from edge_agent.frames import Image
from models.detections import Detections
from zones import Box
from zones.geometry import iou

_VIEWS = (2.2, 3.2, 1.5, 4.5)
"""Sides of the closer look's views, in sides of the box. Those in which most vehicles are found come first."""

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
    height, width = image.shape[:2]
    middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    scores: list[float] = []
    for factor in _VIEWS:
        if _better(scores) >= _SURE:
            break
        half = max(box[2] - box[0], box[3] - box[1]) * factor / 2
        left, top = max(0, int(middle[0] - half)), max(0, int(middle[1] - half))
        right, bottom = min(width, int(middle[0] + half) + 1), min(height, int(middle[1] + half) + 1)
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
