"""Light of a scene: sun, sky, lamps and what glossy paint and glass reflect. Colours are BGR, 1.0 is white."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Light:
    """What shines on everything.

    Args:
        sun_dir: unit vector towards the sun, street axes.
        sun: colour times strength of direct light; zero when overcast or at night.
        sky: ambient light from above.
        bounce: ambient light from below.
        zenith, horizon, ground: what a mirror would show upwards, level and downwards.
        shadow: how much a full shadow darkens the ground, 0 to 1.
        headlights: whether moving vehicles have their lamps on.
        noise: standard deviation of the sensor noise, grey levels.
    """

    sun_dir: tuple[float, float, float]
    sun: tuple[float, float, float]
    sky: tuple[float, float, float]
    bounce: tuple[float, float, float]
    zenith: tuple[float, float, float]
    horizon: tuple[float, float, float]
    ground: tuple[float, float, float]
    shadow: float
    headlights: bool
    noise: float

    def shade(self, points: Floats, normals: Floats, eye: Floats, base: Floats, gloss: Floats) -> Floats:
        """Colours of small flat faces.

        Args:
            points: centres (N, 3) in street metres.
            normals: unit normals (N, 3).
            eye: the lens (3,).
            base: body colours (N, 3) BGR 0 to 1.
            gloss: 0 matt to 1 mirror-like, (N,).

        Returns:
            (N, 3) BGR, 0 to about 1.3.
        """
        up = normals[:, 2:3]
        sun_dir = np.array(self.sun_dir)
        facing = np.clip(normals @ sun_dir, 0, 1)[:, None]
        diffuse = np.array(self.sky) * (0.55 + 0.45 * up) + np.array(self.bounce) * (0.5 - 0.5 * up)
        diffuse = diffuse + np.array(self.sun) * facing
        occlusion = np.clip(0.72 + points[:, 2:3] * 0.5, 0.72, 1.0)
        colour = base * diffuse * occlusion

        sight = eye - points
        sight = sight / np.linalg.norm(sight, axis=1, keepdims=True)
        cosine = np.clip(np.sum(sight * normals, axis=1, keepdims=True), 0, 1)
        mirror = 2 * cosine * normals - sight
        fresnel = gloss[:, None] * (0.10 + 0.55 * (1 - cosine) ** 4)
        colour = colour * (1 - fresnel * 0.6) + self.reflect(mirror) * fresnel
        glint = np.clip(mirror @ sun_dir, 0, 1)[:, None] ** 60
        return np.asarray(colour + glint * gloss[:, None] * np.array(self.sun) * 0.5)

    def reflect(self, direction: Floats) -> Floats:
        """What a perfect mirror shows in these unit directions (N, 3): sky, a skyline of houses, the street."""
        height = direction[:, 2:3]
        sky = np.clip((height - 0.12) / 0.35, 0, 1)
        below = np.clip(-height / 0.15, 0, 1)
        level = np.array(self.horizon)
        return np.asarray(
            level * (1 - sky) * (1 - below)
            + np.array(self.zenith) * sky
            + np.array(self.ground) * below * (1 - sky)
        )


def _direction(azimuth_deg: float, elevation_deg: float) -> tuple[float, float, float]:
    azimuth, elevation = math.radians(azimuth_deg), math.radians(elevation_deg)
    return (
        math.cos(elevation) * math.cos(azimuth),
        math.cos(elevation) * math.sin(azimuth),
        math.sin(elevation),
    )


def make_light(time: str, *, azimuth: float, elevation: float, rain: float, noise: float | None) -> Light:
    """The light of `day`, `dusk` or `night`.

    Args:
        time: which of the three.
        azimuth, elevation: of the sun, degrees; azimuth from the x axis, counter-clockwise.
        rain: 0 dry to 1 downpour; rain hides the sun.
        noise: standard deviation in grey levels, None for the usual one of the hour.
    """
    clear = max(0.0, 1 - 1.6 * rain)
    if time == "day":
        grey = 1 - 0.25 * min(rain, 1)
        return Light(
            sun_dir=_direction(azimuth, elevation),
            sun=_scaled((0.52, 0.57, 0.60), clear),
            sky=_scaled((0.66, 0.61, 0.57), grey * (1 + 0.25 * (1 - clear))),
            bounce=_scaled((0.30, 0.31, 0.32), grey),
            zenith=_scaled((1.05, 0.98, 0.90), grey),
            horizon=_scaled((0.36, 0.38, 0.38), grey),
            ground=_scaled((0.34, 0.34, 0.34), grey),
            shadow=0.28 + 0.27 * clear,
            headlights=rain > 0.2,
            noise=2.2 if noise is None else noise,
        )
    if time == "dusk":
        return Light(
            sun_dir=_direction(azimuth, min(elevation, 12)),
            sun=_scaled((0.10, 0.16, 0.24), clear),
            sky=(0.46, 0.37, 0.35),
            bounce=(0.15, 0.15, 0.16),
            zenith=(0.62, 0.50, 0.46),
            horizon=(0.20, 0.20, 0.26),
            ground=(0.16, 0.16, 0.17),
            shadow=0.35,
            headlights=True,
            noise=3.5 if noise is None else noise,
        )
    return Light(
        sun_dir=_direction(azimuth, 70),
        sun=(0.10, 0.13, 0.15),
        sky=(0.22, 0.225, 0.23),
        bounce=(0.09, 0.10, 0.11),
        zenith=(0.10, 0.09, 0.09),
        horizon=(0.16, 0.18, 0.20),
        ground=(0.11, 0.12, 0.13),
        shadow=0.30,
        headlights=True,
        noise=5.0 if noise is None else noise,
    )


def _scaled(colour: tuple[float, float, float], factor: float) -> tuple[float, float, float]:
    return (colour[0] * factor, colour[1] * factor, colour[2] * factor)
