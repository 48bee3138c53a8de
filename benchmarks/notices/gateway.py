"""A gateway on this machine that speaks Twilio's API and notes when each message came."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs

from protocol.clock import SystemClock

ACCOUNT = "AC" + "0" * 32

_REFERENCE = re.compile(r"(?:编号|Ref )([A-Z2-7]{6})")


class Gateway:
    """Takes every message after a while.

    Args:
        answer_s: how long it thinks about each.
        on_message: told of each, in the thread that took it.
    """

    def __init__(self, answer_s: float, on_message: Callable[[], None]) -> None:
        self.came_ms: dict[str, list[int]] = {}
        self._lock = threading.Lock()
        gateway = self
        clock = SystemClock()
        thinking = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                now = clock.monotonic_ms()
                form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode())
                found = _REFERENCE.search(form["Body"][0])
                with gateway._lock:
                    gateway.came_ms.setdefault(found[1] if found else "?", []).append(now)
                    number = sum(map(len, gateway.came_ms.values()))
                thinking.wait(answer_s)
                body = json.dumps(
                    {"sid": f"SM{number:032x}", "status": "queued", "num_segments": "2"}
                ).encode()
                self.send_response(201)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                on_message()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def messages(self) -> int:
        """How many came."""
        with self._lock:
            return sum(map(len, self.came_ms.values()))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
