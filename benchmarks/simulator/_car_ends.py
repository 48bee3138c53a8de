"""Front and rear of a car: lamps, grille, bumpers, lids and plates."""

from __future__ import annotations

from benchmarks.simulator._car_body import CarBody
from benchmarks.simulator._mesh import BRAKELAMP, HEADLAMP, TAILLAMP, Builder, Colour
from benchmarks.simulator._paint import CHROME, RED, TRIM, Vector


def add_front(b: Builder, body: CarBody, paint: Colour) -> None:
    shape = body.shape
    half = shape.width / 2
    outward = (1, 0, 0)
    top = body.shoulder(body.half) + 0.02
    low = shape.clearance

    def quad(y0: float, y1: float, z0: float, z1: float, lift: float = 0.012) -> list[Vector]:
        return [
            body.end(y0, z0, 1.0, lift),
            body.end(y1, z0, 1.0, lift),
            body.end(y1, z1, 1.0, lift),
            body.end(y0, z1, 1.0, lift),
        ]

    def lid(x: float, y: float, lift: float = 0.045) -> Vector:
        return (x, y, body.shoulder(x) + lift)

    seam = (paint[0] * 0.45, paint[1] * 0.45, paint[2] * 0.45)
    edge = half * 0.80
    for side in (-1.0, 1.0):
        rear, front = shape.screen_foot + 0.02, body.half - 0.16
        b.face(
            [
                lid(rear, side * edge),
                lid(rear, side * (edge + 0.022)),
                lid(front, side * (edge * 0.82 + 0.022)),
                lid(front, side * edge * 0.82),
            ],
            seam,
            outward=(0, 0, 1),
        )
    for y0, y1 in ((-0.62, 0.0), (0.0, 0.62)):
        b.face(quad(y0, y1, top - 0.035, top - 0.015), seam, outward=outward)
    grille_top, grille_low = top - 0.045, top - 0.20
    for y0, y1 in ((-0.42, 0.0), (0.0, 0.42)):
        b.face(
            [
                *quad(y0 * 0.92, y1 * 0.92, grille_low - 0.012, grille_top)[:2],
                *quad(y0, y1, grille_low, grille_top + 0.012)[2:],
            ],
            CHROME,
            0.6,
            outward=outward,
        )
        b.face(
            [
                *quad(y0 * 0.90, y1 * 0.90, grille_low, grille_top, 0.016)[:2],
                *quad(y0 * 0.96, y1 * 0.96, grille_low, grille_top, 0.016)[2:],
            ],
            (0.035, 0.035, 0.035),
            0.2,
            outward=outward,
        )
        for i in range(3):
            z = grille_low + 0.03 + i * 0.042
            b.face(quad(y0 * 0.9, y1 * 0.9, z, z + 0.012, 0.02), (0.40, 0.40, 0.40), 0.4, outward=outward)
    b.face(
        quad(-0.06, 0.06, grille_low + 0.03, grille_top - 0.02, 0.026),
        (0.75, 0.75, 0.75),
        0.6,
        outward=outward,
    )
    for y0, y1 in ((-0.52, 0.0), (0.0, 0.52)):
        b.face(
            [
                *quad(y0, y1, low + 0.03, low + 0.20)[:2],
                *quad(y0 * 0.8, y1 * 0.8, low + 0.03, low + 0.20)[2:],
            ],
            (0.045, 0.045, 0.045),
            0.1,
            outward=outward,
        )
        b.face(quad(y0 * 1.3, y1 * 1.3, low - 0.01, low + 0.025), (0.05, 0.05, 0.05), 0.1, outward=outward)
    for side in (-1.0, 1.0):
        inner, outer = side * 0.44, side * (half * body.taper(body.half) - 0.005)
        corners = quad(inner, outer, top - 0.16, top - 0.01)
        corners[0] = body.end(inner, top - 0.12, 1.0)
        wrap_x = body.half - 0.46
        wrap_low, wrap_high = body.side(wrap_x, top - 0.02, 0.012), body.side(wrap_x, top + 0.03, 0.012)
        wrap_low, wrap_high = (
            (wrap_low[0], side * wrap_low[1], wrap_low[2]),
            (wrap_high[0], side * wrap_high[1], wrap_high[2]),
        )
        b.face(corners, (0.30, 0.30, 0.30), 0.6, outward=outward, lamp=HEADLAMP)
        b.face(
            [corners[1], wrap_low, wrap_high, corners[2]],
            (0.34, 0.34, 0.34),
            0.6,
            outward=(1, side, 0),
            lamp=HEADLAMP,
        )
        inner_lid, outer_lid = (
            lid(body.half - 0.13, inner, 0.03),
            lid(body.half - 0.22, side * half * 0.80, 0.03),
        )
        b.face(
            [corners[3], corners[2], wrap_high, outer_lid, inner_lid],
            (0.66, 0.66, 0.65),
            0.5,
            outward=(0.5, 0, 1),
            lamp=HEADLAMP,
        )
        for y0, y1 in ((0.49, 0.59), (0.62, 0.72)):
            b.face(
                quad(side * y0, side * y1, top - 0.125, top - 0.03, 0.02),
                (0.92, 0.92, 0.92),
                0.5,
                outward=outward,
                lamp=HEADLAMP,
            )
            b.face(
                quad(side * (y0 + 0.025), side * (y1 - 0.025), top - 0.10, top - 0.05, 0.026),
                (0.45, 0.45, 0.45),
                0.8,
                outward=outward,
                lamp=HEADLAMP,
            )
        b.face(
            quad(side * 0.58, side * 0.76, low + 0.07, low + 0.19), (0.06, 0.06, 0.06), 0.3, outward=outward
        )
        b.face(
            quad(side * 0.62, side * 0.71, low + 0.10, low + 0.16, 0.02),
            (0.70, 0.70, 0.70),
            0.5,
            outward=outward,
        )
    z = grille_low - 0.10
    b.face(quad(-0.25, 0.25, z - 0.09, z + 0.09, 0.016), TRIM, 0.1, outward=outward)
    b.plate((body.end_x(0, z, 1.0) + 0.03, 0, z), 1.0, 0.44, 0.14)


