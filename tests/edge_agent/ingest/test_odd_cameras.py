"""Cameras that speak RTSP well and yet give no picture: they chatter, or send what nobody can decode."""

from __future__ import annotations

import base64
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction

import av
import numpy as np
import pytest

from tests.edge_agent.ingest.conftest import Camera

TICKS_PER_PICTURE = 9000
PICTURES = 20
SSRC = 7


def units() -> list[list[bytes]]:
    """The NAL units of some small grey pictures, each a keyframe."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 64, 64, "yuv420p"
    encoder.time_base = Fraction(1, 10)
    encoder.gop_size = 1
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency"}
    pictures = []
    for place in range(PICTURES):
        frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 5 * place, np.uint8), format="bgr24")
        frame.pts = place
        for packet in encoder.encode(frame):
            nal = bytes(packet).replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")[1:]
            pictures.append([unit for unit in nal if unit[0] & 31 != 6])
    return pictures


class Handler(socketserver.StreamRequestHandler):
    """Just enough RTSP (RFC 2326) over TCP to play the pictures; afterwards only sender reports."""

    server: Babbler

    def handle(self) -> None:
        self.server.connections += 1
        while request := self.read_request():
            method, headers = request
            body = b""
            extra = "Session: 1\r\n"
            if method == "DESCRIBE":
                pictures = self.server.pictures
                sets = ",".join(base64.b64encode(unit).decode() for unit in pictures[0][:2])
                body = (
                    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=cam\r\nt=0 0\r\n"
                    f"m={self.server.media} 0 RTP/AVP 96\r\na=rtpmap:96 {self.server.encoding}/90000\r\n"
                    f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={sets}\r\na=control:track\r\n"
                ).encode()
                extra = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
            elif method == "SETUP":
                extra += "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
            self.wfile.write(f"RTSP/1.0 200 OK\r\nCSeq: {headers['cseq']}\r\n{extra}\r\n".encode() + body)
            if method == "PLAY":
                self.babble()
                return

    def read_request(self) -> tuple[str, dict[str, str]] | None:
        lines = []
        while line := self.rfile.readline().strip():
            lines.append(line.decode())
        if not lines:
            return None
        headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        return lines[0].split()[0], headers

    def babble(self) -> None:
        sequence = 0
        for place, picture in enumerate(self.server.pictures):
            for unit in picture:
                marker = 0x80 if unit is picture[-1] else 0
                header = struct.pack(">BBHII", 0x80, marker | 96, sequence, place * TICKS_PER_PICTURE, SSRC)
                self.send(0, header + unit)
                sequence += 1
            if self.server.closing.wait(0.1):
                return
        while not self.server.closing.wait(0.3):
            self.send(1, struct.pack(">BBHIQIII", 0x80, 200, 6, SSRC, 0, 0, 0, 0))

    def send(self, channel: int, data: bytes) -> None:
        self.wfile.write(struct.pack(">cBH", b"$", channel, len(data)) + data)


class Babbler(socketserver.ThreadingTCPServer):
    """Counts who connects."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.pictures = units()
        self.media, self.encoding = "video", "H264"
        self.connections = 0
        self.closing = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no error here."""


@pytest.fixture
def babbler() -> Iterator[Babbler]:
    """The server, listening."""
    with Babbler() as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.1,))
        serving.start()
        yield server
        server.closing.set()
        server.shutdown()
        serving.join(10)


def test_a_reader_that_hangs_is_noticed_and_replaced(
    babbler: Babbler, watch: Callable[..., Camera], wait_until: Callable[..., None]
) -> None:
    camera = watch(url=f"rtsp://127.0.0.1:{babbler.server_address[1]}/cam", stall_after_s=2)
    camera.becomes("live")

    health = camera.becomes("stalled", 5)
    assert "nothing received" in health.reason
    wait_until(lambda: babbler.connections >= 2, within=20, what="a second connection")
    camera.becomes("live", 10)


@pytest.mark.parametrize(
    ("media", "encoding", "reason"),
    [
        ("video", "X-HOME-MADE", "no decoder"),
        ("audio", "L16", "no video"),
    ],
)
def test_a_stream_that_nobody_can_decode_is_unsupported(
    media: str, encoding: str, reason: str, babbler: Babbler, watch: Callable[..., Camera]
) -> None:
    babbler.media, babbler.encoding = media, encoding
    camera = watch(url=f"rtsp://127.0.0.1:{babbler.server_address[1]}/cam", connect_timeout_s=2)
    health = camera.becomes("unsupported", 10)
    assert reason in health.reason
    # What the thin reader does not know is left to FFmpeg, and told.
    assert ("read by FFmpeg" in health.reason) == (media == "video")
