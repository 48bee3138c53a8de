"""Pictures come in: cameras, video files and folders of pictures behind one interface.

`open_source` gives a `Source` that runs by itself and keeps only its newest frame; `open_recording` gives a
`Recording` whose frames are read one by one, none dropped, the same each time. Frames carry stream time: when the
picture was taken, not when it was decoded.

A `PacketReader` brings one connection's packets: our own thin one for nearly all cameras, FFmpeg's for the rest.
"""

from __future__ import annotations

from edge_agent.ingest._config import SourceConfig
from edge_agent.ingest._open import open_recording, open_source
from edge_agent.ingest._problem import SourceProblem
from edge_agent.ingest._reader import PacketReader, VideoPacket
from edge_agent.ingest._recording import Recording
from edge_agent.ingest._room import ROOM, Room
from edge_agent.ingest._source import Source
from edge_agent.ingest._time import SteadyClock

__all__ = [
    "ROOM",
    "PacketReader",
    "Recording",
    "Room",
    "Source",
    "SourceConfig",
    "SourceProblem",
    "SteadyClock",
    "VideoPacket",
    "open_recording",
    "open_source",
]
