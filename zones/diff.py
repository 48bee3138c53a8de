"""What has changed between two zone files, as a person would say it: ground gained and lost, and every rule.

Files that say the same in another way (a ring that begins at another corner or runs the other way round, zones
in another order, a default that is written out) are the same here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel
from shapely import hausdorff_distance
from shapely.affinity import scale
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union

from zones.diff_ground import GroundMeasure, measure_of
from zones.model import FORBIDDING, Vertex, Zone, ZoneFile

_SAME_PX = 0.01
"""Corners nearer than this are the same corner: files carry one or two decimals."""

_RENAMED = 0.9
"""A zone that is gone and a new one that share this much of their common ground are one zone under another name."""

_ASPECT_TOLERANCE = 0.02
"""As for the pictures of a camera: beyond 2% it is another view, and ground cannot be compared."""

_FILE_KEYS = ("camera", "street", "place", "position", "time_zone", "calendar", "calibration", "picture")


@dataclass(frozen=True, slots=True)
class KeyChange:
    """One key with another value, each side in words; `not given` where there was or is none."""

    key: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class GroundChange:
    """How an area has changed. Pixels are those of the new file's picture, metres need a calibration.

    Attributes:
        gained_px, lost_px, kept_px: areas, square pixels.
        gained_m2, lost_m2, kept_m2: the same on the ground, square metres; None where that is not known.
        moved_px, moved_m: how far its edge moved at most; None where only the sum of several zones is told.
        how: the change of the outline in words; empty where only areas are told.
    """

    gained_px: float
    lost_px: float
    kept_px: float
    gained_m2: float | None = None
    lost_m2: float | None = None
    kept_m2: float | None = None
    moved_px: float | None = None
    moved_m: float | None = None
    how: str = ""

    @property
    def same(self) -> bool:
        """Whether no ground was gained or lost."""
        return self.gained_px == 0 and self.lost_px == 0


@dataclass(frozen=True, slots=True)
class ZoneChange:
    """One zone that is not as it was.

    Attributes:
        id: the zone's id, the new one where it has one.
        change: what became of it.
        was: its old id, where that was another.
        keys: the rules that changed; empty for zones that were added or removed.
        ground: how its ground changed; None where pictures cannot be compared.
    """

    id: str
    change: Literal["added", "removed", "changed"]
    was: str | None = None
    keys: tuple[KeyChange, ...] = ()
    ground: GroundChange | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """All that two files say differently.

    Attributes:
        comparable: whether both were drawn on pictures of one shape; if not, no ground is compared.
        keys: changes at the top of the file.
        zones: zones that changed, in the new file's order, removed ones last.
        forbidden: the ground where standing is forbidden to anybody, all zones together; None if not comparable.
        same_otherwise: what is written differently without meaning anything else.
    """

    comparable: bool
    keys: tuple[KeyChange, ...]
    zones: tuple[ZoneChange, ...]
    forbidden: GroundChange | None
    same_otherwise: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether both files mean the same."""
        return not self.keys and not self.zones


def compare(old: ZoneFile, new: ZoneFile) -> Difference:
    """What changes for the street if `new` takes the place of `old`. Pure."""
    comparable = same_shape(old, new)
    before = {zone.id: zone for zone in old.zone}
    after = {zone.id: zone for zone in new.zone}
    factor = (new.picture.width / old.picture.width, new.picture.height / old.picture.height)
    rings = {zone.id: tuple((x * factor[0], y * factor[1]) for x, y in zone.polygon) for zone in old.zone}
    shapes_before = {zone_id: Polygon(ring) for zone_id, ring in rings.items()}
    shapes_after = {zone.id: Polygon(zone.polygon) for zone in new.zone}
    measure = measure_of(new) if comparable else None
    renamed = _renamed(before, after, shapes_before, shapes_after) if comparable else {}
    changes: list[ZoneChange] = []
    notes: list[str] = []
    for zone in new.zone:
        was = renamed.get(zone.id, zone.id if zone.id in before else None)
        if was is None:
            ground = _areas(None, shapes_after[zone.id], measure) if comparable else None
            changes.append(ZoneChange(zone.id, "added", ground=ground))
            continue
        keys = _zone_keys(before[was], zone)
        ground = None
        if comparable:
            ground = _outline(rings[was], zone.polygon, shapes_before[was], shapes_after[zone.id], measure)
            if ground.same and rings[was] != zone.polygon:
                notes.append(f"zone {zone.id}: the same ground, its ring is written another way")
        changed_ground = ground is not None and not ground.same
        if keys or changed_ground or was != zone.id:
            changes.append(ZoneChange(zone.id, "changed", was if was != zone.id else None, keys, ground))
    gone = [zone for zone in old.zone if zone.id not in after and zone.id not in renamed.values()]
    for zone in gone:
        ground = _areas(shapes_before[zone.id], None, measure) if comparable else None
        changes.append(ZoneChange(zone.id, "removed", ground=ground))
    if not changes and [zone.id for zone in old.zone] != [zone.id for zone in new.zone]:
        notes.append("the zones stand in another order")
    forbidden = None
    if comparable:
        forbidden = _areas(forbidden_ground(old, factor), forbidden_ground(new), measure)
    return Difference(comparable, _file_keys(old, new), tuple(changes), forbidden, tuple(notes))


