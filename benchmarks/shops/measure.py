"""Three figures: every colour computed, a page of the worklist, the plates of all doors."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.pages.measure import database_process

COLOURS_GOAL_S = 5.0
PAGE_GOAL_MS = 150.0
PLATES_GOAL_S = 60.0
PUBLIC = "https://patrol.example.gov.cn"


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes:
        what: is measured.
        value, cpu: by the wall clock, and the processor time of this process and PostgreSQL's behind it, in the same unit.
        unit: of both.
        goal: in words.
        met: whether the goal was reached.
        note: what else is worth knowing.
    """

    what: str
    value: float
    cpu: float
    unit: str
    goal: str
    met: bool
    note: str = ""


def measure(shops: int, rounds: int, progress: Callable[[str, float], None], *, by_cpu: bool) -> list[Figure]:
    """Measure on a filled database.

    Args:
        shops: how many there are.
        rounds: how often each page is asked for.
        progress: called with what is measured and the share done.
        by_cpu: judge by processor time, for a machine that has other work.
    """
    figures = []
    for name in ("every colour, from nothing", "every colour, again"):
        progress(name, 0.1)
        figures.append(_colours(name, by_cpu))
    progress("worklist", 0.4)
    figures += _pages(rounds, by_cpu)
    progress("plates", 0.7)
    figures.append(_plates(shops, by_cpu))
    return figures


def _colours(name: str, by_cpu: bool) -> Figure:
    from central.shops.colours import recolour

    meter = _Cpu()
    wall, cpu = time.perf_counter(), meter.spent_s()
    done = recolour()
    wall, cpu = time.perf_counter() - wall, meter.spent_s() - cpu
    judged = cpu if by_cpu else wall
    note = f"{done.shops} shops, {done.turned} turned, {done.cases} cases; " + ", ".join(
        f"{count} {colour}" for colour, count in done.colours.items()
    )
    return Figure(name, wall, cpu, "s", f"under {COLOURS_GOAL_S:g} s", judged < COLOURS_GOAL_S, note)


def _pages(rounds: int, by_cpu: bool) -> list[Figure]:
    from django.test import Client
    from django.urls import reverse

    from central.people.models import User
    from central.project.heap import settle

    found = []
    address = reverse("shops:list")
    settle()
    for who, what, query in (
        ("dispatcher", "worklist, by risk", ""),
        ("dispatcher", "worklist, red", "?colour=red"),
        ("dispatcher", "worklist, last page", "?page=79"),
        ("dispatcher", "worklist, a name", "?q=面馆"),
        ("everywhere", "worklist, every jurisdiction", ""),
    ):
        client = Client(headers={"accept-language": "en"})
        client.force_login(User.objects.get(username=who))
        client.get(address + query)
        walls, cpus = [], []
        meter = _Cpu()
        for _ in range(rounds):
            wall, cpu = time.perf_counter(), meter.spent_s()
            answer = client.get(address + query)
            walls.append((time.perf_counter() - wall) * 1000)
            cpus.append((meter.spent_s() - cpu) * 1000)
            if answer.status_code != 200:
                raise RuntimeError(f"{address}{query}: {answer.status_code}")
        wall, cpu = _p95(walls), _p95(cpus)
        note = f"median {statistics.median(walls):.0f} ms, {len(answer.content) / 1000:.0f} kB"
        judged = cpu if by_cpu else wall
        found.append(
            Figure(what, wall, cpu, "ms p95", f"under {PAGE_GOAL_MS:g} ms", judged < PAGE_GOAL_MS, note)
        )
    return found


def _plates(shops: int, by_cpu: bool) -> Figure:
    from central.shops.models import Code
    from central.shops.plates import pdf, plate_of

    codes = list(Code.objects.filter(revoked_at_ms__isnull=True).select_related("shop"))
    with tempfile.TemporaryDirectory(prefix="patrol-bench-") as folder:
        meter = _Cpu()
        out = Path(folder) / "plates.pdf"
        wall, cpu = time.perf_counter(), meter.spent_s()
        pdf([plate_of(code, PUBLIC) for code in codes], str(out))
        wall, cpu = time.perf_counter() - wall, meter.spent_s() - cpu
        size = out.stat().st_size / 1e6
    judged = cpu if by_cpu else wall
    note = f"{len(codes)} pages, {size:.1f} MB"
    met = judged < PLATES_GOAL_S and len(codes) == shops
    return Figure("plates of all doors, one PDF", wall, cpu, "s", f"under {PLATES_GOAL_S:g} s", met, note)


class _Cpu:
    """Seconds of this process, and of the one of PostgreSQL that answers it."""

    def __init__(self) -> None:
        self._database = database_process()

    def spent_s(self) -> float:
        """Since they began."""
        spent = time.process_time()
        if self._database is not None:
            used = self._database.cpu_times()
            spent += used.user + used.system
        return spent


def _p95(values: list[float]) -> float:
    return sorted(values)[max(0, round(len(values) * 0.95) - 1)]
