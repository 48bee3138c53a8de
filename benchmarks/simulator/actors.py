"""Who takes part: scripted vehicles, passing traffic drawn by lot, and people on foot."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from benchmarks.simulator._draw import Image, Pose
from benchmarks.simulator._mesh import Mesh
from benchmarks.simulator.fleet import CLASSES, build_vehicle
from benchmarks.simulator.motion import Stop, Track
from benchmarks.simulator.plates import (
    check_plate,
    motorcycle_plate_picture,
    plate_kind,
    plate_picture,
    random_plate,
)
from benchmarks.simulator.spec import PaintName, PersonSpec, SceneSpec, VehicleSpec
from benchmarks.simulator.things import WALK_PHASES, build_thing
from protocol.errors import PatrolError

Floats = NDArray[np.floating]
_MANY = 20_000
"""Vehicles that one scene may hold, passing traffic included."""


@dataclass(frozen=True, eq=False)
class Vehicle:
    """One vehicle of a scene.

    Attributes:
        id: as in the scene file; passing traffic is numbered.
        kind, colour: of its body; `class_name` is what a detector should say.
        plate, plate_kind: what its plates show.
        track: its way through the scene.
        passing: drawn by lot, never stands.
    """

    id: str
    kind: str
    colour: str
    plate: str
    plate_kind: str
    track: Track
    passing: bool

    @property
    def class_name(self) -> str:
        return CLASSES[self.kind]

    @cached_property
    def mesh(self) -> Mesh:
        return build_vehicle(self.kind, self.colour)

    @cached_property
    def plates(self) -> tuple[Image, Image]:
        two_wheels = self.kind in ("motorcycle", "rider")
        picture = (motorcycle_plate_picture if two_wheels else plate_picture)(self.plate, self.plate_kind)
        return picture, picture

    def footprint(self, pose: Pose) -> Floats:
        """Corners (4, 3) of its outline on the ground: rear left, rear right, front right, front left."""
        length, width, _ = self.mesh.size
        half_l, half_w = length / 2, width / 2
        return pose.place(
            np.array([[-half_l, half_w, 0], [-half_l, -half_w, 0], [half_l, -half_w, 0], [half_l, half_w, 0]])
        )


@dataclass(frozen=True)
class Walker:
    """Someone on foot."""

    look: int
    path: tuple[tuple[float, float], ...]
    from_s: float
    speed: float

    def at(self, t_ms: int) -> tuple[Pose, int] | None:
        """Pose and moment of the stride; None before they come."""
        t = t_ms / 1000 - self.from_s
        if t < 0:
            return None
        legs = [math.dist(a, b) for a, b in zip(self.path, self.path[1:], strict=False)]
        whole = sum(legs)
        gone = (t * self.speed) % (2 * whole)
        back = gone > whole
        left = 2 * whole - gone if back else gone
        for (a, b), leg in zip(zip(self.path, self.path[1:], strict=False), legs, strict=True):
            if left <= leg or (a, b) == (self.path[-2], self.path[-1]):
                f = left / leg if leg else 0.0
                heading = math.atan2(b[1] - a[1], b[0] - a[0]) + (math.pi if back else 0.0)
                pose = Pose(a[0] + (b[0] - a[0]) * f, a[1] + (b[1] - a[1]) * f, heading)
                return pose, int(t * self.speed / 1.35 * WALK_PHASES) % WALK_PHASES
            left -= leg
        return None


@dataclass(frozen=True, eq=False)
class Fixture:
    """Something upright that never moves."""

    kind: str
    pose: Pose
    mesh: Mesh

    @cached_property
    def outline(self) -> Floats:
        return peg(self.pose)


def peg(pose: Pose) -> Floats:
    """Ground outline (4, 2) of something slim."""
    return np.add([[-0.2, -0.2], [0.2, -0.2], [0.2, 0.2], [-0.2, 0.2]], [pose.x, pose.y])


def make_fixtures(scene: SceneSpec) -> list[Fixture]:
    """Trees, poles, lamps and the like; lamps and signs turn to the road's middle."""
    roads = [b.y for b in scene.street.band if b.kind == "road"]
    middle = (roads[0][0] + roads[-1][1]) / 2 if roads else 0.0
    fixtures = []
    for number, thing in enumerate(scene.street.thing):
        for i in range(thing.repeat):
            x, y = thing.at[0] + i * thing.step[0], thing.at[1] + i * thing.step[1]
            turned = -math.pi / 2 if y > middle else math.pi / 2
            if thing.kind == "sign":
                turned = 0.0
            mesh = build_thing(thing.kind, thing.height, scene.seed * 101 + number * 17 + i)
            fixtures.append(Fixture(thing.kind, Pose(x, y, turned), mesh))
    return fixtures


