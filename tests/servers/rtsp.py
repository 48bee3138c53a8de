"""Starts, freezes and kills the real RTSP server of the tests, as a process of its own."""

from __future__ import annotations

import select
import signal
import subprocess
from pathlib import Path

PROGRAM = Path(__file__).with_name("gst_rtsp_server.py")
SYSTEM_PYTHON = "/usr/bin/python3"
READY_WITHIN_S = 30


class RtspServer:
    """GStreamer's RTSP server on 127.0.0.1, playing one file over and over at ``/cam``.

    Args:
        file: an MP4 file.
        options: the program's own options, e.g. ``"--auth", "digest"``.
        port: 0 for any free one.
    """

    def __init__(self, file: Path, *options: str, port: int = 0) -> None:
        self._process = subprocess.Popen(
            [SYSTEM_PYTHON, str(PROGRAM), str(file), "--port", str(port), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], READY_WITHIN_S)
        words = self._process.stdout.readline().split() if readable else []
        if words[:1] != ["READY"]:
            self.kill()
            raise RuntimeError("the RTSP server did not start; install the system packages that tests need")
        self.port = int(words[1])

    @property
    def url(self) -> str:
        """Address of the stream, without credentials."""
        return f"rtsp://127.0.0.1:{self.port}/cam"

    def freeze(self) -> None:
        """Stop it in the middle of whatever it does; its connections stay open."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, frozen or not. May be called twice."""
        self._process.kill()
        self._process.wait(10)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
