"""The agents of the day. The case machine, the store, the outbox and the link to the broker are the product's own; only
what a camera would see comes from the script."""

from __future__ import annotations

import hashlib
import heapq
import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.centre import JURISDICTION
from benchmarks.day.script import GRACE_MS, MINUTE, ON_THE_WAY_MS, POSTS_KM, UNSEEN_MS, Script, Stay
from edge_agent.cases import Case, Ended, Exempted, Identified, Watched, open_case
from edge_agent.config import AgentConfig
from edge_agent.effects import EffectWriter, unsealed
from edge_agent.engine import Engine
from edge_agent.identity import Identity
from edge_agent.notices import answer_of, notice_request, refused_request
from edge_agent.store import Store
from edge_agent.vault import Vault
from notifier.mqtt import MqttConfig, MqttLink
from notifier.outbox import FileTransactions, OutboxItem
from protocol.clock import Millis, ScaledClock, SystemClock
from protocol.messages import EvidenceRef, NoticeResult, Outcome, Position, Refuse
from zones import Zone

WEST = Position(longitude=116.30, latitude=39.90)
KM = 1 / (111.195 * 0.76717)
"""Degrees of longitude in a kilometre at this latitude."""

LOOK_S = 0.05
SAID_AGAIN_MS = 5 * MINUTE
BOX = (100.0, 100.0, 380.0, 240.0)
WHY = "62% of its footprint is in zone P1, needs 40%"


def name_of(agent: int) -> str:
    """An agent's id, which is its log-in at the broker."""
    return f"box-{agent + 1}"


def zone_of(stay: Stay) -> Zone:
    """The rules of a stay's zone: what a second zone cannot settle by itself, a person has to look at."""
    second = stay.zone == 1
    return Zone.model_validate(
        {
            "id": f"P{stay.zone + 1}",
            "name": f"第{stay.zone + 1}段人行道",
            "polygon": [(0, 0), (400, 0), (400, 270)],
            "confirm_after_s": 60,
            "grace_s": GRACE_MS / 1000,
            "renotice_after_s": 0,
            "unnotifiable": "manual_check" if second else "task",
            "unverified": "manual_check" if second else "close",
        }
    )


def place_of(agent: int, camera: int, zone: int) -> str:
    """Where that is, in words."""
    return f"{'东西南北'[agent]}街{camera * 20 + zone * 6 + 2}号门前人行道"


def position_of(agent: int, camera: int = 0, zone: int = 0) -> Position:
    """Where that is; a post of officers is where its street's first zone is."""
    return Position(
        longitude=WEST.longitude + POSTS_KM[agent] * KM, latitude=WEST.latitude + (camera * 2 + zone) * 0.0005
    )


@dataclass(frozen=True, slots=True, order=True)
class _Event:
    at_ms: Millis
    order: int
    what: str
    stay: int


