"""The farm: a street of RTSP cameras in a process of its own, on cores of its own.

python -m benchmarks.capacity.farm main 100 --cores 1
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
from contextlib import suppress

from benchmarks.capacity.clips import CYCLE_S, EMPTY_S, Stream, load_media
from benchmarks.rtsp import RtspServer
from protocol.clock import SystemClock

EVERY_S = 2.0


def plan(count: int, standing: int, first_s: float, spread_s: float, seed: int) -> dict[int, float]:
    """Which cameras see vehicles come to stand, and how many seconds after the farm's start, spread evenly."""
    chosen = random.Random(seed).sample(range(count), standing)
    return {camera: first_s + spread_s * place / max(1, standing) for place, camera in enumerate(chosen)}


async def serve(stream: Stream, count: int, arrivals: dict[int, float], seed: int) -> None:
    """Serve until told to end; prints port and start as one line of JSON, then what it did, a line every two seconds."""
    passing, standing = load_media(stream)
    server = RtspServer()
    dice = random.Random(seed)
    for number in range(count):
        if number in arrivals:
            server.add(f"/cam{number}", standing, offset_s=(EMPTY_S - arrivals[number]) % CYCLE_S)
        else:
            server.add(f"/cam{number}", passing, offset_s=dice.uniform(0, passing.duration_s - 0.1))
    stopped = asyncio.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, stopped.set)
    await server.start()
    now_ms = SystemClock().utc_ms()
    arrived = {f"cam{number}": now_ms + round(1000 * at_s) for number, at_s in arrivals.items()}
    print(json.dumps({"port": server.port, "began_ms": now_ms, "arrivals_ms": arrived}), flush=True)
    utc = SystemClock()

    def report() -> None:
        skipped = sum(one.skipped for one in server.stats())
        print(
            json.dumps({"utc_ms": utc.utc_ms(), "skipped": skipped, "cpu_s": sum(os.times()[:2])}), flush=True
        )

    try:
        while not stopped.is_set():
            report()
            with suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), EVERY_S)
    finally:
        report()
        await server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stream", choices=("main", "sub"))
    parser.add_argument("count", type=int)
    parser.add_argument("--standing", type=int, default=0)
    parser.add_argument("--first", type=float, default=30)
    parser.add_argument("--spread", type=float, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cores", type=int, nargs="*", default=[])
    given = parser.parse_args()
    if given.cores:
        os.sched_setaffinity(0, given.cores)
    arrivals = plan(given.count, given.standing, given.first, given.spread, given.seed)
    asyncio.run(serve(given.stream, given.count, arrivals, given.seed))


if __name__ == "__main__":
    sys.exit(main())