def add_rear(b: Builder, body: CarBody, paint: Colour) -> None:
    shape = body.shape
    half = shape.width / 2
    outward = (-1, 0, 0)
    top = body.shoulder(-body.half) + 0.02
    low = shape.clearance

    def quad(y0: float, y1: float, z0: float, z1: float, lift: float = 0.012) -> list[Vector]:
        return [
            body.end(y0, z0, -1.0, lift),
            body.end(y1, z0, -1.0, lift),
            body.end(y1, z1, -1.0, lift),
            body.end(y0, z1, -1.0, lift),
        ]

    seam = (paint[0] * 0.35, paint[1] * 0.35, paint[2] * 0.35)
    dim = (paint[0] * 0.72, paint[1] * 0.72, paint[2] * 0.72)
    bumper = low + (top - low) * 0.50
    for y0, y1 in ((-0.74, 0.0), (0.0, 0.74)):
        b.face(quad(y0, y1, bumper, bumper + 0.016), seam, 0, outward=outward)
        b.face(quad(y0 * 0.9, y1 * 0.9, low - 0.01, low + 0.13), TRIM, 0.1, outward=outward)
        b.face(quad(y0 * 0.96, y1 * 0.96, top - 0.02, top - 0.004), seam, 0, outward=outward)
    b.face(quad(-0.36, 0.36, top - 0.34, top - 0.11, 0.010), dim, 0.2, outward=outward)
    b.face(quad(-0.38, 0.38, top - 0.125, top - 0.095, 0.018), CHROME, 0.6, outward=outward)
    b.face(quad(-0.05, 0.05, top - 0.085, top - 0.03, 0.018), (0.72, 0.72, 0.72), 0.5, outward=outward)
    for side in (-1.0, 1.0):
        inner, outer = side * 0.42, side * (half * body.taper(-body.half) - 0.005)
        corners = quad(inner, outer, top - 0.22, top - 0.02)
        corners[0] = body.end(inner, top - 0.14, -1.0)
        wrap_x = -body.half + 0.32
        wrap_low, wrap_high = body.side(wrap_x, top - 0.15, 0.012), body.side(wrap_x, top - 0.01, 0.012)
        b.face(corners, RED, 0.6, outward=outward, lamp=TAILLAMP)
        b.face(
            [corners[1], (wrap_low[0], side * wrap_low[1], wrap_low[2]), (wrap_high[0], side * wrap_high[1], wrap_high[2]), corners[2]],
            RED, 0.6, outward=(-1, side, 0), lamp=TAILLAMP,
        )  # fmt: skip
        b.face(
            quad(side * 0.48, outer, top - 0.085, top - 0.04, 0.018),
            (0.10, 0.08, 0.78),
            0.5,
            outward=outward,
            lamp=BRAKELAMP,
        )
        b.face(
            quad(side * 0.50, side * 0.60, top - 0.145, top - 0.10, 0.018),
            (0.70, 0.70, 0.74),
            0.5,
            outward=outward,
        )
        b.face(
            quad(side * 0.62, outer, top - 0.19, top - 0.11, 0.018), (0.09, 0.07, 0.40), 0.5, outward=outward
        )
        b.face(
            quad(side * 0.50, side * 0.74, low + 0.14, low + 0.19, 0.016),
            (0.10, 0.08, 0.45),
            0.3,
            outward=outward,
        )
        b.face(
            quad(side * 0.46, side * 0.60, low + 0.02, low + 0.075, 0.02),
            (0.45, 0.45, 0.45),
            0.5,
            outward=outward,
        )
    across = [
        body.screen(-0.20, 0.90, -1.0, 0.02),
        body.screen(0.20, 0.90, -1.0, 0.02),
        body.screen(0.20, 0.97, -1.0, 0.02),
        body.screen(-0.20, 0.97, -1.0, 0.02),
    ]
    b.face(across, RED, 0.3, outward=(-1, 0, 0.3), lamp=BRAKELAMP)
    z = top - 0.225
    b.plate((body.end_x(0, z, -1.0) - 0.03, 0, z), -1.0, 0.44, 0.14)
