"""Cheap tests on a small grey copy of the picture: has anything changed, has the camera moved, is it dark?"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.frames import Image
from edge_agent.stays.appearance import likeness, look_at
from zones import Box

SMALL_WIDTH = 320
"""Width of the small copy, pixels; one vehicle of interest covers several of its cells."""

_CELL = 8
"""Side of a cell of the change test, small pixels."""

_CELL_CHANGE = 7.0
"""Mean grey difference of a cell that counts as change; sensor noise averages out below 2."""

_DARK_MEAN, _DARK_SPREAD = 14.0, 4.0
"""A picture darker and flatter than this shows nothing (lens cap, dead infrared)."""

_MAX_SHAKE = 0.02
"""Camera shake is followed up to this share of the width; anything larger is another view."""

_LEARN = 0.04
"""Share of each picture in the ground's memory: half is new after 17 pictures."""

_HALO = 0.1
"""Margin around vehicles, in shares of the box, that is not learned: mirrors, shadow, a loose box."""

_ENOUGH_KNOWN = 0.9
"""Share of a box that must have been seen empty before the ground under it counts as known."""

_SHAKE_TRUST = 0.15
"""Least response of the phase correlation for its answer to be used."""

Grey = NDArray[np.float32]


def shrink(image: Image) -> Grey:
    """A grey copy 320 pixels wide, float32."""
    height, width = image.shape[:2]
    size = (SMALL_WIDTH, max(1, round(height * SMALL_WIDTH / width)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), dtype=np.float32)


def is_dark(grey: Grey) -> bool:
    """Whether the picture shows nothing at all."""
    return float(grey.mean()) < _DARK_MEAN and float(grey.std()) < _DARK_SPREAD


def has_changed(before: Grey, now: Grey) -> bool:
    """Whether any cell differs by more than noise, after a change of the whole picture's brightness is taken out."""
    if before.shape != now.shape:
        return True
    difference = now - before
    difference -= float(np.median(difference))
    rows, columns = (side // _CELL for side in now.shape)
    cells = (
        difference[: rows * _CELL, : columns * _CELL].reshape(rows, _CELL, columns, _CELL).mean(axis=(1, 3))
    )
    return bool(np.abs(cells).max(initial=0.0) > _CELL_CHANGE)


class Steadier:
    """Follows small camera shake, by phase correlation against a slowly renewed reference."""

    def __init__(self) -> None:
        self._reference: Grey | None = None
        self._window: Grey | None = None

    def shift(self, grey: Grey) -> tuple[float, float]:
        """How far this picture is moved against the reference, as shares of the width: (right, down)."""
        if self._reference is None or self._reference.shape != grey.shape or self._window is None:
            self._reference = grey
            self._window = cv2.createHanningWindow((grey.shape[1], grey.shape[0]), cv2.CV_32F)  # type: ignore[assignment]
            return 0.0, 0.0
        (right, down), response = cv2.phaseCorrelate(self._reference, grey, self._window)
        share = right / SMALL_WIDTH, down / SMALL_WIDTH
        if response < _SHAKE_TRUST or max(abs(share[0]), abs(share[1])) > _MAX_SHAKE:
            return 0.0, 0.0
        self._reference = cv2.addWeighted(self._reference, 0.95, moved(grey, -right, -down), 0.05, 0)  # type: ignore[assignment]
        return share if max(abs(right), abs(down)) > 0.15 else (0.0, 0.0)


class Ground:
    """The scene without vehicles, learned slowly wherever none is detected or stands.

    What is passed by quickly hardly marks it; what a vehicle stood on before it came is remembered under it.
    """

    def __init__(self) -> None:
        self._mean: Grey | None = None
        self._known: NDArray[np.bool_] | None = None
        self._last: Grey | None = None

    def learn(self, grey: Grey, taken: list[Box]) -> None:
        """Take in a steadied picture; `taken` are the boxes of vehicles, small pixels."""
        free = np.ones(grey.shape, dtype=bool)
        for left, top, right, bottom in taken:
            across, down = (right - left) * _HALO, (bottom - top) * _HALO
            free[
                max(0, int(top - down)) : int(bottom + down) + 1,
                max(0, int(left - across)) : int(right + across) + 1,
            ] = False
        if self._mean is None or self._known is None or self._mean.shape != grey.shape:
            self._mean, self._known = grey.copy(), free
            return
        fresh = free & ~self._known
        self._mean[fresh] = grey[fresh]
        old = free & self._known
        self._mean[old] += _LEARN * (grey[old] - self._mean[old])
        self._known |= free

    def compare(self, grey: Grey, box: Box) -> tuple[float | None, float]:
        """Likeness of a box to the empty ground (None where that is not known) and to the picture before."""
        now = look_at(grey, box)
        before = None if self._last is None or self._last.shape != grey.shape else look_at(self._last, box)
        calm = likeness(now, before) if now is not None and before is not None else 0.0
        if now is None or self._mean is None or self._known is None or self._mean.shape != grey.shape:
            return None, calm
        left, top, right, bottom = (max(0, round(v)) for v in box)
        known = self._known[top:bottom, left:right]
        if known.size == 0 or known.mean() < _ENOUGH_KNOWN:
            return None, calm
        ground = look_at(self._mean, box)
        return (None if ground is None else likeness(now, ground)), calm

    def remember(self, grey: Grey) -> None:
        """This was the picture before the next."""
        self._last = grey


def moved(grey: Grey, right: float, down: float) -> Grey:
    """The picture shifted by this many pixels."""
    matrix = np.array([[1, 0, right], [0, 1, down]], dtype=np.float32)
    size = (grey.shape[1], grey.shape[0])
    return np.asarray(cv2.warpAffine(grey, matrix, size, borderMode=cv2.BORDER_REPLICATE), dtype=np.float32)
