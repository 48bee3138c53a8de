"""Those who watch a camera: one over the RTSP connection, one over UDP. A slow one loses pictures, never others."""

from __future__ import annotations

import asyncio
import struct
from abc import ABC, abstractmethod
from collections import deque

from benchmarks.rtsp import _rtp
from benchmarks.rtsp._media import FRAME_HEADER, AccessUnit
from benchmarks.rtsp._udp import UdpPorts

REPORT_EVERY_S = 5.0
"""Time between sender reports (RFC 3550 names five seconds as the least for a small session)."""

UDP_BURST = 32
"""Packets sent at once; a keyframe's rest follows in steps, so that it fits the receiver's socket buffer."""

UDP_STEP_S = 0.002
UDP_PENDING = 4096
"""Packets that may wait for one viewer; more mean that the network does not take them."""


class Cut:
    """One picture, stamped and ready, for every viewer of a camera.

    Args:
        unit: the picture.
        wire: its packets with interleaved framing for channel 0.
        starts: offset of each packet's frame header.
    """

    __slots__ = ("_by_channel", "octets", "starts", "unit", "wire")

    def __init__(self, unit: AccessUnit, wire: bytearray, starts: tuple[int, ...]) -> None:
        self.unit = unit
        self.wire = wire
        self.starts = starts
        self.octets = unit.octets
        self._by_channel: dict[int, bytearray] = {0: wire}

    def on_channel(self, channel: int) -> bytearray:
        """The framed packets for an interleaved channel."""
        wire = self._by_channel.get(channel)
        if wire is None:
            wire = bytearray(self.wire)
            for start in self.starts:
                wire[start + 1] = channel
            self._by_channel[channel] = wire
        return wire

    def packets(self) -> list[memoryview]:
        """The bare RTP packets."""
        view = memoryview(self.wire)
        ends = (*self.starts[1:], len(view))
        return [view[start + FRAME_HEADER : end] for start, end in zip(self.starts, ends, strict=True)]


class Viewer(ABC):
    """One client's stream from one camera.

    Attributes:
        in_step: the client has every picture since the last keyframe, so the next one can be decoded.
        packets: RTP packets sent.
        octets: payload bytes sent.
        skipped: pictures not sent because the client was behind.
    """

    def __init__(self) -> None:
        self.in_step = False
        self._behind = False
        self.packets = 0
        self.octets = 0
        self.skipped = 0
        self.started_at = 0.0
        self.report_at = 0.0

    def offer(self, cut: Cut) -> bool:
        """Send a picture if the client can take it; otherwise nothing until a keyframe that it can take."""
        if not (self.in_step or cut.unit.keyframe):
            self.skipped += self._behind
            return False
        self.in_step = self._send(cut)
        self._behind = not self.in_step
        if self.in_step:
            self.packets += len(cut.starts)
            self.octets += cut.octets
        else:
            self.skipped += 1
        return self.in_step

    @abstractmethod
    def _send(self, cut: Cut) -> bool:
        """Send all of a picture, or nothing of it and return False."""

    @abstractmethod
    def send_report(self, report: bytes) -> None:
        """Send an RTCP packet."""

    def close(self) -> None:  # noqa: B027
        """Give up what still waits to be sent."""


class TcpViewer(Viewer):
    """A client that takes its packets interleaved with the answers on its RTSP connection.

    Args:
        transport: the connection.
        channels: the interleaved channels of RTP and RTCP.
        limit: bytes that may wait in this process for the client.
    """

    def __init__(self, transport: asyncio.Transport, channels: tuple[int, int], limit: int) -> None:
        super().__init__()
        self._transport = transport
        self._rtp, self._rtcp = channels
        self._limit = limit

    def _send(self, cut: Cut) -> bool:
        waiting = self._transport.get_write_buffer_size()
        # One who fell behind comes back only when it has caught up, so that it gets whole groups of pictures.
        if waiting > (self._limit if self.in_step else self._limit // 4):
            return False
        self._transport.write(cut.on_channel(self._rtp))
        return True

    def send_report(self, report: bytes) -> None:
        self._transport.write(struct.pack(">cBH", b"$", self._rtcp, len(report)) + report)


class UdpViewer(Viewer):
    """A client that takes its packets over UDP.

    Args:
        ports: the server's pair of sockets.
        host: the client's address, as its RTSP connection has it.
        client_ports: the client's ports for RTP and RTCP.
        loop: the loop that paces large pictures.
    """

    def __init__(
        self, ports: UdpPorts, host: str, client_ports: tuple[int, int], loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__()
        self._ports = ports
        self._rtp, self._rtcp = (host, client_ports[0]), (host, client_ports[1])
        self._loop = loop
        self._pending: deque[memoryview] = deque()
        self._handle: asyncio.TimerHandle | None = None

    def _send(self, cut: Cut) -> bool:
        if len(self._pending) > UDP_PENDING:
            return False
        self._pending.extend(cut.packets())
        if self._handle is None:
            self._drain()
        return True

    def _drain(self) -> None:
        self._handle = None
        for _ in range(min(UDP_BURST, len(self._pending))):
            self._ports.send_rtp(self._pending.popleft(), self._rtp)
        if self._pending:
            self._handle = self._loop.call_later(UDP_STEP_S, self._drain)

    def send_report(self, report: bytes) -> None:
        self._ports.send_rtcp(report, self._rtcp)

    def close(self) -> None:
        self._pending.clear()
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


def report_for(viewer: Viewer, ssrc: int, *, utc_s: float, rtp_time: int, name: str) -> bytes:
    """The sender report that this viewer is due."""
    return _rtp.sender_report(
        ssrc, utc_s=utc_s, rtp_time=rtp_time, packets=viewer.packets, octets=viewer.octets, name=name
    )
