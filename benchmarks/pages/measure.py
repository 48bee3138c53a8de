"""Pages asked for through Django's own client: middleware, session, queries and templates, as a browser causes them."""

from __future__ import annotations

import gzip
import math
import random
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.pages.fill import CAMERAS, MINE, OFFICERS, SERVICES, Size

GOAL_MS = 150.0
MAP_GOAL_KB = 500.0
WALK = 8
"""Pages that are turned one after the other, before jumping far ahead."""


@dataclass(frozen=True)
class Figure:
    """One page, asked for again and again with other values.

    Attributes:
        what: the page.
        asked: how often.
        median_ms, p95_ms, worst_ms: by the wall clock.
        cpu_ms, cpu_p95_ms: processor time of the thread that answers and, on PostgreSQL, of the database's process that
            serves it. Figures counted beside the page are not in it.
        kb: size of the largest answer, not compressed.
        gzip_kb: the same compressed, where it was measured.
        goal: in words.
        met: whether it was reached.
    """

    what: str
    asked: int
    median_ms: float
    p95_ms: float
    worst_ms: float
    cpu_ms: float
    cpu_p95_ms: float
    kb: float
    gzip_kb: float | None
    goal: str
    met: bool


def measure(
    size: Size, rounds: int, seed: int, progress: Callable[[str, float], None], *, by_cpu: bool
) -> list[Figure]:
    """Every list with every filter, deep pages, the case, and the map.

    Args:
        size: what the database was filled with.
        rounds: how often each page is asked for.
        seed: of chance.
        progress: called with the page and the share done.
        by_cpu: judge by processor time, for a machine that has other work.
    """
    from django.test import Client

    from central.people.models import User
    from central.project.heap import settle

    clients = {}
    for name in ("dispatcher", "everywhere", "neighbour", "officer-1"):
        clients[name] = Client(headers={"accept-language": "en"})
        clients[name].force_login(User.objects.get(username=name))
    pages = list(_pages(size, random.Random(seed)))
    clients["dispatcher"].get("/")
    settle()  # as the web process does
    figures = []
    for number, (what, who, addresses) in enumerate(pages):
        progress(what, number / len(pages))
        figures.append(_ask(what, clients[who], addresses, rounds, by_cpu))
    figures.append(_unchanged(clients["neighbour"], rounds, by_cpu))
    return figures


def _ask(what: str, client: Any, addresses: Callable[[], str], rounds: int, by_cpu: bool) -> Figure:
    times, largest = _Times(), b""
    headers = {"hx-request": "true"} if what.endswith("(live)") else {}
    client.get(addresses(), headers=headers)
    for _ in range(rounds):
        address = addresses()
        with times.one():
            answer = client.get(address, headers=headers)
        if answer.status_code != 200:
            raise RuntimeError(f"{address} answered HTTP {answer.status_code}")
        largest = max(largest, answer.content, key=len)
    return times.figure(what, largest, by_cpu)


def _unchanged(client: Any, rounds: int, by_cpu: bool) -> Figure:
    """The map asked for again while nothing changed: 304, without a body."""
    mark = client.get("/map/cases/")["ETag"]
    times = _Times()
    for _ in range(rounds):
        with times.one():
            answer = client.get("/map/cases/", headers={"if-none-match": mark})
        if answer.status_code != 304 or answer.content:
            raise RuntimeError(f"the map answered HTTP {answer.status_code} although nothing changed")
    return times.figure("map, nothing changed (304)", b"", by_cpu)


class _Times:
    """Times of one page, by the wall clock and in processor time."""

    def __init__(self) -> None:
        self.walls: list[float] = []
        self.cpus: list[float] = []
        self._database = database_process()

    @contextmanager
    def one(self) -> Iterator[None]:
        wall, cpu = time.perf_counter(), self._cpu_s()
        yield
        self.walls.append((time.perf_counter() - wall) * 1000)
        self.cpus.append((self._cpu_s() - cpu) * 1000)

    def figure(self, what: str, largest: bytes, by_cpu: bool) -> Figure:
        is_map = "5,000" in what
        kb = len(largest) / 1000
        p95, cpu_p95 = _p95(self.walls), _p95(self.cpus)
        return Figure(
            what=what,
            asked=len(self.walls),
            median_ms=statistics.median(self.walls),
            p95_ms=p95,
            worst_ms=max(self.walls),
            cpu_ms=statistics.median(self.cpus),
            cpu_p95_ms=cpu_p95,
            kb=kb,
            gzip_kb=len(gzip.compress(largest, 6)) / 1000 if is_map else None,
            goal=f"< {MAP_GOAL_KB:g} kB" if is_map else f"p95 < {GOAL_MS:g} ms",
            met=kb < MAP_GOAL_KB if is_map else (cpu_p95 if by_cpu else p95) < GOAL_MS,
        )

    def _cpu_s(self) -> float:
        spent = time.thread_time()
        if self._database is not None:
            used = self._database.cpu_times()
            spent += used.user + used.system
        return spent


def _p95(values: list[float]) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(len(ordered) * 0.95) - 1)]


def database_process() -> Any:
    """PostgreSQL's process behind this connection; None on SQLite, whose work is in this process."""
    from django.db import connection

    if connection.vendor != "postgresql":
        return None
    import psutil

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return psutil.Process(cursor.fetchone()[0])


