"""The server's pair of UDP sockets: RTP from the even port, RTCP from the odd one above, for all viewers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

from protocol.errors import UnavailableError

_SEND_BUFFER = 4 * 1024 * 1024
_ATTEMPTS = 100


class UdpPorts:
    """Sends to any client and says who was heard from.

    Args:
        host: address to send from.
        loop: the loop that watches the sockets.
        heard: called with (host, port) of each packet that a client sends.
    """

    def __init__(
        self, host: str, loop: asyncio.AbstractEventLoop, heard: Callable[[tuple[str, int]], None]
    ) -> None:
        self._loop = loop
        self._heard = heard
        self._rtp, self._rtcp = _bind_pair(host)
        self.ports: tuple[int, int] = (self._rtp.getsockname()[1], self._rtcp.getsockname()[1])
        self.lost = 0
        """Packets that the network stack did not take."""
        for sock in (self._rtp, self._rtcp):
            loop.add_reader(sock, self._read, sock)

    def send_rtp(self, packet: memoryview, to: tuple[str, int]) -> None:
        """Send, or lose: UDP promises no more."""
        try:
            self._rtp.sendto(packet, to)
        except OSError:
            self.lost += 1

    def send_rtcp(self, packet: bytes, to: tuple[str, int]) -> None:
        """Send, or lose."""
        with suppress(OSError):
            self._rtcp.sendto(packet, to)

    def close(self) -> None:
        for sock in (self._rtp, self._rtcp):
            self._loop.remove_reader(sock)
            sock.close()

    def _read(self, sock: socket.socket) -> None:
        with suppress(OSError):
            _, sender = sock.recvfrom(2048)
            self._heard((sender[0], sender[1]))


def _bind_pair(host: str) -> tuple[socket.socket, socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(_ATTEMPTS):
        first = socket.socket(family, socket.SOCK_DGRAM)
        second = socket.socket(family, socket.SOCK_DGRAM)
        try:
            first.bind((host, 0))
            port = first.getsockname()[1]
            if port % 2 == 0:
                second.bind((host, port + 1))
                for sock in (first, second):
                    sock.setblocking(False)
                first.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
                return first, second
        except OSError:
            pass
        first.close()
        second.close()
    raise UnavailableError(
        "no free pair of UDP ports", field="host", value=host, mend="Use TCP, or another address."
    )
