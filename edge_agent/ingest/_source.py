"""What every source of frames can do."""

from __future__ import annotations

from typing import Protocol

from edge_agent.frames import Frame
from protocol.messages import CameraHealth


class Source(Protocol):
    """A camera, or a recording that plays as if it were one. Frames come in a thread of the source's own."""

    def start(self) -> None:
        """Begin. Returns at once; the health tells how it goes."""

    def stop(self) -> None:
        """End for good and wake whoever waits in `take`. May be called twice."""

    def health(self) -> CameraHealth:
        """What the source is doing now."""

    def take(self, timeout_s: float) -> Frame | None:
        """The newest frame that was not taken yet; None if none comes within `timeout_s` seconds.

        `Frame.at_ms` rises strictly from one frame to the next.
        """

    def request_now(self) -> None:
        """Decode the next keyframe (with ``sampling = "all"``: the next picture) without waiting for the period."""
