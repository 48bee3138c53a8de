"""Which zone a vehicle stands in, with hysteresis and a reason in words."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import overload

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import STRtree, prepare
from shapely.affinity import scale as _scale
from shapely.geometry import Polygon

from protocol.errors import PatrolError
from zones.calibration import Ground
from zones.geometry import Box, check_boxes, footprint, footprints
from zones.model import FORBIDDING, Zone, ZoneFile
from zones.overlap import Rectangles, Regions
from zones.placing import Placer
from zones.plan import ALLOWING, Arrangement, on_ground, street_lines

__all__ = ["ALLOWING", "Presence", "Presences", "ZoneIndex"]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Flags = NDArray[np.bool_]

_ASPECT_TOLERANCE = 0.02
"""Zones follow a change of resolution; a change of shape beyond 2% means another view, and is refused."""

_WHOLE = 0.99
"""A footprint this far inside counts as wholly inside."""

_HELD_HEIGHT = 0.8
_HELD_LENGTH = 0.9
"""A vehicle that stands already keeps its zone down to this share of the smallest height or length: boxes tremble."""

_NOTHING = 1e-9
"""A share of a footprint below this is none: areas are computed, and numbers are rounded."""

_MARGIN = 0.05
"""How far a footprint may reach beyond its box, as a share of the box."""

_REMEMBERED = 512
"""Footprints and decisions that are kept for the next look: vehicles that stand have the same box each time."""

_NO_ZONE = "its footprint touches no forbidden zone"


@dataclass(frozen=True, slots=True)
class Presence:
    """How much of a vehicle's footprint is in a zone, and whether that is enough.

    Attributes:
        zone_id: the forbidding zone that was looked at most closely, or None where the vehicle stands nowhere forbidden.
        ratio: share of the footprint on the ground that this zone decides, 0 to 1.
        inside: whether the vehicle stands in it, hysteresis applied.
        why: the decision in words.
    """

    zone_id: str | None
    ratio: float
    inside: bool
    why: str


_NOWHERE = Presence(None, 0.0, False, _NO_ZONE)


class Presences(Sequence[Presence]):
    """The decisions for many boxes: arrays for machines, a `Presence` with words for whoever asks for one.

    Attributes:
        zone: (N,) number of the zone in the file, -1 for none.
        ratio: (N,) share of the footprint. inside: (N,).
    """

    def __init__(self, zones: Sequence[Zone], count: int) -> None:
        self._zones = zones
        self.zone: Ints = np.full(count, -1, np.intp)
        self.ratio: Floats = np.zeros(count)
        self.inside: Flags = np.zeros(count, bool)
        self._told: Floats = np.zeros(count)
        self._hidden: Floats = np.full(count, np.nan)
        self._bay: Ints = np.full(count, -1, np.intp)
        self._bay_share: Floats = np.zeros(count)
        self._area: Floats = np.full(count, np.nan)

    def __len__(self) -> int:
        return len(self.zone)

    @overload
    def __getitem__(self, number: int) -> Presence: ...
    @overload
    def __getitem__(self, number: slice) -> list[Presence]: ...
    def __getitem__(self, number: int | slice) -> Presence | list[Presence]:
        if isinstance(number, slice):
            return [self[n] for n in range(*number.indices(len(self)))]
        if self.zone[number] < 0:
            return _NOWHERE
        zone_id = self._zones[self.zone[number]].id
        ratio = float(self.ratio[number])
        words = f"{ratio:.0%} of its footprint is in zone {zone_id}, needs {self._told[number]:.0%}"
        if (area := self._area[number]) == area:
            words += f" ({ratio * area:.1f} m² of {area:.1f} m²)"
        if (hidden := self._hidden[number]) == hidden:
            words += f", but {hidden:.0%} is in an ignored place"
        elif (bay := self._bay[number]) >= 0:
            words += (
                f", but {self._bay_share[number]:.0%} is in {self._zones[bay].id}, where standing is allowed"
            )
        return Presence(zone_id, ratio, bool(self.inside[number]), words)

    def __iter__(self) -> Iterator[Presence]:
        return (self[number] for number in range(len(self)))


@dataclass(frozen=True, slots=True)
class _Feet:
    """Footprints of N boxes on the plan: M weighted rectangles each; sizes are NaN where nothing is calibrated."""

    rectangles: Rectangles
    weight: Floats
    length: Floats
    area: Floats


class ZoneIndex:
    """The zones of a camera, scaled to its pictures and prepared for many look-ups.

    When the file is calibrated, zones and footprints are compared on the ground, in metres; else in the picture.

    Args:
        zones: the validated file.
        width: width of the pictures that will be looked at, pixels.
        height: their height, pixels.

    Attributes:
        ground: the calibration, in pixels of the pictures; None without one.
        regions: the zones on the plan, each whole.

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
        self._number = {zone.id: number for number, zone in enumerate(self._order)}
        factor = (width / drawn.width, height / drawn.height)
        self._shapes = [_scale(Polygon(zone.polygon), *factor, origin=(0, 0)) for zone in self._order]
        for shape in self._shapes:
            prepare(shape)
        self._by_id = dict(zip(self.zones, self._shapes, strict=True))
        self._forbidding = STRtree(
            [shape for shape, z in zip(self._shapes, self._order, strict=True) if z.kind in FORBIDDING]
        )
        whole = Ground.of(zones)
        self.ground = None if whole is None else whole.scaled(width, height)
        self._placer: Placer | None = None
        self._plan = list(self._shapes)
        if self.ground is not None:
            self._plan = [on_ground(self.ground, shape) for shape in self._shapes]
            rings = [
                np.asarray(shape.exterior.coords, float)[:-1]
                for shape, zone in zip(self._shapes, self._order, strict=True)
                if zone.kind != "ignore"
            ]
            self._placer = Placer(self.ground, street_lines(self.ground, rings))
        self.regions = Regions(self._plan)
        self._smallest = np.array(
            [z.min_height_px * factor[1] if z.kind in FORBIDDING else 0.0 for z in self._order]
        )
        self._shortest = np.array(
            [(z.min_length_m or 0.0) if z.kind in FORBIDDING else 0.0 for z in self._order]
        )
        self._enter = np.array([zone.enter_ratio for zone in self._order])
        self._leave = np.array([zone.leave_ratio for zone in self._order])
        self._priority = np.array([zone.priority for zone in self._order])
        self._arranged: dict[object, Arrangement] = {}
        self._feet_of = lru_cache(_REMEMBERED)(self._measure_one)
        self._presence = lru_cache(_REMEMBERED)(self._presence_of)

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

    def footprint(self, box: Box, vehicle_class: str) -> Polygon:
        """Where a vehicle most likely touches the ground, pixels of the pictures; for people to look at.

        Empty for one that stands nowhere on the ground.
        """
        if self.ground is None:
            return footprint(box, vehicle_class)
        feet = self._feet_of(box, vehicle_class)
        if not feet.weight.any():
            return Polygon()
        corners = self.ground.to_picture(feet.rectangles.corners[int(feet.weight[0].argmax())])
        return Polygon(corners) if np.isfinite(corners).all() else Polygon()

    def ratios(self, box: Box, vehicle_class: str) -> dict[str, float]:
        """Share of the vehicle's footprint inside each zone that it touches, each zone for itself."""
        feet = self._feet_of(box, vehicle_class)
        shares = np.minimum(feet.weight @ self.regions.shares(feet.rectangles), 1.0)
        return {
            zone.id: float(share)
            for zone, share in zip(self._order, shares[0], strict=True)
            if share > _NOTHING
        }

    def presence(
        self,
        box: Box,
        vehicle_class: str,
        held: str | None = None,
        *,
        active: Collection[str] | None = None,
    ) -> Presence:
        """Where a vehicle stands.

        On ground where zones overlap, the one with the highest priority decides. Between equal priorities, a bay or
        loading zone for this class of vehicle counts where it lies over a forbidding zone; side by side, the larger
        share counts.

        Args:
            box: left, top, right, bottom, pixels of the pictures.
            vehicle_class: detector class.
            held: the zone in which it stood at the last look, which it keeps down to `leave_ratio`.
            active: ids of the zones that count now; others are as if they were not there. None: all.

        Raises:
            ValueError: the box is empty or upside down.
        """
        return self._presence(box, vehicle_class, held, None if active is None else frozenset(active))

    def _presence_of(
        self, box: Box, vehicle_class: str, held: str | None, active: frozenset[str] | None
    ) -> Presence:
        return self.presences([box], [vehicle_class], [held], active=active)[0]

    def presences(
        self,
        boxes: Sequence[Box] | Floats,
        classes: Sequence[str],
        held: Sequence[str | None] | None = None,
        *,
        active: Collection[str] | None = None,
    ) -> Presences:
        """Where many vehicles of one picture stand; the same decisions as `presence`, box by box.

        Args:
            boxes: (N, 4) left, top, right, bottom, pixels of the pictures.
            classes: detector class of each.
            held: the zone in which each stood at the last look.
            active: as in `presence`.

        Raises:
            ValueError: a box is empty or upside down.
        """
        where = check_boxes(np.asarray(boxes, float).reshape(-1, 4))
        found = Presences(self._order, len(where))
        present = np.ones(len(self._order), bool)
        if active is not None:
            present = np.array([zone.id in active for zone in self._order])
        near = np.arange(len(where))
        if self._placer is not None:
            # In the picture, a footprint lies in its box: a box that meets no forbidding zone needs no closer look.
            near = np.unique(self._forbidding.query(_wider(where), predicate="intersects")[0])
        if not len(near):
            return found
        some = where[near]
        names = list(classes) if len(near) == len(where) else [classes[n] for n in near.tolist()]
        feet = self._feet(some, names)
        keeps = np.full(len(near), -1, np.intp)
        if held is not None:
            keeps = np.array([self._number.get(held[n] or "", -1) for n in near.tolist()], np.intp)
        for vehicle_class, counts, mine in self._groups(some, feet, names, keeps):
            plan = self._arrangement(vehicle_class, present & counts)
            self._decide(found, near[mine], feet, mine, keeps[mine], plan)
        return found

    def _groups(
        self, boxes: Floats, feet: _Feet, classes: Sequence[str], keeps: Ints
    ) -> list[tuple[str, Flags, Ints]]:
        """Boxes that the same zones are about: class, which zones their size does not exclude, numbers."""
        high = boxes[:, 3] - boxes[:, 1]
        with np.errstate(invalid="ignore"):
            small = np.flatnonzero((high < self._smallest.max()) | (feet.length < self._shortest.max()))
            held = keeps[small, None] == np.arange(len(self._order))
            low = high[small, None] < self._smallest * np.where(held, _HELD_HEIGHT, 1.0)
            short = feet.length[small, None] < self._shortest * np.where(held, _HELD_LENGTH, 1.0)
        counts = ~(low | short)
        row_of = dict(zip(small.tolist(), counts, strict=True))
        every = np.ones(len(self._order), bool)
        groups: dict[tuple[str, bytes], list[int]] = {}
        for number, vehicle_class in enumerate(classes):
            row = row_of.get(number)
            key = (vehicle_class, b"" if row is None or row.all() else row.tobytes())
            groups.setdefault(key, []).append(number)
        return [
            (key[0], row_of[mine[0]] if key[1] else every, np.array(mine, np.intp))
            for key, mine in groups.items()
        ]

    def _decide(
        self, found: Presences, at: Ints, feet: _Feet, mine: Ints, keeps: Ints, plan: Arrangement
    ) -> None:
        """Fill in the decisions for boxes of one class; `at` are their places in `found`, `mine` in `feet`."""
        if not len(plan.forbidding):
            return
        shares = _weighted(feet, mine, plan.regions)
        forbids, allows = len(plan.forbidding), len(plan.allowing)
        ratio = shares[:, :forbids]
        enter, priority = self._enter[plan.forbidding], self._priority[plan.forbidding]
        touched = ratio > _NOTHING
        keep = touched & (keeps[:, None] == plan.forbidding)
        # First the zone that holds it, then those that it stands in by priority, then the largest share.
        enough = ratio >= enter
        first = np.where(keep, 1e6, np.where(enough, 1e3 + priority, 0.0))
        best = (first == first.max(1, keepdims=True)) & touched
        chosen = forbids - 1 - np.where(best, ratio, -1.0)[:, ::-1].argmax(1)
        rows = np.arange(len(mine))
        some = best.any(1)
        part = ratio[rows, chosen]
        zone = plan.forbidding[chosen]
        kept = keep[rows, chosen]
        need = np.where(kept, self._leave[zone], self._enter[zone])
        # What frees a vehicle that is held must be clearer by the same gap, or it would flap there instead.
        gap = np.where(kept, self._enter[zone] - self._leave[zone], 0.0)
        found.zone[at] = np.where(some, zone, -1)
        found.ratio[at] = np.where(some, part, 0.0)
        found._told[at] = np.where(part >= self._enter[zone], self._enter[zone], need)
        found._area[at] = feet.area[mine]
        inside = some & (part >= need)
        hides = self._priority[plan.ignored] >= self._priority[zone][:, None]
        hidden = np.where(hides, shares[:, forbids + allows :], 0.0).max(1, initial=0.0)
        freed = some & (hidden >= np.minimum(self._enter[zone] + gap, _WHOLE))
        found._hidden[at] = np.where(freed, hidden, np.nan)
        if allows:
            share = shares[:, forbids : forbids + allows]
            excuses = (
                (share >= self._enter[plan.allowing])
                & (share >= (part + gap)[:, None])
                & (self._priority[plan.allowing] >= self._priority[zone][:, None])
            )
            bay = allows - 1 - np.where(excuses, share, -1.0)[:, ::-1].argmax(1)
            excused = some & excuses.any(1)
            found._bay[at] = np.where(excused, plan.allowing[bay], -1)
            found._bay_share[at] = share[rows, bay]
            freed = freed | excused
        found.inside[at] = inside & ~freed

    def _arrangement(self, vehicle_class: str, present: Flags) -> Arrangement:
        key = (vehicle_class, present.tobytes())
        known = self._arranged.get(key)
        if known is None:
            if len(self._arranged) >= _REMEMBERED:
                self._arranged.clear()
            known = self._arranged[key] = Arrangement(self._order, self._plan, vehicle_class, present)
        return known

    def _feet(self, boxes: Floats, classes: Sequence[str]) -> _Feet:
        """Footprints of some boxes, at least one."""
        if len(boxes) == 1:
            left, top, right, bottom = boxes[0].tolist()
            return self._feet_of((left, top, right, bottom), classes[0])
        return self._measure(boxes, classes)

    def _measure_one(self, box: Box, vehicle_class: str) -> _Feet:
        return self._measure(check_boxes(np.array([box], float)), (vehicle_class,))

    def _measure(self, boxes: Floats, classes: Sequence[str]) -> _Feet:
        if self._placer is None:
            unknown = np.full(len(boxes), np.nan)
            return _Feet(footprints(boxes, classes), np.ones((len(boxes), 1)), unknown, unknown)
        places = self._placer.place(boxes, classes)
        return _Feet(places.rectangles, places.weight, places.length, places.area)


