"""A recording that plays in real time, as if it were a camera."""

from __future__ import annotations

import threading

from edge_agent.frames import Frame
from edge_agent.ingest._recording import Recording
from edge_agent.ingest._slot import Slot
from edge_agent.ingest._status import OnChange, Status
from edge_agent.ingest._time import SteadyClock
from protocol.clock import Millis
from protocol.errors import PatrolError
from protocol.messages import CameraHealth

JOIN_S = 2.0
"""How long `stop` waits for the thread to finish the picture it decodes."""


class PlaybackSource:
    """Delivers each frame of a recording when as much time has passed as in the recording; then it has ended.

    Args:
        recording: what to play.
        clock: the process's steady clock, for the pace alone: frames carry the recording's stream time.
        on_change: called with the health at each change of state; must be quick.
    """

    def __init__(self, recording: Recording, clock: SteadyClock, on_change: OnChange | None = None) -> None:
        self._recording = recording
        self._clock = clock
        self._started_ms: int | None = None
        self._slot = Slot()
        self._status = Status(recording.camera_id, self._now, on_change)
        self._cancel = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self._thread is None and not self._cancel.is_set():
            self._started_ms = self._clock.monotonic_ms()
            self._thread = threading.Thread(
                target=self._run, name=f"playback-{self._recording.camera_id}", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        self._cancel.set()
        self._slot.close()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(JOIN_S)

    def health(self) -> CameraHealth:
        return self._status.health()

    def take(self, timeout_s: float) -> Frame | None:
        return self._slot.take(timeout_s)

    def request_now(self) -> None:
        """Does nothing: a recording keeps to its boundaries, so that every replay is the same."""

    def _now(self) -> Millis:
        """The stream time that has come."""
        passed_ms = 0 if self._started_ms is None else self._clock.monotonic_ms() - self._started_ms
        return self._recording.start_ms + passed_ms

    def _run(self) -> None:
        try:
            for frame in self._recording.frames():
                while (ahead_ms := frame.at_ms - self._now()) > 0:
                    if self._cancel.wait(ahead_ms / 1000):
                        return
                if self._cancel.is_set():
                    return
                self._status.delivered(frame.at_ms)
                self._status.become("live", "")
                self._slot.put(frame)
        except PatrolError as error:
            self._status.become("unsupported", error.problem)
            return
        self._status.become("ended", "the recording is over")
