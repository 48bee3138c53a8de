"""Which zone a vehicle stands in, with hysteresis and a reason in words."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from shapely import STRtree, prepare
from shapely.affinity import scale as _scale
from shapely.geometry import Polygon

from protocol.errors import PatrolError
from zones.geometry import Box, footprint
from zones.model import FORBIDDING, Zone, ZoneFile

ALLOWING: frozenset[str] = frozenset({"parking_bay", "loading"})

_ASPECT_TOLERANCE = 0.02
"""Zones follow a change of resolution; a change of shape beyond 2% means another view, and is refused."""

_WHOLE = 0.99
"""A footprint this far inside counts as wholly inside."""

_HELD_HEIGHT = 0.8
"""A vehicle that stands already keeps its zone down to this share of the smallest height: boxes tremble."""


@dataclass(frozen=True, slots=True)
class Presence:
    """How much of a vehicle's footprint is in a zone, and whether that is enough.

    Attributes:
        zone_id: the forbidding zone with the largest share, or None where the vehicle stands nowhere forbidden.
        ratio: share of the footprint inside that zone and in no bay, 0 to 1.
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
        self._by_id = dict(zip(self.zones, self._shapes, strict=True))
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
        return self._by_id[zone_id]

    def ratios(self, box: Box, vehicle_class: str) -> dict[str, float]:
        """Share of the vehicle's footprint inside each zone that it touches, each zone for itself."""
        foot = footprint(box, vehicle_class)
        whole = foot.area
        found: dict[str, float] = {}
        for index in sorted(int(i) for i in self._tree.query(foot)):
            share = self._shapes[index].intersection(foot).area / whole
            if share > 0:
                found[self._order[index].id] = min(1.0, share)
        return found

    def presence(
        self,
        box: Box,
        vehicle_class: str,
        held: str | None = None,
        *,
        active: Collection[str] | None = None,
    ) -> Presence:
        """Where a vehicle stands.

        Where a bay or loading zone for this class of vehicle lies over a forbidding zone, the bay counts. Between a
        bay and a forbidding zone side by side, the larger share counts.

        Args:
            box: left, top, right, bottom, pixels of the pictures.
            vehicle_class: detector class.
            held: the zone in which it stood at the last look, which it keeps down to `leave_ratio`.
            active: ids of the zones that count now; others are as if they were not there. None: all.
        """
        foot = footprint(box, vehicle_class)
        share = self.ratios(box, vehicle_class)
        if active is not None:
            share = {zone_id: part for zone_id, part in share.items() if zone_id in active}
        bays = [
            zone_id
            for zone_id in share
            if self.zones[zone_id].kind in ALLOWING and vehicle_class in self.zones[zone_id].classes
        ]
        open_ground = foot
        for bay in bays:
            open_ground = open_ground.difference(self.shape(bay))
        forbidden: dict[str, float] = {}
        for zone_id, whole in share.items():
            zone = self.zones[zone_id]
            least = zone.min_height_px * self._height_factor * (_HELD_HEIGHT if zone_id == held else 1)
            if zone.kind not in FORBIDDING or vehicle_class not in zone.classes or box[3] - box[1] < least:
                continue
            ratio = self.shape(zone_id).intersection(open_ground).area / foot.area if bays else whole
            if ratio > 0:
                forbidden[zone_id] = min(1.0, ratio)
        if not forbidden:
            return Presence(None, 0.0, False, "its footprint touches no forbidden zone")
        zone_id = held if held in forbidden else max(forbidden, key=lambda i: (forbidden[i], i))
        ratio, zone = forbidden[zone_id], self.zones[zone_id]
        needed = zone.leave_ratio if held == zone_id else zone.enter_ratio
        # What frees a vehicle that is held must be clearer by the same gap, or it would flap there instead.
        gap = zone.enter_ratio - zone.leave_ratio if held == zone_id else 0.0
        told = zone.enter_ratio if ratio >= zone.enter_ratio else needed
        words = f"{ratio:.0%} of its footprint is in zone {zone_id}, needs {told:.0%}"
        hidden = max((s for i, s in share.items() if self.zones[i].kind == "ignore"), default=0.0)
        if hidden >= min(zone.enter_ratio + gap, _WHOLE):
            return Presence(zone_id, ratio, False, f"{words}, but {hidden:.0%} is in an ignored place")
        for bay in sorted(bays, key=lambda i: (share[i], i), reverse=True):
            if share[bay] >= self.zones[bay].enter_ratio and share[bay] >= ratio + gap:
                return Presence(
                    zone_id,
                    ratio,
                    False,
                    f"{words}, but {share[bay]:.0%} is in {bay}, where standing is allowed",
                )
        return Presence(zone_id, ratio, ratio >= needed, words)
