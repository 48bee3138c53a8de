"""Heartbeats of workers, and counts of what happened in any process, in the database.

Workers have no address of their own that could be asked: they may run on several machines, any number of each kind, and
come and go. So each says every few seconds in the database that it lives and what it counted since; the web process tells
all of it (`/readyz`, `/metrics`). Counts are added up in rows that outlive every process, so they never run backwards.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections import Counter
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

from django.db import DatabaseError, transaction
from django.db.models import F

from central.live.models import Heartbeat, Tally
from central.project import logs
from central.project.clock import now_ms
from protocol.clock import Clock, SystemClock

INGEST, SWEEP, DISPATCH, NOTICES, HOTLINE, DEVICES, WEBHOOKS = (
    "ingest",
    "sweep",
    "dispatch",
    "notices",
    "hotline",
    "devices",
    "webhooks",
)
KINDS = (INGEST, SWEEP, DISPATCH, NOTICES, HOTLINE, DEVICES, WEBHOOKS)
"""Workers that a whole centre has; at least one of each."""

BEAT_MS = 5_000
SILENT_MS = 30_000
"""A worker that missed several beats is not running, or cannot reach the database."""

FORGET_MS = 86_400_000

WORKING, TROUBLE, STOPPED = "working", "trouble", "stopped"

TALLIES: dict[str, tuple[str, ...]] = {
    "ingest_messages": ("accepted", "refused"),
    "device_messages": ("accepted", "refused"),
    "dispatch_offers": ("offered", "accepted", "declined", "expired", "withdrawn"),
    "database_errors": ("web", *KINDS),
}
"""Each thing that is counted, and the outcomes or places that it is told apart by. Nothing else can be counted, so that
no text from outside ever becomes a row or a label."""

_lock = threading.Lock()
_waiting: Counter[str] = Counter()
_writing = threading.Lock()
_written_ms: int | None = None
_time = SystemClock()


def count(thing: str, which: str, times: int = 1) -> None:
    """Count in memory; written by the next beat or `write_now_and_then`.

    Raises:
        KeyError: nothing of this name is counted.
    """
    if which not in TALLIES[thing]:
        raise KeyError(f"{thing}:{which}")
    if not times:
        return
    with _lock:
        _waiting[f"{thing}:{which}"] += times


def write() -> None:
    """Write what was counted since the last time; if the database fails, it stays for the next time.

    Raises:
        DatabaseError: nothing was written.
    """
    with _lock:
        taken = dict(_waiting)
        _waiting.clear()
    try:
        with transaction.atomic():
            # In one order in every process, so that none waits for another in a circle.
            for name in sorted(taken):
                if not Tally.objects.filter(pk=name).update(value=F("value") + taken[name]):
                    Tally.objects.bulk_create([Tally(name=name)], ignore_conflicts=True)
                    Tally.objects.filter(pk=name).update(value=F("value") + taken[name])
    except BaseException:
        with _lock:
            _waiting.update(taken)
        raise


def is_time() -> bool:
    """Whether a process without a pulse has something to write, and wrote nothing for the time of a beat."""
    return bool(_waiting) and (_written_ms is None or _time.monotonic_ms() - _written_ms >= BEAT_MS)


def write_now_and_then() -> None:
    """Write if it is time, and never fail for it."""
    global _written_ms
    if not _writing.acquire(blocking=False):
        return
    try:
        if is_time():
            _written_ms = _time.monotonic_ms()
            write()
    except DatabaseError:
        pass
    finally:
        _writing.release()


def tallies() -> dict[str, dict[str, int]]:
    """What was counted, with zero for what never happened."""
    rows = dict(Tally.objects.values_list("name", "value"))
    return {
        thing: {which: rows.get(f"{thing}:{which}", 0) for which in outcomes}
        for thing, outcomes in TALLIES.items()
    }


class Pulse:
    """A worker's heart. Threads may share it.

    Args:
        kind: one of `KINDS`.
        name: how this process is known; host, number and a few letters by chance where not given.
        clock: for the time between beats.
    """

    def __init__(self, kind: str, name: str = "", clock: Clock | None = None) -> None:
        self.kind = kind
        logs.this_is(kind)
        self.name = (name or f"{kind}-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}")[:100]
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._started_ms = now_ms()
        self._success_ms: int | None = None
        self._beaten_ms: int | None = None
        self._told: tuple[str, str] | None = None

    def worked(self) -> None:
        """A turn ended without an error, whether there was anything to do or not."""
        self._success_ms = now_ms()

    def failed(self, error: Exception) -> None:  # noqa: ARG002  # its text may hold data
        """The database failed; nothing can be written now, the count goes out with the next beat."""
        count("database_errors", self.kind)

    def beat(self, state: str = WORKING, reason: str = "") -> None:
        """Say that this process lives, if it is time or the state has changed; else nothing.

        Raises:
            DatabaseError: it could not be written.
        """
        if not self._lock.acquire(blocking=False):
            return  # another thread beats now
        try:
            told, now = (state, reason[:300]), self._clock.monotonic_ms()
            due = self._beaten_ms is None or now - self._beaten_ms >= BEAT_MS
            if due or told != self._told:
                self._write(*told)
                self._beaten_ms, self._told = now, told
        finally:
            self._lock.release()

    def stop(self) -> None:
        """Say that this process leaves by its own will; never fails."""
        with suppress(DatabaseError):  # else it will be found silent
            self._write(STOPPED, "")

    def _write(self, state: str, reason: str) -> None:
        at = now_ms()
        with transaction.atomic():
            Heartbeat.objects.update_or_create(
                name=self.name,
                defaults={
                    "kind": self.kind,
                    "state": state,
                    "reason": reason,
                    "version": product_version(),
                    "started_at_ms": self._started_ms,
                    "beat_at_ms": at,
                    "success_at_ms": self._success_ms,
                },
            )
            Heartbeat.objects.filter(beat_at_ms__lt=at - FORGET_MS).delete()
        write()


def product_version() -> str:
    """Which version of street-patrol runs here."""
    try:
        return version("street-patrol")[:40]
    except PackageNotFoundError:
        return "unknown"
