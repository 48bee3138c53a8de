"""A picture to check a calibration by: a grid of metres laid on the ground, and the points it rests on."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from zones.calibration import Ground
from zones.model import ZoneFile

Image = NDArray[np.uint8]
Floats = NDArray[np.float64]

_FAR_M = 60.0
"""The grid ends here, away from the camera or from the calibration's points."""

_LEAST_PX = 6.0
"""Lines nearer to one another than this in the picture are left out."""

_FINE, _COARSE = (255, 230, 120), (255, 255, 255)
_GROUND, _OFF, _HORIZON = (60, 220, 60), (40, 40, 255), (0, 190, 255)
"""Blue, green, red."""


def draw_grid(zones: ZoneFile, ground: Ground, picture: Image | None = None) -> Image:
    """The zones' outlines, a grid of one metre with every fifth line stronger, and the calibration's points.

    Each point is drawn where it was clicked, with a line to where the calibration puts it.

    Args:
        zones: a valid file.
        ground: its calibration, at any size of picture.
        picture: of the same shape, any size; without one a plain sheet is used.
    """
    import cv2

    if picture is None:
        picture = np.full((zones.picture.height, zones.picture.width, 3), 70, np.uint8)
    result = picture.copy()
    height, width = result.shape[:2]
    here = ground.scaled(width, height)
    unit = max(1.0, min(width, height) / 360)
    for line, strong in _lines(here):
        cv2.polylines(
            result,
            [np.rint(line * 8).astype(np.int32)],
            False,
            _COARSE if strong else _FINE,
            max(1, round(unit * (1.2 if strong else 0.6))),
            cv2.LINE_AA,
            3,
        )
    scale = np.array([width / zones.picture.width, height / zones.picture.height])
    for zone in zones.zone:
        outline = np.rint(np.array(zone.polygon) * scale).astype(np.int32)
        cv2.polylines(result, [outline], True, _GROUND, max(1, round(unit)), cv2.LINE_AA)
    horizon = _horizon(here)
    if horizon is not None:
        cv2.polylines(
            result, [np.rint(horizon).astype(np.int32)], False, _HORIZON, max(1, round(unit)), cv2.LINE_AA
        )
    for point, should in zip(
        ground.picture_points * scale, here.to_picture(ground.ground_points), strict=True
    ):
        at = (round(float(point[0])), round(float(point[1])))
        if np.isfinite(should).all():
            end = (round(float(should[0])), round(float(should[1])))
            cv2.line(result, at, end, _OFF, max(1, round(1.5 * unit)), cv2.LINE_AA)
        cv2.drawMarker(result, at, _OFF, cv2.MARKER_CROSS, round(9 * unit), max(1, round(1.5 * unit)))
    return np.asarray(result, np.uint8)


def _lines(ground: Ground) -> Iterator[tuple[Floats, bool]]:
    """Lines of the grid in pixels, and whether each is a strong one."""
    eye = ground.camera.at
    points = ground.ground_points
    middle = points.mean(axis=0) if ground.camera.assumed else np.array(eye[:2])
    low = np.floor(np.minimum(middle - _FAR_M, points.min(0)))
    high = np.ceil(np.maximum(middle + _FAR_M, points.max(0)))
    span = float(np.max(high - low))
    if span > 1000:  # points that far apart need no metre lines
        return
    steps = np.arange(0, span + 0.25, 0.25)
    for axis in (0, 1):
        other = 1 - axis
        along = low[other] + steps
        along = along[along <= high[other]]
        for value in range(int(low[axis]), int(high[axis]) + 1):
            metres = np.zeros((len(along), 2))
            metres[:, axis], metres[:, other] = value, along
            pixels = ground.to_picture(metres)
            beside = metres.copy()
            beside[:, axis] += 1.0 if value % 5 else 5.0
            gap = np.hypot(*(ground.to_picture(beside) - pixels).T)
            near = np.hypot(*(metres - middle).T) <= _FAR_M
            with np.errstate(invalid="ignore"):
                inside = (
                    (pixels > -ground.width) & (pixels < 2 * np.array([ground.width, ground.height]))
                ).all(axis=1)
                shown = near & inside & (gap >= _LEAST_PX)
            yield from ((part, value % 5 == 0) for part in _runs(pixels, shown))


def _runs(points: Floats, shown: NDArray[np.bool_]) -> Iterator[Floats]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], shown, [False]]).astype(int)))
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if end - start > 1:
            yield points[start:end]


def _horizon(ground: Ground) -> Floats | None:
    """The horizon as a line across the picture, pixels; None where there is none."""
    line = ground.horizon
    if line is None or not all(map(math.isfinite, line)):
        return None
    a, b, c = line
    if abs(b) < 1e-3:
        return None
    u = np.linspace(-0.2, 1.2, 64) * ground.lens.width
    straight = np.stack([u, -(a * u + c) / b], axis=1)
    return np.asarray(ground.lens.distort(straight) / ground.factor)
