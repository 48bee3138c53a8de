"""The whole loop of one street: an RTSP camera, a guarded broker, the agent as a process, and a centre."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from notifier.owners import LocalDirectory, OwnerRow, key_from_file
from protocol.clock import SystemClock
from protocol.messages import Accept, Outcome
from protocol.topics import AgentTopics, parse_agent_topic
from tests.servers.mosquitto import Mosquitto
from tests.servers.rtsp import RtspServer

ROOT = Path(__file__).resolve().parent.parent.parent
STREET, AGENT, CENTRE = "my-subdistrict", "box-1", "centre"
PLATE, PHONE = "沪A8K526", "+8613900000001"
CAMERA_PASSWORD, BROKER_PASSWORD, CENTRE_PASSWORD = "cam word", "box word", "centre word"
TOPICS = AgentTopics(STREET, AGENT)
CONFIRM_S, GRACE_S = 3.0, 6.0
WITHIN_S = 60.0
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
        leaves = ("tasks", "cases", "evidence/+", "health", "status")
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


@dataclass
class Loop:
    """Camera, broker, agent and centre in one folder.

    Args:
        folder: an empty folder.
        video: what the camera shows, over and over.
        zones: its zone file.
        port: gives free TCP ports.
        data: the agent's data folder.
        before: a command that the agent is started by.
        broker_password: what the agent believes it to be.
        more: further configuration; SOURCE in it stands for the camera's address and password.
    """

    folder: Path
    video: Path
    zones: Path
    port: Callable[[], int]
    data: str = "data"
    before: Sequence[str] = ()
    broker_password: str = BROKER_PASSWORD
    more: str = ""
    watch: Watch = field(default_factory=Watch)

    def __enter__(self) -> Self:
        self._open: list[Callable[[], object]] = []
        try:
            self._set_up()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for close in reversed(self._open):
            close()

    def _set_up(self) -> None:
        self.camera_port = self.port()
        self.start_camera()
        self._open.append(lambda: self.camera.kill())
        self._make_broker()
        self._open.append(self.broker.stop)
        self.broker.start()
        self.centre = Centre(self.broker.port, self.watch)
        self._open.append(self.centre.close)
        self._make_owners()
        config = self.folder / "agent.toml"
        config.write_text(self._config(), "utf-8")
        self.agent = AgentProcess(config, self.watch, self.before)
        self._open.append(self.agent.stop)
        self.agent.start()

    def start_camera(self) -> None:
        """The RTSP server, with Digest, always at the same address."""
        options = ("--auth", "digest", "--user", "viewer", "--password", CAMERA_PASSWORD)
        self.camera = RtspServer(self.video, *options, port=self.camera_port)

    def _make_broker(self) -> None:
        folder = self.folder / "broker"
        folder.mkdir()
        passwords, rights = folder / "passwords", folder / "rights"
        passwords.touch(0o600)
        for name, word in ((AGENT, BROKER_PASSWORD), (CENTRE, CENTRE_PASSWORD)):
            subprocess.run(
                ["mosquitto_passwd", "-b", str(passwords), name, word], check=True, capture_output=True
            )
        # The rules that the project ships, with names from passwords instead of certificates.
        shutil.copy(ROOT / "deploy/mosquitto/acl", rights)
        rights.chmod(0o600)
        extra = f"allow_anonymous false\npassword_file {passwords}\nacl_file {rights}\n"
        self.broker = Mosquitto(folder, self.port(), extra)

    def _make_owners(self) -> None:
        key = self.folder / "owners.key"
        subprocess.run(
            [sys.executable, "-m", "patrol", "owners", "init-key", str(key)], check=True, capture_output=True
        )
        with LocalDirectory(self.folder / "owners.db", key_from_file(key), SystemClock()) as table:
            table.add([OwnerRow(PLATE, PHONE)])

    def _config(self) -> str:
        for name, word in (("camera", CAMERA_PASSWORD), ("broker", self.broker_password)):
            secret = self.folder / f"{name}.password"
            secret.touch(0o600)
            secret.write_text(word + "\n")
        shutil.copy(self.zones, self.folder / "cam1.zones.toml")
        return f"""
