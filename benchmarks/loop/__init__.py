"""What the agent costs: start, processor share and memory with two full-HD cameras over RTSP."""

from benchmarks.loop.clip import SECONDS, STANDING, load_clip
from benchmarks.loop.measure import measure_all

__all__ = ["SECONDS", "STANDING", "load_clip", "measure_all"]
