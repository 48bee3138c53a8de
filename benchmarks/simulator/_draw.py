"""Draws one mesh into a small picture with transparency: cull, light, sort, fill, shrink."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.simulator._mesh import BRAKELAMP, HEADLAMP, TAILLAMP, Mesh
from benchmarks.simulator.camera import NEAR_M, Camera
from benchmarks.simulator.light import Light

Image = NDArray[np.uint8]
Floats = NDArray[np.floating]

_SHIFT = 4
_LAMP_ON = {HEADLAMP: (0.95, 1.0, 1.0), TAILLAMP: (0.10, 0.08, 0.80), BRAKELAMP: (0.15, 0.12, 1.0)}


@dataclass(frozen=True)
class Pose:
    """Where a thing stands: x, y metres, heading radians from the x axis, counter-clockwise."""

    x: float
    y: float
    heading: float

    def place(self, points: Floats) -> Floats:
        """Points (N, 3) of the thing itself as street points."""
        return np.asarray(self.turn(points) + np.array([self.x, self.y, 0.0]))

    def turn(self, vectors: Floats) -> Floats:
        """Directions (N, 3) of the thing itself as street directions."""
        c, s = math.cos(self.heading), math.sin(self.heading)
        return np.asarray(vectors @ np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]]))


@dataclass(frozen=True)
class Sprite:
    """A drawn thing: colours already multiplied by their coverage, so that it can be laid on a picture.

    Attributes:
        x, y: pixel of the picture where the sprite's first pixel lies.
        image: (h, w, 4) BGRA; empty when nothing of it is in the picture.
    """

    x: int
    y: int
    image: Image

    def onto(self, picture: Image) -> None:
        """Lay the sprite on a picture of the camera's size."""
        height, width = self.image.shape[:2]
        if not width or not height:
            return
        region = picture[self.y : self.y + height, self.x : self.x + width]
        rest = cv2.cvtColor(255 - self.image[:, :, 3], cv2.COLOR_GRAY2BGR)
        cv2.multiply(region, rest, region, 1 / 255)
        cv2.add(region, self.image[:, :, :3], region)


EMPTY = Sprite(0, 0, np.zeros((0, 0, 4), np.uint8))


@dataclass(frozen=True)
class Lamps:
    """Which lamps are on."""

    head: bool = False
    brake: bool = False


def draw_mesh(
    mesh: Mesh,
    pose: Pose,
    camera: Camera,
    light: Light,
    *,
    lamps: Lamps | None = None,
    plates: tuple[Image, Image] | None = None,
    extra: float = 1.0,
) -> Sprite:
    """The mesh as the camera sees it.

    Args:
        plates: pictures of the front and the rear plate.
        extra: strength of lamp light on it, 1.0 for none.
    """
    lamps = lamps or Lamps()
    points = pose.place(mesh.points)
    view = camera.to_view(points)
    if np.all(view[:, 2] < NEAR_M):
        return EMPTY
    normals, centres = pose.turn(mesh.normals), pose.place(mesh.centres)
    to_eye = camera.eye - centres
    facing = (np.sum(to_eye * normals, axis=1) > 0) | mesh.two_sided
    behind = np.logical_or.reduceat(view[:, 2] < NEAR_M, mesh.starts[:-1])
    pixels = camera.view_to_pixels(np.where(view[:, 2:3] < NEAR_M, [[0.0, 0.0, NEAR_M]], view))
    shown = facing & ~behind
    drawn = np.repeat(shown, np.diff(mesh.starts))
    if not drawn.any():
        return EMPTY
    low, high = pixels[drawn].min(axis=0), pixels[drawn].max(axis=0)
    x0, y0 = max(0, math.floor(low[0]) - 1), max(0, math.floor(low[1]) - 1)
    x1, y1 = min(camera.width, math.ceil(high[0]) + 2), min(camera.height_px, math.ceil(high[1]) + 2)
    if x1 <= x0 or y1 <= y0:
        return EMPTY

    fine = 2 if max(x1 - x0, y1 - y0) > 90 else 3
    canvas = np.zeros(((y1 - y0) * fine, (x1 - x0) * fine, 4), np.uint8)
    order = np.flatnonzero(shown)
    distance = np.sum(to_eye[order] ** 2, axis=1)
    ahead = (camera.x - pose.x) * math.cos(pose.heading) + (camera.y - pose.y) * math.sin(
        pose.heading
    ) > mesh.split
    rank = mesh.part[order] if ahead else 1 - mesh.part[order]
    distance[mesh.stacked[order]] = 0
    order = order[np.lexsort((-distance, mesh.layer[order], rank))]
    colours = _colours(mesh, centres, normals, camera, light, lamps, extra)
    corners = np.clip((pixels - [x0, y0]) * fine - 0.5, -8000, 8000) * (1 << _SHIFT)
    corners = np.rint(corners).astype(np.int32)
    starts = mesh.starts.tolist()
    fill = cv2.fillConvexPoly
    for face in order.tolist():
        fill(canvas, corners[starts[face] : starts[face + 1]], colours[face], 8, _SHIFT)
    if plates:
        for quad, plate in zip(mesh.plates, plates, strict=False):
            _lay_plate(canvas, plate, quad, pose, camera, light, extra, (x0, y0), fine)
    return Sprite(x0, y0, cv2.resize(canvas, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA))


