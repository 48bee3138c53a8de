"""The web process's handler: a few threads that keep their connections, streams that end with their reader."""

from __future__ import annotations

import asyncio
import itertools
import threading
from contextlib import ExitStack
from typing import Any

import pytest
from django.db import connection, connections
from django.http import HttpResponse, StreamingHttpResponse
from django.test import override_settings
from django.urls import path

import central.project.urls
from central.people.access import open_to_all
from central.project import gate
from central.project.brake import Brake
from central.project.gate import Gate
from central.project.handler import THREADS, PooledHandler

seen: list[tuple[int, int]] = []
"""(thread, its database connection) of each call."""

ended = threading.Event()

at_work: list[str] = []
"""Whose calls are worked on just now."""


@open_to_all
def database(_request: Any) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    seen.append((threading.get_ident(), id(connection.connection)))
    return HttpResponse("ok")


@open_to_all
def stream(_request: Any) -> StreamingHttpResponse:
    async def parts() -> Any:
        try:
            while True:
                yield "data: 1\n\n"
                await asyncio.sleep(0.01)
        finally:
            ended.set()

    return StreamingHttpResponse(parts(), content_type="text/event-stream")


@open_to_all
def broken(_request: Any) -> HttpResponse:
    raise RuntimeError("a mistake of ours")


@open_to_all
def work(request: Any) -> HttpResponse:
    address = request.META["REMOTE_ADDR"]
    assert address not in at_work
    at_work.append(address)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    both.wait(10)
    at_work.remove(address)
    asked.append(address)
    if asked.count(address) == 3:
        door.shut(address, 60)
    return HttpResponse("ok")


both = threading.Barrier(2)
"""Two addresses are worked on side by side."""

asked: list[str] = []
door = Gate("GET", "/work", lambda _path, wait_s: ("text/plain", str(wait_s).encode()))

urlpatterns = [
    path("work", work),
    path("database", database),
    path("stream", stream),
    path("broken", broken),
    *central.project.urls.urlpatterns,
]
handler404 = "central.pages.errors.not_found"
handler500 = "central.pages.errors.server_error"


def call(where: str, address: str = "127.0.0.1") -> dict[str, Any]:
    return {
        "type": "http",
        "method": "GET",
        "path": where,
        "raw_path": where.encode(),
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1")],
        "root_path": "",
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "client": (address, 1),
        "http_version": "1.1",
    }


async def answer(
    handler: PooledHandler, where: str, address: str = "127.0.0.1", *, gone_after: int | None = None
) -> tuple[int, bytes]:
    """Status and body; the reader hangs up after so many parts."""
    status, body, parts = 0, b"", 0
    gone = asyncio.Event()
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status, body, parts
        status = message.get("status", status)
        body += message.get("body", b"")
        parts += 1
        if gone_after is not None and parts >= gone_after:
            gone.set()

    await handler(call(where, address), receive, send)
    return status, body


@pytest.fixture
def handler(centre: Any) -> Any:
    seen.clear()
    ended.clear()
    with override_settings(ROOT_URLCONF=__name__):
        made = PooledHandler()
        yield made
        threads = len(made._pool._threads)
        all_here = threading.Barrier(max(1, threads))

        def close() -> None:
            all_here.wait(10)  # so that each thread closes its own
            connections.close_all()

        for each in [made._pool.submit(close) for _ in range(threads)]:
            each.result()
        made._pool.shutdown()


def test_few_threads_keep_their_connections(handler: PooledHandler) -> None:
    async def many() -> list[tuple[int, bytes]]:
        return [
            one
            for _ in range(5)
            for one in await asyncio.gather(*(answer(handler, "/database") for _ in range(30)))
        ]

    assert set(asyncio.run(many())) == {(200, b"ok")}
    assert len(seen) == 150
    assert len({thread for thread, _ in seen}) <= THREADS
    assert len(set(seen)) == len({thread for thread, _ in seen}), (
        "one connection a thread, from first to last"
    )


def test_an_address_is_worked_on_in_turn_and_turned_away_where_it_waits(
    handler: PooledHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked.clear()
    door.reset()
    monkeypatch.setattr(gate, "gates", [door])
    monkeypatch.setattr(gate, "HOLD_S", 0)

    async def many() -> list[tuple[int, bytes]]:
        return await asyncio.gather(
            *(answer(handler, "/work", f"192.0.2.{number % 2}") for number in range(10))
        )

    assert sorted(asyncio.run(many())) == [(200, b"ok")] * 6 + [(429, b"60")] * 4
    assert door.turns == {}


def test_a_crowd_is_turned_away_and_what_it_may_send_goes_at_its_pace_and_after_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop = Gate("POST", "/shop", lambda _path, wait_s: ("text/plain", str(wait_s).encode()), Brake(2, 20))
    monkeypatch.setattr(gate, "gates", [shop])
    monkeypatch.setattr(gate, "HOLD_S", 0)
    monkeypatch.setattr(gate, "YIELD_S", 60)
    scope = {"method": "POST", "path": "/shop/1", "client": ("192.0.2.1", 1)}
    said: list[Any] = []

    async def send(message: Any) -> None:
        said.append(message)

    async def take() -> float:
        async with gate.in_turn(scope) as may:
            assert may
            return asyncio.get_running_loop().time()

    async def many() -> None:
        with ExitStack() as inside:
            for _ in range(gate.LINE + 1):
                assert not await gate.turned_away(scope, send)
                inside.enter_context(gate.inside(scope))
            for left_open in (True, True, False):
                assert await gate.turned_away(scope, send)
                assert (shop.wait_s("192.0.2.1") == 0) == left_open, "these calls count for the brake"
        assert [each["status"] for each in said[::2]] == [429] * 3
        assert shop.inside == {}
        shop.reset()
        shop.set_pace("192.0.2.1", 6000)
        times = [await take() for _ in range(3)]
        assert all(later - sooner >= 0.01 for sooner, later in itertools.pairwise(times))
        with gate.at_work:
            next_one = asyncio.create_task(take())
            while not gate.at_work.waiting:
                await asyncio.sleep(0)
            assert not next_one.done()
        await next_one

    asyncio.run(asyncio.wait_for(many(), 60))


def test_a_stream_ends_when_its_reader_goes(handler: PooledHandler) -> None:
    status, body = asyncio.run(asyncio.wait_for(answer(handler, "/stream", gone_after=5), 10))
    assert status == 200
    assert body.count(b"data: 1") >= 3
    assert ended.wait(5)


def test_a_mistake_of_ours_is_a_page_and_the_next_call_is_answered(handler: PooledHandler) -> None:
    status, body = asyncio.run(answer(handler, "/broken"))
    assert status == 500
    assert b"a mistake of ours" not in body
    assert asyncio.run(answer(handler, "/database")) == (200, b"ok")


def test_only_http_is_served(handler: PooledHandler) -> None:
    with pytest.raises(ValueError, match="websocket"):
        asyncio.run(handler({"type": "websocket"}, None, None))  # type: ignore[arg-type]
