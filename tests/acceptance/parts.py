"""The centre and the agent of an acceptance run, and what is known of the street."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from protocol.clock import SystemClock
from protocol.messages import Accept, Outcome
from protocol.topics import AgentTopics, parse_agent_topic

ROOT = Path(__file__).resolve().parent.parent.parent
STREET, AGENT, CENTRE = "my-subdistrict", "box-1", "centre"
PLATE, PHONE = "沪A8K526", "+8613900000001"
CAMERA_PASSWORD, BROKER_PASSWORD, CENTRE_PASSWORD = "cam word", "box word", "centre word"
TOPICS = AgentTopics(STREET, AGENT)
CONFIRM_S, GRACE_S = 3.0, 6.0
WITHIN_S = 120.0
"""Far longer than anything takes on a quiet machine: a deadline, not a measurement."""


class Watch:
    """What several threads report and the test waits for."""

    def __init__(self) -> None:
        self.changed = threading.Condition()

    def note(self) -> None:
        with self.changed:
            self.changed.notify_all()

    def until(self, condition: Callable[[], object], what: str, within_s: float = WITHIN_S) -> None:
        """Return once the condition is true; it is asked again whenever something was reported."""
        deadline = time.monotonic() + within_s
        with self.changed:
            while not condition():
                left = deadline - time.monotonic()
                assert left > 0, f"{what} did not come within {within_s:g} s"
                self.changed.wait(min(left, 0.25))


class Centre:
    """Stands for the centre's ingest: keeps every message by its key, accepts each as often as it comes."""

    def __init__(self, port: int, watch: Watch) -> None:
        self._watch = watch
        self.received: dict[str, bytes] = {}
        self.seen: Counter[str] = Counter()
        self.health: list[dict[str, Any]] = []
        self.conflicts: list[str] = []
        self._subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=CENTRE, protocol=paho.MQTTv5)
        self._client.username_pw_set(CENTRE, CENTRE_PASSWORD)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 3600
        self._client.connect("127.0.0.1", port, keepalive=5, clean_start=False, properties=properties)
        self._client.loop_start()
        assert self._subscribed.wait(WITHIN_S)

    def _on_connect(self, client: paho.Client, *_: Any) -> None:
        leaves = ("tasks", "cases", "evidence/+", "health", "status", "zones")
        client.subscribe([(f"patrol/v1/{STREET}/agents/+/{leaf}", 1) for leaf in leaves])

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        topic = parse_agent_topic(message.topic)
        assert topic is not None
        if topic.channel == "health":
            self.health.append(json.loads(message.payload))
        elif topic.channel != "status":
            if topic.channel == "evidence":
                key = TOPICS.evidence_key(topic.rest)
            else:
                key = json.loads(message.payload)["idempotency_key"]
            self.seen[key] += 1
            if self.received.setdefault(key, message.payload) != message.payload:
                self.conflicts.append(key)
            self._tell(Accept(keys=(key,)))
        self._watch.note()

    def _tell(self, message: Accept | Outcome) -> None:
        self._client.publish(TOPICS.of("inbox"), message.model_dump_json(), qos=1)

    def decide(self) -> None:
        """The officer closes every task."""
        for task in self.of("enforcement_task"):
            case_id = task["case_id"]
            at_ms = SystemClock().utc_ms()
            self._tell(Outcome(outcome_id=f"O-{case_id}", case_id=case_id, result="ticketed", at_ms=at_ms))

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Received messages of one kind, each once."""
        texts = [p for key, p in list(self.received.items()) if "/evidence/" not in key]
        return [m for m in map(json.loads, texts) if m["kind"] == kind]

    def states(self) -> list[str]:
        """The states of the one case, in the order of its steps."""
        records = self.of("case_record")
        assert len({record["case_id"] for record in records}) <= 1, "one vehicle, one stay, one case"
        return [r["state"] for r in sorted(records, key=lambda r: int(r["idempotency_key"].rsplit("-")[-1]))]

    def problems(self) -> str:
        """What the newest health message complains of."""
        return "\n".join(self.health[-1]["problems"]) if self.health else ""

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class AgentProcess:
    """`patrol agent run` as a process of its own, to be killed and started again.

    Args:
        config: its configuration file.
        watch: told of each event.
        before: a command that the agent is started by.
    """

    def __init__(self, config: Path, watch: Watch, before: Sequence[str] = ()) -> None:
        self.config = config
        self.log = config.with_suffix(".log")
        self.events: list[dict[str, Any]] = []
        self._before = tuple(before)
        self._watch = watch
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        with self.log.open("a", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [*self._before, sys.executable, "-m", "patrol", "agent", "run", str(self.config), "--json"],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
            )
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,))
        self._reader.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            if line.endswith("\n"):  # a kill may tear the last one
                self.events.append(json.loads(line))
                self._watch.note()

    def states(self) -> list[str]:
        return [event["state"] for event in self.events]

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, as systemd does; its exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        if self._process is None:
            return 0
        process, self._process = self._process, None
        process.send_signal(how)
        try:
            code = process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
            raise
        finally:
            assert self._reader is not None
            assert process.stdout is not None
            self._reader.join(10)
            process.stdout.close()
        return code
