"""Small convex polygons in vehicle coordinates, collected into one mesh that is drawn back to front.

Vehicle coordinates are metres: x forward, y to the vehicle's left, z up, the origin on the ground below its middle.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from benchmarks.simulator._paint import GLASS_BANDS, GLASS_GLOSS

Floats = NDArray[np.floating]
Point = Sequence[float]
Colour = tuple[float, float, float]

# Lamps glow only when they are on; the rest of a vehicle never does.
BODY, HEADLAMP, TAILLAMP, BRAKELAMP = 0, 1, 2, 3


@dataclass
class Mesh:
    """Faces packed into arrays.

    Attributes:
        points: (P, 3) corners of all faces, one after the other.
        starts: (F + 1,) where each face begins in `points`.
        normals, centres: (F, 3).
        base: (F, 3) BGR colour, 0 to 1.
        gloss: (F,) 0 matt to 1 mirror-like.
        layer: (F,) faces of a higher layer are drawn over those of a lower one; within one, far before near.
        stacked: (F,) faces laid on others: within a layer they keep the order in which they were added.
        part: (F,) parts on either side of the plane x = split; the one nearer to the camera is drawn later.
        two_sided: (F,) drawn from behind too.
        lamp: (F,) BODY, HEADLAMP, TAILLAMP or BRAKELAMP.
        plates: quads (4, 3), top left first, clockwise as read.
        split: where parts 0 (behind) and 1 (ahead) meet, metres.
        size: length, width, height of the whole, metres.
    """

    points: Floats
    starts: NDArray[np.int64]
    normals: Floats
    centres: Floats
    base: Floats
    gloss: Floats
    layer: NDArray[np.int64]
    stacked: NDArray[np.bool_]
    part: NDArray[np.int64]
    two_sided: NDArray[np.bool_]
    lamp: NDArray[np.int64]
    plates: list[Floats]
    split: float
    size: tuple[float, float, float]


@dataclass
class Builder:
    """Collects faces; `layer`, `stacked` and `part` apply to what is added next."""

    layer: int = 0
    stacked: bool = False
    part: int = 0
    split: float = 0.0
    plates: list[Floats] = field(default_factory=list)
    _faces: list[tuple[Floats, Floats, Colour, float, int, int, bool, int, bool]] = field(
        default_factory=list
    )

    def face(
        self,
        corners: Iterable[Point],
        colour: Colour,
        gloss: float = 0.0,
        *,
        outward: Point | None = None,
        two_sided: bool = False,
        lamp: int = BODY,
    ) -> None:
        """Add one convex polygon; `outward` is a direction its normal must agree with."""
        points = np.asarray(list(corners), float)
        normal = _normal(points)
        if normal is None:
            return
        if outward is not None and float(normal @ np.asarray(outward, float)) < 0:
            points, normal = points[::-1], -normal
        self._faces.append(
            (points, normal, colour, gloss, self.layer, self.part, two_sided, lamp, self.stacked)
        )

    def grid(
        self, rows: Sequence[Sequence[Point]], colour: Colour, gloss: float = 0.0, *, inside: Point
    ) -> None:
        """Quads between neighbouring rows of points, each facing away from the point `inside`."""
        for low, high in pairwise(rows):
            for i in range(len(low) - 1):
                quad = np.asarray([low[i], low[i + 1], high[i + 1], high[i]], float)
                self.face(quad, colour, gloss, outward=quad.mean(axis=0) - np.asarray(inside, float))

    def panel(
        self,
        corners: Sequence[Point],
        colours: Sequence[Colour],
        gloss: float,
        *,
        outward: Point,
        lamp: int = BODY,
    ) -> None:
        """A quad whose colour runs in bands from its first edge (corners 0, 1) to its last (corners 3, 2)."""
        a, b, c, d = (np.asarray(p, float) for p in corners)
        count = len(colours)
        for i, colour in enumerate(colours):
            s, e = i / count, (i + 1) / count
            band = [a + (d - a) * s, b + (c - b) * s, b + (c - b) * e, a + (d - a) * e]
            self.face(band, colour, gloss, outward=outward, lamp=lamp)

    def on_quad(
        self,
        corners: Sequence[Point],
        outline: Iterable[tuple[float, float]],
        colour: Colour,
        gloss: float,
        *,
        outward: Point,
    ) -> None:
        """A convex outline laid on a quad; (0, 0) is corner 0, (1, 0) corner 1, (1, 1) corner 2."""
        a, b, c, d = (np.asarray(p, float) for p in corners)
        points = [(a * (1 - u) + b * u) * (1 - v) + (d * (1 - u) + c * u) * v for u, v in outline]
        self.face(points, colour, gloss, outward=outward)

    def pane(self, corners: Sequence[Point], *, outward: Point, sheen: bool = True, people: int = 0) -> None:
        """Window glass: darker below, seats or people behind it, and a slanting gleam."""
        self.panel(corners, GLASS_BANDS, GLASS_GLOSS, outward=outward)
        for i in range(people):
            u = (i + 0.5) / people
            wide = 0.28 / people
            seat = [(u - wide, 0.0), (u + wide, 0.0), (u + wide * 0.8, 0.34), (u - wide * 0.8, 0.34)]
            self.on_quad(corners, seat, (0.17, 0.13, 0.12), GLASS_GLOSS * 0.8, outward=outward)
            turn = [math.radians(angle) for angle in range(0, 360, 45)]
            head = [(u + wide * 0.45 * math.cos(t), 0.47 + 0.16 * math.sin(t)) for t in turn]
            self.on_quad(corners, head, (0.15, 0.18, 0.22), GLASS_GLOSS * 0.8, outward=outward)
        if sheen:
            for low, high in ((0.18, 0.40), (0.48, 0.56)):
                gleam = [(low - 0.12, 0.0), (high - 0.12, 0.0), (high + 0.16, 1.0), (low + 0.16, 1.0)]
                self.on_quad(corners, gleam, (0.27, 0.25, 0.23), GLASS_GLOSS, outward=outward)

    def disc(
        self,
        centre: Point,
        radius: float,
        colour: Colour,
        *,
        side: float,
        gloss: float = 0.0,
        from_deg: float = 0.0,
        to_deg: float = 360.0,
        corners: int = 16,
    ) -> None:
        """A disc, or the part of one between two angles, in the plane y = const, seen from `side` (+1 or -1)."""
        angles = np.radians(np.linspace(from_deg, to_deg, corners, endpoint=to_deg - from_deg < 360))
        ring = [
            (centre[0] + radius * math.cos(a), centre[1], centre[2] + radius * math.sin(a)) for a in angles
        ]
        self.face(ring, colour, gloss, outward=(0, side, 0))

    def wheel(self, x: float, y: float, radius: float, *, side: float, spokes: int = 5) -> None:
        """The face of a wheel with tyre, rim, spokes and hub, seen from `side`."""
        self.disc((x, y, radius), radius, (0.085, 0.085, 0.085), side=side, corners=20)
        face_y = y + side * 0.01
        self.disc((x, face_y, radius), radius * 0.70, (0.30, 0.30, 0.30), side=side, gloss=0.25, corners=18)
        self.disc((x, face_y, radius), radius * 0.62, (0.13, 0.13, 0.13), side=side, corners=16)
        for i in range(spokes):
            angle = 2 * math.pi * i / spokes + 0.3
            along = np.array([math.cos(angle), 0, math.sin(angle)])
            across = np.array([-math.sin(angle), 0, math.cos(angle)])
            centre = np.array([x, face_y + side * 0.01, radius])
            wedge = [
                centre + across * radius * 0.10,
                centre + along * radius * 0.64 + across * radius * 0.13,
                centre + along * radius * 0.64 - across * radius * 0.13,
                centre - across * radius * 0.10,
            ]
            self.face(wedge, (0.66, 0.66, 0.66), 0.35, outward=(0, side, 0))
        self.disc((x, face_y + side * 0.02, radius), radius * 0.17, (0.50, 0.50, 0.50), side=side, corners=10)

    def tread(self, x: float, y: float, radius: float, width: float) -> None:
        """The running surface of a tyre whose outer side is at y (sign of y tells which way is out)."""
        inner = y - math.copysign(width, y)
        angles = np.radians(np.linspace(0, 360, 15))
        outer_ring = [(x + radius * math.cos(a), y, radius + radius * math.sin(a)) for a in angles]
        inner_ring = [(x + radius * math.cos(a), inner, radius + radius * math.sin(a)) for a in angles]
        middle = (x, (y + inner) / 2, radius)
        self.grid([outer_ring, inner_ring], (0.07, 0.07, 0.07), inside=middle)
        self.face(outer_ring[:-1], (0.06, 0.06, 0.06), two_sided=True)
        self.face(inner_ring[:-1], (0.05, 0.05, 0.05), two_sided=True)

    def box(
        self,
        low: Point,
        high: Point,
        colour: Colour,
        gloss: float = 0.0,
        *,
        lamp: int = BODY,
    ) -> None:
        """An upright box between two corners."""
        (x0, y0, z0), (x1, y1, z1) = low, high
        for corners, outward in (
            ([(x1, y0, z0), (x1, y1, z0), (x1, y1, z1), (x1, y0, z1)], (1, 0, 0)),
            ([(x0, y0, z0), (x0, y1, z0), (x0, y1, z1), (x0, y0, z1)], (-1, 0, 0)),
            ([(x0, y1, z0), (x1, y1, z0), (x1, y1, z1), (x0, y1, z1)], (0, 1, 0)),
            ([(x0, y0, z0), (x1, y0, z0), (x1, y0, z1), (x0, y0, z1)], (0, -1, 0)),
            ([(x0, y0, z1), (x1, y0, z1), (x1, y1, z1), (x0, y1, z1)], (0, 0, 1)),
        ):
            self.face(corners, colour, gloss, outward=outward, lamp=lamp)

    def rod(self, start: Point, end: Point, radius: float, colour: Colour, gloss: float = 0.2) -> None:
        """A round bar between two points, drawn as a six-sided prism."""
        a, b = np.asarray(start, float), np.asarray(end, float)
        along = (b - a) / np.linalg.norm(b - a)
        helper = np.array([0, 0, 1.0]) if abs(along[2]) < 0.9 else np.array([1.0, 0, 0])
        u = np.cross(along, helper)
        u /= np.linalg.norm(u)
        v = np.cross(along, u)
        ring = [
            u * math.cos(t) * radius + v * math.sin(t) * radius for t in np.radians(np.arange(0, 361, 60))
        ]
        self.grid([[a + r for r in ring], [b + r for r in ring]], colour, gloss, inside=(a + b) / 2)

    def plate(self, centre: Point, facing: float, width: float, height: float, lean: float = 0.0) -> None:
        """A number plate looking forward (`facing` +1) or back (-1); `lean` metres the top lies further in."""
        x, y, z = centre
        half, up = width / 2 * facing, height / 2
        inward = -lean * facing
        self.plates.append(
            np.array(
                [
                    (x + inward, y - half, z + up),
                    (x + inward, y + half, z + up),
                    (x, y + half, z - up),
                    (x, y - half, z - up),
                ]
            )
        )

    def build(self, size: tuple[float, float, float]) -> Mesh:
        """Everything added so far as one mesh."""
        faces = self._faces
        counts = [len(f[0]) for f in faces]
        return Mesh(
            points=np.concatenate([f[0] for f in faces]),
            starts=np.concatenate([[0], np.cumsum(counts)]),
            normals=np.array([f[1] for f in faces]),
            centres=np.array([f[0].mean(axis=0) for f in faces]),
            base=np.array([f[2] for f in faces]),
            gloss=np.array([f[3] for f in faces]),
            layer=np.array([f[4] for f in faces]),
            stacked=np.array([f[8] for f in faces]),
            part=np.array([f[5] for f in faces]),
            two_sided=np.array([f[6] for f in faces]),
            lamp=np.array([f[7] for f in faces]),
            plates=self.plates,
            split=self.split,
            size=size,
        )


def _normal(points: Floats) -> Floats | None:
    """Newell's normal of a polygon, None when it has no area."""
    after = np.roll(points, -1, axis=0)
    normal = np.cross(points, after).sum(axis=0)
    length = float(np.linalg.norm(normal))
    return None if length < 1e-9 else normal / length


def curve(*knots: tuple[float, float]) -> Callable[[float], float]:
    """A piecewise linear function through (where, value) knots."""
    xs, ys = [k[0] for k in knots], [k[1] for k in knots]
    return lambda at: float(np.interp(at, xs, ys))
