"""The exact ground truth of a scene: who stands where from when to when, and how much of them is to be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from shapely.geometry import Polygon

from benchmarks.simulator._draw import Pose
from benchmarks.simulator._order import nearer
from benchmarks.simulator._silhouette import box_of, silhouette
from benchmarks.simulator.actors import peg
from benchmarks.simulator.things import build_person

if TYPE_CHECKING:
    from benchmarks.simulator._mesh import Mesh
    from benchmarks.simulator.actors import Vehicle
    from benchmarks.simulator.motion import Halt
    from benchmarks.simulator.scene import Scene

Floats = NDArray[np.floating]
Pair = tuple[float, float]
Box = tuple[float, float, float, float]

_SAMPLES = 20_000
"""Most instants looked at for one stay; longer stays are looked at less often than every 100 ms."""
_HIDDEN = 0.02
"""A loss of visible area below this share is not called an occlusion."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TruthCamera(_Record):
    """The camera. Angles in degrees, distances in metres."""

    width: int
    height: int
    fps: float
    at: Pair
    lens_height: float
    yaw: float
    pitch: float
    fov: float
    shake_px: float
    homography: list[list[float]] = Field(description="3 x 3, picture pixels to ground metres, up to scale")


class TruthZone(_Record):
    """A zone; `polygon_px` is the part of it that lies in the picture."""

    id: str
    name: str
    kind: str
    polygon_m: list[Pair]
    polygon_px: list[Pair]


class TruthVehicle(_Record):
    """A vehicle, and when it exists (it may be outside the picture then)."""

    id: str
    kind: str
    class_name: str
    colour: str
    plate: str
    plate_kind: str
    passing: bool
    first_ms: int
    last_ms: int | None = Field(description="None: it is there to the end")


class Occlusion(_Record):
    """A time in which something stands or passes before a standing vehicle."""

    from_ms: int
    to_ms: int
    by: list[str] = Field(description="ids of vehicles, and 'person' ")
    least_visible: float


class Visible(_Record):
    """From this instant on, this share of the vehicle's picture is free."""

    from_ms: int
    fraction: float


class Stay(_Record):
    """One time of standing still. Times are milliseconds from the scene's first picture and may be negative."""

    id: str
    vehicle: str
    place: str | None
    zones: list[str] = Field(description="zones that hold at least half of its ground outline")
    overlap: dict[str, float] = Field(description="share of the ground outline in each zone it touches")
    arriving_ms: int = Field(description="the middle of its outline comes into the picture")
    standing_ms: int
    leaving_ms: int | None = Field(description="None: it stands to the end")
    gone_ms: int | None = Field(description="the middle of its outline is out of the picture again")
    footprint_m: list[Pair]
    footprint_px: list[Pair]
    box: Box = Field(
        description="left, top, right, bottom of its whole silhouette; may reach outside the picture"
    )
    plate_px: float = Field(description="width of its readable plate in pixels, 0 when none faces the camera")
    free_fraction: float = Field(description="share of its silhouette that trees and poles leave free")
    visible: list[Visible]
    occluded: list[Occlusion] = Field(description="times when vehicles or people hide more of it than that")
    sample_ms: int = Field(description="how often visibility was looked at")


class TruthEvent(_Record):
    """What went wrong with the camera on purpose."""

    kind: Literal["outage", "freeze", "black"]
    from_ms: int
    to_ms: int


class Truth(_Record):
    """Everything that is so in a scene."""

    schema_version: Literal[1] = 1
    title: str
    seed: int
    start_utc_ms: int
    duration_ms: int
    light: str
    rain: float
    camera: TruthCamera
    zones: list[TruthZone]
    vehicles: list[TruthVehicle]
    stays: list[Stay]
    events: list[TruthEvent]


def make_truth(scene: Scene, *, occlusion: bool = True, sample_ms: int = 100) -> Truth:
    """The ground truth of a scene.

    Args:
        occlusion: also work out how much of each standing vehicle is hidden, and when (the slow part).
        sample_ms: how often visibility is looked at, at most; a multiple of 100.
    """
    spec = scene.spec
    return Truth(
        title=spec.title,
        seed=spec.seed,
        start_utc_ms=scene.start_utc_ms,
        duration_ms=scene.duration_ms,
        light=spec.light.time,
        rain=spec.light.rain,
        camera=TruthCamera(
            width=scene.size[0], height=scene.size[1], fps=scene.fps, at=spec.camera.at, lens_height=spec.camera.height,
            yaw=spec.camera.yaw, pitch=spec.camera.pitch, fov=spec.camera.fov, shake_px=spec.camera.shake,
            homography=scene.camera.homography().tolist(),
        ),
        zones=[
            TruthZone(id=z.id, name=z.name, kind=z.kind, polygon_m=z.polygon, polygon_px=zone_pixels(scene, z.polygon))
            for z in spec.zone
        ],
        vehicles=[
            TruthVehicle(
                id=v.id, kind=v.kind, class_name=v.class_name, colour=v.colour, plate=v.plate, plate_kind=v.plate_kind,
                passing=v.passing, first_ms=round(v.track.start_s * 1000),
                last_ms=None if v.track.end_s > 1e8 else round(v.track.end_s * 1000),
            )
            for v in scene.vehicles
        ],
        stays=[
            _stay(scene, vehicle, number, halt, occlusion, sample_ms)
            for vehicle in scene.vehicles
            for number, halt in enumerate(vehicle.track.halts, start=1)
            if halt.stand_ms < scene.duration_ms and (halt.leave_ms is None or halt.leave_ms > 0)
        ],
        events=[TruthEvent(kind=e.kind, from_ms=round(e.from_s * 1000), to_ms=round(e.to_s * 1000)) for e in spec.event],
    )  # fmt: skip


