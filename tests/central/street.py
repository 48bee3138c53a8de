"""Messages and pictures as an agent would send them, and an agent that sends until it is answered."""

from __future__ import annotations

import hashlib
import io
import threading
from dataclasses import dataclass, field

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from PIL import Image, ImageDraw
from pydantic import TypeAdapter

from protocol.messages import (
    Accept,
    AgentHealth,
    AgentStatus,
    CameraHealth,
    CaseRecord,
    EnforcementTask,
    EvidenceRef,
    InboxMessage,
    Outcome,
    Position,
    Refuse,
    TaskRetraction,
    Vehicle,
    idempotency_key,
)
from protocol.topics import AgentTopics

JURISDICTION = "sanlihe"
AGENT = "box-1"
CAMERA = "gate-north"
TOPICS = AgentTopics(JURISDICTION, AGENT)
NOON = 1_767_240_000_000
MINUTE = 60_000
BOX = (120.0, 90.0, 420.0, 300.0)

inbox_message: TypeAdapter[Accept | Refuse | Outcome] = TypeAdapter(InboxMessage)


def picture(seed: int = 0, size: tuple[int, int] = (640, 360)) -> bytes:
    """A JPEG of a street with a car, different for each seed."""
    image = Image.new("RGB", size, (148, 168, 180))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, size[1] * 0.55, *size), fill=(118, 116, 112))
    draw.rectangle(BOX, fill=((seed * 53) % 256, (seed * 97) % 256, 120))
    draw.ellipse((150, 270, 210, 330), fill=(20, 20, 20))
    draw.ellipse((330, 270, 390, 330), fill=(20, 20, 20))
    draw.text((10, 10), f"seed {seed}", fill=(255, 255, 255))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85)
    return out.getvalue()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def reference(
    data: bytes, role: str = "recheck", at_ms: int = NOON, size: tuple[int, int] = (640, 360)
) -> EvidenceRef:
    return EvidenceRef(
        sha256=sha256(data), role=role, taken_at_ms=at_ms, width=size[0], height=size[1], size=len(data)
    )


def key(case_id: str, stage: str, camera: str = CAMERA) -> str:
    return idempotency_key(JURISDICTION, AGENT, camera, case_id, stage)


def task(
    case_id: str = "c1", *, pictures: tuple[EvidenceRef, ...] = (), **changes: object
) -> EnforcementTask:
    """A task issued a moment after noon, eleven minutes after the vehicle came."""
    plain: dict[str, object] = {
        "idempotency_key": key(case_id, "task"),
        "jurisdiction_id": JURISDICTION,
        "agent_id": AGENT,
        "camera_id": CAMERA,
        "case_id": case_id,
        "issued_at_ms": NOON + 1000,
        "zone_id": "P3",
        "zone_name": "Pavement at the north gate",
        "zone_version": "a" * 64,
        "place": "三里河路12号北门人行道",
        "position": Position(longitude=116.3321, latitude=39.9145),
        "vehicle": Vehicle(vehicle_class="car", plate="京A12345", plate_confidence=0.97, box=BOX),
        "first_seen_ms": NOON - 11 * MINUTE,
        "confirmed_at_ms": NOON - 10 * MINUTE - 2000,
        "notified_at_ms": NOON - 10 * MINUTE,
        "clock_started_ms": NOON - 10 * MINUTE,
        "clock_ends_ms": NOON,
        "rechecked_at_ms": NOON + 500,
        "why": "62% of its footprint is in zone P3, needs 40%; same vehicle by place, look and plate",
        "evidence": pictures,
    }
    return EnforcementTask(**{**plain, **changes})


def retraction(case_id: str = "c1", at_ms: int = NOON + 2 * MINUTE, **changes: object) -> TaskRetraction:
    plain: dict[str, object] = {
        "idempotency_key": key(case_id, "retraction"),
        "jurisdiction_id": JURISDICTION,
        "agent_id": AGENT,
        "camera_id": CAMERA,
        "case_id": case_id,
        "at_ms": at_ms,
        "reason": "gone in 3 clear pictures",
    }
    return TaskRetraction(**{**plain, **changes})


