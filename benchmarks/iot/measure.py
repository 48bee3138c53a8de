"""The run itself: a broker, a database, workers, senders; then what the database says about all of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure
from benchmarks.iot.senders import Load, shares
from benchmarks.servers import Mosquitto, postgresql
from protocol.clock import SystemClock
from protocol.errors import UnavailableError

JURISDICTION = "tianlin"
UP_S = 60
DRAIN_S = 300
"""How long the workers get, after the last message, to take what waits."""

SHADOW_MS = 5_000
"""Alarms of so long after the broker came back are told apart from the others: they waited in their devices."""

CENTRE = [sys.executable, "-m", "patrol", "central"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run; see the command's options."""

    devices: int
    rate: float
    seconds: float
    workers: int
    racers: int
    race_devices: int
    restart: bool


class Broker(Mosquitto):
    """A Mosquitto that can be restarted; its processor time over all its lives."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            folder,
            "allow_anonymous true\nautosave_interval 60\nmax_queued_messages 100000\nmax_inflight_messages 0\n",
        )
        self._spent_s = 0.0

    def stop(self) -> None:
        """Stop it in good order: it writes what it holds."""
        self._spent_s = self.cpu_s
        super().stop()

    @property
    def cpu_s(self) -> float:
        """Processor time so far."""
        return self._spent_s + (0.0 if self.pid is None else spent_s([self.pid]))


def spent_s(roots: Iterable[int]) -> float:
    """Processor seconds of these processes and all below them, those that have ended included."""
    tick = os.sysconf("SC_CLK_TCK")
    parents: dict[int, list[int]] = {}
    used: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            facts = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        used[int(folder.name)] = sum(int(each) for each in facts[11:15])
        parents.setdefault(int(facts[1]), []).append(int(folder.name))
    total, waiting = 0, list(roots)
    while waiting:
        pid = waiting.pop()
        total += used.get(pid, 0)
        waiting += parents.get(pid, [])
    return total / tick


def measure(plan: Plan, say: Callable[[str, float], None]) -> tuple[list[Figure], dict[str, Any]]:
    """Run and count.

    Raises:
        UnavailableError: broker or database did not start, a worker or the senders ended.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="patrol-bench-iot-")))
        url, postmaster = postgresql(stack, folder / "pg")
        broker = Broker(folder / "mq")
        stack.callback(broker.stop)
        broker.start()
        environment = {
            **os.environ,
            "PATROL_DATABASE_URL": url,
            "PATROL_CENTRAL_DATA": str(folder / "centre"),
            "PATROL_CENTRAL_BROKER": f"mqtt://127.0.0.1:{broker.port}",
        }
        os.environ.update(environment)
        _prepare(plan)
        workers = _Workers(stack, environment)
        workers.start(plan.workers)
        say("sending", 0.0)
        before = (spent_s(workers.pids), spent_s([postmaster]), broker.cpu_s)
        load = Load(broker.port, JURISDICTION, plan.devices, plan.rate, plan.seconds)
        outage: list[int] = []

        def progress(seconds: float) -> None:
            say("sending", min(0.8, 0.8 * seconds / plan.seconds))
            if plan.restart and not outage and seconds >= plan.seconds / 2:
                outage.append(SystemClock().utc_ms())
                broker.stop()
                broker.start()
                outage.append(SystemClock().utc_ms())

        began_ms = SystemClock().utc_ms()
        sent = _send(load, progress)
        say("what waits is taken", 0.85)
        drained_s = _drain("d", sent["published"], len(sent["alarms"]), workers)
        costs = [
            now - then
            for now, then in zip(
                (spent_s(workers.pids), spent_s([postmaster]), broker.cpu_s), before, strict=True
            )
        ]
        figures = _figures(plan, load, sent, costs, outage, drained_s)
        more: dict[str, Any] = {
            "plan": asdict(plan),
            "sent_again": sent["again"],
            "outage_ms": outage[1] - outage[0] if outage else None,
            "sender_behind_s": round(sent["late_s"], 2),
            "outage_at_s": round((outage[0] - began_ms) / 1000, 1) if outage else None,
            "slow_alarms": _slow(began_ms),
        }
        if plan.race_devices:
            say("the race", 0.9)
            workers.stop()
            environment["PATROL_CENTRAL_TELEMETRY"] = "shared"
            workers.start(plan.racers)
            race = Load(
                broker.port,
                JURISDICTION,
                plan.race_devices,
                rate=min(plan.rate, 1000),
                seconds=plan.race_devices * 8 / min(plan.rate, 1000),
                gateways=8,
                prefix="r",
                race=True,
            )
            told = _send(race, lambda _seconds: None)
            _drain("r", told["published"], plan.race_devices, workers)
            figures += _race_figures(plan, race, told)
        say("done", 1.0)
        return figures, more


