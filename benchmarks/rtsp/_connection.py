"""One RTSP connection: its requests, its sessions, its answers (RFC 2326).

A session belongs to the connection that made it and ends with it. The connection itself ends when nothing was heard
from the client for the session time-out: any request, RTCP packet or interleaved packet is a sign of life.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.rtsp import _messages, _sdp, _transport
from benchmarks.rtsp._auth import Verdict
from benchmarks.rtsp._camera import Camera
from benchmarks.rtsp._messages import BadRequestError, Interleaved, Parser, Request
from benchmarks.rtsp._viewer import TcpViewer, UdpViewer, Viewer

if TYPE_CHECKING:
    from benchmarks.rtsp.server import RtspServer

log = logging.getLogger(__name__)

METHODS = (
    "OPTIONS",
    "DESCRIBE",
    "SETUP",
    "PLAY",
    "PAUSE",
    "GET_PARAMETER",
    "SET_PARAMETER",
    "TEARDOWN",
)
NOT_HERE = ("ANNOUNCE", "RECORD", "REDIRECT")
"""Methods of the standard that a camera does not allow (405, not 501)."""

MAX_SESSIONS = 8
"""Sessions on one connection."""

MAX_UNREAD_ANSWERS = 256 * 1024
"""Bytes above the viewers' own limit that may wait for a client that asks but does not read."""


SEND_BUFFER = 512 * 1024
"""Most bytes that the kernel is asked to hold for one client: a second at 4 Mb/s."""


@dataclass(eq=False)
class Session:
    """What SETUP made: one client's right to play one camera."""

    id: str
    camera: Camera
    viewer: Viewer
    chosen: _transport.Chosen
    control_uri: str
    playing: bool = False