def _colours(
    mesh: Mesh, centres: Floats, normals: Floats, camera: Camera, light: Light, lamps: Lamps, extra: float
) -> list[tuple[float, float, float, float]]:
    shaded = light.shade(centres, normals, camera.eye, mesh.base, mesh.gloss) * extra
    for kind, colour in _LAMP_ON.items():
        lit = lamps.brake if kind == BRAKELAMP else lamps.head
        if lit:
            shaded[mesh.lamp == kind] = colour
    if lamps.brake:
        shaded[mesh.lamp == TAILLAMP] = _LAMP_ON[BRAKELAMP]
    values = np.clip(shaded * 255, 0, 255)
    return [tuple(row) for row in np.concatenate([values, np.full((len(values), 1), 255.0)], axis=1).tolist()]


def _lay_plate(
    canvas: Image,
    plate: Image,
    quad: Floats,
    pose: Pose,
    camera: Camera,
    light: Light,
    extra: float,
    origin: tuple[int, int],
    fine: int,
) -> None:
    corners = pose.place(quad)
    normal = np.cross(corners[3] - corners[0], corners[1] - corners[0])
    normal /= np.linalg.norm(normal)
    middle = corners.mean(axis=0)
    if normal @ (camera.eye - middle) <= 0:
        return
    view = camera.to_view(corners)
    if np.any(view[:, 2] < NEAR_M):
        return
    target = (camera.view_to_pixels(view) - np.array(origin)) * fine - 0.5
    shade = light.shade(middle[None], normal[None], camera.eye, np.ones((1, 3)), np.array([0.0]))[0] * extra
    width = float(np.linalg.norm(target[1] - target[0]))
    height = float(np.linalg.norm(target[3] - target[0]))
    if width < 2 or height < 1:
        return
    wanted = (max(4, round(width * 1.15)), max(3, round(height * 1.15)))
    small = cv2.resize(plate, wanted, interpolation=cv2.INTER_AREA) if wanted[0] < plate.shape[1] else plate
    lit = np.clip(small.astype(np.float32) * np.minimum(shade, 1.25).astype(np.float32), 0, 255).astype(
        np.uint8
    )
    lit = np.dstack([lit, np.full(lit.shape[:2], 255, np.uint8)])
    source = np.array(
        [
            [-0.5, -0.5],
            [lit.shape[1] - 0.5, -0.5],
            [lit.shape[1] - 0.5, lit.shape[0] - 0.5],
            [-0.5, lit.shape[0] - 0.5],
        ]
    )
    low = np.floor(target.min(axis=0)).astype(int) - 1
    high = np.ceil(target.max(axis=0)).astype(int) + 2
    left, top = max(0, int(low[0])), max(0, int(low[1]))
    right, bottom = min(canvas.shape[1], int(high[0])), min(canvas.shape[0], int(high[1]))
    if right <= left or bottom <= top:
        return
    matrix = cv2.getPerspectiveTransform(source.astype(np.float32), (target - [left, top]).astype(np.float32))
    warped = cv2.warpPerspective(lit, matrix, (right - left, bottom - top), flags=cv2.INTER_LINEAR)
    region = canvas[top:bottom, left:right]
    rest = cv2.cvtColor(255 - warped[:, :, 3], cv2.COLOR_GRAY2BGRA)
    rest[:, :, 3] = 255 - warped[:, :, 3]
    cv2.multiply(region, rest, region, 1 / 255)
    cv2.add(region, warped, region)
