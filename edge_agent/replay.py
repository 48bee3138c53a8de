"""A recording through the whole agent: the same picture, the same decision, whatever the speed.

Time is the recording's own. Warnings are accepted at once and tasks by nobody, so that a replay shows what the
agent would have decided, not what a gateway happened to do. Nothing leaves the machine.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from edge_agent.build import Perceiver, make_camera, make_engine
from edge_agent.engine import Engine, Event
from edge_agent.frames import Frame
from edge_agent.identity import Identity
from edge_agent.ingest import Recording
from edge_agent.rests import RestLog
from edge_agent.store import Store
from edge_agent.vault import Vault
from notifier import outbox
from protocol.clock import Millis
from zones import ZoneFile


@dataclass(slots=True)
class ReplayResult:
    """What a replay came to.

    Attributes:
        frames: pictures looked at.
        events: all events in order.
        first_ms, last_ms: stream time of the first and last picture.
        inferences: how often the detector ran.
    """

    frames: int = 0
    events: list[Event] = field(default_factory=list)
    first_ms: Millis | None = None
    last_ms: Millis | None = None
    inferences: int = 0

    @property
    def cases(self) -> list[str]:
        """Ids of the cases, in order of appearance."""
        return list(dict.fromkeys(str(e["case"]) for e in self.events if e["case"] is not None))


def replay(
    recording: Recording,
    zones: ZoneFile,
    perceiver: Perceiver,
    *,
    camera_id: str,
    period_s: float,
    data_dir: Path,
    speed: float | None = None,
    on_event: Callable[[Event], None] | None = None,
    on_frame: Callable[[Frame, ReplayResult], None] | None = None,
    stop: threading.Event | None = None,
) -> ReplayResult:
    """Run a recording through perception, stays and cases.

    Args:
        recording: where pictures come from, in stream time.
        zones: the camera's zones.
        perceiver: detector and plate reader.
        camera_id: name of the camera in events.
        period_s: how far apart the recording's samples are, seconds.
        data_dir: folder for the database and the evidence of this replay.
        speed: 1 plays in real time, None as fast as possible; decisions are the same.
        on_event: told of each event as it happens.
        on_frame: told after each picture.
        stop: ends the replay early when set.

    Raises:
        PatrolError: the recording cannot be read, or its pictures have another shape than the zones'.
    """
    identity = Identity("replay", "replay")
    store = Store(data_dir / "replay.db", Vault.open(data_dir / "keys" / "box.key"))
    result = ReplayResult()
    engine: Engine | None = None

    def note(event: Event) -> None:
        result.events.append(event)
        if on_event is not None:
            on_event(event)

    try:
        engine = make_engine(store, identity, data_dir, perceiver, on_event=note, rests=RestLog(store))
        pause = stop or threading.Event()
        camera = None
        for frame in recording.frames():
            if result.last_ms is not None and speed:
                pause.wait(max(0.0, (frame.at_ms - result.last_ms) / 1000 / speed))
            if pause.is_set():
                break
            if camera is None:
                height, width = frame.image.shape[:2]
                camera = make_camera(camera_id, zones, width, height, perceiver, store, period_s)
                engine.add_camera(camera)
            result.frames += 1
            result.first_ms = frame.at_ms if result.first_ms is None else result.first_ms
            result.last_ms = frame.at_ms
            engine.frame(frame)
            engine.tick(frame.at_ms)
            while carry_out(store, frame.at_ms):
                engine.arrivals(frame.at_ms)
            if on_frame is not None:
                on_frame(frame, result)
        if camera is not None:
            result.inferences = camera.eyes.inferences
    finally:
        if engine is not None:
            engine.rules.close()
        store.close()
    return result


def carry_out(store: Store, at_ms: Millis) -> int:
    """Stand in for the world: every warning is accepted, every message arrives. Returns how many there were."""
    done = 0
    with store.transaction() as db:
        for channel in ("sms", "mqtt"):
            for entry in outbox.claim(db, channel, at_ms, 100):
                key = entry.item.key
                outbox.mark_sending(db, key, at_ms, due_ms=at_ms)
                outbox.mark_done(db, key, at_ms)
                done += 1
                if channel == "sms":
                    store.arrive(db, "notice_accepted", str(entry.item.meta["case_id"]), {}, f"{key}#result")
    return done
