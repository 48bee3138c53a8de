"""From the raw outputs of one picture to its `Detections`: decode, suppress doubles, map back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.decoders import Candidates, Family, Outputs
from models.detections import Detections
from models.labels import VEHICLES
from models.letterbox import Letterbox
from models.nms import nms

MAX_CANDIDATES = 3000
"""The best candidates that go into suppression. No street has so many; it bounds the time of a bad threshold."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which detections are wanted.

    Attributes:
        score_threshold: a detection scores more than this.
        iou_threshold: a box that overlaps a better one of its kind by more than this is a double.
        classes: names looked for; None for all.
        merge_vehicles: vehicles of different classes count as one kind, so that a van that is both car and
            truck is one detection. False: only boxes of one class are doubles of one another.
    """

    score_threshold: float = 0.35
    iou_threshold: float = 0.6
    classes: frozenset[str] | None = VEHICLES
    merge_vehicles: bool = True


def decode(
    family: Family, outputs: Outputs, letterbox: Letterbox, names: Sequence[str], choice: Choice
) -> Detections:
    """The detections of one picture, best first.

    Args:
        family: whose outputs they are.
        outputs: raw outputs without the batch axis.
        letterbox: how the picture lay in the input.
        names: names of the model's classes, by number.
        choice: which detections are wanted.

    Returns:
        Boxes in pixels of the picture, not clipped to it.
    """
    wanted = None
    if choice.classes is not None:
        wanted = np.array([i for i, name in enumerate(names) if name in choice.classes], np.intp)
    size = (letterbox.input_height, letterbox.input_width)
    found = _sound(family.decode(outputs, size, choice.score_threshold, wanted), len(names))
    keep = suppress(found, names, choice, end_to_end=family.end_to_end)
    return Detections(
        letterbox.to_picture(found.boxes[keep]),
        np.clip(found.scores[keep], 0, 1),
        [names[number] for number in found.classes[keep].tolist()],
    )


def suppress(
    found: Candidates, names: Sequence[str], choice: Choice, *, end_to_end: bool
) -> NDArray[np.intp]:
    """Indices of the candidates to keep, best first."""
    best_first = np.argsort(-found.scores, kind="stable")[:MAX_CANDIDATES]
    kinds = found.classes[best_first].copy()
    if end_to_end:
        # The model has suppressed doubles of one class itself: give every box a kind of its own.
        kinds = len(names) + 1 + np.arange(len(kinds), dtype=np.intp)
    if choice.merge_vehicles:
        vehicles = np.array([i for i, name in enumerate(names) if name in VEHICLES], np.intp)
        kinds[np.isin(found.classes[best_first], vehicles)] = -1
    kept = nms(found.boxes[best_first], found.scores[best_first], choice.iou_threshold, kinds)
    return best_first[kept]


def _sound(found: Candidates, classes: int) -> Candidates:
    """Without rows that are no boxes: not finite, inside out, or of a class without a name."""
    keep = (
        np.isfinite(found.boxes).all(axis=1)
        & np.isfinite(found.scores)
        & (found.boxes[:, 2:] >= found.boxes[:, :2]).all(axis=1)
        & (found.classes >= 0)
        & (found.classes < classes)
    )
    if keep.all():
        return found
    return Candidates(found.boxes[keep], found.scores[keep], found.classes[keep])