def _prepare(plan: Plan) -> None:
    from central.project import bootstrap

    bootstrap.start()
    bootstrap.migrate()
    from central.iot import registry

    for prefix, count in (("d", plan.devices), ("r", plan.race_devices)):
        several = [
            registry.Wanted(f"{prefix}{n:06}", "smoke", f"烟感 {n}", f"田林路 {n % 900} 弄")
            for n in range(count)
        ]
        if several:
            registry.store(JURISDICTION, several)
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


class _Workers:
    """Worker processes; `start(n)` brings their number up to n."""

    def __init__(self, stack: ExitStack, environment: dict[str, str]) -> None:
        self._environment = environment
        self._running: list[subprocess.Popen[bytes]] = []
        self._since_ms = 0
        stack.callback(self.stop)

    @property
    def pids(self) -> list[int]:
        """Their numbers."""
        return [each.pid for each in self._running]

    def start(self, count: int) -> None:
        """Start those that are missing and wait until each has heard from the broker."""
        from central.live import beats
        from central.live.models import Heartbeat

        if not self._running:
            self._since_ms = SystemClock().utc_ms()
        while len(self._running) < count:
            self._running.append(subprocess.Popen([*CENTRE, "iot", "work"], env=self._environment))
        clock = SystemClock()
        ends = clock.monotonic_ms() + UP_S * 1000 * 3
        working = Heartbeat.objects.filter(kind=beats.DEVICES, state=beats.WORKING)
        while working.filter(started_at_ms__gte=self._since_ms).count() < count:
            self.check()
            if clock.monotonic_ms() > ends:
                raise UnavailableError("the workers did not reach the broker")
            _rest(0.2)

    def check(self) -> None:
        """Raises `UnavailableError` where one has ended."""
        for each in self._running:
            if each.poll() is not None:
                raise UnavailableError(f"a worker ended with {each.returncode}")

    def stop(self) -> None:
        """End all, in good order."""
        for each in self._running:
            each.terminate()
        for each in self._running:
            each.wait(UP_S)
        self._running.clear()


def _send(load: Load, progress: Callable[[float], None]) -> dict[str, Any]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.iot.senders", json.dumps(asdict(load))],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    done: dict[str, Any] | None = None
    try:
        for line in process.stdout:
            told = json.loads(line)
            done = told.get("done", done)
            if "seconds" in told:
                progress(told["seconds"])
    finally:
        process.stdout.close()
        process.wait(UP_S)
    if done is None:
        raise UnavailableError("the senders ended before they were done")
    return done


def _query(sql: str, *facts: Any) -> list[tuple[Any, ...]]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql, facts)
        return cursor.fetchall()


def _taken(prefix: str) -> int:
    """Messages that the states say were taken, repetitions not counted."""
    found = _query(
        "SELECT coalesce(sum((s.body::json->>'n')::bigint), 0) FROM iot_devicestate s"
        " JOIN iot_device d ON d.id = s.device_id WHERE d.name LIKE %s AND s.body <> ''",
        f"{prefix}%",
    )
    return int(found[0][0])


def _astray(load: Load, published: int) -> tuple[int, int]:
    """(lost, taken twice), device by device: a message that is taken twice must not make up for another that is lost."""
    sent = shares(load, published)
    found = _query(
        "SELECT substr(d.name, 2)::int, coalesce((nullif(s.body, '')::json->>'n')::bigint, 0) FROM iot_devicestate s"
        " JOIN iot_device d ON d.id = s.device_id WHERE d.name LIKE %s",
        f"{load.prefix}%",
    )
    gaps = [sent[number] - int(taken) for number, taken in found]
    return sum(max(0, gap) for gap in gaps), sum(max(0, -gap) for gap in gaps)


def _drain(prefix: str, published: int, alarms: int, workers: _Workers) -> float:
    """Wait until all is taken and every alarm has its case, or nothing moves any more; seconds that it took."""
    clock = SystemClock()
    began = moved_at = clock.monotonic_ms()
    last = (-1, -1)
    while True:
        workers.check()
        cases = _query(
            "SELECT count(*) FROM iot_alarm a JOIN iot_device d ON d.id = a.device_id"
            " WHERE d.name LIKE %s AND a.case_id IS NOT NULL",
            f"{prefix}%",
        )[0][0]
        now, stand = clock.monotonic_ms(), (_taken(prefix), int(cases))
        if stand[0] >= published and stand[1] >= alarms:
            return (now - began) / 1000
        if stand != last:
            last, moved_at = stand, now
        if now - moved_at > 30_000 or now - began > DRAIN_S * 1000:
            return (now - began) / 1000
        _rest(0.5)


