"""The empty street: ground with its markings, houses, sky, and the lamps' light at night.

Every pixel is asked what its line of sight meets: the ground, a house front, or the sky. Edges are softened by the
size of the pixel's footprint there, so that no larger picture has to be drawn and shrunk.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.simulator.camera import Camera
from benchmarks.simulator.light import Light
from benchmarks.simulator.spec import BandSpec, BoxSpec, BuildingSpec, SceneSpec

Image = NDArray[np.uint8]
Floats = NDArray[np.floating]

_PAINT = {"white": (0.80, 0.82, 0.82), "yellow": (0.22, 0.66, 0.82)}
_FRONTS = (
    (0.52, 0.60, 0.66), (0.44, 0.52, 0.62), (0.62, 0.64, 0.66), (0.40, 0.46, 0.60), (0.55, 0.58, 0.58), (0.36, 0.42, 0.52),
)  # fmt: skip
_SIGNS = ((0.12, 0.12, 0.62), (0.55, 0.30, 0.10), (0.15, 0.45, 0.16), (0.12, 0.50, 0.72), (0.60, 0.60, 0.60))


class _Noise:
    """Smooth random values over the plane, repeating every 512 cells."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([seed, 77])
        fine = rng.normal(0, 1, (512, 512)).astype(np.float32)
        tiled = np.tile(fine, (2, 2))
        soft = cv2.GaussianBlur(tiled, (0, 0), 1.0)[256:768, 256:768]
        soft = (soft / soft.std()).astype(np.float32)
        self.table = np.pad(soft, ((0, 1), (0, 1)), mode="wrap")

    def at(self, x: Floats, y: Floats, cell: float, pixel: Floats) -> Floats:
        """Noise with features of `cell` metres, faded where a pixel covers more than that."""
        u = np.mod(x / cell, 512).astype(np.float32)
        v = np.mod(y / cell, 512).astype(np.float32)
        value = cv2.remap(self.table, u, v, cv2.INTER_LINEAR)
        return np.asarray(value * np.clip(cell * 1.2 / np.maximum(pixel, 1e-6), 0, 1))


def _inside(value: Floats, low: float, high: float, pixel: Floats) -> Floats:
    """1 between low and high, 0 outside, soft over one pixel."""
    soft = np.maximum(pixel, 1e-6)
    return np.clip((value - low) / soft + 0.5, 0, 1) * np.clip((high - value) / soft + 0.5, 0, 1)


def _mix(picture: Floats, colour: tuple[float, float, float] | Floats, share: Floats) -> None:
    picture += (np.asarray(colour, np.float32) - picture) * share[..., None]


def draw_street(scene: SceneSpec, camera: Camera, light: Light) -> Image:
    """The street without anything that stands upright except houses, BGR of the camera's size."""
    rays = camera.rays()
    noise = _Noise(scene.seed)
    rng = np.random.default_rng([scene.seed, 78])
    picture = _sky(rays, light, noise)
    depth = np.full(rays.shape[:2], np.inf, np.float32)
    downwards = rays[..., 2] < -0.004
    reach = np.where(downwards, camera.height / np.maximum(-rays[..., 2], 0.004), np.inf).astype(np.float32)
    x = camera.x + rays[..., 0] * np.where(downwards, reach, 0)
    y = camera.y + rays[..., 1] * np.where(downwards, reach, 0)
    ground = _ground(scene, x, y, reach, camera, light, noise, rng)
    picture[downwards] = ground[downwards]
    depth[downwards] = reach[downwards]
    for building in scene.street.building:
        _front(building, camera, rays, depth, picture, light, scene.light.time)
    far = np.clip((depth - 60) / 240, 0, 0.55) * np.isfinite(depth)
    _mix(picture, np.array(light.zenith) * 0.8, far)
    return np.asarray(np.clip(picture * 255, 0, 255).astype(np.uint8))


def _sky(rays: Floats, light: Light, noise: _Noise) -> Floats:
    up = np.clip(rays[..., 2:3] * 2.5, 0, 1)
    zenith, horizon = (
        np.array(light.zenith, np.float32),
        np.array(light.zenith, np.float32) * [0.90, 0.93, 0.96],
    )
    picture = (horizon * (1 - up) + zenith * up * 0.95).astype(np.float32)
    flat = np.maximum(np.abs(rays[..., 2]), 0.02)
    cloud = noise.at(
        rays[..., 0] / flat * 8, rays[..., 1] / flat * 8, 6.0, np.full(flat.shape, 0.1, np.float32)
    )
    return picture + (np.clip(cloud, 0, 2) * 0.03)[..., None].astype(np.float32)


