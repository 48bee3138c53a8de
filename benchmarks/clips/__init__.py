"""Real clips through the whole agent, against what a person sees in them."""

from benchmarks.clips.compare import Found, Outcome, match
from benchmarks.clips.run import Progress, run_clip
from benchmarks.clips.truth import Clip, Standing, load_clips

__all__ = ["Clip", "Found", "Outcome", "Progress", "Standing", "load_clips", "match", "run_clip"]
