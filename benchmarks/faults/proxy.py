"""A TCP proxy that behaves like a bad network: cut, half-open, slow, or with segments that come late."""

from __future__ import annotations

import contextlib
import random
import select
import socket
import struct
import threading
from types import TracebackType
from typing import Literal, Self

State = Literal["good", "cut", "half open", "slow", "lossy"]

TROUBLES: tuple[State, ...] = ("cut", "half open", "slow", "lossy")
_CHUNK = 16_384
_SLOW_BYTES, _SLOW_S = 400, 0.05
_LATE_S = 0.25


class Proxy:
    """Forwards one port to another on this machine.

    cut: all connections are reset and new ones refused. half open: connections stay, nothing passes. slow: eight
    kilobytes a second. lossy: three chunks of ten come a quarter of a second late and hold up what follows, which is
    what a loss of 30 % of the segments looks like from above TCP.

    Args:
        target: the port behind it.
        port: the port to listen on; 0 takes a free one.
    """

    def __init__(self, target: int, seed: int, port: int = 0) -> None:
        self._target = target
        self._dice = random.Random(seed)
        self._listener = socket.create_server(("127.0.0.1", port))
        self._listener.settimeout(0.2)
        self.port = int(self._listener.getsockname()[1])
        self._state: State = "good"
        self._changed = threading.Event()
        self._ended = threading.Event()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._listener.close()
        self._reset()

    def become(self, state: State) -> None:
        """The network is like this from now on."""
        self._state = state
        if state == "cut":
            self._reset()

    def _reset(self) -> None:
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                near, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            if self._state == "cut":
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self._target), timeout=2)
            except OSError:
                near.close()
                continue
            with self._lock:
                self._pairs.append((near, far))
            threading.Thread(target=self._pass, args=(near, far), daemon=True).start()

    def _pass(self, near: socket.socket, far: socket.socket) -> None:
        other = {near: far, far: near}
        try:
            while not self._ended.is_set():
                if self._state == "half open":
                    self._ended.wait(0.05)
                    continue
                for end in select.select([near, far], [], [], 0.2)[0]:
                    slow = self._state == "slow"
                    data = end.recv(_SLOW_BYTES if slow else _CHUNK)
                    if not data:
                        return
                    if slow:
                        self._ended.wait(_SLOW_S)
                    elif self._state == "lossy" and self._dice.random() < 0.3:
                        self._ended.wait(_LATE_S)
                    other[end].sendall(data)
        except (OSError, ValueError):
            pass
        finally:
            with self._lock:
                if (near, far) in self._pairs:
                    self._pairs.remove((near, far))
            near.close()
            far.close()
