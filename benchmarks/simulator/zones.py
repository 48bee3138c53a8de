"""The zone file that an agent needs for a scene."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tomli_w

from benchmarks.simulator.truth import zone_pixels
from protocol.errors import PatrolError

if TYPE_CHECKING:
    from benchmarks.simulator.scene import Scene


def zone_file(scene: Scene) -> str:
    """TOML text of the scene's zones in picture pixels.

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
    return tomli_w.dumps(
        {"schema": 1, "picture": {"width": scene.size[0], "height": scene.size[1]}, "zone": zones}
    )
