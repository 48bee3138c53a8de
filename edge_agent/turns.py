"""Who may take time for a closer look: checks of all cameras go before it."""

from __future__ import annotations

from collections import defaultdict

from protocol.clock import Millis

_SPARE_MS = 500
"""For so long a round of all cameras has time for closer looks. One takes up to a third of a second, and every camera waits for it."""

_PUT_OFF_SOON, _PUT_OFF_MOST = 2, 5
"""After so many pictures without one a camera's next picture has it though the round is late, if no other had one of late; or else after so many."""

_LATE_EVERY_MS = 2_000
"""How often a late round has time for such a look."""


class Turns:
    """Puts closer looks off while a round takes long.

    Several vehicles that come to rest at once, before several cameras, ask for seconds of the detector's time. Each closer look that is
    put off is taken at one of that camera's next pictures, so its case may be opened later, never earlier. Nothing is put off where
    a box has time, and no look on which a task may rest is asked about here.
    """

    def __init__(self) -> None:
        self._began_ms: Millis = 0
        self._late_ms: Millis | None = None
        self._put_off: defaultdict[str, int] = defaultdict(int)

    def begin(self, now_ms: Millis) -> None:
        """A round of all cameras begins. `now_ms` is monotonic."""
        self._began_ms = now_ms

    def has_time(self, now_ms: Millis) -> bool:
        """Whether the round is not late: there is time for more than checks."""
        return now_ms - self._began_ms <= _SPARE_MS

    def may_look_closer(self, camera_id: str, now_ms: Millis) -> bool:
        """Whether this camera's picture, which is looked at now and wants closer looks, may have them."""
        if not self.has_time(now_ms):
            waited = self._put_off[camera_id]
            rested = self._late_ms is None or now_ms - self._late_ms >= _LATE_EVERY_MS
            if waited < (_PUT_OFF_SOON if rested else _PUT_OFF_MOST):
                self._put_off[camera_id] += 1
                return False
            self._late_ms = now_ms
        self._put_off[camera_id] = 0
        return True
