"""Pinhole cameras over a street, drawn by lot, and zone files that are calibrated by them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from shapely.geometry import Polygon
from shapely.geometry import box as square

from benchmarks.simulator.camera import Camera
from zones import ZoneFile
from zones.calibration import Lens

Floats = NDArray[np.float64]

SIZE = (1280, 720)
lenses = st.builds(lambda k1, k2: Lens(*SIZE, k1, k2), st.floats(-0.14, 0.3), st.floats(-0.02, 0.1))

PIXELS = np.array([(200, 650), (1100, 640), (900, 420), (350, 430), (640, 520), (520, 600)], float)
"""Points in the lower part of the picture, no three of them on a line."""


@st.composite
def cameras(draw: Any) -> Camera:
    """A camera on a pole that looks down at the street, the horizon above the middle of the picture."""
    height = draw(st.floats(3, 12))
    return Camera(
        x=draw(st.floats(-20, 20)),
        y=draw(st.floats(-20, 20)),
        height=height,
        yaw=draw(st.floats(-180, 180)),
        pitch=draw(st.floats(12, 60)),
        fov=draw(st.floats(35, 90)),
        width=SIZE[0],
        height_px=SIZE[1],
    )


def on_street(camera: Camera, pixels: Floats) -> Floats:
    """Straight pixels (N, 2) on the ground, metres, by meeting the line of sight with the ground."""
    right, down, forward = camera.axes
    away = (np.asarray(pixels, float) - [camera.width / 2, camera.height_px / 2]) / camera.focal
    rays = forward + away[:, :1] * right + away[:, 1:] * down
    return np.asarray(camera.eye[:2] + rays[:, :2] * (camera.eye[2] / -rays[:, 2:]))


def street_camera(yaw: float = 135, height: float = 5.5, fov: float = 58, reach: float = 18) -> Camera:
    """A camera at the origin that looks at a point of the street `reach` metres away."""
    pitch = math.degrees(math.atan2(height, reach))
    return Camera(0, 0, height, yaw, pitch, fov, *SIZE)


def calibrated(
    camera: Camera,
    *zones: dict[str, Any],
    lens: Lens | None = None,
    pixels: Floats = PIXELS,
    **more: Any,
) -> ZoneFile:
    """A zone file whose calibration is exact for a camera; zones are tables with `polygon` in pixels or, instead,
    `metres`, of which the part in the picture is taken."""
    lens = lens or Lens(*SIZE)
    tables = []
    for zone in zones:
        table = dict(zone)
        if "metres" in table:
            ground = np.array(table.pop("metres"), float)
            seen = lens.distort(camera.project(np.column_stack([ground, np.zeros(len(ground))])))
            inside = Polygon(seen).intersection(square(0, 0, *SIZE))
            table["polygon"] = list(inside.exterior.coords)[:-1]
        tables.append({"name": table["id"], **table})
    points = [
        {"picture": lens.distort(pixel).tolist(), "ground": ground.tolist()}
        for pixel, ground in zip(pixels, on_street(camera, pixels), strict=True)
    ]
    whole = {"id": "P", "name": "P", "polygon": [(0, 719), (0, 420), (1280, 420), (1280, 719)]}
    return ZoneFile.model_validate(
        {
            "picture": {"width": SIZE[0], "height": SIZE[1]},
            "calibration": {"point": points, "k1": lens.k1, "k2": lens.k2, **more},
            "zone": tables or [whole],
        }
    )
