"""A centre on SQLite, a client that works, and another that floods: the first one's calls with and without the second."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.bays.town import Town
from benchmarks.figures import Figure
from benchmarks.flood.calls import Answer, look, report, send

CLIENT, FLOODER = "127.0.0.1", "127.0.0.2"
PAGE = "/login/"
RATE = 8.0
"""Calls a second of the client that works: half of them look, half of them report."""


def measure(
    folder: Path, *, reports: int, rate: float, workers: int, progress: Callable[[str], None]
) -> list[Figure]:
    """The figures.

    Args:
        folder: empty, for the centre's data.
        reports: how many the flood sends.
        rate: how many of them a second.
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
    calls = round(RATE * reports / rate)
    with Town(folder, (), 0).web(workers) as (port, pids):
        # Each step of the client's looks at the page that everybody sees first, and brings a report.
        progress("warming up")
        asyncio.run(send(port, _work(good, "warm", 40), 20, CLIENT))
        progress("without a flood")
        quiet = asyncio.run(send(port, _work(good, "quiet", calls), RATE, CLIENT))
        progress("with a flood")
        known = Case.objects.count()
        orders = {"port": port, "key": bad, "reports": reports, "rate": rate, "source": FLOODER}
        with _flood(orders) as flooding:
            busy = asyncio.run(send(port, _work(good, "busy", calls), RATE, CLIENT))
            counts = json.loads(_read(flooding))
        progress("what a refused report costs")
        before = _spent(pids)
        # With a key that nobody has, so that none is taken: what a report that is taken costs is another matter.
        with _flood({**orders, "key": "k" * 43, "reports": max(100, reports // 5)}) as flooding:
            _read(flooding)
        cost_ms = 1000 * (_spent(pids) - before) / max(100, reports // 5)
    statuses = {int(status): count for status, count in counts["statuses"].items()}
    taken = statuses.get(201, 0)
    mine = sum(answer.kind == "post" for answer in busy)
    written = Case.objects.count() - known - mine
    assert ApiCall.objects.count() == 0
    connection.close()
    others = sum(count for status, count in statuses.items() if status not in (201, 429))
    figures = [
        Figure("reports of the flood", reports),
        Figure("of these taken, within its key's limit", taken),
        Figure(
            "of these answered 429 with Retry-After", statuses.get(429, 0) - counts["without Retry-After"]
        ),
        Figure("of these answered otherwise", others + counts["without Retry-After"], "", 1),
        Figure("rows written for reports that were answered 429", written - taken, "", 1),
        Figure("centre's processor time for a report that is refused", cost_ms, "ms", 2.0),
        Figure("the other's calls that failed", _failed(quiet) + _failed(busy), "", 1),
    ]
    for kind, what in (("page", "the other's page"), ("post", "the other's report")):
        for share, name in ((0.5, "median"), (0.95, "p95")):
            still, during = _at(quiet, kind, share), _at(busy, kind, share)
            figures += [
                Figure(f"{what}, {name}, without a flood", still, "ms"),
                Figure(f"{what}, {name}, with it", during, "ms"),
            ]
    return figures


def _flood(orders: dict[str, object]) -> subprocess.Popen[str]:
    """The flood's process, which has begun."""
    flooding = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.flood.calls"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert flooding.stdin is not None
    flooding.stdin.write(json.dumps(orders))
    flooding.stdin.close()
    return flooding


def _read(flooding: subprocess.Popen[str]) -> str:
    assert flooding.stdout is not None
    return flooding.stdout.read()


def _work(key: str, name: str, calls: int) -> list[tuple[str, bytes]]:
    return [look(PAGE) if n % 2 else report(key, f"{name} {n} {'词' * (n % 50)}") for n in range(calls)]


def _failed(answers: list[Answer]) -> int:
    return sum(answer.status not in (200, 201) for answer in answers)


def _at(answers: list[Answer], kind: str, share: float) -> float:
    ordered = sorted(answer.ms for answer in answers if answer.kind == kind)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def _spent(pids: list[int]) -> float:
    """Processor seconds of these processes, their threads included."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", errors="replace").rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")
