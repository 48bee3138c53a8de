"""Delivery trucks."""

from __future__ import annotations

from benchmarks.simulator._box_body import BoxBody, mirrors, shade, spans, treads, wheel_faces
from benchmarks.simulator._mesh import BRAKELAMP, HEADLAMP, TAILLAMP, Builder, Colour, Mesh, curve
from benchmarks.simulator._paint import AMBER, CHROME, GLASS_BANDS, GLASS_GLOSS, RED, TRIM, Vector


def build_truck(paint: Colour, cargo: Colour = (0.80, 0.80, 0.80)) -> Mesh:
    """A delivery truck: cab ahead, closed cargo box behind."""
    length, width, height = 6.4, 2.10, 2.95
    half = length / 2
    cab_rear = half - 1.75
    b = Builder(split=cab_rear - 0.05)
    axles, radius = (-2.05, half - 0.95), 0.42
    b.part = 0
    treads(b, axles[:1], width / 2, radius)
    b.part = 1
    treads(b, axles[1:], width / 2, radius)
    b.part = 0
    b.layer = 1
    b.box((-half + 0.1, -0.45, 0.45), (cab_rear, 0.45, 0.85), (0.10, 0.10, 0.10))
    b.layer = 2
    low, top, rear, front, wide = 0.85, height, -half, cab_rear - 0.10, width / 2
    for x0, x1 in spans(rear, front, 6):
        for side in (-1.0, 1.0):
            for z0, z1 in spans(low, top, 3):
                b.face(
                    [
                        (x0, side * wide, z0),
                        (x1, side * wide, z0),
                        (x1, side * wide, z1),
                        (x0, side * wide, z1),
                    ],
                    cargo,
                    0.25,
                    outward=(0, side, 0),
                )
        b.face(
            [(x0, -wide, top), (x1, -wide, top), (x1, wide, top), (x0, wide, top)],
            cargo,
            0.2,
            outward=(0, 0, 1),
        )
    for facing, x in ((1.0, front), (-1.0, rear)):
        b.face(
            [(x, -wide, low), (x, wide, low), (x, wide, top), (x, -wide, top)],
            shade(cargo, 0.97),
            0.2,
            outward=(facing, 0, 0),
        )
    b.layer, b.stacked = 3, True
    rib = shade(cargo, 0.72)
    for x, _ in spans(rear, front, 9)[1:]:
        for side in (-1.0, 1.0):
            y = side * (wide + 0.01)
            b.face(
                [(x, y, low), (x + 0.05, y, low), (x + 0.05, y, top), (x, y, top)],
                rib,
                0.1,
                outward=(0, side, 0),
            )
    for side in (-1.0, 1.0):
        y = side * (wide + 0.012)
        for z0, z1 in ((low, low + 0.09), (top - 0.08, top)):
            b.face(
                [(rear, y, z0), (front, y, z0), (front, y, z1), (rear, y, z1)],
                (0.45, 0.45, 0.45),
                0.2,
                outward=(0, side, 0),
            )
        y = side * (wide - 0.08)
        b.face(
            [(rear + 2.2, y, 0.42), (front - 0.3, y, 0.42), (front - 0.3, y, 0.80), (rear + 2.2, y, 0.80)],
            (0.30, 0.30, 0.30),
            0.2,
            outward=(0, side, 0),
        )
        wheel_faces(b, axles[:1], width / 2 - 0.03, radius, side, arch=False)
    x = rear - 0.012
    for y in (-wide + 0.05, -0.03, wide - 0.11):
        b.face(
            [(x, y, low), (x, y + 0.06, low), (x, y + 0.06, top), (x, y, top)], rib, 0.1, outward=(-1, 0, 0)
        )
    for y in (-0.45, -0.16, 0.13, 0.42):
        b.face(
            [(x, y, low + 0.06), (x, y + 0.035, low + 0.06), (x, y + 0.035, top - 0.06), (x, y, top - 0.06)],
            (0.42, 0.42, 0.42),
            0.3,
            outward=(-1, 0, 0),
        )
        b.face(
            [
                (x - 0.01, y - 0.06, low + 0.55),
                (x - 0.01, y + 0.10, low + 0.55),
                (x - 0.01, y + 0.10, low + 0.63),
                (x - 0.01, y - 0.06, low + 0.63),
            ],
            (0.25, 0.25, 0.25),
            0.2,
            outward=(-1, 0, 0),
        )
    # Red and white reflecting tape along the lower edge and in the upper corners, as the rules ask for.
    tape = [(y0, y1, low + 0.02, low + 0.09) for y0, y1 in spans(-wide + 0.02, wide - 0.02, 8)]
    tape += [
        (y0, y1, top - 0.11, top - 0.04)
        for y0, y1 in (*spans(-wide + 0.02, -wide + 0.50, 2), *spans(wide - 0.50, wide - 0.02, 2))
    ]
    for i, (y0, y1, z0, z1) in enumerate(tape):
        colour = (0.12, 0.10, 0.70) if i % 2 else (0.85, 0.85, 0.85)
        b.face(
            [(x - 0.01, y0, z0), (x - 0.01, y1, z0), (x - 0.01, y1, z1), (x - 0.01, y0, z1)],
            colour,
            0.1,
            outward=(-1, 0, 0),
        )
    for side in (-1.0, 1.0):
        b.face(
            [
                (x - 0.005, side * 0.60, 0.30),
                (x - 0.005, side * 0.98, 0.30),
                (x - 0.005, side * 0.98, 0.55),
                (x - 0.005, side * 0.60, 0.55),
            ],
            (0.05, 0.05, 0.05),
            0.0,
            outward=(-1, 0, 0),
        )
    b.face(
        [(x, -wide, 0.55), (x, wide, 0.55), (x, wide, 0.80), (x, -wide, 0.80)],
        (0.12, 0.12, 0.12),
        0.1,
        outward=(-1, 0, 0),
    )
    for side in (-1.0, 1.0):
        y0, y1 = side * 0.56, side * 0.99
        b.face(
            [(x - 0.01, y0, 0.60), (x - 0.01, y1, 0.60), (x - 0.01, y1, 0.76), (x - 0.01, y0, 0.76)],
            RED,
            0.5,
            outward=(-1, 0, 0),
            lamp=TAILLAMP,
        )
        b.face(
            [
                (x - 0.02, y0, 0.62),
                (x - 0.02, y0 * 1.15, 0.62),
                (x - 0.02, y0 * 1.15, 0.74),
                (x - 0.02, y0, 0.74),
            ],
            AMBER,
            0.5,
            outward=(-1, 0, 0),
            lamp=BRAKELAMP,
        )
    b.plate((x - 0.03, 0, 0.68), -1.0, 0.44, 0.14)
    _truck_cab(b, paint, half, cab_rear, axles[1], radius)
    return b.build((length, width, height))


