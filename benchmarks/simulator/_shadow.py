"""Shadows on the ground: the dark gap below a thing, and the one that the sun casts."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.simulator._draw import Pose
from benchmarks.simulator._mesh import Mesh
from benchmarks.simulator.camera import NEAR_M, Camera
from benchmarks.simulator.light import Light

Image = NDArray[np.uint8]
LONGEST = 1.6
"""Longest shadow as a multiple of a thing's height."""

Shadow = tuple[int, int, Image]


def cast_shadow(mesh: Mesh, pose: Pose, camera: Camera, light: Light) -> Shadow | None:
    """Where a thing darkens the ground: left, top and what share of light stays (h, w, 3), 255 for all."""
    points = pose.place(mesh.points)
    sun = np.array(light.sun_dir)
    length, width, _ = mesh.size
    corners = (
        np.array([[-length, -width, 0.0], [-length, width, 0], [length, width, 0], [length, -width, 0]]) / 2
    )
    layers = [(pose.place(corners * 1.02), 0.62)]
    if max(light.sun) > 0.05 and sun[2] > 0.05:
        # A low sun throws shadows onto walls, which are not drawn: beyond this length they are cut short.
        reach = min(1.0, LONGEST * float(sun[2]) / max(float(np.hypot(sun[0], sun[1])), 1e-6))
        fallen = points - sun * (points[:, 2:3] / sun[2]) * reach
        fallen[:, 2] = 0
        layers.insert(0, (fallen, light.shadow))
    else:
        layers.insert(0, (pose.place(corners * 1.18), light.shadow * 0.6))
    outlines = []
    for ground, strength in layers:
        view = camera.to_view(ground)
        view = view[view[:, 2] > NEAR_M]
        if len(view) >= 3:
            outlines.append((np.clip(camera.view_to_pixels(view), -20000, 20000), strength))
    if not outlines:
        return None
    low = np.min([o.min(axis=0) for o, _ in outlines], axis=0)
    high = np.max([o.max(axis=0) for o, _ in outlines], axis=0)
    distance = float(np.linalg.norm(camera.eye - [pose.x, pose.y, 0]))
    soft = max(0.8, 0.10 * camera.focal / distance)
    pad = math.ceil(2.5 * soft)
    x0, y0 = max(0, math.floor(low[0]) - pad), max(0, math.floor(low[1]) - pad)
    x1, y1 = min(camera.width, math.ceil(high[0]) + pad), min(camera.height_px, math.ceil(high[1]) + pad)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return None
    # A blurred shape needs no more than a third of the pixels.
    coarse = 3 if soft > 4 else 2 if soft > 1.6 else 1
    shape = (math.ceil((y1 - y0) / coarse), math.ceil((x1 - x0) / coarse))
    kept = np.full(shape, 255, np.uint8)
    for outline, strength in outlines:
        layer = np.zeros(shape, np.uint8)
        hull = cv2.convexHull(((outline - [x0, y0]) / coarse - 0.5).astype(np.float32))
        cv2.fillConvexPoly(layer, np.rint(hull * 16).astype(np.int32), round(255 * strength), cv2.LINE_AA, 4)
        layer = cv2.GaussianBlur(layer, (0, 0), max(0.6, soft / coarse))
        kept = cv2.multiply(kept, 255 - layer, scale=1 / 255)
    if coarse > 1:
        kept = cv2.resize(kept, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
    return x0, y0, cv2.cvtColor(kept, cv2.COLOR_GRAY2BGR)


def lay_shadow(picture: Image, shadow: Shadow | None) -> None:
    """Darken a picture by a shadow."""
    if shadow is None:
        return
    x, y, kept = shadow
    region = picture[y : y + kept.shape[0], x : x + kept.shape[1]]
    cv2.multiply(region, kept, region, 1 / 255)
