"""Runs with real processes: a street with one car, and a random schedule of everything that can fail around it."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.faults.check import CaseFact, Facts, Findings, StayFact, TaskFact, check
from benchmarks.faults.damage import damage
from benchmarks.faults.parts import (
    Part,
    SetClock,
    SmallDisk,
    answers,
    mosquitto,
    patrol,
    rows,
)
from benchmarks.faults.proxy import TROUBLES, Proxy, State
from benchmarks.servers import free_port
from benchmarks.simulator import load_scene, zone_file
from benchmarks.simulator.encode import encode
from notifier.owners import LocalDirectory, OwnerRow, key_from_file
from protocol.clock import SystemClock

STREET, BOX = "fault-street", "fault-box"
PLATE, PHONE = "沪A8K526", "+8613900000001"
WITHIN_S = 150.0
"""A run that is not over by then has lost something."""

_TROUBLED_S = 22.0
KINDS = (
    "kill agent", "kill broker", "kill centre", "kill camera", "camera's network", "broker's network", "disk full",
    "damaged database", "clock step", "malformed message", "double delivery",
)  # fmt: skip
TURNS = tuple(
    (kind, trouble) for kind in KINDS for trouble in (TROUBLES if kind.endswith("network") else (None,))
)
"""Every kind, and every trouble of a network, for itself. The last strike of a run is the next of these, so that none of
them is left to luck; all the others are drawn by lot."""


@dataclass(frozen=True, slots=True)
class RealRun:
    """The result of a run.

    Attributes:
        faults: what struck, by kind.
        impossible: kinds that this machine does not allow, so that others were drawn.
    """

    seed: int
    seconds: float
    faults: Counter[str]
    findings: Findings
    story: tuple[str, ...]
    impossible: tuple[str, ...] = ()


def prepare(folder: Path) -> None:
    """What all runs share: the clip, its zones, and an empty centre that knows the agent."""
    scene = load_scene(str(Path(__file__).with_name("scene.toml")))
    encode(scene, folder / "street.mp4", gop_s=1.0)
    (folder / "zones.toml").write_text(zone_file(scene), "utf-8")
    environment = _environment(folder / "centre")
    for words in (("central", "migrate"), ("central", "agents", "add", BOX, "--jurisdiction", STREET)):
        subprocess.run(patrol(*words), check=True, capture_output=True, env=environment)
    key = folder / "owners.key"
    subprocess.run(patrol("owners", "init-key", str(key)), check=True, capture_output=True)
    with LocalDirectory(folder / "owners.db", key_from_file(key), SystemClock()) as table:
        table.add([OwnerRow(PLATE, PHONE)])


def _environment(centre: Path) -> dict[str, str]:
    plain = {name: text for name, text in os.environ.items() if not name.startswith("PATROL_")}
    return {**plain, "PATROL_CENTRAL_DATA": str(centre), "NO_COLOR": "1"}


class Scene:
    """Camera, broker, centre and agent of one run, each behind what can be done to it."""

    def __init__(self, shared: Path, folder: Path, seed: int, stack: ExitStack) -> None:
        self.folder, self.dice = folder, random.Random(f"real {seed}")
        self.counts: Counter[str] = Counter()
        self.story: list[str] = []
        self._must_tell: list[tuple[int, str]] = []
        folder.mkdir()
        shutil.copytree(shared / "centre", folder / "centre")
        for name in ("owners.db", "owners.key", "zones.toml"):
            shutil.copy(shared / name, folder / name)
        environment = _environment(folder / "centre")
        camera_port, broker_port = free_port(), free_port()
        serve = patrol("sim", "serve", str(shared / "street.mp4"), "--port", str(camera_port))
        self.camera = Part("camera", serve, folder / "camera.log", environment, answers(camera_port))
        broker = mosquitto(folder / "broker", broker_port)
        self.broker = Part("broker", broker, folder / "broker.log", environment, answers(broker_port))
        ingest = patrol("central", "ingest", "--broker", f"mqtt://127.0.0.1:{broker_port}")
        self.centre = Part("centre", ingest, folder / "centre.log", environment)
        self.clock = SetClock(folder / "clock")
        (folder / "data").mkdir()
        self.disk = SmallDisk(folder / "data")
        stack.callback(self.disk.close)
        self.impossible = () if self.disk.mounted else ("disk full",)
        if self.impossible:
            self.story.append("disk full: not possible here (no right to mount a small disk)")
        self.to_camera = stack.enter_context(Proxy(camera_port, seed))
        self.to_broker = stack.enter_context(Proxy(broker_port, seed + 1))
        config = folder / "agent.toml"
        config.write_text(_config(self.to_camera.port, self.to_broker.port), "utf-8")
        run = patrol("agent", "run", str(config), "--json")
        self.agent = Part("agent", run, folder / "agent.log", {**environment, **self.clock.environment()})
        for part in (self.camera, self.broker, self.centre, self.agent):
            stack.callback(part.kill)
            part.start()
        self._observer = stack.enter_context(_Observer(broker_port))

    @property
    def database(self) -> Path:
        return self.folder / "data" / "agent.db"

    def strike_once(self) -> None:
        """One fault of a kind by lot; another is drawn until one strikes."""
        kinds = [kind for kind in KINDS if kind not in self.impossible]
        while not self.strike(self.dice.choice(kinds)):
            pass

    def strike_in_turn(self, number: int) -> None:
        """The one of `TURNS` whose turn it is; by lot where that finds nothing to strike at."""
        kind, trouble = TURNS[number % len(TURNS)]
        if kind in self.impossible or not self.strike(kind, trouble):
            self.strike_once()

    def strike(self, kind: str, trouble: State | None = None) -> bool:
        """Do one of `KINDS`; what is temporary is over when this returns. False where there was nothing to strike at.

        Args:
            kind: which.
            trouble: of a network; None: by lot.
        """
        dice, detail = self.dice, ""
        pause = dice.uniform(0, 3)
        parts = {"agent": self.agent, "broker": self.broker, "centre": self.centre, "camera": self.camera}
        match kind.split():
            case ["kill", name]:
                parts[name].kill()
                time.sleep(pause)
                parts[name].start()
            case [("camera's" | "broker's") as whose, "network"]:
                proxy = self.to_camera if whose == "camera's" else self.to_broker
                detail = trouble or dice.choice(TROUBLES)
                proxy.become(detail)
                time.sleep(1 + pause)
                proxy.become("good")
            case ["disk", "full"]:
                self.disk.fill()
                time.sleep(1 + pause)
                self.disk.free()
            case ["damaged", "database"]:
                if not self._copies():
                    return False
                self.agent.kill()
                done = damage(self.folder / "data", dice)
                said = self.agent.log.stat().st_size
                self.agent.start()
                if done is None:
                    return False
                detail = done.kind
                if done.certain:
                    self._must_tell.append((said, detail))
            case ["clock", "step"]:
                by_s = dice.choice((-3600, 3600))
                detail = f"{by_s:+d} s"
                self.clock.step(by_s)
                if dice.random() < 0.5:
                    self.agent.kill()
                    self.agent.start()
            case ["malformed", "message"]:
                self._observer.malformed(dice)
            case ["double", "delivery"]:
                if not self._observer.again():
                    return False
        self.counts[f"{kind}: {detail}" if kind.endswith("network") else kind] += 1
        self.story.append(f"{kind} {detail}".strip())
        return True

    def silent(self) -> list[str]:
        """Damage that was never followed by a restoration told in the agent's log."""
        log = self.agent.log.read_bytes()
        return [
            f"no database_restored after the damage: {what}"
            for said, what in self._must_tell
            if b"database_restored" not in log[said:]
        ]

    def _copies(self) -> list[Path]:
        return sorted((self.folder / "data" / "copies").glob("*-*.db"))

    def over(self) -> bool:
        """Whether the task has arrived with its pictures and nothing waits any more."""
        centre = self.folder / "centre" / "central.sqlite3"
        if not rows(centre, "SELECT 1 FROM cases_workorder"):
            return False
        pictures = rows(centre, "SELECT role FROM cases_evidence WHERE picture_id IS NOT NULL")
        open_items = rows(self.database, "SELECT count(*) FROM outbox WHERE open = 1")
        return len(pictures) >= 2 and open_items == [(0,)]


