"""A real Mosquitto on a port of 127.0.0.1, to be killed, stopped and started again at will."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self


class Mosquitto:
    """One broker with its own folder for configuration and persistence.

    Args:
        folder: an empty folder of its own.
        port: a free TCP port.
        extra: further lines of configuration; by default anonymous clients are welcome.
    """

    def __init__(self, folder: Path, port: int, extra: str = "allow_anonymous true\n") -> None:
        program = shutil.which(
            "mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/sbin"
        )
        if program is None:
            raise FileNotFoundError("mosquitto is not installed; the system packages for tests hold it")
        self._program = program
        self.port = port
        self.url = f"mqtt://127.0.0.1:{port}"
        self.log = folder / "mosquitto.log"
        self._conf = folder / "mosquitto.conf"
        # Saved after each change, so that a kill -9 costs nothing that was acknowledged.
        self._conf.write_text(
            f"persistence true\npersistence_location {folder}/\nautosave_on_changes true\nautosave_interval 1\n"
            f"user root\nlog_dest file {self.log}\nlog_type all\nmax_queued_messages 10000\n"
            f"listener {port} 127.0.0.1\n{extra}"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it and return once it accepts connections."""
        self._process = subprocess.Popen(
            [self._program, "-c", str(self._conf)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 10
        while True:
            if self._process.poll() is not None:
                raise RuntimeError(f"mosquitto left at once: {self._said()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=0.5).close()
                return self
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def kill(self) -> None:
        """kill -9: no goodbye, nothing saved."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in good order; harmless if it does not run."""
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """Stop the process: connections stay open and nobody answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen broker go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.send_signal(how)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)
        self._process = None

    def _said(self) -> str:
        return self.log.read_text("utf-8", "replace")[-500:] if self.log.exists() else "nothing"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