def _weighted(feet: _Feet, mine: Ints, regions: Regions) -> Floats:
    """Share of each footprint in each region, (N, R): the mean over where the vehicle may stand."""
    each = feet.weight.shape[1]
    numbers = (mine[:, None] * each + np.arange(each)).ravel()
    weight = feet.weight[mine].ravel()
    counts = np.flatnonzero(weight > 0)
    numbers = numbers[counts]
    whole = feet.rectangles
    some = Rectangles(whole.centre[numbers], whole.along[numbers], whole.across[numbers])
    one, two = regions.near(some)
    shares = regions.shares_of(some, one, two) * weight[counts][one]
    place = counts[one] // each * len(regions) + two
    totals = np.bincount(place, shares, len(mine) * len(regions))
    return np.minimum(totals, 1.0).reshape(len(mine), len(regions))


def _wider(boxes: Floats) -> NDArray[np.object_]:
    """The boxes as polygons, a little larger."""
    aside = (boxes[:, 2] - boxes[:, 0]) * _MARGIN
    above = (boxes[:, 3] - boxes[:, 1]) * _MARGIN
    widened: NDArray[np.object_] = shapely.box(
        boxes[:, 0] - aside, boxes[:, 1] - above, boxes[:, 2] + aside, boxes[:, 3] + above
    )
    return widened
