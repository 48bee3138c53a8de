"""Two hundred vehicles that come, stand and go, drawn by lot, and the camera that sees them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from benchmarks.rehearsal.edits import CELLS_X, EDITS, LANE_Y, OLD, PAVEMENT_Y, Plan
from benchmarks.rehearsal.truth import Standing, decide_all, expect
from benchmarks.simulator.scene import Scene
from benchmarks.simulator.truth import zone_pixels
from protocol.clock import from_iso
from zones import Box, ZoneFile
from zones.geometry import nested

START = "2026-03-10T23:00:00Z"
"""Wednesday, 11 March 2026, 07:00 in Shanghai."""

DAY_S = 14 * 3600
"""From seven to nine in the evening."""

PERIOD_S = 10
"""How often the camera is looked at. A day at two seconds would tell nothing more and take five times as long to live."""

KINDS = ("saloon", "hatchback", "suv", "van", "truck")
COLOURS = ("white", "silver", "grey", "black", "red", "blue")

_FREE = 0.1
"""Two vehicles that stand at the same time cover each other's boxes by less than this: behind more than an eighth, the
agent waits to see whether one has left, and what it then decides hangs on its neighbour."""

_MARGINS_S = ((-28, 0), (70, 0), (0, -70), (0, 28))
"""A stay whose decision under any plan would change if it came or went so much earlier or later is drawn again:
what is to be shown are flips by the zones, not by the beat of the camera."""

_SHIFT_MS = 30_000
"""A case that an edit would make earlier or later by less than three looks is drawn again, for the same reason."""

_LANE_MIDDLE = (LANE_Y[0] + LANE_Y[1]) / 2
_PAVEMENT_MIDDLE = (PAVEMENT_Y[0] + PAVEMENT_Y[1]) / 2


@dataclass(frozen=True)
class Street:
    """The day.

    Attributes:
        seed: of all lots.
        day_s: how long the day is, seconds.
        scene: what the camera sees.
        stays: who stood where, from the simulator's truth.
    """

    seed: int
    day_s: int
    scene: Scene
    stays: tuple[Standing, ...]

    @cached_property
    def start_ms(self) -> int:
        """UTC milliseconds of the first look."""
        return from_iso(START)

    def zone_file(self, plan: Plan) -> ZoneFile:
        """The plan as a calibrated zone file of this camera."""
        corners = [(6.0, 4.0), (-28.0, 4.0), (-28.0, 12.0), (6.0, 12.0), (-11.0, 8.0)]
        points = self.scene.camera.project([[x, y, 0.0] for x, y in corners])  # type: ignore[arg-type]
        zones: list[dict[str, Any]] = []
        for zone in plan:
            table: dict[str, Any] = {
                "id": zone.id, "name": f"Zone {zone.id}", "kind": zone.kind, "classes": zone.classes,
                "polygon": zone_pixels(self.scene, list(zone.polygon)),
                "confirm_after_s": zone.confirm_s, "grace_s": zone.grace_s,
                "hours": [{"from": start, "to": end} for start, end in zone.hours],
            }  # fmt: skip
            zones.append(table)
        width, height = self.scene.size
        return ZoneFile.model_validate(
            {
                "camera": "cam1", "street": "Simulated Street", "place": "Simulated Street, north side",
                "picture": {"width": width, "height": height},
                "calibration": {
                    "point": [
                        {"picture": (round(float(u), 2), round(float(v), 2)), "ground": ground}
                        for (u, v), ground in zip(points, corners, strict=True)
                    ]
                },
                "zone": zones,
            }
        )  # fmt: skip


def draw_lots(seed: int = 1, count: int = 200, day_s: int = DAY_S) -> Street:
    """A day of `day_s` seconds with `count` stays. The same arguments give the same day."""
    lots = random.Random(f"rehearsal {seed}")
    patterns = _patterns()
    chosen: list[tuple[dict[str, Any], Standing]] = []
    plates: list[str | None] = []
    while len(chosen) < count:
        pattern = lots.choice(patterns)
        arrive = lots.uniform(60, day_s - 600)
        length = lots.choice((31, 150, 400, 900, 1500, 3600)) * lots.uniform(0.9, 1.2)
        leave = min(arrive + length, day_s)  # who stands on, stands on after the last look
        stay = Standing(
            f"v{len(chosen)}", pattern.label, pattern.footprint, pattern.box, round(arrive * 1000), round(leave * 1000), None
        )  # fmt: skip
        at_once = [
            other
            for _, other in chosen
            if other.arrive_ms < stay.leave_ms + 90_000 and stay.arrive_ms < other.leave_ms + 90_000
        ]
        if any(nested(stay.box, other.box) > _FREE for other in at_once):
            continue
        if not _is_clear(stay):
            continue
        plate = _plate(lots, plates)
        plates.append(plate)
        stay = Standing(*stay[:6], plate)
        chosen.append((pattern.vehicle | {"id": stay.id, "colour": lots.choice(COLOURS)}, stay))
    vehicles = [
        vehicle
        | {"from_s": stay.arrive_ms / 1000}
        | {"route": [{**vehicle["route"][0], "wait_s": (stay.leave_ms - stay.arrive_ms) / 1000}]}
        for vehicle, stay in chosen
    ]
    stays = sorted((stay for _, stay in chosen), key=lambda stay: (stay.arrive_ms, stay.id))
    return Street(seed, day_s, Scene.from_dict(_scene(seed, vehicles)), tuple(stays))


def _is_clear(stay: Standing) -> bool:
    """Whether every plan says the same of it, though it came or went a little earlier or later."""
    plans: Sequence[Plan] = (OLD, *(edit.plan for edit in EDITS))
    for plan in plans:
        said = decide_all(stay, plan, from_iso(START))
        for before, after in _MARGINS_S:
            moved = stay.moved(before * 1000, after * 1000)
            if moved.leave_ms <= moved.arrive_ms:
                continue
            other = decide_all(moved, plan, from_iso(START))
            if [(d.zone, d.task, d.by_hours) for d in said] != [(d.zone, d.task, d.by_hours) for d in other]:
                return False
    shifts = (expect(stay, OLD, edit.plan, from_iso(START)) for edit in EDITS)
    return all(one is None or one.shift_ms == 0 or abs(one.shift_ms) >= _SHIFT_MS for one in shifts)


def _plate(lots: random.Random, before: list[str | None]) -> str | None:
    """Most have a plate of their own, some come back, some show none."""
    lot = lots.random()
    if lot < 0.15:
        return None
    known = [plate for plate in before[:-20] if plate is not None]
    if lot < 0.3 and known:
        return lots.choice(known)
    return f"沪A{len(before):05d}"


@dataclass(frozen=True)
class _Pattern:
    """One kind of vehicle in one cell."""

    vehicle: dict[str, Any]
    label: str
    footprint: tuple[tuple[float, float], ...]
    box: Box


def _patterns() -> list[_Pattern]:
    """Every kind in every cell, with its outline on the ground and in the picture, from the simulator."""
    vehicles = []
    for x in CELLS_X:
        for y, kinds in ((_PAVEMENT_MIDDLE, KINDS), (_LANE_MIDDLE, ("saloon", "van"))):
            for kind in kinds:
                route = [{"at": [x, y], "heading": 180, "wait_s": 100}]
                vehicles.append({"id": f"k{len(vehicles)}", "kind": kind, "from_s": 0, "route": route})
    truth = Scene.from_dict(_scene(1, vehicles)).truth(occlusion=False)
    # Detectors know no vans; they call them cars.
    labels = {v.id: {"van": "car"}.get(v.class_name, v.class_name) for v in truth.vehicles}
    by_id = {vehicle["id"]: vehicle for vehicle in vehicles}
    return [
        _Pattern(by_id[stay.vehicle], labels[stay.vehicle], tuple(stay.footprint_m), stay.box)
        for stay in truth.stays
    ]


def _scene(seed: int, vehicles: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "schema": 1,
        "title": "A day of stays",
        "seed": seed,
        "size": [1280, 720],
        "fps": 1,
        "duration_s": DAY_S,
        "start": START,
        "camera": {"at": [13.0, -5.0], "height": 7.5, "yaw": 140, "pitch": 19, "fov": 62},
        "light": {"time": "day", "sun": [235, 50]},
        "street": {
            "band": [
                {"kind": "pavement", "y": [-12, -4.2]}, {"kind": "kerb", "y": [-4.2, -4]},
                {"kind": "road", "y": [-4, 7]}, {"kind": "kerb", "y": [7, 7.2]},
                {"kind": "pavement", "y": [7.2, 12.5]},
            ],
            "line": [{"y": 0, "dash": 3, "gap": 4}, {"y": 3.5, "colour": "yellow"}, {"y": 6.75, "colour": "white"}],
            "building": [{"y": 12.7, "height": 12}, {"x": -80, "height": 14}],
        },
        "vehicle": vehicles,
    }  # fmt: skip