@dataclass(frozen=True)
class Answer:
    """A response before it has its number."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class Refusal(Exception):
    """Ends the handling of a request with this answer."""

    def __init__(self, status: int, *headers: tuple[str, str]) -> None:
        super().__init__(status)
        self.answer = Answer(status, headers)


class Connection(asyncio.Protocol):
    """Serves one client.

    Args:
        server: the server that accepted it.
    """

    def __init__(self, server: RtspServer) -> None:
        self._server = server
        self._parser = Parser()
        self._sessions: dict[str, Session] = {}
        self._swallowed_by: Camera | None = None
        self._actions: dict[str, Callable[[Request], Answer]] = {
            "OPTIONS": self._options,
            "DESCRIBE": self._describe,
            "SETUP": self._setup,
            "PLAY": self._play,
            "PAUSE": self._pause,
            "GET_PARAMETER": self._parameter,
            "SET_PARAMETER": self._parameter,
            "TEARDOWN": self._teardown,
        }
        self.last_heard = 0.0
        self.peer = ""
        self.here = ""

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.peer = (transport.get_extra_info("peername") or ("",))[0]
        self.here = (transport.get_extra_info("sockname") or ("",))[0]
        self.last_heard = self._server.now()
        # What the kernel holds for a slow client is late as well, so it is bounded too.
        sock = transport.get_extra_info("socket")
        sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDBUF, min(SEND_BUFFER, self._server.viewer_buffer_bytes)
        )
        if not self._server.admit(self):
            transport.write(_messages.response(503, None))
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        for session in list(self._sessions.values()):
            self._drop_session(session)
        self._server.forget(self)

    def data_received(self, data: bytes) -> None:
        if self.in_black_hole():
            return
        self.last_heard = self._server.now()
        try:
            for message in self._parser.feed(data):
                if isinstance(message, Interleaved):
                    continue  # receiver reports are a sign of life, which was noted above
                self._handle(message)
                if self._transport.is_closing():
                    return
        except BadRequestError as error:
            self._write(Answer(error.status), error.cseq)
            self._transport.close()

    # the server's side

    def uses(self, camera: Camera) -> bool:
        """Whether a session of this connection belongs to the camera, or it waits in the camera's black hole."""
        return self._swallowed_by is camera or any(s.camera is camera for s in self._sessions.values())

    def in_black_hole(self) -> bool:
        """Whether a camera of this connection answers nothing at present."""
        cameras = [session.camera for session in self._sessions.values()]
        if self._swallowed_by is not None:
            cameras.append(self._swallowed_by)
        return any(camera.switch.now.black_hole for camera in cameras)

    def abort(self) -> None:
        """Close at once, unsent bytes lost."""
        self._transport.abort()

    # requests

    def _handle(self, request: Request) -> None:
        self._swallowed_by = None
        if request.cseq is None:
            self._write(Answer(400), None)
            return
        try:
            answer = self._dispatch(request)
        except Refusal as refusal:
            answer = refusal.answer
        except BadRequestError as error:
            answer = Answer(error.status)
        except Exception:
            log.exception("a request could not be handled")
            answer = Answer(500)
        if self._swallowed_by is None:
            self._write(answer, request.cseq)

    def _write(self, answer: Answer, cseq: str | None) -> None:
        if self._transport.get_write_buffer_size() > self._server.viewer_buffer_bytes + MAX_UNREAD_ANSWERS:
            self._transport.abort()
            return
        self._transport.write(_messages.response(answer.status, cseq, answer.headers, answer.body))

    def _dispatch(self, request: Request) -> Answer:
        allow = ("Allow", ", ".join(METHODS))
        if request.method in NOT_HERE:
            raise Refusal(405, allow)
        action = self._actions.get(request.method)
        if action is None:
            raise Refusal(501, allow)
        if "require" in request.headers:
            raise Refusal(551, ("Unsupported", request.headers["require"]))
        camera, _ = self._server.find(_messages.path_of(request.uri))
        if camera is not None:
            if camera.switch.now.black_hole:
                self._swallowed_by = camera
                return Answer(200)  # never written
            if camera.switch.now.refuse:
                raise Refusal(503, ("Retry-After", "5"))
            if request.method != "OPTIONS":
                self._authenticate(request, camera)
        return action(request)

    def _authenticate(self, request: Request, camera: Camera) -> None:
        authenticator = self._server.authenticator

        def same_place(uri: str) -> bool:
            try:
                return self._server.find(_messages.path_of(uri))[0] is camera
            except BadRequestError:
                return False

        verdict = Verdict.DENIED
        if not camera.switch.now.deny:
            if camera.credentials is None:
                return
            verdict = authenticator.check(
                request.headers.get("authorization"),
                method=request.method,
                same_place=same_place,
                credentials=camera.credentials,
            )
        if verdict is not Verdict.GRANTED:
            challenges = authenticator.challenges(stale=verdict is Verdict.STALE)
            raise Refusal(401, *(("WWW-Authenticate", line) for line in challenges))

    def _camera_of(self, request: Request) -> tuple[Camera, bool]:
        camera, track = self._server.find(_messages.path_of(request.uri))
        if camera is None:
            raise Refusal(404)
        return camera, track

    def _session_of(self, request: Request) -> Session:
        camera, _ = self._camera_of(request)
        session = self._sessions.get(request.session or "")
        if session is None:
            raise Refusal(454)
        if session.camera is not camera:
            raise Refusal(459)
        return session

    def _options(self, request: Request) -> Answer:  # noqa: ARG002
        return Answer(200, (("Public", ", ".join(METHODS)),))

    def _describe(self, request: Request) -> Answer:
        camera, _ = self._camera_of(request)
        text = _sdp.describe(
            camera.media, name=camera.path.strip("/"), host=self.here, codec=camera.switch.now.codec
        )
        base = request.uri.partition("?")[0].rstrip("/").removesuffix(f"/{_sdp.TRACK}")
        return Answer(200, (("Content-Type", "application/sdp"), ("Content-Base", f"{base}/")), text.encode())

    def _setup(self, request: Request) -> Answer:
        camera, track = self._camera_of(request)
        if not track:
            raise Refusal(459)
        old = None
        if request.session is not None:
            old = self._sessions.get(request.session)
            if old is None:
                raise Refusal(454)
            if old.camera is not camera:
                raise Refusal(459)
            if old.playing:
                raise Refusal(455)
        elif len(self._sessions) >= MAX_SESSIONS:
            raise Refusal(453)
        taken = {
            channel
            for session in self._sessions.values()
            if session is not old and session.chosen.interleaved
            for channel in session.chosen.pair
        }
        chosen = _transport.choose(request.headers.get("transport", ""), taken)
        if chosen is None:
            raise Refusal(461)
        first, second = chosen.pair
        if chosen.interleaved:
            viewer: Viewer = TcpViewer(self._transport, chosen.pair, self._server.viewer_buffer_bytes)
            transport = f"RTP/AVP/TCP;unicast;interleaved={first}-{second}"
        else:
            ports = self._server.udp_ports()
            viewer = UdpViewer(ports, self.peer, chosen.pair, self._server.loop)
            served = f"{ports.ports[0]}-{ports.ports[1]}"
            transport = f"RTP/AVP;unicast;client_port={first}-{second};server_port={served}"
        session = Session(
            old.id if old else secrets.token_hex(8), camera, viewer, chosen, control_uri=request.uri
        )
        self._sessions[session.id] = session
        return Answer(
            200,
            (
                ("Session", f"{session.id};timeout={self._server.session_timeout_s:g}"),
                ("Transport", f'{transport};ssrc={camera.ssrc:08X};mode="PLAY"'),
            ),
        )

    def _play(self, request: Request) -> Answer:
        session = self._session_of(request)
        information = f"url={session.control_uri}"
        if not session.playing:
            session.playing = True
            foretold = session.camera.attach(session.viewer, self._server.now())
            if foretold is not None:
                information += f";seq={foretold[0]};rtptime={foretold[1]}"
            if not session.chosen.interleaved:
                self._server.listen_for(self.peer, session.chosen.pair, self)
        return Answer(200, (("Session", session.id), ("Range", "npt=now-"), ("RTP-Info", information)))

    def _pause(self, request: Request) -> Answer:
        session = self._session_of(request)
        if not session.playing:
            raise Refusal(455)
        session.playing = False
        session.camera.detach(session.viewer)
        return Answer(200, (("Session", session.id),))

    def _parameter(self, request: Request) -> Answer:
        headers: tuple[tuple[str, str], ...] = ()
        if request.session is not None:
            if request.session not in self._sessions:
                raise Refusal(454)
            headers = (("Session", request.session),)
        if request.body.strip():
            raise Refusal(451)
        return Answer(200, headers)

    def _teardown(self, request: Request) -> Answer:
        self._drop_session(self._session_of(request))
        return Answer(200)

    def _drop_session(self, session: Session) -> None:
        session.camera.detach(session.viewer)
        self._sessions.pop(session.id, None)
        if not session.chosen.interleaved:
            self._server.listen_for(self.peer, session.chosen.pair, None)
