"""How a call to the centre is answered.

Django's own handler starts a thread, and with it a database connection, for each call of a synchronous view, and hops
between threads at each middleware. Our views and middlewares are all synchronous; so this handler runs the whole call
in one of a few threads that keep their connections. Measured on the driver's page, that halves a call's cost. What
streams (server-sent events) is still written by the event loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.core.handlers.base import BaseHandler
from django.core.signals import request_started
from django.db import connections
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from central.live import beats
from central.project.gate import at_work, in_turn, inside, turned_away
from protocol.clock import SystemClock

THREADS = 6
"""Calls worked on at a time. More would wait for the interpreter anyway; some may wait for the database."""

CONNECTION_S = 300
"""How long a thread keeps its database connection."""

PROVEN_MS = 2_000
"""A connection that answered so lately is not asked whether it lives: that question is a tenth of a short call."""

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class PooledHandler(ASGIHandler):
    """Runs each call, middlewares included, in a thread of a fixed pool."""

    def __init__(self) -> None:
        BaseHandler.__init__(self)
        self.load_middleware(is_async=False)
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="web", initializer=_keep_connections)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"only HTTP is served, not {scope['type']}")
        if not await turned_away(scope, send):
            with inside(scope):
                await self.handle(scope, receive, send)

    async def handle(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Read the body, answer in a thread when it is the caller's turn, send the answer."""
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        loop = asyncio.get_running_loop()
        try:
            response = None
            while response is None:
                async with in_turn(scope) as may:
                    if may:
                        with at_work:
                            response = await loop.run_in_executor(self._pool, self._respond, scope, body)
                if response is None and await turned_away(scope, send):
                    return
            if response.streaming:
                await self._stream(response, receive, send)
                await loop.run_in_executor(self._pool, response.close)
            else:
                await self.send_response(response, send)
        finally:
            body.close()
            if beats.is_time():
                # After the answer: on SQLite a write may have to wait for another one.
                self._pool.submit(beats.write_now_and_then)

    def _respond(self, scope: dict[str, Any], body: Any) -> HttpResponseBase:
        """The whole call; an answer that does not stream is finished here, in the thread that holds the connection."""
        set_script_prefix(get_script_prefix(scope))
        request_started.send(sender=self.__class__, scope=scope)
        proven = getattr(_thread, "proven_ms", None)
        if proven is not None and _clock.monotonic_ms() - proven < PROVEN_MS:
            for connection in connections.all(initialized_only=True):
                connection.health_check_done = True
        request, refused = self.create_request(scope, body)
        response: HttpResponseBase = refused if request is None else self.get_response(request)
        response._handler_class = self.__class__  # type: ignore[attr-defined]
        if isinstance(response, HttpResponse) and not response.streaming:
            response.close()
        failed = any(connection.errors_occurred for connection in connections.all(initialized_only=True))
        _thread.proven_ms = None if failed else _clock.monotonic_ms()
        return response

    async def _stream(self, response: HttpResponseBase, receive: Receive, send: Send) -> None:
        """Send until the answer or the listener ends."""
        sending = asyncio.create_task(self.send_response(response, send))
        listening = asyncio.create_task(_until_gone(receive))
        try:
            await asyncio.wait((sending, listening), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, listening):
                task.cancel()
            done = await asyncio.gather(sending, listening, return_exceptions=True)
        if isinstance(done[0], Exception):
            raise done[0]


_thread = threading.local()
_clock = SystemClock()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _keep_connections() -> None:
    """This thread lives as long as the process: its connections may be kept, and are looked at before they are used."""
    for connection in connections.all():
        connection.settings_dict = {
            **connection.settings_dict,
            "CONN_MAX_AGE": CONNECTION_S,
            "CONN_HEALTH_CHECKS": True,
        }
