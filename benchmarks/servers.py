"""Servers that a benchmark starts for itself: PostgreSQL and Mosquitto, each in a folder of its own."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import threading
from contextlib import ExitStack
from pathlib import Path

from protocol.clock import SystemClock
from protocol.errors import UnavailableError

_PLACES = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
_UP_S = 60
_DOWN_S = 60
"""How long a broker may take to write down what it holds."""


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stop(process: subprocess.Popen[bytes] | subprocess.Popen[str], within_s: float = 15) -> None:
    """End a process in good order, or else."""
    process.terminate()
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def postgresql(stack: ExitStack, folder: Path) -> tuple[str, int]:
    """A PostgreSQL server of its own in `folder`, gone with `stack`: (URL of an empty database, process number).

    Raises:
        UnavailableError: it is not installed.
    """
    try:
        os.environ["XDG_RUNTIME_DIR"] = str(folder.parent)  # it asks where locks lie when imported
        import pgserver
    except ModuleNotFoundError as error:
        raise UnavailableError(
            "this needs the Python package 'pgserver', which is not installed",
            mend="Run: pip install pgserver",
        ) from error
    server = pgserver.get_server(folder, cleanup_mode="delete")
    stack.callback(server.cleanup)
    server.psql("CREATE DATABASE patrol")
    pid = int((folder / "postmaster.pid").read_text().splitlines()[0])
    return server.get_uri("patrol"), pid


def mosquitto_program(name: str = "mosquitto") -> str:
    """Where a program of Mosquitto's lies.

    Raises:
        UnavailableError: it is not installed.
    """
    program = shutil.which(name, path=_PLACES)
    if program is None:
        raise UnavailableError("mosquitto is not installed", mend="Run: apt-get install mosquitto")
    return program


def mosquitto_command(folder: Path, port: int, settings: str) -> list[str]:
    """The command of a Mosquitto that keeps in `folder`, which is there, what it must not lose.

    Args:
        settings: further lines of its configuration.

    Raises:
        UnavailableError: it is not installed.
    """
    conf = folder / "mosquitto.conf"
    conf.write_text(
        f"listener {port} 127.0.0.1\npersistence true\npersistence_location {folder}/\n"
        f"log_type error\nlog_dest file {folder}/log\nuser {getpass.getuser()}\n{settings}"
    )
    return [mosquitto_program(), "-c", str(conf)]


class Mosquitto:
    """A Mosquitto on a free port of this machine, which may be started again after a stop.

    Args:
        folder: its own; it must not be there yet, or hold no more than what `settings` name.
        settings: further lines of its configuration.

    Raises:
        UnavailableError: it is not installed.
    """

    def __init__(
        self, folder: Path, settings: str = "allow_anonymous true\nmax_queued_messages 100000\n"
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.port = free_port()
        self._log = folder / "log"
        self._command = mosquitto_command(folder, self.port, settings)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Number of its process while it runs."""
        running = self._process
        return running.pid if running is not None and running.poll() is None else None

    def start(self) -> None:
        """Start it and wait until it listens.

        Raises:
            UnavailableError: it did not come up.
        """
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        pause, clock = threading.Event(), SystemClock()
        ends = clock.monotonic_ms() + _UP_S * 1000
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if self._process.poll() is not None or clock.monotonic_ms() > ends:
                    raise UnavailableError("mosquitto did not start", file=self._log) from None
                pause.wait(0.05)

    def stop(self) -> None:
        """Stop it in good order: it writes what it holds."""
        if self._process is not None and self._process.poll() is None:
            stop(self._process, _DOWN_S)
