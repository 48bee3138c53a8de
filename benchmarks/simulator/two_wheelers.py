"""Motorcycles and scooters, standing or ridden."""

from __future__ import annotations

import math

from benchmarks.simulator._mesh import BRAKELAMP, HEADLAMP, TAILLAMP, Builder, Colour, Mesh
from benchmarks.simulator._paint import CHROME, LAMP_GLASS, RED, TRIM

_BLACK = (0.07, 0.07, 0.07)
_SKIN = (0.48, 0.58, 0.74)


def _wheel(b: Builder, x: float, radius: float) -> None:
    """A tyre and rim with spokes; the street shows between them."""
    half, steps = 0.055, 20
    angles = [2 * math.pi * i / steps for i in range(steps + 1)]

    def ring(share: float, y: float) -> list[tuple[float, float, float]]:
        return [(x + radius * share * math.cos(a), y, radius + radius * share * math.sin(a)) for a in angles]

    tyre, rim = (0.075, 0.075, 0.075), (0.50, 0.50, 0.50)
    for low, high, colour in (
        (ring(0.95, half), ring(1.0, half * 0.4), tyre), (ring(1.0, half * 0.4), ring(1.0, -half * 0.4), tyre),
        (ring(1.0, -half * 0.4), ring(0.95, -half), tyre), (ring(0.95, half), ring(0.76, half * 0.9), tyre),
        (ring(0.95, -half), ring(0.76, -half * 0.9), tyre), (ring(0.76, half * 0.9), ring(0.66, half * 0.7), rim),
        (ring(0.76, -half * 0.9), ring(0.66, -half * 0.7), rim), (ring(0.66, half * 0.7), ring(0.66, -half * 0.7), (0.2, 0.2, 0.2)),
    ):  # fmt: skip
        for i in range(steps):
            b.face([low[i], low[i + 1], high[i + 1], high[i]], colour, 0.15, two_sided=True)
    for i in range(8):
        a = 2 * math.pi * i / 8 + 0.2
        b.rod(
            (x, 0, radius),
            (x + radius * 0.7 * math.cos(a), 0, radius + radius * 0.7 * math.sin(a)),
            0.022,
            rim,
            0.3,
        )
    b.rod((x, -0.09, radius), (x, 0.09, radius), 0.06, (0.35, 0.35, 0.35), 0.3)
    for side in (-1.0, 1.0):
        b.disc((x, side * 0.065, radius), radius * 0.24, (0.50, 0.50, 0.50), side=side, gloss=0.3, corners=14)


def _slab(
    b: Builder,
    outline: list[tuple[float, float]],
    half: float,
    colour: Colour,
    gloss: float,
    narrow: float = 0.55,
) -> None:
    """A rounded body part: a convex outline in x and z, thick in the middle and narrower at its rim."""
    cx = sum(p[0] for p in outline) / len(outline)
    cz = sum(p[1] for p in outline) / len(outline)
    rings = []
    for share, y in (
        (0.80, half),
        (0.95, half * 0.8),
        (1.0, half * narrow),
        (1.0, -half * narrow),
        (0.95, -half * 0.8),
        (0.80, -half),
    ):
        ring = [(cx + (x - cx) * share, y, cz + (z - cz) * share) for x, z in outline]
        rings.append([*ring, ring[0]])
    b.grid(rings, colour, gloss, inside=(cx, 0, cz))
    for side, ring in ((1.0, rings[0]), (-1.0, rings[-1])):
        b.face(ring[:-1], colour, gloss, outward=(0, side, 0))


