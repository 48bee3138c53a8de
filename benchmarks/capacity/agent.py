"""The agent that is measured: `edge_agent.runtime.Agent` as it is, with stop-watches around its parts.

    python -m benchmarks.capacity.agent agent.toml figures.jsonl --cores 0

Writes a line of JSON a second. Everything is processor time, told apart by thread and, inside a thread, by part.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

EVERY_S = 1.0


class Watches:
    """Processor seconds by part, from the threads that worked on it. Parts inside others are taken out of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = threading.local()
        self.seconds: dict[str, float] = {}
        self.calls: dict[str, int] = {}

    def around(self, part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, its processor time counted."""

        def timed(*args: Any, **options: Any) -> Any:
            outer = getattr(self._inside, "taken", 0.0)
            self._inside.taken = 0.0
            began = time.thread_time()
            try:
                return work(*args, **options)
            finally:
                whole = time.thread_time() - began
                own = whole - self._inside.taken
                self._inside.taken = outer + whole
                with self._lock:
                    self.seconds[part] = self.seconds.get(part, 0.0) + own
                    self.calls[part] = self.calls.get(part, 0) + 1

        return timed


def _thread_seconds() -> dict[str, float]:
    """Processor seconds of the living threads, by the part of the program that they belong to."""
    found = {"receive": 0.0, "cameras": 0.0}
    for thread in threading.enumerate():
        if thread.ident is None:
            continue
        if thread.name == "ingest-receive":
            part = "receive"
        elif thread.name.startswith("camera-"):
            part = "cameras"
        else:
            continue
        found[part] += time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
    return found


def _resident_mb() -> tuple[float, float]:
    text = Path("/proc/self/status").read_text("utf-8")
    values = {line.split(":")[0]: line.split()[1] for line in text.splitlines() if line.startswith("Vm")}
    return int(values["VmRSS"]) * 1024 / 1e6, int(values["VmHWM"]) * 1024 / 1e6


class Reporter:
    """Writes what has been done so far, once a second."""

    def __init__(self, agent: Any, watches: Watches, out: TextIO) -> None:
        self._agent = agent
        self._watches = watches
        self._out = out
        self._lock = threading.Lock()
        self._looks: list[tuple[str, int, int]] = []
        self._stays: list[tuple[str, int, int]] = []
        self._known: set[str] = set()
        self._second_looks = 0

    def looked(self, camera: str, at_ms: int, now_ms: int, stays: tuple[Any, ...], *, again: bool) -> None:
        """A picture was decided on; a second look (`again`) is none of the camera's checks."""
        with self._lock:
            if again:
                self._second_looks += 1
            else:
                self._looks.append((camera, at_ms, now_ms))
            for stay in stays:
                if stay.id not in self._known:
                    self._known.add(stay.id)
                    self._stays.append((camera, stay.first_ms, now_ms))

    def write(self) -> None:
        now, peak = _resident_mb()
        with self._lock:
            looks, self._looks = self._looks, []
            stays, self._stays = self._stays, []
        live = sum(feed.source.health().state == "live" for feed in self._agent._feeds.values())
        line = {
            "utc_ms": self._agent._clock.utc_ms(),
            "process_s": time.process_time(),
            "threads": _thread_seconds(),
            "parts": dict(self._watches.seconds),
            "calls": dict(self._watches.calls),
            "rss_mb": now,
            "peak_mb": peak,
            "live": live,
            "second_looks": self._second_looks,
            "looks": looks,
            "stays": stays,
        }
        self._out.write(json.dumps(line) + "\n")
        self._out.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--cores", type=int, nargs="*", default=[])
    given = parser.parse_args()
    if given.cores:
        os.sched_setaffinity(0, given.cores)

    from edge_agent.config import load_config
    from edge_agent.engine import Engine
    from edge_agent.ingest import _decode, _session
    from edge_agent.perception import Eyes
    from edge_agent.runtime import Agent

    watches = Watches()
    patched: Any = _decode.PictureDecoder
    patched.alone = watches.around("decode", patched.alone)
    patched = _session
    patched.to_image = watches.around("convert", patched.to_image)
    patched = Eyes
    patched.observe = watches.around("change test", patched.observe)
    agent: Any = Agent(load_config(given.config))
    detector = agent._perceiver.detector
    detector.detect_regions = watches.around("regions", detector.detect_regions)
    detector.detect = watches.around("inference", detector.detect)
    with given.out.open("w", encoding="utf-8") as out:
        reporter = Reporter(agent, watches, out)
        decide = Engine.decide

        def decided(self: Engine, glance: Any, outlook: Any) -> None:
            decide(self, glance, outlook)
            frame, stays = glance.frame, glance.camera.state.stays
            reporter.looked(frame.camera_id, frame.at_ms, agent._clock.utc_ms(), stays, again=glance.again)

        patched = Engine
        patched.decide = decided
        stop, ended = threading.Event(), threading.Event()
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, lambda *_: stop.set())

        def report() -> None:
            while not ended.wait(EVERY_S):
                reporter.write()

        writer = threading.Thread(target=report, name="figures", daemon=True)
        writer.start()
        agent.run(stop)
        ended.set()
        writer.join(5)


if __name__ == "__main__":
    sys.exit(main())
