"""Open pages hear of every change, whatever the order of commits, and the apps import in one direction."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import signal
import socket
import threading
from pathlib import Path

import pytest
import uvicorn
from django.db import transaction

from central.live.feed import Feed
from central.live.models import Change
from central.live.services import KEPT_MS, announce, sweep
from central.project import web
from tests.central.engines import ON_SQLITE

HOUSE = Path(__file__).parents[2] / "central"


async def heard(queue: asyncio.Queue, topic: str) -> None:
    """Return once the topic was told; what is told beside it is let go."""
    while True:
        topics = await asyncio.wait_for(queue.get(), 10)
        if topic in topics:
            return


def test_a_follower_hears_what_commits_and_not_what_is_rolled_back(centre):
    feed = Feed()

    def change() -> None:
        from django.db import connection

        with contextlib.suppress(RuntimeError), transaction.atomic():
            announce("undone")
            raise RuntimeError
        announce("done")
        connection.close()

    async def follow() -> set[str]:
        async with feed.follow() as queue:
            assert await queue.get() == {"*"}, "the page may have been drawn a while ago"
            assert await asyncio.wait_for(queue.get(), 10) == {"*"}, "the first look is taken"
            await asyncio.to_thread(change)
            return set(await asyncio.wait_for(queue.get(), 10))

    assert asyncio.run(follow()) == {"done"}
    feed.close()


@pytest.mark.parametrize("centre", ["postgresql"], indirect=True)
def test_a_change_that_commits_after_a_younger_one_is_heard(centre):
    """PostgreSQL gives numbers out before the commit; only there can two writers overlap."""
    feed = Feed()
    begun, release = threading.Event(), threading.Event()

    def slow() -> None:
        from django.db import connection

        with transaction.atomic():
            announce("slow")
            begun.set()
            assert release.wait(10)
        connection.close()

    def quick() -> None:
        from django.db import connection

        announce("quick")
        connection.close()

    async def follow() -> None:
        async with feed.follow() as queue:
            await queue.get()
            await asyncio.wait_for(queue.get(), 10)
            thread = threading.Thread(target=slow)
            thread.start()
            await asyncio.to_thread(begun.wait, 10)
            await asyncio.to_thread(quick)
            await heard(queue, "quick")
            release.set()
            await heard(queue, "slow")
            thread.join()

    asyncio.run(follow())
    numbers = dict(Change.objects.values_list("topic", "id"))
    assert numbers["slow"] < numbers["quick"]
    feed.close()


def test_closing_ends_every_follower(centre):
    feed = Feed()

    async def follow() -> None:
        async with feed.follow() as queue:
            feed.close()
            while await asyncio.wait_for(queue.get(), 10) is not None:
                pass

    asyncio.run(follow())
    asyncio.run(follow())  # also one who comes later


@ON_SQLITE
def test_a_signal_may_come_while_a_page_leaves(centre, monkeypatch):
    """A signal's handler runs in the middle of the loop's own work, which may be what holds the feed's lock."""
    feed = Feed()
    monkeypatch.setattr("central.live.feed.feed", feed)

    async def nobody_asks(scope: object, receive: object, send: object) -> None:
        raise AssertionError

    async def stop_while_served() -> None:
        server = web.Server(uvicorn.Config(nobody_asks, lifespan="off", log_config=None))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            serving = asyncio.create_task(server.serve([listener]))
            async with feed.follow() as queue:
                while not server.started:
                    await asyncio.sleep(0)
                with feed._lock:
                    signal.raise_signal(signal.SIGTERM)
                while await asyncio.wait_for(queue.get(), 10) is not None:
                    pass
            await asyncio.wait_for(serving, 10)

    before = signal.signal(signal.SIGTERM, lambda *_: None)  # the server passes the signal on when it ends
    try:
        asyncio.run(stop_while_served())
    finally:
        signal.signal(signal.SIGTERM, before)


def test_old_changes_are_swept(centre):
    announce("old")
    centre.clock.advance(KEPT_MS + 1)
    announce("new")
    assert sweep() == 1
    assert Change.objects.get().topic == "new"


RANK = {
    "live": 0,
    "people": 1,
    "fleet": 2,
    "grids": 2,
    "owners": 2,
    "cases": 3,
    "clocks": 4,
    "parking": 4,
    "bays": 5,
    "contact": 5,
    "driver": 6,
    "notices": 7,
    "ingest": 8,
    "dispatch": 9,
    "field": 10,
    "pages": 11,
    "iot": 12,
    "shops": 12,
    "voice": 12,
    "hotline": 13,
    "open311": 13,
    "webhooks": 13,
    "statistics": 14,
    "operations": 15,
    "administration": 16,
}
ANYWHERE = {"central.clocks.rules", "central.pages.templatetags.patrol"}
"""Pure parts: a schema without a model, and how instants and durations are written."""
PUTS_TOGETHER = {
    "project/urls.py",
    "project/web.py",
    "project/measuring.py",
    "project/handler.py",
    "project/bootstrap.py",
    "cli.py",
}


def test_apps_import_in_one_direction():
    for path in HOUSE.rglob("*.py"):
        name = path.relative_to(HOUSE).as_posix()
        if name in PUTS_TOGETHER or path.parent.name == "migrations":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("central."):
                continue
            here, there = name.split("/")[0], node.module.split(".")[1]
            if here == there or there == "project" or node.module in ANYWHERE:
                continue
            assert RANK[there] < RANK[here], f"{name} imports {node.module}"
