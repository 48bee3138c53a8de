"""A simulated 12345 platform: a real HTTP server that repeats, reorders, loses and delays what it says, and answers 500.

It speaks the protocol of docs/hotline.md and keeps its promises there: a report with a known Idempotency-Key is the same
report. All chance comes from one seed.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from central.hotline.city.messages import SIGNATURE_HEADER, TIME_HEADER, is_signed, signed

ROOT = "/open/v1"
WORDS = ("楼上半夜装修", "电梯停了", "垃圾没人收", "路灯不亮", "暖气不热", "水管漏水", "占道摆摊", "想问医保")
PLACES = ("德胜里3号楼", "新街口南大街", "西四北大街12号", "月坛北小街", "三里河东路")
CATEGORIES = ("0101", "0102", "0203", "0901")

Post = Callable[[str, bytes, dict[str, str]], int]
"""Delivers a push: path, body, headers -> HTTP status; 0 where nobody answered."""


@dataclass(frozen=True, slots=True)
class Faults:
    """Chance of each fault, 0 to 1, whenever it could happen."""

    error_before: float = 0.15
    """500, and nothing was done."""

    error_after: float = 0.15
    """500, although it was done."""

    lost: float = 0.1
    """A change never stands in the list."""

    late: float = 0.15
    """A change stands in the list only when the list has been read past it."""

    twice: float = 0.3
    """A change stands in the list twice, or is pushed twice."""

    shuffled: float = 0.5
    """A page is out of order."""

    push_lost: float = 0.3
    """A push never leaves."""


NO_FAULTS = Faults(0, 0, 0, 0, 0, 0, 0)


@dataclass(slots=True)
class SimulatedCity:
    """The platform's state. Its server runs from `start` to `stop` on a port of this machine.

    Args:
        secret: both sides sign with it.
        seed: of everything that happens by chance.
        now_ms: the platform's clock, UTC milliseconds.
        faults: how bad it is.
    """

    secret: bytes
    seed: int
    now_ms: Callable[[], int]
    faults: Faults = field(default_factory=Faults)
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    reports: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By Idempotency-Key, in the order in which they came."""

    attempts: int = 0
    url: str = ""
    _feed: list[tuple[dict[str, Any], int]] = field(default_factory=list)
    """Each with the request from which on it stands in the list."""

    _unpushed: list[dict[str, Any]] = field(default_factory=list)
    _requests: int = 0
    _dice: random.Random = field(default_factory=random.Random)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _server: ThreadingHTTPServer | None = None

    def __post_init__(self) -> None:
        self._dice.seed(self.seed)

    def start(self) -> str:
        """Listen; the address for the file of the hotline."""
        city = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer(b"")

            def do_POST(self) -> None:
                self._answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

            def _answer(self, body: bytes) -> None:
                status, answer = city._call(self.command, self.path, body, dict(self.headers.items()))
                data = json.dumps(answer, ensure_ascii=False).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}{ROOT}"
        return self.url

    def stop(self) -> None:
        """Answer no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def ring(self) -> str:
        """Somebody rings the city; the number of the new order."""
        with self._lock:
            number = f"BJ-{self.seed}-{len(self.orders) + 1:05d}"
            now = self.now_ms()
            self.orders[number] = {
                "number": number,
                "version": 1,
                "category": self._dice.choice(CATEGORIES),
                "text": self._dice.choice(WORDS),
                "place": self._dice.choice(PLACES),
                "caller": {"name": "王", "phone": f"139{self._dice.randrange(10**8):08d}"},
                "received_at": _iso(now),
                "accept_by": _iso(now + 2 * 3_600_000),
                "due_by": _iso(now + 5 * 86_400_000),
                "state": "open",
                "of_a_newer_version": True,
            }
            self._happened(number)
            return number

    def change(self) -> None:
        """An order gets a stricter time or more words, or is taken back."""
        with self._lock:
            open_ = [number for number, order in self.orders.items() if order["state"] == "open"]
            if not open_:
                return
            number = self._dice.choice(open_)
            order = dict(self.orders[number])
            order["version"] += 1
            what = self._dice.randrange(4)
            if what == 0:
                order["state"] = "withdrawn"
            elif what == 1:
                order["text"] += "，请尽快"
            else:
                order["due_by"] = _iso(self.now_ms() + self._dice.randrange(1, 96) * 3_600_000)
            self.orders[number] = order
            self._happened(number)

    def push(self, post: Post, path: str) -> None:
        """Post what changed, in any order; what failed is posted again the next time, what worked sometimes as well."""
        with self._lock:
            waiting, self._unpushed = self._unpushed, []
            self._dice.shuffle(waiting)
        while waiting:
            some, waiting = waiting[:3], waiting[3:]
            body = json.dumps({"orders": some}, ensure_ascii=False).encode()
            headers = signed(self.secret, "POST", path, self.now_ms(), body)
            if post(path, body, headers) != 200 or self._by_chance(self.faults.twice):
                self._unpushed += some

    def state_of(self, number: str) -> str:
        """How the platform thinks that an order stands."""
        if self.orders[number]["state"] == "withdrawn":
            return "withdrawn"
        state = "open"
        for report in self.reports.values():
            if report["number"] == number:
                kind = report["kind"]
                state = {"returned": "returned", "result": "finished"}.get(kind, "accepted")
        return state

    def of(self, number: str, kind: str) -> list[dict[str, Any]]:
        """Reports of one kind about an order, each once."""
        return [one for one in self.reports.values() if one["number"] == number and one["kind"] == kind]

    def _happened(self, number: str) -> None:
        order = self.orders[number]
        if not self._by_chance(self.faults.push_lost):
            self._unpushed.append(order)
        if self._by_chance(self.faults.lost):
            self._feed.append((order, 2**62))
            return
        wait = self._dice.randrange(1, 12) if self._by_chance(self.faults.late) else 0
        self._feed.append((order, self._requests + wait))
        if self._by_chance(self.faults.twice):
            self._feed.append((order, self._requests))

    def _call(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
        with self._lock:
            self._requests += 1
            time, proof = headers.get(TIME_HEADER, ""), headers.get(SIGNATURE_HEADER, "")
            if not is_signed(self.secret, method, path, time, proof, body, self.now_ms()):
                return 401, {"error": "signature"}
            if self._by_chance(self.faults.error_before):
                return 500, {"error": "before"}
            answer = self._do(path, body, headers)
            return (500, {"error": "after"}) if self._by_chance(self.faults.error_after) else answer

    def _do(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
        parts = urlsplit(path)
        words = parts.path.removeprefix(ROOT + "/").split("/")
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if words == ["orders"]:
            return 200, self._page(int(asked.get("after") or 0), int(asked["limit"]))
        if words == ["states"]:
            states = [{"number": number, "state": self.state_of(number)} for number in self.orders]
            return 200, {"states": states, "cursor": "", "more": False}
        number = unquote(words[1]) if len(words) > 1 else ""
        if words[0] != "orders" or number not in self.orders:
            return 404, {"error": "unknown"}
        if len(words) == 2:
            return 200, self.orders[number]
        self.attempts += 1
        said = json.loads(body)
        known = self.reports.setdefault(headers["Idempotency-Key"], {**said, "number": number})
        return (200, {}) if known == {**said, "number": number} else (409, {"error": "other content"})

    def _page(self, after: int, limit: int) -> dict[str, Any]:
        some = self._feed[after : after + limit]
        orders = [order for order, since in some if since <= self._requests]
        if self._by_chance(self.faults.shuffled):
            self._dice.shuffle(orders)
        end = after + len(some)
        return {"orders": orders, "cursor": str(end), "more": end < len(self._feed)}

    def _by_chance(self, share: float) -> bool:
        return share > 0 and self._dice.random() < share


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
