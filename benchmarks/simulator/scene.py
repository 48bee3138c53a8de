"""A scene that can be drawn at any instant."""

from __future__ import annotations

import bisect
import math
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.simulator._draw import Lamps, Pose, Sprite, draw_mesh
from benchmarks.simulator._order import far_to_near
from benchmarks.simulator._shadow import cast_shadow, lay_shadow
from benchmarks.simulator._weather import Grain, Overlay, Rain, headlight_beam, lamp_flares, tremble
from benchmarks.simulator.actors import Vehicle, make_fixtures, make_vehicles, make_walkers, peg
from benchmarks.simulator.camera import Camera
from benchmarks.simulator.light import make_light
from benchmarks.simulator.spec import SceneSpec, parse_scene, read_scene
from benchmarks.simulator.street import draw_street, lamp_feet, lamp_strength
from benchmarks.simulator.things import build_person
from protocol.clock import from_iso

Image = NDArray[np.uint8]
Floats = NDArray[np.floating]

PRESETS = Path(__file__).parent / "scenes"


@dataclass(frozen=True)
class Seen:
    """A vehicle as it is at one instant."""

    vehicle: Vehicle
    pose: Pose
    speed: float
    push: float
    standing: bool


@dataclass
class _Item:
    sprite: Sprite
    outline: Floats


