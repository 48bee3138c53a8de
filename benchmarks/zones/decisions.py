"""Wrong decisions of three ways to judge a box: on the calibrated ground, by class in the picture, by its bottom centre."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import Point, Polygon

from benchmarks.zones.street import SIZE, Standing, View
from zones import Box, ZoneIndex

METHODS = ("calibrated", "fallback", "bottom centre")

Floats = NDArray[np.floating]


@dataclass
class Tally:
    """What one method got wrong. `false`: on a pavement where none is; `missed`: not found on the one it stands on."""

    false: int = 0
    missed: int = 0

    @property
    def wrong(self) -> int:
        return self.false + self.missed


@dataclass
class Row:
    """The wrong decisions at one angle, with boxes of one sort.

    Attributes:
        angle: degrees between line of sight and street. boxes: what the boxes are.
        inside, outside: vehicles that stand on a pavement (40% or more) and that do not (10% or less).
        between: vehicles on the line, which are not counted.
        unseen: vehicles that the detector did not find, which are not counted either.
        by_method: the tallies.
    """

    angle: int
    boxes: str
    inside: int = 0
    outside: int = 0
    between: int = 0
    unseen: int = 0
    by_method: dict[str, Tally] = field(default_factory=lambda: {name: Tally() for name in METHODS})

    def add(self, other: Row) -> None:
        """Take another row's figures in."""
        self.inside += other.inside
        self.outside += other.outside
        self.between += other.between
        self.unseen += other.unseen
        for name, tally in other.by_method.items():
            self.by_method[name].false += tally.false
            self.by_method[name].missed += tally.missed

    def count(self, view: View, standing: Sequence[Standing], boxes: Floats, labels: Sequence[str]) -> None:
        """Judge the vehicles of a view by their boxes (N, 4)."""
        found = judge(view, boxes, labels)
        for number, one in enumerate(standing):
            if one.between:
                self.between += 1
                continue
            self.inside += one.zone is not None
            self.outside += one.zone is None
            for name in METHODS:
                got = found[name][number]
                self.by_method[name].false += got is not None and one.zone is None
                self.by_method[name].missed += one.zone is not None and got != one.zone


def count_views(views: Sequence[View], name: str, jitter: float, seed: int) -> Row:
    """The wrong decisions over views of one angle, with exact silhouette boxes whose sides are moved at random.

    Args:
        views: of one angle.
        name: of these boxes.
        jitter: largest move of a side, as a share of the box's width or height.
        seed: of the lot.
    """
    row = Row(views[0].angle, name)
    rng = np.random.default_rng([seed, 2])
    for view in views:
        boxes = jittered(np.array([one.box for one in view.standing]), jitter, rng)
        row.count(view, view.standing, boxes, [one.label for one in view.standing])
    return row


def jittered(boxes: Floats, share: float, rng: np.random.Generator) -> Floats:
    """Boxes (N, 4) whose sides are each moved by at most a share of the width or height, inside the picture."""
    size = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    moved = boxes + rng.uniform(-share, share, boxes.shape) * size
    return np.clip(moved, 0, np.tile(SIZE, 2))


def judge(view: View, boxes: Floats, labels: Sequence[str]) -> dict[str, list[str | None]]:
    """The zone that each method says, for each box (N, 4)."""
    found: dict[str, list[str | None]] = {}
    for name, file in (("calibrated", view.file), ("fallback", view.plain)):
        where = ZoneIndex(file, *SIZE).presences(boxes, labels)
        found[name] = [each.zone_id if each.inside else None for each in where]
    shapes = {zone.id: Polygon(zone.polygon) for zone in view.plain.zone}
    found["bottom centre"] = [_bottom_centre(shapes, tuple(box)) for box in boxes.tolist()]
    return found


def _bottom_centre(shapes: dict[str, Polygon], box: Box) -> str | None:
    # Half a pixel up, so that a box that ends at the picture's edge is still in the picture.
    foot = Point((box[0] + box[2]) / 2, box[3] - 0.5)
    return next((zone for zone, shape in shapes.items() if shape.contains(foot)), None)
