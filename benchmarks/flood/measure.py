"""A centre on SQLite, a client that works, and another that floods: the first one's calls with and without the second.

With and without take turns, so that whatever the machine does besides falls on both alike.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.bays.town import Town
from benchmarks.figures import Figure
from benchmarks.flood.calls import Answer, look, report, send
from protocol.clock import SystemClock
from protocol.errors import UnavailableError

FloatArray = npt.NDArray[np.float64]

CLIENT, FLOODER = "127.0.0.1", "127.0.0.2"
PAGE = "/login/"
WAVES, CALLS = 10, 8
"""Turns; and calls of the client's after which it looks whether the flood goes on."""

COST_MS = 1.0
FELT_MS = {"median": 5.0, "p95": 20.0}
"""What the flood may add at most, by the upper end of the interval: a twentieth of what a person notices, and a fifth."""

RATE = 8.0
"""Calls a second of the client that works: half of them look, half of them report."""


def measure(
    folder: Path,
    *,
    reports: int,
    rate: float,
    connections: int,
    workers: int,
    progress: Callable[[str], None],
) -> list[Figure]:
    """The figures.

    Args:
        folder: empty, for the centre's data.
        reports: how many the flood sends.
        rate: how many of them a second.
        connections: over which they come; each waits for its answer before it sends again.
        workers: web processes.
        progress: told what is done now.
    """
    os.environ["PATROL_CENTRAL_DATA"] = str(folder)
    from central.project import bootstrap

    bootstrap.start()
    progress("making a centre")
    bootstrap.migrate()
    bootstrap.collect_static()
    from django.db import connection

    from central.cases.apikeys import add_key
    from central.cases.models import ApiCall, Case

    good = add_key("good", "bench", ("open", "read"), per_minute=100_000)
    bad = add_key("bad", "bench", ("open",))
    wave = max(1, reports // WAVES)
    quiet: list[Answer] = []
    busy: list[Answer] = []
    statuses: Counter[int] = Counter()
    unsaid = 0
    clock = SystemClock()
    with Town(folder, (), 0).web(workers) as (port, pids), _flooder(port, bad, rate, connections) as flooder:
        # Each step of the client's looks at the page that everybody sees first, and brings a report.
        progress("warming up")
        asyncio.run(send(port, _work(good, "warm", 40), 20, CLIENT))
        known = Case.objects.count()
        flooded_ms = 0
        for number in range(WAVES):
            progress(f"turn {number + 1} of {WAVES}, with a flood")
            began, done, step = clock.monotonic_ms(), len(busy), 0
            flooder.wave(wave)
            while not flooder.is_done():
                busy += asyncio.run(send(port, _work(good, f"{number} busy {step}", CALLS), RATE, CLIENT))
                step += 1
            flooded_ms += clock.monotonic_ms() - began
            told = flooder.told()
            statuses.update({int(status): count for status, count in told["statuses"].items()})
            unsaid += told["without Retry-After"]
            progress(f"turn {number + 1} of {WAVES}, without a flood")
            for step in range((len(busy) - done) // CALLS):
                quiet += asyncio.run(send(port, _work(good, f"{number} quiet {step}", CALLS), RATE, CLIENT))
        taken = statuses[201]
        mine = sum(answer.kind == "post" and answer.status == 201 for answer in (*quiet, *busy))
        written = Case.objects.count() - known - mine
        progress("what a refused report costs")
        sample = max(100, reports // 5)
        flooder.wave(100)  # the door is shut from here on
        flooder.told()
        before = _spent(pids)
        flooder.wave(sample)
        flooder.told()
        cost_ms = 1000 * (_spent(pids) - before) / sample
    total = sum(statuses.values())
    assert ApiCall.objects.count() == 0
    connection.close()
    others = total - taken - statuses[429]
    figures = [
        Figure("reports of the flood", total),
        Figure("of these answered in a second", total / (flooded_ms / 1000)),
        Figure("of these taken, within its key's limit", taken),
        Figure("of these answered 429 with Retry-After", statuses[429] - unsaid),
        Figure("of these answered otherwise", others + unsaid, "", 1),
        Figure("rows written for reports that were answered 429", written - taken, "", 1),
        Figure("centre's processor time for a report that is refused", cost_ms, "ms", COST_MS),
        Figure("the other's calls that failed", _failed(quiet) + _failed(busy), "", 1),
    ]
    for kind, what in (("page", "the other's page"), ("post", "the other's report")):
        still, during = _times(quiet, kind), _times(busy, kind)
        for share, name in ((50, "median"), (95, "p95")):
            low, middle, high = _difference(still, during, share)
            figures += [
                Figure(f"{what}, {name}, without a flood", float(np.percentile(still, share)), "ms"),
                Figure(f"{what}, {name}, with it", float(np.percentile(during, share)), "ms"),
                Figure("… difference", middle, "ms"),
                Figure("… from (95 %)", low, "ms"),
                Figure("… to (95 %)", high, "ms", FELT_MS[name]),
            ]
    return figures


class _Flooder:
    """The flood's process."""

    def __init__(self, running: subprocess.Popen[str]) -> None:
        self._running = running

    def wave(self, reports: int) -> None:
        """Begin to send so many."""
        self._tell(str(reports))

    def is_done(self) -> bool:
        """Whether the wave is over."""
        assert self._running.stdout is not None
        return bool(select.select([self._running.stdout], [], [], 0)[0])

    def told(self) -> dict[str, Any]:
        """What came back, once all has.

        Raises:
            UnavailableError: the process has ended.
        """
        assert self._running.stdout is not None
        line = self._running.stdout.readline()
        if not line:
            raise UnavailableError("the flood's process ended before it was done")
        return dict(json.loads(line))

    def _tell(self, line: str) -> None:
        assert self._running.stdin is not None
        self._running.stdin.write(line + "\n")
        self._running.stdin.flush()


@contextmanager
def _flooder(port: int, key: str, rate: float, connections: int) -> Iterator[_Flooder]:
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.flood.calls"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        made = _Flooder(running)
        orders = {"port": port, "key": key, "rate": rate, "connections": connections, "source": FLOODER}
        made._tell(json.dumps(orders))
        yield made
        assert running.stdin is not None
        running.stdin.close()


def _times(answers: list[Answer], kind: str) -> FloatArray:
    return np.array([answer.ms for answer in answers if answer.kind == kind])


def _difference(still: FloatArray, during: FloatArray, share: int) -> tuple[float, float, float]:
    """How much longer, at this share of the calls: from, measured, to, by 4,000 samples drawn anew (bootstrap, 95 %)."""
    dice = np.random.default_rng(7)

    def drawn(times: FloatArray) -> FloatArray:
        picks = dice.integers(0, len(times), (4000, len(times)))
        return np.percentile(times[picks], share, axis=1)

    low, high = np.percentile(drawn(during) - drawn(still), (2.5, 97.5))
    return float(low), float(np.percentile(during, share) - np.percentile(still, share)), float(high)


def _work(key: str, name: str, calls: int) -> list[tuple[str, bytes]]:
    return [look(PAGE) if n % 2 else report(key, f"{name} {n} {'词' * (n % 50)}") for n in range(calls)]


def _failed(answers: list[Answer]) -> int:
    return sum(answer.status not in (200, 201) for answer in answers)


def _spent(pids: list[int]) -> float:
    """Processor seconds of these processes, their threads included."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", errors="replace").rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")