def same_shape(old: ZoneFile, new: ZoneFile) -> bool:
    """Whether both files were drawn on pictures of one shape, so that one's pixels can be told as the other's."""
    one, two = old.picture, new.picture
    return abs(one.width / one.height - two.width / two.height) <= _ASPECT_TOLERANCE * two.width / two.height


def forbidden_ground(file: ZoneFile, factor: tuple[float, float] = (1, 1)) -> BaseGeometry:
    """The ground where standing is forbidden: forbidding zones without the bays and ignored places over them.

    Args:
        file: a valid file.
        factor: by which its pixels are multiplied, across and down.
    """
    shapes = {zone.id: scale(Polygon(zone.polygon), *factor, origin=(0, 0)) for zone in file.zone}
    forbidding = unary_union([shapes[zone.id] for zone in file.zone if zone.kind in FORBIDDING])
    free = unary_union([shapes[zone.id] for zone in file.zone if zone.kind not in FORBIDDING])
    return forbidding.difference(free)


def _renamed(
    before: dict[str, Zone],
    after: dict[str, Zone],
    shapes_before: dict[str, Polygon],
    shapes_after: dict[str, Polygon],
) -> dict[str, str]:
    """New id -> old id of zones that kept their ground and kind under another id."""
    found: dict[str, str] = {}
    gone = [zone_id for zone_id in before if zone_id not in after]
    for new_id, zone in after.items():
        if new_id in before:
            continue
        shape = shapes_after[new_id]
        best, best_share = None, _RENAMED
        for old_id in gone:
            if old_id in found.values() or before[old_id].kind != zone.kind:
                continue
            both = shapes_before[old_id].intersection(shape).area
            share = both / (shapes_before[old_id].area + shape.area - both)
            if share >= best_share:
                best, best_share = old_id, share
        if best is not None:
            found[new_id] = best
    return found


# Ground


def _areas(old: BaseGeometry | None, new: BaseGeometry | None, measure: GroundMeasure | None) -> GroundChange:
    """Gained, lost and kept area; differences thinner than what a file's decimals can say are none."""
    nothing = Polygon()
    one, two = (nothing if shape is None else shape for shape in (old, new))
    parts = [two.difference(one), one.difference(two), one.intersection(two)]
    if parts[0].area + parts[1].area <= _SAME_PX * (one.length + two.length) / 2:
        parts = [nothing, nothing, one]
    gained, lost, kept = (round(float(part.area), 1) for part in parts)
    if measure is None:
        return GroundChange(gained, lost, kept)
    gained_m2, lost_m2, kept_m2 = (measure.area(part) for part in parts)
    return GroundChange(gained, lost, kept, gained_m2, lost_m2, kept_m2)


def _outline(
    before: Sequence[Vertex],
    after: Sequence[Vertex],
    old: Polygon,
    new: Polygon,
    measure: GroundMeasure | None,
) -> GroundChange:
    areas = _areas(old, new, measure)
    if areas.same:
        return GroundChange(
            0.0, 0.0, areas.kept_px, 0.0 if measure else None, 0.0 if measure else None, areas.kept_m2
        )
    moved_px, pairs, how = _moved(before, after, old, new)
    moved_m = measure.longest(pairs) if measure is not None else None
    return GroundChange(
        areas.gained_px, areas.lost_px, areas.kept_px, areas.gained_m2, areas.lost_m2, areas.kept_m2,
        round(moved_px, 1), moved_m, how,
    )  # fmt: skip