def make_vehicles(scene: SceneSpec, *, file: object = None) -> list[Vehicle]:
    """All vehicles of a scene in order of appearance.

    Raises:
        PatrolError: a plate that cannot be, or more vehicles than a scene may hold.
    """
    vehicles = []
    for number, spec in enumerate(scene.vehicle):
        rng = np.random.default_rng([scene.seed, 11, number])
        vehicles.append(_scripted(scene, spec, rng, f"vehicle[{number + 1}].plate", file))
    for number, lane in enumerate(scene.traffic):
        rng = np.random.default_rng([scene.seed, 12, number])
        end = scene.duration_s if lane.to_s is None else min(lane.to_s, scene.duration_s)
        now, last_exit, count = lane.from_s - float(rng.uniform(0, lane.every_s[1])), -math.inf, 0
        while now < end:
            speed = float(rng.uniform(*lane.speed_kmh)) / 3.6
            # Nobody overtakes: whoever would catch up drives in later.
            way = abs(lane.x[1] - lane.x[0])
            now = max(now, last_exit - way / speed + 2.5)
            kind = lane.kinds[int(rng.integers(len(lane.kinds)))]
            colour = _lot_colour(kind, rng)
            plate_type = "yellow" if kind in ("bus",) else "green" if rng.random() < 0.25 else "blue"
            stops = [Stop(lane.x[0], lane.y, None, 0, speed), Stop(lane.x[1], lane.y, None, 0, speed)]
            track = Track(stops, now)
            last_exit = track.end_s
            count += 1
            vehicles.append(
                Vehicle(
                    f"t{number + 1}-{count}",
                    kind,
                    colour,
                    random_plate(rng, plate_type),
                    plate_type,
                    track,
                    True,
                )
            )
            now += float(rng.uniform(*lane.every_s))
            if len(vehicles) > _MANY:
                raise PatrolError(
                    f"the scene holds more than {_MANY} vehicles", file=file, field=f"traffic[{number + 1}].every_s",
                    value=list(lane.every_s), mend="Let vehicles come less often, or shorten the scene.",
                )  # fmt: skip
    return sorted(vehicles, key=lambda v: (v.track.start_s, v.id))


def _lot_colour(kind: str, rng: np.random.Generator) -> str:
    if kind == "taxi":
        return ("yellow", "green", "blue")[int(rng.integers(3))]
    if kind == "bus":
        return ("green", "red", "blue", "white")[int(rng.integers(4))]
    common = ("white", "white", "silver", "grey", "black", "red", "blue", "navy", "brown", "gold")
    return common[int(rng.integers(len(common)))]


def _scripted(
    scene: SceneSpec, spec: VehicleSpec, rng: np.random.Generator, field: str, file: object
) -> Vehicle:
    places = {p.id: p for p in scene.place}
    stops = []
    for step in spec.route:
        place = places[step.place] if step.place else None
        at = place.at if place else step.at
        assert at is not None
        heading = step.heading if step.heading is not None else place.heading if place else None
        stops.append(
            Stop(
                at[0],
                at[1],
                None if heading is None else math.radians(heading),
                min(step.wait_s, 2e9),
                (step.speed_kmh or spec.speed_kmh) / 3.6,
                step.reverse,
                step.place,
            )
        )
    kind = spec.plate_kind or ("yellow" if spec.kind in ("bus",) else None)
    plate = spec.plate or random_plate(rng, kind or "blue")
    kind = plate_kind(plate, kind)
    try:
        check_plate(plate, kind)
    except PatrolError as error:
        raise PatrolError(error.problem, file=file, field=field, value=plate, mend=error.mend) from None
    assert spec.colour in get_args(PaintName)
    return Vehicle(spec.id, spec.kind, spec.colour, plate, kind, Track(stops, spec.from_s), False)


def make_walkers(scene: SceneSpec) -> list[Walker]:
    """Everyone on foot."""
    walkers = []
    for number, person in enumerate(scene.person):
        walkers.append(_walker(person, number))
    for number, crowd in enumerate(scene.crowd):
        rng = np.random.default_rng([scene.seed, 13, number])
        for _ in range(crowd.count):
            y = float(rng.uniform(*crowd.y))
            x0, x1 = crowd.x if rng.random() < 0.5 else crowd.x[::-1]
            speed = float(rng.uniform(0.9, 1.6))
            whole = abs(x1 - x0) / speed * 2
            walkers.append(
                Walker(
                    int(rng.integers(1000)),
                    ((x0, y), (x1, float(rng.uniform(*crowd.y)))),
                    -float(rng.uniform(0, whole)),
                    speed,
                )
            )
    return walkers


def _walker(person: PersonSpec, number: int) -> Walker:
    return Walker(number * 7 + 3, tuple(person.path), person.from_s, person.speed)
