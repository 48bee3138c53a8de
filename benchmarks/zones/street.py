"""Streets, cameras and standing vehicles drawn by lot, with the exact truth of who stands on a pavement.

Each view is a pinhole camera on a pole beside a street with a pavement on either side, looking along it at a given
angle. Each vehicle is a body of the simulator; its box is that of its exact silhouette, cut at the picture's edge
as a detector's is, and its truth is the share of its ground outline on each pavement.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from shapely.geometry import Polygon
from shapely.geometry import box as rectangle

from benchmarks.simulator._draw import Pose
from benchmarks.simulator._silhouette import box_of
from benchmarks.simulator.camera import NEAR_M, Camera
from benchmarks.simulator.fleet import CLASSES, build_vehicle
from zones import Box, ZoneFile

Floats = NDArray[np.floating]

SIZE = (1280, 720)
NORTH, SOUTH = "N", "S"

_IN, _OUT = 0.4, 0.1
"""From the first share on a vehicle stands on a pavement, up to the second it does not; between, nobody is asked."""

_LANE_KINDS = ("van", "van", "bus", "truck", "truck", "saloon", "suv", "carrier", "hatchback")
_PAVEMENT_KINDS = (
    "saloon",
    "hatchback",
    "suv",
    "carrier",
    "van",
    "van",
    "truck",
    "bus",
    "motorcycle",
    "rider",
)
_CALLED = {"van": ("car", "truck")}
"""What a detector that has no word for a kind calls it."""

_CLICK_PX = 1.0
_TAPE_M = 0.02
"""Errors of whoever calibrates, standard deviations."""


@dataclass(frozen=True)
class Standing:
    """A vehicle that stands in a view.

    Attributes:
        kind, pose: of the simulator.
        label: what a detector calls it.
        box: of its silhouette, cut at the picture's edge.
        whole: not cut.
        shares: zone -> share of its ground outline in it.
        setting: "lane" or "pavement", for the tables.
    """

    kind: str
    pose: Pose
    label: str
    box: Box
    whole: Box
    shares: dict[str, float]
    setting: str

    @property
    def zone(self) -> str | None:
        """The zone it stands in, None when it stands in none."""
        best = max(self.shares, key=lambda zone: self.shares[zone])
        return best if self.shares[best] >= _IN else None

    @property
    def between(self) -> bool:
        """Whether it stands on the line: neither in nor out."""
        return _OUT < max(self.shares.values()) < _IN


@dataclass(frozen=True)
class View:
    """A street seen by a camera.

    Attributes:
        angle: degrees between line of sight and street.
        width: of the road, metres; y = 0 is its near kerb. deep: of each pavement, metres.
        camera: whose pictures are `SIZE`.
        pavements: zone -> polygon in metres.
        file, plain: the zone file with and without calibration.
        standing: the vehicles.
    """

    angle: int
    width: float
    deep: float
    camera: Camera
    pavements: dict[str, Polygon]
    file: ZoneFile
    plain: ZoneFile
    standing: tuple[Standing, ...]


def draw_views(angle: int, count: int, vehicles: int, seed: int) -> list[View]:
    """Views at one angle.

    Args:
        angle: degrees between line of sight and street.
        count: how many cameras.
        vehicles: standing vehicles in each view.
        seed: of the lot.
    """
    rng = np.random.default_rng([seed, angle])
    return [_view(angle, vehicles, rng) for _ in range(count)]


def _view(angle: int, vehicles: int, rng: np.random.Generator) -> View:
    while True:
        width = float(rng.uniform(7, 14))  # of the road; y = 0 is the near kerb
        deep = float(rng.uniform(2.5, 5))
        height = float(rng.uniform(3.5, 8))
        reach = float(rng.uniform(12, 24))
        # On the near pavement, on a wall behind it, or on an arm over the lane.
        at = (0.0, float(rng.uniform(-10, 1.5)))
        yaw = angle + float(rng.uniform(-4, 4))
        fov = float(rng.uniform(45, 80))
        pitch = math.degrees(math.atan2(height, reach))
        camera = Camera(*at, height, yaw, pitch, fov, *SIZE)
        pavements = {SOUTH: rectangle(-5, -deep, 70, 0), NORTH: rectangle(-5, width, 70, width + deep)}
        zones = {
            name: ring for name, shape in pavements.items() if len(ring := seen_ring(camera, shape)) >= 3
        }
        points = _calibration(camera, width, deep, rng)
        if not zones or points is None:
            continue
        pavements = {name: pavements[name] for name in zones}
        base = {
            "picture": {"width": SIZE[0], "height": SIZE[1]},
            "zone": [{"id": name, "name": name, "polygon": ring} for name, ring in zones.items()],
        }
        standing: list[Standing] = []
        for _ in range(vehicles * 30):
            one = _standing(camera, pavements, width, rng)
            if one is not None:
                standing.append(one)
            if len(standing) == vehicles:
                break
        else:
            continue
        plain = ZoneFile.model_validate(base)
        try:
            file = ZoneFile.model_validate({**base, "calibration": {"point": points}})
        except ValidationError:
            continue  # points that nobody would choose, and that the product refuses
        return View(angle, width, deep, camera, pavements, file, plain, tuple(standing))


def lot_boxes(view: View, count: int, rng: np.random.Generator) -> tuple[Floats, list[str]]:
    """Boxes (N, 4) and labels of vehicles that stand somewhere in a view."""
    found: list[Standing] = []
    while len(found) < count:
        one = _standing(view.camera, view.pavements, view.width, rng)
        if one is not None:
            found.append(one)
    return np.array([one.box for one in found]), [one.label for one in found]


def seen_ring(camera: Camera, shape: Polygon) -> list[tuple[float, float]]:
    """The part of a ground polygon in the picture, pixels."""
    view = camera.to_view(np.array([[x, y, 0.0] for x, y in list(shape.exterior.coords)[:-1]]))
    kept = []
    for a, b in zip(view, np.roll(view, -1, axis=0), strict=True):
        if a[2] >= 0.5:
            kept.append(a)
        if (a[2] >= 0.5) != (b[2] >= 0.5):
            kept.append(a + (b - a) * ((0.5 - a[2]) / (b[2] - a[2])))
    if len(kept) < 3:
        return []
    seen = Polygon(camera.view_to_pixels(np.array(kept))).intersection(rectangle(0, 0, *SIZE))
    if seen.geom_type != "Polygon" or seen.area < 2000:
        return []
    return [(round(float(x), 1), round(float(y), 1)) for x, y in list(seen.exterior.coords)[:-1]]


def _calibration(
    camera: Camera, width: float, deep: float, rng: np.random.Generator
) -> list[dict[str, list[float]]] | None:
    """Six points that a technician would find on kerbs and house fronts, clicked and measured with errors."""
    points: list[dict[str, list[float]]] = []
    for _ in range(400):
        y = float(rng.choice([-deep, 0.0, width, width + deep, width / 2]))
        ground = np.array([[rng.uniform(2, 35), y, 0.0]])
        view = camera.to_view(ground)
        if view[0, 2] < 2:
            continue
        u, v = camera.view_to_pixels(view)[0]
        if not (20 < u < SIZE[0] - 20 and 20 < v < SIZE[1] - 20):
            continue
        if any(abs(p["picture"][0] - u) + abs(p["picture"][1] - v) < 80 for p in points):
            continue
        points.append(
            {
                "picture": [float(u + rng.normal(0, _CLICK_PX)), float(v + rng.normal(0, _CLICK_PX))],
                "ground": [
                    float(ground[0, 0] + rng.normal(0, _TAPE_M)),
                    float(y + rng.normal(0, _TAPE_M)),
                ],
            }
        )
        if len(points) == 6:
            spread = np.array([p["ground"] for p in points])
            shown = np.array([p["picture"] for p in points])
            wide = np.linalg.svd(shown - shown.mean(0))[1][1] / np.sqrt(6)
            if np.ptp(spread[:, 1]) > 4 and np.ptp(spread[:, 0]) > 6 and wide > 40:
                return points
            points = []
    return None


def _standing(
    camera: Camera, pavements: dict[str, Polygon], width: float, rng: np.random.Generator
) -> Standing | None:
    """A vehicle somewhere in the view, or None where the lot put it out of sight."""
    side = str(rng.choice(list(pavements)))
    on_pavement = bool(rng.random() < 0.5)
    kind = str(rng.choice(_PAVEMENT_KINDS if on_pavement else _LANE_KINDS))
    mesh = build_vehicle(kind, "white")
    long, wide = mesh.size[0], mesh.size[1]
    heading = float(rng.normal(0, math.radians(2)))
    if on_pavement:
        way = rng.random()
        if way < 0.2:
            heading = math.pi / 2 + float(rng.normal(0, math.radians(5)))
        elif way < 0.35:
            heading = float(rng.uniform(0, math.pi))
        elif way < 0.6:
            heading = float(rng.normal(0, math.radians(6)))
    if rng.random() < 0.5:
        heading += math.pi
    half = abs(math.sin(heading)) * long / 2 + abs(math.cos(heading)) * wide / 2
    if on_pavement:
        # From 40% beyond the kerb to wholly on the pavement.
        beyond = float(rng.uniform(0.45, 1.0)) if rng.random() < 0.6 else float(rng.uniform(1.0, 1.3))
        offset = beyond * 2 * half - half
    elif rng.random() < 0.8:
        offset = -half - float(rng.uniform(-0.05, 0.6))
    else:
        offset = -half - float(rng.uniform(0.6, 3.0))
    y = width + offset if side == NORTH else -offset
    pose = Pose(float(rng.uniform(2, 40)), y, heading)
    outline = np.array(
        [
            [-long / 2, wide / 2, 0],
            [-long / 2, -wide / 2, 0],
            [long / 2, -wide / 2, 0],
            [long / 2, wide / 2, 0],
        ]
    )
    ground = pose.place(outline)
    if np.any(
        camera.to_view(np.vstack([ground, ground + np.array([0, 0, mesh.size[2]])]))[:, 2] < max(NEAR_M, 1.0)
    ):
        return None
    whole = box_of(mesh, pose, camera)
    box = (
        max(0.0, whole[0]),
        max(0.0, whole[1]),
        min(float(SIZE[0]), whole[2]),
        min(float(SIZE[1]), whole[3]),
    )
    if box[2] - box[0] < 20 or box[3] - box[1] < 20:
        return None
    seen = (box[2] - box[0]) * (box[3] - box[1]) / ((whole[2] - whole[0]) * (whole[3] - whole[1]))
    if seen < 0.7:
        return None
    shape = Polygon(ground[:, :2])
    shares = {name: shape.intersection(pavement).area / shape.area for name, pavement in pavements.items()}
    called = _CALLED.get(kind)
    label = str(rng.choice(called)) if called else CLASSES[kind]
    return Standing(kind, pose, label, box, whole, shares, "pavement" if on_pavement else "lane")
