"""How far a share may be off, when it was counted from few."""

from __future__ import annotations

import math
from collections.abc import Sequence

Z95 = 1.959963984540054
"""Two-sided 95 % of the normal distribution."""


def wilson(hits: int, of: int, z: float = Z95) -> tuple[float, float]:
    """Wilson's score interval of a share: never outside of 0 to 1, and honest where all or none are hits.

    Args:
        hits: how many.
        of: of how many; 0 tells nothing, so the interval is everything.
        z: standard deviations to each side.

    Returns:
        Lower and upper bound, 0 to 1.

    Raises:
        ValueError: more hits than tries, or fewer than none.

    Source: E. B. Wilson, Journal of the American Statistical Association 22 (1927), p. 209.
    """
    if not 0 <= hits <= of:
        raise ValueError(f"{hits} of {of} is no share")
    if of == 0:
        return 0.0, 1.0
    share = hits / of
    shrink = 1 + z * z / of
    middle = (share + z * z / (2 * of)) / shrink
    reach = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / shrink
    # The bounds of none and of all are exact; arithmetic may miss them by the last bit.
    low = 0.0 if hits == 0 else max(0.0, middle - reach)
    high = 1.0 if hits == of else min(1.0, middle + reach)
    return low, high


def median(values: Sequence[float]) -> float | None:
    """The middle value, the mean of the two middle ones where they are even in number; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
