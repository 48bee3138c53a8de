"""An agent's link and a centre, both real MQTT clients, for tests with real brokers."""

from __future__ import annotations

import json
import queue
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from pydantic import BaseModel

from notifier import outbox
from notifier.mqtt import MqttConfig, MqttLink
from notifier.outbox import FileTransactions, OutboxItem
from protocol.clock import SystemClock
from protocol.messages import Accept, Outcome, Refuse
from protocol.topics import AgentTopics, parse_agent_topic
from tests.servers.mosquitto import Mosquitto

TOPICS = AgentTopics("j1", "a1")
WITHIN_S = 20.0


class Agent:
    """An agent with a database and a link that runs in a thread. Stops without a word, or in good order."""

    def __init__(self, file: Path, config: MqttConfig, topics: AgentTopics = TOPICS, **link: Any) -> None:
        self.topics = topics
        self.transact = FileTransactions(file)
        self.inbox: queue.Queue[Accept | Refuse | Outcome] = queue.Queue()
        self.storing: Callable[[sqlite3.Connection, Any], None] = lambda conn, message: None
        with self.transact() as conn:
            outbox.migrate(conn)
        self.link = MqttLink(
            config, topics, self.transact, self._on_inbox, SystemClock(), version="1.0", **link
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _on_inbox(self, conn: sqlite3.Connection, message: Accept | Refuse | Outcome) -> None:
        self.storing(conn, message)
        self.inbox.put(message)

    def _run(self) -> None:
        try:
            self.link.run(self._stop, 0.1)
        finally:
            self.transact.close()

    def start(self) -> Agent:
        self._thread.start()
        return self

    def stop(self) -> None:
        if self._thread.is_alive():
            self._stop.set()
            self.link.wake()
            self._thread.join(30)
            assert not self._thread.is_alive()
        self.transact.close()

    def put(self, *keys: str, channel: str = "tasks", case: str | None = None, **meta: Any) -> None:
        """Messages whose payload names their key, put in one transaction."""
        with self.transact() as conn:
            for key in keys:
                content = json.dumps({"idempotency_key": key}).encode()
                values = {"topic": self.topics.of(channel), **meta}  # type: ignore[arg-type]
                if case is not None:
                    values["case_id"] = case
                outbox.put(conn, OutboxItem(key, "mqtt", content, values, SystemClock().utc_ms()))
        self.link.wake()

    def waiting(self) -> outbox.Waiting:
        with self.transact() as conn:
            return outbox.waiting(conn)

    def entry(self, key: str) -> outbox.Entry:
        with self.transact() as conn:
            entry = outbox.find(conn, key)
        assert entry is not None
        return entry

    def is_online(self) -> bool:
        return self.link.state.name == "online"


class Centre:
    """The centre's ingest: takes messages by key and accepts each as often as it comes."""

    def __init__(self, broker_url: str, filters: tuple[str, ...], *, accepts: bool = True) -> None:
        self.accepts = accepts
        self.seen: Counter[str] = Counter()
        self.order: list[str] = []
        self.sizes: dict[str, int] = {}
        self.statuses: list[dict[str, Any]] = []
        self.health: list[dict[str, Any]] = []
        self._subscribed = threading.Event()
        self._filters = filters
        host, _, port = broker_url.removeprefix("mqtt://").partition(":")
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="centre", protocol=paho.MQTTv5)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe([(name, 1) for name in self._filters])
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 3600
        self._client.connect(host, int(port), keepalive=5, clean_start=False, properties=properties)
        self._client.loop_start()
        assert self._subscribed.wait(WITHIN_S)

    def _on_message(self, client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        topic = parse_agent_topic(message.topic)
        assert topic is not None
        if topic.channel in ("status", "health"):
            log = self.statuses if topic.channel == "status" else self.health
            log.append(json.loads(message.payload))
            return
        agent = AgentTopics(topic.jurisdiction_id, topic.agent_id)
        if topic.channel == "evidence":
            key = agent.evidence_key(topic.rest)
            self.sizes[key] = len(message.payload)
        else:
            key = json.loads(message.payload)["idempotency_key"]
        self.seen[key] += 1
        if self.seen[key] == 1:
            self.order.append(key)
        if self.accepts:
            self.tell(Accept(keys=(key,)), agent)

    def tell(self, message: BaseModel | bytes, agent: AgentTopics = TOPICS) -> None:
        """Put a message into an agent's inbox."""
        payload = message if isinstance(message, bytes) else message.model_dump_json()
        self._client.publish(agent.of("inbox"), payload, qos=1)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


PLAIN_FILTERS = tuple(
    f"patrol/v1/+/agents/+/{leaf}" for leaf in ("tasks", "cases", "evidence/+", "health", "status")
)


@pytest.fixture
def broker(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Mosquitto]:
    """A real Mosquitto that welcomes everybody."""
    folder = tmp_path / "broker"
    folder.mkdir()
    with Mosquitto(folder, free_port()) as broker:
        yield broker


@pytest.fixture
def make_agent(tmp_path: Path) -> Iterator[Callable[..., Agent]]:
    """Makes and starts agents; all are stopped at the end."""
    agents: list[Agent] = []

    def make(url: str, name: str = "agent", **config: Any) -> Agent:
        agent = Agent(tmp_path / f"{name}.db", MqttConfig.model_validate({"url": url} | config))
        agents.append(agent)
        return agent.start()

    yield make
    for agent in agents:
        agent.stop()


@pytest.fixture
def make_centre() -> Iterator[Callable[..., Centre]]:
    """Makes centres; all are closed at the end."""
    centres: list[Centre] = []

    def make(url: str, filters: tuple[str, ...] = PLAIN_FILTERS, **more: Any) -> Centre:
        centre = Centre(url, filters, **more)
        centres.append(centre)
        return centre

    yield make
    for centre in centres:
        centre.close()


@pytest.fixture
def soon() -> Callable[..., None]:
    """`soon(condition)`: return once it is true, fail after 20 s or `within`."""

    def wait(condition: Callable[[], object], within: float = WITHIN_S) -> None:
        deadline = time.monotonic() + within
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail("it did not come true in time")
            time.sleep(0.02)

    return wait
