"""An HTTP server with the semantics of Twilio's Messages resource that misbehaves when told to.

It has no idempotency, as the real one: each request that it takes makes another message.
"""

from __future__ import annotations

import base64
import json
import socket
import struct
import threading
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

ACCOUNT = "AC" + "0123456789abcdef" * 2
TOKEN = "a-token-of-the-test"


@dataclass(frozen=True)
class Fault:
    """What to do with one request instead of answering it well.

    Args:
        status: HTTP status to answer with; 0: see `then`.
        code: Twilio error code in the answer.
        retry_after: value of the header Retry-After.
        takes: whether the message is made all the same.
        then: `hang` (no answer), `reset` (TCP reset), `garbage` (200 with HTML), `cut` (half an answer).
    """

    status: int = 0
    code: int | None = None
    retry_after: str | None = None
    takes: bool = False
    then: str = "answer"


class TwilioGateway:
    """Serves until closed. `messages` is what would have reached phones; `faults` is used up in order,
    `look_faults` the same for look-ups."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.faults: deque[Fault] = deque()
        self.look_faults: deque[Fault] = deque()
        self.requests: list[tuple[str, str]] = []
        self.callbacks: list[str] = []
        self.page_size = 100
        self.closing = threading.Event()
        self.lock = threading.Lock()
        gateway = self

        class Handler(_Handler):
            owner = gateway

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def sent_to(self, number: str) -> list[dict[str, Any]]:
        """Messages that reached a number."""
        with self.lock:
            return [message for message in self.messages if message["to"] == number]

    def make(self, to: str, body: str, sender: str, **more: Any) -> dict[str, Any]:
        """A message as the API shows it."""
        with self.lock:
            message = {
                "sid": f"SM{len(self.messages):032x}",
                "account_sid": ACCOUNT,
                "to": to,
                "from": sender,
                "body": body,
                "status": "queued",
                "num_segments": "1",
                "price": None,
                "price_unit": "USD",
                "error_code": None,
                "error_message": None,
                "direction": "outbound-api",
                "date_created": format_datetime(datetime.now(UTC)),
                "date_updated": format_datetime(datetime.now(UTC)),
                "date_sent": None,
            } | more
            self.messages.append(message)
            return message

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that give up are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    owner: TwilioGateway
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length", "0"))
        form = {name: values[0] for name, values in parse_qs(self.rfile.read(size).decode()).items()}
        self._serve(self.owner.faults, lambda: self._create(form))

    def do_GET(self) -> None:
        self._serve(self.owner.look_faults, self._list)

    def _serve(self, faults: deque[Fault], work: Any) -> None:
        with self.owner.lock:
            self.owner.requests.append((self.command, self.path))
        expected = base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {expected}":
            self._answer(401, {"code": 20003, "message": "Authenticate", "status": 401})
            return
        fault = faults.popleft() if faults else None
        if fault is None:
            self._answer(201 if self.command == "POST" else 200, work())
            return
        made = work() if fault.takes else {}
        if fault.then == "hang":
            self.owner.closing.wait(30)
            self.close_connection = True
        elif fault.then == "reset":
            # Linger 0 makes the kernel send RST instead of FIN.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
        elif fault.then == "cut":
            self.wfile.write(b"HTTP/1.1 201 Created\r\nContent-Length: 5000\r\n\r\n{")
            self.close_connection = True
        elif fault.then == "garbage":
            self._answer(200, "<html>please log in</html>")
        elif fault.status < 400:
            self._answer(fault.status or 200, made)
        else:
            said = {
                "code": fault.code,
                "message": "said by the test about +8613800138000",
                "status": fault.status,
            }
            self._answer(fault.status, said, retry_after=fault.retry_after)

    def _create(self, form: dict[str, str]) -> dict[str, Any]:
        if "StatusCallback" in form:
            self.owner.callbacks.append(form["StatusCallback"])
        sender = form.get("From") or form.get("MessagingServiceSid") or ""
        return self.owner.make(form["To"], form["Body"], sender)

    def _list(self) -> dict[str, Any]:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        page = int(query.get("Page", "0"))
        size = min(int(query.get("PageSize", "50")), self.owner.page_size)
        found = list(reversed(self.owner.sent_to(query["To"]) if "To" in query else self.owner.messages))
        path = urlsplit(self.path).path
        more = len(found) > (page + 1) * size
        following = f"{path}?To={query.get('To', '').replace('+', '%2B')}&PageSize={size}&Page={page + 1}"
        return {
            "messages": found[page * size : (page + 1) * size],
            "page": page,
            "page_size": size,
            "uri": self.path,
            "next_page_uri": following if more else None,
        }

    def _answer(self, status: int, value: Any, retry_after: str | None = None) -> None:
        body = (value if isinstance(value, str) else json.dumps(value)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if retry_after is not None:
            self.send_header("Retry-After", retry_after)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""
