"""Tells a picture that stands still from a camera that looks at a still street."""

from __future__ import annotations

from edge_agent.frames import Image
from edge_agent.ingest._decode import fingerprint


class FreezeWatch:
    """Compares each decoded picture with the one before, also across connections.

    A living camera's sensor noise changes every picture. One that is equal to the last in every value is that
    picture again, whatever time stamp it carries, so it must not pass for a new one.
    """

    def __init__(self) -> None:
        self._last: tuple[int, int, int] | None = None
        self._since_ms = 0

    def same_for_ms(self, image: Image, now_ms: int) -> int | None:
        """How long the picture has been exactly this one, monotonic milliseconds; None if it is a new one."""
        seen = fingerprint(image)
        if seen == self._last:
            return now_ms - self._since_ms
        self._last, self._since_ms = seen, now_ms
        return None