def _pages(size: Size, dice: random.Random) -> Iterator[tuple[str, str, Callable[[], str]]]:
    from central.cases.models import Case, WorkOrder
    from central.grids.models import Grid

    codes = {
        level: list(Grid.objects.filter(jurisdiction_id=MINE, level=level).values_list("code", flat=True))
        for level in (2, 3, 4)
    }

    def among(start: str, *choices: object) -> Callable[[], str]:
        return lambda: start + str(dice.choice(choices))

    for show in ("all", "open", "new", "accepted", "overdue", "watched", "closed", "retracted"):
        yield f"list, {show}", "dispatcher", among(f"/?show={show}", "")
    yield "list, all (live)", "dispatcher", among("/?show=all", "")
    yield "list, every jurisdiction", "everywhere", among("/?show=", "all", "open", "closed")
    yield "list, newest first", "dispatcher", among("/?sort=newest&show=", "all", "open")
    for level in (2, 3, 4):
        for show in ("all", "open", "closed"):
            yield (
                f"list, {show}, grid of level {level}",
                "dispatcher",
                among(f"/?show={show}&grid=", *codes[level]),
            )
    cameras = [f"box-{n % 20}/cam-{n}" for n in range(CAMERAS)]
    for show in ("all", "open", "overdue", "watched", "closed"):
        yield f"list, {show}, by camera", "dispatcher", among(f"/?show={show}&camera=", *cameras)
    for show in ("all", "accepted", "closed"):
        officers = [f"officer-{n}" for n in range(OFFICERS)]
        yield f"list, {show}, by officer", "dispatcher", among(f"/?show={show}&officer=", *officers)
    for show in ("all", "open", "closed"):
        yield f"list, {show}, by kind", "dispatcher", among(f"/?show={show}&service=", *SERVICES)
    yield "list, kind that does not exist", "dispatcher", among("/?show=all&service=", "none")
    plates = [f"京{letter}{n:03}" for letter in "ABCDEFGH" for n in range(0, 1000, 37)]
    yield "search, plate", "dispatcher", among("/?show=all&q=", *plates)
    yield (
        "search, open, words in the place",
        "dispatcher",
        among("/?show=open&q=", *(f"{n} north" for n in range(200))),
    )
    yield "search, open, words that are nowhere", "dispatcher", among("/?show=open&q=", "no such place")
    yield (
        "search, beginning of the place",
        "dispatcher",
        among("/?show=all&q=", *(f"Lane {n} " for n in range(9000))),
    )
    yield "search, number", "dispatcher", among("/?show=all&q=%23", *range(1, size.cases, 997))
    quarters = codes[3]
    yield (
        "list, grid and kind and camera",
        "dispatcher",
        lambda: (
            f"/?show=open&grid={dice.choice(quarters)}&service={dice.choice(SERVICES)}&camera={dice.choice(cameras)}"
        ),
    )
    dues = list(
        WorkOrder.objects.filter(state__in=["new", "accepted"])
        .order_by("due_at_ms")
        .values_list("due_at_ms", "pk")[:: max(1, size.open // 50)]
    )
    yield (
        "deep page, open",
        "dispatcher",
        among("/?show=open&before=", *(f"d-{due}-{pk}" for due, pk in dues)),
    )
    ended = list(
        Case.objects.filter(
            state="closed", pk__in=range(1, size.cases, max(1, size.cases // 60))
        ).values_list("closed_at_ms", "pk")
    )
    yield "deep page, ended", "dispatcher", among("/?show=all&before=", *(f"c-{at}-{pk}" for at, pk in ended))
    yield (
        "deep page, ended, grid of level 2",
        "dispatcher",
        lambda: f"/?show=all&grid={dice.choice(codes[2])}&before=c-{'-'.join(map(str, dice.choice(ended)))}",
    )
    yield "page after page, open", "dispatcher", _turn()
    yield (
        "the case",
        "dispatcher",
        among("/cases/", *(f"{n}/" for n in range(size.cases - 39, size.cases + 1))),
    )
    yield (
        "evidence sheet",
        "dispatcher",
        among("/cases/", *(f"{n}/sheet/" for n in range(size.cases - 39, size.cases + 1))),
    )
    yield "officer's tasks", "officer-1", among("/officer/", "")
    yield "map, 5,000 live cases", "neighbour", _fresh("/map/cases/?show=open")
    yield "map, one district", "dispatcher", among("/map/cases/?show=open&grid=", *codes[2])
    yield "map, cameras", "dispatcher", among("/map/cameras/", "")
    for level in (1, 2, 3, 4):
        yield f"map, grids of level {level}", "dispatcher", among(f"/map/grids/{level}/", "")


def _fresh(address: str) -> Callable[[], str]:
    return lambda: address


def _turn() -> Callable[[], str]:
    """The address behind "Further", page after page, and again from the start."""
    from central.pages.filters import Filters
    from central.pages.listing import page
    from central.people.models import User

    user = User.objects.get(username="dispatcher")
    at = {"before": "", "turned": 0}

    def next_one() -> str:
        address = f"/?show=open&before={at['before']}"
        shown = page(user, Filters(show="open", before=str(at["before"])))
        at["turned"] = int(at["turned"]) + 1
        at["before"] = shown.older if int(at["turned"]) % WALK else ""
        return address

    return next_one
