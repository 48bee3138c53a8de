"""Reads a camera without FFmpeg: RTSP over TCP, only keyframes put together, all cameras in one thread.

The camera's own thread connects and asks; then the hub reads the connection, and the thread sleeps until a keyframe
is there.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import threading
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import cast
from urllib.parse import urlsplit

from av.packet import Packet
from av.video.stream import VideoStream

from edge_agent.ingest._config import SourceConfig
from edge_agent.ingest._decode import POOL, Decoder, DecoderPool, SharedDecoder
from edge_agent.ingest._hub import HUB, Hub
from edge_agent.ingest._problem import SourceProblem
from edge_agent.ingest._reader import SOCKET_LIMIT_SHARE, VideoPacket
from edge_agent.ingest._rtp import Cutter, Keyframe, NotUnderstood
from edge_agent.ingest._rtsp import (
    Answer,
    Description,
    Login,
    channels_of,
    parse_answer,
    parse_description,
    request,
    session_of,
)
from edge_agent.ingest._time import REORDER_MS, SteadyClock

DEFAULT_PORT = 554

MOST_WAITING = 4
"""Keyframes that wait for the camera's thread; the oldest is dropped. It takes them at once unless the box is overloaded."""

MOST_MARKS = 64
"""Arrivals noted between two keyframes: five a second are enough to tell how late packets are."""

PATIENCE_KEYFRAMES_S = 60.0
"""Video without one keyframe for this long: the camera marks them in a way that only FFmpeg knows."""

LIVELY_S, LIVELY_FOR_MS = 0.25, 3_000
"""In a connection's first seconds arrivals are told this often, because the first picture waits for a settled anchor."""

HANDSHAKE_BYTES = 256 * 1024
_READ_BYTES = 64 * 1024

_OURS = 0x53505452
"""Our name in receiver reports."""


