"""Looks between two checks of a camera: who may have one, and when. Checks of all cameras go before them."""

from __future__ import annotations

from collections.abc import Collection

from edge_agent.frames import Frame
from protocol.clock import Millis

AT_ONCE = 3
"""Pictures that are asked for or wait at once. One takes up to a tenth of a second and comes within two, so that second looks
take a sixth of a core at most, however many cameras want them."""

NOT_BEFORE_MS = 1_500
"""A picture taken sooner after the one that was not sure shows the same passer-by before the same thing."""

CHECK_SHARE = 0.9
"""From this share of the period on a picture is the camera's next check."""


class SecondLooks:
    """Keeps the order of those who wait. All times are stream time, UTC milliseconds; not for several threads.

    A camera that wants a second look waits in turn until the box has time, then for its next keyframe, then for the end of a
    round's checks. Whatever comes of that, its next check is neither moved nor made to wait, and ends the waiting.
    """

    def __init__(self) -> None:
        self._checked: dict[str, Millis] = {}
        self._waiting: dict[str, tuple[Millis, Millis]] = {}
        self._asked: dict[str, Millis] = {}
        self._held: dict[str, Frame] = {}

    def looked(self, camera_id: str, at_ms: Millis, period_ms: int, *, again: bool, wanted: bool) -> None:
        """A picture was decided on.

        Args:
            at_ms: when it was taken.
            period_ms: the camera's sampling period.
            again: it was a second look.
            wanted: it calls for one, or for another.
        """
        for kept in (self._waiting, self._asked, self._held):
            kept.pop(camera_id, None)
        if not again:
            self._checked[camera_id] = at_ms
        until_ms = self._checked.get(camera_id, at_ms) + round(CHECK_SHARE * period_ms)
        if wanted and at_ms + NOT_BEFORE_MS < until_ms:
            self._waiting[camera_id] = (at_ms + NOT_BEFORE_MS, until_ms)

    def ask(self, now_ms: Millis) -> Collection[str]:
        """The cameras whose next keyframe is to be decoded, first come, first served. Called when there is time."""
        self._asked = {camera: until for camera, until in self._asked.items() if until > now_ms}
        self._waiting = {camera: span for camera, span in self._waiting.items() if span[1] > now_ms}
        free = AT_ONCE - len(self._asked.keys() | self._held.keys())
        chosen = [camera for camera, (from_ms, _) in self._waiting.items() if from_ms <= now_ms][
            : max(0, free)
        ]
        for camera in chosen:
            self._asked[camera] = self._waiting.pop(camera)[1]
        return chosen

    def keeps(self, frame: Frame) -> bool:
        """Whether this picture is a second look: then it is kept until there is time."""
        until_ms = self._asked.get(frame.camera_id)
        if until_ms is None or frame.at_ms >= until_ms:
            return False
        self._held[frame.camera_id] = frame
        return True

    def take(self, now_ms: Millis) -> Frame | None:
        """The next picture for a second look, none if none waits. One whose camera's next check is due is given up."""
        while self._held:
            camera_id = next(iter(self._held))
            frame = self._held.pop(camera_id)
            if self._asked.pop(camera_id, 0) > now_ms:
                return frame
        return None
