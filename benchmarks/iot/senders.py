"""Many devices behind a few connections: MQTT 5 PUBLISH packets written by hand, because a sender must cost little beside what is
measured. QoS 1: what the broker has not confirmed is sent again after a reconnect, marked as such, as a device would."""

from __future__ import annotations

import json
import random
import selectors
import socket
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

CONNECT, CONNACK, PUBLISH, PUBACK, PINGREQ, DISCONNECT = 0x10, 0x20, 0x32, 0x40, 0xC0, 0xE0
DUP = 0x08
WINDOW = 400
"""Unconfirmed messages of one connection; a broker that is away stops the sender soon."""

ALARM_SMOKE, CALM_SMOKE = 30.0, 0.4


@dataclass(slots=True)
class Sent:
    """What went out. `alarms`: device -> own times of messages that were beyond the threshold."""

    published: int = 0
    confirmed: int = 0
    again: int = 0
    alarms: dict[str, list[int]] = field(default_factory=dict)
    late_s: float = 0.0


def varint(number: int) -> bytes:
    """MQTT's variable byte integer."""
    out = bytearray()
    while True:
        number, digit = divmod(number, 128)
        out.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(out)


def text(given: str) -> bytes:
    """MQTT's text with its length."""
    raw = given.encode()
    return len(raw).to_bytes(2, "big") + raw


def connect_packet(client_id: str) -> bytes:
    """CONNECT, MQTT 5, clean start, keep-alive of ten minutes."""
    body = text("MQTT") + b"\x05\x02" + (600).to_bytes(2, "big") + b"\x00" + text(client_id)
    return bytes([CONNECT]) + varint(len(body)) + body


def publish_packet(topic: bytes, mid: int, payload: bytes) -> bytearray:
    """PUBLISH with QoS 1 and no properties."""
    size = len(topic) + 3 + len(payload)
    return bytearray(bytes([PUBLISH]) + varint(size) + topic + mid.to_bytes(2, "big") + b"\x00" + payload)


class Gateway:
    """One connection that speaks for many devices."""

    def __init__(self, port: int, name: str, sent: Sent) -> None:
        self._port, self._name, self._sent = port, name, sent
        self._open: OrderedDict[int, bytearray] = OrderedDict()
        self._mid = 0
        self._heard = bytearray()
        self._out = bytearray()
        self._connected = False
        self._retry_at = 0.0
        self.socket: socket.socket | None = None

    @property
    def room(self) -> int:
        """How many more messages may be on their way."""
        return WINDOW - len(self._open)

    @property
    def waiting(self) -> int:
        """Messages that the broker has not confirmed."""
        return len(self._open)

    def connect(self, now: float) -> bool:
        """Try to connect, at most five times a second."""
        if now < self._retry_at:
            return False
        self._retry_at = now + 0.2
        try:
            made = socket.create_connection(("127.0.0.1", self._port), timeout=5)
        except OSError:
            return False
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setblocking(False)
        self.socket, self._connected = made, False
        self._heard.clear()
        self._out = bytearray(connect_packet(self._name))
        self.flush()
        return True

    def publish(self, topic: bytes, payload: bytes) -> None:
        """Send a message, or keep it until there is a connection."""
        self._mid = self._mid % 65535 + 1
        packet = publish_packet(topic, self._mid, payload)
        self._open[self._mid] = packet
        if self._connected:
            self._out += packet

    def flush(self) -> None:
        """Write what waits."""
        if self.socket is None or not self._out:
            return
        try:
            count = self.socket.send(self._out)
            del self._out[:count]
        except BlockingIOError:
            pass
        except OSError:
            self.lost()

    def read(self) -> None:
        """Take confirmations."""
        if self.socket is None:
            return
        try:
            got = self.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            got = b""
        if not got:
            self.lost()
            return
        self._heard += got
        while len(self._heard) >= 2 and len(self._heard) >= 2 + self._heard[1]:
            kind, length = self._heard[0] & 0xF0, self._heard[1]
            body = self._heard[2 : 2 + length]
            del self._heard[: 2 + length]
            if kind == CONNACK:
                self._connected = True
                for packet in self._open.values():
                    packet[0] |= DUP
                    self._out += packet
                    self._sent.again += 1
            elif kind == PUBACK and self._open.pop(int.from_bytes(body[:2], "big"), None) is not None:
                self._sent.confirmed += 1

    def lost(self) -> None:
        """The connection is gone."""
        if self.socket is not None:
            self.socket.close()
        self.socket, self._connected = None, False
        self._out.clear()

    def close(self) -> None:
        """Leave in good order."""
        if self.socket is not None:
            self._out += bytes([DISCONNECT, 0])
            self.flush()
            self.lost()


