"""What a process has loaded for good is not searched for garbage again."""

from __future__ import annotations

import gc

from django.urls import get_resolver

THRESHOLDS = (10_000, 20, 50)
"""When the collector looks at the youngest objects (so many more than before), and how many such looks it waits before it goes
through the next older ones. Measured with Python's (700, 10, 10): six looks for each list, and in every twentieth list one
through all that is not frozen, 14 ms on average and 46 at worst: after the freeze nothing old is left to be compared with,
which otherwise keeps such looks rare."""


def settle() -> None:
    """Load every view, then take all that is there out of the collector's sight; look more seldom at what comes later.

    A full collection looks at each object of Django, the views and the translations: 85 ms in the middle of some page,
    although none of them ever goes. `bootstrap.start` has set Django up before.
    """
    _ = get_resolver().url_patterns
    freeze()
    gc.set_threshold(*THRESHOLDS)


def freeze() -> None:
    """Take what is there out of the collector's sight, but for what is garbage already. What a child is forked with stays shared:
    a collection would write into each object."""
    gc.collect()
    gc.freeze()
