"""When a picture was taken, told by a clock that never steps.

A live camera's packets carry time stamps (PTS) on the camera's own scale, which begins anywhere. What turns them
into UTC is an anchor: ``time taken = anchor + PTS``. For each packet ``arrival - PTS`` is the anchor plus the time
the packet spent on its way, so the smallest value seen is the best anchor, and a packet that waited in a socket
buffer while the agent or the network was busy has a larger value that changes nothing: its picture gets its true,
old time. A picture taken before a clock's end therefore never looks as if it were taken after it.

Arrival is read from `SteadyClock`, because a step of the wall clock would otherwise look like a very late, or
impossibly early, packet.
"""

from __future__ import annotations

from protocol.clock import Clock, Millis

DRIFT_PPM = 500
"""How fast the anchor may rise: crystals differ by up to 100 millionths, cheap cameras by a few hundred. A packet
stream that stays late is believed to be on time at this rate only: 0.5 ms per second."""

SETTLE_MS = 500
"""An anchor is trusted after this long without a notable fall. Many cameras and recorders open with a burst of
stored pictures; the first of them would otherwise be stamped with the time of connecting."""

FALL_MS = 20
"""A fall of the anchor by less than this is network jitter, not the end of a burst."""

REORDER_MS = 2_000
"""Time stamps may go back this far without being a new scale: pictures that are sent before the ones they follow."""


class SteadyClock:
    """UTC at its making plus the time that has passed since on the monotonic clock. Never steps.

    A process makes one of these and gives it to all its sources, so that their frames agree with one another.

    Args:
        clock: the machine's clocks.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset_ms = clock.utc_ms() - clock.monotonic_ms()

    def utc_ms(self) -> Millis:
        """Steady time, UTC milliseconds."""
        return self._offset_ms + self._clock.monotonic_ms()

    def monotonic_ms(self) -> int:
        """See `protocol.clock.Clock`."""
        return self._clock.monotonic_ms()

    def wall_error_ms(self) -> int:
        """Wall clock minus steady time: what the wall clock has stepped or been slewed by since the start."""
        return self._clock.utc_ms() - self.utc_ms()


def steady(clock: Clock) -> SteadyClock:
    """The clock itself if it is steady, else a steady one made from it now."""
    return clock if isinstance(clock, SteadyClock) else SteadyClock(clock)


class CaptureTimes:
    """Estimates the anchor of one connection. Pure: arrival times come in as data."""

    def __init__(self) -> None:
        self._anchor_ms = 0.0
        self._arrived_ms: Millis | None = None
        self._newest_pts_ms = 0
        self._fell_ms: Millis = 0

    def saw(self, pts_ms: int, arrived_ms: Millis) -> bool:
        """Note one packet.

        Args:
            pts_ms: its time stamp on the camera's scale.
            arrived_ms: when it was received, by a steady clock.

        Returns:
            False if the camera began a new scale with this packet: earlier stamps can no longer be converted.
        """
        delay_ms = arrived_ms - pts_ms
        same_scale = self._arrived_ms is None or pts_ms >= self._newest_pts_ms - REORDER_MS
        if self._arrived_ms is None or not same_scale:
            self._anchor_ms = delay_ms
            self._newest_pts_ms = pts_ms
            self._fell_ms = arrived_ms
        else:
            risen = self._anchor_ms + max(0, arrived_ms - self._arrived_ms) * DRIFT_PPM / 1e6
            if delay_ms < risen - FALL_MS:
                self._fell_ms = arrived_ms
            self._anchor_ms = min(risen, delay_ms)
            self._newest_pts_ms = max(self._newest_pts_ms, pts_ms)
        self._arrived_ms = arrived_ms
        return same_scale

    @property
    def settled(self) -> bool:
        """True once the anchor has kept its value for a while."""
        return self._arrived_ms is not None and self._arrived_ms - self._fell_ms >= SETTLE_MS

    def taken_ms(self, pts_ms: int) -> Millis:
        """When the picture with this stamp was taken, UTC milliseconds: never later than the newest arrival."""
        taken = int(self._anchor_ms + pts_ms)
        return taken if self._arrived_ms is None else min(taken, self._arrived_ms)
