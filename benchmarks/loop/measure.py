"""Measures the agent from outside: a process like any other, two cameras, nothing replaced."""

from __future__ import annotations

import json
import secrets
import sqlite3
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks import simulator
from benchmarks.figures import Figure
from benchmarks.loop.clip import SCENE, STANDING
from benchmarks.servers import stop
from protocol.clock import SystemClock
from protocol.errors import UnavailableError

IMPORT_GOAL_S = 1.0
CPU_GOAL = 0.35
MEMORY_GOAL_MB = 600
CAMERAS = 2
PERIOD_S = 2.0

_LOOK_S = 0.25
"""How often memory is read."""

_SETTLE_S = 5.0
"""After the first pictures, before processor time is counted: what is measured is the agent at work."""

_UP_S = 90
_LEAVE_S = 30
_CASES_S = 60
"""How long before the end of the shortest useful run: confirmation takes 20 s and a plate is waited for 20 s."""


Say = Callable[[str], None]
"""Told what is being done."""


def measure_all(clip: Path, folder: Path, seconds: float, say: Say) -> list[Figure]:
    """Everything, one after the other.

    Args:
        clip: what the cameras show (`load_clip`).
        folder: an empty folder.
        seconds: how long the agent is watched at work.
        say: told what is being done.

    Raises:
        UnavailableError: a process did not come up, or ended early.
    """
    say("importing the agent, five times")
    figures = [
        Figure("import of the agent (whole process, median of 5)", import_time(), "s", IMPORT_GOAL_S),
    ]
    with ExitStack() as stack:
        say("starting the cameras")
        cameras = stack.enter_context(_cameras(clip, folder))
        config = _configure(folder, cameras)
        say(f"watching the agent for {seconds:.0f} s")
        figures += _watch(config, folder, seconds)
    return figures


def import_time(times: int = 5) -> float:
    """Median seconds of `python -c "import edge_agent.runtime"`, start and end of Python included."""
    return statistics.median(
        _timed([sys.executable, "-c", "import edge_agent.runtime"]) for _ in range(times)
    )


def _timed(command: list[str]) -> float:
    clock = SystemClock()
    start = clock.monotonic_ms()
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return (clock.monotonic_ms() - start) / 1000


@contextmanager
def _cameras(clip: Path, folder: Path) -> Iterator[list[str]]:
    """The cameras in a process of their own, with Digest authentication. Gives their addresses."""
    secret = folder / "camera.password"
    secret.touch(mode=0o600)
    secret.write_text(secrets.token_urlsafe(12) + "\n", "utf-8")
    command = ["sim", "serve", str(clip), "--count", str(CAMERAS), "--port", "0", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "patrol", *command, "--user", "patrol", "--password-file", str(secret)],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise UnavailableError("the cameras did not come up")
        yield [str(camera["url"]) for camera in json.loads(line)["cameras"]]
    finally:
        stop(process, _LEAVE_S)


def _configure(folder: Path, cameras: list[str]) -> Path:
    """An agent that does all its work: plates, owners, warnings into a file, evidence."""
    scene = simulator.load_scene(SCENE)
    (folder / "zones.toml").write_text(simulator.zone_file(scene), "utf-8")
    table, key, source = folder / "owners.db", folder / "owners.key", folder / "owners.csv"
    rows = [f"{v.plate},+861390000{n:04d}" for n, v in enumerate(scene.spec.vehicle) if v.plate]
    source.write_text("\n".join(["plate,phone", *rows]) + "\n", "utf-8")
    _patrol("owners", "init-key", str(key))
    _patrol("owners", "import", str(source), "--table", str(table), "--key-file", str(key))
    lines = [
        "[agent]",
        'id = "bench"',
        'jurisdiction = "bench"',
        'data_dir = "data"',
        "[owners]",
        'directory = "local"',
        'file = "owners.db"',
        'key_file = "owners.key"',
        "[sms]",
        'gateway = "log"',
        'log_file = "sms.jsonl"',
    ]
    for number, url in enumerate(cameras, start=1):
        lines += [
            "[[camera]]",
            f'id = "cam{number}"',
            f'url = "{url}"',
            'username = "patrol"',
            'password_file = "camera.password"',
            f"sample_period_s = {PERIOD_S}",
            'zones = "zones.toml"',
        ]
    config = folder / "agent.toml"
    config.write_text("\n".join(lines) + "\n", "utf-8")
    return config


