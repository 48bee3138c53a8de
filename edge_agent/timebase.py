"""What became of time while the agent was not running.

Case clocks are kept in steady time (UTC at the process's start, counted on by the monotonic clock). At the next
start the wall clock may have been set, or the machine may have been off. The difference is told here, so that
running clocks keep the time that is really left, and never less.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from protocol.clock import Millis

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

_TOLERANCE_MS = 1_000
"""Slewing by NTP and rounding stay below this. Steps back that are smaller are left alone, clocks then end that much
later; a step forward always counts, or restart by restart a clock would end earlier."""


class Mark(BaseModel):
    """One moment on all clocks."""

    boot: str = Field(
        description="Changes with every start of the machine; empty where the system has no such thing."
    )
    utc_ms: Annotated[int, Field(description="Steady time.")]
    monotonic_ms: int


def boot_id() -> str:
    """The kernel's name for this run of the machine."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def step_since(last: Mark, *, boot: str, utc_ms: Millis, monotonic_ms: int) -> int:
    """By how much the time base stepped between the last mark and now, milliseconds; 0 if it did not.

    On the same run of the machine the monotonic clock knows how much time really passed. After a restart of the
    machine nobody knows; then the whole difference counts as a step, so that a clock may end later but never earlier.
    """
    passed_by_wall = utc_ms - last.utc_ms
    if boot and boot == last.boot and monotonic_ms >= last.monotonic_ms:
        step = passed_by_wall - (monotonic_ms - last.monotonic_ms)
        return step if step > 0 or step < -_TOLERANCE_MS else 0
    return passed_by_wall
