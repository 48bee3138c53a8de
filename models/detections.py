"""What a detector saw in one picture: one value object, checked when it is made."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from protocol.errors import PatrolError

Image = NDArray[np.uint8]
"""Height x width x 3, uint8, BGR."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels; pixel i covers the span from i to i + 1. May reach beyond the picture."""


@dataclass(frozen=True, slots=True)
class Detection:
    """One object.

    Attributes:
        box: left, top, right, bottom in pixels of the picture, sub-pixel, never clipped.
        score: confidence from 0 to 1.
        label: name of the class.
        cut: the box ends at an inner border of a searched region, so the object may reach further.
    """

    box: Box
    score: float
    label: str
    cut: bool = False


@dataclass(frozen=True, slots=True, eq=False, init=False, repr=False)
class Detections:
    """The objects of one picture, best score first when a detector made it. Immutable: arrays are read-only.

    Args:
        boxes: N x 4, float32; left, top, right, bottom in pixels of the picture, sub-pixel, never clipped to it.
        scores: N, float32, each from 0 to 1.
        labels: N names of classes.
        cut: N, bool; True where the box ends at an inner border of a searched region. All False unless given.

    Raises:
        PatrolError: a shape, a length or a value is wrong; the message names expected and actual.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: tuple[str, ...]
    cut: NDArray[np.bool_]

    def __init__(
        self, boxes: ArrayLike, scores: ArrayLike, labels: Sequence[str], cut: ArrayLike | None = None
    ) -> None:
        if isinstance(labels, str):
            raise PatrolError(
                "labels must be a sequence of class names, not one string", field="labels", value=labels
            )
        names = tuple(labels)
        count = len(names)
        box_array = _frozen(boxes, np.float32, "boxes")
        if box_array.size == 0 and count == 0:
            box_array = _frozen(np.empty((0, 4), np.float32), np.float32, "boxes")
        score_array = _frozen(scores, np.float32, "scores")
        cut_array = _frozen(np.zeros(count, np.bool_) if cut is None else cut, np.bool_, "cut")
        for field, array, expected in (
            ("boxes", box_array, (count, 4)),
            ("scores", score_array, (count,)),
            ("cut", cut_array, (count,)),
        ):
            if array.shape != expected:
                raise PatrolError(
                    f"expected shape {expected} for {count} labels, found {array.shape}",
                    field=f"detections.{field}",
                )
        if not np.isfinite(box_array).all():
            raise PatrolError("expected finite pixels, found inf or nan", field="detections.boxes")
        if (box_array[:, 2:] < box_array[:, :2]).any():
            bad = int(np.flatnonzero((box_array[:, 2:] < box_array[:, :2]).any(axis=1))[0])
            raise PatrolError(
                "expected left <= right and top <= bottom",
                field=f"detections.boxes[{bad}]",
                value=box_array[bad].tolist(),
            )
        if not ((score_array >= 0) & (score_array <= 1)).all():
            bad = int(np.flatnonzero(~((score_array >= 0) & (score_array <= 1)))[0])
            raise PatrolError(
                "expected a score from 0 to 1",
                field=f"detections.scores[{bad}]",
                value=float(score_array[bad]),
            )
        object.__setattr__(self, "boxes", box_array)
        object.__setattr__(self, "scores", score_array)
        object.__setattr__(self, "labels", names)
        object.__setattr__(self, "cut", cut_array)

    @classmethod
    def empty(cls) -> Detections:
        """Nothing seen."""
        return cls(np.empty((0, 4), np.float32), np.empty(0, np.float32), ())

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[Detection]:
        for box, score, label, cut in zip(
            self.boxes.tolist(), self.scores.tolist(), self.labels, self.cut.tolist(), strict=True
        ):
            yield Detection((box[0], box[1], box[2], box[3]), score, label, cut)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Detections):
            return NotImplemented
        return (
            self.labels == other.labels
            and np.array_equal(self.boxes, other.boxes)
            and np.array_equal(self.scores, other.scores)
            and np.array_equal(self.cut, other.cut)
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        counts = {label: self.labels.count(label) for label in dict.fromkeys(self.labels)}
        inside = ", ".join(f"{count} {label}" for label, count in counts.items()) or "nothing"
        return f"<Detections {inside}>"

    def take(self, which: ArrayLike) -> Detections:
        """The detections at these indices, in this order, or where this mask of N bools is True."""
        index = np.asarray(which)
        if index.dtype == np.bool_:
            if index.shape != (len(self),):
                raise PatrolError(
                    f"expected a mask of shape {(len(self),)}, found {index.shape}", field="which"
                )
            index = np.flatnonzero(index)
        index = index.astype(np.intp)
        return Detections(
            self.boxes[index], self.scores[index], [self.labels[i] for i in index.tolist()], self.cut[index]
        )

    def filter(self, *, labels: Collection[str] | None = None, min_score: float = 0.0) -> Detections:
        """The detections with one of these labels (None: any) and at least this score."""
        keep = self.scores >= np.float32(min_score)
        if labels is not None:
            if isinstance(labels, str):
                labels = (labels,)
            keep &= np.fromiter((label in labels for label in self.labels), np.bool_, len(self))
        return self.take(keep)

    def shifted(self, right: float, down: float) -> Detections:
        """The same detections in a picture whose origin lies `right`, `down` pixels further to the upper left."""
        offset = np.array([right, down, right, down], np.float32)
        return Detections(self.boxes + offset, self.scores, self.labels, self.cut)


def _frozen(value: ArrayLike, dtype: Any, field: str) -> NDArray[Any]:
    try:
        array = np.array(value, dtype=dtype)
    except (TypeError, ValueError) as error:
        raise PatrolError(
            f"expected numbers in a regular array, found {type(value).__name__}", field=f"detections.{field}"
        ) from error
    array.setflags(write=False)
    return array
