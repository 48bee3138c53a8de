"""What stands between a plate and the reader: angle, distance, weather, night, dirt, movement, compression."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]

SCENE = (480, 360)
"""Width and height of a vehicle's crop, pixels."""

FINE = 3
"""The plate is drawn this many times larger and averaged down, so that its edges are as soft as a lens makes them."""

CROP = (94, 24)
"""Width and height of the crops that public sets of plates have, pixels."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """How a plate is seen.

    Attributes:
        width: of the plate seen straight on, pixels.
        yaw, pitch, roll: degrees.
        blur: of focus, standard deviation in pixels.
        smear: of movement, pixels, and its direction in degrees.
        light: factor on brightness.
        noise: standard deviation in grey levels.
        streaks, drops: of rain: in the air, and on the lens.
        glare: brightness that a lamp adds beside the plate, grey levels.
        dirt: part of the plate under splashes, 0 to 1.
        quality: of JPEG, 1 to 100.
    """

    width: float = 150.0
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    blur: float = 0.5
    smear: tuple[float, float] = (0.0, 0.0)
    light: float = 1.0
    noise: float = 3.0
    streaks: int = 0
    drops: int = 0
    glare: float = 0.0
    dirt: float = 0.0
    quality: int = 88


def _day(rng: np.random.Generator) -> Conditions:
    return Conditions(
        width=float(rng.uniform(100, 220)),
        yaw=float(rng.uniform(-30, 30)),
        pitch=float(rng.uniform(0, 20)),
        roll=float(rng.uniform(-5, 5)),
        blur=float(rng.uniform(0.3, 0.9)),
        light=float(rng.uniform(0.65, 1.1)),
        noise=float(rng.uniform(1, 5)),
        dirt=float(rng.uniform(0, 0.04)),
        quality=int(rng.integers(75, 95)),
    )


def _rain(rng: np.random.Generator) -> Conditions:
    day = _day(rng)
    streaks, drops = int(rng.integers(40, 90)), int(rng.integers(2, 8))
    return replace(day, blur=day.blur + 0.3, light=0.6, noise=day.noise + 3, streaks=streaks, drops=drops)


def _night(rng: np.random.Generator) -> Conditions:
    light, glare = float(rng.uniform(0.2, 0.4)), float(rng.uniform(0, 140))
    return replace(_day(rng), light=light, noise=float(rng.uniform(5, 9)), glare=glare)


def _blurred(rng: np.random.Generator) -> Conditions:
    smear = (float(rng.uniform(2.0, 5.0)), float(rng.uniform(-20, 20)))
    return replace(_day(rng), blur=float(rng.uniform(0.8, 1.4)), smear=smear)


def _tilted(rng: np.random.Generator) -> Conditions:
    sides = rng.choice([-1.0, 1.0], size=2)
    return replace(
        _day(rng),
        yaw=float(sides[0] * rng.uniform(30, 48)),
        pitch=float(rng.uniform(10, 30)),
        roll=float(sides[1] * rng.uniform(5, 14)),
    )


def _far(rng: np.random.Generator) -> Conditions:
    day = _day(rng)
    return replace(day, width=float(rng.uniform(80, 100)), yaw=day.yaw / 2, blur=float(rng.uniform(0.3, 0.6)))


CONDITIONS: Mapping[str, Callable[[np.random.Generator], Conditions]] = {
    "day": _day,
    "night": _night,
    "rain": _rain,
    "blur": _blurred,
    "tilt": _tilted,
    "far": _far,
}
"""Name -> conditions drawn by lot. All but `night` are by day."""


def scene(flat: Image, conditions: Conditions, rng: np.random.Generator) -> tuple[Image, Floats]:
    """A vehicle's rear with this plate on it, and the plate's corners in it, 4 x 2, pixels."""
    centre = (SCENE[0] / 2 + rng.uniform(-40, 40), SCENE[1] / 2 + 10 + rng.uniform(-20, 20))
    corners = seen(flat.shape[1] / flat.shape[0], conditions, centre)
    return photograph(rear(rng), [(soiled(flat, conditions.dirt, rng), corners)], conditions, rng), corners


def crop(flat: Image, conditions: Conditions, rng: np.random.Generator) -> Image:
    """The box around the plate in a scene, as sets of plate crops have it: 94 x 24 pixels, whatever its shape was."""
    picture, corners = scene(flat, conditions, rng)
    left, top = np.floor(corners.min(axis=0) - rng.uniform(0, 2, 2)).astype(int)
    right, bottom = np.ceil(corners.max(axis=0) + rng.uniform(0, 2, 2)).astype(int)
    part = picture[max(0, top) : bottom, max(0, left) : right]
    return cv2.resize(part, CROP, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def seen(aspect: float, conditions: Conditions, centre: tuple[float, float]) -> Floats:
    """Where the corners of a plate of this width by height fall, by a camera ten plate widths away; 4 x 2, pixels."""
    half_w, half_h = 0.5, 0.5 / aspect
    points = np.array(
        [[-half_w, -half_h, 0], [half_w, -half_h, 0], [half_w, half_h, 0], [-half_w, half_h, 0]]
    )
    yaw, pitch, roll = np.radians([conditions.yaw, conditions.pitch, conditions.roll])
    cy, sy, cp, sp, cr, sr = (
        np.cos(yaw),
        np.sin(yaw),
        np.cos(pitch),
        np.sin(pitch),
        np.cos(roll),
        np.sin(roll),
    )
    turn_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    turn_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    turn_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    turned = points @ (turn_z @ turn_x @ turn_y).T
    depth = 1 + turned[:, 2:] / 10
    return (turned[:, :2] / depth * conditions.width + centre).astype(np.float32)


def rear(rng: np.random.Generator) -> Floats:
    """A vehicle's rear without a plate, float32, BGR."""
    width, height = SCENE
    body = rng.uniform(25, 215, 3)
    fall = np.linspace(1.1, 0.8, height)[:, None, None]
    canvas = np.clip(np.full((height, width, 3), body) * fall, 0, 255).astype(np.float32)
    cv2.rectangle(canvas, (40, 230), (440, 330), tuple((body * 0.55).tolist()), -1)
    for left in (20, 390):
        cv2.rectangle(canvas, (left, 60), (left + 70, 120), (30, 30, 190), -1)
    for y in range(300, 330, 9):
        cv2.line(canvas, (60, y), (420, y), tuple((body * 0.35).tolist()), 3)
    return canvas