def _ground(
    scene: SceneSpec,
    x: Floats,
    y: Floats,
    reach: Floats,
    camera: Camera,
    light: Light,
    noise: _Noise,
    rng: np.random.Generator,
) -> Floats:
    street = scene.street
    reach = np.where(np.isfinite(reach), reach, 1e6)
    # How much ground one pixel covers along x and y; it grows with distance and with the slant of sight.
    slant = np.maximum(camera.height / np.maximum(reach, camera.height), 1e-3)
    along = reach / camera.focal
    sight = np.stack([x - camera.x, y - camera.y], axis=-1)
    sight /= np.maximum(np.linalg.norm(sight, axis=-1, keepdims=True), 1e-6)
    stretch = along / slant
    px = np.abs(sight[..., 0]) * stretch + np.abs(sight[..., 1]) * along
    py = np.abs(sight[..., 1]) * stretch + np.abs(sight[..., 0]) * along
    pixel = np.maximum(px, py)
    picture = np.empty((*x.shape, 3), np.float32)
    picture[:] = (0.30, 0.42, 0.38)
    grain = (
        noise.at(x, y, 0.012, pixel) * 0.035
        + noise.at(x, y, 0.21, pixel) * 0.006
        + noise.at(x, y, 2.3, pixel) * 0.012
    )
    for band in street.band:
        colour = _band_colour(band, x, y, px, py, noise)
        _mix(picture, colour, _inside(y, band.y[0], band.y[1], py))
    wear = np.clip(0.86 + noise.at(x, y, 0.25, pixel) * 0.10, 0, 1)
    for line in street.line:
        share = _inside(y, line.y - line.width / 2, line.y + line.width / 2, py)
        if line.dash:
            period = line.dash + max(line.gap, 0.1)
            share = share * _inside(np.mod(x, period), 0, line.dash, px)
        _mix(picture, _PAINT[line.colour], share * wear)
    for box in street.bays:
        _mix(picture, _PAINT["white"], _bay_lines(box, x, y, px, py) * wear)
    for box in street.crossing:
        stripes = _inside(np.mod(y - box.y[0], 1.0), 0.0, 0.5, py) * _inside(y, box.y[0], box.y[1], py)
        _mix(picture, _PAINT["white"], stripes * _inside(x, box.x, box.x + box.length, px) * wear)
    _stains(scene, picture, x, y, pixel, rng)
    picture += grain[..., None]
    lit = np.array(light.sky) + np.array(light.sun) * max(0.0, light.sun_dir[2])
    picture *= lit.astype(np.float32)
    if scene.light.rain > 0:
        wet = min(1.0, 0.35 + scene.light.rain)
        puddles = np.clip(noise.at(x, y, 1.7, pixel) * 0.35 + 0.25, 0, 1)
        grazing = (1 - np.clip(slant, 0, 1)) ** 3
        picture *= 1 - 0.32 * wet
        _mix(
            picture,
            np.array(light.zenith) * 0.92,
            (grazing * (0.25 + 0.45 * puddles) * wet).astype(np.float32),
        )
    for lamp_x, lamp_y in lamp_feet(scene):
        near = np.exp(-((x - lamp_x) ** 2 + (y - lamp_y) ** 2) / (2 * 5.0**2)).astype(np.float32)
        picture *= 1 + (near * lamp_strength(scene))[..., None] * np.array([0.75, 0.95, 1.1], np.float32)
    return picture


def lamp_feet(scene: SceneSpec) -> list[tuple[float, float]]:
    """Where street lamps stand, metres."""
    feet = []
    for thing in scene.street.thing:
        if thing.kind == "lamp":
            feet += [
                (thing.at[0] + i * thing.step[0], thing.at[1] + i * thing.step[1])
                for i in range(thing.repeat)
            ]
    return feet


def lamp_strength(scene: SceneSpec) -> float:
    """How much a street lamp adds right below it."""
    return {"day": 0.0, "dusk": 0.35, "night": 1.6}[scene.light.time]


