"""City buses."""

from __future__ import annotations

import numpy as np

from benchmarks.simulator._box_body import BoxBody, glass_end, shade, spans, treads, wheel_faces
from benchmarks.simulator._mesh import BRAKELAMP, HEADLAMP, TAILLAMP, Builder, Colour, Mesh, curve
from benchmarks.simulator._paint import AMBER, CHROME, GLASS_BANDS, GLASS_GLOSS, RED, TRIM


def build_bus(paint: Colour, lower: Colour | None = None) -> Mesh:
    """A city bus with doors on its right side."""
    length, width, height = 10.8, 2.50, 3.10
    half = length / 2
    roof = curve(
        (-half, height - 0.12),
        (-half + 0.15, height - 0.02),
        (0, height),
        (half - 0.15, height - 0.02),
        (half, height - 0.12),
    )
    body = BoxBody(-half, half, width, 0.32, roof, bow=0.13, ends=0.93, round=0.30)
    b = Builder()
    axles, radius = (-2.9, 2.95), 0.48
    treads(b, axles, width / 2, radius)
    b.layer = 1
    stations = [
        -half,
        -half + 0.05,
        -half + 0.15,
        -half + 0.35,
        *np.linspace(-half + 1.2, half - 1.2, 9),
        half - 0.35,
        half - 0.15,
        half - 0.05,
        half,
    ]
    body.hull(b, [float(x) for x in stations], paint, 0.55)
    b.layer, b.stacked = 2, True
    for side in (-1.0, 1.0):
        _bus_side(b, body, side, half, lower or shade(paint, 0.6))
        wheel_faces(b, axles, width / 2, radius, side)
    _bus_front(b, body, half, lower or shade(paint, 0.6))
    _bus_rear(b, body, lower or shade(paint, 0.6))
    b.layer, b.stacked = 3, False
    b.box((-half + 1.0, -0.8, height - 0.02), (-half + 3.6, 0.8, height + 0.20), (0.70, 0.70, 0.70), 0.1)
    b.box((0.6, -0.5, height - 0.02), (1.6, 0.5, height + 0.12), (0.72, 0.72, 0.72), 0.1)
    b.plate((half + 0.02, 0, 0.58), 1.0, 0.44, 0.14)
    b.plate((-half - 0.02, 0, 0.57), -1.0, 0.44, 0.14)
    return b.build((length, width, height))


def _bus_side(b: Builder, body: BoxBody, side: float, half: float, lower: Colour) -> None:
    outward = (0, side, 0)
    for x0, x1 in spans(-half + 0.4, half - 0.4, 5):
        b.face(body.on_side(x0, x1, 0.36, 0.95, side, 0.006), lower, 0.4, outward=outward)
        b.face(body.on_side(x0, x1, 1.30, 2.62, side, 0.008), (0.05, 0.05, 0.05), 0.6, outward=outward)
    for x0, x1 in spans(-half + 0.45, half - 0.45, 7):
        b.pane(body.on_side(x0 + 0.05, x1 - 0.05, 1.36, 2.30, side, 0.014), outward=outward, people=2)
        b.panel(
            body.on_side(x0 + 0.05, x1 - 0.05, 2.34, 2.56, side, 0.014),
            GLASS_BANDS[2:],
            GLASS_GLOSS,
            outward=outward,
        )
    if side < 0:
        for x0, x1 in ((half - 1.75, half - 0.65), (-0.9, 0.4)):
            b.face(body.on_side(x0, x1, 0.40, 2.55, side, 0.016), (0.06, 0.06, 0.06), 0.3, outward=outward)
            middle = (x0 + x1) / 2
            for a, e in ((x0 + 0.05, middle - 0.03), (middle + 0.03, x1 - 0.05)):
                b.pane(body.on_side(a, e, 0.55, 2.45, side, 0.02), outward=outward)