def build_motorcycle(paint: Colour, *, rider: bool = False) -> Mesh:
    """A small motorcycle of the kind that stands on pavements; the plate is at the rear only."""
    b = Builder()
    front, rear, radius = 0.72, -0.66, 0.32
    b.layer = 0
    _wheel(b, rear, radius)
    _wheel(b, front, radius)
    for y in (-0.10, 0.10):
        b.rod((front, y, radius), (front - 0.30, y, 0.96), 0.028, (0.55, 0.55, 0.55), 0.5)
        b.rod((rear, y, radius), (rear + 0.12, y, 0.70), 0.024, (0.25, 0.25, 0.25), 0.4)
        b.rod((rear, y, radius), (0.0, y, radius + 0.05), 0.03, _BLACK)
    b.layer = 1
    for i in range(3):
        b.box((0.02, -0.19, 0.46 + i * 0.035), (0.24, 0.19, 0.475 + i * 0.035), (0.45, 0.45, 0.45), 0.3)
    b.rod((-0.55, -0.02, 0.62), (0.38, -0.02, 0.86), 0.04, _BLACK)
    b.rod((0.40, 0.0, 0.80), (0.16, 0.0, 0.24), 0.04, _BLACK)
    _slab(
        b,
        [(-0.14, 0.24), (0.20, 0.22), (0.26, 0.38), (0.18, 0.55), (-0.04, 0.55), (-0.18, 0.40)],
        0.17,
        (0.30, 0.30, 0.30),
        0.5,
    )
    for side in (-1.0, 1.0):
        b.rod((0.30, side * 0.14, 0.30), (-0.10, side * 0.16, 0.24), 0.035, CHROME, 0.6)
        if side < 0:
            b.rod((-0.10, side * 0.18, 0.25), (-0.88, side * 0.20, 0.36), 0.055, (0.5, 0.5, 0.5), 0.6)
    _slab(
        b,
        [(-0.10, 0.64), (0.30, 0.68), (0.38, 0.82), (0.24, 0.97), (-0.02, 0.94), (-0.14, 0.80)],
        0.16,
        paint,
        0.9,
    )
    _slab(
        b,
        [(-0.94, 0.76), (-0.60, 0.64), (-0.10, 0.60), (-0.10, 0.74), (-0.55, 0.80), (-0.94, 0.86)],
        0.13,
        paint,
        0.8,
    )
    _slab(
        b,
        [(-0.86, 0.85), (-0.40, 0.74), (-0.05, 0.76), (-0.14, 0.82), (-0.50, 0.86), (-0.86, 0.95)],
        0.15,
        (0.06, 0.06, 0.06),
        0.35,
    )
    _slab(
        b,
        [
            (front - 0.26, 0.60),
            (front + 0.02, 0.635),
            (front + 0.24, 0.50),
            (front + 0.20, 0.555),
            (front, 0.665),
            (front - 0.24, 0.66),
        ],
        0.075,
        paint,
        0.8,
    )
    _slab(
        b,
        [
            (rear - 0.33, 0.46),
            (rear - 0.20, 0.60),
            (rear + 0.1, 0.66),
            (rear - 0.02, 0.68),
            (rear - 0.26, 0.66),
        ],
        0.08,
        _BLACK,
        0.2,
    )
    _slab(
        b,
        [(0.36, 0.72), (0.52, 0.74), (0.58, 0.90), (0.50, 1.02), (0.34, 1.06), (0.30, 0.88)],
        0.14,
        paint,
        0.8,
    )
    b.layer = 2
    b.rod((0.34, -0.36, 1.03), (0.36, 0.0, 0.98), 0.02, TRIM)
    b.rod((0.34, 0.36, 1.03), (0.36, 0.0, 0.98), 0.02, TRIM)
    for side in (-1.0, 1.0):
        b.rod((0.34, side * 0.25, 1.03), (0.30, side * 0.38, 1.04), 0.032, _BLACK)
        b.rod((0.36, side * 0.22, 1.03), (0.38, side * 0.34, 1.24), 0.012, TRIM)
        b.box(
            (0.37, min(side * 0.28, side * 0.42), 1.20),
            (0.39, max(side * 0.28, side * 0.42), 1.30),
            _BLACK,
            0.6,
        )
        b.box(
            (0.44, min(side * 0.15, side * 0.24), 0.84),
            (0.50, max(side * 0.15, side * 0.24), 0.90),
            (0.1, 0.42, 0.85),
            0.4,
        )
        b.box(
            (-0.92, min(side * 0.12, side * 0.20), 0.66),
            (-0.86, max(side * 0.12, side * 0.20), 0.72),
            (0.1, 0.42, 0.85),
            0.4,
        )
    b.layer, b.stacked = 3, True
    ring = [
        (0.60, 0.10 * math.cos(a), 0.87 + 0.10 * math.sin(a))
        for a in [2 * math.pi * i / 12 for i in range(12)]
    ]
    b.face(ring, LAMP_GLASS, 0.7, outward=(1, 0, 0), lamp=HEADLAMP)
    b.face(
        [(-0.94, -0.11, 0.70), (-0.94, 0.11, 0.70), (-0.94, 0.11, 0.80), (-0.94, -0.11, 0.80)],
        RED,
        0.5,
        outward=(-1, 0, 0),
        lamp=TAILLAMP,
    )
    b.face(
        [(-0.945, -0.06, 0.72), (-0.945, 0.06, 0.72), (-0.945, 0.06, 0.77), (-0.945, -0.06, 0.77)],
        RED,
        0.5,
        outward=(-1, 0, 0),
        lamp=BRAKELAMP,
    )
    b.face(
        [(-0.955, -0.13, 0.46), (-0.955, 0.13, 0.46), (-0.955, 0.13, 0.66), (-0.955, -0.13, 0.66)],
        _BLACK,
        0.1,
        outward=(-1, 0, 0),
        two_sided=True,
    )
    b.plate((-0.98, 0, 0.56), -1.0, 0.22, 0.14)
    b.stacked = False
    if rider:
        _rider(b)
        return b.build((2.0, 0.75, 1.65))
    return b.build((2.0, 0.75, 1.28))


def _rider(b: Builder) -> None:
    jacket, trousers = (0.45, 0.30, 0.16), (0.20, 0.14, 0.12)
    b.layer = 4
    for side in (-1.0, 1.0):
        b.rod((-0.28, side * 0.14, 0.90), (0.16, side * 0.24, 0.74), 0.085, trousers, 0)
        b.rod((0.16, side * 0.24, 0.74), (0.02, side * 0.22, 0.34), 0.07, trousers, 0)
        b.rod((-0.20, side * 0.20, 1.32), (0.06, side * 0.34, 1.12), 0.06, jacket, 0)
        b.rod((0.06, side * 0.34, 1.12), (0.32, side * 0.33, 1.05), 0.05, jacket, 0)
    _slab(
        b,
        [(-0.42, 0.86), (-0.14, 0.86), (-0.06, 1.20), (-0.14, 1.42), (-0.32, 1.42), (-0.40, 1.15)],
        0.22,
        jacket,
        0,
    )
    _slab(
        b,
        [(-0.26, 1.42), (-0.08, 1.42), (-0.04, 1.54), (-0.10, 1.66), (-0.22, 1.68), (-0.30, 1.56)],
        0.12,
        (0.75, 0.75, 0.75),
        0.7,
    )
