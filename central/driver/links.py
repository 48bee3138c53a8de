"""The centre's side of links: the keys, an address for a case, and the case of an address."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from django.conf import settings

from notifier.links import LinkKey, load_or_create_keys, make_link
from protocol.clock import Millis

LIFE_AFTER_CLOCK_MS = 48 * 3_600_000
"""How long after the deadline a link still opens: long enough to look up what became of it, short enough that an old
message on a lost phone shows nothing."""


def link_for(*, jurisdiction_id: str, agent_id: str, agent_case_id: str, clock_ends_ms: Millis) -> str | None:
    """The address of the page about a case, or None where no public address is set (``PATROL_CENTRAL_PUBLIC_URL``).

    Raises:
        PatrolError: the keys cannot be used.
        UnavailableError: they can be neither read nor made.
    """
    base = settings.PATROL.public_url
    if base is None:
        return None
    return make_link(
        base,
        keys()[0],
        jurisdiction_id=jurisdiction_id,
        agent_id=agent_id,
        case_id=agent_case_id,
        expires_ms=clock_ends_ms + LIFE_AFTER_CLOCK_MS,
    )


def keys() -> tuple[LinkKey, ...]:
    """The keys whose links are accepted; the first signs. Read again when the file has changed."""
    path = settings.PATROL.link_keys_file or Path(settings.PATROL.data) / "link_keys"
    try:
        facts = path.stat()
        stamp = (facts.st_mtime_ns, facts.st_size, facts.st_ino)
    except OSError:
        stamp = (0, 0, 0)
    return _read(path, stamp)


@lru_cache(maxsize=4)
def _read(path: Path, stamp: tuple[int, int, int]) -> tuple[LinkKey, ...]:  # noqa: ARG001  # a part of the cache's key
    return load_or_create_keys(path, field="PATROL_CENTRAL_LINK_KEYS_FILE")
