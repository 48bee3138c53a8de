"""Upright things that are no vehicles: trees, poles, lamps, bollards, bushes, signs and people."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from benchmarks.simulator._mesh import Builder, Colour, Mesh

_BARK = (0.20, 0.27, 0.33)
_STEEL = (0.50, 0.50, 0.50)

DEFAULT_HEIGHT = {"tree": 6.0, "pole": 7.0, "lamp": 8.0, "bollard": 0.9, "bush": 1.1, "sign": 2.6}


def build_thing(kind: str, height: float | None, seed: int) -> Mesh:
    """A standing thing; `seed` makes one tree differ from the next."""
    tall = height or DEFAULT_HEIGHT[kind]
    b = Builder()
    if kind == "tree":
        _tree(b, tall, seed)
        return b.build((0.5, 0.5, tall))
    if kind == "bush":
        _leaves(b, np.random.default_rng(seed), (0, 0, tall * 0.45), (0.8, 0.8, tall * 0.5), 260, 0.10)
        return b.build((1.2, 1.2, tall))
    if kind == "bollard":
        b.rod((0, 0, 0), (0, 0, tall), 0.09, (0.35, 0.36, 0.36))
        b.rod((0, 0, tall * 0.7), (0, 0, tall * 0.85), 0.095, (0.15, 0.65, 0.80))
        return b.build((0.3, 0.3, tall))
    b.rod((0, 0, 0), (0, 0, tall), 0.09 if kind != "sign" else 0.04, _STEEL)
    b.rod((0, 0, 0), (0, 0, min(1.0, tall * 0.3)), 0.14 if kind != "sign" else 0.05, (0.40, 0.40, 0.40))
    if kind == "lamp":
        b.rod((0, 0, tall - 0.05), (1.6, 0, tall + 0.25), 0.06, _STEEL)
        b.box((1.3, -0.14, tall + 0.18), (1.95, 0.14, tall + 0.28), (0.85, 0.9, 0.9))
    if kind == "sign":
        ring = [
            (0.05, 0.33 * math.cos(a), tall - 0.35 + 0.33 * math.sin(a))
            for a in np.linspace(0, 2 * math.pi, 20, endpoint=False)
        ]
        b.layer, b.stacked = 1, True
        b.face(ring, (0.12, 0.10, 0.75), outward=(1, 0, 0), two_sided=True)
        b.face(
            [(0.06, y * 0.72, (z - tall + 0.35) * 0.72 + tall - 0.35) for _, y, z in ring],
            (0.62, 0.25, 0.08),
            outward=(1, 0, 0),
            two_sided=True,
        )
        b.face(
            [
                (0.07, -0.21, tall - 0.58),
                (0.07, -0.15, tall - 0.62),
                (0.07, 0.21, tall - 0.12),
                (0.07, 0.15, tall - 0.08),
            ],
            (0.12, 0.10, 0.75),
            outward=(1, 0, 0),
            two_sided=True,
        )
    return b.build((0.4, 0.4, tall))


def _tree(b: Builder, tall: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    fork = tall * 0.42
    b.rod((0, 0, 0), (0, 0, fork), 0.13, _BARK, 0)
    for i in range(4):
        a = i * math.pi / 2 + float(rng.uniform(-0.4, 0.4))
        b.rod((0, 0, fork - 0.1), (0.9 * math.cos(a), 0.9 * math.sin(a), fork + tall * 0.25), 0.07, _BARK, 0)
    b.layer = 1
    for _ in range(7):
        a, r = float(rng.uniform(0, 2 * math.pi)), float(rng.uniform(0.2, 1.0))
        centre = (r * math.cos(a), r * math.sin(a), tall * float(rng.uniform(0.58, 0.84)))
        _leaves(b, rng, centre, (0.95, 0.95, tall * 0.15), 150, 0.17)


def _leaves(
    b: Builder,
    rng: np.random.Generator,
    centre: tuple[float, float, float],
    radii: tuple[float, float, float],
    count: int,
    size: float,
) -> None:
    for _ in range(count):
        d = rng.normal(0, 1, 3)
        d = d / np.linalg.norm(d) * rng.uniform(0.55, 1.0)
        middle = np.array(centre) + d * np.array(radii)
        normal = d + rng.normal(0, 0.35, 3) + np.array([0, 0, 0.4])
        normal /= np.linalg.norm(normal)
        u = np.cross(normal, [0.3, 0.5, 0.81])
        u /= np.linalg.norm(u)
        v = np.cross(normal, u)
        s = size * float(rng.uniform(0.6, 1.3))
        tone = float(rng.uniform(0.75, 1.25)) * (0.75 + 0.35 * d[2])
        colour = (0.16 * tone, 0.40 * tone, 0.27 * tone)
        b.face(
            [middle + u * s, middle + v * s * 0.7, middle - u * s, middle - v * s * 0.7],
            colour,
            0.0,
            outward=normal,
            two_sided=True,
        )


_COATS: tuple[Colour, ...] = (
    (0.50, 0.28, 0.18), (0.18, 0.16, 0.55), (0.30, 0.30, 0.30), (0.72, 0.74, 0.76), (0.20, 0.42, 0.24), (0.16, 0.45, 0.66),
)  # fmt: skip
_TROUSERS: tuple[Colour, ...] = ((0.28, 0.20, 0.16), (0.12, 0.12, 0.12), (0.36, 0.38, 0.42))
WALK_PHASES = 12


@lru_cache(maxsize=256)
def build_person(look: int, phase: int) -> Mesh:
    """Someone walking; `phase` of WALK_PHASES is the moment of the stride."""
    coat, trousers = _COATS[look % len(_COATS)], _TROUSERS[look // 2 % len(_TROUSERS)]
    tall = 1.58 + 0.06 * (look % 5)
    k = tall / 1.75
    swing = math.sin(2 * math.pi * phase / WALK_PHASES)
    b = Builder()
    for side in (-1.0, 1.0):
        step = swing * side * 0.30
        lift = max(0.0, -math.cos(2 * math.pi * phase / WALK_PHASES) * side) * 0.08
        knee = (step * 0.55 + lift, side * 0.09, 0.48 * k)
        b.rod((0, side * 0.09, 0.90 * k), knee, 0.075 * k, trousers, 0)
        b.rod(knee, (step - lift, side * 0.09, 0.06 + lift), 0.058 * k, trousers, 0)
        b.box(
            (step - lift - 0.08, side * 0.09 - 0.04, lift),
            (step - lift + 0.16, side * 0.09 + 0.04, 0.08 + lift),
            (0.10, 0.10, 0.10),
        )
        elbow = (-step * 0.45, side * 0.24, 1.12 * k)
        b.rod((0, side * 0.20, 1.40 * k), elbow, 0.05 * k, coat, 0)
        b.rod(elbow, (-step * 0.75 + 0.06, side * 0.24, 0.88 * k), 0.042 * k, coat, 0)
    rings = []
    for z, rx, ry in (
        (0.86, 0.10, 0.15),
        (1.05, 0.11, 0.16),
        (1.30, 0.12, 0.20),
        (1.43, 0.09, 0.17),
        (1.48, 0.05, 0.07),
    ):
        rings.append([(rx * math.cos(a), ry * math.sin(a), z * k) for a in np.linspace(0, 2 * math.pi, 11)])
    b.grid(rings, coat, 0, inside=(0, 0, 1.15 * k))
    head, hair = (0.46, 0.57, 0.72), (0.07, 0.07, 0.08)
    for colour, z0, z1, shift in ((head, 1.48, 1.66, 0.012), (hair, 1.60, 1.75, -0.012)):
        rings = []
        for f in np.linspace(0, 1, 5):
            r = 0.095 * math.sqrt(max(0.05, 1 - (2 * f - 1) ** 2)) + 0.01
            rings.append(
                [
                    (r * math.cos(a) + shift, r * math.sin(a) * 0.85, (z0 + (z1 - z0) * f) * k)
                    for a in np.linspace(0, 2 * math.pi, 9)
                ]
            )
        b.grid(rings, colour, 0, inside=(0, 0, (z0 + z1) / 2 * k))
    return b.build((0.5, 0.5, tall))
