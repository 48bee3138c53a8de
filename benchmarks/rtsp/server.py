"""The RTSP server: a street of cameras on one port."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

from benchmarks.rtsp import _sdp
from benchmarks.rtsp._auth import Authenticator, Credentials, Scheme
from benchmarks.rtsp._camera import Camera, CameraStats, Starts
from benchmarks.rtsp._connection import Connection
from benchmarks.rtsp._media import MediaFile
from benchmarks.rtsp._pacer import Pacer
from benchmarks.rtsp._udp import UdpPorts
from benchmarks.rtsp.faults import FaultSwitch
from protocol.clock import Clock, SystemClock
from protocol.errors import PatrolError, UnavailableError

DEFAULT_PORT = 8554

SESSION_TIMEOUT_S = 60.0
"""RFC 2326, 12.37: the time-out where none is named."""

VIEWER_BUFFER_BYTES = 2 * 1024 * 1024
"""What may wait in this process for one slow client: four seconds at 4 Mb/s."""

MAX_CONNECTIONS = 2000

_ANSWER_WITHIN_S = 10.0

T = TypeVar("T")


class RtspServer:
    """Serves video files as live cameras over RTSP 1.0.

    `start` and `stop` are called on the event loop; every other method from any thread, before, while or after the
    server runs.

    Args:
        host: address to listen on.
        port: TCP port; 0 takes a free one.
        auth: how clients prove who they are, for cameras that have credentials.
        credentials: for all cameras that do not bring their own; None leaves those open.
        qop: offer Digest with ``qop=auth`` (RFC 2617); False offers RFC 2069 only.
        algorithms: Digest algorithms offered, ``MD5`` and ``SHA-256``.
        session_timeout_s: silence after which a client is cut off.
        viewer_buffer_bytes: what may wait for one slow client before it loses pictures.
        clock: wall clock of the sender reports.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        auth: Scheme = "none",
        credentials: Credentials | None = None,
        qop: bool = True,
        algorithms: tuple[str, ...] = ("MD5",),
        session_timeout_s: float = SESSION_TIMEOUT_S,
        viewer_buffer_bytes: int = VIEWER_BUFFER_BYTES,
        clock: Clock | None = None,
    ) -> None:
        self.host = host
        self.session_timeout_s = session_timeout_s
        self.viewer_buffer_bytes = viewer_buffer_bytes
        self._wanted_port = port
        self._credentials = credentials
        self._clock = clock or SystemClock()
        self._cameras: dict[str, Camera] = {}
        self._connections: set[Connection] = set()
        self._listening: dict[tuple[str, int], Connection] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: int | None = None
        self._server: asyncio.Server | None = None
        self._pacer: Pacer | None = None
        self._udp: UdpPorts | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._all_ended = asyncio.Event()
        self.authenticator = Authenticator(auth, lambda: self.now(), qop=qop, algorithms=algorithms)
        self._check_auth(credentials)

    # for those who use the server

    @property
    def port(self) -> int:
        """The TCP port in use.

        Raises:
            RuntimeError: the server does not run.
        """
        if self._server is None:
            raise RuntimeError("the server does not run")
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def paths(self) -> list[str]:
        """The paths that are served, each with a leading slash."""
        return list(self._cameras)

    def url(self, path: str, credentials: Credentials | None = None) -> str:
        """The URL of a camera, with the user and password if they are given."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        user = (
            f"{quote(credentials.user, safe='')}:{quote(credentials.password, safe='')}@"
            if credentials
            else ""
        )
        return f"rtsp://{user}{host}:{self.port}{quote(_normal(path))}"

    async def start(self) -> None:
        """Listen, and start the clocks of all cameras at one moment.

        Raises:
            UnavailableError: the address cannot be used.
        """
        loop = asyncio.get_running_loop()
        self._loop, self._thread = loop, threading.get_ident()
        try:
            self._server = await loop.create_server(
                lambda: Connection(self), self.host, self._wanted_port, backlog=512
            )
        except (OSError, OverflowError) as error:
            self._loop = None
            raise UnavailableError(
                f"the RTSP server cannot listen: {getattr(error, 'strerror', None) or error}",
                field="port",
                value=f"{self.host}:{self._wanted_port}",
                mend="Choose another --port (0 takes a free one) or end the program that uses it.",
            ) from error
        self._pacer = Pacer(loop)
        now = loop.time()
        for camera in self._cameras.values():
            camera.begin(self._pacer, now)
        self._sweep()

    async def stop(self) -> None:
        """Close everything. The server may be started again."""
        if self._server is None:
            return
        if self._sweeper is not None:
            self._sweeper.cancel()
        if self._pacer is not None:
            self._pacer.close()
        self._server.close()
        for connection in list(self._connections):
            connection.abort()
        while self._connections:
            await asyncio.sleep(0)  # each abort ends in connection_lost in the next turns of the loop
        await self._server.wait_closed()
        if self._udp is not None:
            self._udp.close()
        self._server = self._pacer = self._udp = self._loop = None

    async def wait_ended(self) -> None:
        """Return when every camera that ends has ended. With looping cameras that is never."""
        await self._all_ended.wait()

    def add(
        self,
        path: str,
        media: MediaFile,
        *,
        loop: bool = True,
        hold: bool = False,
        offset_s: float = 0.0,
        starts: Starts = "added",
        credentials: Credentials | None = None,
    ) -> None:
        """Serve a file under a path.

        Args:
            path: such as ``/cam1``.
            media: the file; one may be served under many paths at no further cost of memory.
            loop: begin anew after the end; otherwise the stream ends with RTCP BYE.
            hold: with ``loop=False``: after the end repeat the last group of pictures instead.
            offset_s: position in the file at which it starts, seconds.
            starts: ``added``: the clock runs from now, or from the server's start; ``first_play``: from the moment
                the first client plays, so that it misses nothing.
            credentials: who may see it, instead of the server's own.

        Raises:
            PatrolError: the path is in use, or an argument contradicts another.
        """
        path = _normal(path)
        if path == "/" or path.endswith(f"/{_sdp.TRACK}"):
            raise PatrolError("this path cannot be served", field="path", value=path, mend="Use e.g. /cam1.")
        if loop and hold:
            raise PatrolError(
                "a looping camera has no end to hold", field="hold", mend="Use loop=False with hold."
            )
        if not 0 <= offset_s < (float("inf") if loop or hold else media.duration_s):
            raise PatrolError("the offset lies outside the file", field="offset_s", value=offset_s)
        self._check_auth(credentials)
        camera = Camera(
            path,
            media,
            loop=loop,
            hold=hold,
            offset_s=offset_s,
            starts=starts,
            credentials=credentials or self._credentials,
            clock=self._clock,
            disconnect=lambda gone: self._run(lambda: self._disconnect(gone)),
            on_end=self._note_end,
        )

        def insert() -> None:
            if path in self._cameras:
                raise PatrolError("two cameras have the same path", field="path", value=path)
            self._cameras[path] = camera
            if self._pacer is not None:
                camera.begin(self._pacer, self.now())

        self._run(insert)

    def remove(self, path: str) -> None:
        """Take a camera away and cut off those who watch it."""

        def take() -> None:
            camera = self._camera(path)
            self._disconnect(camera)
            del self._cameras[camera.path]

        self._run(take)

    def faults(self, path: str) -> FaultSwitch:
        """The fault switches of a camera."""
        return self._camera(path).switch

    def restart(self, path: str, position_s: float = 0.0) -> None:
        """Let a camera jump to a position of its file, as a scene that begins anew for the same viewers."""
        self._run(lambda: self._camera(path).restart(position_s, self.now()))

    def stats(self) -> list[CameraStats]:
        """What each camera has done so far."""
        return self._run(lambda: [camera.stats(self.now()) for camera in self._cameras.values()])

    def call(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine on the running server's loop, from another thread, and return its result."""
        return asyncio.run_coroutine_threadsafe(make(), self.loop).result(_ANSWER_WITHIN_S)

    # for the connections

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        assert self._loop is not None, "the server runs"
        return self._loop

    def now(self) -> float:
        """Seconds of the loop's monotonic clock; 0 while the server does not run."""
        return 0.0 if self._loop is None else self._loop.time()

    def admit(self, connection: Connection) -> bool:
        """Note a new connection; False when there are too many."""
        self._connections.add(connection)
        return len(self._connections) <= MAX_CONNECTIONS

    def forget(self, connection: Connection) -> None:
        self._connections.discard(connection)

    def find(self, path: str) -> tuple[Camera | None, bool]:
        """The camera of a request's path, and whether the path names its track."""
        camera = self._cameras.get(path)
        if camera is not None:
            return camera, False
        return self._cameras.get(path.removesuffix(f"/{_sdp.TRACK}")), True

    def udp_ports(self) -> UdpPorts:
        """The pair of UDP sockets, opened when the first client wants them."""
        if self._udp is None:
            self._udp = UdpPorts(self.host, self.loop, self._heard)
        return self._udp

    def listen_for(self, host: str, ports: tuple[int, int], connection: Connection | None) -> None:
        """UDP packets from these ports are this connection's signs of life; None ends that."""
        for port in ports:
            if connection is None:
                self._listening.pop((host, port), None)
            else:
                self._listening[host, port] = connection

    # inside

    def _check_auth(self, credentials: Credentials | None) -> None:
        if credentials is not None and self.authenticator.scheme == "none":
            raise PatrolError(
                "credentials are given but nothing asks for them",
                field="auth",
                value="none",
                mend="basic or digest.",
            )

    def _camera(self, path: str) -> Camera:
        camera = self._cameras.get(_normal(path))
        if camera is None:
            raise PatrolError(
                "no camera is served under this path",
                field="path",
                value=path,
                mend=f"There are {', '.join(self._cameras) or 'none'}.",
            )
        return camera

    def _run(self, action: Callable[[], T]) -> T:
        """Do something on the loop's thread and wait for it; directly if this is it, or none runs."""
        loop = self._loop
        if loop is None or threading.get_ident() == self._thread:
            return action()
        done: concurrent.futures.Future[T] = concurrent.futures.Future()

        def act() -> None:
            try:
                done.set_result(action())
            except BaseException as error:
                done.set_exception(error)

        loop.call_soon_threadsafe(act)
        return done.result(_ANSWER_WITHIN_S)

    def _disconnect(self, camera: Camera) -> int:
        using = [connection for connection in self._connections if connection.uses(camera)]
        for connection in using:
            connection.abort()
        return len(using)

    def _note_end(self) -> None:
        if all(camera.ended for camera in self._cameras.values()):
            self._all_ended.set()

    def _heard(self, sender: tuple[str, int]) -> None:
        connection = self._listening.get(sender)
        if connection is not None:
            connection.last_heard = self.now()

    def _sweep(self) -> None:
        """Cut off the silent; called again and again."""
        oldest = self.now() - self.session_timeout_s
        for connection in list(self._connections):
            if connection.last_heard < oldest and not connection.in_black_hole():
                connection.abort()
        self._sweeper = self.loop.call_later(min(1.0, self.session_timeout_s / 4), self._sweep)


def _normal(path: str) -> str:
    return "/" + path.strip("/")


class ServerThread:
    """A server on a thread of its own, for tests and for programs that are not asynchronous.

        with ServerThread(auth="digest", credentials=Credentials("patrol", "street")) as server:
            server.add("/cam1", MediaFile.open("street.mp4"))

    Args:
        options: what `RtspServer` takes.
    """

    def __init__(self, **options: Any) -> None:
        self.server = RtspServer(**options)
        self._started: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._leave: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._work, name="rtsp-server", daemon=True)

    def __enter__(self) -> RtspServer:
        self._thread.start()
        try:
            self._started.result(_ANSWER_WITHIN_S)
        except BaseException:
            self._thread.join(_ANSWER_WITHIN_S)
            raise
        return self.server

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is not None and self._leave is not None:
            self._loop.call_soon_threadsafe(self._leave.set)
        self._thread.join(_ANSWER_WITHIN_S)

    def _work(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop, self._leave = asyncio.get_running_loop(), asyncio.Event()
        try:
            await self.server.start()
        except BaseException as error:
            self._started.set_exception(error)
            return
        self._started.set_result(None)
        await self._leave.wait()
        await self.server.stop()
