"""Callers that are turned away at the door: by the event loop, before a thread, a database or a middleware has work with them.

A view's brake says that an address has had too much (`central.project.brake`), and for how long; until then the door answers for
it. So a flood costs the others what reading its calls' first lines costs; and that seldom: the door takes its time to answer, which
costs nothing here, and whoever waits for it sends nothing more on that connection.

Until the brake has had enough, what may be much work is done for one address in turn, never side by side, and no faster than its key
may go on in the long run; it lets everybody else's calls go first. So what a key may send at once is taken at once, and worked on
over the time that the key allows for it. Whoever has more calls waiting than that is turned away, and this counts for the brake.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

from django.conf import settings

from central.project import metrics
from central.project.brake import Brake

CALLERS = 20_000
"""Addresses that are remembered; of more, the one that was turned away first is let in again, up to the brake."""

HOLD_S = 0.5
"""How long the door takes to answer."""

HELD = 2_000
"""Calls that wait at the door; of more, each is answered at once."""

LINE = 20
"""Calls of one address that may wait for their turn, at least; of more, each is turned away."""

YIELD_S = 0.5
"""How long a call that came too soon lets the others go first, at most."""

Words = Callable[[str, int], tuple[str, bytes]]
"""Path and seconds to wait -> type and body of the answer."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast an address is worked for: seconds from one call's begin to the next one's, and how many may wait."""

    gap_s: float = 0.0
    line: int = LINE


class Gate:
    """A door for the calls of one method below one path.

    Args:
        method: such as ``POST``.
        path: where its addresses begin.
        words: writes the answer.
        brake: where a call is counted, by its address, that is turned away because too many wait already; once it has had enough, the
            address is shut out.
    """

    def __init__(self, method: str, path: str, words: Words, brake: Brake | None = None) -> None:
        self.method, self.path, self.words, self._brake = method, path, words, brake
        self._until: OrderedDict[str, int] = OrderedDict()
        self._paces: OrderedDict[str, Pace] = OrderedDict()
        self._lock = threading.Lock()
        self.turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.inside: dict[str, int] = {}
        """Calls of each address that were let in and are not answered yet. Of the event loop."""
        self._begun_s: OrderedDict[str, float] = OrderedDict()

    def shut(self, address: str, wait_s: int) -> None:
        """Turn an address away for so long."""
        with self._lock:
            self._until[address] = settings.PATROL_CLOCK.monotonic_ms() + wait_s * 1000
            self._until.move_to_end(address)
            if len(self._until) > CALLERS:
                self._until.popitem(last=False)

    def set_pace(self, address: str, per_minute: int) -> None:
        """From now on work for this address no faster than so many calls a minute; as many as come in a sixth of it may wait."""
        with self._lock:
            self._paces[address] = Pace(60 / per_minute, max(LINE, per_minute // 6))
            self._paces.move_to_end(address)
            if len(self._paces) > CALLERS:
                self._paces.popitem(last=False)

    def refuse(self, address: str) -> int:
        """Seconds for which a call is turned away because too many of its address wait already; 0 where they do not."""
        pace = self._paces.get(address, Pace())
        if self.inside.get(address, 0) <= pace.line:
            return 0
        wait_s = 0 if self._brake is None else self._brake.wait_s(address)
        if wait_s:
            self.shut(address, wait_s)
        return max(wait_s, math.ceil(pace.line * pace.gap_s), 1)

    async def rest(self, address: str) -> None:
        """Wait until the address may be worked for again, and if that takes time, until nobody else is; then it is. In its turn."""
        loop = asyncio.get_running_loop()
        begun_s = self._begun_s.get(address)
        left_s = 0.0 if begun_s is None else begun_s + self._paces.get(address, Pace()).gap_s - loop.time()
        if left_s > 0:
            await asyncio.sleep(left_s)
            await at_work.nobody(YIELD_S)
        self._begun_s[address] = loop.time()
        self._begun_s.move_to_end(address)
        if len(self._begun_s) > CALLERS:
            self._begun_s.popitem(last=False)

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
            self._paces.clear()


gates: list[Gate] = []
"""Those of the apps, each added by its app when it is loaded."""


class AtWork:
    """How many calls a web process works on. In its event loop alone."""

    def __init__(self) -> None:
        self._many = 0
        self.waiting: list[asyncio.Event] = []
        """Each set once nothing is worked on."""

    def __enter__(self) -> None:
        self._many += 1

    def __exit__(self, *_: object) -> None:
        self._many -= 1
        if not self._many:
            for one in self.waiting:
                one.set()
            self.waiting.clear()

    async def nobody(self, most_s: float) -> None:
        """Wait until none is worked on, but no longer than so."""
        if self._many:
            quiet = asyncio.Event()
            self.waiting.append(quiet)
            with suppress(TimeoutError):
                await asyncio.wait_for(quiet.wait(), most_s)
            with suppress(ValueError):
                self.waiting.remove(quiet)


at_work = AtWork()

_held = 0


async def turned_away(scope: Mapping[str, Any], send: Callable[[Any], Awaitable[None]]) -> bool:
    """Answer 429 if the caller of an ASGI call is to be turned away; whether that was so. The call's body is not read.

    In the event loop of a web process alone, so that what it counts needs no lock.
    """
    global _held
    gate, address = _gate_of(scope)
    wait_s = 0 if gate is None else gate.wait_s(address) or gate.refuse(address)
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


@contextmanager
def inside(scope: Mapping[str, Any]) -> Iterator[None]:
    """The call is let in, and counts for its address until the block ends. In the event loop of a web process alone."""
    gate, address = _gate_of(scope)
    if gate is None:
        yield
        return
    gate.inside[address] = gate.inside.get(address, 0) + 1
    try:
        yield
    finally:
        gate.inside[address] -= 1
        if not gate.inside[address]:
            del gate.inside[address]


@asynccontextmanager
async def in_turn(scope: Mapping[str, Any]) -> AsyncIterator[bool]:
    """Wait until nothing else is worked on below this gate for the caller's address and its pace allows for it, and keep it so until the
    block ends; at once where there is no gate. Whether the call may be worked on: while it waited, the address may have been turned away.

    In the event loop of a web process alone.
    """
    gate, address = _gate_of(scope)
    if gate is None:
        yield True
        return
    turn = gate.turns.setdefault(address, asyncio.Lock())  # kept by those who wait, and gone with the last
    async with turn:
        if not gate.wait_s(address):
            await gate.rest(address)
        yield not gate.wait_s(address)


def _gate_of(scope: Mapping[str, Any]) -> tuple[Gate | None, str]:
    client = scope.get("client")
    for gate in gates:
        if client and scope["method"] == gate.method and scope["path"].startswith(gate.path):
            return gate, client[0]
    return None, ""
