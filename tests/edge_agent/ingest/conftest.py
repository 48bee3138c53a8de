"""Films, RTSP servers and cameras for the tests of ingest. Everything started here is ended here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_agent.ingest import Source, SourceConfig, SteadyClock, open_source
from protocol.clock import SystemClock
from protocol.messages import CameraHealth
from tests.edge_agent.ingest.clips import encode, numbered
from tests.servers.rtsp import RtspServer

FPS = 10
SECONDS = 120


@pytest.fixture(scope="session")
def numbered_h264(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 s of numbered pictures, ten and two keyframes a second."""
    path = tmp_path_factory.mktemp("clips") / "numbered.mp4"
    return encode(path, map(numbered, range(SECONDS * FPS)))


@pytest.fixture(scope="session")
def numbered_h265(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 s of numbered pictures in H.265."""
    return encode(
        tmp_path_factory.mktemp("clips") / "numbered_h265.mp4", map(numbered, range(300)), codec="h265"
    )


@pytest.fixture
def serve() -> Iterator[Callable[..., RtspServer]]:
    """Starts RTSP servers; takes the arguments of `RtspServer`."""
    started: list[RtspServer] = []

    def start(file: Path, *options: str, port: int = 0) -> RtspServer:
        server = RtspServer(file, *options, port=port)
        started.append(server)
        return server

    yield start
    for server in started:
        server.kill()


class Camera:
    """A started source whose states can be waited for."""

    def __init__(self, config: SourceConfig, clock: SteadyClock) -> None:
        self._changed = threading.Condition()
        self.states: list[str] = []
        self.reports: list[CameraHealth] = []
        self.clock = clock
        self.source: Source = open_source("cam", config, clock=clock, on_change=self._on_change)
        self.source.start()

    def _on_change(self, health: CameraHealth) -> None:
        with self._changed:
            self.states.append(health.state)
            self.reports.append(health)
            self._changed.notify_all()

    def becomes(self, state: str, within: float = 15.0) -> CameraHealth:
        """Wait until the camera is in this state now, and give its health then."""
        with self._changed:
            reached = self._changed.wait_for(lambda: self.source.health().state == state, within)
            assert reached, f"not {state} within {within} s but {self.source.health()}, after {self.states}"
            return self.source.health()


@pytest.fixture
def watch() -> Iterator[Callable[..., Camera]]:
    """Opens cameras: ``watch(url=..., ...)`` with the fields of `SourceConfig`; quick to try again."""
    clock = SteadyClock(SystemClock())
    cameras: list[Camera] = []

    def start(**fields: object) -> Camera:
        quick = {"backoff_min_s": 0.1, "backoff_max_s": 0.5, "sample_period_s": 0.5}
        camera = Camera(SourceConfig.model_validate(quick | fields), clock)
        cameras.append(camera)
        return camera

    yield start
    for camera in cameras:
        camera.source.stop()
