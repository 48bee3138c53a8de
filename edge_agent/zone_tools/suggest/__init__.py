"""Draft zones from a recording: pavement where people walk, bays where vehicles stand. A person corrects them.

`gather` looks through the recording, `draft` turns what it saw into polygons, `evaluate` compares polygons with a truth.
"""

from __future__ import annotations

from edge_agent.zone_tools.suggest.draft import Draft, Proposal, draft_zones
from edge_agent.zone_tools.suggest.gather import Heat, Rest, gather

__all__ = ["Draft", "Heat", "Proposal", "Rest", "draft_zones", "gather"]
