"""deploy/mosquitto with a real Mosquitto: TLS, certificates, and each agent confined to its own topics."""

from __future__ import annotations

import datetime
import getpass
import ipaddress
import queue
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from protocol.topics import AgentTopics, DeviceTopics, OfficerTopics, ingest_filters, telemetry_filters

ROOT = Path(__file__).resolve().parent.parent
HOME = "my-subdistrict"
NOT_AUTHORISED = 135
WAIT_S = 10


class Authority:
    """A certificate authority for one test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self._write("ca", self._signed("test authority", self._key, authority=True), self._key)

    def issue(self, name: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        self._write(name, self._signed(name, key), key)

    def _signed(
        self, name: str, key: ec.EllipticCurvePrivateKey, authority: bool = False
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )

    def _write(self, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        (self.folder / f"{name}.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
        (self.folder / f"{name}.key").write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )


class Client:
    """One MQTT 5 client with its own certificate."""

    def __init__(self, port: int, certificates: Path, name: str) -> None:
        self.heard: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._answers: queue.Queue[object] = queue.Queue()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        context = ssl.create_default_context(cafile=str(certificates / "ca.crt"))
        context.load_cert_chain(certificates / f"{name}.crt", certificates / f"{name}.key")
        self._client.tls_set_context(context)
        self._client.on_connect = lambda _c, _u, _f, reason, _p: self._answers.put(reason.value)
        self._client.on_publish = lambda _c, _u, _mid, reason, _p: self._answers.put(reason.value)
        self._client.on_subscribe = lambda _c, _u, _mid, reasons, _p: self._answers.put(
            [r.value for r in reasons]
        )
        self._client.on_message = lambda _c, _u, message: self.heard.put((message.topic, message.payload))
        self._client.connect("127.0.0.1", port, clean_start=True, properties=Properties(PacketTypes.CONNECT))
        self._client.loop_start()
        assert self._answers.get(timeout=WAIT_S) == 0

    def publish(self, topic: str, payload: bytes = b"{}") -> object:
        """The broker's reason code."""
        self._client.publish(topic, payload, qos=1)
        return self._answers.get(timeout=WAIT_S)

    def subscribe(self, *topics: str) -> object:
        self._client.subscribe([(topic, mqtt.SubscribeOptions(qos=1)) for topic in topics])
        return self._answers.get(timeout=WAIT_S)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def port(tmp_path: Path, free_port: Callable[[], int], wait_until: Callable[..., None]) -> Iterator[int]:
    """Where a broker with the shipped configuration listens; certificates and keys lie in `tmp_path`."""
    port = free_port()
    authority = Authority(tmp_path)
    for name in ("broker", "centre", "agent-1", "agent-2", "officer-7", "officer-8", "smoke-1"):
        authority.issue(name)
    shutil.copy(ROOT / "deploy/mosquitto/acl", tmp_path / "acl")
    (tmp_path / "acl").chmod(0o644)
    text = (ROOT / "deploy/mosquitto/mosquitto.conf").read_text()
    # Only places change: folders, the port, who it runs as, where it logs.
    text = text.replace("/etc/mosquitto/conf.d/acl", str(tmp_path / "acl"))
    text = text.replace("/etc/mosquitto/certs/", f"{tmp_path}/").replace(
        "/var/lib/mosquitto/", f"{tmp_path}/"
    )
    text = re.sub(r"^listener 8883$", f"listener {port} 127.0.0.1", text, flags=re.M)
    text = re.sub(
        r"^log_dest .*$", f"log_dest file {tmp_path / 'log'}\nuser {getpass.getuser()}", text, flags=re.M
    )
    (tmp_path / "mosquitto.conf").write_text(text)
    program = shutil.which(
        "mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/sbin"
    )
    assert program, "mosquitto is not installed: run scripts/install-system-packages"
    broker = subprocess.Popen(
        [program, "-c", str(tmp_path / "mosquitto.conf")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    def listening() -> bool:
        assert broker.poll() is None, broker.communicate()[0] + (tmp_path / "log").read_text()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            return False
        return True

    try:
        wait_until(listening, what="the broker's start")
        yield port
    finally:
        broker.terminate()
        broker.communicate(timeout=WAIT_S)


@pytest.fixture
def connect(port: int, tmp_path: Path) -> Iterator[Callable[[str], Client]]:
    """A function that connects with the certificate of that name."""
    clients: list[Client] = []

    def client(name: str) -> Client:
        clients.append(Client(port, tmp_path, name))
        return clients[-1]

    yield client
    for each in clients:
        each.close()


def test_an_agent_and_the_centre_reach_each_other(connect: Callable[[str], Client]) -> None:
    centre, agent = connect("centre"), connect("agent-1")
    mine = AgentTopics(HOME, "agent-1")
    granted = centre.subscribe(*ingest_filters(HOME))
    assert isinstance(granted, list)
    assert all(reason == 1 for reason in granted)
    assert agent.subscribe(mine.of("inbox")) == [1]
    sent = [
        mine.of(channel) for channel in ("status", "tasks", "cases", "notices", "health", "bays", "zones")
    ] + [mine.evidence("0" * 64)]
    for topic in sent:
        assert agent.publish(topic) == 0
    assert sorted(centre.heard.get(timeout=WAIT_S)[0] for _ in sent) == sorted(sent)
    assert centre.publish(mine.of("inbox"), b"accepted") == 0
    assert agent.heard.get(timeout=WAIT_S) == (mine.of("inbox"), b"accepted")


def test_an_agent_can_neither_speak_as_another_nor_answer_itself(
    connect: Callable[[str], Client],
) -> None:
    agent = connect("agent-2")
    other = AgentTopics(HOME, "agent-1")
    for topic in (
        other.of("tasks"),
        other.of("status"),
        AgentTopics(HOME, "agent-2").of("inbox"),  # an accept that the centre never gave
        AgentTopics("elsewhere", "agent-2").of("tasks"),
    ):
        assert agent.publish(topic) == NOT_AUTHORISED


def test_an_agent_hears_nothing_that_is_not_its_own(connect: Callable[[str], Client]) -> None:
    centre, agent = connect("centre"), connect("agent-2")
    agent.subscribe("patrol/v1/#", AgentTopics(HOME, "agent-1").of("inbox"))
    assert centre.publish(AgentTopics(HOME, "agent-1").of("inbox"), b"not yours") == 0
    assert centre.publish(AgentTopics(HOME, "agent-2").of("inbox"), b"yours") == 0
    assert agent.heard.get(timeout=WAIT_S)[1] == b"yours"


def test_the_centre_cannot_speak_as_an_agent(connect: Callable[[str], Client]) -> None:
    assert connect("centre").publish(AgentTopics(HOME, "agent-1").of("tasks")) == NOT_AUTHORISED


def test_an_officer_hears_the_own_topic_alone_and_says_nothing(connect: Callable[[str], Client]) -> None:
    centre, seven, eight = connect("centre"), connect("officer-7"), connect("officer-8")
    mine, other = OfficerTopics(HOME, "officer-7").tasks, OfficerTopics(HOME, "officer-8").tasks
    for officer in (seven, eight):
        # Mosquitto grants filters and withholds what comes through them.
        officer.subscribe("patrol/v1/#", f"patrol/v1/{HOME}/officers/+/tasks", mine, other)
    assert centre.publish(AgentTopics(HOME, "agent-1").of("inbox"), b"an agent's") == 0
    assert centre.publish(other, b"for eight") == 0
    assert centre.publish(mine, b"for seven") == 0
    assert {seven.heard.get(timeout=WAIT_S) for _ in range(1)} == {(mine, b"for seven")}
    assert eight.heard.get(timeout=WAIT_S) == (other, b"for eight")
    for topic in (
        mine,
        other,
        AgentTopics(HOME, "agent-1").of("tasks"),
        AgentTopics(HOME, "agent-1").of("inbox"),
    ):
        assert seven.publish(topic) == NOT_AUTHORISED
    agent = connect("agent-1")
    agent.subscribe(mine, AgentTopics(HOME, "agent-1").of("inbox"))
    assert centre.publish(mine, b"for seven again") == 0
    assert centre.publish(AgentTopics(HOME, "agent-1").of("inbox"), b"for the agent") == 0
    assert agent.heard.get(timeout=WAIT_S)[1] == b"for the agent"


def test_a_device_says_its_own_and_hears_nothing(connect: Callable[[str], Client]) -> None:
    centre, device = connect("centre"), connect("smoke-1")
    mine = DeviceTopics(HOME, "smoke-1").telemetry
    assert centre.subscribe(*telemetry_filters(HOME, shared=False)) == [1]
    device.subscribe("patrol/v1/#")
    assert device.publish(mine, b'{"smoke": 1}') == 0
    assert centre.heard.get(timeout=WAIT_S) == (mine, b'{"smoke": 1}')
    for topic in (
        DeviceTopics(HOME, "smoke-2").telemetry,
        DeviceTopics("elsewhere", "smoke-1").telemetry,
        AgentTopics(HOME, "agent-1").of("tasks"),
    ):
        assert device.publish(topic) == NOT_AUTHORISED
    assert centre.publish(mine) == NOT_AUTHORISED
    assert device.heard.empty(), "not even its own"


def test_nobody_enters_without_a_certificate(port: int, tmp_path: Path) -> None:
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    with (
        socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as plain,
        pytest.raises(ssl.SSLError, match=r"(?i)certificate.required|handshake.failure"),
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        # In TLS 1.3 the refusal comes with the first answer, after the client thinks that it is in.
        secure.recv(1)
