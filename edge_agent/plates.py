"""The agent's plate desk: when a plate is read, of which vehicle, and what several readings together say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from edge_agent.frames import Frame, Image
from edge_agent.stays.model import PlateLook, Stay
from zones import Box

_ENOUGH = 3
"""Readings after which a clear vote ends the reading; one reading alone is never acted upon."""

_SURE = 0.9
"""Confidence from which a single reading may tell a vehicle from its predecessor. It decides in the driver's favour
only, so it may be lower than what a warning needs."""

_AROUND = 0.06
"""How far beyond the vehicle's box the plate is looked for, in shares of its sides."""


class Reading(Protocol):
    """What the desk needs of one reading."""

    @property
    def text(self) -> str: ...
    @property
    def confidence(self) -> float: ...
    @property
    def sharpness(self) -> float: ...
    @property
    def kind(self) -> str: ...
    @property
    def per_character(self) -> tuple[float, ...]: ...


class Reader(Protocol):
    """Reads the plate of the vehicle that fills a picture."""

    def read_best(self, crop: Image) -> Reading | None: ...


class Voter(Protocol):
    """Makes one plate of several readings: (text, confidence), or (None, reason)."""

    def __call__(self, looks: Sequence[PlateLook]) -> tuple[str | None, float, str]: ...


class PlateVerdict:
    """A plate that may be acted upon."""

    __slots__ = ("confidence", "text")

    def __init__(self, text: str, confidence: float) -> None:
        self.text = text
        self.confidence = confidence


class PlateDesk:
    """Reads plates of standing vehicles, a limited number of times each.

    Args:
        reader: reads one crop.
        voter: makes one plate of several readings.
        max_looks: tries per stay at most.
    """

    def __init__(self, reader: Reader, voter: Voter, max_looks: int) -> None:
        self._reader = reader
        self._voter = voter
        self._max_looks = max_looks

    def wants(self, stay: Stay) -> bool:
        """Whether another look at this vehicle's plate could still help."""
        if stay.plate_tries >= self._max_looks:
            return False
        return len(stay.plates) < _ENOUGH or self.verdict(stay)[0] is None

    def read(self, frame: Frame, stay: Stay) -> Stay:
        """The stay with one more try, and the reading if there was one."""
        reading = self._reader.read_best(_crop(frame.image, stay.anchor))
        plates = stay.plates
        if reading is not None:
            look = PlateLook(
                reading.text,
                round(float(reading.confidence), 4),
                round(float(reading.sharpness), 4),
                frame.at_ms,
                reading.kind,
                tuple(round(float(share), 4) for share in reading.per_character),
            )
            plates = (*plates, look)
        return replace(stay, plates=plates, plate_tries=stay.plate_tries + 1)

    def read_again(self, frame: Frame, stay: Stay) -> str | None:
        """One sure reading of the plate that is there now, or None. Not part of the stay's own readings."""
        reading = self._reader.read_best(_crop(frame.image, stay.anchor))
        return reading.text if reading is not None and reading.confidence >= _SURE else None

    def verdict(self, stay: Stay) -> tuple[PlateVerdict | None, str]:
        """The plate, or None and why there is none."""
        if not stay.plates:
            return None, "no plate in view"
        if len(stay.plates) < 2:
            return None, "the plate was read only once"
        text, confidence, reason = self._voter(stay.plates)
        return (None, reason) if text is None else (PlateVerdict(text, confidence), "")


def _crop(image: Image, box: Box) -> Image:
    height, width = image.shape[:2]
    across, down = (box[2] - box[0]) * _AROUND, (box[3] - box[1]) * _AROUND
    left, top = max(0, int(box[0] - across)), max(0, int(box[1] - down))
    right, bottom = min(width, int(box[2] + across) + 1), min(height, int(box[3] + down) + 1)
    return np.ascontiguousarray(image[top:bottom, left:right])
