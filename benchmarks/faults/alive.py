"""The real agent's process over some minutes, with camera, broker and centre and without faults: memory and handles."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.faults.leaks import find_growth
from benchmarks.faults.real import WITHIN_S, Scene
from protocol.errors import UnavailableError

_EVERY_S = 2.0

RSS_SLACK_MB, HANDLES_SLACK = 25.0, 4.0
"""Growth after warming up that is no leak yet: over minutes, a stay's pictures and the detector's buffers come and go, and
workers open and close files."""


@dataclass(frozen=True, slots=True)
class Alive:
    """What was read from /proc.

    Attributes:
        minutes: how long.
        rss_mb, handles: resident memory and open file handles of the agent's process, a figure every two seconds.
        found: leaks in words; empty if none.
    """

    minutes: float
    rss_mb: tuple[float, ...]
    handles: tuple[int, ...]
    found: tuple[str, ...]


def watch(shared: Path, folder: Path, minutes: float, say: Callable[[float], None]) -> Alive:
    """Let the agent work and read its memory.

    Args:
        shared: as `real.prepare` left it.
        folder: for this run; made.
        say: told the minutes that are over.

    Raises:
        UnavailableError: a process did not come up or ended.
    """
    rss: list[float] = []
    handles: list[int] = []
    with ExitStack() as stack:
        scene = Scene(shared, folder, 0, stack)
        began = time.monotonic()
        # Every part has worked once, down to the task's pictures at the centre: before that, growth is no leak.
        while not scene.over():
            if time.monotonic() - began > WITHIN_S:
                raise UnavailableError(
                    f"after {WITHIN_S:g} s not everything has arrived; there were no faults"
                )
            time.sleep(0.5)
        began = time.monotonic()
        while (lived_s := time.monotonic() - began) < 60 * minutes:
            time.sleep(_EVERY_S)
            if not scene.agent.alive:
                tail = scene.agent.log.read_text("utf-8", "replace")[-500:].strip()
                raise UnavailableError(f"the agent ended by itself: {tail or 'it said nothing'}")
            proc = Path(f"/proc/{scene.agent.pid}")
            status = proc.joinpath("status").read_text("utf-8")
            line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
            rss.append(int(line.split()[1]) * 1024 / 1e6)
            handles.append(len(list(proc.joinpath("fd").iterdir())))
            say(lived_s / 60)
        scene.agent.stop()
        scene.centre.stop()
    found = find_growth(rss, (), handles, rss_slack_mb=RSS_SLACK_MB, handles_slack=HANDLES_SLACK)
    return Alive(minutes, tuple(rss), tuple(handles), tuple(f"the agent's process: {text}" for text in found))
