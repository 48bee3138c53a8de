"""Confirms violations as an agent does - decision, picture and request stored in one transaction - and waits for the
gateway. Outbox, link, broker, centre, database, owners' table and HTTP are the real ones; only the street is not."""

from __future__ import annotations

import hashlib
import json
import os
import queue
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.figures import Figure
from benchmarks.notices.gateway import ACCOUNT, Gateway
from benchmarks.servers import free_port
from edge_agent.cases import Identified, SendNotice, open_case, step
from edge_agent.config import AgentConfig
from edge_agent.effects import EffectWriter, unsealed
from edge_agent.identity import Identity
from edge_agent.notices import notice_request
from edge_agent.store import Store
from edge_agent.vault import Vault
from notifier.mqtt import EmbeddedBroker, MqttConfig, MqttLink
from notifier.outbox import FileTransactions
from notifier.sms import reference
from protocol.clock import SystemClock
from protocol.errors import UnavailableError
from protocol.messages import EvidenceRef, NoticeResult
from zones import Zone

JURISDICTION, AGENT = "bench-street", "bench-box"
GOAL_S = 5.0
_UP_S = 90
_PATIENCE_S = 120


def measure(
    folder: Path, *, stays: int, spread_s: float, answer_s: float, say: Callable[[str, int], None]
) -> list[Figure]:
    """Warn the owners of so many vehicles.

    Args:
        folder: an empty folder.
        stays: how many are confirmed.
        spread_s: over how many seconds; 0 for all at once.
        answer_s: how long the gateway thinks about each message.
        say: told of progress: what, how many messages came.
    """
    changed = threading.Event()
    with ExitStack() as stack:
        say("starting broker and centre", 0)
        gateway = stack.enter_context(Gateway(answer_s, changed.set))
        broker = stack.enter_context(EmbeddedBroker(free_port()))
        _start_centre(stack, folder, broker.url, gateway.url, stays)
        box = stack.enter_context(_Box(folder / "agent", broker.url, changed))
        confirmed: dict[str, int] = {}
        say("confirming violations", 0)
        begun = box.clock.monotonic_ms()
        for number in range(stays):
            due = begun + round(number * spread_s * 1000 / stays)
            while (left := due - box.clock.monotonic_ms()) > 0:
                changed.wait(left / 1000)
                changed.clear()
                say("confirming violations", gateway.messages)
            name, at_ms = box.confirm(number)
            confirmed[name] = at_ms
        ends = box.clock.monotonic_ms() + _PATIENCE_S * 1000
        while (gateway.messages < stays or len(box.answered) < stays) and box.clock.monotonic_ms() < ends:
            changed.wait(0.5)
            changed.clear()
            say("waiting for the last", gateway.messages)
        return _figures(confirmed, gateway.came_ms, box.answered)


def _figures(confirmed: dict[str, int], came: dict[str, list[int]], answered: dict[str, int]) -> list[Figure]:
    waits = [(min(came[name]) - at_ms) / 1000 for name, at_ms in confirmed.items() if name in came]
    circle = [(answered[name] - at_ms) / 1000 for name, at_ms in confirmed.items() if name in answered]
    twice = sum(len(times) - 1 for times in came.values())
    return [
        Figure("stays confirmed", len(confirmed), ""),
        Figure("messages at the gateway", sum(map(len, came.values())), "", len(confirmed), exact=True),
        Figure("messages sent twice", twice, "", 0, exact=True),
        Figure("confirmed -> gateway, median", _share(waits, 50), "s"),
        Figure("confirmed -> gateway, p95", _share(waits, 95), "s", GOAL_S),
        Figure("confirmed -> gateway, slowest", max(waits, default=float("inf")), "s"),
        Figure("confirmed -> the box knows, p95", _share(circle, 95), "s"),
    ]


def _share(values: list[float], percent: float) -> float:
    return float(np.percentile(values, percent)) if values else float("inf")


