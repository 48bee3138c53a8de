"""Who may take time for a closer look: checks of all cameras go before it. And how many of those come late."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from math import exp

from protocol.clock import Millis

_SPARE_MS = 500
"""For so long a round of all cameras has time for closer looks. One takes up to a third of a second, and every camera waits for it."""

_PUT_OFF_SOON, _PUT_OFF_MOST = 2, 5
"""After so many pictures without one a camera's next picture has it though the round is late, if no other had one of late; or else after so many."""

_LATE_EVERY_MS, _LATE_REST = 2_000, 5
"""How often a late round has time for such a look; and no sooner than so many times what the last one took, or a slow box would give
half its time to them."""

_LOAD_OVER_MS, _LATE_SHARE = 120_000, 0.1
"""A box is told to be behind when of the checks of about so long more than this share came late."""


class Turns:
    """Puts closer looks off while a round takes long.

    Several vehicles that come to rest at once, before several cameras, ask for seconds of the detector's time. Each closer look that is
    put off is taken at one of that camera's next pictures, so its case may be opened later, never earlier. Nothing is put off where
    a box has time, and no look on which a task may rest is asked about here.

    Args:
        behind: whether more pictures wait than are looked at.
    """

    def __init__(self, behind: Callable[[], bool] = lambda: False) -> None:
        self.behind = behind
        self._began_ms: Millis = 0
        self._late_ms: Millis | None = None
        self._rest_ms = _LATE_EVERY_MS
        self._put_off: defaultdict[str, int] = defaultdict(int)

    def begin(self, now_ms: Millis) -> None:
        """A round of all cameras begins. `now_ms` is monotonic."""
        self._began_ms = now_ms

    def has_time(self, now_ms: Millis) -> bool:
        """Whether the round is not late and no picture waits: there is time for more than checks."""
        return now_ms - self._began_ms <= _SPARE_MS and not self.behind()

    def may_look_closer(self, camera_id: str, now_ms: Millis) -> bool:
        """Whether this camera's picture, which is looked at now and wants closer looks, may have them."""
        if not self.has_time(now_ms):
            waited = self._put_off[camera_id]
            rested = self._late_ms is None or now_ms - self._late_ms >= self._rest_ms
            if waited < (_PUT_OFF_SOON if rested else _PUT_OFF_MOST):
                self._put_off[camera_id] += 1
                return False
            self._late_ms = now_ms
        self._put_off[camera_id] = 0
        return True

    def took(self, spent_ms: int) -> None:
        """A closer look took so long."""
        self._rest_ms = max(_LATE_EVERY_MS, _LATE_REST * spent_ms)


class Load:
    """How many checks come late because the box is behind, those of the last two minutes counting most."""

    def __init__(self) -> None:
        self._noted_ms: Millis | None = None
        self._checks = 0.0
        self._late = 0.0

    def note(self, now_ms: Millis, *, late: bool) -> None:
        """A check was done. `now_ms` is monotonic."""
        since_ms = 0 if self._noted_ms is None else now_ms - self._noted_ms
        left = exp(-since_ms / _LOAD_OVER_MS)
        self._checks, self._late = self._checks * left + 1, self._late * left + late
        self._noted_ms = now_ms

    @property
    def problem(self) -> str | None:
        """What to tell of it."""
        if self._late <= _LATE_SHARE * self._checks:
            return None
        return (
            "behind: pictures wait so long to be looked at that checks come more than half a period late; "
            "use fewer cameras, a longer sample_period_s or sub-streams"
        )
