"""Interrupts a thread that waits for a socket; `poll` underneath, for it knows no limit of 1,024 open files."""

from __future__ import annotations

import contextlib
import select
import socket
from typing import Any


class Waker:
    """One thread waits, any thread wakes."""

    def __init__(self) -> None:
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._woken.setblocking(False)

    def wake(self) -> None:
        """End the wait of now, or the next one at once."""
        with contextlib.suppress(OSError):  # a byte waits already, or it is closed
            self._waker.send(b"\0")

    def wait(self, wait_s: float, sock: Any = None, *, want_write: bool = False) -> tuple[bool, bool]:
        """Wait for at most `wait_s` seconds, for a socket if one is given.

        Returns:
            Whether the socket is readable (or broken), and whether it is writable.
        """
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        if sock is not None:
            poll.register(sock, select.POLLIN | (select.POLLOUT if want_write else 0))
        ready = dict(poll.poll(max(0.0, wait_s) * 1000))
        if ready.get(self._woken.fileno()):
            with contextlib.suppress(BlockingIOError):
                self._woken.recv(4096)
        found = 0 if sock is None else ready.get(sock.fileno(), 0)
        return bool(found & ~select.POLLOUT), bool(found & select.POLLOUT)

    def close(self) -> None:
        """Close both ends."""
        self._waker.close()
        self._woken.close()
