"""Cheap tests on a small grey copy of the picture: has anything changed, has the camera moved, is it dark?"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.frames import Image

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
        self._reference = cv2.addWeighted(self._reference, 0.95, _moved(grey, -right, -down), 0.05, 0)  # type: ignore[assignment]
        return share if max(abs(right), abs(down)) > 0.15 else (0.0, 0.0)


def _moved(grey: Grey, right: float, down: float) -> Grey:
    matrix = np.array([[1, 0, right], [0, 1, down]], dtype=np.float32)
    size = (grey.shape[1], grey.shape[0])
    return np.asarray(cv2.warpAffine(grey, matrix, size, borderMode=cv2.BORDER_REPLICATE), dtype=np.float32)
