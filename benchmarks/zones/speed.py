"""What the judging of many vehicles costs, in processor time of one core."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry import Polygon
from shapely.geometry import box as rectangle

from benchmarks.zones.street import SIZE, View, draw_views, lot_boxes, seen_ring
from zones import ZoneFile, ZoneIndex
from zones.geometry import footprints

_ROUNDS = 15
_KINDS = ("no_parking", "fire_lane", "parking_bay", "no_parking")


@dataclass(frozen=True)
class Speed:
    """One figure: the least of several rounds, milliseconds of processor time."""

    what: str
    ms: float
    goal_ms: float | None = None

    @property
    def met(self) -> bool | None:
        return None if self.goal_ms is None else self.ms <= self.goal_ms


def measure_speed(seed: int, vehicles: int = 1000, zones: int = 50) -> list[Speed]:
    """Times for `vehicles` boxes against `zones` zones of one camera.

    The zones are rectangles on the street, drawn by lot, many of them over one another; the boxes are those of
    vehicles that stand anywhere in the view.
    """
    view = draw_views(45, 1, 1, seed)[0]
    rng = np.random.default_rng([seed, 3])
    boxes, labels = lot_boxes(view, vehicles, rng)
    rings = _rings(view, zones, rng)
    base = {
        "picture": {"width": SIZE[0], "height": SIZE[1]},
        "zone": [
            {"id": f"z{n}", "name": f"z{n}", "polygon": ring, "kind": _KINDS[n % len(_KINDS)]}
            for n, ring in enumerate(rings)
        ],
    }
    assert view.file.calibration is not None
    calibration = view.file.calibration.model_dump(mode="json", exclude_none=True)
    plain = ZoneIndex(ZoneFile.model_validate(base), *SIZE)
    metres = ZoneIndex(ZoneFile.model_validate({**base, "calibration": calibration}), *SIZE)
    feet = footprints(boxes, labels)
    regions = plain.regions
    quads = shapely.polygons(feet.corners)
    shapes = np.array([Polygon(ring) for ring in rings])
    for shape in shapes:
        shapely.prepare(shape)
    what = f"{vehicles} footprints x {zones} zones"
    speeds = [
        Speed(f"{what}: shares", _cpu_ms(lambda: regions.shares(feet)), 5.0),
        Speed(f"{what}: the same by shapely's intersection", _cpu_ms(lambda: _by_shapely(quads, shapes), 3)),
        Speed(
            f"{what}: boxes to decisions, not calibrated",
            _cpu_ms(lambda: plain.presences(boxes, labels)),
            5.0,
        ),
        Speed(
            f"{what}: boxes to decisions with words, not calibrated",
            _cpu_ms(lambda: list(plain.presences(boxes, labels))),
        ),
        Speed(f"{what}: boxes to decisions, calibrated", _cpu_ms(lambda: metres.presences(boxes, labels), 5)),
    ]
    some = [(tuple(box), label) for box, label in zip(boxes.tolist()[:100], labels, strict=False)]
    for name, index in (("not calibrated", plain), ("calibrated", metres)):
        fresh = [ZoneIndex(index.file, *SIZE) for _ in range(3)]
        first = min(_cpu_ms(lambda each=each: [each.presence(*one) for one in some], 1) for each in fresh)
        again = _cpu_ms(lambda each=fresh[0]: [each.presence(*one) for one in some], 3)
        speeds.append(Speed(f"one box, {name}, first look", first / len(some)))
        speeds.append(Speed(f"one box, {name}, the same box again", again / len(some)))
    return speeds


def _rings(view: View, count: int, rng: np.random.Generator) -> list[list[tuple[float, float]]]:
    found: list[list[tuple[float, float]]] = []
    while len(found) < count:
        x, y = rng.uniform(2, 40), rng.uniform(-view.deep, view.width + view.deep)
        ring = seen_ring(view.camera, rectangle(x, y, x + rng.uniform(2, 10), y + rng.uniform(1.5, 5)))
        if len(ring) >= 3:
            found.append(ring)
    return found


def _by_shapely(quads: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    one, two = shapely.STRtree(shapes).query(quads, predicate="intersects")
    share: np.ndarray = shapely.area(shapely.intersection(quads[one], shapes[two])) / shapely.area(quads[one])
    return share


def _cpu_ms(call: Callable[[], object], rounds: int = _ROUNDS) -> float:
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        call()
        best = min(best, time.process_time() - start)
    return best * 1000
