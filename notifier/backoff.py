"""When to try again: exponential backoff with full jitter, as a pure function of attempt and dice.

Full jitter (a uniform draw below a growing ceiling) spreads the boxes of a district that all lost the same
broker at the same moment. The dice are given, so that a test or a replay throws the same ones.
"""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """A retry policy.

    Args:
        first_ms: ceiling of the first delay, milliseconds.
        cap_ms: no ceiling is higher than this.
        factor: the ceiling grows by this factor with each attempt.
        floor_ms: no delay is shorter than this, so that an unlucky draw does not hammer the other side.
    """

    first_ms: int = 1_000
    cap_ms: int = 300_000
    factor: float = 2.0
    floor_ms: int = 100

    def __post_init__(self) -> None:
        if not 0 <= self.floor_ms <= self.first_ms <= self.cap_ms or self.factor < 1:
            raise ValueError(f"needs 0 <= floor <= first <= cap and factor >= 1, got {self!r}")

    def ceiling_ms(self, attempt: int) -> int:
        """The longest delay after `attempt` failures in a row (1 is the first)."""
        # The exponent is limited so that a year of failures does not overflow a float.
        grown = self.first_ms * self.factor ** min(max(attempt, 1) - 1, 64)
        return int(min(self.cap_ms, grown))

    def delay_ms(self, attempt: int, dice: random.Random) -> int:
        """Milliseconds to wait after `attempt` failures in a row, between the floor and the ceiling."""
        return round(dice.uniform(self.floor_ms, max(self.floor_ms, self.ceiling_ms(attempt))))


def system_dice() -> random.Random:
    """Dice seeded by the operating system."""
    return random.SystemRandom()
