"""Cars: saloon, hatchback, sport utility and people carrier from one parametric body."""

from __future__ import annotations

from benchmarks.simulator._car_body import SECTION, CarBody, CarShape
from benchmarks.simulator._car_ends import add_front, add_rear
from benchmarks.simulator._mesh import Builder, Colour, Mesh
from benchmarks.simulator._paint import GLASS_BANDS, GLASS_GLOSS, TRIM, Vector

SALOON = CarShape(4.75, 1.84, 1.46, 0.95, 0.80, 0.96, 0.98, 0.15, -1.00, -1.72, 0.325, (-1.36, 1.42))
HATCHBACK = CarShape(4.20, 1.80, 1.50, 0.96, 0.82, 0.98, 0.98, 0.22, -1.55, -2.02, 0.315, (-1.26, 1.34))
SUV = CarShape(
    4.65, 1.90, 1.70, 1.10, 0.98, 1.12, 0.95, 0.25, -1.75, -2.24, 0.37, (-1.34, 1.40), 0.26, 0.74,
    ((0.05, 0.22), (0.25, 0.56), (0.60, 0.93)), True,
)  # fmt: skip
CARRIER = CarShape(
    4.80, 1.86, 1.74, 1.06, 0.92, 1.08, 1.35, 0.55, -2.00, -2.34, 0.335, (-1.42, 1.52), 0.20, 0.75,
    ((0.04, 0.24), (0.27, 0.58), (0.61, 0.90)),
)  # fmt: skip


def build_car(shape: CarShape, paint: Colour, *, gloss: float = 0.8, taxi: bool = False) -> Mesh:
    """A car of this shape and paint (BGR, 0 to 1)."""
    body = CarBody(shape)
    b = Builder()
    b.layer = 0
    for x in shape.axles:
        for side in (-1.0, 1.0):
            b.tread(x, side * (shape.width / 2 - 0.04), shape.wheel, 0.20)
    b.layer = 1
    _hull(b, body, paint, gloss)
    b.layer, b.stacked = 2, True
    for side in (-1.0, 1.0):
        _flank(b, body, paint, side)
    add_front(b, body, paint)
    add_rear(b, body, paint)
    b.layer, b.stacked = 3, False
    _cabin(b, body, paint, gloss)
    _mirrors(b, body, paint)
    b.layer, b.stacked = 4, True
    for side in (-1.0, 1.0):
        _side_glass(b, body, side)
    _screens(b, body)
    if shape.roof_rails:
        for side in (-1.0, 1.0):
            y = side * shape.width / 2 * shape.roof_taper * 0.93
            b.rod(
                (shape.rear_top + 0.1, y, shape.height + 0.01),
                (shape.screen_top - 0.2, y, shape.height + 0.01),
                0.022,
                TRIM,
            )
    if taxi:
        middle = (shape.screen_top + shape.rear_top) / 2 + 0.2
        b.layer = 5
        b.box(
            (middle - 0.09, -0.35, shape.height - 0.01),
            (middle + 0.09, 0.35, shape.height + 0.15),
            (0.55, 0.85, 0.95),
            0.1,
        )
    return b.build((shape.length, shape.width, shape.height))