def zone_pixels(scene: Scene, polygon: list[Pair]) -> list[Pair]:
    """The part of a ground polygon that lies in the picture, in pixels; empty when none does."""
    camera = scene.camera
    ground = np.array([[x, y, 0.0] for x, y in polygon])
    view = camera.to_view(ground)
    kept: list[Floats] = []
    near = 0.5
    for a, b in zip(view, np.roll(view, -1, axis=0), strict=True):
        if a[2] >= near:
            kept.append(a)
        if (a[2] >= near) != (b[2] >= near):
            kept.append(a + (b - a) * ((near - a[2]) / (b[2] - a[2])))
    if len(kept) < 3:
        return []
    shape = Polygon(camera.view_to_pixels(np.array(kept)))
    width, height = scene.size
    inside = shape.intersection(Polygon([(0, 0), (width, 0), (width, height), (0, height)]))
    if inside.is_empty or inside.geom_type != "Polygon":
        return []
    return [(round(float(x), 1), round(float(y), 1)) for x, y in list(inside.exterior.coords)[:-1]]


def _stay(scene: Scene, vehicle: Vehicle, number: int, halt: Halt, occlusion: bool, sample_ms: int) -> Stay:
    outline = vehicle.footprint(halt.pose)
    shape = Polygon(outline[:, :2])
    overlap = {
        z.id: round(shape.intersection(Polygon(z.polygon)).area / shape.area, 4) for z in scene.spec.zone
    }
    overlap = {zone: share for zone, share in overlap.items() if share > 0}
    view = scene.camera.to_view(outline)
    in_front = bool(np.all(view[:, 2] > 0.3))
    pixels = scene.camera.view_to_pixels(view) if in_front else np.zeros((0, 2))
    box = box_of(vehicle.mesh, halt.pose, scene.camera)
    arriving, gone = _in_picture(scene, vehicle, halt)
    free, visible, occluded, step = (
        (1.0, [], [], 0) if not occlusion else _visibility(scene, vehicle, halt, sample_ms)
    )
    return Stay(
        id=f"{vehicle.id}-{number}",
        vehicle=vehicle.id,
        place=halt.place,
        zones=[zone for zone, share in overlap.items() if share >= 0.5],
        overlap=overlap,
        arriving_ms=arriving,
        standing_ms=halt.stand_ms,
        leaving_ms=halt.leave_ms,
        gone_ms=gone,
        footprint_m=[(round(float(x), 4), round(float(y), 4)) for x, y, _ in outline],
        footprint_px=[(round(float(u), 2), round(float(v), 2)) for u, v in pixels],
        box=box,
        plate_px=_plate_width(scene, vehicle, halt.pose),
        free_fraction=free,
        visible=visible,
        occluded=occluded,
        sample_ms=step,
    )


def _in_picture(scene: Scene, vehicle: Vehicle, halt: Halt) -> tuple[int, int | None]:
    """When the middle of the outline comes in before a stay and goes out after it, to 20 ms."""

    def inside(t_ms: int) -> bool:
        at = vehicle.track.at(t_ms)
        if at is None:
            return False
        view = scene.camera.to_view(np.array([[at[0].x, at[0].y, 0.0]]))
        if view[0, 2] < 0.3:
            return False
        u, v = scene.camera.view_to_pixels(view)[0]
        return bool(0 <= u < scene.size[0] and 0 <= v < scene.size[1])

    arriving = halt.stand_ms
    while inside(arriving - 20) and halt.stand_ms - arriving < 600_000:
        arriving -= 20
    if halt.leave_ms is None:
        return arriving, None
    gone = halt.leave_ms
    while inside(gone + 20) and gone - halt.leave_ms < 600_000:
        gone += 20
    return arriving, gone


