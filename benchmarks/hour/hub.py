"""Another system that is told of cases: it checks each signature, and now and then fails, as systems do."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

from benchmarks.hour.stage import Stage
from benchmarks.hour.tally import Tally
from benchmarks.published import Row, one, read_page

FAILS, HANGS_UP = 6, 9
"""Of so many messages one is answered with 500 at first; of so many, one gets no answer twice. By the message's id, so that none is
put off for hours."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a webhook asks for; empty means all."""

    name: str
    events: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    grids: tuple[str, ...] = ()

    def wants(self, service: str, grid: str, event: str) -> bool:
        """Whether it is told of this."""
        return (
            (not self.events or event in self.events)
            and (not self.services or service in self.services)
            and (not self.grids or grid in self.grids)
        )


WISHES = (
    Wish("all"),
    Wish(
        "ends",
        events=("case.closed", "case.reopened"),
        services=("hotline_matter", "residents_voice", "iot_alarm"),
    ),
    Wish("south-west", services=("residents_voice", "city_appearance"), grids=("g1",)),
)


@dataclass
class Heard:
    """What one webhook was told.

    Attributes:
        bodies: id of a message -> its body. kinds: event -> messages. times: case -> instants of its events as received.
    """

    bodies: dict[str, bytes] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)
    times: dict[int, list[str]] = field(default_factory=dict)
    tries: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    again: int = 0
    failed: int = 0
    forged: int = 0
    changed: int = 0


class Hub:
    """The receiver: a web server on this machine.

    Attributes:
        secrets: name of a webhook -> the secret that was shown for it.
    """

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}
        self.heard = {wish.name: Heard() for wish in WISHES}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.2,), name="hub", daemon=True
        )

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        """Listen."""
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            """One message."""

            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                status = hub._take(self.path.strip("/"), self.headers, body)
                if status == 0:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        return Handler

    def _take(self, name: str, headers: Any, body: bytes) -> int:
        with self._lock:
            heard = self.heard[name]
            heard.calls += 1
            number = headers["webhook-id"]
            if not self._is_signed(name, headers, body):
                heard.forged += 1
                return 401
            if number in heard.bodies:
                heard.again += 1
                heard.changed += heard.bodies[number] != body
                return 204
            heard.tries[number] += 1
            by_id = int(hashlib.sha256(number.encode()).hexdigest()[:8], 16)
            if by_id % HANGS_UP == 0 and heard.tries[number] <= 2:
                heard.failed += 1
                return 0
            if by_id % FAILS == 1 and heard.tries[number] == 1:
                heard.failed += 1
                return 500
            heard.bodies[number] = body
            told = json.loads(body)
            heard.kinds[told["type"]] += 1
            heard.times.setdefault(told["data"]["case"]["id"], []).append(told["timestamp"])
            return 204

    def _is_signed(self, name: str, headers: Any, body: bytes) -> bool:
        key = base64.b64decode(self.secrets[name].removeprefix("whsec_"))
        said = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        mark = base64.b64encode(hmac.new(key, said, hashlib.sha256).digest()).decode()
        return any(
            hmac.compare_digest(each, f"v1,{mark}") for each in headers["webhook-signature"].split(" ")
        )


def subscribe(hub: Hub, key_name: str) -> None:
    """Tell the centre of it."""
    from central.cases.models import ApiKey
    from central.webhooks import services

    key = ApiKey.objects.get(name=key_name)
    for wish in WISHES:
        _made, secret = services.subscribe(
            wish.name, key, f"{hub.url}/{wish.name}",
            wanted=wish.events, service_codes=wish.services, grids=wish.grids,
        )  # fmt: skip
        hub.secrets[wish.name] = secret


def waiting() -> int:
    """How many messages are still on their way."""
    from central.webhooks.models import Delivery

    return Delivery.objects.filter(state="waiting").count()


def published(hub: Hub, stage: Stage, web: requests.Session, tally: Tally) -> Iterator[Row]:
    """What the receiver has, and what the page of other systems says of it."""
    page = read_page(web, stage.centre.url + "/systems/")
    rows = {row[0].split(" ")[0]: row for row in page.rows if len(row) == 8}
    for wish in WISHES:
        heard = hub.heard[wish.name]
        true: Counter[str] = Counter()
        for (service, grid, event), n in tally.events.items():
            if wish.wants(service, grid, event):
                true[event] += n
        for event in sorted({*true, *heard.kinds}):
            yield one(f"{wish.name}: {event} received", heard.kinds[event], true[event])
        ordered = all(times == sorted(times) for times in heard.times.values())
        yield one(f"{wish.name}: each case's in its order", ordered, True)
        yield one(f"{wish.name}: badly signed, or changed in a repetition", heard.forged + heard.changed, 0)
        row = rows.get(wish.name, [""] * 8)
        yield one(
            f"{wish.name}: on its way, given up, on the page",
            f"{row[3].split(' ')[0]} {row[4].split(' ')[0]}",
            "0 0",
        )
