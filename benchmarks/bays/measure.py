"""Measuring: searches one after another in this process, page calls at a fixed rate from outside."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.bays.town import JURISDICTION, Town, _somewhere
from benchmarks.figures import Figure, quantile

CONNECTIONS = 32
"""Kept open, as a proxy in front of the centre keeps them."""


def measure_search(
    town: Town, *, rounds: int, wanted: int = 20, progress: Callable[[float], None], seed: int = 1
) -> list[Figure]:
    """Nearest bays: positions alone, and whole, with what is free, fresh, allowed and not held for others.

    Times are the process's own processor time, so that what else runs on the machine does not count.
    """
    from central.bays.models import Bay
    from central.bays.nearest import BayIndex
    from central.bays.services import nearby
    from central.cases.models import Case

    rows = list(Bay.objects.values_list("longitude", "latitude", "allowed"))
    index = BayIndex(*zip(*rows, strict=True))
    dice = random.Random(seed)
    places = [_somewhere(dice) for _ in range(rounds)]
    plain, whole, found = [], [], 0
    for place in places:
        start = time.process_time_ns()
        near = list(islice(index.walk(place, "car", 1e9), wanted))
        plain.append((time.process_time_ns() - start) / 1e6)
        assert len(near) == min(wanted, len(near)) > 0
    case = Case.objects.filter(jurisdiction_id=JURISDICTION).order_by("pk")[1]
    nearby(case, vehicle_class="car", position=places[0], limit=wanted)
    for number, place in enumerate(places):
        start = time.process_time_ns()
        found += len(nearby(case, vehicle_class="car", position=place, limit=wanted))
        whole.append((time.process_time_ns() - start) / 1e6)
        if number % 50 == 0:
            progress(number / rounds)
    return [
        Figure(f"nearest {wanted} of {town.bays} bays, from memory: median", quantile(plain, 0.5), "ms", 2.0),
        Figure(f"nearest {wanted} of {town.bays} bays, from memory: p95", quantile(plain, 0.95), "ms", 2.0),
        Figure(
            f"nearest {wanted} free, fresh, allowed, not held (database): median",
            quantile(whole, 0.5),
            "ms",
            2.0,
        ),
        Figure(
            f"nearest {wanted} free, fresh, allowed, not held (database): p95",
            quantile(whole, 0.95),
            "ms",
            2.0,
        ),
        Figure("bays found in a search, mean", found / rounds, ""),
    ]


def measure_page(
    town: Town, *, workers: int, rate: float, seconds: float, progress: Callable[[float], None]
) -> list[Figure]:
    """The page at a fixed rate of calls, one in five for the picture, from a process beside the centre's.

    A call's time counts from when it was due, so that a server that falls behind is not measured more kindly for it.
    """
    with town.web(workers) as (port, pids):
        asyncio.run(_load(port, town.tokens, rate, 3.0, lambda _: None))  # everything is loaded once
        before, own = sum(map(_processor_s, pids)), _processor_s(os.getpid())
        answers = asyncio.run(_load(port, town.tokens, rate, seconds, progress))
        spent, spent_here = sum(map(_processor_s, pids)) - before, _processor_s(os.getpid()) - own
    pages = [ms for kind, status, ms in answers if kind == "page" and status == 200]
    pictures = [ms for kind, status, ms in answers if kind == "picture" and status == 200]
    failed = sum(status != 200 for _, status, _ in answers)
    return [
        Figure(f"page at {rate:g} calls/s: median", quantile(pages, 0.5), "ms"),
        Figure(f"page at {rate:g} calls/s: p95", quantile(pages, 0.95), "ms", 50.0),
        Figure(f"page at {rate:g} calls/s: p99", quantile(pages, 0.99), "ms"),
        Figure("picture: p95", quantile(pictures, 0.95), "ms"),
        Figure("calls that were not answered with 200", failed, "", 1),
        Figure("centre's processor time per call", 1000 * spent / max(1, len(answers)), "ms"),
        Figure("load generator's own share of one core", 100 * spent_here / seconds, "%"),
    ]


async def _load(
    port: int, tokens: tuple[str, ...], rate: float, seconds: float, progress: Callable[[float], None]
) -> list[tuple[str, int, float]]:
    loop = asyncio.get_running_loop()
    idle: asyncio.Queue[Any] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        idle.put_nowait(await asyncio.open_connection("127.0.0.1", port))
    answers: list[tuple[str, int, float]] = []
    begin = loop.time()
    tasks = []
    for number in range(round(rate * seconds)):
        due = begin + number / rate
        await asyncio.sleep(max(0.0, due - loop.time()))
        kind = "picture" if number % 5 == 4 else "page"
        path = f"/n/{tokens[number % len(tokens)]}" + ("/picture.jpg" if kind == "picture" else "")
        language = "zh-CN" if number % 2 else "en-GB"
        tasks.append(asyncio.create_task(_call(idle, path, language, kind, due, answers)))
        if number % 50 == 0:
            progress(number / (rate * seconds))
    await asyncio.gather(*tasks)
    while not idle.empty():
        idle.get_nowait()[1].close()
    return answers


async def _call(
    idle: asyncio.Queue[Any],
    path: str,
    language: str,
    kind: str,
    due: float,
    answers: list[tuple[str, int, float]],
) -> None:
    reader, writer = await idle.get()
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Language: {language}\r\n\r\n".encode("ascii")
    )
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    length = next(
        int(line.partition(":")[2])
        for line in head.split("\r\n")
        if line.lower().startswith("content-length:")
    )
    await reader.readexactly(length)
    answers.append((kind, int(head.split(" ", 2)[1]), 1000 * (asyncio.get_running_loop().time() - due)))
    idle.put_nowait((reader, writer))


def _processor_s(pid: int) -> float:
    """Processor seconds that a process has used, its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii", errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure_watch(*, bays: int = 20, vehicles: int = 15, rounds: int = 300) -> list[Figure]:
    """What watching bays adds to one look of a camera at 1080p, in processor time."""
    import numpy as np

    from edge_agent.bays import BayWatch
    from edge_agent.frames import Frame
    from edge_agent.stays import Observation, Seen
    from zones import ZoneFile, ZoneIndex

    zones = ZoneFile.model_validate(
        {
            "picture": {"width": 1920, "height": 1080},
            "zone": [
                {
                    "id": f"B{n}",
                    "name": f"Bay {n}",
                    "kind": "parking_bay",
                    "polygon": [(90 * n, 400), (90 * n + 85, 400), (90 * n + 85, 560), (90 * n, 560)],
                }
                for n in range(bays)
            ],
        }
    )
    watch = BayWatch(ZoneIndex(zones, 1920, 1080))
    dice = np.random.default_rng(1)
    image = dice.integers(0, 255, (1080, 1920, 3), np.uint8)
    spent = []
    for number in range(rounds):
        # Boxes tremble, so that nothing is known from the look before.
        shake = dice.uniform(-1, 1, (vehicles, 4)).round(2).tolist()
        seen = tuple(
            Seen((90 * n + a, 380 + b, 90 * n + 84 + c, 555 + d), "car", 0.8)
            for n, (a, b, c, d) in enumerate(shake)
        )
        frame = Frame("cam", 1000 * (number + 1), image, number)
        start = time.process_time_ns()
        watch.look(frame, Observation(frame.at_ms, seen))
        spent.append((time.process_time_ns() - start) / 1e6)
    return [
        Figure(f"watching {bays} bays with {vehicles} vehicles, a look: median", quantile(spent, 0.5), "ms"),
        Figure(f"watching {bays} bays with {vehicles} vehicles, a look: p95", quantile(spent, 0.95), "ms"),
    ]