_Pairs = list[tuple[Vertex, Vertex]]


def _moved(
    before: Sequence[Vertex], after: Sequence[Vertex], old: Polygon, new: Polygon
) -> tuple[float, _Pairs, str]:
    """How far the outline moved at most, between which points, and how to say it."""
    if len(before) != len(after):
        far = float(hausdorff_distance(old.exterior, new.exterior))
        told = f"redrawn with {len(after)} vertices instead of {len(before)}; its edge moved by at most {far:.1f} px"
        return far, [], told
    one, two = np.asarray(before, float), np.asarray(after, float)
    one = _aligned(one, two)
    steps = two - one
    lengths = np.hypot(steps[:, 0], steps[:, 1])
    far = float(lengths.max())
    pairs: _Pairs = [
        ((float(a[0]), float(a[1])), (float(b[0]), float(b[1]))) for a, b in zip(one, two, strict=True)
    ]
    if np.abs(steps - steps.mean(axis=0)).max() < 0.5:
        across, down = (float(v) for v in steps.mean(axis=0))
        ways = [
            f"{abs(value):.1f} px {positive if value > 0 else negative}"
            for value, positive, negative in ((across, "to the right", "to the left"), (down, "down", "up"))
            if abs(value) >= 0.05
        ]
        return far, pairs, f"moved as a whole, {' and '.join(ways)}"
    numbers = [str(n) for n, length in enumerate(lengths, start=1) if length >= _SAME_PX]
    word = "vertex" if len(numbers) == 1 else "vertices"
    return far, pairs, f"{word} {', '.join(numbers)} of {len(after)} moved, by at most {far:.1f} px"


def _aligned(one: np.ndarray[Any, Any], two: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The first ring, begun and turned so that its corners lie nearest to the second's."""
    turns = [np.roll(ring, shift, axis=0) for ring in (one, one[::-1]) for shift in range(len(one))]
    return min(turns, key=lambda ring: float(np.abs(ring - two).sum()))


# Rules


def _zone_keys(old: Zone, new: Zone) -> tuple[KeyChange, ...]:
    names = [name for name in Zone.model_fields if name not in ("id", "polygon")]
    return _keys(names, old, new)


def _file_keys(old: ZoneFile, new: ZoneFile) -> tuple[KeyChange, ...]:
    return _keys([name for name in _FILE_KEYS if name in ZoneFile.model_fields], old, new)


def _keys(names: Sequence[str], old: BaseModel, new: BaseModel) -> tuple[KeyChange, ...]:
    changes = []
    for name in names:
        one, two = (_plain(getattr(side, name), name) for side in (old, new))
        if one != two:
            changes.append(KeyChange(name, in_words(one), in_words(two)))
    return tuple(changes)


_UNORDERED = frozenset({"classes", "days", "plates", "holidays", "workdays", "hours", "exempt"})
"""Lists whose order means nothing."""


def _plain(value: Any, name: str = "") -> Any:
    """The value without what means nothing: unset keys, and the order of sets."""
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        pairs = {(fields[key].alias or key): _plain(getattr(value, key), key) for key in fields}
        return {key: each for key, each in pairs.items() if each not in (None, (), "")}
    if isinstance(value, tuple):
        items = [_plain(item) for item in value]
        return tuple(sorted(items, key=repr)) if name in _UNORDERED else tuple(items)
    return str(value) if type(value).__name__ == "date" else value


def in_words(value: Any) -> str:
    """A value of a zone file on one line, as a person would read it aloud."""
    if value is None or value == "" or value == () or value == {}:
        return "not given"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float | int):
        return f"{value:g}"
    if isinstance(value, dict):
        if set(value) <= {"days", "from", "to"}:
            days = "daily" if len(value.get("days", ())) in (0, 7) else ", ".join(value["days"])
            return f"{value.get('from', '00:00')}-{value.get('to', '24:00')} {days}"
        return ", ".join(f"{key} {in_words(each)}" for key, each in value.items())
    if isinstance(value, tuple | list):
        numbers = all(isinstance(each, float | int) for each in value)
        simple = all(not isinstance(each, dict | tuple | list) for each in value)
        inner = ", ".join(in_words(each) for each in value)
        return (
            f"({inner})"
            if numbers and len(value) == 2
            else inner
            if simple
            else "; ".join(map(in_words, value))
        )
    return str(value)
