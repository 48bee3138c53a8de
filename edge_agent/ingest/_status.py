"""The state of one source, as its health report shows it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from edge_agent.ingest._problem import SourceState
from protocol.clock import Millis
from protocol.messages import CameraHealth

log = logging.getLogger(__name__)

OnChange = Callable[[CameraHealth], None]


class Status:
    """State, reason and counts. Any thread may write; changes are told in the order in which they happen.

    Args:
        camera_id: stands in each report.
        now: the source's stream time, UTC milliseconds.
        on_change: called with each new state, in the thread that noticed it; must be quick.
    """

    def __init__(self, camera_id: str, now: Callable[[], Millis], on_change: OnChange | None) -> None:
        self._camera_id = camera_id
        self._now = now
        self._on_change = on_change
        self._lock = threading.Lock()
        # Held while a listener is told, so that changes are told in their order. The health can be asked for
        # meanwhile, by the listener or by one whom it waits for.
        self._telling = threading.RLock()
        self._state: SourceState = "connecting"
        self._reason = ""
        self._notes: dict[str, str] = {}
        self._since_ms = now()
        self._last_frame_ms: Millis | None = None
        self._frames = 0
        self._reconnects = 0

    @property
    def state(self) -> SourceState:
        with self._lock:
            return self._state

    def become(self, state: SourceState, reason: str) -> None:
        """Set state and reason; tells of it only if the state is another one."""
        with self._telling:
            with self._lock:
                self._reason = reason
                if state == self._state:
                    return
                self._state, self._since_ms = state, self._now()
            level = logging.INFO if state in ("connecting", "live", "ended") else logging.WARNING
            log.log(level, "camera %s: %s%s", self._camera_id, state, f": {reason}" if reason else "")
            if self._on_change is not None:
                try:
                    self._on_change(self.health())
                except Exception:
                    # A listener's mistake must not end the camera's thread.
                    log.exception("camera %s: a listener failed", self._camera_id)

    def note(self, subject: str, text: str) -> None:
        """A remark on a source although it works, e.g. that keyframes are too rare; empty takes it back."""
        with self._lock:
            if text:
                self._notes[subject] = text
            else:
                self._notes.pop(subject, None)

    def delivered(self, at_ms: Millis) -> None:
        """Count one frame, taken at this stream time."""
        with self._lock:
            self._frames += 1
            self._last_frame_ms = at_ms

    def reconnecting(self) -> None:
        """Count one more attempt to connect."""
        with self._lock:
            self._reconnects += 1

    def health(self) -> CameraHealth:
        """The report as of now."""
        with self._lock:
            age_ms = None if self._last_frame_ms is None else max(0, self._now() - self._last_frame_ms)
            return CameraHealth(
                camera_id=self._camera_id,
                state=self._state,
                reason="; ".join(part for part in (self._reason, *self._notes.values()) if part),
                since_ms=self._since_ms,
                last_frame_age_ms=age_ms,
                frames=self._frames,
                reconnects=self._reconnects,
            )
