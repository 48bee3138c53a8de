"""When an officer pressed the button: the phone's word, put on the centre's clock and kept within what is possible.

A phone's clock may be wrong by hours. Before it sends, it asks the centre for the time and so knows by how much it is ahead;
what it noted at the tap is put right by that. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_WAIT_MS = 7 * 24 * 3_600_000
"""An action that waited longer is still taken, but its time is not believed: a shift is over within a day."""

SLACK_MS = 2_000
"""How far out a true word may lie: the difference of clocks is measured over a network."""


@dataclass(frozen=True, slots=True)
class Tap:
    """An instant on the centre's clock, UTC ms, and whether the phone's word could be true."""

    at_ms: int
    known: bool


def tap(received_at_ms: int, tapped_ms: int | None, ahead_ms: int | None, not_before_ms: int) -> Tap:
    """The instant of the tap.

    Args:
        received_at_ms: the centre's clock at the arrival.
        tapped_ms: the phone's clock at the tap; None where the page sent a plain form.
        ahead_ms: by how much the phone's clock is ahead of the centre's, negative where it is behind.
        not_before_ms: nobody can have acted earlier, because the task was not yet there.

    Returns:
        always within ``[min(not_before_ms, received_at_ms), received_at_ms]``.
    """
    if tapped_ms is None or ahead_ms is None:
        return Tap(received_at_ms, True)
    at = tapped_ms - ahead_ms
    earliest = max(min(not_before_ms, received_at_ms), received_at_ms - LONGEST_WAIT_MS)
    kept = min(max(at, earliest), received_at_ms)
    return Tap(kept, abs(kept - at) <= SLACK_MS)
