"""Two questions: how long from a task to its officer's page, and whether a flood is taken whole while workers are killed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.dispatch.street import Agents, Pages
from benchmarks.dispatch.world import World
from benchmarks.figures import Figure, quantile
from benchmarks.servers import stop

UP_S = 60
PATIENCE_S = 120
KILL_EVERY_S = 10.0

Say = Callable[[str, int], None]


@dataclass
class Processes:
    """Processor time of the centre's processes, those that have ended included."""

    running: dict[int, tuple[str, float]] = field(default_factory=dict)
    spent: dict[str, float] = field(default_factory=dict)

    def watch(self, name: str, pid: int) -> None:
        """Count from now on."""
        self.running[pid] = (name, _processor_s(pid))

    def ended(self, pid: int) -> None:
        """Count no further; called before the process is gone."""
        name, before = self.running.pop(pid)
        self.spent[name] = self.spent.get(name, 0.0) + _processor_s(pid) - before

    def total(self) -> dict[str, float]:
        """Seconds by name."""
        for pid in list(self.running):
            self.ended(pid)
        return self.spent


def measure_chain(
    world: World, *, rate: float, seconds: float, workers: int, say: Say, seed: int = 1
) -> list[Figure]:
    """Tasks at a steady rate, each followed to the page of the officer to whom it is offered."""
    with ExitStack() as stack:
        processes = Processes()
        say("starting the centre", 0)
        ingest = [_start(stack, world, "ingest") for _ in range(workers)]
        dispatch = _start(stack, world, "dispatch", "work")
        port, web = stack.enter_context(world.web())
        _wait_for_ingest(world, workers)
        _wait_for_web(world, port)
        agents = Agents(world, seed=seed + 1)
        stack.callback(agents.close)
        pages = Pages(world, port)
        pages.start()
        stack.callback(pages.close)
        say("warming up", 0)
        agents.send(rate, 3, lambda _: None)
        agents.wait(PATIENCE_S, lambda _: None)
        _count_rows()
        warm = set(agents.sent_ms)
        for one in ingest:
            processes.watch("ingest", one.pid)
        processes.watch("dispatch", dispatch.pid)
        processes.watch("web", web.pid)
        _watch_servers(processes, world)
        processes.watch("agents and pages of the benchmark", os.getpid())
        begun = world.clock.monotonic_ms()
        agents.send(rate, seconds, lambda n: say("sending", n))
        lasted = (world.clock.monotonic_ms() - begun) / 1000
        agents.wait(PATIENCE_S, lambda n: say("waiting for the last", n))
        count = len(agents.sent_ms) - len(warm)
        _until(world, PATIENCE_S, lambda: len(pages.seen_ms) >= len(agents.sent_ms))
        spent = processes.total()
        keys = _keys()
        told: dict[str, int] = {}
        seen: dict[str, int] = {}
        for offer, order in pages.orders.items():
            key = keys[order]
            told[key], seen[key] = pages.told_ms[offer], pages.seen_ms[offer]
        sent = {key: at for key, at in agents.sent_ms.items() if key not in warm}
        to_event = [told[key] - at for key, at in sent.items() if key in told]
        to_page = [seen[key] - at for key, at in sent.items() if key in seen]
        to_accept = [agents.accepted_ms[key] - at for key, at in sent.items() if key in agents.accepted_ms]
    return [
        Figure("tasks sent", count, ""),
        Figure("rate that was kept", count / lasted, "/s", rate * 0.98, least=True),
        Figure("tasks that reached an officer's page", len(to_page), "", count, exact=True),
        Figure("task -> accept at the agent, median", quantile(to_accept, 0.5), "ms"),
        Figure("task -> accept at the agent, p95", quantile(to_accept, 0.95), "ms"),
        Figure("task -> event at the officer's page, median", quantile(to_event, 0.5), "ms"),
        Figure("task -> event at the officer's page, p95", quantile(to_event, 0.95), "ms", 1000),
        Figure("task -> shown by the officer's page, p95", quantile(to_page, 0.95), "ms"),
        Figure("task -> shown by the officer's page, slowest", max(to_page, default=float("nan")), "ms"),
        *_per_task(spent, count),
    ]