def _hull(b: Builder, body: CarBody, paint: Colour, gloss: float) -> None:
    shape, half = body.shape, body.half
    stations = [
        -half, -half + 0.06, -half + 0.16, -half + 0.40, -half + 0.8, shape.rear_foot + 0.4, shape.axles[0] + 0.7, -0.2,
        0.4, shape.screen_foot, (shape.screen_foot + half) / 2, half - 0.55, half - 0.25, half - 0.10, half - 0.03, half,
    ]  # fmt: skip
    stations = sorted(set(stations))
    rings = []
    for x in stations:
        top = body.shoulder(x)
        heights = [shape.clearance + r * (top - shape.clearance) for r, _ in SECTION]
        left = []
        for z in heights:
            _, y, _ = body.side(x, z)
            reach = min(x, body.end_x(y, z, 1.0)) if x > 0 else max(x, body.end_x(y, z, -1.0))
            left.append((reach, y, z))
        y_top = left[-1][1]
        reach = left[-1][0]
        crown = [(reach, y_top * 0.5, top + 0.025), (reach, 0.0, top + 0.035)]
        right = [(p[0], -p[1], p[2]) for p in reversed(left)]
        rings.append([*left, *crown, (reach, -y_top * 0.5, top + 0.025), *right])
    b.grid(rings, paint, gloss, inside=(0, 0, 0.5))
    for facing in (1.0, -1.0):
        ring = rings[-1] if facing > 0 else rings[0]
        levels = ring[: len(SECTION)]
        rows = []
        for _, y, z in levels:
            rows.append(
                [(body.end_x(y * f, z, facing), y * f, z) for f in (-1, -0.7, -0.35, 0, 0.35, 0.7, 1)]
            )
        b.grid(rows, paint, gloss, inside=(0, 0, 0.5))


def _cabin(b: Builder, body: CarBody, paint: Colour, gloss: float) -> None:
    shape = body.shape
    rows = []
    for level, inset, rise in (
        (0.0, 0, 0),
        (0.33, 0, 0),
        (0.66, 0, 0),
        (1.0, 0, 0),
        (1.0, 0.05, 0.045),
        (1.0, 0.16, 0.07),
    ):
        front, rear, half_front, half_rear, z = body.cabin(level)
        front, rear = front - inset * 1.6, rear + inset * 1.6
        half_front, half_rear = half_front - inset, half_rear - inset
        z += rise
        middle = (front + rear) / 2
        half_middle = (half_front + half_rear) / 2 + 0.01
        bow = 0.10 if inset < 0.1 else 0.05
        rows.append(
            [
                (front + bow, 0, z), (front + bow * 0.75, half_front * 0.5, z), (front, half_front, z),
                (middle, half_middle, z), (rear, half_rear, z), (rear - bow * 0.75, half_rear * 0.5, z), (rear - bow, 0, z),
                (rear - bow * 0.75, -half_rear * 0.5, z), (rear, -half_rear, z), (middle, -half_middle, z),
                (front, -half_front, z), (front + bow * 0.75, -half_front * 0.5, z), (front + bow, 0, z),
            ]
        )  # fmt: skip
    b.grid(rows, paint, gloss, inside=((shape.screen_top + shape.rear_top) / 2, 0, shape.belt))
    roof = [(p[0], p[1], shape.height) for p in rows[-1][:-1]]
    b.face(roof, paint, gloss, outward=(0, 0, 1))


def _side_glass(b: Builder, body: CarBody, side: float) -> None:
    def at(along: float, level: float, lift: float = 0.014) -> Vector:
        x, y, z = body.window(along, level, lift)
        return (x, y * side, z)

    outward = (0, side, 0.3)
    b.face([at(0.02, 0.03), at(0.96, 0.03), at(0.96, 0.95), at(0.02, 0.95)], TRIM, 0.3, outward=outward)
    for start, end in body.shape.side_windows:
        corners = [at(start, 0.08, 0.02), at(end, 0.08, 0.02), at(end, 0.90, 0.02), at(start, 0.90, 0.02)]
        b.pane(corners, outward=outward, people=1)