class Scene:
    """A scripted street seen by a fixed camera.

    Drawing is a pure function of time: any instant may be asked for, in any order, and the same seed gives the same
    pixels. Use :func:`load_scene` or :meth:`from_dict`.

    Args:
        spec: the checked scene file.
        file: where it came from, for error messages.

    Raises:
        PatrolError: the scene holds something that cannot be drawn.
    """

    def __init__(self, spec: SceneSpec, *, file: object = None) -> None:
        self.spec = spec
        self.file = file
        c = spec.camera
        self.camera = Camera(c.at[0], c.at[1], c.height, c.yaw, c.pitch, c.fov, spec.size[0], spec.size[1])
        self.light = make_light(
            spec.light.time,
            azimuth=spec.light.sun[0],
            elevation=spec.light.sun[1],
            rain=spec.light.rain,
            noise=spec.light.noise,
        )
        self.vehicles = make_vehicles(spec, file=file)
        self._longest = max(
            (min(v.track.end_s, 1e9) - v.track.start_s for v in self.vehicles if v.passing), default=0.0
        )
        self._staying = [v for v in self.vehicles if not v.passing]
        self._passing = [v for v in self.vehicles if v.passing]
        self._passing_starts = [v.track.start_s for v in self._passing]
        self.walkers = make_walkers(spec)
        self.fixtures = make_fixtures(spec)
        self._lamps = lamp_feet(spec)
        self._base: Image | None = None
        self._statics: list[_Item] = []
        self._sprites: OrderedDict[Hashable, Any] = OrderedDict()
        self._stage: tuple[Hashable, Image] | None = None
        self._grain = Grain(self.camera, spec.seed, self.light.noise)
        self._rain = Rain(self.camera, spec.seed, spec.light.rain)
        self._overlay = Overlay(self.camera, c.overlay)
        self.start_utc_ms = from_iso(spec.start)
        """UTC milliseconds of the first picture."""

    @classmethod
    def from_dict(cls, data: dict[str, Any], *, file: object = None) -> Scene:
        """A scene from the tables of a scene file.

        Raises:
            PatrolError: a mistake in it, with its field.
        """
        return cls(parse_scene(data, file=file), file=file)

    def changed(
        self, *, size: tuple[int, int] | None = None, fps: float | None = None, seed: int | None = None
    ) -> Scene:
        """The same scene at another picture size (pixels), rate or seed.

        Raises:
            PatrolError: a size or rate that cannot be.
        """
        data = self.spec.model_dump(by_alias=True)
        for key, value in (("size", size), ("fps", fps), ("seed", seed)):
            if value is not None:
                data[key] = value
        return Scene(parse_scene(data, file=self.file), file=self.file)

    @property
    def duration_ms(self) -> int:
        """Length of the scene in milliseconds."""
        return round(self.spec.duration_s * 1000)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of its pictures, pixels."""
        return self.spec.size

    @property
    def fps(self) -> float:
        """Pictures per second."""
        return self.spec.fps

    @property
    def outages(self) -> list[tuple[int, int]]:
        """When the camera is not to be reached, milliseconds from the scene's start: [from, to)."""
        return [(round(e.from_s * 1000), round(e.to_s * 1000)) for e in self.spec.event if e.kind == "outage"]

    def __repr__(self) -> str:
        return f"Scene({self.spec.title!r}, {self.size[0]}x{self.size[1]}, {self.spec.duration_s:g} s, {len(self.vehicles)} vehicles)"

    def truth(self, *, occlusion: bool = True, sample_ms: int = 100) -> Any:
        """The exact ground truth, a :class:`benchmarks.simulator.truth.Truth`."""
        from benchmarks.simulator.truth import make_truth

        return make_truth(self, occlusion=occlusion, sample_ms=sample_ms)

    def seen_at(self, t_ms: int) -> list[Seen]:
        """All vehicles that exist at an instant, in the picture or not."""
        t = t_ms / 1000
        first = bisect.bisect_left(self._passing_starts, t - self._longest - 1)
        last = bisect.bisect_right(self._passing_starts, t + 0.001)
        found = []
        for vehicle in [*self._staying, *self._passing[first:last]]:
            at = vehicle.track.at(t_ms)
            if at is not None:
                standing = at[1] == 0.0 and vehicle.track.halt_at(t_ms) is not None
                found.append(Seen(vehicle, at[0], at[1], at[2], standing))
        return found

    def _remember(self, key: Hashable, make: Callable[[], Any]) -> Any:
        if key in self._sprites:
            self._sprites.move_to_end(key)
            return self._sprites[key]
        value = self._sprites[key] = make()
        while len(self._sprites) > 256:
            self._sprites.popitem(last=False)
        return value

    def _lamp_light(self, pose: Pose) -> float:
        near = [math.exp(-((pose.x - x) ** 2 + (pose.y - y) ** 2) / (2 * 5.5**2)) for x, y in self._lamps]
        return 1 + min(1.2, sum(near)) * lamp_strength(self.spec) * 0.8

    def _lamps_of(self, seen: Seen) -> Lamps:
        moving = seen.speed > 0.05
        return Lamps(head=self.light.headlights and moving, brake=moving and seen.push < -0.4)

    def sprite(self, seen: Seen) -> Sprite:
        """A vehicle as it looks at this pose, remembered while it stands."""
        lamps = self._lamps_of(seen)

        def draw() -> Sprite:
            return draw_mesh(
                seen.vehicle.mesh, seen.pose, self.camera, self.light, lamps=lamps, plates=seen.vehicle.plates,
                extra=self._lamp_light(seen.pose),
            )  # fmt: skip

        if not seen.standing:
            return draw()
        sprite: Sprite = self._remember(("stand", seen.vehicle.id, seen.pose, lamps), draw)
        return sprite

    def _ground(self) -> Image:
        """The empty street with everything that never moves."""
        if self._base is None:
            base = draw_street(self.spec, self.camera, self.light)
            items = []
            for fixture in self.fixtures:
                pose = fixture.pose
                sprite = draw_mesh(fixture.mesh, pose, self.camera, self.light, extra=self._lamp_light(pose))
                lay_shadow(base, cast_shadow(fixture.mesh, pose, self.camera, self.light))
                items.append(_Item(sprite, fixture.outline))
            items = [i for i in items if i.sprite.image.size]
            order = far_to_near(
                [i.outline for i in items], [_box(i.sprite) for i in items], self.camera.eye[:2]
            )
            self._statics = [items[i] for i in order]
            for item in self._statics:
                item.sprite.onto(base)
            self._base = cv2.GaussianBlur(base, (3, 3), 0.5)
        return self._base

    def _stage_of(self, standing: list[Seen]) -> Image:
        """The street with the shadows of what stands."""
        key = tuple((s.vehicle.id, s.pose) for s in standing)
        ground = self._ground()
        if self._stage is None or self._stage[0] != key:
            stage = ground.copy()
            for seen in standing:
                lay_shadow(stage, cast_shadow(seen.vehicle.mesh, seen.pose, self.camera, self.light))
            self._stage = (key, stage)
        return self._stage[1]

    def render(self, t_ms: int) -> Image:
        """The picture at an instant, milliseconds from the scene's start: (height, width, 3) BGR uint8."""
        frame = round(t_ms * self.fps / 1000)
        shown_ms = t_ms
        for event in self.spec.event:
            if event.from_s * 1000 <= t_ms < event.to_s * 1000:
                if event.kind == "black":
                    return np.zeros((self.size[1], self.size[0], 3), np.uint8)
                if event.kind == "freeze":
                    shown_ms = round(event.from_s * 1000)
                    frame = round(shown_ms * self.fps / 1000)
        picture = self._draw(shown_ms)
        picture = tremble(picture, self.spec.seed, frame, self.spec.camera.shake)
        self._rain.onto(picture, frame)
        self._grain.onto(picture, frame)
        self._overlay.onto(picture, self.start_utc_ms + shown_ms)
        return picture

    def _draw(self, t_ms: int) -> Image:
        seen = self.seen_at(t_ms)
        standing = [s for s in seen if s.standing]
        moving = [s for s in seen if not s.standing]
        picture = self._stage_of(standing).copy()
        items: list[_Item] = []
        for s in moving:
            sprite = self.sprite(s)
            if not sprite.image.size:
                continue
            lay_shadow(picture, cast_shadow(s.vehicle.mesh, s.pose, self.camera, self.light))
            if self.light.headlights and s.speed > 0.05:
                headlight_beam(picture, s.pose, s.vehicle.mesh.size[0], self.camera, self._beam())
            items.append(_Item(sprite, s.vehicle.footprint(s.pose)[:, :2]))
        for s in standing:
            sprite = self.sprite(s)
            if sprite.image.size:
                items.append(_Item(sprite, s.vehicle.footprint(s.pose)[:, :2]))
        items += self._people(picture, t_ms)
        boxes = [_box(i.sprite) for i in items]
        for static in self._statics:
            box = _box(static.sprite)
            if any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in boxes):
                items.append(static)
        for i in far_to_near(
            [i.outline for i in items], [_box(i.sprite) for i in items], self.camera.eye[:2]
        ):
            items[i].sprite.onto(picture)
        if self.light.headlights:
            for s in moving:
                if s.speed > 0.05:
                    lamp_flares(picture, s.pose, s.vehicle.mesh.size, self.camera, self._beam())
        return picture

    def _beam(self) -> float:
        return {"day": 0.25, "dusk": 0.6, "night": 1.0}[self.spec.light.time]

    def _people(self, picture: Image, t_ms: int) -> list[_Item]:
        items = []
        for walker in self.walkers:
            at = walker.at(t_ms)
            if at is None:
                continue
            pose, phase = at
            mesh = build_person(walker.look, phase)
            sprite = draw_mesh(mesh, pose, self.camera, self.light, extra=self._lamp_light(pose))
            if sprite.image.size:
                lay_shadow(picture, cast_shadow(mesh, pose, self.camera, self.light))
                items.append(_Item(sprite, peg(pose)))
        return items


def _box(sprite: Sprite) -> tuple[int, int, int, int]:
    height, width = sprite.image.shape[:2]
    return (sprite.x, sprite.y, sprite.x + width, sprite.y + height)


def preset_names() -> list[str]:
    """Names of the scenes that come with the program."""
    return sorted(p.stem for p in PRESETS.glob("*.toml"))


def load_scene(path: Path | str, *, seed: int | None = None) -> Scene:
    """A scene from a TOML file, or one that comes with the program by its name.

    Args:
        path: a file, or a name from :func:`preset_names`.
        seed: replaces the seed of the file.

    Raises:
        PatrolError: no such file, or a mistake in it, with file, field and value.
    """
    file = Path(path)
    if not file.exists() and (PRESETS / f"{path}.toml").is_file():
        file = PRESETS / f"{path}.toml"
    spec = read_scene(file)
    if seed is not None:
        spec = spec.model_copy(update={"seed": seed})
    return Scene(spec, file=file)