def _figures(
    plan: Plan, load: Load, sent: dict[str, Any], costs: list[float], outage: list[int], drained_s: float
) -> list[Figure]:
    published, expected = sent["published"], sent["alarms"]
    rows = _query(
        "SELECT d.name, a.raised_at_ms, a.case_at_ms, a.case_id FROM iot_alarm a JOIN iot_device d ON d.id = a.device_id"
        " WHERE d.name LIKE 'd%%' AND a.kind = 'smoke'"
    )
    found = {(name, raised) for name, raised, _, _ in rows}
    missing = sum((name, at) not in found for name, times in expected.items() for at in times[:1])
    waits = sorted(case_at - raised for _, raised, case_at, _ in rows if case_at is not None)
    calm = sorted(
        case_at - raised
        for _, raised, case_at, _ in rows
        if case_at is not None and not (outage and outage[0] - 1000 <= raised <= outage[1] + SHADOW_MS)
    )
    lost, twice = _astray(load, published)
    workers, database, broker = (cost / published * 1e6 for cost in costs)
    figures = [
        Figure("Messages sent", published),
        Figure("Messages lost", lost, goal=0, exact=True),
        Figure("Messages taken twice", twice, goal=0, exact=True),
        Figure("Alarms sent", len(expected)),
        Figure("Alarms lost", missing, goal=0, exact=True),
        Figure("Alarms too many", len(rows) - len(expected), goal=0, exact=True),
        Figure("Alarms without a case", sum(case is None for *_, case in rows), goal=0, exact=True),
        Figure("Cases too many", len({case for *_, case in rows if case}) - len(rows), goal=0, exact=True),
        Figure("From alarm to case, median", _share(waits, 0.5) / 1000, "s"),
        Figure("From alarm to case, 99 in 100", _share(calm, 0.99) / 1000, "s", goal=2),
        Figure("From alarm to case, worst", _share(calm, 1) / 1000, "s"),
    ]
    if plan.restart:
        figures.append(
            Figure("The same, alarms of the broker's restart too", _share(waits, 0.99) / 1000, "s")
        )
    return [
        *figures,
        Figure("Until the last message was taken", drained_s, "s"),
        Figure("Processor time of a message: workers", workers, "µs"),
        Figure("… database", database, "µs"),
        Figure("… broker", broker, "µs"),
        Figure("… in all", workers + database + broker, "µs", goal=400),
    ]


def _slow(began_ms: int) -> list[tuple[float, float]]:
    """Alarms that waited for more than a second: seconds after the beginning, seconds that they waited."""
    rows = _query(
        "SELECT a.raised_at_ms, a.case_at_ms FROM iot_alarm a JOIN iot_device d ON d.id = a.device_id"
        " WHERE d.name LIKE 'd%%' AND a.case_at_ms > a.raised_at_ms + 1000 ORDER BY 1 LIMIT 200"
    )
    return [(round((at - began_ms) / 1000, 1), round((case_at - at) / 1000, 2)) for at, case_at in rows]


def _race_figures(plan: Plan, race: Load, told: dict[str, Any]) -> list[Figure]:
    rows = _query(
        "SELECT count(*), count(DISTINCT a.device_id), count(DISTINCT a.case_id), count(*) FILTER (WHERE a.cleared_at_ms IS NULL)"
        " FROM iot_alarm a JOIN iot_device d ON d.id = a.device_id WHERE d.name LIKE 'r%%' AND a.kind = 'smoke'"
    )
    alarms, devices, cases, live = (int(each) for each in rows[0])
    lost, twice = _astray(race, told["published"])
    return [
        Figure(f"Race of {plan.racers} workers: messages lost", lost, goal=0, exact=True),
        Figure("… messages taken twice", twice, goal=0, exact=True),
        Figure("… devices in alarm", devices, goal=plan.race_devices, exact=True),
        Figure("… live alarms too many", live - devices, goal=0, exact=True),
        Figure("… alarms too many", alarms - devices, goal=0, exact=True),
        Figure("… cases too many", cases - devices, goal=0, exact=True),
    ]


def _share(sorted_: list[int], share: float) -> float:
    return float(sorted_[min(len(sorted_) - 1, int(len(sorted_) * share))]) if sorted_ else 0.0


def _rest(seconds: float) -> None:
    import threading

    threading.Event().wait(seconds)
