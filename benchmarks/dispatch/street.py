"""Agents that send tasks at a rate and keep each until the centre accepts it; officers' pages that follow."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import Callable

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

from benchmarks.dispatch.world import JURISDICTION, World, make_task, somewhere
from protocol.messages import Accept, Refuse
from protocol.topics import AgentTopics

AGAIN_MS = 5_000
"""An agent sends again what was not accepted for so long."""


class Agents:
    """Real MQTT clients, one for each agent, in one thread that keeps the rate."""

    def __init__(self, world: World, seed: int = 2, first: int = 0) -> None:
        self._world = world
        self._dice = random.Random(seed)
        self._lock = threading.Lock()
        self._waiting: dict[str, tuple[str, str, bytes, int]] = {}
        self._numbers = first
        self.sent_ms: dict[str, int] = {}
        """Key -> when it was first published, UTC."""
        self.accepted_ms: dict[str, int] = {}
        self.refused: list[str] = []
        self.sent_again = 0
        self._clients: dict[str, mqtt.Client] = {}
        for name in world.agents:
            client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"bench-{name}", protocol=mqtt.MQTTv5)
            client.max_inflight_messages_set(1000)
            ready = threading.Event()
            client.on_connect = lambda c, *_, name=name: c.subscribe(
                AgentTopics(JURISDICTION, name).of("inbox"), options=SubscribeOptions(qos=1)
            )
            client.on_subscribe = lambda *_, ready=ready: ready.set()
            client.on_message = self._heard
            client.connect("127.0.0.1", world.broker_port)
            client.loop_start()
            if not ready.wait(20):
                raise TimeoutError("an agent could not subscribe")
            self._clients[name] = client

    def send(self, rate: float, seconds: float, meanwhile: Callable[[int], None]) -> None:
        """Publish at a rate; `meanwhile` is called some times a second with how many were sent."""
        pause, clock = threading.Event(), self._world.clock
        begun = clock.monotonic_ms()
        told = begun
        total = round(rate * seconds)
        for number in range(total):
            late = begun + round(1000 * number / rate) - clock.monotonic_ms()
            if late > 0:
                pause.wait(late / 1000)
            self._send_one()
            now = clock.monotonic_ms()
            if now - told >= 250:
                told = now
                self._send_again(now)
                meanwhile(number + 1)

    def wait(self, seconds: float, meanwhile: Callable[[int], None]) -> bool:
        """Until all are accepted; False if that took too long."""
        pause, clock = threading.Event(), self._world.clock
        ends = clock.monotonic_ms() + round(seconds * 1000)
        while clock.monotonic_ms() < ends:
            with self._lock:
                left = len(self._waiting)
            meanwhile(len(self.sent_ms) - left)
            if not left:
                return True
            self._send_again(clock.monotonic_ms())
            pause.wait(0.1)
        return False

    def close(self) -> None:
        """Leave the broker."""
        for client in self._clients.values():
            client.disconnect()
            client.loop_stop()

    def _send_one(self) -> None:
        names = self._world.agents
        agent = names[self._numbers % len(names)]
        now = self._world.clock.utc_ms()
        key, topic, payload = make_task(agent, self._numbers, now, somewhere(self._dice))
        self._numbers += 1
        with self._lock:
            self._waiting[key] = (agent, topic, payload, self._world.clock.monotonic_ms())
            self.sent_ms[key] = self._world.clock.utc_ms()
        self._clients[agent].publish(topic, payload, qos=1)

    def _send_again(self, now: int) -> None:
        with self._lock:
            late = [(key, *kept) for key, kept in self._waiting.items() if now - kept[3] >= AGAIN_MS]
            for key, agent, topic, payload, _ in late:
                self._waiting[key] = (agent, topic, payload, now)
        for _, agent, topic, payload, _ in late:
            self.sent_again += 1
            self._clients[agent].publish(topic, payload, qos=1)

    def _heard(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        now = self._world.clock.utc_ms()
        kind = json.loads(message.payload).get("kind")
        with self._lock:
            if kind == "accept":
                for key in Accept.model_validate_json(message.payload).keys:
                    if self._waiting.pop(key, None) is not None:
                        self.accepted_ms[key] = now
            elif kind == "refuse":
                self.refused.append(Refuse.model_validate_json(message.payload).reason)


class Pages:
    """Officers' pages as a browser keeps them: an open event stream each, and a request for news at each event."""

    def __init__(self, world: World, port: int) -> None:
        self._world = world
        self._port = port
        self._thread = threading.Thread(target=lambda: asyncio.run(self._follow()), daemon=True)
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.told_ms: dict[int, int] = {}
        """Offer's number -> when the event came after which the page found it, UTC."""
        self.seen_ms: dict[int, int] = {}
        """Offer's number -> when the page had it."""
        self.orders: dict[int, int] = {}
        """Offer's number -> the work order."""
        self.failures: list[str] = []

    def start(self) -> None:
        """Open all streams."""
        self._thread.start()
        if not self._ready.wait(60):
            raise TimeoutError("the pages did not open")

    def close(self) -> None:
        """Close them."""
        if self._loop is not None:
            for task in self._tasks:
                self._loop.call_soon_threadsafe(task.cancel)
        self._thread.join(10)

    async def _follow(self) -> None:
        self._loop = asyncio.get_running_loop()
        opened = [asyncio.Event() for _ in self._world.cookies]
        self._tasks = [
            asyncio.create_task(self._page(cookie, event))
            for cookie, event in zip(self._world.cookies.values(), opened, strict=True)
        ]
        for event in opened:
            await event.wait()
        self._ready.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _page(self, cookie: str, opened: asyncio.Event) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        asking = await asyncio.open_connection("127.0.0.1", self._port)
        newest = 0
        try:
            writer.write(_request("/live/?mine", cookie, "text/event-stream"))
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in head.split(b"\r\n", 1)[0]:
                self.failures.append(head.split(b"\r\n", 1)[0].decode("latin-1"))
                return
            while True:
                line = await reader.readuntil(b"\n")
                if not line.startswith(b"event: changed"):
                    continue
                told = self._world.clock.utc_ms()
                newest = await self._ask(asking, cookie, newest, told)
                opened.set()
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            self.failures.append(repr(error))
        finally:
            opened.set()
            writer.close()
            asking[1].close()

    async def _ask(
        self,
        asking: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        cookie: str,
        newest: int,
        told: int,
    ) -> int:
        reader, writer = asking
        writer.write(_request(f"/dispatch/mine/?after={newest}", cookie, "application/json"))
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.split("content-length:", 1)[1].split("\r\n", 1)[0])
        body = json.loads(await reader.readexactly(length))
        now = self._world.clock.utc_ms()
        for offer in body["offers"]:
            number = offer["offer"]
            if number not in self.seen_ms:
                self.told_ms[number], self.seen_ms[number] = told, now
                self.orders[number] = offer["task"]["task"]
            newest = max(newest, number)
        return newest


def _request(path: str, cookie: str, accept: str) -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\nAccept: {accept}\r\n"
        "Accept-Language: zh-CN\r\n\r\n"
    ).encode("ascii")
