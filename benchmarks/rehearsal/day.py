"""The day, lived by the real engine: stays, cases, warnings, the database and its rest log.

Only the detector, the plate reader and the sealing of pictures are played: boxes are the simulator's silhouettes with a
detector's jitter, looks of places change with who stands there.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from benchmarks.rehearsal.street import PERIOD_S, Street
from benchmarks.rehearsal.truth import Standing
from edge_agent.attention import Camera
from edge_agent.cases import Case
from edge_agent.effects import EffectWriter
from edge_agent.engine import Engine
from edge_agent.frames import Frame, Image
from edge_agent.identity import Identity
from edge_agent.perception import Eyes
from edge_agent.plates import PlateDesk, PlateVerdict
from edge_agent.replay import carry_out
from edge_agent.rests import RestLog
from edge_agent.stays import CameraState, Look, Observation, Seen, Stay, StayRules
from edge_agent.stays.wholes import View
from edge_agent.store import Store
from edge_agent.vault import Vault
from protocol.messages import EvidenceRef
from zones import Box, ZoneFile, ZoneIndex
from zones.geometry import iou

_JITTER_PX = 0.8
_BOXES = 5
"""A detector says one of so many boxes of a vehicle that stands still, in turn."""

_PLATE_WAIT_MS = 20_000


def live_through(
    street: Street,
    zones: ZoneFile,
    folder: Path,
    *,
    draw: bool = False,
    remember: bool = True,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Path:
    """Let an agent watch the street for its day.

    Args:
        street: who stands where.
        zones: the zones in force.
        folder: for the agent's data; empty.
        draw: draw the street for the small pictures; else they show a plain sheet.
        remember: keep a rest log.
        progress: told how many looks are done, of how many.

    Returns:
        The agent's database.
    """
    store = Store(folder / "agent.db", Vault.open(folder / "keys" / "box.key"))
    # The day is a fixture, not a promise: nothing is lost that cannot be lived again.
    store.db.execute("PRAGMA synchronous = OFF")
    width, height = street.scene.size
    eyes = _Eyes(street, ZoneIndex(zones, width, height))
    engine = Engine(
        store,
        _Sealer(),
        EffectWriter(Identity("bench", "bench"), store.vault, _Pictures(), None),
        plates=cast(PlateDesk, _Desk(eyes)),
        plate_wait_ms=_PLATE_WAIT_MS,
        rests=RestLog(store) if remember else None,
    )
    rules = StayRules.for_period(PERIOD_S)
    engine.add_camera(Camera("cam1", cast(Eyes, eyes), rules, CameraState("cam1"), zones.place, zones.street))
    plain: Image = np.full((height, width, 3), 120, np.uint8)
    looks = street.day_s // PERIOD_S
    try:
        for number in range(looks):
            at_ms = number * PERIOD_S * 1000
            image = street.scene.render(at_ms) if draw and eyes.anybody_new(at_ms) else plain
            engine.frame(Frame("cam1", street.start_ms + at_ms, image, number))
            engine.tick(street.start_ms + at_ms)
            while carry_out(store, street.start_ms + at_ms):
                engine.arrivals(street.start_ms + at_ms)
            if number % 50 == 0:
                progress(number, looks)
    finally:
        store.close()
    return folder / "agent.db"


class _Eyes:
    """Sees what stands, as a good detector would."""

    def __init__(self, street: Street, index: ZoneIndex) -> None:
        self.index = index
        self._street = street
        self._looks = {stay.id: _look(f"vehicle {stay.id}") for stay in street.stays}
        self._empty = _look("empty ground")
        self.now = 0

    @property
    def regions(self) -> list[tuple[int, int, int, int]]:
        return [(0, 0, self.index.width, self.index.height)]

    def there(self, at_ms: int) -> list[Standing]:
        """Who stands at an instant of the day."""
        return [stay for stay in self._street.stays if stay.arrive_ms <= at_ms < stay.leave_ms]

    def anybody_new(self, at_ms: int) -> bool:
        """Whether somebody has come lately, so that a small picture may be taken."""
        return any(stay.arrive_ms <= at_ms < stay.arrive_ms + 60_000 for stay in self._street.stays)

    def who(self, box: Box, at_ms: int) -> Standing | None:
        """Who stands at this place."""
        here = [stay for stay in self.there(at_ms) if iou(stay.box, box) > 0.6]
        return max(here, key=lambda stay: iou(stay.box, box)) if here else None

    def observe(self, frame: Frame, state: CameraState, *, force: bool, spare: bool = True) -> Observation:  # noqa: ARG002
        at_ms = frame.at_ms - self._street.start_ms
        seen = []
        for stay in self.there(at_ms):
            lots = random.Random(f"{stay.id} {at_ms // (PERIOD_S * 1000) % _BOXES}")
            left, top, right, bottom = (round(side + lots.gauss(0, _JITTER_PX), 2) for side in stay.box)
            seen.append(Seen((left, top, right, bottom), stay.label, 0.8, self._looks[stay.id]))
        patches, empty, calm = {}, {}, {}
        for known in state.stays:
            who = self.who(known.spot, at_ms)
            patches[known.id] = self._empty if who is None else self._looks[who.id]
            empty[known.id] = 1.0 if who is None else 0.0
            calm[known.id] = 1.0
        self.now = at_ms
        return Observation(frame.at_ms, tuple(sorted(seen, key=lambda s: s.box)), patches, empty, calm)

    def examine(self, image: Image, box: Box, labels: object, *, piece: object = None) -> float:  # noqa: ARG002
        return 0.7

    def wider(self, image: Image, box: Box) -> tuple[View, ...]:  # noqa: ARG002
        return ()


class _Desk:
    """Reads the plates that the truth has."""

    def __init__(self, eyes: _Eyes) -> None:
        self._eyes = eyes

    def wants(self, stay: Stay) -> bool:
        return stay.plate_tries < 3

    def read(self, frame: Frame, stay: Stay) -> Stay:  # noqa: ARG002
        return replace(stay, plate_tries=stay.plate_tries + 1)

    def read_again(self, frame: Frame, stay: Stay) -> str | None:  # noqa: ARG002
        who = self._eyes.who(stay.anchor, self._eyes.now)
        return None if who is None else who.plate

    def verdict(self, stay: Stay) -> tuple[PlateVerdict | None, str]:
        who = self._eyes.who(stay.anchor, self._eyes.now)
        if who is None or who.plate is None:
            return None, "no plate in view"
        return PlateVerdict(who.plate, 0.98), ""


class _Sealer:
    """A reference without a picture."""

    def seal(self, case: Case, role: str, frame: Frame, seen: Sequence[Seen]) -> EvidenceRef:  # noqa: ARG002
        digest = hashlib.sha256(f"{case.id} {role}".encode()).hexdigest()
        return EvidenceRef(
            sha256=digest, role=cast(Any, role), taken_at_ms=frame.at_ms, width=1, height=1, size=1
        )


class _Pictures:
    def read(self, case_id: str, sha256: str) -> bytes:  # noqa: ARG002
        return b"."


def _look(name: str) -> Look:
    noise = np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big"))
    return Look(noise.integers(-100, 100, 576, dtype=np.int8).tobytes(), 20.0)
