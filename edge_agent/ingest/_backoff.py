"""How long to wait before the next connection. Pure, but for the dice it is given."""

from __future__ import annotations

from collections.abc import Callable
from random import SystemRandom

from edge_agent.ingest._config import SourceConfig
from edge_agent.ingest._problem import SourceState

GOOD_SESSION_MS = 10_000
"""A connection that gave pictures for this long starts the count of failures anew; shorter ones are failures."""

LONGEST_DOUBLING = 16
"""Beyond this many failures the wait has reached any sensible limit; keeps the power small."""

SHORTENED_BY = 0.5
"""Each wait is shortened at random by up to this share."""


class Backoff:
    """Counts failures and turns them into waits.

    Args:
        config: the bounds.
        dice: a number from 0 up to 1 at each call.
    """

    def __init__(self, config: SourceConfig, dice: Callable[[], float] | None = None) -> None:
        self._config = config
        self._dice = dice or SystemRandom().random
        self._failures = 0

    def wait_s(self, state: SourceState, lived_ms: int) -> float:
        """Seconds to wait after a connection that ended in `state` and gave pictures for `lived_ms`."""
        self._failures = 0 if lived_ms >= GOOD_SESSION_MS else self._failures + 1
        config = self._config
        doubled = config.backoff_min_s * 2.0 ** min(max(0, self._failures - 1), LONGEST_DOUBLING)
        longest = min(config.backoff_max_s, doubled)
        if state == "unauthorised":
            longest = config.unauthorised_retry_s
        elif state == "unsupported":
            longest = config.backoff_max_s
        # An account must not be tried sooner than its owner allowed: no shortening there.
        return longest if state == "unauthorised" else longest * (1 - SHORTENED_BY * self._dice())