def record(case_id: str, state: str, at_ms: int, **changes: object) -> CaseRecord:
    plain: dict[str, object] = {
        "idempotency_key": key(case_id, f"{state}@{at_ms}"),
        "jurisdiction_id": JURISDICTION,
        "agent_id": AGENT,
        "camera_id": CAMERA,
        "case_id": case_id,
        "state": state,
        "previous": None,
        "at_ms": at_ms,
        "reason": f"now {state}",
        "zone_id": "P3",
        "zone_name": "Pavement at the north gate",
        "vehicle_class": "car",
        "first_seen_ms": NOON - 11 * MINUTE,
    }
    return CaseRecord(**{**plain, **changes})


def health(at_ms: int = NOON, state: str = "live", **changes: object) -> AgentHealth:
    plain: dict[str, object] = {
        "jurisdiction_id": JURISDICTION,
        "agent_id": AGENT,
        "at_ms": at_ms,
        "version": "0.1.0",
        "cameras": (
            CameraHealth(camera_id=CAMERA, state=state, since_ms=at_ms - MINUTE, last_frame_age_ms=800),
        ),
    }
    return AgentHealth(**{**plain, **changes})


@dataclass
class Sender:
    """A real MQTT client that behaves as an agent must: it keeps each message until the centre accepts it."""

    port: int
    topics: AgentTopics = TOPICS
    again_s: float = 1.0
    inbox: list[Accept | Refuse | Outcome] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._waiting: dict[str, tuple[str, bytes]] = {}
        self._changed = threading.Condition()
        self._stop = threading.Event()
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=f"agent-{self.topics.agent_id}", protocol=mqtt.MQTTv5
        )
        client.reconnect_delay_set(1, 1)
        status = AgentStatus(
            jurisdiction_id=self.topics.jurisdiction_id, agent_id=self.topics.agent_id, online=False
        )
        self._status = status
        client.will_set(self.topics.of("status"), status.model_dump_json(), qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 3600
        client.connect_async("127.0.0.1", self.port, keepalive=10, clean_start=False, properties=properties)
        client.loop_start()
        self.client = client
        self._thread = threading.Thread(target=self._repeat, daemon=True)
        self._thread.start()

    def send(self, *messages: EnforcementTask | TaskRetraction | CaseRecord) -> None:
        for message in messages:
            channel = "cases" if message.kind == "case_record" else "tasks"
            self._keep(message.idempotency_key, self.topics.of(channel), message.model_dump_json().encode())

    def send_picture(self, data: bytes) -> None:
        digest = sha256(data)
        self._keep(self.topics.evidence_key(digest), self.topics.evidence(digest), data)

    def publish(self, topic: str, payload: bytes | str) -> None:
        """Once, without keeping it."""
        self.client.publish(topic, payload, qos=1)

    @property
    def waiting(self) -> set[str]:
        with self._changed:
            return set(self._waiting)

    def wait_until_accepted(self, timeout: float = 20) -> None:
        with self._changed:
            done = self._changed.wait_for(lambda: not self._waiting, timeout)
        assert done, f"never accepted: {sorted(self._waiting)[:5]}"

    def wait_for(self, kind: type, timeout: float = 20) -> Accept | Refuse | Outcome:
        """The newest message of this kind in the inbox."""
        with self._changed:
            found = self._changed.wait_for(
                lambda: [message for message in self.inbox if isinstance(message, kind)], timeout
            )
        assert found, f"no {kind.__name__} came; got {self.inbox[-3:]}"
        return found[-1]

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self.client.disconnect()
        self.client.loop_stop()

    def _keep(self, message_key: str, topic: str, payload: bytes) -> None:
        with self._changed:
            self._waiting[message_key] = (topic, payload)
        self.client.publish(topic, payload, qos=1)

    def _repeat(self) -> None:
        while not self._stop.wait(self.again_s):
            with self._changed:
                waiting = list(self._waiting.values())
            if self.client.is_connected():
                for topic, payload in waiting:
                    self.client.publish(topic, payload, qos=1)

    def _on_connect(self, client: mqtt.Client, *_: object) -> None:
        client.subscribe(self.topics.of("inbox"), qos=1)
        online = self._status.model_copy(update={"online": True, "version": "0.1.0"})
        client.publish(self.topics.of("status"), online.model_dump_json(), qos=1, retain=True)

    def _on_message(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        parsed = inbox_message.validate_json(message.payload)
        with self._changed:
            self.inbox.append(parsed)
            if isinstance(parsed, Accept):
                for accepted in parsed.keys:
                    self._waiting.pop(accepted, None)
            elif isinstance(parsed, Refuse):
                self._waiting.pop(parsed.key, None)
            self._changed.notify_all()
