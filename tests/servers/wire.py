"""A network that can fail: a TCP forwarder between a browser and a server that is cut, or loses one answer, on demand."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable


class Wire:
    """Forwards 127.0.0.1:`port` to a server's port. `cut()` refuses connections, as a phone in a tunnel sees it.

    `lose_answer_to(text, then)` waits for a request that begins with `text`, lets the server answer it, throws the answer
    away, calls `then` and drops the connection: the worst moment at which a server can die.
    """

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._lock = threading.Lock()
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._trap: tuple[bytes, Callable[[], None]] | None = None
        self.sprung = threading.Event()
        self._listener = self._listen(0)
        self.port: int = self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """No network from now on; what is on its way is lost."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        for pair in pairs:
            _drop(*pair)

    def mend(self) -> None:
        """The network is back."""
        self._listener = self._listen(self.port)

    def lose_answer_to(self, text: str, then: Callable[[], None]) -> None:
        self.sprung.clear()
        self._trap = (text.encode(), then)

    def _listen(self, port: int) -> socket.socket:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(64)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._server_port), 5)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            with self._lock:
                self._pairs.add((near, far))
            trapped = threading.Event()
            threading.Thread(target=self._pump, args=(near, far, trapped, True), daemon=True).start()
            threading.Thread(target=self._pump, args=(far, near, trapped, False), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, trapped: threading.Event, asks: bool) -> None:
        while True:
            try:
                data = source.recv(65536)
                trap = self._trap
                if asks and trap is not None and data.startswith(trap[0]):
                    trapped.set()
                if not asks and data and trapped.is_set() and trap is not None:
                    self._trap = None
                    trap[1]()
                    self.sprung.set()
                    data = b""
                if not data:
                    break
                sink.sendall(data)
            except OSError:
                break
        with self._lock:
            self._pairs.discard((source, sink))
            self._pairs.discard((sink, source))
        _drop(source, sink)


def _drop(*sockets: socket.socket) -> None:
    for each in sockets:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()
