"""An HTTP server with the semantics of Alibaba Cloud's SMS API (2017-05-25) that misbehaves when told to.

It has no idempotency, as the real one: each SendSms that it takes makes another message.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import struct
import threading
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, quote, urlsplit

KEY_ID, SECRET = "test-key-id", "test-key-secret"
CHINA = timezone(timedelta(hours=8))


@dataclass(frozen=True)
class Fault:
    """What to do with one request instead of answering it well.

    Args:
        code: code in the body.
        status: HTTP status.
        takes: whether the message is made all the same.
        then: `hang` (no answer), `reset` (TCP reset), `garbage` (HTML), `cut` (half an answer).
        headers: more headers of the answer.
    """

    code: str = ""
    status: int = 200
    takes: bool = False
    then: str = "answer"
    headers: tuple[tuple[str, str], ...] = ()


class AliyunGateway:
    """Serves until closed. `messages` is what would have reached phones; `faults` is used up in order,
    `look_faults` the same for look-ups. Requests that are not signed with the secret are refused."""

    def __init__(self) -> None:
        self.messages: list[dict[str, str]] = []
        self.faults: deque[Fault] = deque()
        self.look_faults: deque[Fault] = deque()
        self.actions: list[str] = []
        self.status = 1
        self.closing = threading.Event()
        self.lock = threading.Lock()
        gateway = self

        class Handler(_Handler):
            owner = gateway

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def make(self, query: dict[str, str], at: datetime | None = None) -> str:
        """A message; returns its BizId."""
        with self.lock:
            biz_id = f"{len(self.messages):018d}^0"
            local = (at or datetime.now(UTC)).astimezone(CHINA)
            self.messages.append({**query, "BizId": biz_id, "day": f"{local:%Y%m%d}"})
            return biz_id

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
    owner: AliyunGateway
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        query = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        action = self.headers.get("x-acs-action", "")
        with self.owner.lock:
            self.owner.actions.append(action)
        if not self._signed(query, body):
            self._answer(400, {"Code": "SignatureDoesNotMatch", "Message": "no"})
            return
        sending = action == "SendSms"
        faults = self.owner.faults if sending else self.owner.look_faults
        work = self._send if sending else self._details
        fault = faults.popleft() if faults else None
        if fault is None:
            self._answer(200, work(query))
            return
        if fault.takes:
            self.owner.make(query)
        if fault.then == "hang":
            self.owner.closing.wait(30)
            self.close_connection = True
        elif fault.then == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
        elif fault.then == "cut":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{")
            self.close_connection = True
        elif fault.then == "garbage":
            self._answer(200, "<html>please log in</html>")
        else:
            said = {"Code": fault.code, "Message": "said by the test about +8613800138000", "RequestId": "R"}
            self._answer(fault.status, said, fault.headers)

    def _signed(self, query: dict[str, str], body: bytes) -> bool:
        """ACS3-HMAC-SHA256 over method, path, query, signed headers and the body's hash."""
        scheme, _, rest = self.headers.get("Authorization", "").partition(" ")
        parts = dict(part.split("=", 1) for part in rest.split(",") if "=" in part)
        names = parts.get("SignedHeaders", "").split(";")
        content = hashlib.sha256(body).hexdigest()

        def escaped(text: str) -> str:
            return quote(text, safe="-_.~")

        canonical = "\n".join(
            (
                "POST",
                urlsplit(self.path).path,
                "&".join(f"{escaped(name)}={escaped(query[name])}" for name in sorted(query)),
                "".join(f"{name}:{self.headers.get(name, '').strip()}\n" for name in names),
                ";".join(names),
                content,
            )
        )
        text = f"{scheme}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        expected = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
        return (
            scheme == "ACS3-HMAC-SHA256"
            and parts.get("Credential") == KEY_ID
            and self.headers.get("x-acs-content-sha256") == content
            and hmac.compare_digest(parts.get("Signature", ""), expected)
        )

    def _send(self, query: dict[str, str]) -> dict[str, Any]:
        return {"Code": "OK", "Message": "OK", "RequestId": "R", "BizId": self.owner.make(query)}

    def _details(self, query: dict[str, str]) -> dict[str, Any]:
        size, page = int(query["PageSize"]), int(query["CurrentPage"])
        with self.owner.lock:
            found = [
                message
                for message in reversed(self.owner.messages)
                if message["PhoneNumbers"] == query["PhoneNumber"] and message["day"] == query["SendDate"]
            ]
        listed = [
            {
                "OutId": message.get("OutId", ""),
                "PhoneNum": message["PhoneNumbers"],
                "SendStatus": self.owner.status,
                "ErrCode": "MOBILE_NOT_ON_SERVICE" if self.owner.status == 2 else "DELIVERED",
                "TemplateCode": message["TemplateCode"],
                "Content": "…",
                "SendDate": "2026-01-01 00:00:00",
            }
            for message in found[(page - 1) * size : page * size]
        ]
        return {
            "Code": "OK",
            "Message": "OK",
            "RequestId": "R",
            "TotalCount": str(len(found)),
            "SmsSendDetailDTOs": {"SmsSendDetailDTO": listed},
        }

    def _answer(self, status: int, value: Any, headers: tuple[tuple[str, str], ...] = ()) -> None:
        body = (value if isinstance(value, str) else json.dumps(value)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json;charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        # Asked to close, a server says that it does (RFC 9112, section 9.6), so that nobody reuses the connection.
        if self.close_connection:
            self.send_header("Connection", "close")
        for name, text in headers:
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""
