"""What other apps have done now and then by the process that sweeps clocks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from django.db import DatabaseError

log = logging.getLogger(__name__)

Chore = Callable[[], object]

_KNOWN: dict[str, tuple[int, Chore]] = {}


def every(interval_ms: int, name: str, chore: Chore) -> None:
    """Have something done each so many milliseconds. Called by `AppConfig.ready`; a second call for a name replaces the first.

    A chore takes a second at most, since deadlines of cases wait for it meanwhile, and every sweeper runs it: what
    one alone is to do is leased (`central.project.leases`).
    """
    _KNOWN[name] = (interval_ms, chore)


@dataclass(slots=True)
class Rota:
    """When one process did each chore last, by the monotonic clock."""

    _done_ms: dict[str, int] = field(default_factory=dict)

    def due(self, now_ms: int) -> Iterator[Callable[[], None]]:
        """What is to be done now. An error of one chore is logged and stops no other; the database's own is passed on."""
        for name, (interval_ms, chore) in _KNOWN.items():
            last = self._done_ms.get(name)
            if last is None or now_ms - last >= interval_ms:
                self._done_ms[name] = now_ms
                yield lambda name=name, chore=chore: _guarded(name, chore)  # type: ignore[misc]


def _guarded(name: str, chore: Chore) -> None:
    try:
        chore()
    except DatabaseError:
        raise
    except Exception:
        log.exception("chore %s failed", name)