def _watch(config: Path, folder: Path, seconds: float) -> list[Figure]:
    """Run the agent and measure it."""
    clock = SystemClock()
    log = folder / "agent.log"
    with log.open("w", encoding="utf-8") as messages:
        start = clock.monotonic_ms()
        process = subprocess.Popen(
            [sys.executable, "-m", "patrol", "agent", "run", str(config), "--json"],
            stdout=(folder / "events.jsonl").open("w"),
            stderr=messages,
            stdin=subprocess.DEVNULL,
        )
        try:
            probe = _Probe(process, psutil.Process(process.pid), log)
            database = folder / "data" / "agent.db"
            while _cameras_seen(database) < CAMERAS:
                probe.look(0.02)
                if clock.monotonic_ms() - start > _UP_S * 1000:
                    raise probe.failed("saw no picture")
            first = (clock.monotonic_ms() - start) / 1000
            _until(clock, probe, _SETTLE_S)
            busy, began = probe.cpu_s(), clock.monotonic_ms()
            _until(clock, probe, seconds)
            share = (probe.cpu_s() - busy) / ((clock.monotonic_ms() - began) / 1000)
            memory = probe.peak_mb()
        finally:
            stop(process, _LEAVE_S)
    figures = [
        Figure("start of the agent to the first picture of both cameras", first, "s"),
        Figure(
            f"processor, share of one core: {CAMERAS} cameras 1080p25 H.264, a check per {PERIOD_S:g} s",
            100 * share,
            "%",
            100 * CPU_GOAL,
        ),
        Figure("memory of the agent (peak of RSS)", memory, "MB", MEMORY_GOAL_MB),
    ]
    if seconds >= _CASES_S:
        events = [json.loads(line) for line in (folder / "events.jsonl").read_text("utf-8").splitlines()]
        warned = {e["case"] for e in events if e["state"] == "notified"}
        cases = {e["case"] for e in events if e["case"] is not None}
        figures += [
            Figure("cases while it was watched", len(cases), "", CAMERAS * STANDING, exact=True),
            # The same plates in the same street: one warning each, whichever camera saw them.
            Figure("warnings sent", len(warned), "", STANDING, exact=True),
        ]
    return figures


def _until(clock: SystemClock, probe: _Probe, seconds: float) -> None:
    end = clock.monotonic_ms() + seconds * 1000
    while (left := end - clock.monotonic_ms()) > 0:
        probe.look(min(_LOOK_S, left / 1000))


class _Probe:
    """Watches one process and its children, and tells if it ends."""

    def __init__(self, process: subprocess.Popen[Any], seen: psutil.Process, log: Path) -> None:
        self._process = process
        self._seen = seen
        self._log = log
        self._peak = 0

    def look(self, wait_s: float) -> None:
        """Read the memory, then wait.

        Raises:
            UnavailableError: the process ended.
        """
        try:
            self._peak = max(self._peak, sum(p.memory_info().rss for p in self._all()))
            self._process.wait(wait_s)
        except subprocess.TimeoutExpired:
            return
        except psutil.NoSuchProcess:
            self._process.wait(wait_s)
        raise self.failed(f"ended with code {self._process.returncode}")

    def cpu_s(self) -> float:
        """Processor seconds so far, user and system."""
        return sum(t.user + t.system for t in (p.cpu_times() for p in self._all()))

    def peak_mb(self) -> float:
        """Largest resident memory so far, in million bytes: the kernel's own mark where it keeps one."""
        try:
            status = Path(f"/proc/{self._process.pid}/status").read_text("utf-8")
            mark = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
        except (OSError, StopIteration):
            mark = 0
        return max(self._peak, mark * 1024) / 1e6

    def failed(self, what: str) -> UnavailableError:
        """The agent's own last words."""
        tail = self._log.read_text("utf-8")[-600:].strip()
        return UnavailableError(f"the agent {what}: {tail or 'it said nothing'}")

    def _all(self) -> list[psutil.Process]:
        return [self._seen, *self._seen.children(recursive=True)]


def _cameras_seen(database: Path) -> int:
    """How many cameras the agent has looked at: it stores a camera's memory with the first picture."""
    if not database.exists():
        return 0
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=0)) as db:
            return int(db.execute("SELECT count(*) FROM cameras").fetchone()[0])
    except sqlite3.OperationalError:  # it is being made at this moment
        return 0


def _patrol(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "patrol", *arguments], capture_output=True, text=True, timeout=_UP_S
    )
    if done.returncode:
        raise UnavailableError(f"`patrol {' '.join(arguments[:2])}` failed: {done.stderr.strip()[-600:]}")
