"""Calls over connections that stay open, at a fixed rate, from an address of choice. Also the flood's own process."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

CONNECTIONS = 16
"""Of the client that works."""

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: of which kind of call, its status, milliseconds since it was due, and the wait that was asked for."""

    kind: str
    status: int
    ms: float
    retry_after_s: int = 0


def report(key: str, text: str, kind: str = "post") -> tuple[str, bytes]:
    """A report over Open311 as (kind, request)."""
    form = {
        "api_key": key,
        "service_code": "city_appearance",
        "lat": "39.9145",
        "long": "116.3321",
        "description": text,
    }
    body = urlencode(form).encode()
    head = (
        f"POST /open311/v2/requests.json HTTP/1.1\r\nHost: {HOST}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return kind, head.encode() + body


def look(path: str) -> tuple[str, bytes]:
    """A page as (kind, request)."""
    return "page", f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nAccept-Language: en\r\n\r\n".encode()


async def send(
    port: int, calls: Sequence[tuple[str, bytes]], rate: float, source: str, connections: int = CONNECTIONS
) -> list[Answer]:
    """Send calls at a rate.

    A call's time counts from when it was due, so that a server that falls behind is not measured more kindly for it.

    Args:
        port: of the centre.
        calls: of `report` and `look`.
        rate: a second.
        source: the address that they come from, of this machine.
        connections: how many stay open; a call waits for one that is idle.
    """
    loop = asyncio.get_running_loop()
    idle: asyncio.Queue[Any] = asyncio.Queue()
    for _ in range(connections):
        idle.put_nowait(await asyncio.open_connection(HOST, port, local_addr=(source, 0)))
    answers: list[Answer] = []
    begin = loop.time()

    async def one(due: float, kind: str, request: bytes) -> None:
        reader, writer = await idle.get()
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        fields = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:])
        }
        await reader.readexactly(int(fields["content-length"]))
        status, wait = int(head.split(" ", 2)[1]), int(fields.get("retry-after", 0))
        answers.append(Answer(kind, status, 1000 * (loop.time() - due), wait))
        idle.put_nowait((reader, writer))

    tasks = []
    for number, (kind, request) in enumerate(calls):
        due = begin + number / rate
        await asyncio.sleep(max(0.0, due - loop.time()))
        tasks.append(asyncio.create_task(one(due, kind, request)))
    await asyncio.gather(*tasks)
    while not idle.empty():
        idle.get_nowait()[1].close()
    return answers


def flood() -> None:
    """The flood's process: its orders come as JSON on the first line of stdin, each further line is a wave of so many reports;
    what came back goes to stdout, a line a wave."""
    orders = json.loads(sys.stdin.readline())
    sent = 0
    for line in sys.stdin:
        calls = [report(orders["key"], f"flood {sent + number}") for number in range(int(line))]
        sent += len(calls)
        answers = asyncio.run(
            send(orders["port"], calls, orders["rate"], orders["source"], orders["connections"])
        )
        statuses: dict[str, int] = {}
        for answer in answers:
            statuses[str(answer.status)] = statuses.get(str(answer.status), 0) + 1
        unsaid = sum(1 for answer in answers if answer.status == 429 and answer.retry_after_s < 1)
        print(json.dumps({"statuses": statuses, "without Retry-After": unsaid}), flush=True)


if __name__ == "__main__":
    flood()