def _plate_width(scene: Scene, vehicle: Vehicle, pose: Pose) -> float:
    widest = 0.0
    for quad in vehicle.mesh.plates:
        corners = pose.place(quad)
        normal = np.cross(corners[3] - corners[0], corners[1] - corners[0])
        view = scene.camera.to_view(corners)
        if normal @ (scene.camera.eye - corners.mean(axis=0)) > 0 and np.all(view[:, 2] > 0.3):
            pixels = scene.camera.view_to_pixels(view)
            if np.all(pixels > 0) and np.all(pixels < np.array(scene.size)):
                widest = max(widest, float(np.linalg.norm(pixels[1] - pixels[0])))
    return round(widest, 1)


class _Window:
    """The part of the picture where a standing vehicle is, at a scale that is enough to measure areas."""

    def __init__(self, scene: Scene, mesh: Mesh, pose: Pose) -> None:
        left, top, right, bottom = box_of(mesh, pose, scene.camera)
        self.box = (
            max(0.0, left),
            max(0.0, top),
            min(float(scene.size[0]), right),
            min(float(scene.size[1]), bottom),
        )
        self.empty = self.box[2] - self.box[0] < 1 or self.box[3] - self.box[1] < 1
        self.scale = (
            1.0 if self.empty else min(1.0, 160 / max(self.box[2] - self.box[0], self.box[3] - self.box[1]))
        )
        self._scene = scene

    def mask(self, mesh: Mesh, pose: Pose) -> NDArray[np.uint8] | None:
        """Silhouette of anything in this window, None when it does not reach into it."""
        left, top, right, bottom = box_of(mesh, pose, self._scene.camera, exact=False)
        if left >= self.box[2] or right <= self.box[0] or top >= self.box[3] or bottom <= self.box[1]:
            return None
        return silhouette(mesh, pose, self._scene.camera, self.box, self.scale)


def _visibility(
    scene: Scene, vehicle: Vehicle, halt: Halt, sample_ms: int
) -> tuple[float, list[Visible], list[Occlusion], int]:
    start = max(0, halt.stand_ms)
    end = min(scene.duration_ms, scene.duration_ms if halt.leave_ms is None else halt.leave_ms)
    step = max(sample_ms, -(-(end - start) // _SAMPLES // 100) * 100)
    window = _Window(scene, vehicle.mesh, halt.pose)
    if window.empty:
        return 0.0, [Visible(from_ms=start, fraction=0.0)], [], step
    own = window.mask(vehicle.mesh, halt.pose)
    if own is None or not own.any():
        return 0.0, [Visible(from_ms=start, fraction=0.0)], [], step
    eye = scene.camera.eye[:2]
    outline = vehicle.footprint(halt.pose)[:, :2]
    area = int(np.count_nonzero(own))
    fixed = np.zeros_like(own)
    for fixture in scene.fixtures:
        if nearer(fixture.outline, outline, eye):
            mask = window.mask(fixture.mesh, fixture.pose)
            if mask is not None and (mask & own).any():
                fixed |= mask
    free = round(1 - int(np.count_nonzero(fixed & own)) / area, 3)
    remembered: dict[str, tuple[Pose, NDArray[np.uint8] | None]] = {}
    visible: list[Visible] = []
    occluded: list[Occlusion] = []
    open_from: int | None = None
    open_by: set[str] = set()
    open_least = 1.0
    for t in range(start, end, step):
        cover = fixed.copy()
        by: set[str] = set()
        for seen in scene.seen_at(t):
            if seen.vehicle is vehicle:
                continue
            known = remembered.get(seen.vehicle.id)
            if known is None or known[0] != seen.pose:
                hides = nearer(seen.vehicle.footprint(seen.pose)[:, :2], outline, eye)
                known = (seen.pose, window.mask(seen.vehicle.mesh, seen.pose) if hides else None)
                remembered[seen.vehicle.id] = known
            if known[1] is not None and (known[1] & own).any():
                cover |= known[1]
                by.add(seen.vehicle.id)
        for walker in scene.walkers:
            at = walker.at(t)
            if at is None or not nearer(peg(at[0]), outline, eye):
                continue
            mask = window.mask(build_person(walker.look, at[1]), at[0])
            if mask is not None and (mask & own).any():
                cover |= mask
                by.add("person")
        fraction = round(1 - int(np.count_nonzero(cover & own)) / area, 3)
        if (
            not visible
            or abs(visible[-1].fraction - fraction) >= 0.01
            or (fraction == 1.0) != (visible[-1].fraction == 1.0)
        ):
            visible.append(Visible(from_ms=t, fraction=fraction))
        if fraction < free - _HIDDEN:
            open_from = t if open_from is None else open_from
            open_by |= by
            open_least = min(open_least, fraction)
        elif open_from is not None:
            occluded.append(
                Occlusion(from_ms=open_from, to_ms=t, by=sorted(open_by), least_visible=open_least)
            )
            open_from, open_by, open_least = None, set(), 1.0
    if open_from is not None:
        occluded.append(Occlusion(from_ms=open_from, to_ms=end, by=sorted(open_by), least_visible=open_least))
    return free, visible, occluded, step
