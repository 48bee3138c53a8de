"""Rests: a sparing memory of every vehicle that came to rest in view, so that a day can be rehearsed with other zones.

Nothing here decides anything. `step` is pure; `RestLog` keeps what it gives in the agent's database.
"""

from edge_agent.rests.log import NoRestLog, RestKeeper, RestLog, prune, zones_version
from edge_agent.rests.model import Decided, Memory, Place, Pose, Rest, Span
from edge_agent.rests.schema import migrate
from edge_agent.rests.step import Rested, shift, step

__all__ = [
    "Decided",
    "Memory",
    "NoRestLog",
    "Place",
    "Pose",
    "Rest",
    "RestKeeper",
    "RestLog",
    "Rested",
    "Span",
    "migrate",
    "prune",
    "shift",
    "step",
    "zones_version",
]
