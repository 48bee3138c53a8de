"""What is asked of a zone file's calibration when the file is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from protocol.errors import PatrolError
from zones.calibration._ground import HORIZON_PX, Ground

if TYPE_CHECKING:
    from zones.model import ZoneFile


def check_calibration(file: ZoneFile) -> None:
    """Refuse a calibration that says nothing of the ground, or that has zones where no ground is.

    Raises:
        PatrolError: naming the point or zone, and the mend.
    """
    ground = Ground.of(file)
    if ground is None:
        return
    for zone in file.zone:
        if zone.kind == "ignore":
            continue  # a screen that shows cars may hang in the sky
        corners = np.array(zone.polygon, float)
        if not (ground.below_horizon(corners) >= HORIZON_PX).any():
            raise PatrolError(
                f"zone {zone.id}: lies on or above the horizon of the calibration, where no ground is",
                field="calibration",
                mend="Draw the zone on the ground, or check the calibration's points.",
            )
