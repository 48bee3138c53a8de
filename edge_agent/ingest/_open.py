"""From a configuration to a source."""

from __future__ import annotations

from pathlib import Path

from edge_agent.ingest._config import SourceConfig
from edge_agent.ingest._folder import PictureFolder
from edge_agent.ingest._recording import Recording, VideoRecording
from protocol.errors import PatrolError


def open_recording(camera_id: str, config: SourceConfig, *, loops: int = 1) -> Recording:
    """A video file or a folder of pictures, to be read as fast as its reader likes.

    Args:
        camera_id: stands in each frame.
        config: `url` is the path of the file or folder.
        loops: how often it is played; stream time goes on rising across the seam.

    Raises:
        PatrolError: it is missing, damaged or of an unknown kind, is a camera's address, or `loops` is below 1.
    """
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