def _band_colour(band: BandSpec, x: Floats, y: Floats, px: Floats, py: Floats, noise: _Noise) -> Floats:
    base = {
        "road": (0.345, 0.345, 0.340), "bay": (0.40, 0.405, 0.41), "kerb": (0.60, 0.62, 0.63),
        "pavement": (0.52, 0.56, 0.60), "verge": (0.20, 0.38, 0.30), "cycle": (0.30, 0.34, 0.48),
    }[band.kind]  # fmt: skip
    colour = np.empty((*x.shape, 3), np.float32)
    colour[:] = base
    if band.kind == "pavement":
        row = np.floor((y - band.y[0]) / 0.3)
        tile = np.floor(x / 0.6 + 0.5 * np.mod(row, 2)) * 12.9898 + row * 78.233
        tone = np.mod(np.abs(np.sin(tile) * 43758.5), 1.0) - 0.5
        fade = np.clip(0.45 / np.maximum(np.maximum(px, py), 1e-6) / 2, 0, 1)
        colour *= (1 + tone * 0.10 * fade)[..., None]
        joint = np.maximum(
            _inside(np.mod(y - band.y[0] + 0.012, 0.3), 0, 0.024, py)
            * np.clip(0.3 / np.maximum(py, 1e-6) / 3, 0, 1),
            _inside(np.mod(x + 0.3 * np.mod(row, 2) + 0.012, 0.6), 0, 0.024, px)
            * np.clip(0.6 / np.maximum(px, 1e-6) / 3, 0, 1),
        )
        _mix(colour, np.array(base) * 0.66, joint)
        if band.y[1] - band.y[0] > 2.4:
            # Guiding strip for blind people, as on every Chinese pavement.
            middle = (band.y[0] + band.y[1]) / 2
            strip = _inside(y, middle - 0.3, middle + 0.3, py)
            ridges = 0.90 + 0.10 * np.cos(y * 2 * np.pi / 0.075) * np.clip(0.03 / np.maximum(py, 1e-6), 0, 1)
            _mix(colour, np.array([0.20, 0.58, 0.74]) * ridges[..., None], strip)
    elif band.kind == "kerb":
        joint = _inside(np.mod(x, 1.0), 0, 0.03, px) * np.clip(0.5 / np.maximum(px, 1e-6), 0, 1)
        _mix(colour, (0.36, 0.37, 0.38), joint)
        road_side = np.minimum(np.abs(y - band.y[0]), np.abs(y - band.y[1]))
        _mix(colour, (0.40, 0.41, 0.42), np.clip(1 - road_side / 0.05, 0, 1) * 0.7)
    elif band.kind == "verge":
        colour *= (
            1
            + 0.22 * noise.at(x, y, 0.12, np.maximum(px, py))
            + 0.12 * noise.at(x, y, 0.9, np.maximum(px, py))
        )[..., None]
    elif band.kind == "road":
        lane = np.abs(np.mod(y - band.y[0], 3.5) - 1.75)
        colour *= (1 - 0.06 * np.exp(-((lane - 0.75) ** 2) / 0.08))[..., None]
    return colour


def _bay_lines(box: BoxSpec, x: Floats, y: Floats, px: Floats, py: Floats) -> Floats:
    low, high = box.y
    end = box.x + box.count * box.length
    across = _inside(np.mod(x - box.x + 0.06, box.length), 0, 0.12, px) * _inside(y, low, high, py)
    across = across * _inside(x, box.x - 0.06, end + 0.06, px)
    edges = np.maximum(_inside(y, low, low + 0.12, py), _inside(y, high - 0.12, high, py))
    return np.maximum(across, edges * _inside(x, box.x - 0.06, end + 0.06, px))


def _stains(
    scene: SceneSpec, picture: Floats, x: Floats, y: Floats, pixel: Floats, rng: np.random.Generator
) -> None:
    """Manhole covers, patches and oil."""
    roads = [b for b in scene.street.band if b.kind == "road"]
    if not roads:
        return
    for i in range(14):
        band = roads[i % len(roads)]
        cx = scene.camera.at[0] + float(rng.uniform(-45, 45))
        cy = float(rng.uniform(band.y[0] + 0.6, band.y[1] - 0.6))
        distance = np.hypot(x - cx, y - cy)
        if i % 3 == 0:
            _mix(
                picture,
                (0.22, 0.22, 0.22),
                np.clip((0.36 - distance) / np.maximum(pixel, 0.02) + 0.5, 0, 1) * 0.8,
            )
            _mix(
                picture,
                (0.30, 0.30, 0.30),
                np.clip((0.29 - distance) / np.maximum(pixel, 0.02) + 0.5, 0, 1) * 0.8,
            )
        elif i % 3 == 1:
            half = float(rng.uniform(0.6, 2.0))
            share = _inside(x, cx - half, cx + half, pixel) * _inside(y, cy - 0.5, cy + 0.5, pixel)
            _mix(picture, (0.27, 0.27, 0.27), share * 0.6)
        else:
            _mix(picture, (0.22, 0.22, 0.22), np.exp(-(distance**2) / (2 * 0.25)) * 0.4)


