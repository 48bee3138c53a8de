"""Callers that are turned away at the door: by the event loop, before a thread, a database or a middleware has work with them.

A view's brake says that an address has had too much (`central.project.brake`), and for how long; until then the door answers for
it. So a flood costs the others what reading its calls' first lines costs; and that seldom: the door takes its time to answer, which
costs nothing here, and whoever waits for it sends nothing more on that connection.

Until the brake has had enough, what may be much work is done for one address in turn, never side by side: the threads
of a web process are few, and the others need them.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from weakref import WeakValueDictionary

from django.conf import settings

from central.project import metrics

CALLERS = 20_000
"""Addresses that are remembered; of more, the one that was turned away first is let in again, up to the brake."""

HOLD_S = 0.5
"""How long the door takes to answer."""

HELD = 2_000
"""Calls that wait at the door; of more, each is answered at once."""

Words = Callable[[str, int], tuple[str, bytes]]
"""Path and seconds to wait -> type and body of the answer."""


class Gate:
    """A door for the calls of one method below one path.

    Args:
        method: such as ``POST``.
        path: where its addresses begin.
        words: writes the answer.
    """

    def __init__(self, method: str, path: str, words: Words) -> None:
        self.method, self.path, self.words = method, path, words
        self._until: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()
        self.turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def shut(self, address: str, wait_s: int) -> None:
        """Turn an address away for so long."""
        with self._lock:
            self._until[address] = settings.PATROL_CLOCK.monotonic_ms() + wait_s * 1000
            self._until.move_to_end(address)
            if len(self._until) > CALLERS:
                self._until.popitem(last=False)

    def wait_s(self, address: str) -> int:
        """Seconds after which it may come again; 0 for now."""
        until = self._until.get(address)
        if until is None:
            return 0
        left = until - settings.PATROL_CLOCK.monotonic_ms()
        if left <= 0:
            with self._lock:
                self._until.pop(address, None)
            return 0
        return math.ceil(left / 1000)

    def reset(self) -> None:
        """Let everybody in."""
        with self._lock:
            self._until.clear()


gates: list[Gate] = []
"""Those of the apps, each added by its app when it is loaded."""


_held = 0


async def turned_away(scope: Mapping[str, Any], send: Callable[[Any], Awaitable[None]]) -> bool:
    """Answer 429 if the caller of an ASGI call is to be turned away; whether that was so. The call's body is not read.

    In the event loop of a web process alone, so that what it counts needs no lock.
    """
    global _held
    gate, address = _gate_of(scope)
    wait_s = gate.wait_s(address) if gate is not None else 0
    if gate is None or not wait_s:
        return False
    if _held < HELD:
        _held += 1
        try:
            await asyncio.sleep(HOLD_S)
        finally:
            _held -= 1
    kind, body = gate.words(scope["path"], wait_s)
    headers = [
        (b"content-type", kind.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"retry-after", str(wait_s).encode()),
        (b"cache-control", b"no-store"),
        (b"access-control-allow-origin", b"*"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": 429, "headers": headers})
    await send({"type": "http.response.body", "body": body})
    metrics.calls.labels("gate", "4xx").observe(0)
    return True


@asynccontextmanager
async def in_turn(scope: Mapping[str, Any]) -> AsyncIterator[bool]:
    """Wait until nothing else is worked on below this gate for the caller's address, and keep it so until the block ends; at
    once where there is no gate. Whether the call may be worked on: while it waited, the address may have been turned away.

    In the event loop of a web process alone.
    """
    gate, address = _gate_of(scope)
    if gate is None:
        yield True
        return
    turn = gate.turns.setdefault(address, asyncio.Lock())  # kept by those who wait, and gone with the last
    async with turn:
        yield not gate.wait_s(address)


def _gate_of(scope: Mapping[str, Any]) -> tuple[Gate | None, str]:
    client = scope.get("client")
    for gate in gates:
        if client and scope["method"] == gate.method and scope["path"].startswith(gate.path):
            return gate, client[0]
    return None, ""