class _Observer:
    """Somebody else at the broker, who repeats what was said and says what makes no sense."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._heard: list[tuple[str, bytes]] = []
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="observer", protocol=paho.MQTTv5)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(f"patrol/v1/{STREET}/#", 1)
        self._client.on_message = self._on_message

    def __enter__(self) -> _Observer:
        self._client.connect("127.0.0.1", self._port, keepalive=5)
        self._client.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        if "/health" not in message.topic and "/status" not in message.topic and len(self._heard) < 500:
            self._heard.append((message.topic, message.payload))

    def again(self) -> bool:
        """Say the last dozen messages once more; False where none was heard yet."""
        heard = list(dict.fromkeys(self._heard))[-12:]
        for topic, payload in heard:
            self._client.publish(topic, payload, qos=1)
        return bool(heard)

    def malformed(self, dice: random.Random) -> None:
        leaves = ("tasks", "cases", "inbox", "evidence/" + "0" * 64, "notices", "nonsense")
        for leaf in leaves:
            topic = f"patrol/v1/{STREET}/agents/{BOX}/{leaf}"
            for payload in (dice.randbytes(200), b"[" * 3000, b'{"kind":"accept","keys":7}', b""):
                self._client.publish(topic, payload, qos=1)


def _config(camera: int, broker: int) -> str:
    return f"""
