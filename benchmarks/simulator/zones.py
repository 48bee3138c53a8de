"""The zone file that an agent needs for a scene."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import tomli_w

from benchmarks.simulator.truth import zone_pixels
from protocol.errors import PatrolError

if TYPE_CHECKING:
    from benchmarks.simulator.scene import Scene


_SPOTS = ((0.15, 0.9), (0.85, 0.9), (0.7, 0.55), (0.3, 0.55), (0.5, 0.7))
"""Where calibration points are taken, as shares of the picture below the horizon."""


def zone_file(scene: Scene, *, calibrated: bool = False) -> str:
    """TOML text of the scene's zones in picture pixels.

    Args:
        scene: whose zones.
        calibrated: with a calibration to the scene's own metres, without errors of measurement.

    Raises:
        PatrolError: a zone lies outside the picture.
    """
    zones: list[dict[str, Any]] = []
    for zone in scene.spec.zone:
        polygon = zone_pixels(scene, zone.polygon)
        if not polygon:
            raise PatrolError(
                "the zone lies outside the picture", file=scene.file, field=f"zone {zone.id}",
                mend="Move the zone's polygon, or turn the camera.",
            )  # fmt: skip
        table: dict[str, Any] = {
            "id": zone.id,
            "name": zone.name,
            "kind": zone.kind,
            "polygon": [list(p) for p in polygon],
        }
        if zone.confirm_after_s is not None:
            table["confirm_after_s"] = zone.confirm_after_s
        if zone.grace_s is not None:
            table["grace_s"] = zone.grace_s
        zones.append(table)
    file: dict[str, Any] = {"schema": 1, "picture": {"width": scene.size[0], "height": scene.size[1]}}
    if calibrated:
        file["calibration"] = {"point": _points(scene)}
    return tomli_w.dumps({**file, "zone": zones})


def _points(scene: Scene) -> list[dict[str, list[float]]]:
    """Five points that a technician could have measured."""
    width, height = scene.size
    camera = scene.camera
    to_ground = camera.homography()
    sky = height / 2 - camera.focal * math.tan(math.radians(camera.pitch))
    top = max(0.0, sky + 0.05 * height)
    points = []
    for across, down in _SPOTS:
        u, v = across * width, top + down * (height - top)
        x, y, w = to_ground @ np.array([u, v, 1.0])
        points.append({"picture": [u, v], "ground": [float(x / w), float(y / w)]})
    return points