def _screens(b: Builder, body: CarBody) -> None:
    for facing, low, high, wide in ((1.0, 0.03, 0.93, 0.90), (-1.0, 0.12, 0.90, 0.84)):
        outward = (facing, 0, 0.4)
        for a0, a1 in ((-1.0, -0.5), (-0.5, 0.0), (0.0, 0.5), (0.5, 1.0)):
            corners = [
                body.screen(a0 * wide, low, facing),
                body.screen(a1 * wide, low, facing),
                body.screen(a1 * wide, high, facing),
                body.screen(a0 * wide, high, facing),
            ]
            b.panel(corners, GLASS_BANDS, GLASS_GLOSS, outward=outward)
        if facing > 0:
            for across in (-0.62, 0.0):
                arm = [
                    body.screen(across, 0.05, 1.0, 0.03),
                    body.screen(across + 0.03, 0.03, 1.0, 0.03),
                    body.screen(across + 0.55, 0.13, 1.0, 0.03),
                    body.screen(across + 0.54, 0.16, 1.0, 0.03),
                ]
                b.face(arm, (0.04, 0.04, 0.04), 0.1, outward=outward)
        # Head rests or the wheel behind the glass: a little darker than it.
        for across in (-0.45, 0.45):
            corners = [
                body.screen(across - 0.17, low + 0.02, facing, 0.02),
                body.screen(across + 0.17, low + 0.02, facing, 0.02),
                body.screen(across + 0.12, 0.55, facing, 0.02),
                body.screen(across - 0.12, 0.55, facing, 0.02),
            ]
            b.face(corners, (0.045, 0.045, 0.045), 1.4, outward=outward)


def _flank(b: Builder, body: CarBody, paint: Colour, side: float) -> None:
    shape = body.shape

    def at(x: float, z: float, lift: float = 0.008) -> Vector:
        px, y, pz = body.side(x, z, lift)
        return (px, y * side, pz)

    outward = (0, side, 0)
    rear_axle, front_axle = shape.axles
    sill = shape.clearance + 0.02
    b.face(
        [at(rear_axle, sill), at(front_axle, sill), at(front_axle, sill + 0.10), at(rear_axle, sill + 0.10)],
        TRIM,
        0.1,
        outward=outward,
    )
    dark = (paint[0] * 0.35, paint[1] * 0.35, paint[2] * 0.35)
    belt = shape.belt - 0.05
    middle = (rear_axle + front_axle) / 2 - 0.05
    for x in (front_axle - 0.46, middle, rear_axle + 0.40):
        b.face(
            [at(x, sill + 0.12), at(x + 0.018, sill + 0.12), at(x + 0.018, belt), at(x, belt)],
            dark,
            0,
            outward=outward,
        )
    crease = shape.clearance + (shape.belt - shape.clearance) * 0.70
    b.face(
        [at(rear_axle - 0.5, crease), at(front_axle + 0.3, crease - 0.03), at(front_axle + 0.3, crease - 0.055), at(rear_axle - 0.5, crease - 0.03)],
        (paint[0] * 0.72, paint[1] * 0.72, paint[2] * 0.72), 0.2, outward=outward,
    )  # fmt: skip
    for x in (middle + 0.10, rear_axle + 0.52):
        b.face(
            [
                at(x, crease + 0.05, 0.03),
                at(x + 0.20, crease + 0.05, 0.03),
                at(x + 0.20, crease + 0.085, 0.03),
                at(x, crease + 0.085, 0.03),
            ],
            (paint[0] * 0.8, paint[1] * 0.8, paint[2] * 0.8),
            0.6,
            outward=outward,
        )
    for x in shape.axles:
        y = side * (shape.width / 2 - 0.005)
        b.disc(
            (x, y, shape.wheel),
            shape.wheel + 0.055,
            (0.03, 0.03, 0.03),
            side=side,
            from_deg=-25,
            to_deg=205,
            corners=16,
        )
        b.wheel(x, y + side * 0.005, shape.wheel, side=side)


def _mirrors(b: Builder, body: CarBody, paint: Colour) -> None:
    shape = body.shape
    for side in (-1.0, 1.0):
        y0 = side * shape.width / 2 * 0.93
        y1 = y0 + side * 0.20
        x = shape.screen_foot - 0.30
        low, high = (x, min(y0, y1), shape.belt + 0.03), (x + 0.12, max(y0, y1), shape.belt + 0.14)
        b.box(low, high, paint, 0.5)
