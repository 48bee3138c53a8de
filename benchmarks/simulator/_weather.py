"""What lies over the finished picture: lamps' beams, rain, sensor noise, trembling, the clock in the corner."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures
from PIL import ImageDraw

from benchmarks.simulator._draw import Pose
from benchmarks.simulator.camera import NEAR_M, Camera
from benchmarks.simulator.plates import font
from protocol.clock import iso

Image = NDArray[np.uint8]
Floats = NDArray[np.floating]

_MARGIN = 64


class Grain:
    """Sensor noise: one large tile, laid at another offset for each picture.

    Args:
        sigma: standard deviation in grey levels.
    """

    def __init__(self, camera: Camera, seed: int, sigma: float) -> None:
        self._seed, self._sigma = seed, sigma
        if sigma <= 0:
            return
        rng = np.random.default_rng([seed, 21])
        shape = (camera.height_px + _MARGIN, camera.width + _MARGIN)
        grey = rng.normal(0, 1, shape).astype(np.float32)
        grey = cv2.GaussianBlur(grey, (3, 3), 0.5)
        tile = np.empty((*shape, 3), np.float32)
        for channel in range(3):
            tile[:, :, channel] = grey + 0.45 * rng.normal(0, 1, shape).astype(np.float32)
        tile *= sigma / float(tile.std())
        self._light = np.clip(tile, 0, 255).round().astype(np.uint8)
        self._dark = np.clip(-tile, 0, 255).round().astype(np.uint8)

    def onto(self, picture: Image, frame: int) -> None:
        """Add the noise of one frame."""
        if self._sigma <= 0:
            return
        x, y = (int(v) for v in np.random.default_rng([self._seed, 22, frame]).integers(0, _MARGIN, 2))
        height, width = picture.shape[:2]
        cv2.add(picture, self._light[y : y + height, x : x + width], picture)
        cv2.subtract(picture, self._dark[y : y + height, x : x + width], picture)


class Rain:
    """Falling streaks, another layer for each picture, and a veil that takes contrast.

    Args:
        strength: 0 none to 1 downpour.
    """

    def __init__(self, camera: Camera, seed: int, strength: float) -> None:
        self._seed = seed
        self._strength = strength
        if strength <= 0:
            return
        rng = np.random.default_rng([seed, 23])
        height, width = camera.height_px + 2 * _MARGIN, camera.width + 2 * _MARGIN
        layer = np.zeros((height, width), np.uint8)
        for _ in range(round(width * height / 5200 * strength)):
            x, y = int(rng.integers(width)), int(rng.integers(height))
            long = int(rng.integers(camera.height_px // 40 + 3, camera.height_px // 16 + 6))
            cv2.line(layer, (x, y), (x - long // 7, y + long), int(rng.integers(30, 95)), 1, cv2.LINE_AA)
        layer = cv2.GaussianBlur(layer, (3, 3), 0.6)
        self._layer = cv2.cvtColor(layer, cv2.COLOR_GRAY2BGR)
        values = np.arange(256, dtype=np.float32)
        fog = 158.0
        veil = 0.22 * strength
        self._veil = np.clip(values * (1 - veil) + fog * veil, 0, 255).round().astype(np.uint8)

    def onto(self, picture: Image, frame: int) -> None:
        """Lay the rain of one frame over the picture."""
        if self._strength <= 0:
            return
        cv2.LUT(picture, self._veil, picture)
        x, y = (int(v) for v in np.random.default_rng([self._seed, 24, frame]).integers(0, 2 * _MARGIN, 2))
        height, width = picture.shape[:2]
        cv2.add(picture, self._layer[y : y + height, x : x + width], picture)


def tremble(picture: Image, seed: int, frame: int, sigma: float) -> Image:
    """The picture shifted a little, as a pole in the wind does."""
    if sigma <= 0:
        return picture
    rng = np.random.default_rng([seed, 25, frame])
    dx, dy = np.clip(rng.normal(0, sigma, 2), -3 * sigma, 3 * sigma)
    matrix = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
    return np.asarray(
        cv2.warpAffine(
            picture,
            matrix,
            (picture.shape[1], picture.shape[0]),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
    )


class Overlay:
    """The camera's name and clock, as recorders write them."""

    def __init__(self, camera: Camera, name: str | None) -> None:
        self._name = name
        self._size = max(11, round(camera.height_px / 30))
        self._last: tuple[str, Image, Image] | None = None

    def onto(self, picture: Image, utc_ms: int) -> None:
        """Write name and clock into the top left corner."""
        if self._name is None:
            return
        text = f"{iso(utc_ms)[:19].replace('T', ' ')}  {self._name}"
        if self._last is None or self._last[0] != text:
            face = font(self._size)
            box = face.getbbox(text, stroke_width=1)
            canvas = Pictures.new("LA", (int(box[2]) + 4, int(box[3]) + 4), (0, 0))
            ImageDraw.Draw(canvas).text(
                (2, 0), text, font=face, fill=(255, 255), stroke_width=1, stroke_fill=(0, 255)
            )
            both = np.asarray(canvas)
            ink = cv2.cvtColor(np.ascontiguousarray(both[:, :, 0]), cv2.COLOR_GRAY2BGR)
            rest = cv2.cvtColor(np.ascontiguousarray(255 - both[:, :, 1]), cv2.COLOR_GRAY2BGR)
            ink = cv2.multiply(ink, 255 - rest, scale=1 / 255)
            self._last = (text, ink, rest)
        _, ink, rest = self._last
        margin = self._size // 2
        region = picture[margin : margin + ink.shape[0], margin : margin + ink.shape[1]]
        ink, rest = ink[: region.shape[0], : region.shape[1]], rest[: region.shape[0], : region.shape[1]]
        cv2.multiply(region, rest, region, 1 / 255)
        cv2.add(region, ink, region)


