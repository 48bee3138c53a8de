"""Small vans and minibuses."""

from __future__ import annotations

from benchmarks.simulator._box_body import BoxBody, glass_end, mirrors, shade, treads, wheel_faces
from benchmarks.simulator._mesh import BRAKELAMP, HEADLAMP, TAILLAMP, Builder, Colour, Mesh, curve
from benchmarks.simulator._paint import CHROME, GLASS_BANDS, GLASS_GLOSS, RED, TRIM


def build_van(paint: Colour) -> Mesh:
    """A small van or minibus with a short sloping nose."""
    length, width, height = 4.5, 1.72, 1.92
    half = length / 2
    roof = curve(
        (-half, height - 0.16), (-half + 0.15, height - 0.03), (-half + 0.5, height - 0.005), (half - 1.25, height - 0.01),
        (half - 1.10, height - 0.07), (half - 0.42, 1.10), (half - 0.30, 1.00), (half - 0.05, 0.88), (half, 0.80),
    )  # fmt: skip
    body = BoxBody(-half, half, width, 0.22, roof, bow=0.14, ends=0.88, round=0.35)
    b = Builder()
    axles, radius = (-1.30, 1.45), 0.30
    treads(b, axles, width / 2, radius)
    b.layer = 1
    stations = [
        -half,
        -half + 0.06,
        -half + 0.2,
        -half + 0.5,
        -0.8,
        0,
        half - 1.25,
        half - 1.1,
        half - 0.76,
        half - 0.42,
        half - 0.30,
        half - 0.12,
        half - 0.04,
        half,
    ]
    body.hull(b, stations, paint, 0.7)
    b.layer, b.stacked = 2, True
    for side in (-1.0, 1.0):
        outward = (0, side, 0)
        for x0, x1 in ((-2.02, -1.05), (-0.98, 0.10), (0.20, 0.98)):
            b.pane(body.on_side(x0, x1, 1.10, 1.68, side), outward=outward, people=1)
        b.panel(
            [
                *body.on_side(0.98, 1.48, 1.10, 1.14, side)[:2],
                *body.on_side(0.98, 1.20, 1.10, 1.62, side)[2:],
            ],
            GLASS_BANDS,
            GLASS_GLOSS,
            outward=outward,
        )
        for x in (-0.98, 0.14, 1.22):
            b.face(body.on_side(x, x + 0.02, 0.40, 1.06, side), shade(paint, 0.4), outward=outward)
        b.face(body.on_side(-2.0, 0.1, 1.00, 1.03, side), shade(paint, 0.5), outward=outward)
        b.face(body.on_side(-1.0, 1.1, 0.24, 0.33, side), TRIM, outward=outward)
        for x in (-0.02, 0.28):
            b.face(body.on_side(x, x + 0.16, 0.92, 0.96, side, 0.03), TRIM, 0.4, outward=outward)
        wheel_faces(b, axles, width / 2, radius, side)
    for y0, y1 in ((-0.70, -0.35), (-0.35, 0.0), (0.0, 0.35), (0.35, 0.70)):
        low, high = (half - 0.40, 1.10), (half - 1.06, height - 0.10)
        corners = [
            (low[0] + 0.03, y0, low[1] + 0.02),
            (low[0] + 0.03, y1, low[1] + 0.02),
            (high[0] + 0.03, y1 * 0.92, high[1] + 0.02),
            (high[0] + 0.03, y0 * 0.92, high[1] + 0.02),
        ]
        b.panel(corners, GLASS_BANDS, GLASS_GLOSS, outward=(1, 0, 1))
    for y0, y1 in ((-0.72, 0.0), (0.0, 0.72)):
        b.face(
            [
                (half - 0.30, y0, 1.05),
                (half - 0.30, y1, 1.05),
                (half - 0.37, y1, 1.12),
                (half - 0.37, y0, 1.12),
            ],
            (0.05, 0.05, 0.05),
            0.1,
            outward=(1, 0, 1),
        )
        arm = [
            (half - 0.36, y0 + 0.05, 1.14),
            (half - 0.36, y0 + 0.08, 1.14),
            (half - 0.50, y0 + 0.62, 1.36),
            (half - 0.52, y0 + 0.60, 1.38),
        ]
        b.face(arm, (0.04, 0.04, 0.04), 0.1, outward=(1, 0, 1))
        for y in (y0 + 0.22,):
            seat = [
                (half - 0.55, y, 1.30),
                (half - 0.55, y + 0.26, 1.30),
                (half - 0.76, y + 0.24, 1.60),
                (half - 0.76, y + 0.02, 1.60),
            ]
            b.face(
                [(px + 0.06, py, pz + 0.01) for px, py, pz in seat],
                (0.05, 0.05, 0.05),
                0.8,
                outward=(1, 0, 1),
            )
    _small_front(b, body, 0.78)
    b.face(body.on_end(-0.62, 0.62, 0.24, 0.36, -1), TRIM, outward=(-1, 0, 0))
    for y0, y1 in ((-0.66, 0.0), (0.0, 0.66)):
        b.face(body.on_end(y0, y1, 1.08, 1.70, -1, 0.008), (0.05, 0.05, 0.05), 0.4, outward=(-1, 0, 0))
        b.face(body.on_end(y0, y1, 0.50, 0.515, -1), (0.25, 0.25, 0.25), outward=(-1, 0, 0))
        b.face(
            body.on_end(y0 * 0.7, y1 * 0.7, 0.66, 0.90, -1, 0.010),
            shade(paint, 0.78),
            0.2,
            outward=(-1, 0, 0),
        )
        b.face(
            body.on_end(y0 * 0.35, y1 * 0.35, 1.71, 1.75, -1, 0.02),
            RED,
            0.3,
            outward=(-1, 0, 0),
            lamp=BRAKELAMP,
        )
    glass_end(b, body, 0.60, 1.12, 1.64, -1.0)
    for y in (-0.48, -0.12, 0.24):
        b.face(body.on_end(y, y + 0.24, 1.12, 1.38, -1, 0.02), (0.05, 0.05, 0.05), 0.9, outward=(-1, 0, 0))
    wiper = [
        body.end(-0.05, 1.13, -1, 0.03),
        body.end(0.0, 1.13, -1, 0.03),
        body.end(0.40, 1.30, -1, 0.03),
        body.end(0.38, 1.33, -1, 0.03),
    ]
    b.face(wiper, (0.04, 0.04, 0.04), 0.1, outward=(-1, 0, 0))
    for side in (-1.0, 1.0):
        b.face(
            body.on_end(side * 0.60, side * 0.75, 0.62, 1.06, -1), RED, 0.5, outward=(-1, 0, 0), lamp=TAILLAMP
        )
        b.face(
            body.on_end(side * 0.61, side * 0.74, 0.92, 1.02, -1, 0.02),
            (0.1, 0.08, 0.7),
            0.5,
            outward=(-1, 0, 0),
            lamp=BRAKELAMP,
        )
        b.face(
            body.on_end(side * 0.61, side * 0.74, 0.76, 0.84, -1, 0.02),
            (0.65, 0.65, 0.70),
            0.5,
            outward=(-1, 0, 0),
        )
        b.face(
            body.on_end(side * 0.44, side * 0.70, 0.38, 0.44, -1, 0.02),
            (0.10, 0.08, 0.45),
            0.3,
            outward=(-1, 0, 0),
        )
    b.face(body.on_end(-0.34, 0.34, 0.93, 0.97, -1, 0.02), CHROME, 0.5, outward=(-1, 0, 0))
    b.plate((-half - 0.03, 0, 0.78), -1.0, 0.44, 0.14)
    b.plate((half + 0.03, 0, 0.40), 1.0, 0.44, 0.14)
    b.layer, b.stacked = 1, False
    mirrors(b, half - 0.75, width / 2, 1.12, 1.30)
    return b.build((length, width, height))