def soiled(flat: Image, dirt: float, rng: np.random.Generator) -> Image:
    """The plate with splashes of mud on it, half transparent."""
    if dirt <= 0:
        return flat
    height, width = flat.shape[:2]
    cover = np.zeros((height, width), np.float32)
    while float(cover.mean()) < dirt:
        at = (int(rng.integers(width)), int(rng.integers(height)))
        cv2.circle(cover, at, int(rng.integers(3, 12)), 1.0, -1)
    cover = 0.6 * cv2.GaussianBlur(cover, (0, 0), 2.0)[..., None]
    mud = np.array((70, 90, 105), np.float32)
    return np.asarray(flat * (1 - cover) + mud * cover).astype(np.uint8)


def photograph(
    canvas: Floats, plates: list[tuple[Image, Floats]], conditions: Conditions, rng: np.random.Generator
) -> Image:
    """Plates set into a picture at their corners, seen under these conditions."""
    height, width = canvas.shape[:2]
    for flat, corners in plates:
        canvas = _set_in(canvas, flat, corners)
    if conditions.smear[0] > 1:
        canvas = cv2.filter2D(canvas, -1, _smear(*conditions.smear))
    canvas = cv2.GaussianBlur(canvas, (0, 0), conditions.blur) * conditions.light
    if conditions.glare > 0:
        x, y = float(rng.uniform(0, width)), float(rng.uniform(height * 0.3, height))
        grid = np.mgrid[:height, :width]
        far = ((grid[1] - x) ** 2 + (grid[0] - y) ** 2) / (2 * 60.0**2)
        canvas = canvas + (conditions.glare * np.exp(-far))[..., None]
    for _ in range(conditions.streaks):
        x, y = int(rng.integers(width)), int(rng.integers(height))
        end = (x + 2, y + int(rng.integers(6, 16)))
        cv2.line(canvas, (x, y), end, (190, 190, 190), 1, cv2.LINE_AA)
    soft = cv2.GaussianBlur(canvas, (0, 0), 4.0) if conditions.drops else canvas
    for _ in range(conditions.drops):
        # A drop on the lens blurs what lies behind it.
        mask = np.zeros((height, width), np.float32)
        cv2.circle(
            mask, (int(rng.integers(width)), int(rng.integers(height))), int(rng.integers(6, 16)), 1.0, -1
        )
        mask = cv2.GaussianBlur(mask, (0, 0), 2.0)[..., None]
        canvas = canvas * (1 - mask) + (soft * 1.05) * mask
    noisy = canvas + rng.normal(0, conditions.noise, canvas.shape)
    picture = np.clip(noisy, 0, 255).astype(np.uint8)
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, conditions.quality])
    return cv2.imdecode(data, cv2.IMREAD_COLOR).astype(np.uint8, copy=False)


def _set_in(canvas: Floats, flat: Image, corners: Floats) -> Floats:
    height, width = flat.shape[:2]
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, corners * FINE)
    size = (canvas.shape[1] * FINE, canvas.shape[0] * FINE)
    large = cv2.warpPerspective(flat, matrix, size, flags=cv2.INTER_AREA)
    cover = cv2.warpPerspective(np.full((height, width), 255, np.uint8), matrix, size)
    down = (canvas.shape[1], canvas.shape[0])
    small = cv2.resize(large, down, interpolation=cv2.INTER_AREA).astype(np.float32)
    alpha = cv2.resize(cover, down, interpolation=cv2.INTER_AREA).astype(np.float32)[..., None] / 255
    return canvas * (1 - alpha) + small


def _smear(length: float, angle: float) -> Floats:
    size = 2 * int(np.ceil(length)) + 1
    kernel = np.zeros((size, size), np.float32)
    reach = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))]) * length / 2
    middle = np.array([size // 2, size // 2])
    ends = [tuple(int(v) for v in np.rint((middle + sign * reach) * 16)) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1, cv2.LINE_AA, 4)
    return kernel / kernel.sum()
