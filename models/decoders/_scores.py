"""Choosing the best class of each place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def best_class(
    scores: NDArray[np.float32], min_score: float, wanted: NDArray[np.intp] | None
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """The places whose best wanted class scores more than `min_score`.

    Unwanted classes do not compete: a place that is 0.5 truck and 0.6 train is a truck when trains are not
    looked for.

    Args:
        scores: places x classes.
        min_score: a place must score more than this.
        wanted: numbers of the classes looked for; None for all.

    Returns:
        Indices of the places, their classes and their scores.
    """
    if wanted is not None:
        scores = scores[:, wanted]
    if scores.shape[1] == 0:
        return np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0, np.float32)
    places = np.flatnonzero(scores.max(axis=1) > np.float32(min_score))
    chosen = scores[places]
    columns = chosen.argmax(axis=1)
    classes = columns if wanted is None else wanted[columns]
    return places, classes, chosen[np.arange(len(places)), columns]


def grid_centres(height: int, width: int, offset: float) -> NDArray[np.float32]:
    """(height * width) x 2 cell positions x, y in cells, row by row, shifted by `offset`."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.stack((x.ravel() + np.float32(offset), y.ravel() + np.float32(offset)), axis=1)


def corners(centres_and_sizes: NDArray[np.float32]) -> NDArray[np.float32]:
    """N x 4 of centre x, centre y, width, height as left, top, right, bottom."""
    half = centres_and_sizes[:, 2:] / 2
    return np.concatenate((centres_and_sizes[:, :2] - half, centres_and_sizes[:, :2] + half), axis=1)