def _truck_cab(b: Builder, paint: Colour, half: float, cab_rear: float, axle: float, radius: float) -> None:
    width, height = 1.96, 2.18
    roof = curve(
        (cab_rear, height - 0.04),
        (half - 0.62, height),
        (half - 0.50, height - 0.06),
        (half - 0.12, 1.30),
        (half, 1.16),
    )
    body = BoxBody(cab_rear, half, width, 0.46, roof, bow=0.10, ends=0.94, round=0.25)
    b.part, b.layer, b.stacked = 1, 1, False
    body.hull(
        b,
        [
            cab_rear,
            cab_rear + 0.1,
            cab_rear + 0.5,
            half - 0.62,
            half - 0.50,
            half - 0.30,
            half - 0.12,
            half - 0.06,
            half,
        ],
        paint,
        0.6,
    )
    b.layer, b.stacked = 2, True
    for side in (-1.0, 1.0):
        outward = (0, side, 0)
        corners = [
            *body.on_side(cab_rear + 0.42, half - 0.26, 1.28, 1.32, side)[:2],
            *body.on_side(cab_rear + 0.46, half - 0.56, 1.30, 1.95, side)[2:],
        ]
        b.pane(corners, outward=outward)
        for x in (cab_rear + 0.36, half - 0.22):
            b.face(body.on_side(x, x + 0.02, 0.70, 1.26, side), shade(paint, 0.4), outward=outward)
        b.face(
            body.on_side(cab_rear + 0.46, cab_rear + 0.62, 1.12, 1.16, side, 0.03),
            TRIM,
            0.4,
            outward=outward,
        )
        wheel_faces(b, [axle], width / 2, radius, side)
    for y0, y1 in ((-0.84, -0.42), (-0.42, 0.0), (0.0, 0.42), (0.42, 0.84)):
        low_x, low_z, high_x, high_z = half - 0.10, 1.33, half - 0.46, height - 0.10
        corners = [
            (low_x + 0.04, y0, low_z),
            (low_x + 0.04, y1, low_z),
            (high_x + 0.04, y1 * 0.95, high_z),
            (high_x + 0.04, y0 * 0.95, high_z),
        ]
        b.panel(corners, GLASS_BANDS, GLASS_GLOSS, outward=(1, 0, 0.5))
    forward = (1, 0, 0)

    def pane(y: float, up: float, lift: float = 0.055) -> Vector:
        return (half - 0.10 - 0.36 * up + lift, y * (1 - 0.05 * up), 1.33 + (height - 1.43) * up + lift * 0.4)

    for y in (-0.62, 0.22):
        b.face(
            [pane(y, 0.12), pane(y + 0.40, 0.12), pane(y + 0.36, 0.66), pane(y + 0.04, 0.66)],
            (0.06, 0.055, 0.05),
            0.9,
            outward=(1, 0, 0.5),
        )
    b.face(
        [pane(0.30, 0.05, 0.06), pane(0.58, 0.05, 0.06), pane(0.56, 0.42, 0.06), pane(0.32, 0.42, 0.06)],
        (0.20, 0.16, 0.30),
        0.9,
        outward=(1, 0, 0.5),
    )
    for y in (-0.80, 0.02):
        b.face(
            [
                pane(y, 0.0, 0.07),
                pane(y + 0.05, 0.0, 0.07),
                pane(y + 0.62, 0.22, 0.07),
                pane(y + 0.60, 0.26, 0.07),
            ],
            (0.03, 0.03, 0.03),
            0.1,
            outward=(1, 0, 0.5),
        )
    for y0, y1 in ((-0.86, 0.0), (0.0, 0.86)):
        b.face(
            [pane(y0, 0.0, 0.05), pane(y1, 0.0, 0.05), pane(y1, -0.07, 0.05), pane(y0, -0.07, 0.05)],
            (0.04, 0.04, 0.04),
            0.1,
            outward=(1, 0, 0.5),
        )
        b.face(body.on_end(y0 * 0.70, y1 * 0.70, 0.84, 1.10, 1), CHROME, 0.4, outward=forward)
        b.face(
            body.on_end(y0 * 0.67, y1 * 0.67, 0.86, 1.08, 1, 0.016), (0.05, 0.05, 0.05), 0.2, outward=forward
        )
        for z in (0.91, 0.97, 1.03):
            b.face(
                body.on_end(y0 * 0.66, y1 * 0.66, z, z + 0.018, 1, 0.02),
                (0.48, 0.48, 0.48),
                0.4,
                outward=forward,
            )
        b.face(body.on_end(y0 * 1.06, y1 * 1.06, 0.47, 0.80, 1), (0.26, 0.26, 0.26), 0.1, outward=forward)
        b.face(
            body.on_end(y0 * 0.52, y1 * 0.52, 0.70, 0.775, 1, 0.02), (0.06, 0.06, 0.06), 0.1, outward=forward
        )
        b.face(
            body.on_end(y0 * 0.30, y1 * 0.30, 1.14, 1.20, 1, 0.02), (0.78, 0.78, 0.78), 0.4, outward=forward
        )
    for side in (-1.0, 1.0):
        b.face(
            body.on_end(side * 0.54, side * 0.91, 0.56, 0.80, 1, 0.02),
            (0.12, 0.12, 0.12),
            0.5,
            outward=forward,
        )
        b.face(
            body.on_end(side * 0.56, side * 0.72, 0.60, 0.77, 1, 0.03),
            (0.92, 0.92, 0.90),
            0.6,
            outward=forward,
            lamp=HEADLAMP,
        )
        b.face(
            body.on_end(side * 0.74, side * 0.82, 0.60, 0.77, 1, 0.03),
            (0.80, 0.80, 0.78),
            0.6,
            outward=forward,
            lamp=HEADLAMP,
        )
        b.face(body.on_end(side * 0.83, side * 0.90, 0.60, 0.77, 1, 0.03), AMBER, 0.5, outward=forward)
    b.plate((half + 0.03, 0, 0.62), 1.0, 0.44, 0.14)
    b.layer, b.stacked = 1, False
    mirrors(b, half - 0.22, width / 2, 1.30, 1.72, 0.22)