def _front(
    building: BuildingSpec,
    camera: Camera,
    rays: Floats,
    depth: Floats,
    picture: Floats,
    light: Light,
    time: str,
) -> None:
    """Houses whose fronts stand on one line: those pixels whose sight meets them before the ground."""
    axis = 1 if building.y is not None else 0
    line = building.y if building.y is not None else building.x
    assert line is not None
    eye = camera.eye
    toward = rays[..., axis]
    gap = line - eye[axis]
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.where(toward * gap > 1e-6, gap / toward, np.inf)
    finite = np.where(np.isfinite(reach), reach, 0.0)
    z = eye[2] + rays[..., 2] * finite
    along = eye[1 - axis] + rays[..., 1 - axis] * finite
    pixel = finite / camera.focal / np.maximum(np.abs(toward), 0.05)
    house = np.floor(along / building.width)
    pick = np.mod(np.abs(np.sin(house * 12.9898 + line) * 43758.5), 1.0)
    roof = building.height * (0.75 + 0.5 * np.mod(pick * 7.3, 1.0))
    hit = np.isfinite(reach) & (reach < depth) & (z > -0.02) & (z < roof)
    if not hit.any():
        return
    z, along, pixel, pick = z[hit], along[hit], pixel[hit], pick[hit]
    colours = np.array(_FRONTS, np.float32)[(pick * 5.99).astype(int)]
    soft = np.maximum(pixel, 1e-4)
    storey, bay = np.mod(z - 3.6, 3.0), np.mod(along, 2.75)
    upper = np.clip((z - 3.6) / soft + 0.5, 0, 1)
    window = _inside(storey, 0.8, 2.4, soft) * _inside(bay, 0.6, 2.1, soft) * upper
    shade = np.mod(
        np.abs(np.sin(np.floor(along / 2.75) * 3.7 + np.floor((z - 3.6) / 3.0) * 9.1) * 437.5), 1.0
    )
    glass = (0.16 + 0.20 * shade)[:, None] * np.array([1.1, 1.0, 0.92], np.float32)
    colours = colours * (1 + 0.04 * np.sin(z * 2 * np.pi / 0.3) * np.clip(0.1 / soft, 0, 1))[:, None].astype(
        np.float32
    )
    _mix(colours, colours * 0.70, _inside(storey, 2.75, 2.95, soft) * upper)
    _mix(
        colours,
        np.array([0.75, 0.76, 0.77]),
        _inside(storey, 0.7, 2.5, soft) * _inside(bay, 0.5, 2.2, soft) * upper * 0.7,
    )
    _mix(colours, glass.astype(np.float32), window)
    shop = np.mod(along, 5.5)
    number = np.floor(along / 5.5)
    sign = np.array(_SIGNS, np.float32)[
        (np.mod(np.abs(np.sin(number * 5.17) * 917.3), 1.0) * 4.99).astype(int)
    ]
    _mix(colours, sign, _inside(z, 2.75, 3.45, soft) * _inside(shop, 0.15, 5.35, soft))
    _mix(colours, np.array([0.17, 0.17, 0.16]), _inside(z, 0.35, 2.65, soft) * _inside(shop, 0.4, 5.1, soft))
    _mix(
        colours,
        np.array([0.45, 0.46, 0.46]),
        _inside(z, 0.35, 2.65, soft) * _inside(np.mod(shop, 1.6), 0, 0.08, soft),
    )
    normal_facing = max(0.0, -np.sign(gap) * light.sun_dir[axis])
    lit = np.array(light.sky) * 0.95 + np.array(light.sun) * normal_facing
    colours = colours * lit.astype(np.float32)
    if time != "day":
        glow = (shade > 0.62) * window * (0.55 if time == "night" else 0.35)
        _mix(colours, np.array([0.35, 0.62, 0.80]), glow)
        shops = _inside(z, 0.35, 2.65, soft) * _inside(shop, 0.4, 5.1, soft) * (np.mod(number, 3) == 0)
        _mix(colours, np.array([0.50, 0.62, 0.68]), shops * 0.45)
    picture[hit] = colours
    depth[hit] = reach[hit]
