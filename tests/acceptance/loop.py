"""The whole loop of one street: an RTSP camera, a guarded broker, the agent as a process, and a centre."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from notifier.owners import LocalDirectory, OwnerRow, key_from_file
from protocol.clock import SystemClock
from tests.acceptance.parts import (
    AGENT,
    BROKER_PASSWORD,
    CAMERA_PASSWORD,
    CENTRE,
    CENTRE_PASSWORD,
    GRACE_S,
    PHONE,
    PLATE,
    ROOT,
    STREET,
    TOPICS,
    WITHIN_S,
    AgentProcess,
    Centre,
    Watch,
)
from tests.servers.mosquitto import Mosquitto
from tests.servers.rtsp import RtspServer


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
        """State of every item that the agent ever had to send; zones that were told anew in another life may be withdrawn."""
        db = sqlite3.connect(f"file:{self.folder / self.data / 'agent.db'}?mode=ro", uri=True)
        try:
            return Counter(
                row[0]
                for row in db.execute(
                    "SELECT state FROM outbox WHERE state != 'cancelled' OR key NOT LIKE '%/zones/%'"
                )
            )
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
