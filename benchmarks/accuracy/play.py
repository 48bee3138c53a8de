"""One script shown to the real engine, picture by picture, in stream time.

Pictures go from the drawing into the engine without a video file between; each is compressed as JPEG and opened again.
What ingest does in a live agent is done by its own parts: capture times from stamps, pictures that repeat. Plates are not
read: the vehicle must be known by its place and look alone, which is the harder case, and nobody is warned, so that the
clock runs from the confirmation.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from benchmarks.accuracy.script import Script
from benchmarks.simulator import zone_file
from benchmarks.simulator.scene import Scene
from edge_agent.attention import Camera
from edge_agent.build import Perceiver, make_camera, make_engine
from edge_agent.engine import Engine, Event
from edge_agent.frames import Frame, Image
from edge_agent.identity import Identity
from edge_agent.ingest._freeze import FreezeWatch
from edge_agent.ingest._time import CaptureTimes
from edge_agent.replay import carry_out
from edge_agent.rests import NoRestLog, Rested
from edge_agent.stays import CameraState, GapKind, Observation, StayEnded, StayEvent, StaySettled, StayWatched
from edge_agent.store import Store
from edge_agent.vault import Vault
from zones import Box, ZoneFile, parse_zone_file

CAMERA = "cam1"

Progress = Callable[[float], None]
"""Told the share done, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that the agent said of a stay. Times are milliseconds of the scene.

    Attributes:
        at_ms: when.
        stay: the agent's id of it.
        what: `settled`, `proven`, `unproven` or `ended`.
        box: where, pixels.
        since_ms: of `settled`: since when it stands; of `ended`: since when it is gone.
        reason: of `ended`.
    """

    at_ms: int
    stay: str
    what: str
    box: Box
    since_ms: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """A case that was opened. Times are milliseconds of the scene."""

    case: str
    stay: str
    box: Box
    at_ms: int


@dataclass(frozen=True, slots=True)
class Tasked:
    """A task that was published, on a picture taken at `at_ms`."""

    case: str
    box: Box
    at_ms: int


@dataclass(slots=True)
class Log:
    """What came of a scene.

    Attributes:
        looks: when the agent got a picture that it could use.
        planned: when it should have had one.
        said: about stays, in order.
        opened, tasked: cases and tasks.
        inferences: how often the detector looked at a whole picture.
    """

    looks: list[int] = field(default_factory=list)
    planned: list[int] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    opened: list[Opened] = field(default_factory=list)
    tasked: list[Tasked] = field(default_factory=list)
    inferences: int = 0


class _Ear(NoRestLog):
    """Listens where rests are remembered; it is told of every stay event."""

    def __init__(self) -> None:
        self.heard: list[tuple[StayEvent, bool]] = []

    def look(
        self, camera: Camera, seen: Observation, state: CameraState, events: Sequence[StayEvent]
    ) -> Rested:
        self.heard.extend((event, seen.usable) for event in events)
        return super().look(camera, seen, state, events)


class _Agent:
    """The engine with its database, as one run of the process has them."""

    def __init__(
        self, folder: Path, zones: ZoneFile, perceiver: Perceiver, script: Script, step_ms: int
    ) -> None:
        self.store = Store(folder / "agent.db", Vault.open(folder / "keys" / "box.key"))
        # The scene can be played again: nothing is lost that a power cut would take.
        self.store.db.execute("PRAGMA synchronous = OFF")
        self.ear = _Ear()
        self.events: list[Event] = []
        self.engine: Engine = make_engine(
            self.store,
            Identity("bench", "bench"),
            folder,
            perceiver,
            on_event=self.events.append,
            rests=self.ear,
        )
        if step_ms:
            self.engine.step_clock(step_ms, "{}")
        width, height = script.scene["size"]
        self.camera = make_camera(CAMERA, zones, width, height, perceiver, self.store, script.period_s)
        self.engine.add_camera(self.camera)

    def close(self) -> None:
        self.engine.rules.close()
        self.store.close()


Render = Callable[[int], Image]
"""The picture at a millisecond of the scene."""


def play(
    script: Script,
    scene: Scene,
    perceiver: Perceiver,
    *,
    render: Render | None = None,
    progress: Progress | None = None,
) -> Log:
    """Show a scene to the agent.

    Args:
        script: the scene's script.
        scene: its scene, for the zones and the pictures.
        perceiver: the detector.
        render: where pictures come from instead of the scene.
        progress: told how far it is.
    """
    with tempfile.TemporaryDirectory(prefix="patrol-bench-") as name:
        return _play(script, scene, perceiver, render or scene.render, Path(name), progress)


def _play(
    script: Script,
    scene: Scene,
    perceiver: Perceiver,
    render: Render,
    folder: Path,
    progress: Progress | None,
) -> Log:
    zones = parse_zone_file(zone_file(scene))
    log = Log()
    lots = random.Random(f"network {script.seed} {script.number}")
    base_ms = scene.start_utc_ms
    restarts, jumps = list(script.restarts), list(script.stamp_jumps)
    times, freeze, stamp_ms = CaptureTimes(), FreezeWatch(), lots.randrange(10**8)
    agent = _Agent(folder, zones, perceiver, script, 0)
    gap: GapKind = "offline"
    period_ms = round(script.period_s * 1000)
    try:
        for number, t_ms in enumerate(range(0, scene.duration_ms + 1, period_ms)):
            log.planned.append(t_ms)
            if restarts and t_ms >= restarts[0][0] * 1000:
                step_ms = round(restarts.pop(0)[1] * 1000)
                log.inferences += agent.camera.eyes.inferences
                agent.close()
                base_ms += step_ms
                agent = _Agent(folder, zones, perceiver, script, step_ms)
                times, freeze = CaptureTimes(), FreezeWatch()
            if jumps and t_ms >= jumps[0][0] * 1000:
                stamp_ms += round(jumps.pop(0)[1] * 1000)
            now_ms = base_ms + t_ms + 200
            if not any(start <= t_ms < end for start, end in scene.outages):
                arrived_ms = now_ms - 200 + lots.randint(5, 60)
                times.saw(stamp_ms + t_ms, arrived_ms)
                image = _through_camera(render(t_ms), script.jpeg)
                if freeze.same_for_ms(image, t_ms) is not None:
                    gap = "frozen"
                else:
                    agent.engine.frame(Frame(CAMERA, times.taken_ms(stamp_ms + t_ms), image, number), gap)
                    gap = "offline"
                    if image.any():
                        log.looks.append(t_ms)
            agent.engine.tick(now_ms)
            while carry_out(agent.store, now_ms):
                agent.engine.arrivals(now_ms)
            _note(log, agent, t_ms, base_ms)
            if progress is not None:
                progress(t_ms / scene.duration_ms)
        log.inferences += agent.camera.eyes.inferences
    finally:
        agent.close()
    return log


def _through_camera(image: Image, quality: int) -> Image:
    """Compressed and opened again."""
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)


def _note(log: Log, agent: _Agent, t_ms: int, base_ms: int) -> None:
    """What the agent said since the last look, in the scene's time."""
    heard, agent.ear.heard = agent.ear.heard, []
    for event, _ in heard:
        stay = event.stay
        match event:
            case StaySettled():
                log.said.append(Said(t_ms, stay.id, "settled", stay.anchor, stay.first_ms - base_ms))
            case StayWatched(proven=proven):
                log.said.append(Said(t_ms, stay.id, "proven" if proven else "unproven", stay.anchor))
            case StayEnded(at_ms=at_ms, reason=reason):
                log.said.append(Said(t_ms, stay.id, "ended", stay.anchor, at_ms - base_ms, reason))
    told, agent.events[:] = list(agent.events), []
    for told_event in told:
        case_id, state = told_event["case"], told_event["state"]
        case = None if case_id is None else agent.store.case(str(case_id))
        if case is None:
            continue
        if state == "confirmed":
            log.opened.append(Opened(case.id, case.whole_stay_id, case.box, t_ms))
        elif state == "tasked":
            log.tasked.append(Tasked(case.id, case.box, t_ms))
