"""Which picture of a file is due when, for ever: pure arithmetic, no clock.

A file's access units are numbered 0, 1, 2 ... in decode order, and the numbers go on after the file's end when it
is repeated. Times are ticks of the RTP clock since the file's first picture and never fall.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence


class Timeline:
    """The endless (or not) sequence of pictures that a file makes.

    Args:
        decode_ticks: decode time of each access unit, rising, the first 0.
        keyframes: indices of the access units a decoder can begin with; the first is 0.
        period: ticks from the first picture to the end of the last.
        cycle_from: index of the keyframe to go on with after the last picture: 0 repeats the whole file, the last
            keyframe holds the last group of pictures; None ends.
    """

    def __init__(
        self, decode_ticks: Sequence[int], keyframes: Sequence[int], period: int, cycle_from: int | None
    ) -> None:
        self._decode = decode_ticks
        self._keyframes = keyframes
        self.period = period
        self._cycle_from = cycle_from
        self._count = len(decode_ticks)

    def spot(self, number: int) -> tuple[int, int] | None:
        """(index into the file, ticks to add to its times) of the numbered picture; None after the end."""
        if number < self._count:
            return number, 0
        start = self._cycle_from
        if start is None:
            return None
        rounds, rest = divmod(number - self._count, self._count - start)
        return start + rest, (rounds + 1) * (self.period - self._decode[start])

    def ticks(self, number: int) -> int | None:
        """Decode time of the numbered picture; None after the end."""
        found = self.spot(number)
        return None if found is None else self._decode[found[0]] + found[1]

    def first_at(self, ticks: float) -> int:
        """Number of the first picture due at or after an instant."""
        if ticks <= self._decode[-1] or self._cycle_from is None:
            return bisect_left(self._decode, ticks)
        start = self._cycle_from
        over = ticks - self.period
        if over <= 0:
            return self._count
        rounds, rest = divmod(over, self.period - self._decode[start])
        index = bisect_left(self._decode, self._decode[start] + rest, lo=start)
        return self._count + int(rounds) * (self._count - start) + index - start

    def keyframe_from(self, number: int) -> int | None:
        """Number of the first keyframe at or after a number; None when no more come."""
        found = self.spot(number)
        if found is None:
            return None
        index, _ = found
        later = bisect_left(self._keyframes, index)
        if later < len(self._keyframes):
            return number + self._keyframes[later] - index
        return None if self._cycle_from is None else number + self._count - index
