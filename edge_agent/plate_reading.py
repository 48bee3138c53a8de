"""Fills the plate desk's ports with the plate models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_agent.plates import PlateDesk
from edge_agent.stays.model import PlateLook
from models.plates import PlateReading, Unreadable, open_plate_reader
from models.plates.vote import vote

_NO_CORNERS = np.zeros((4, 2), dtype=np.float32)

_WHY = {
    "no_reading": "no plate in view",
    "conflict": "the readings of the plate contradict one another",
    "doubt": "the plate could not be read surely enough",
}


def open_desk(*, threads: int, max_looks: int) -> PlateDesk:
    """A desk with the measured weights.

    Raises:
        UnavailableError: the packages with the weights are not installed.
        PatrolError: the weights are not what they should be.
    """
    return PlateDesk(open_plate_reader(threads=threads), _vote, max_looks)


def _vote(looks: Sequence[PlateLook]) -> tuple[str | None, float, str]:
    readings = [
        PlateReading(
            text=look.text,
            confidence=look.confidence,
            kind=look.kind,
            corners=_NO_CORNERS,
            sharpness=look.sharpness,
            per_character=look.per_character,
        )
        for look in looks
    ]
    result = vote(readings)
    if isinstance(result, Unreadable):
        return None, result.confidence, _WHY.get(result.reason, result.reason)
    return result.text, round(result.confidence, 4), ""