class ThinReader:
    """One connection, see `PacketReader`. Delivers keyframes alone.

    Args:
        config: where the camera is.
        clock: the process's steady clock.
        hub: whose thread reads.
        pool: whose decoders are borrowed.
    """

    def __init__(
        self, config: SourceConfig, clock: SteadyClock, hub: Hub = HUB, pool: DecoderPool = POOL
    ) -> None:
        self._pool = pool
        self._config = config
        self._clock = clock
        self._hub = hub
        self._silence_limit_ms = config.stall_after_s * SOCKET_LIMIT_SHARE * 1000
        self._changed = threading.Condition()
        self._reading = threading.Lock()
        self._waiting: deque[Keyframe] = deque(maxlen=MOST_WAITING)
        self._marks: deque[tuple[int, int]] = deque(maxlen=MOST_MARKS)
        self._outcome: SourceProblem | None = None
        self._over = False
        self._socket: socket.socket | None = None
        self._rest = b""
        self._number = 0
        self._session = ""
        self._alive_every_ms = 30_000.0
        self._alive_at_ms = 0.0
        self._alive_method = "OPTIONS"
        self._login = Login(None, None)
        self._cutter = Cutter("h264")
        self._description: Description | None = None
        self._report_channel = 1
        self._played_ms = 0
        self._had_keyframe = False
        self.heard_ms = 0

    # the camera's thread

    def open(self) -> Decoder:
        config, clock = self._config, self._clock
        deadline_ms = clock.monotonic_ms() + round(config.connect_timeout_s * 1000)
        self._login = Login(config.username, config.read_password())
        began_ms = clock.monotonic_ms()
        try:
            self._socket = self._connect(deadline_ms)
            description = self._shake_hands(deadline_ms)
        except TimeoutError:
            waited_s = (clock.monotonic_ms() - began_ms) / 1000
            raise SourceProblem("unreachable", f"the camera did not answer within {waited_s:.0f} s") from None
        except OSError as error:
            raise _connection_problem(error) from None
        self._description = description
        self._played_ms = self.heard_ms = clock.monotonic_ms()
        self._alive_at_ms = self._played_ms + self._alive_every_ms
        self._collect()
        self._socket.setblocking(False)
        self._hub.add(self)
        return SharedDecoder(description.codec, self._pool)

    def packets(self) -> Iterator[VideoPacket]:
        description = self._description
        if description is None:
            return
        base = Fraction(1, description.clock)
        lively_until_ms: int | None = None
        while True:
            with self._changed:
                if lively_until_ms is not None and self._clock.monotonic_ms() > lively_until_ms:
                    patience_s = self._patience_s()
                else:
                    patience_s = LIVELY_S
                self._changed.wait_for(lambda: self._waiting or self._over, patience_s)
                marks = tuple(self._marks)
                self._marks.clear()
                keyframe = self._waiting.popleft() if self._waiting else None
                over = self._over
            if keyframe is None:
                if over:
                    if self._outcome is not None:
                        raise self._outcome
                    return
                self._check_silence()
                if marks:
                    nothing = cast("Packet[VideoStream]", Packet())
                    yield VideoPacket(nothing, marks[-1][0], keyframe=False, marks=marks)
                continue
            pts_ms = keyframe.ticks * 1000 // description.clock
            if marks and marks[-1][0] < pts_ms - REORDER_MS:
                # The camera began a new scale since: this keyframe's stamp means nothing any more.
                continue
            if lively_until_ms is None:
                lively_until_ms = self._clock.monotonic_ms() + LIVELY_FOR_MS
            packet = cast("Packet[VideoStream]", Packet(keyframe.data))
            packet.pts = packet.dts = keyframe.ticks
            packet.time_base = base
            packet.is_keyframe = True
            yield VideoPacket(packet, pts_ms, keyframe=True, marks=marks)

    def close(self) -> None:
        self._hub.remove(self)
        with self._reading:
            sock, self._socket = self._socket, None
        if sock is not None:
            if self._session and self._description is not None:
                try:
                    sock.setblocking(False)
                    sock.send(self._request("TEARDOWN", self._description.play_uri))
                except OSError:
                    pass
            sock.close()
        self.interrupt()

    def interrupt(self) -> None:
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def _patience_s(self) -> float:
        return max(0.05, (self.heard_ms + self._silence_limit_ms - self._clock.monotonic_ms()) / 1000 + 0.001)

    def _check_silence(self) -> None:
        now_ms = self._clock.monotonic_ms()
        if now_ms - self.heard_ms >= self._silence_limit_ms:
            raise SourceProblem("stalled", f"nothing received for {self._silence_limit_ms / 1000:.0f} s")
        if not self._had_keyframe and now_ms - self._played_ms > PATIENCE_KEYFRAMES_S * 1000:
            raise NotUnderstood("where this camera's keyframes begin")

    # connecting

    def _connect(self, deadline_ms: int) -> socket.socket:
        parts = urlsplit(self._config.url)
        host, port = parts.hostname or "", parts.port or DEFAULT_PORT
        problem: OSError = OSError(errno.EIO, "")
        for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(self._left_s(deadline_ms))
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                sock.close()
                problem = error
            else:
                return sock
        raise problem

    def _left_s(self, deadline_ms: int) -> float:
        left_s = (deadline_ms - self._clock.monotonic_ms()) / 1000
        if left_s <= 0:
            raise TimeoutError
        return left_s

    def _shake_hands(self, deadline_ms: int) -> Description:
        uri = self._config.url
        offers = self._ask("OPTIONS", uri, deadline_ms, tolerate=True).headers.get("public", "")
        answer = self._ask("DESCRIBE", uri, deadline_ms, "Accept: application/sdp")
        base = answer.headers.get("content-base") or answer.headers.get("content-location") or uri
        description = parse_description(answer.body.decode("utf-8", "replace"), base)
        answer = self._ask(
            "SETUP", description.setup_uri, deadline_ms, "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"
        )
        channels = channels_of(answer.headers.get("transport", ""))
        self._report_channel = channels[1]
        self._session, timeout_s = session_of(answer.headers.get("session", ""))
        self._alive_every_ms = min(30.0, timeout_s / 2) * 1000
        if "GET_PARAMETER" in offers.upper():
            self._alive_method = "GET_PARAMETER"
        # From here on packets may come before an answer does.
        self._cutter = Cutter(
            description.codec, channels, description.payload_type, description.parameter_sets
        )
        self._ask("PLAY", description.play_uri, deadline_ms, "Range: npt=0.000-")
        return description

    def _request(self, method: str, uri: str, *lines: str) -> bytes:
        self._number += 1
        session = (f"Session: {self._session}",) if self._session else ()
        return request(method, uri, self._number, self._login, *session, *lines)

    def _ask(self, method: str, uri: str, deadline_ms: int, *lines: str, tolerate: bool = False) -> Answer:
        """One request and its answer; once more with the password if the camera asks for it."""
        while True:
            assert self._socket is not None
            self._socket.settimeout(self._left_s(deadline_ms))
            self._socket.sendall(self._request(method, uri, *lines))
            answer = self._answer(deadline_ms)
            if answer.status == 401 and self._login.challenged(answer.challenges):
                continue
            if answer.status == 200 or (tolerate and answer.status not in (401, 403)):
                return answer
            raise self._refusal(answer.status)

    def _refusal(self, status: int) -> SourceProblem:
        if status in (401, 403):
            if self._config.username is not None:
                return SourceProblem("unauthorised", "the camera refused the user name or password")
            return SourceProblem("unauthorised", "the camera asks for a user name and password")
        if status == 404:
            return SourceProblem(
                "unreachable", "the camera has no stream at this path (404): check the address"
            )
        if status == 461:
            return SourceProblem("unsupported", "the camera does not offer tcp: change transport")
        if 300 <= status < 400:
            return NotUnderstood("a camera that sends its viewers elsewhere")
        return SourceProblem("unreachable", f"the camera refused to play the stream ({status})")

    def _answer(self, deadline_ms: int) -> Answer:
        assert self._socket is not None
        while True:
            messages, self._cutter.messages = self._cutter.messages, []
            for message in messages:
                if message.startswith(b"RTSP/"):
                    answer = parse_answer(message)
                    if answer.headers.get("cseq", str(self._number)) == str(self._number):
                        return answer
            self._socket.settimeout(self._left_s(deadline_ms))
            data = self._socket.recv(_READ_BYTES)
            if not data:
                if self._rest and not self._rest.startswith((b"RTSP/", b"$")):
                    raise SourceProblem("unreachable", "the answer is not RTSP: check address and port")
                raise ConnectionResetError(errno.ECONNRESET, "")
            buffer = bytearray(self._rest + data)
            self._rest = bytes(buffer[self._cutter.feed(buffer, len(buffer)) :])
            if len(self._rest) > HANDSHAKE_BYTES:
                raise SourceProblem("unreachable", "the answer is not RTSP: check address and port")

    # the hub's thread

    def read(self, scratch: bytearray, view: memoryview) -> bool:
        with self._reading:
            sock = self._socket
            if sock is None:
                return False
            try:
                return self._read(sock, scratch, view)
            except SourceProblem as problem:
                self._end(problem)
            except OSError as error:
                number = error.errno or 0
                why = f": {os.strerror(number).lower()}" if 0 < number < 1000 else ""
                self._end(SourceProblem("unreachable", f"the connection broke{why}"))
            return False

    def _read(self, sock: socket.socket, scratch: bytearray, view: memoryview) -> bool:
        kept = len(self._rest)
        scratch[:kept] = self._rest
        try:
            came = sock.recv_into(view[kept:])
        except BlockingIOError:
            self._keep_alive(sock)
            return True
        if not came:
            return self._end(None)
        end = kept + came
        before = self._cutter.packets
        consumed = self._cutter.feed(scratch, end)
        self._rest = bytes(view[consumed:end])
        if self._cutter.packets == before:
            # Reports and answers are no sign that the camera still sends video.
            self._collect(news=False)
            self._keep_alive(sock)
            return not self._cutter.ended or self._end(None)
        self.heard_ms = self._clock.monotonic_ms()
        self._collect()
        self._keep_alive(sock)
        return not self._cutter.ended or self._end(None)

    def _collect(self, *, news: bool = True) -> None:
        """Pass on what the cutter has; `news`: there were video packets."""
        cutter = self._cutter
        description = self._description
        assert description is not None
        if cutter.messages:
            for message in cutter.messages:
                self._heed(message)
            cutter.messages.clear()
        if news and cutter.newest_ticks is not None:
            self._marks.append((cutter.newest_ticks * 1000 // description.clock, self._clock.utc_ms()))
        if cutter.keyframes:
            newest = cutter.newest_ticks or 0
            scale = [
                k for k in cutter.keyframes if k.ticks <= newest + REORDER_MS * description.clock // 1000
            ]
            with self._changed:
                self._had_keyframe = True
                self._waiting.extend(scale)
                self._changed.notify_all()
            cutter.keyframes.clear()

    def _heed(self, message: bytes) -> None:
        """An answer to a sign of life."""
        if not message.startswith(b"RTSP/"):
            return
        answer = parse_answer(message)
        if answer.status == 401 and self._login.challenged(answer.challenges):
            self._alive_at_ms = 0.0
        elif answer.status == 454:
            raise SourceProblem("unreachable", "the camera ended the session")

    def _keep_alive(self, sock: socket.socket) -> None:
        now_ms = self._clock.monotonic_ms()
        if now_ms < self._alive_at_ms or self._description is None:
            return
        self._alive_at_ms = now_ms + self._alive_every_ms
        report = struct.pack(">cBHBBHI", b"$", self._report_channel, 8, 0x80, 201, 1, _OURS)
        message = self._request(self._alive_method, self._description.play_uri)
        try:
            sock.send(report + message)
        except BlockingIOError:
            # The camera reads nothing: its session will end, and then the connection is made anew.
            return

    def _end(self, problem: SourceProblem | None) -> bool:
        """The connection is over; never true."""
        with self._changed:
            self._outcome = problem
            self._over = True
            self._changed.notify_all()
        return False


def _connection_problem(error: OSError) -> SourceProblem:
    """What a failed attempt to connect means."""
    if isinstance(error, socket.gaierror):
        return SourceProblem("unreachable", "no answer: the host name is unknown or the connection broke")
    if isinstance(error, ConnectionRefusedError):
        return SourceProblem("unreachable", "connection refused: check the port, or the camera is starting")
    if error.errno is not None and 0 < error.errno < 1000 and error.errno != errno.EIO:
        return SourceProblem("unreachable", os.strerror(error.errno).lower())
    return SourceProblem("unreachable", "no answer: the host name is unknown or the connection broke")
