"""Stays: vehicles that rest in a zone, and the proof that each moment shows the same one.

Pure: `step(state, observation, ...)` gives the next state and what happened; no clock, no picture, no file.
"""

from edge_agent.stays.appearance import Look, blend, likeness
from edge_agent.stays.model import (
    CameraState,
    Gap,
    GapKind,
    Observation,
    Seen,
    Stay,
    StayEnded,
    StayEvent,
    StayRules,
    StaySettled,
    StayWatched,
    Terms,
    Verdict,
)
from edge_agent.stays.step import shift, step

__all__ = [
    "CameraState",
    "Gap",
    "GapKind",
    "Look",
    "Observation",
    "Seen",
    "Stay",
    "StayEnded",
    "StayEvent",
    "StayRules",
    "StaySettled",
    "StayWatched",
    "Terms",
    "Verdict",
    "blend",
    "likeness",
    "shift",
    "step",
]
