"""The picture that travels through the agent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from protocol.clock import Millis

Image = NDArray[np.uint8]
"""Height x width x 3, uint8, BGR."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded picture.

    Attributes:
        camera_id: the camera it came from.
        at_ms: stream time, UTC milliseconds: when the camera took it, as well as the box can know. Never the
            time at which the box got round to decoding it.
        image: height x width x 3, uint8, BGR; not to be written to.
        seq: counts up by one per delivered frame of a source; gaps mean frames that were replaced by newer ones.
    """

    camera_id: str
    at_ms: Millis
    image: Image
    seq: int
