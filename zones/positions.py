"""Where a zone lies on the map."""

from __future__ import annotations

import numpy as np
from shapely.geometry import Polygon

from protocol.errors import PatrolError
from protocol.messages import Position
from zones.calibration import Ground
from zones.model import Zone, ZoneFile

_DECIMALS = 7
"""Of a degree: a centimetre."""


def position_of(file: ZoneFile, zone: Zone) -> Position | None:
    """WGS-84 position of a zone: its own; else its middle, where the calibration says how the picture lies on the map;
    else the file's, which is that of the camera's view."""
    return zone.position or middle_of(file, zone) or file.position


def middle_of(file: ZoneFile, zone: Zone) -> Position | None:
    """The middle of a zone on the ground, as the calibration has it; None where it cannot say."""
    if file.calibration is None or file.calibration.origin is None:
        return None
    try:
        ground = Ground.of(file)
    except PatrolError:  # told by lint; a position is not worth stopping for
        return None
    assert ground is not None
    ring = ground.to_ground(np.array(zone.polygon))
    if np.isnan(ring).any():
        # A part of it lies above the horizon: what can be placed is its middle in the picture.
        middle = Polygon(zone.polygon).representative_point()
        place = ground.to_ground(np.array([[middle.x, middle.y]]))
    else:
        shape = Polygon(ring)
        inside = shape.centroid if shape.contains(shape.centroid) else shape.representative_point()
        place = np.array([[inside.x, inside.y]])
    if np.isnan(place).any():
        return None
    longitude, latitude = (round(float(v), _DECIMALS) for v in ground.to_wgs84(place)[0])
    return Position(longitude=longitude, latitude=latitude)
