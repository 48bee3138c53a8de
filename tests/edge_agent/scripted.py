"""A scripted street: who stands where, second by second, and what is to be seen of it.

Pictures are painted and what is detected in them is scripted; looks of places are those of the painted picture.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from edge_agent.frames import Frame, Image
from edge_agent.stays import CameraState, Observation, Seen
from edge_agent.stays.appearance import likeness, look_at
from edge_agent.stays.model import PlateLook
from edge_agent.stays.wholes import View
from notifier.owners import NoOwner, Owner
from tests.edge_agent.test_stays import Vehicle, paint
from zones import ZoneFile, ZoneIndex

T0 = 1_767_225_600_000
BEAT_MS = 1_000
CONFIRM_S, GRACE_S, WINDOW_S = 4, 8, 6
WIDTH, HEIGHT = 320, 240

Scene = Literal["A", "B", "empty", "bus", "dark", "gone"]
"""Who stands in the place; bus: A behind a passing bus; gone: no picture at all."""

Deed = Literal["sms", "deliver", "outcome", "outcome again"]

ZONES = ZoneFile.model_validate(
    {
        "picture": {"width": WIDTH, "height": HEIGHT},
        "street": "Kerb Street",
        "zone": [
            {
                "id": "P1",
                "name": "Pavement",
                "polygon": [(20, 100), (300, 100), (300, 200), (20, 200)],
                "confirm_after_s": CONFIRM_S,
                "grace_s": GRACE_S,
                "recheck_window_s": WINDOW_S,
            }
        ],
    }
)


def zones_with(**rules: Any) -> ZoneFile:
    """The same street with more rules in its zone."""
    data = ZONES.model_dump(mode="json", by_alias=True, exclude_none=True)
    data["zone"][0].update(rules)
    return ZoneFile.model_validate(data)


CAR_A = Vehicle((100, 110, 180, 170), seed=7)
CAR_B = Vehicle((101, 109, 182, 171), seed=8)
BUS = Vehicle((60, 100, 230, 215), seed=9, label="bus")
IN_VIEW: dict[Scene, list[Vehicle]] = {
    "A": [CAR_A],
    "B": [CAR_B],
    "empty": [],
    "bus": [CAR_A, BUS],
    "dark": [],
}
PLATES = {"A": "沪A8K526", "B": "京N12345"}
PHONES = {"沪A8K526": "+8613900000001"}
"""The owner of B is not known: nobody can be warned."""


@dataclass(frozen=True)
class Beat:
    """One second of the world."""

    scene: Scene
    deeds: tuple[Deed, ...] = ("sms", "deliver")


class ScriptedEyes:
    """Tells what the script says is in each picture; looks of places are taken from the painted picture."""

    def __init__(self, zones: ZoneFile = ZONES) -> None:
        self.index = ZoneIndex(zones, WIDTH, HEIGHT)
        self.scene: Scene = "empty"
        self.before = picture("empty", 0)

    def observe(self, frame: Frame, state: CameraState, *, force: bool, spare: bool = True) -> Observation:
        if self.scene == "dark":
            return Observation(frame.at_ms, usable=False, gap="dark")
        seen = tuple(Seen(v.box, v.label, 0.8, look_at(frame.image, v.box)) for v in IN_VIEW[self.scene])
        looks = {s.id: look for s in state.stays if (look := look_at(frame.image, s.spot)) is not None}
        spots = {s.id: s.spot for s in state.stays}
        empty = {i: _alike(picture("empty", 0), spots[i], look) for i, look in looks.items()}
        calm = {i: _alike(self.before, spots[i], look) for i, look in looks.items()}
        return Observation(frame.at_ms, seen, looks, empty, calm)

    def examine(self, image: Image, box: object, labels: object, *, piece: object = None) -> float:
        return 0.6

    def wider(self, image: Image, box: object) -> tuple[View, ...]:
        seen = tuple(Seen(vehicle.box, vehicle.label, 0.8) for vehicle in IN_VIEW[self.scene])
        return (View((0.0, 0.0, WIDTH, HEIGHT), seen),)


def _alike(image: Image, spot: Any, look: Any) -> float:
    other = look_at(image, spot)
    return -1.0 if other is None else likeness(look, other)


@functools.cache
def picture(scene: Scene, number: int) -> Image:
    """What the camera shows; four pictures of each scene differ by their noise only."""
    image = paint(IN_VIEW[scene], 11 + number % 4)
    image.setflags(write=False)
    return image


@dataclass(frozen=True)
class _Reading:
    text: str
    confidence: float = 0.98
    sharpness: float = 0.7
    kind: str = "blue"
    per_character: tuple[float, ...] = (0.98,) * 7


class ScriptedReader:
    """Reads the plate of the car that the script says is in view."""

    def __init__(self, eyes: ScriptedEyes) -> None:
        self._eyes = eyes
        self.covered = False

    def read_best(self, crop: Image) -> _Reading | None:
        text = None if self.covered else PLATES.get(self._eyes.scene)
        return None if text is None else _Reading(text)


def unanimous(looks: Sequence[PlateLook]) -> tuple[str | None, float, str]:
    """A plate if all readings agree."""
    texts = {look.text for look in looks}
    return (texts.pop(), 0.99, "") if len(texts) == 1 else (None, 0.0, "the readings contradict one another")


class Owners:
    """A directory that knows the owner of A only."""

    def find(self, plate: str, purpose: str) -> Owner | NoOwner:
        phone = PHONES.get(plate)
        return NoOwner("not_found") if phone is None else Owner(phone, None)