[agent]
id = "{AGENT}"
jurisdiction = "{STREET}"
data_dir = "{self.data}"
health_every_s = 1
[owners]
directory = "local"
file = "owners.db"
key_file = "owners.key"
[sms]
gateway = "log"
log_file = "sms.jsonl"
[mqtt]
url = "{self.broker.url}"
username = "{AGENT}"
password_file = "broker.password"
accept_timeout_s = 3
[[camera]]
id = "cam1"
{self.source()}
zones = "cam1.zones.toml"
{self.more.replace("SOURCE", self.source())}
"""

    def source(self) -> str:
        """Where a camera of the configuration gets its pictures."""
        return f"""url = "{self.camera.url}"
username = "viewer"
password_file = "camera.password"
sample_period_s = 1
backoff_max_s = 2
unauthorised_retry_s = 5"""

    # What is to be seen

    def reached(self, state: str, within_s: float = WITHIN_S) -> None:
        """Wait until the agent told of a state or the centre heard of it."""

        def there() -> bool:
            return state in self.agent.states() or state in self.centre.states()

        self.watch.until(there, f"state {state}", within_s)

    def finish(self) -> None:
        """The task reaches the centre, the officer decides, the case closes, and nothing waits any more."""
        self.watch.until(lambda: self.centre.of("enforcement_task"), "the task")
        self.watch.until(lambda: "tasked" in self.centre.states(), "the record of the task")
        self.centre.decide()
        self.watch.until(lambda: "closed" in self.centre.states(), "the end of the case")

        def idle() -> bool:
            newest = self.centre.health[-1]
            return newest["outbox_waiting"] == 0 and newest["open_cases"] == 0

        count = len(self.centre.health)
        self.watch.until(lambda: len(self.centre.health) > count + 1 and idle(), "an empty outbox")

    def sms(self) -> list[dict[str, Any]]:
        """What the gateway took."""
        path = self.folder / "sms.jsonl"
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []

    def logged(self) -> str:
        return self.agent.log.read_text("utf-8")

    def outbox_states(self) -> Counter[str]:
        """State of every item that the agent ever had to send."""
        import sqlite3

        db = sqlite3.connect(f"file:{self.folder / self.data / 'agent.db'}?mode=ro", uri=True)
        try:
            return Counter(row[0] for row in db.execute("SELECT state FROM outbox"))
        finally:
            db.close()

    def verify_evidence(self) -> None:
        folder = self.folder / self.data / "evidence"
        done = subprocess.run(
            [sys.executable, "-m", "patrol", "evidence", "verify", str(folder)],
            capture_output=True,
            text=True,
            env={**os.environ, "NO_COLOR": "1"},
        )
        assert done.returncode == 0, done.stdout + done.stderr


def check_promises(loop: Loop) -> None:
    """What must hold after any run of this street, whatever was killed in it."""
    centre = loop.centre
    assert centre.conflicts == []
    assert all(key.split("/")[:2] == [STREET, AGENT] for key in centre.seen)
    (sms,) = loop.sms()
    assert sms["to"] == PHONE
    (task,) = centre.of("enforcement_task")
    assert task["vehicle"]["plate"] == PLATE
    assert not task["manual_check"]
    notified = next(r["at_ms"] for r in centre.of("case_record") if r["state"] == "notified")
    assert task["notified_at_ms"] == notified
    assert task["clock_ends_ms"] >= notified + GRACE_S * 1000
    assert task["rechecked_at_ms"] >= task["clock_ends_ms"]
    roles = {ref["role"] for ref in task["evidence"]}
    assert roles == {"confirm", "recheck"}
    for ref in task["evidence"]:
        assert TOPICS.evidence_key(ref["sha256"]) in centre.received
        if ref["role"] == "recheck":
            assert ref["taken_at_ms"] >= task["clock_ends_ms"]
    numbers = [int(r["idempotency_key"].rsplit("-")[-1]) for r in centre.of("case_record")]
    assert sorted(numbers) == list(range(len(numbers)))
    assert set(loop.outbox_states()) == {"done"}
    log = loop.logged()
    assert "Traceback" not in log
    for secret in (PLATE, PLATE[1:], PHONE, PHONE[3:], CAMERA_PASSWORD, BROKER_PASSWORD):
        assert not re.search(re.escape(secret), log), "a secret stands in the log"
    loop.verify_evidence()
