"""CPU time of each stage of reading, for one thread."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

STAGES = ("find", "rectify", "read", "opinions", "decode", "second look")
"""Names that the reader gives its stages."""


class Stopwatch:
    """Adds up the CPU time of this thread per stage; `lap` gives it out in milliseconds and starts anew."""

    def __init__(self) -> None:
        self._spent: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        begin = time.thread_time()
        try:
            yield
        finally:
            self._spent[stage] = self._spent.get(stage, 0.0) + time.thread_time() - begin

    def lap(self) -> dict[str, float]:
        """Milliseconds per stage since the last lap."""
        spent = {stage: self._spent.get(stage, 0.0) * 1000 for stage in STAGES}
        self._spent.clear()
        return spent
