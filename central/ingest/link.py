"""The centre's connection to the broker: MQTT 5, a session that outlives the process, acknowledged by hand."""

from __future__ import annotations

import logging
import queue
import ssl
import threading
from dataclasses import dataclass

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from central.ingest.state import CONNECTED, CONNECTING, REFUSED, STOPPED, UNREACHABLE
from central.project.broker import Broker
from protocol.errors import PatrolError
from protocol.topics import ingest_filters

log = logging.getLogger(__name__)

SESSION_S = 7 * 24 * 3600
"""How long the broker keeps what comes while this worker is away."""

RECEIVE_MAXIMUM = 64
"""Messages on the way without our acknowledgement: bounds memory, since each may be a picture."""

PACKET_BYTES = 32 * 2**20
"""Larger than any picture that could be accepted, so that one slightly too large is refused by name."""

KEEPALIVE_S = 15
RECONNECT_S = (1, 15)


@dataclass(frozen=True, slots=True)
class Incoming:
    """One message with what is needed to acknowledge it on the connection on which it came."""

    topic: str
    payload: bytes
    mid: int
    qos: int
    epoch: int
    again: bool = False
    """Whether the broker says that it may have brought it before."""


class Link:
    """Connects, reconnects for ever, and hands messages over in order. Its state has a name.

    Args:
        broker: where it is.
        client_id: stable over restarts, so that the broker keeps this worker's session.
        filters: what to hear; none for one who only speaks.
        session_s: how long the broker keeps what comes while this worker is away; 0: nothing.
        receive_maximum: messages on the way without our acknowledgement.
        packet_bytes: the largest message that is taken.
        former: filters that this session may still have from before, and is to hear no more.

    Raises:
        PatrolError: the certificate files are not usable.
    """

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        filters: tuple[str, ...] | None = None,
        session_s: int = SESSION_S,
        receive_maximum: int = RECEIVE_MAXIMUM,
        packet_bytes: int = PACKET_BYTES,
        former: tuple[str, ...] = (),
    ) -> None:
        self.broker = broker
        self._filters = ingest_filters() if filters is None else filters
        self._former = former
        self._session_s = session_s
        self._receive_maximum, self._packet_bytes = receive_maximum, packet_bytes
        self._not_allowed: set[str] = set()
        self.incoming: queue.SimpleQueue[Incoming] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._state = CONNECTING
        self._reason = ""
        self._epoch = 0
        self._subscribing: int | None = None
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5, manual_ack=True
        )
        if broker.user is not None:
            client.username_pw_set(broker.user, broker.password)
        if broker.tls:
            client.tls_set_context(_tls(broker))
        client.reconnect_delay_set(*RECONNECT_S)
        client.max_queued_messages_set(10_000)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        self._client = client

    @property
    def state(self) -> tuple[str, str]:
        """(named state, reason)."""
        with self._lock:
            return self._state, self._reason

    def start(self) -> None:
        """Begin to connect; returns at once."""
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = self._session_s
        properties.ReceiveMaximum = self._receive_maximum
        properties.MaximumPacketSize = self._packet_bytes
        self._client.connect_async(
            self.broker.host,
            self.broker.port,
            keepalive=KEEPALIVE_S,
            clean_start=self._session_s == 0,
            properties=properties,
        )
        self._client.loop_start()

    def acknowledge(self, messages: list[Incoming]) -> None:
        """Tell the broker that these are safe here. A message of an earlier connection comes again by itself."""
        with self._lock:
            epoch = self._epoch
        for message in messages:
            if message.qos and message.epoch == epoch:
                self._client.ack(message.mid, message.qos)

    def publish(self, topic: str, payload: str) -> mqtt.MQTTMessageInfo:
        """Send with QoS 1. What is lost with the process is sent again because nobody confirmed it."""
        return self._client.publish(topic, payload.encode(), qos=1)

    def publish_for(self, topic: str, payload: str, seconds: int) -> mqtt.MQTTMessageInfo:
        """Send with QoS 1 a message that the broker forgets after so many seconds (MQTT 5, message expiry)."""
        properties = Properties(PacketTypes.PUBLISH)
        properties.MessageExpiryInterval = seconds
        return self._client.publish(topic, payload.encode(), qos=1, properties=properties)

    def stop(self, *, unsubscribe: bool = False) -> None:
        """Leave in good order; the session stays at the broker, and gets nothing new where it is unsubscribed."""
        self._set(STOPPED, "")
        if unsubscribe and self._filters:
            self._client.unsubscribe(list(self._filters))
        self._client.disconnect()
        self._client.loop_stop()

    def _set(self, state: str, reason: str) -> None:
        with self._lock:
            if self._state == STOPPED:
                return
            changed = (self._state, self._reason) != (state, reason)
            self._state, self._reason = state, reason
        if changed and state != STOPPED:
            level = logging.INFO if state in {CONNECTED, CONNECTING} else logging.WARNING
            log.log(level, "broker %s: %s%s", self.broker.name, state, f", {reason}" if reason else "")

    def _on_connect(
        self,
        client: mqtt.Client,
        _userdata: object,
        _flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._set(REFUSED, str(reason))
            return
        with self._lock:
            self._epoch += 1
        if not self._filters:
            self._set(CONNECTED, "")
            return
        if self._former:
            client.unsubscribe(list(self._former))
        _, self._subscribing = client.subscribe([(name, SubscribeOptions(qos=1)) for name in self._filters])

    def _on_subscribe(
        self,
        _client: mqtt.Client,
        _userdata: object,
        mid: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        if mid != self._subscribing:
            return
        refused = [str(reason) for reason in reasons if reason.is_failure]
        if refused:
            self._set(REFUSED, f"subscription refused: {refused[0]}")
        else:
            self._set(CONNECTED, "")

    def _on_connect_fail(self, _client: mqtt.Client, _userdata: object) -> None:
        self._set(UNREACHABLE, f"no answer from {self.broker.name}")

    def _on_disconnect(
        self,
        _client: mqtt.Client,
        _userdata: object,
        _flags: mqtt.DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        with self._lock:
            self._epoch += 1
            refused = self._state == REFUSED
        if not refused:
            self._set(UNREACHABLE, f"connection lost: {reason}")

    def _on_publish(
        self,
        _client: mqtt.Client,
        _userdata: object,
        _mid: int,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure and str(reason) not in self._not_allowed:
            self._not_allowed.add(str(reason))
            log.error(
                "the broker refuses what the centre publishes: %s; its rules must let the centre", reason
            )

    def _on_message(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        with self._lock:
            epoch = self._epoch
        self.incoming.put(
            Incoming(message.topic, message.payload, message.mid, message.qos, epoch, message.dup)
        )


def _tls(broker: Broker) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=broker.ca_file and str(broker.ca_file))
        if broker.cert_file is not None:
            context.load_cert_chain(broker.cert_file, broker.key_file)
    except (ssl.SSLError, OSError) as error:
        raise PatrolError(
            f"the certificate files cannot be used: {error}",
            file=broker.cert_file or broker.ca_file,
            field="PATROL_CENTRAL_BROKER_CERT_FILE",
        ) from error
    return context
