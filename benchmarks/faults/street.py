"""The painted street of the accelerated runs: pictures, what is detected in them, and the plates that are read."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.faults.script import CONFIRM_S, GRACE_S, WINDOW_S, Light, Stand
from edge_agent.frames import Frame, Image
from edge_agent.stays import CameraState, Observation, Seen
from edge_agent.stays.appearance import likeness, look_at
from edge_agent.stays.model import Look, PlateLook
from edge_agent.stays.wholes import View
from notifier.owners import NoOwner, Owner
from zones import Box, ZoneFile, ZoneIndex

WIDTH, HEIGHT = 320, 240
BOXES: tuple[Box, ...] = ((40, 110, 120, 170), (200, 115, 260, 165))
"""Both places; their widths differ, so that a crop says which it is of."""

_BUS: Box = (0, 95, 320, 215)
_NOISES = 3

ZONES = ZoneFile.model_validate(
    {
        "picture": {"width": WIDTH, "height": HEIGHT},
        "street": "Kerb Street",
        "zone": [
            {
                "id": "P1",
                "name": "Pavement",
                "polygon": [(10, 100), (310, 100), (310, 200), (10, 200)],
                "confirm_after_s": CONFIRM_S,
                "grace_s": GRACE_S,
                "recheck_window_s": WINDOW_S,
                "unnotifiable": "task",
            }
        ],
    }
)

_Shown = tuple[tuple[int, int], ...]
"""(place, looks) of each vehicle in view."""


@functools.lru_cache(maxsize=4096)
def _texture(seed: int, width: int, height: int) -> Image:
    coarse = np.random.default_rng(seed).integers(30, 225, size=(6, 8, 1), dtype=np.uint8).repeat(3, axis=2)
    rows = np.linspace(0, 5.999, height).astype(int)
    columns = np.linspace(0, 7.999, width).astype(int)
    painted: Image = coarse[rows][:, columns]
    return painted


@functools.lru_cache(maxsize=_NOISES)
def _ground(noise: int) -> np.ndarray[Any, Any]:
    plain = _texture(1, WIDTH, HEIGHT).astype(np.float32) * 0.2 + 90
    return plain + np.random.default_rng(noise).normal(0, 3, plain.shape)


@functools.lru_cache(maxsize=128)
def _paint(shown: _Shown, light: Light, noise: int) -> Image:
    grain = _ground(noise) - _ground(0) if noise else np.zeros((HEIGHT, WIDTH, 3))
    picture = _ground(noise).copy()
    boxes = [(BOXES[place], looks) for place, looks in shown]
    if light == "bus":
        boxes.append((_BUS, 99_991))
    for (left, top, right, bottom), looks in ((tuple(map(int, b)), s) for b, s in boxes):
        body = _texture(looks, right - left, bottom - top)
        picture[top:bottom, left:right] = body + grain[top:bottom, left:right]
    image = np.clip(picture, 0, 255).astype(np.uint8)
    image.setflags(write=False)
    return image


class Street:
    """What the camera shows now. Set `standing`, `light` and `beat` before each picture."""

    def __init__(self) -> None:
        self.standing: tuple[Stand | None, ...] = (None,) * len(BOXES)
        self.light: Light = "day"
        self.beat = 0
        self._before = _paint((), "day", 0)

    def picture(self) -> Image:
        """The picture of now."""
        return _paint(self._shown(), self.light, self.beat % _NOISES)

    def _shown(self) -> _Shown:
        return tuple(
            (place, 1000 + sum(map(ord, stand.name + stand.plate)) * 7919 % 90_000)
            for place, stand in enumerate(self.standing)
            if stand is not None
        )


class ScriptedEyes:
    """Detections are those of the script; looks of places are those of the painted picture."""

    def __init__(self, street: Street) -> None:
        self.index = ZoneIndex(ZONES, WIDTH, HEIGHT)
        self._street = street
        self._before: Image = _paint((), "day", 0)

    def observe(self, frame: Frame, state: CameraState, *, force: bool, spare: bool = True) -> Observation:  # noqa: ARG002
        """What the picture shows, as the real eyes would say it."""
        street = self._street
        if street.light == "dark":
            return Observation(frame.at_ms, usable=False, gap="dark")
        places = [(BOXES[place], "car") for place, _ in street._shown()]
        if street.light == "bus":  # it hides both places
            places = [(_BUS, "bus")]
        seen = tuple(Seen(box, label, 0.8, _look(frame.image, box)) for box, label in places)
        looks = {s.id: look for s in state.stays if (look := _look(frame.image, s.spot)) is not None}
        spots = {s.id: s.spot for s in state.stays}
        bare = _paint((), "day", 0)
        empty = {i: _alike(bare, spots[i], look) for i, look in looks.items()}
        calm = {i: _alike(self._before, spots[i], look) for i, look in looks.items()}
        self._before = frame.image
        return Observation(frame.at_ms, seen, looks, empty, calm)

    def examine(self, image: Image, box: object, labels: object, *, piece: object = None) -> float:  # noqa: ARG002
        """A closer look: everything here is a vehicle."""
        return 0.6

    def wider(self, image: Image, box: Box) -> tuple[View, ...]:  # noqa: ARG002
        """Wider views: every box here is a whole vehicle."""
        return ()


_looks: dict[tuple[int, Box], tuple[Image, Look | None]] = {}


def _look(image: Image, box: Box) -> Look | None:
    """The look of a place; pictures repeat, so it is remembered with the picture that it is of."""
    key = (id(image), box)
    known = _looks.get(key)
    if known is None or known[0] is not image:
        if len(_looks) > 2000:
            _looks.clear()
        known = _looks[key] = (image, look_at(image, box))
    return known[1]


def _alike(image: Image, spot: Box, look: Look) -> float:
    other = _look(image, spot)
    return -1.0 if other is None else likeness(look, other)


@dataclass(frozen=True)
class _Reading:
    text: str
    confidence: float = 0.98
    sharpness: float = 0.7
    kind: str = "blue"
    per_character: tuple[float, ...] = (0.98,) * 7


class ScriptedReader:
    """Reads the plate of whoever stands at the place that the crop is of."""

    def __init__(self, street: Street) -> None:
        self._street = street

    def read_best(self, crop: Image) -> _Reading | None:
        """The plate, or None where a bus hides it."""
        place = 0 if crop.shape[1] > 75 else 1
        stand = self._street.standing[place]
        return None if stand is None or self._street.light != "day" else _Reading(stand.plate)


def unanimous(looks: Sequence[PlateLook]) -> tuple[str | None, float, str]:
    """A plate if all readings agree."""
    texts = {look.text for look in looks}
    return (texts.pop(), 0.99, "") if len(texts) == 1 else (None, 0.0, "the readings contradict one another")


class Directory:
    """Knows the owners that the script says are known."""

    def __init__(self, stands: Sequence[Stand]) -> None:
        self._known = {s.plate: f"+86139{n:08d}" for n, s in enumerate(stands) if s.known}

    def find(self, plate: str, purpose: str) -> Owner | NoOwner:  # noqa: ARG002
        """The owner, as the port of directories wants it."""
        phone = self._known.get(plate)
        return NoOwner("not_found") if phone is None else Owner(phone, None)


class Everybody:
    """Knows an owner for every plate."""

    def find(self, plate: str, purpose: str) -> Owner | NoOwner:  # noqa: ARG002
        """The owner, as the port of directories wants it."""
        return Owner("+8613900000001", None)


def forget_pictures() -> None:
    """Drop what was painted and looked at: the benchmark's own memory."""
    _looks.clear()
    _texture.cache_clear()
    _paint.cache_clear()
    _ground.cache_clear()
