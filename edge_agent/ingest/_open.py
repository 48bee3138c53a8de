"""From a configuration to a source."""

from __future__ import annotations

import re
from pathlib import Path

from edge_agent.ingest._config import SourceConfig
from edge_agent.ingest._folder import PictureFolder
from edge_agent.ingest._live import LiveSource
from edge_agent.ingest._playback import PlaybackSource
from edge_agent.ingest._recording import Recording, VideoRecording
from edge_agent.ingest._source import Source
from edge_agent.ingest._status import OnChange
from edge_agent.ingest._time import steady
from protocol.clock import Clock
from protocol.errors import PatrolError

CAMERA_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def open_source(
    camera_id: str, config: SourceConfig, *, clock: Clock, on_change: OnChange | None = None
) -> Source:
    """A camera, or a recording that plays once in real time, ready to be started.

    Args:
        camera_id: stands in frames and health.
        config: where it is and how it is read.
        clock: the machine's clocks. Give all sources of a process the same `SteadyClock`, so that their times agree.
        on_change: called with the health at each change of state, in the thread that noticed it; must be quick.

    Raises:
        PatrolError: the recording cannot be read, the password or certificate is not where it should be, or the camera's
            identifier is malformed. That a camera does not answer is told by its health instead.
    """
    _check_id(camera_id)
    if not config.is_camera:
        return PlaybackSource(open_recording(camera_id, config), steady(clock), on_change)
    config.check_files()
    return LiveSource(camera_id, config, steady(clock), on_change)


def open_recording(camera_id: str, config: SourceConfig, *, loops: int = 1) -> Recording:
    """A video file or a folder of pictures, to be read as fast as its reader likes.

    Args:
        camera_id: stands in each frame.
        config: `url` is the path of the file or folder.
        loops: how often it is played; stream time goes on rising across the seam.

    Raises:
        PatrolError: it is missing, damaged or of an unknown kind, is a camera's address, or `loops` is below 1.
    """
    _check_id(camera_id)
    if loops < 1:
        raise PatrolError(
            "a recording is played at least once", field="loops", value=loops, mend="Write 1 or more."
        )
    if config.is_camera:
        raise PatrolError(
            "a camera is not a recording",
            field="url",
            mend="Give the path of a video file or a folder of pictures.",
        )
    path = Path(config.url)
    if path.is_dir():
        return PictureFolder(camera_id, path, config, loops)
    return VideoRecording(camera_id, path, config, loops)


def _check_id(camera_id: str) -> None:
    if not CAMERA_ID.fullmatch(camera_id):
        raise PatrolError(
            "not a camera's identifier",
            field="camera_id",
            value=camera_id,
            mend="Use letters, digits, '_', '.' and '-', at most 64, beginning with a letter or digit.",
        )
