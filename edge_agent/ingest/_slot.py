"""Room for one frame: the newest wins, and nothing can queue."""

from __future__ import annotations

import threading

from edge_agent.frames import Frame


class Slot:
    """Hands the newest frame from one thread to another."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._closed = False

    def put(self, frame: Frame) -> None:
        """Keep this frame; an older one that nobody took is gone."""
        with self._changed:
            self._frame = frame
            self._changed.notify_all()

    def take(self, timeout_s: float) -> Frame | None:
        """The newest frame that was not taken yet, or None after `timeout_s` seconds or once closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame is not None or self._closed, timeout_s)
            frame, self._frame = self._frame, None
            return frame

    def close(self) -> None:
        """Let nobody wait any longer."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
