"""Room for one frame: the newest wins, and nothing can queue."""

from __future__ import annotations

import threading

from edge_agent.frames import Frame
from edge_agent.ingest._room import ROOM, Room
from protocol.clock import Millis


class Slot:
    """Hands the newest frame from one thread to another.

    Args:
        room: where its frame takes a place until it is taken.
    """

    def __init__(self, room: Room = ROOM) -> None:
        self._room = room
        self._placed = False
        self._turn = threading.Event()
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._closed = False

    def reserve(self, patience_s: float) -> None:
        """Wait for a place for a frame that is about to be decoded, at most so long. It is held until the frame is
        taken, or given up."""
        with self._changed:
            if self._placed or self._closed:
                return
            self._turn = turn = threading.Event()
        self._room.enter(patience_s, turn)
        with self._changed:
            if self._placed or self._closed:
                self._room.leave()  # another thread of this camera was faster
            else:
                self._placed = True

    def hurry(self) -> None:
        """Who waits for a place goes in at once."""
        with self._changed:
            self._turn.set()

    def give_up(self) -> None:
        """Nothing came of the frame for which a place was reserved."""
        with self._changed:
            if self._frame is None:
                self._leave()

    def put(self, frame: Frame) -> None:
        """Keep this frame; an older one that nobody took is gone."""
        with self._changed:
            if not self._placed and not self._closed:
                self._room.enter(0)
                self._placed = True
            self._frame = frame
            self._changed.notify_all()

    def waiting_since(self) -> Millis | None:
        """When the frame that nobody took yet was taken by its camera; None if there is none."""
        frame = self._frame
        return None if frame is None else frame.at_ms

    def take(self, timeout_s: float) -> Frame | None:
        """The newest frame that was not taken yet, or None after `timeout_s` seconds or once closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame is not None or self._closed, timeout_s)
            frame, self._frame = self._frame, None
            if frame is not None:
                self._leave()
            return frame

    def close(self) -> None:
        """Let nobody wait any longer."""
        with self._changed:
            self._closed = True
            self._turn.set()
            self._leave()
            self._changed.notify_all()

    def _leave(self) -> None:
        if self._placed:
            self._placed = False
            self._room.leave()
