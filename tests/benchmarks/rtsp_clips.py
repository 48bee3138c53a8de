"""Small clips, and clients, that the tests of the RTSP server share."""

from __future__ import annotations

import atexit
import shutil
import socket
import struct
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import TracebackType

import av
import numpy as np

from benchmarks.rtsp import MediaFile

FPS = 25
GOP = 10
PICTURES = 40
SIZE = (160, 120)


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="rtsp-clips-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def clip(codec: str = "h264", *, b_frames: int = 0, suffix: str = "mp4", pictures: int = PICTURES) -> Path:
    """A clip of a square that wanders over noise, every picture different; keyframes every `GOP` pictures."""
    file = _folder() / f"{codec}-{b_frames}-{pictures}.{suffix}"
    if file.exists():
        return file  # encoded only once: the encoder's threads do not always choose the same bits
    width, height = SIZE
    noise = np.random.default_rng(1).integers(0, 60, (height, width), dtype=np.uint8)
    encoder = {"h264": "libx264", "hevc": "libx265"}[codec]
    options = {
        "g": str(GOP),
        "keyint_min": str(GOP),
        "bf": str(b_frames),
        "sc_threshold": "0",
        "preset": "veryfast",
    }
    if codec == "hevc":
        options["x265-params"] = (
            f"log-level=error:keyint={GOP}:min-keyint={GOP}:bframes={b_frames}:scenecut=0:open-gop=0:pools=1"
        )
    with av.open(str(file), "w") as container:
        stream = container.add_stream(encoder, rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(pictures):
            grey = np.roll(noise, number, axis=1)
            left = 3 * number % (width - 24)
            grey[40:64, left : left + 24] = 200
            picture = av.VideoFrame.from_ndarray(grey, format="gray").reformat(format="yuv420p")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return file


def media(codec: str = "h264", *, b_frames: int = 0, pictures: int = PICTURES) -> MediaFile:
    """The clip, ready to be served."""
    return _opened(clip(codec, b_frames=b_frames, pictures=pictures))


@cache
def _opened(file: Path) -> MediaFile:
    return MediaFile.open(file)


def decoded(
    source: str | Path, *, most: int | None = None, timeout_s: float = 10.0, **options: str
) -> list[np.ndarray]:
    """The pictures of a file or stream as FFmpeg decodes them, brightness only; at most so many."""
    pictures: list[np.ndarray] = []
    with av.open(str(source), options=options, timeout=timeout_s) as container:
        container.streams.video[0].thread_type = "NONE"
        for frame in container.decode(video=0):
            pictures.append(frame.to_ndarray(format="gray"))
            if len(pictures) == most:
                break
    return pictures


def numbers(seen: list[np.ndarray], file: list[np.ndarray]) -> list[int | None]:
    """Which picture of the file each seen picture is, bit for bit; None for one that is not in it."""
    places = {picture.tobytes(): number for number, picture in enumerate(file)}
    return [places.get(picture.tobytes()) for picture in seen]


@dataclass
class Reply:
    """An RTSP response. Header names are lower case; a repeated header keeps all its values."""

    status: int
    headers: dict[str, list[str]] = field(default_factory=dict)
    body: bytes = b""

    def __getitem__(self, name: str) -> str:
        return self.headers[name][0]


@dataclass
class RtpPacket:
    """What a receiver sees of an RTP packet."""

    sequence: int
    timestamp: int
    ssrc: int
    marker: bool
    payload: bytes

    @classmethod
    def parse(cls, data: bytes) -> RtpPacket:
        first, second, sequence, timestamp, ssrc = struct.unpack(">BBHII", data[:12])
        assert first == 0x80
        assert second & 0x7F == 96
        return cls(sequence, timestamp, ssrc, bool(second & 0x80), data[12:])


class RawClient:
    """A bare RTSP client over one TCP connection: says exactly what it is told to."""

    def __init__(self, port: int, *, timeout_s: float = 5.0, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout_s)
        self.socket.connect(("127.0.0.1", port))
        self._bytes = b""
        self._number = 0

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def ask(self, method: str, url: str, **headers: str) -> Reply:
        """Send a request and return its answer; interleaved packets on the way are thrown away."""
        self._number += 1
        lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self._number}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode())
        reply = self.reply()
        assert reply["cseq"] == str(self._number)
        return reply

    def play(self, url: str) -> tuple[str, Reply]:
        """SETUP over TCP and PLAY; returns the session and the answer to PLAY."""
        setup = self.ask("SETUP", f"{url}/track1", Transport="RTP/AVP/TCP;unicast;interleaved=0-1")
        assert setup.status == 200
        session = setup["session"].partition(";")[0]
        reply = self.ask("PLAY", url, Session=session)
        assert reply.status == 200
        return session, reply

    def reply(self) -> Reply:
        """The next answer."""
        while True:
            message = self._message()
            if isinstance(message, Reply):
                return message

    def packet(self, channel: int = 0) -> bytes:
        """The next interleaved packet of a channel."""
        while True:
            message = self._message()
            if not isinstance(message, Reply) and message[0] == channel:
                return message[1]

    def rtp(self) -> RtpPacket:
        """The next RTP packet."""
        return RtpPacket.parse(self.packet(0))

    def closed(self) -> bool:
        """Read to the end; True when the server closes, False when it is silent for the time-out."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False
        return True

    def _message(self) -> Reply | tuple[int, bytes]:
        self._need(1)
        if self._bytes[:1] == b"$":
            self._need(4)
            size = 4 + int.from_bytes(self._bytes[2:4], "big")
            self._need(size)
            channel, packet = self._bytes[1], self._bytes[4:size]
            self._bytes = self._bytes[size:]
            return channel, packet
        while b"\r\n\r\n" not in self._bytes:
            self._need(len(self._bytes) + 1)
        head, _, self._bytes = self._bytes.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        reply = Reply(int(first.split(" ")[1]))
        for line in lines:
            name, _, value = line.partition(": ")
            reply.headers.setdefault(name.lower(), []).append(value)
        size = int(reply.headers.get("content-length", ["0"])[0])
        self._need(size)
        reply.body, self._bytes = self._bytes[:size], self._bytes[size:]
        return reply

    def _need(self, size: int) -> None:
        while len(self._bytes) < size:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError("the server closed the connection")
            self._bytes += data

    def __enter__(self) -> RawClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()