_BEAM: list[Image] = []


def _beam_texture() -> Image:
    if not _BEAM:
        along, across = np.mgrid[0:64, 0:64].astype(np.float32)
        u, v = along / 63, (across - 31.5) / 31.5
        wide = 0.25 + 0.75 * u
        glow = (
            np.exp(-((v / wide) ** 2) * 2.2)
            * np.clip(u * 9, 0, 1)
            * (1 - u) ** 1.4
            * np.clip((1 - np.abs(v)) * 6, 0, 1)
        )
        tint = np.array([0.78, 0.93, 1.0], np.float32)
        _BEAM.append(np.clip(glow[..., None] * tint * 150, 0, 255).astype(np.uint8))
    return _BEAM[0]


def headlight_beam(picture: Image, pose: Pose, length: float, camera: Camera, strength: float) -> None:
    """Light of two lamps on the road before a vehicle."""
    start, reach = length / 2 + 0.2, 13.0
    texture = _beam_texture()
    while reach > 1:
        corners = pose.place(
            np.array([[start, 2.6, 0], [start, -2.6, 0], [start + reach, -2.6, 0], [start + reach, 2.6, 0]])
        )
        view = camera.to_view(corners)
        if np.all(view[:, 2] > NEAR_M * 4):
            break
        reach *= 0.7
    else:
        return
    target = camera.view_to_pixels(view)
    low = np.maximum(np.floor(target.min(axis=0)), 0).astype(int)
    high = np.minimum(np.ceil(target.max(axis=0)), [camera.width, camera.height_px]).astype(int)
    if np.any(high - low < 2):
        return
    coarse = 2
    source = np.array([[0, 0], [63, 0], [63, 63], [0, 63]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, ((target - low) / coarse).astype(np.float32))
    size = (int(high[0] - low[0]), int(high[1] - low[1]))
    small = cv2.warpPerspective(texture, matrix, (max(1, size[0] // coarse), max(1, size[1] // coarse)))
    glow = cv2.resize(small, size, interpolation=cv2.INTER_LINEAR)
    region = picture[low[1] : high[1], low[0] : high[0]]
    cv2.addWeighted(glow, strength, region, 1.0, 0, region)


def lamp_flares(
    picture: Image, pose: Pose, size: tuple[float, float, float], camera: Camera, strength: float
) -> None:
    """The bloom around a vehicle's lamps when they shine into the lens."""
    length, width, _ = size
    narrow = width < 1
    for facing, colour, height in ((1.0, (0.85, 0.95, 1.0), 0.70), (-1.0, (0.08, 0.06, 0.55), 0.85)):
        for side in (0.0,) if narrow else (-1.0, 1.0):
            local = np.array([[facing * (length / 2 + 0.05), side * width * 0.36, height]])
            point = pose.place(local)
            normal = pose.turn(np.array([[facing, 0.0, 0.0]]))[0]
            sight = camera.eye - point[0]
            distance = float(np.linalg.norm(sight))
            cosine = float(normal @ sight) / distance
            view = camera.to_view(point)
            if cosine <= 0.1 or view[0, 2] < 1:
                continue
            centre = camera.view_to_pixels(view)[0]
            radius = (0.55 if facing > 0 else 0.35) * camera.focal / distance * (0.5 + 0.5 * cosine)
            _bloom(picture, centre, min(radius, 140.0), colour, strength * cosine)


def _bloom(
    picture: Image, centre: Floats, radius: float, colour: tuple[float, float, float], strength: float
) -> None:
    reach = math.ceil(radius)
    x, y = round(float(centre[0])), round(float(centre[1]))
    left, top, right, bottom = (
        max(0, x - reach),
        max(0, y - reach),
        min(picture.shape[1], x + reach),
        min(picture.shape[0], y + reach),
    )
    if right - left < 2 or bottom - top < 2:
        return
    u = (np.arange(left, right) + 0.5 - float(centre[0])) / radius
    v = (np.arange(top, bottom) + 0.5 - float(centre[1])) / radius
    far = np.sqrt(u[None, :] ** 2 + v[:, None] ** 2)
    glow = np.clip(1 - far, 0, 1) ** 2.5 * strength * 210
    layer = np.clip(glow[..., None] * np.array(colour), 0, 255).astype(np.uint8)
    region = picture[top:bottom, left:right]
    cv2.add(region, layer, region)