@dataclass(frozen=True, slots=True)
class Load:
    """What to send: so many messages a second of so many devices (named `d000000` and on), one in `alarm_every` beyond the
    threshold, each device at most once; afterwards it says that it is well again."""

    port: int
    jurisdiction: str
    devices: int
    rate: float
    seconds: float
    alarm_every: int = 2000
    gateways: int = 20
    seed: int = 1
    prefix: str = "d"
    race: bool = False
    """Every message is beyond the threshold, and those of one device follow one another at once."""

    @property
    def in_a_row(self) -> int:
        """How many messages of one device follow one another."""
        return 8 if self.race else 1


def shares(load: Load, published: int) -> list[int]:
    """How many of so many messages each device has sent, by its number."""
    sent = [0] * load.devices
    whole, part = divmod(published, load.devices * load.in_a_row)
    for place, device in enumerate(_turns(load, random.Random(load.seed))):
        sent[device] = whole * load.in_a_row + min(max(0, part - place * load.in_a_row), load.in_a_row)
    return sent


def _turns(load: Load, dice: random.Random) -> list[int]:
    """The order in which devices send."""
    order = list(range(load.devices))
    dice.shuffle(order)
    return order


def send(load: Load, on_tick: Callable[[float, Sent], None] = lambda _s, _n: None) -> Sent:
    """Send at the given rate until the time is over and everything is confirmed.

    Raises:
        TimeoutError: the broker did not confirm everything within two minutes.
    """
    dice = random.Random(load.seed)
    sent = Sent()
    gateways = [Gateway(load.port, f"gateway-{number}", sent) for number in range(load.gateways)]
    prefix = f"patrol/v1/{load.jurisdiction}/devices/"
    order = _turns(load, dice)
    alarmed: set[int] = set()
    counts = [0] * load.devices
    began = time.monotonic()
    ends, told = began + load.seconds, began
    next_message = 0
    with selectors.DefaultSelector() as chosen:
        registered: dict[int, socket.socket] = {}
        while True:
            now = time.monotonic()
            for number, gateway in enumerate(gateways):
                if gateway.socket is None:
                    old = registered.pop(number, None)
                    if old is not None:
                        chosen.unregister(old)
                    if gateway.connect(now) and gateway.socket is not None:
                        chosen.register(gateway.socket, selectors.EVENT_READ, gateway)
                        registered[number] = gateway.socket
            wanted = int((min(now, ends) - began) * load.rate)
            burst = 0
            while next_message < wanted and burst < 500:
                device = order[next_message // load.in_a_row % load.devices]
                gateway = gateways[(next_message if load.race else device) % load.gateways]
                if gateway.room <= 0:
                    break
                counts[device] += 1
                at_ms = int(time.time() * 1000)
                beyond = load.race or (dice.randrange(load.alarm_every) == 0 and device not in alarmed)
                smoke = ALARM_SMOKE if beyond else CALM_SMOKE
                if beyond:
                    alarmed.add(device)
                    sent.alarms.setdefault(f"{load.prefix}{device:06}", []).append(at_ms)
                payload = json.dumps({"ts": at_ms, "seq": counts[device], "smoke": smoke, "battery": 80})
                gateway.publish(text(f"{prefix}{load.prefix}{device:06}/telemetry"), payload.encode())
                sent.published += 1
                next_message += 1
                burst += 1
            sent.late_s = max(sent.late_s, (wanted - next_message) / load.rate)
            for gateway in gateways:
                gateway.flush()
            for key, _ in chosen.select(timeout=0.01 if next_message < wanted else 0.02):
                key.data.read()
            if now - told >= 0.5:
                told = now
                on_tick(now - began, sent)
            if now >= ends and next_message >= wanted and not any(gateway.waiting for gateway in gateways):
                break
            if now > ends + 120:
                raise TimeoutError(f"{sum(g.waiting for g in gateways)} messages were not confirmed")
        for gateway in gateways:
            gateway.close()
    return sent


def main() -> None:
    """`python -m benchmarks.iot.senders JSON`: send, telling how far it is on standard output, a line of JSON at a time."""

    def tell(seconds: float, sent: Sent) -> None:
        print(json.dumps({"seconds": round(seconds, 1), "published": sent.published}), flush=True)

    sent = send(Load(**json.loads(sys.argv[1])), tell)
    print(json.dumps({"done": asdict(sent)}), flush=True)


if __name__ == "__main__":
    main()