def _small_front(b: Builder, body: BoxBody, top: float) -> None:
    outward = (1, 0, 0)
    for y0, y1 in ((-0.46, 0.0), (0.0, 0.46)):
        b.face(body.on_end(y0, y1, top - 0.18, top - 0.04, 1), CHROME, 0.5, outward=outward)
        b.face(
            body.on_end(y0 * 0.96, y1 * 0.96, top - 0.165, top - 0.055, 1, 0.016),
            (0.04, 0.04, 0.04),
            0.2,
            outward=outward,
        )
        b.face(
            body.on_end(y0 * 0.94, y1 * 0.94, top - 0.125, top - 0.105, 1, 0.02),
            (0.5, 0.5, 0.5),
            0.4,
            outward=outward,
        )
        b.face(body.on_end(y0 * 1.1, y1 * 1.1, 0.25, 0.33, 1), (0.05, 0.05, 0.05), 0.1, outward=outward)
        b.face(body.on_end(y0 * 1.55, y1 * 1.55, 0.53, 0.545, 1), (0.30, 0.30, 0.30), 0.0, outward=outward)
    b.face(body.on_end(-0.06, 0.06, top - 0.15, top - 0.07, 1, 0.026), (0.8, 0.8, 0.8), 0.5, outward=outward)
    for side in (-1.0, 1.0):
        b.face(
            body.on_end(side * 0.48, side * 0.75, top - 0.20, top + 0.01, 1),
            (0.25, 0.25, 0.25),
            0.6,
            outward=outward,
            lamp=HEADLAMP,
        )
        b.face(
            body.on_end(side * 0.51, side * 0.64, top - 0.17, top - 0.02, 1, 0.02),
            (0.92, 0.92, 0.90),
            0.6,
            outward=outward,
            lamp=HEADLAMP,
        )
        b.face(
            body.on_end(side * 0.66, side * 0.74, top - 0.17, top - 0.02, 1, 0.02),
            (0.15, 0.50, 0.88),
            0.5,
            outward=outward,
        )
        b.face(
            body.on_end(side * 0.56, side * 0.68, 0.34, 0.42, 1, 0.02),
            (0.75, 0.75, 0.75),
            0.5,
            outward=outward,
        )