[agent]
id = "{BOX}"
jurisdiction = "{STREET}"
data_dir = "data"
health_every_s = 1
[copies]
every_s = 3
[owners]
directory = "local"
file = "owners.db"
key_file = "owners.key"
[sms]
gateway = "log"
log_file = "sms.jsonl"
[mqtt]
url = "mqtt://127.0.0.1:{broker}"
accept_timeout_s = 3
[[camera]]
id = "cam1"
url = "rtsp://127.0.0.1:{camera}/cam1"
sample_period_s = 1
backoff_max_s = 2
zones = "zones.toml"
"""


def run_real(seed: int, shared: Path, folder: Path) -> RealRun:
    """One run in real time: half a minute and the time that the faults cost.

    Args:
        shared: as `prepare` left it.
        folder: for this run; made, and removed where nothing is wrong.
    """
    began = time.monotonic()
    with ExitStack() as stack:
        scene = Scene(shared, folder, seed, stack)
        strikes = sorted(scene.dice.uniform(2, _TROUBLED_S) for _ in range(scene.dice.randint(3, 6)))
        for at in strikes:
            time.sleep(max(0.0, began + at - time.monotonic()))
            if at == strikes[-1]:
                scene.strike_in_turn(seed)
            else:
                scene.strike_once()
        missing: tuple[str, ...] = ()
        while not scene.over():
            if time.monotonic() - began > WITHIN_S:
                missing = (f"after {WITHIN_S:g} s not everything has arrived",)
                break
            if not scene.agent.alive:
                scene.agent.start()  # as systemd does
            time.sleep(0.2)
        scene.agent.stop()
        time.sleep(0.5)
        scene.centre.stop()
        findings = check(_facts(folder, (*missing, *scene.silent())))
    if not findings:
        shutil.rmtree(folder)
    return RealRun(
        seed, time.monotonic() - began, scene.counts, findings, tuple(scene.story), scene.impossible
    )


def _facts(folder: Path, missing: tuple[str, ...]) -> Facts:
    centre = folder / "centre" / "central.sqlite3"
    cases = rows(centre, "SELECT case_id, agent_case_id, clock_ends_ms, agent_state FROM parking_stay")
    orders = rows(centre, "SELECT case_id, kind FROM cases_workorder")
    pictures = rows(centre, "SELECT case_id, role, taken_at_ms, picture_id FROM cases_evidence")
    names = {case: str(name) for case, name, _, _ in cases}
    ends = {case: int(str(at)) for case, _, at, _ in cases if at is not None}
    tasks = []
    for case, kind in orders:
        taken = [int(str(at)) for c, role, at, there in pictures if c == case and role == "recheck" and there]
        proven = kind == "manual_check" or (bool(taken) and max(taken) >= ends.get(case, 2**60))
        why_not = "" if proven else "no picture taken at or after the clock's end has arrived"
        tasks.append(TaskFact(names.get(case, "?"), proven, why_not))
    warnings: Counter[str] = Counter()
    sms = folder / "sms.jsonl"
    for line in sms.read_text("utf-8").splitlines() if sms.exists() else ():
        warnings[json.loads(line)["key"].split("/")[-2]] += 1
    verified = subprocess.run(
        patrol("evidence", "verify", str(folder / "data" / "evidence")), capture_output=True, text=True
    )
    problems = [*missing]
    if verified.returncode:
        problems.append(f"evidence does not verify: {verified.stdout[-300:]}{verified.stderr[-300:]}")
    if "Traceback" in (log := (folder / "agent.log").read_text("utf-8", "replace")):
        at = log.index("Traceback")
        problems.append(f"the agent's log holds a traceback: {log[at : at + 1500]}")
    return Facts(
        (StayFact("violator", True),),
        tuple(CaseFact(name, "violator", True) for name in names.values()),
        tuple(tasks),
        dict(warnings),
        tuple(problems),
    )
