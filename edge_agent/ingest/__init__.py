"""Pictures come in: cameras, video files and folders of pictures behind one interface."""

from __future__ import annotations

from edge_agent.ingest._config import SourceConfig
from edge_agent.ingest._open import open_recording
from edge_agent.ingest._recording import Recording

__all__ = ["Recording", "SourceConfig", "open_recording"]
