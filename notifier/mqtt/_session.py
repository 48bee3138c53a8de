"""One connection to a broker: a thin layer over paho-mqtt that turns call-backs into a list of events.

Everything runs in the thread that calls `step`. A session is used once: paho would publish what it
remembers from an earlier connection by itself, and what is to be sent is for the outbox alone to say.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
from dataclasses import dataclass, field
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from notifier.mqtt import _reasons
from notifier.mqtt._waker import Waker
from notifier.mqtt.config import MqttConfig
from protocol.errors import PatrolError

_INBOX_RECEIVE_MAXIMUM = 50
"""Messages that the broker may have open towards us: bounds what one transaction stores."""

_LARGEST_INBOX_PACKET = 1 << 20
"""Bytes. An inbox message is a few hundred bytes; an Accept of 1,000 keys of 300 characters fits."""


_VERDICT_WAIT_S = 0.5
"""How long a TLS 1.3 server may take to show that it takes our certificate, before we go on regardless."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker accepted the connection."""

    receive_maximum: int
    maximum_packet_size: int


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The broker accepted the subscription."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The broker said no, and will again until a person changes something."""

    reason: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection is gone or was never there."""

    reason: str


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """PUBACK of message `mid`; codes of 0x80 and above are refusals."""

    mid: int
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Received:
    """A message that the broker keeps until `Session.acknowledge(mid)`."""

    mid: int
    topic: str
    payload: bytes = field(repr=False)


Event = Connected | Subscribed | Refused | Lost | Acknowledged | Received


class Session:
    """One connection, from CONNECT to its end.

    Args:
        config: where and how.
        client_id: name of the session at the broker.
        will: topic and payload that the broker publishes (retained) when we vanish.
    """

    def __init__(self, config: MqttConfig, client_id: str, will: tuple[str, bytes]) -> None:
        self._config = config
        self._events: list[Event] = []
        self._last_error = ""
        self._refused = False
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTv5,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        client.connect_timeout = config.connect_timeout_s
        # Windows are counted by the caller; paho must neither hold messages back nor keep a queue.
        client.max_inflight_messages_set(0)
        client.max_queued_messages_set(0)
        if config.username is not None:
            client.username_pw_set(config.username, config.password())
        self._tls: _TlsContext | None = None
        if config.tls:
            self._tls = _tls_context(config)
            client.tls_set_context(self._tls)
            client.on_socket_open = self._on_socket_open
        client.will_set(will[0], will[1], qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        client.on_log = self._on_log
        self._client = client

    def open(self) -> Event | None:
        """Connect TCP and TLS and send CONNECT; blocks for at most twice the connect time-out.

        Returns:
            None if the broker's answer is awaited, else why not.
        """
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = self._config.session_expiry_s
        properties.ReceiveMaximum = _INBOX_RECEIVE_MAXIMUM
        properties.MaximumPacketSize = _LARGEST_INBOX_PACKET
        try:
            self._client.connect(
                self._config.host,
                self._config.port,
                keepalive=self._config.keepalive_s,
                clean_start=False,
                properties=properties,
            )
        except OSError as error:  # ssl.SSLError and socket.gaierror are OSErrors
            said = error.strerror or str(error) or type(error).__name__
            if self._tls is not None and self._tls.wrapped is not None:
                self._tls.wrapped.close()  # paho forgets the socket of a failed handshake
                said = f"TLS: {said}"
            refusal = _reasons.tls_refusal(error)
            return Lost(said) if refusal is None else Refused(refusal)
        sock = self._client.socket()
        if isinstance(sock, socket.socket):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return None

    def step(self, wait_s: float, waker: Waker) -> tuple[list[Event], bool]:
        """Let bytes move for at most `wait_s` seconds, less if something happens or `waker` is woken.

        Returns:
            What happened, and whether any byte moved.
        """
        moved = False
        sock: Any = self._client.socket()
        if sock is not None:
            waiting = isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
            wanted = self._client.want_write()
            readable, writable = waker.wait(0.0 if waiting else wait_s, sock, want_write=wanted)
            if writable:
                moved = True
                self._client.loop_write()
            if readable or waiting:
                moved = True
                self._client.loop_read()
        self._client.loop_misc()
        if self._client.socket() is None and not any(isinstance(e, Lost | Refused) for e in self._events):
            self._events.append(Lost(self._last_error or "the connection is closed"))
        events, self._events = self._events, []
        return events, moved

    def subscribe(self, topic: str) -> None:
        """Ask for a topic's messages, QoS 1; `Subscribed` or `Refused` follows."""
        self._client.subscribe(topic, options=SubscribeOptions(qos=1))

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool = False) -> int | None:
        """Hand a message to the connection; returns its number, or None if there is no connection."""
        if not self._client.is_connected():
            return None
        info = self._client.publish(topic, payload, qos=qos, retain=retain)
        return info.mid if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    def acknowledge(self, mid: int) -> None:
        """Tell the broker that message `mid` is stored for good."""
        if self._client.is_connected():
            self._client.ack(mid, 1)

    @property
    def unsent(self) -> bool:
        """Whether bytes wait to be written."""
        return self._client.want_write()

    def close(self) -> None:
        """Say goodbye; the broker does not publish the will."""
        if self._client.is_connected():
            self._client.disconnect()
            self._client.loop_write()
        self.drop()

    def drop(self) -> None:
        """Close the socket without a word; the broker publishes the will."""
        sock: Any = self._client.socket()
        if sock is not None:
            sock.close()

    def _on_socket_open(self, _client: Client, _data: Any, sock: Any) -> None:
        """With TLS 1.3 a server judges our certificate after the handshake is over for us. Its verdict would be
        lost in the reset that answers our next bytes, so it is waited for before CONNECT is sent; a server
        that is content shows it by its session tickets.

        Raises:
            ssl.SSLError: the verdict.
        """
        if sock.version() != "TLSv1.3":
            return
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        if poll.poll(_VERDICT_WAIT_S * 1000):
            with contextlib.suppress(ssl.SSLWantReadError):
                sock.recv(1)  # a broker has nothing to say before CONNECT

    def _on_connect(
        self,
        _client: Client,
        _data: Any,
        _flags: ConnectFlags,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if code.value == 0:
            receive = getattr(properties, "ReceiveMaximum", 65535)
            packet = getattr(properties, "MaximumPacketSize", 0xFFFFFFFF)
            self._events.append(Connected(receive, packet))
        elif _reasons.is_refusal(code.value):
            self._refuse(_reasons.words(code.value, str(code)))
        else:
            self._events.append(Lost(f"the broker answered: {code}"))

    def _on_disconnect(
        self, _client: Client, _data: Any, flags: DisconnectFlags, code: ReasonCode, _properties: Any
    ) -> None:
        if self._refused:
            return
        if flags.is_disconnect_packet_from_server:
            if _reasons.is_refusal(code.value):
                self._refuse(_reasons.words(code.value, str(code)))
            else:
                self._events.append(Lost(f"the broker closed the connection: {code}"))
            return
        refusal = _reasons.tls_refusal(self._last_error)
        if refusal is not None:
            self._refuse(refusal)
        else:
            self._events.append(Lost(self._last_error or f"the connection was lost: {code}"))

    def _on_subscribe(
        self, _client: Client, _data: Any, _mid: int, codes: list[ReasonCode], _properties: Any
    ) -> None:
        worst = max(codes, key=lambda code: int(code.value))
        if worst.value < _reasons.FIRST_FAILURE:
            self._events.append(Subscribed())
        else:
            self._refuse(f"may not read its inbox: {_reasons.words(worst.value, str(worst))}")

    def _on_publish(self, _client: Client, _data: Any, mid: int, code: ReasonCode, _properties: Any) -> None:
        self._events.append(Acknowledged(mid, code.value, _reasons.words(code.value, str(code))))

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        if message.qos:
            self._events.append(Received(message.mid, message.topic, bytes(message.payload)))

    def _on_log(self, _client: Client, _data: Any, level: int, text: str) -> None:
        # paho tells why a socket failed only here.
        if level == LogLevel.MQTT_LOG_ERR:
            self._last_error = text

    def _refuse(self, reason: str) -> None:
        self._refused = True
        self._events.append(Refused(reason))


class _TlsContext(ssl.SSLContext):
    """A context that remembers its last socket, so that it can be closed if the handshake fails."""

    wrapped: ssl.SSLSocket | None = None

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        self.wrapped = super().wrap_socket(*args, **kwargs)
        return self.wrapped


def _tls_context(config: MqttConfig) -> _TlsContext:
    for name in ("ca_file", "client_cert", "client_key"):
        path = getattr(config, name)
        if path is not None and not path.is_file():
            raise PatrolError(
                "no such file", file=path, field=f"mqtt.{name}", mend="Give the path of a PEM file."
            )
    context = _TlsContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies certificate and host name
    try:
        if config.ca_file is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(config.ca_file)
    except ssl.SSLError as error:
        raise PatrolError(
            f"holds no certificate: {error}", file=config.ca_file, field="mqtt.ca_file"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if config.client_cert is not None and config.client_key is not None:
        try:
            context.load_cert_chain(config.client_cert, config.client_key, password="")
        except (ssl.SSLError, OSError) as error:
            raise PatrolError(
                f"certificate and key cannot be used: {error}",
                file=config.client_cert,
                field="mqtt.client_cert",
                mend="Give a PEM chain and its own private key without a passphrase.",
            ) from error
    return context
