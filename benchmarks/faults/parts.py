"""The real processes of a run: camera, broker, centre and agent, to be killed and started again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.servers import mosquitto_command
from protocol.errors import UnavailableError

_HERE = Path(__file__).parent
ROOT = _HERE.parent.parent
_UP_S = 40.0


class Part:
    """One process: started, killed with SIGKILL and its children too, started again.

    Args:
        ready: says whether it is up; asked until it is.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        log: Path,
        environment: dict[str, str],
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        self.name, self._command, self.log, self._environment = name, command, log, environment
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it is up.

        Raises:
            UnavailableError: it does not come up.
        """
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                cwd=ROOT,
                start_new_session=True,
            )
        deadline = time.monotonic() + _UP_S
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                tail = self.log.read_text("utf-8", "replace")[-500:].strip()
                raise UnavailableError(f"{self.name} did not come up: {tail or 'it said nothing'}")
            time.sleep(0.05)

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of the running process.

        Raises:
            UnavailableError: it does not run.
        """
        if self._process is None:
            raise UnavailableError(f"{self.name} does not run")
        return self._process.pid

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        if process.poll() is None:
            os.killpg(process.pid, how)
        try:
            return process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return process.wait()


class SetClock:
    """A wall clock of one process that can be set while it runs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.off_s = 0
        path.write_bytes(struct.pack("<q", 0))

    def step(self, by_s: int) -> None:
        """Set it by so many seconds."""
        self.off_s += by_s
        with self.path.open("r+b") as file:
            file.write(struct.pack("<q", self.off_s * 1_000_000_000))

    def environment(self) -> dict[str, str]:
        """What the process is started with."""
        path = os.pathsep.join((str(_HERE / "stepped"), *filter(None, [os.environ.get("PYTHONPATH")])))
        return {"PYTHONPATH": path, "PATROL_FAULTS_CLOCK": str(self.path)}


class SmallDisk:
    """A disk of a few megabytes of its own, where the system lets us have one."""

    def __init__(self, folder: Path, mib: int = 24) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"
        command = ["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=0700", "patrol", str(folder)]
        self.mounted = (
            os.geteuid() == 0
            and shutil.which("mount") is not None
            and subprocess.run(command, capture_output=True).returncode == 0
        )

    def fill(self) -> None:
        """Use up its last byte."""
        with self._ballast.open("wb", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError:
                    continue

    def free(self) -> None:
        """There is room again."""
        self._ballast.unlink(missing_ok=True)

    def close(self) -> None:
        """Give it back."""
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.folder)], capture_output=True)
            self.mounted = False


def patrol(*words: str) -> list[str]:
    """A command of this program."""
    return [sys.executable, "-m", "patrol", *words]


def answers(port: int) -> Callable[[], bool]:
    """Whether somebody listens on a port."""

    def ask() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=0.5).close()
        except OSError:
            return False
        return True

    return ask


def mosquitto(folder: Path, port: int) -> list[str]:
    """The command of a broker that forgets nothing it acknowledged.

    Raises:
        UnavailableError: it is not installed.
    """
    folder.mkdir()
    return mosquitto_command(
        folder,
        port,
        "autosave_on_changes true\nautosave_interval 1\nmax_queued_messages 10000\nallow_anonymous true\n",
    )


def rows(database: Path, query: str) -> list[tuple[object, ...]]:
    """Read from a database that others write; nothing where it cannot be read just now."""
    try:
        db = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=2)
    except sqlite3.Error:
        return []
    try:
        return db.execute(query).fetchall()
    except sqlite3.Error:
        return []
    finally:
        db.close()


def later(seconds: float, act: Callable[[], object]) -> threading.Timer:
    """Do it in so many seconds."""
    timer = threading.Timer(seconds, act)
    timer.daemon = True
    timer.start()
    return timer