def measure_flood(
    world: World, *, rate: float, seconds: float, workers: int, route: bool, say: Say, seed: int = 1
) -> list[Figure]:
    """Tasks at a high rate into some ingest workers, one of which is killed every ten seconds and started again."""
    with ExitStack() as stack:
        processes = Processes()
        say("starting the centre", 0)
        before = _counts()
        ingest = [_start(stack, world, "ingest") for _ in range(workers)]
        others = [_start(stack, world, "dispatch", "work")] if route else []
        _wait_for_ingest(world, workers)
        agents = Agents(world, seed=seed + 2, first=10_000_000)
        stack.callback(agents.close)
        for one in ingest:
            processes.watch("ingest", one.pid)
        for one in others:
            processes.watch("dispatch", one.pid)
        _watch_servers(processes, world)
        processes.watch("agents of the benchmark", os.getpid())
        kills = 0
        begun = world.clock.monotonic_ms()

        def meanwhile(sent: int) -> None:
            nonlocal kills
            say("sending", sent)
            if (world.clock.monotonic_ms() - begun) / 1000 >= KILL_EVERY_S * (kills + 1):
                victim = ingest.pop(0)
                processes.ended(victim.pid)
                victim.kill()
                victim.wait()
                ingest.append(_start(stack, world, "ingest"))
                processes.watch("ingest", ingest[-1].pid)
                kills += 1

        agents.send(rate, seconds, meanwhile)
        lasted = (world.clock.monotonic_ms() - begun) / 1000
        all_in = agents.wait(PATIENCE_S, lambda n: say("waiting for the last", n))
        drained = (world.clock.monotonic_ms() - begun) / 1000
        spent = processes.total()
        sent = len(agents.sent_ms)
        after = _counts()
        waits = [
            agents.accepted_ms[key] - at for key, at in agents.sent_ms.items() if key in agents.accepted_ms
        ]
        faults = _audit()
    stored = {name: after[name] - before[name] for name in after}
    return [
        Figure("tasks sent", sent, ""),
        Figure("rate that was kept", sent / lasted, "/s", rate * 0.98, least=True),
        Figure("workers killed", kills, ""),
        Figure("tasks lost", sent - len(agents.accepted_ms), "", 0, exact=True),
        Figure("tasks stored", stored["orders"], "", sent, exact=True),
        Figure("receipts, one for each", stored["receipts"], "", sent, exact=True),
        Figure("cases, one for each", stored["cases"], "", sent, exact=True),
        Figure("tasks refused", len(agents.refused), "", 0, exact=True),
        Figure("faults in the history's chain", faults, "", 0, exact=True),
        Figure("sent again by the agents", agents.sent_again, ""),
        Figure(
            "after the last was sent, all were in within", drained - lasted if all_in else float("inf"), "s"
        ),
        Figure("task -> accept at the agent, median", quantile(waits, 0.5), "ms"),
        Figure("task -> accept at the agent, p95", quantile(waits, 0.95), "ms"),
        *_per_task(spent, sent),
    ]


def _per_task(spent: dict[str, float], count: int) -> list[Figure]:
    rows = [Figure(f"processor time a task: {name}", 1000 * s / count, "ms") for name, s in spent.items()]
    return [*rows, Figure("processor time a task: all", 1000 * sum(spent.values()) / count, "ms")]


def _start(stack: ExitStack, world: World, *words: str) -> subprocess.Popen[bytes]:
    running = world.start(*words)
    stack.callback(stop, running)
    return running


def _watch_servers(processes: Processes, world: World) -> None:
    processes.watch("broker", world.broker_pid)
    processes.watch("database", world.database_pid)


def _wait_for_ingest(world: World, workers: int) -> None:
    from central.ingest.models import Worker

    since = world.clock.utc_ms() - 5000
    _until(
        world, UP_S,
        lambda: Worker.objects.filter(state="connected", beat_at_ms__gte=since).count() >= workers,
    )  # fmt: skip


def _wait_for_web(world: World, port: int) -> None:
    import urllib.error
    import urllib.request

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            return False

    _until(world, UP_S, answers)


def _until(world: World, seconds: float, done: Callable[[], bool]) -> bool:
    import threading

    pause = threading.Event()
    ends = world.clock.monotonic_ms() + round(seconds * 1000)
    while world.clock.monotonic_ms() < ends:
        if done():
            return True
        pause.wait(0.1)
    return False


def _count_rows() -> None:
    """What autovacuum does within a minute: without it PostgreSQL plans for tables that it believes to be empty."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _keys() -> dict[int, str]:
    from central.cases.models import WorkOrder

    return dict(WorkOrder.objects.values_list("pk", "key"))


def _counts() -> dict[str, int]:
    from central.cases.models import Case, WorkOrder
    from central.ingest.models import Receipt

    return {
        "orders": WorkOrder.objects.count(),
        "receipts": Receipt.objects.count(),
        "cases": Case.objects.count(),
    }


def _audit() -> int:
    from central.cases.history import Audit, verify

    return sum(1 for _ in verify(Audit()))


def _processor_s(pid: int) -> float:
    """Processor seconds of a process, its threads and all its children, those that have ended included."""
    own = _stat(pid)
    if own is None:
        return 0.0
    total = sum(own)
    for child in _children(pid):
        total += _processor_s(child)
    return total


def _stat(pid: int) -> tuple[float, ...] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text("ascii", errors="replace")
    except OSError:
        return None
    parts: list[Any] = text.rpartition(")")[2].split()
    tick = os.sysconf("SC_CLK_TCK")
    # The benchmark's own children are counted by themselves.
    last = 13 if pid == os.getpid() else 15
    return tuple(int(part) / tick for part in parts[11:last])


def _children(pid: int) -> list[int]:
    if pid == os.getpid():
        return []
    try:
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