def _bus_front(b: Builder, body: BoxBody, half: float, lower: Colour) -> None:
    outward = (1, 0, 0)
    for y0, y1 in ((-1.12, -0.56), (-0.56, 0), (0, 0.56), (0.56, 1.12)):
        b.face(body.on_end(y0, y1, 1.06, 2.98, 1, 0.008), (0.045, 0.045, 0.045), 0.5, outward=outward)
        b.face(body.on_end(y0, y1, 0.36, 0.62, 1, 0.008), lower, 0.4, outward=outward)
    glass_end(b, body, 1.06, 1.12, 2.50, 1.0)
    # The driver, the grey of the seats and the dashboard show through the glass.
    b.face(body.on_end(-1.0, 1.0, 1.12, 1.26, 1, 0.014), (0.06, 0.06, 0.06), 0.8, outward=outward)
    b.face(body.on_end(0.35, 0.85, 1.26, 1.66, 1, 0.016), (0.22, 0.14, 0.10), 0.9, outward=outward)
    b.face(body.on_end(0.50, 0.70, 1.66, 1.92, 1, 0.016), (0.22, 0.27, 0.34), 0.9, outward=outward)
    b.face(body.on_end(-0.02, 0.02, 1.12, 2.50, 1, 0.02), (0.05, 0.05, 0.05), 0.2, outward=outward)
    for y0, y1 in ((-0.95, -0.15), (0.10, 0.90)):
        arm = [
            body.end(y0, 1.10, 1, 0.03),
            body.end(y0 + 0.05, 1.10, 1, 0.03),
            body.end(y1, 1.42, 1, 0.03),
            body.end(y1 - 0.02, 1.46, 1, 0.03),
        ]
        b.face(arm, (0.03, 0.03, 0.03), 0.1, outward=outward)
    for y0, y1 in ((-0.80, 0), (0, 0.80)):
        b.face(body.on_end(y0, y1, 2.60, 2.90, 1, 0.02), (0.05, 0.08, 0.12), 0.0, outward=outward)
        for i in range(4):
            y = y0 + (i + 0.25) * (y1 - y0) / 4
            b.face(body.on_end(y, y + 0.12, 2.66, 2.84, 1, 0.025), (0.15, 0.60, 0.98), 0.0, outward=outward)
        b.face(body.on_end(y0 * 1.2, y1 * 1.2, 0.33, 0.40, 1), TRIM, 0.1, outward=outward)
        b.face(body.on_end(y0 * 0.7, y1 * 0.7, 0.84, 0.90, 1, 0.02), CHROME, 0.4, outward=outward)
        b.face(
            body.on_end(y0 * 0.5, y1 * 0.5, 0.64, 0.76, 1, 0.016), (0.06, 0.06, 0.06), 0.2, outward=outward
        )
    for side in (-1.0, 1.0):
        b.face(body.on_end(side * 0.60, side * 1.13, 0.56, 0.88, 1), (0.10, 0.10, 0.10), 0.5, outward=outward)
        for y in (0.66, 0.84):
            b.face(
                body.on_end(side * y, side * (y + 0.15), 0.63, 0.82, 1, 0.02),
                (0.90, 0.90, 0.88),
                0.6,
                outward=outward,
                lamp=HEADLAMP,
            )
        b.face(body.on_end(side * 1.02, side * 1.12, 0.63, 0.82, 1, 0.02), AMBER, 0.5, outward=outward)
        b.face(
            body.on_end(side * 0.86, side * 1.05, 0.42, 0.52, 1, 0.02),
            (0.80, 0.80, 0.78),
            0.5,
            outward=outward,
        )
        b.rod((half - 0.1, side * 1.15, 2.80), (half + 0.30, side * 1.34, 2.66), 0.035, TRIM)
        y0, y1 = sorted((side * 1.25, side * 1.45))
        b.box((half + 0.22, y0, 2.10), (half + 0.36, y1, 2.62), (0.09, 0.09, 0.09), 0.2)


def _bus_rear(b: Builder, body: BoxBody, lower: Colour) -> None:
    back = (-1, 0, 0)
    for y0, y1 in ((-1.12, -0.56), (-0.56, 0), (0, 0.56), (0.56, 1.12)):
        b.face(body.on_end(y0, y1, 0.36, 0.66, -1, 0.008), lower, 0.4, outward=back)
        b.face(body.on_end(y0, y1, 1.66, 2.72, -1, 0.008), (0.05, 0.05, 0.05), 0.5, outward=back)
    glass_end(b, body, 1.00, 1.74, 2.62, -1.0)
    for y0, y1 in ((-0.45, 0), (0, 0.45)):
        b.face(body.on_end(y0, y1, 2.40, 2.60, -1, 0.02), (0.05, 0.08, 0.12), 0.0, outward=back)
        b.face(body.on_end(y0 * 0.8, y1 * 0.8, 2.45, 2.55, -1, 0.025), (0.12, 0.50, 0.90), 0.0, outward=back)
    for i in range(5):
        for y0, y1 in ((-0.72, 0), (0, 0.72)):
            b.face(
                body.on_end(y0, y1, 0.76 + i * 0.13, 0.82 + i * 0.13, -1),
                (0.07, 0.07, 0.07),
                0.0,
                outward=back,
            )
    b.face(body.on_end(-0.30, 0.30, 2.78, 2.84, -1, 0.02), RED, 0.4, outward=back, lamp=BRAKELAMP)
    for side in (-1.0, 1.0):
        b.face(body.on_end(side * 0.86, side * 1.14, 0.72, 1.56, -1), (0.12, 0.10, 0.10), 0.4, outward=back)
        for z, colour, lamp in (
            (0.76, RED, TAILLAMP),
            (0.97, RED, BRAKELAMP),
            (1.18, AMBER, 0),
            (1.38, (0.70, 0.70, 0.75), 0),
        ):
            b.face(
                body.on_end(side * 0.90, side * 1.10, z, z + 0.16, -1, 0.02),
                colour,
                0.5,
                outward=back,
                lamp=lamp,
            )
        b.face(body.on_end(0, side * 1.0, 0.33, 0.44, -1), TRIM, 0.1, outward=back)
