"""A street with one camera whose zone file changes while vehicles stand there.

Pictures are painted and what is detected in them is scripted; eyes, tracker, cases, database, evidence, zone files and
signatures are the real ones. One beat is one second.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from edge_agent.build import Perceiver, make_engine
from edge_agent.config import CameraConfig, ZonesSection
from edge_agent.effects import unsealed
from edge_agent.engine import Event
from edge_agent.frames import Frame, Image
from edge_agent.identity import Identity
from edge_agent.perception import EyesConfig
from edge_agent.store import Store
from edge_agent.vault import Vault
from edge_agent.zone_telling import through_outbox
from edge_agent.zone_updates import ZoneUpdates
from models.detections import Detections
from notifier import outbox
from protocol.messages import ZonePlan
from tests.edge_agent.test_stays import HEIGHT, WIDTH, Vehicle, paint
from zones.publishing import Archive, SignedZones, SigningKey

T0 = 1_767_225_600_000
CONFIRM_S, GRACE_S = 4, 8

CAR = Vehicle((100, 110, 180, 170), seed=7)
"""Stands in the pavement of `zones_text`."""

OTHER = Vehicle((190, 20, 270, 80), seed=9)
"""Stands in no zone of it."""

PAVEMENT = [(20, 100), (300, 100), (300, 200), (20, 200)]
UPPER = [(20, 10), (300, 10), (300, 95), (20, 95)]


def zones_text(
    *zones: tuple[str, Sequence[tuple[int, int]], str], camera: str = "cam1", street: str = "Kerb Street"
) -> str:
    """A zone file with these zones: id, polygon, further lines."""
    parts = [
        f'camera = "{camera}"\nstreet = "{street}"\n[picture]\nwidth = {WIDTH}\nheight = {HEIGHT}\n',
    ]
    for name, polygon, more in zones or (("P1", PAVEMENT, ""),):
        rules = f"confirm_after_s = {CONFIRM_S}\ngrace_s = {GRACE_S}\n"
        parts.append(
            f'[[zone]]\nid = "{name}"\nname = "{name}"\npolygon = {[list(p) for p in polygon]}\n{rules}{more}\n'
        )
    return "".join(parts)


class ScriptedDetector:
    """Sees what the script says is in view; a closer look sees the vehicle in the middle of the view."""

    def __init__(self) -> None:
        self.view: list[Vehicle] = []

    def detect_regions(self, picture: Image, regions: object) -> Detections:
        boxes = [vehicle.box for vehicle in self.view]
        return Detections(boxes, [0.8] * len(boxes), [v.label for v in self.view])

    def detect(self, pictures: Sequence[Image]) -> list[Detections]:
        found = []
        for picture in pictures:
            height, width = picture.shape[:2]
            wide, high = (CAR.box[2] - CAR.box[0]) / 2, (CAR.box[3] - CAR.box[1]) / 2
            box = (width / 2 - wide, height / 2 - high, width / 2 + wide, height / 2 + high)
            found.append(Detections([box], [0.6], ["car"]))
        return found


class Street:
    """One life of the agent's deciding part."""

    def __init__(self, folder: Path, zones: Path, start: int = 0, **section: Any) -> None:
        self.zones = zones
        self.detector = ScriptedDetector()
        self.beats = start
        self.told: list[Event] = []
        self.store = Store(folder / "agent.db", Vault.open(folder / "keys" / "box.key"))
        perceiver = Perceiver(
            self.detector,
            320,
            "scripted",
            "0" * 64,
            None,
            eyes=EyesConfig(skip_unchanged=False),  # type: ignore[arg-type]
        )
        self._perceiver = perceiver
        self.engine = make_engine(
            self.store, Identity("j", "a"), folder, perceiver, on_event=self.told.append
        )
        config = CameraConfig.model_validate(
            {"id": "cam1", "url": "rtsp://127.0.0.1/", "zones": zones, "sample_period_s": 1}
        )
        try:
            tell = through_outbox(Identity("j", "a"), self.store)
            self.updates = ZoneUpdates([config], ZonesSection(**section), folder, self.store, tell)
        except BaseException:
            self.store.close()
            raise
        self._running = False

    @property
    def now_ms(self) -> int:
        return T0 + self.beats * 1000

    def beat(self, *view: Vehicle, times: int = 1, poll: bool = True) -> None:
        """Let seconds pass with these vehicles in view; warnings are refused by nobody, as there is no plate."""
        for _ in range(times):
            image = paint(list(view), 11 + self.beats % 4)
            image = np.ascontiguousarray(image)
            self.detector.view = list(view)
            if poll:
                self.updates.poll(self.engine, self.now_ms)
            if not self._running:
                self.updates.take_up("cam1", WIDTH, HEIGHT, self._perceiver, self.engine, self.now_ms)
                self._running = True
            self.engine.frame(Frame("cam1", self.now_ms, image, self.beats))
            self.engine.tick(self.now_ms)
            self.beats += 1

    def settle(self) -> None:
        """Two looks at the zone file: it rests, and is taken up."""
        self.updates.poll(self.engine, self.now_ms)
        self.updates.poll(self.engine, self.now_ms)

    def write(self, text: str | bytes) -> None:
        """The zone file as an editor saves it."""
        self.zones.write_bytes(text.encode() if isinstance(text, str) else text)
        os.utime(self.zones, ns=(self.beats, self.beats + self.zones.stat().st_ino))

    def plans(self) -> list[ZonePlan]:
        """What the centre is yet to be told of the zones."""
        entries = outbox.claim(self.store.db, "mqtt", self.now_ms, 100)
        items = [unsealed(self.store.vault)(entry.item) for entry in entries]
        return [ZonePlan.model_validate_json(i.payload) for i in items if i.meta["topic"].endswith("/zones")]

    def states(self, *, zone: str | None = None) -> list[str]:
        """States told, of one zone or of all."""
        return [e["state"] for e in self.told if zone is None or e["zone"] == zone]

    def close(self) -> None:
        self.store.close()


@contextmanager
def street(folder: Path, zones: Path, start: int = 0, **section: Any) -> Iterator[Street]:
    """A street in a folder of its own; `start` is the second at which this life begins."""
    one = Street(folder, zones, start, **section)
    try:
        yield one
    finally:
        one.close()


class Office:
    """Publishes."""

    def __init__(self, folder: Path, key: SigningKey | None = None) -> None:
        self.archive = Archive(folder)
        self.key = key or SigningKey.generate()
        self.at_ms = T0

    def publish(self, text: str, camera: str = "cam1", author: str = "Li Wei") -> SignedZones:
        self.at_ms += 1000
        return self.archive.publish(
            text,
            self.key,
            camera=camera,
            at_ms=self.at_ms,
            author=author,
            reason="a test",
            expected=self.archive.history().current,
        )


ONE = zones_text()
TWO = zones_text(("P1", PAVEMENT, ""), ("P2", UPPER, ""))
MOVED = zones_text(("P1", [(20, 10), (95, 10), (95, 200), (20, 200)], ""))
"""P1, but no longer where CAR stands."""

SETTLE_S = 5
"""Looks until a vehicle counts as standing, and one more."""
