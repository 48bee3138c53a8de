"""A TCP server that speaks just enough MQTT to answer as no real broker at hand can be made to.

It answers CONNECT with the bytes that a test gives and notes the packets that follow. It is no broker:
nothing is delivered to anybody.
"""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Self

CONNECT, PUBLISH, SUBSCRIBE, PINGREQ = 1, 3, 8, 12


def connack(code: int, properties: bytes = b"") -> bytes:
    """An MQTT 5 CONNACK."""
    body = bytes([0, code, len(properties)]) + properties
    return bytes([0x20, len(body)]) + body


class FakeBroker:
    """Serves connections one after another until closed.

    Args:
        answer: bytes sent after CONNECT; empty: silence.
    """

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.packets: list[tuple[int, bytes]] = []
        self.connections = 0
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self.url = f"mqtt://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)

    def count(self, kind: int) -> int:
        """Packets of a kind that came."""
        return sum(1 for found, _ in self.packets if found == kind)

    def _serve(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            self.connections += 1
            with connection:
                connection.settimeout(0.05)
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        received = b""
        while not self._closing.is_set():
            try:
                piece = connection.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                return
            if not piece:
                return
            received += piece
            while (packet := _first_packet(received)) is not None:
                kind, body, received = packet
                self.packets.append((kind, body))
                if kind == CONNECT and self.answer:
                    connection.sendall(self.answer)
                elif kind == SUBSCRIBE:
                    connection.sendall(bytes([0x90, 4]) + body[:2] + bytes([0, 1]))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._thread.join(10)
        self._listener.close()


def _first_packet(received: bytes) -> tuple[int, bytes, bytes] | None:
    """Kind, content, and what follows; None if the packet is not complete."""
    length, shift = 0, 0
    for place, byte in enumerate(received[1:5], start=1):
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            end = place + 1 + length
            return (
                None if len(received) < end else (received[0] >> 4, received[place + 1 : end], received[end:])
            )
    return None
