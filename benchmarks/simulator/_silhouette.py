"""Outlines of things in the picture, without colour: for boxes and for what hides what."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.simulator._draw import Pose
from benchmarks.simulator._mesh import Mesh
from benchmarks.simulator.camera import NEAR_M, Camera

Box = tuple[float, float, float, float]


def box_of(mesh: Mesh, pose: Pose, camera: Camera, *, exact: bool = True) -> Box:
    """Left, top, right, bottom of a thing in pixels, not cut at the picture's edge; all zero behind the camera.

    Args:
        exact: use all corners; else only those of the box around it, which is faster and never too small.
    """
    if exact:
        points = mesh.points
    else:
        half_l, half_w, tall = mesh.size[0] / 2 + 1.2, mesh.size[1] / 2 + 1.2, mesh.size[2] + 0.3
        points = np.array(
            [[x, y, z] for x in (-half_l, half_l) for y in (-half_w, half_w) for z in (0.0, tall)]
        )
    view = camera.to_view(pose.place(points))
    view = view[view[:, 2] > NEAR_M]
    if not len(view):
        return (0.0, 0.0, 0.0, 0.0)
    pixels = camera.view_to_pixels(view)
    (left, top), (right, bottom) = pixels.min(axis=0), pixels.max(axis=0)
    return (round(float(left), 1), round(float(top), 1), round(float(right), 1), round(float(bottom), 1))


def silhouette(mesh: Mesh, pose: Pose, camera: Camera, window: Box, scale: float) -> NDArray[np.uint8]:
    """255 where a thing is within a window of the picture, scaled.

    Args:
        window: left, top, right, bottom in pixels.
        scale: mask pixels per picture pixel.
    """
    width = max(1, math.ceil((window[2] - window[0]) * scale))
    height = max(1, math.ceil((window[3] - window[1]) * scale))
    mask = np.zeros((height, width), np.uint8)
    view = camera.to_view(pose.place(mesh.points))
    behind = np.logical_or.reduceat(view[:, 2] < NEAR_M, mesh.starts[:-1])
    pixels = camera.view_to_pixels(np.where(view[:, 2:3] < NEAR_M, [[0.0, 0.0, NEAR_M]], view))
    corners = np.clip((pixels - [window[0], window[1]]) * scale - 0.5, -8000, 8000)
    fixed = np.rint(corners * 16).astype(np.int32)
    starts = mesh.starts.tolist()
    for face in np.flatnonzero(~behind).tolist():
        cv2.fillConvexPoly(mask, fixed[starts[face] : starts[face + 1]], 255, 8, 4)
    return mask
