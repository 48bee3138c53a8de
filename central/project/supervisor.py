"""`patrol central up`: web, ingest and the workers as children of one process that restarts what dies and stops all.

Children are forked from a process that has imported everything: eight of them start in the time of one, and share most of
its memory. In production each part is a service of its own (docs/operations.md).
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess

from setproctitle import setproctitle

from central.project import heap, process
from protocol.clock import SystemClock
from protocol.errors import UnavailableError

STOP_S = 8
"""Longer than a batch takes; after it a child is killed."""

RESTART_MS = (1_000, 30_000)
HEALTHY_MS = 60_000
"""A child that ran so long starts afresh with the shortest wait."""

START_S = 30

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

IMPORTS = ("central.project.urls", "central.project.web", "central.ingest.worker")
"""What children would otherwise import one by one, beside all that Django's applications import."""

WORKERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("notices", ("notices", "work")),
    ("sweep", ("sweep",)),
    ("dispatch", ("dispatch", "work")),
    ("hotline", ("hotline", "work")),
    ("devices", ("iot", "work")),
    ("webhooks", ("webhooks", "work")),
)
"""Name and `patrol central …` command of each worker of which one process is enough here."""


@dataclass
class _Child:
    name: str
    arguments: list[str]
    running: BaseProcess | None = None
    started_ms: int = 0
    wait_ms: int = RESTART_MS[0]
    restart_at_ms: int = 0


class Supervisor:
    """Holds the listening socket, so that a restart of the web process refuses nobody.

    Args:
        listener: where the pages listen.
        ingest_workers: how many ingest processes.
        web_workers: how many web processes; each takes calls from the same socket.
        call: `patrol` with arguments; a child is this call.
        say: told of each child that had to be started again.
    """

    def __init__(
        self,
        listener: socket.socket,
        ingest_workers: int,
        call: Callable[[list[str]], None],
        say: Callable[[str], None],
        web_workers: int = 1,
    ) -> None:
        self._listener = listener
        self._call = call
        self._say = say
        self._stop = threading.Event()
        self._clock = SystemClock()
        web = ["central", "web", "--fd", str(listener.fileno())]
        names = ["web"] if web_workers == 1 else [f"web {number + 1}" for number in range(web_workers)]
        self._children = [_Child(name, web) for name in names]
        for number in range(ingest_workers):
            name = "ingest" if ingest_workers == 1 else f"ingest {number + 1}"
            self._children.append(_Child(name, ["central", "ingest"]))
        self._children += [_Child(name, ["central", *words]) for name, words in WORKERS]

    def run(self, ready: Callable[[str], None]) -> None:
        """Start all, call `ready` with the address once the pages answer, and stay until SIGTERM or Ctrl-C.

        Raises:
            UnavailableError: the pages did not come up.
        """
        for module in IMPORTS:
            importlib.import_module(module)
        heap.freeze()
        for number in SIGNALS:
            signal.signal(number, lambda *_: self._stop.set())
        try:
            for child in self._children:
                self._start(child)
            if self._wait_until_ready():
                ready(process.address(self._listener))
            while not self._stop.wait(0.25):
                for child in self._children:
                    self._look_after(child)
        finally:
            self._stop_all()

    def _start(self, child: _Child) -> None:
        child.running = multiprocessing.get_context("fork").Process(
            target=self._become, args=(child.arguments, os.getpid()), name=child.name
        )
        child.running.start()
        child.started_ms = self._clock.monotonic_ms()

    def _become(self, arguments: list[str], parent: int) -> None:
        """In the child: be `patrol …` as if it had been called by itself."""
        os.setsid()  # Ctrl-C reaches only the parent, which stops the children in order
        for number in SIGNALS:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        if "--fd" not in arguments:
            self._listener.close()
        os.environ[process.PARENT] = str(parent)
        setproctitle(" ".join(["patrol", *arguments]))
        self._call(arguments)

    def _look_after(self, child: _Child) -> None:
        now = self._clock.monotonic_ms()
        if child.running is None:
            if now >= child.restart_at_ms:
                self._start(child)
            return
        code = child.running.exitcode
        if code is None:
            return
        if now - child.started_ms >= HEALTHY_MS:
            child.wait_ms = RESTART_MS[0]
        self._say(f"{child.name} ended with {code}; starting it again in {child.wait_ms / 1000:g} s")
        child.running = None
        child.restart_at_ms = now + child.wait_ms
        child.wait_ms = min(child.wait_ms * 2, RESTART_MS[1])

    def _wait_until_ready(self) -> bool:
        ends = self._clock.monotonic_ms() + START_S * 1000
        address = process.address(self._listener) + "/readyz"
        web = self._children[0]
        while not self._stop.is_set():
            if web.running is not None and web.running.exitcode is not None:
                raise UnavailableError("the web process ended while starting; its reason is above")
            try:
                with urllib.request.urlopen(address, timeout=2):  # noqa: S310  # our own socket
                    return True
            except (urllib.error.URLError, OSError):
                if self._clock.monotonic_ms() > ends:
                    raise UnavailableError(f"the pages did not answer within {START_S} s") from None
            self._stop.wait(0.1)
        return False

    def _stop_all(self) -> None:
        running = [child.running for child in self._children if child.running is not None]
        for process_ in running:
            process_.terminate()
        ends = self._clock.monotonic_ms() + STOP_S * 1000
        for process_ in running:
            process_.join(max(0.1, (ends - self._clock.monotonic_ms()) / 1000))
            if process_.exitcode is None:
                process_.kill()
                process_.join()
        self._listener.close()