class _Writer(EffectWriter):
    """Also remembers what was said of some stays, to say it once more."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.said: list[tuple[str, str, bytes]] = []

    def _put(self, db: sqlite3.Connection, item: OutboxItem) -> None:
        if item.channel == "mqtt":
            self.said.append((str(item.meta.get("case_id", "")), str(item.meta["topic"]), item.payload))
        super()._put(db, item)


class Box:
    """One agent in a thread of its own.

    Args:
        folder: empty, for its data.
        broker: address; its password lies beside.
        index: which of the script's agents.
        began_ms: when the day began, on the day's clock.
    """

    def __init__(
        self,
        folder: Path,
        broker: tuple[str, str],
        index: int,
        script: Script,
        clock: ScaledClock,
        began_ms: Millis,
    ) -> None:
        self.folder, self.index, self.script, self.clock, self.began_ms = (
            folder,
            index,
            script,
            clock,
            began_ms,
        )
        self.name = name_of(index)
        self.repeated = 0
        self.done = threading.Event()
        self.failed: BaseException | None = None
        self._url, self._password = broker
        self._identity = Identity(JURISDICTION, self.name)
        self._stays = {stay.number: stay for stay in script.stays if stay.agent == index}
        self._pictures: dict[str, bytes] = {}
        self._events: list[_Event] = []
        self._count = 0
        self._tasked: set[int] = set()
        self._stop = threading.Event()
        self._link: tuple[MqttLink, threading.Event, threading.Thread] | None = None
        self._thread = threading.Thread(target=self._guarded, name=self.name, daemon=True)

    def start(self) -> None:
        """Begin the day."""
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._stop.set()
        self._thread.join(30)

    # What the engine asks of its surroundings

    def seal(self, case: Case, role: Any, frame: object, seen: object) -> EvidenceRef:  # noqa: ARG002
        """A picture of this case, different for each."""
        noise = np.random.default_rng([self._number(case), len(str(role))]).integers(
            0, 255, (27, 48, 3), dtype=np.uint8
        )
        image = cv2.resize(noise, (480, 270), interpolation=cv2.INTER_CUBIC)
        data = bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 70])[1])
        digest = hashlib.sha256(data).hexdigest()
        self._pictures[digest] = data
        return EvidenceRef(
            sha256=digest,
            role=role,
            taken_at_ms=self.clock.utc_ms(),
            width=480,
            height=270,
            size=len(data),
            box=BOX,
        )

    def read(self, case_id: str, sha256: str) -> bytes:  # noqa: ARG002
        """The bytes of a picture, as the evidence store would give them."""
        return self._pictures[sha256]

    # The day

    def _guarded(self) -> None:
        try:
            self._run()
        except BaseException as error:
            self.failed = error
            raise
        finally:
            self.done.set()

    def _run(self) -> None:
        config = AgentConfig.model_validate(
            {
                "agent": {"id": self.name, "jurisdiction": JURISDICTION, "data_dir": str(self.folder)},
                "mqtt": {"url": self._url},
                "camera": [{"id": "cam1", "url": "rtsp://127.0.0.1/1", "zones": "zones.toml"}],
            }
        )
        self._store = Store(self.folder / "agent.db", Vault.open(self.folder / "keys" / "box.key"))
        self._transactions = FileTransactions(self._store.path)
        self._writer = _Writer(
            self._identity, self._store.vault, self, None, ask=notice_request(config, self._identity)
        )
        self._engine = Engine(self._store, self, self._writer, plates=None, plate_wait_ms=0)
        self._echo = self._client()
        for stay in self._stays.values():
            if stay.fate != "passes":
                self._at(self.began_ms + stay.confirmed_ms, "confirm", stay)
        outage = self.script.outage
        if outage is not None and outage.agent == self.index:
            self._at(self.began_ms + outage.from_ms, "offline", None)
            self._at(self.began_ms + outage.to_ms, "online", None)
        try:
            self._online()
            while not self._stop.wait(LOOK_S):
                self._turn(self.clock.utc_ms())
        finally:
            self._offline()
            self._echo.disconnect()
            self._echo.loop_stop()
            self._store.close()

    def _turn(self, now: Millis) -> None:
        while self._events and self._events[0].at_ms <= now:
            event = heapq.heappop(self._events)
            self._happens(event, now)
        self._engine.arrivals(now)
        self._engine.tick(now)
        for case in list(self._engine._cases.values()):
            stay = self._stays[self._number(case)]
            if case.state == "rechecking" and stay.fate == "task":
                case = self._engine_takes(case, Watched(now, True, BOX, WHY))
            if case.task_issued and stay.number not in self._tasked:
                self._tasked.add(stay.number)
                if stay.finish == "left_unseen":
                    self._at(now + UNSEEN_MS, "leaves", stay)
                elif stay.finish == "left_on_the_way":
                    self._at(now + stay.accepts_after_ms + ON_THE_WAY_MS, "leaves", stay)
        if self._link is not None:
            self._link[0].wake()

    def _happens(self, event: _Event, now: Millis) -> None:
        if event.what == "offline":
            return self._offline()
        if event.what == "online":
            return self._online()
        stay = self._stays[event.stay]
        case_id = _case_id(stay)
        if event.what == "again":
            return self._say_again(case_id)
        if event.what == "confirm":
            return self._confirm(stay, now)
        case = self._engine._any_case(case_id)
        assert case is not None, "what was confirmed is stored"
        if event.what == "leaves":
            self._engine_takes(case, Ended(now, "departed"))
        else:
            self._engine_takes(case, Exempted(now, "permit residents"))

    def _confirm(self, stay: Stay, now: Millis) -> None:
        place = place_of(stay.agent, stay.camera, stay.zone)
        case, effects = open_case(
            _case_id(stay),
            f"stay-{stay.number}",
            camera_id=f"cam{stay.camera + 1}",
            zone=zone_of(stay),
            place=place,
            street=f"street {stay.number}",
            position=position_of(stay.agent, stay.camera, stay.zone),
            vehicle_class="car",
            box=BOX,
            why=WHY,
            first_seen_ms=now - MINUTE,
            at_ms=now,
        )
        with self._engine._deciding():
            case = self._engine._carry(case, effects, _PICTURE)
            self._engine._take(case, Identified(now, stay.plate, 0.97), _PICTURE)
        if stay.fate == "leaves":
            self._at(now + stay.leaves_ms, "leaves", stay)
        elif stay.fate == "exempted":
            self._at(now + stay.leaves_ms, "exempted", stay)
        if stay.again:
            self._at(now + SAID_AGAIN_MS, "again", stay)
            self._at(now + 8 * SAID_AGAIN_MS, "again", stay)

    def _engine_takes(self, case: Case, happened: Any) -> Case:
        with self._engine._deciding():
            return self._engine._take(case, happened, _PICTURE)

    def _at(self, at_ms: Millis, what: str, stay: Stay | None) -> None:
        self._count += 1
        heapq.heappush(self._events, _Event(at_ms, self._count, what, -1 if stay is None else stay.number))

    @staticmethod
    def _number(case: Case) -> int:
        return int(case.id.rpartition("-")[2])

    # The way to the centre

    def _config(self, client_id: str) -> MqttConfig:
        password = self.folder / "broker.password"
        if not password.exists():
            password.touch(mode=0o600)
            password.write_text(self._password + "\n")
        return MqttConfig.model_validate(
            {"url": self._url, "username": self.name, "password_file": str(password), "client_id": client_id}
        )

    def _online(self) -> None:
        stop = threading.Event()
        link = MqttLink(
            self._config(self.name),
            self._identity.topics,
            self._transactions,
            self._on_inbox,
            SystemClock(),
            unseal=unsealed(self._store.vault),
        )
        thread = threading.Thread(target=link.run, args=(stop,), name=f"{self.name} mqtt", daemon=True)
        thread.start()
        self._link = link, stop, thread

    def _offline(self) -> None:
        if self._link is not None:
            link, stop, thread = self._link
            stop.set()
            link.wake()
            thread.join(20)
            link.close()
            self._link = None

    def _on_inbox(self, db: sqlite3.Connection, message: Any) -> None:
        """As `edge_agent.runtime` does."""
        if isinstance(message, Outcome):
            body = {"outcome_id": message.outcome_id, "result": message.result}
            self._store.arrive(db, "outcome", message.case_id, body, f"outcome/{message.outcome_id}")
        elif isinstance(message, NoticeResult):
            kind, body = answer_of(message)
            self._store.arrive(db, kind, message.case_id, body, f"notice/{message.result_id}")
        elif isinstance(message, Refuse) and message.key.endswith("/notice"):
            self._store.arrive(db, "notice_refused", *refused_request(message), f"{message.key}#refused")

    # Duplicates: as a broker or a box that lost its memory of what was accepted would send them

    def _client(self) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=f"{self.name}-again", protocol=mqtt.MQTTv5
        )
        client.username_pw_set(self.name, self._password)
        port = int(self._url.rpartition(":")[2])
        client.connect("127.0.0.1", port)
        client.loop_start()
        return client

    def _say_again(self, case_id: str) -> None:
        if self._link is None:
            return
        for said, topic, payload in self._writer.said:
            if said == case_id:
                self._echo.publish(topic, payload, qos=1)
                self.repeated += 1


_PICTURE: Any = object()
"""A frame that nobody looks into."""


def _case_id(stay: Stay) -> str:
    return f"C-stay-{stay.number}"