class _Box:
    """The part of an agent from decision to broker."""

    def __init__(self, folder: Path, broker_url: str, changed: threading.Event) -> None:
        self.clock = SystemClock()
        self.answered: dict[str, int] = {}
        self._changed = changed
        self._identity = Identity(JURISDICTION, AGENT)
        config = AgentConfig.model_validate(
            {
                "agent": {"id": AGENT, "jurisdiction": JURISDICTION, "data_dir": str(folder)},
                "mqtt": {"url": broker_url},
                "camera": [{"id": "cam1", "url": "rtsp://127.0.0.1/1", "zones": "zones.toml"}],
            }
        )
        self._store = Store(folder / "agent.db", Vault.open(folder / "keys" / "box.key"))
        self._transactions = FileTransactions(self._store.path)
        self._pictures: dict[str, bytes] = {}
        self._writer = EffectWriter(
            self._identity, self._store.vault, self, None, ask=notice_request(config, self._identity)
        )
        self._link = MqttLink(
            MqttConfig.model_validate({"url": broker_url}),
            self._identity.topics,
            self._transactions,
            self._on_inbox,
            self.clock,
            unseal=unsealed(self._store.vault),
        )
        self._zone = Zone.model_validate(
            {"id": "P1", "name": "Pavement", "polygon": [(0, 0), (400, 0), (400, 300)], "renotice_after_s": 0}
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._link.run, args=(self._stop,))

    def __enter__(self) -> _Box:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._link.wake()
        self._thread.join(20)
        self._link.close()
        self._transactions.close()
        self._store.close()

    def read(self, case_id: str, sha256: str) -> bytes:  # noqa: ARG002
        """The bytes of a picture, as the evidence store would give them."""
        return self._pictures.pop(sha256)

    def confirm(self, number: int) -> tuple[str, int]:
        """A violation is established and its plate is known: (reference of the warning, monotonic milliseconds)."""
        picture = _picture(number)
        at_ms, moment = self.clock.utc_ms(), self.clock.monotonic_ms()
        case, effects = open_case(
            f"C-cam1-{at_ms}-{number}",
            f"cam1-{at_ms}-{number}",
            camera_id="cam1",
            zone=self._zone,
            place="北门人行道",
            street=f"street {number}",
            position=None,
            vehicle_class="car",
            box=(100.0, 100.0, 500.0, 300.0),
            why="62% of its footprint is in zone P1, needs 40%",
            first_seen_ms=at_ms - 60_000,
            at_ms=at_ms,
        )
        name = hashlib.sha256(picture).hexdigest()
        self._pictures[name] = picture
        ref = EvidenceRef(
            sha256=name, role="confirm", taken_at_ms=at_ms, width=1280, height=720, size=len(picture)
        )
        case = replace(case, evidence=(ref,))
        case, more = step(case, Identified(at_ms, plate_of(number), 0.99))
        with self._store.transaction() as db:
            for effect in effects[1:]:
                self._writer.record(db, case, effect)  # type: ignore[arg-type]
            assert isinstance(more[0], SendNotice)
            self._writer.notice(db, case, more[0].plate)
            self._store.save_case(case)
        self._link.wake()
        return reference(self._identity.key(case, "notice")), moment

    def _on_inbox(self, _db: sqlite3.Connection, message: Any) -> None:
        if isinstance(message, NoticeResult) and message.state == "accepted":
            self.answered.setdefault(reference(message.key), self.clock.monotonic_ms())
            self._changed.set()


def plate_of(number: int) -> str:
    """A plate of its own for each vehicle."""
    return f"沪A{number:05d}"


def _picture(number: int) -> bytes:
    """A picture of about the size of a real one (a street at 1280x720), different each time."""
    noise = np.random.default_rng(number).integers(0, 255, (56, 100, 3), dtype=np.uint8)
    image = cv2.resize(noise, (1280, 720), interpolation=cv2.INTER_CUBIC)
    return bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1])


# The centre


def _start_centre(stack: ExitStack, folder: Path, broker_url: str, gateway_url: str, stays: int) -> None:
    conf = folder / "notices.toml"
    conf.write_text(
        "parallel = 8\n[policy]\nper_agent_per_hour = 0\n"
        f'[sms]\ngateway = "twilio"\n[sms.twilio]\naccount_sid = "{ACCOUNT}"\nfrom_number = "+15005550006"\n'
        f'auth_token_env = "BENCH_TWILIO_TOKEN"\napi_base = "{gateway_url}"\n',
        "utf-8",
    )
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PATROL_CENTRAL_")},
        "PATROL_CENTRAL_DATA": str(folder / "centre"),
        "PATROL_CENTRAL_NOTICES_FILE": str(conf),
        "BENCH_TWILIO_TOKEN": "bench",
        "NO_PROXY": "127.0.0.1",
        "NO_COLOR": "1",
        "PYTHONUNBUFFERED": "1",
    }
    environment.pop("PATROL_DATABASE_URL", None)
    owners = folder / "owners.csv"
    rows = [f"{plate_of(number)},+861390000{number:04d}" for number in range(stays)]
    owners.write_text("\n".join(("plate,phone", *rows)) + "\n", "utf-8")
    for arguments in (
        ("migrate",),
        ("agents", "add", AGENT, "--jurisdiction", JURISDICTION),
        ("owners", "import", str(owners)),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "patrol", "central", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=_UP_S,
        )
        if done.returncode:
            raise UnavailableError(f"`patrol central {arguments[0]}` failed: {done.stderr.strip()[-400:]}")
    log = stack.enter_context((folder / "centre.log").open("w"))
    process = subprocess.Popen(
        [sys.executable, "-m", "patrol", "central", "up", "--port", "0", "--broker", broker_url, "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        start_new_session=True,
    )
    stack.callback(_end, process)
    ready: queue.Queue[str] = queue.Queue()
    assert process.stdout is not None
    stream = process.stdout
    threading.Thread(target=lambda: [ready.put(line) for line in stream], daemon=True).start()
    try:
        url = json.loads(ready.get(timeout=_UP_S))["url"]
    except queue.Empty:
        raise UnavailableError(
            f"the centre did not come up: {(folder / 'centre.log').read_text()[-400:]}"
        ) from None
    _wait_for_ingest(url)


def _wait_for_ingest(url: str) -> None:
    """Return once messages are being taken, so that the start of the processes is not measured."""
    import urllib.request

    clock = SystemClock()
    ends = clock.monotonic_ms() + _UP_S * 1000
    pause = threading.Event()
    while clock.monotonic_ms() < ends:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:  # noqa: S310 - our own address
            if json.load(answer)["ingest"] == "connected":
                return
        pause.wait(0.2)
    raise UnavailableError("the centre's ingest did not connect to the broker")


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.stdout is not None:
        process.stdout.close()
