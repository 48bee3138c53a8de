"""What a reader says about one plate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.plates.colour import Colour


@dataclass(frozen=True, slots=True, eq=False)
class PlateReading:
    """One plate read once, or voted over several frames.

    Attributes:
        text: the whole plate, no separators: `皖A12345`.
        confidence: probability that every character is right, 0 to 1, as calibrated on real plates.
        kind: kind of plate in the grammar's words, as `civil_blue`.
        corners: 4 x 2, float32: left top, right top, right bottom, left bottom, in pixels of the picture that was
            given to the reader.
        sharpness: 0 (a smear) to 1 (crisp), comparable between pictures of plates.
        per_character: probability of each character of `text`.
        colour: of the ground; None where it could not be told, as by infrared light.
        margin: confidence less that of the second-best legal text.
    """

    text: str
    confidence: float
    kind: str
    corners: NDArray[np.float32]
    sharpness: float
    per_character: tuple[float, ...]
    colour: Colour | None = None
    margin: float = 1.0

    def __repr__(self) -> str:
        return (
            f"PlateReading({mask_plate(self.text)!r}, confidence={self.confidence:.3f}, kind={self.kind!r})"
        )

    def as_dict(self) -> dict[str, object]:
        """For JSON: numbers rounded, corners in pixels."""
        return {
            "text": self.text,
            "confidence": round(self.confidence, 4),
            "kind": self.kind,
            "colour": None if self.colour is None else self.colour.value,
            "corners": [[round(float(value), 1) for value in corner] for corner in self.corners],
            "sharpness": round(self.sharpness, 3),
            "per_character": [round(value, 4) for value in self.per_character],
            "margin": round(self.margin, 4),
        }


@dataclass(frozen=True, slots=True)
class Unreadable:
    """No text that may be acted upon.

    Attributes:
        reason: `no_reading`, `conflict` (frames say different things) or `doubt` (too low a confidence).
        best: the most probable text all the same, for an officer's eyes; None where there is none.
        confidence: of that text.
    """

    reason: str
    best: str | None = None
    confidence: float = 0.0

    def __repr__(self) -> str:
        best = None if self.best is None else mask_plate(self.best)
        return f"Unreadable({self.reason!r}, best={best!r}, confidence={self.confidence:.3f})"


def mask_plate(text: str) -> str:
    """The plate for a log: its first two and its last character."""
    return text[:2] + "*" * max(0, len(text) - 3) + text[-1:] if len(text) > 3 else "*" * len(text)
