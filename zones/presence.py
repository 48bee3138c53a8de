"""Which zone a vehicle stands in, with hysteresis and a reason in words."""

from __future__ import annotations

from dataclasses import dataclass

from shapely import STRtree, prepare
from shapely.affinity import scale as _scale
from shapely.geometry import Polygon

from protocol.errors import PatrolError
from zones.geometry import Box, footprint
from zones.model import FORBIDDING, Zone, ZoneFile

_ASPECT_TOLERANCE = 0.02
"""Zones follow a change of resolution; a change of shape beyond 2% means another view, and is refused."""


@dataclass(frozen=True, slots=True)
class Presence:
    """How much of a vehicle's footprint is in a zone, and whether that is enough.

    Attributes:
        zone_id: the forbidding zone with the largest share, or None where the vehicle stands nowhere forbidden.
        ratio: share of the footprint inside that zone, 0 to 1.
        inside: whether the vehicle stands in it, hysteresis applied.
        why: the decision in words.
    """

    zone_id: str | None
    ratio: float
    inside: bool
    why: str


class ZoneIndex:
    """The zones of a camera, scaled to its pictures and prepared for many look-ups.

    Args:
        zones: the validated file.
        width: width of the pictures that will be looked at, pixels.
        height: their height, pixels.

    Raises:
        PatrolError: the pictures have another shape than the one in which the zones were drawn.
    """

    def __init__(self, zones: ZoneFile, width: int, height: int) -> None:
        drawn = zones.picture
        if abs(width / height - drawn.width / drawn.height) > _ASPECT_TOLERANCE * drawn.width / drawn.height:
            raise PatrolError(
                f"the camera gives {width}x{height} but the zones were drawn on {drawn.width}x{drawn.height}, "
                "another shape of picture",
                field="picture",
                mend="Draw the zones again on a picture of this camera.",
            )
        self.file = zones
        self.width = width
        self.height = height
        self.zones: dict[str, Zone] = {zone.id: zone for zone in zones.zone}
        self._order = list(zones.zone)
        factor = (width / drawn.width, height / drawn.height)
        self._shapes = [_scale(Polygon(zone.polygon), *factor, origin=(0, 0)) for zone in self._order]
        for shape in self._shapes:
            prepare(shape)
        self._tree = STRtree(self._shapes)
        self._height_factor = factor[1]

    def bounds(self) -> Box:
        """The smallest box around all zones but the ignored, pixels of the pictures."""
        shapes = [
            s for s, z in zip(self._shapes, self._order, strict=True) if z.kind != "ignore"
        ] or self._shapes
        corners = [shape.bounds for shape in shapes]
        return (
            min(c[0] for c in corners),
            min(c[1] for c in corners),
            max(c[2] for c in corners),
            max(c[3] for c in corners),
        )

    def shape(self, zone_id: str) -> Polygon:
        """The zone's polygon in pixels of the pictures."""
        return self._shapes[[zone.id for zone in self._order].index(zone_id)]

    def ratios(self, box: Box, vehicle_class: str) -> dict[str, float]:
        """Share of the vehicle's footprint inside each zone that it touches."""
        foot = footprint(box, vehicle_class)
        whole = foot.area
        found: dict[str, float] = {}
        for index in sorted(int(i) for i in self._tree.query(foot)):
            share = self._shapes[index].intersection(foot).area / whole
            if share > 0:
                found[self._order[index].id] = min(1.0, share)
        return found

    def presence(self, box: Box, vehicle_class: str, held: str | None = None) -> Presence:
        """Where a vehicle stands.

        Args:
            box: left, top, right, bottom, pixels of the pictures.
            vehicle_class: detector class.
            held: the zone in which it stood at the last look, which it keeps down to `leave_ratio`.
        """
        ratios = self.ratios(box, vehicle_class)
        hidden = max((r for i, r in ratios.items() if self.zones[i].kind == "ignore"), default=0.0)
        allowing = [(r, i) for i, r in ratios.items() if self.zones[i].kind in ("parking_bay", "loading")]
        forbidding = [
            (r, i)
            for i, r in ratios.items()
            if self.zones[i].kind in FORBIDDING
            and vehicle_class in self.zones[i].classes
            and box[3] - box[1] >= self.zones[i].min_height_px * self._height_factor
        ]
        if not forbidding:
            return Presence(None, 0.0, False, "its footprint touches no forbidden zone")
        if held is not None and held in ratios and any(i == held for _, i in forbidding):
            ratio, zone_id = ratios[held], held
        else:
            ratio, zone_id = max(forbidding, key=lambda pair: (pair[0], pair[1]))
        zone = self.zones[zone_id]
        needed = zone.leave_ratio if held == zone_id else zone.enter_ratio
        words = f"{ratio:.0%} of its footprint is in zone {zone_id}, needs {needed:.0%}"
        if hidden >= zone.enter_ratio:
            return Presence(zone_id, ratio, False, f"{words}, but {hidden:.0%} is in an ignored place")
        for share, bay_id in sorted(allowing, reverse=True):
            if share >= self.zones[bay_id].enter_ratio and share >= ratio:
                return Presence(zone_id, ratio, False, f"{words}, but {share:.0%} is in {bay_id}, where standing is allowed")
        return Presence(zone_id, ratio, ratio >= needed, words)
