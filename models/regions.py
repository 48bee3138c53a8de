"""Looking at parts of a picture, so that small vehicles in a big picture are large in the network's input."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.decoders import Size
from models.decoding import Choice
from models.detections import Detections
from models.labels import VEHICLES
from models.nms import nms, shared_area
from protocol.errors import PatrolError

Region = tuple[int, int, int, int]
"""Left, top, right, bottom in whole pixels of the picture; right and bottom are outside."""

BORDER = 0.01
"""A box that comes this close to an inner border, as a share of the region's side, is taken as cut by it."""

COVERED = 0.6
"""A cut box goes when a whole box of its kind covers at least this share of it."""


def tiles(picture: Size, side: int, overlap: float = 0.2) -> list[Region]:
    """Regions of side x side pixels that cover a picture, row by row.

    Args:
        picture: height, width in pixels.
        side: of a tile; a picture side that is shorter has one tile of its own length.
        overlap: share of a tile, from 0 up to but not including 1, that neighbours have in common at least.
            Choose it so that a vehicle fits into the overlap: one of two neighbours then sees it whole.

    Raises:
        PatrolError: `side` below 1 or `overlap` out of range.
    """
    if side < 1:
        raise PatrolError("expected at least one pixel", field="side", value=side)
    if not 0 <= overlap < 1:
        raise PatrolError("expected a share from 0 to below 1", field="overlap", value=overlap)

    def starts(length: int) -> list[int]:
        if length <= side:
            return [0]
        count = 1 + math.ceil((length - side) / max(1.0, side * (1 - overlap)))
        return [round(number * (length - side) / (count - 1)) for number in range(count)]

    height, width = picture
    return [
        (left, top, min(left + side, width), min(top + side, height))
        for top in starts(height)
        for left in starts(width)
    ]


def check_regions(picture: Size, regions: Sequence[Region]) -> list[Region]:
    """The regions clipped to a picture of (height, width) pixels.

    Raises:
        PatrolError: a region has no area inside the picture.
    """
    height, width = picture
    clipped = []
    for number, region in enumerate(regions):
        left, top, right, bottom = (int(side) for side in region)
        inside = (max(0, left), max(0, top), min(width, right), min(height, bottom))
        if inside[0] >= inside[2] or inside[1] >= inside[3]:
            raise PatrolError(
                f"the region has no area inside the picture of {width} x {height} pixels",
                field=f"regions[{number}]",
                value=tuple(region),
            )
        clipped.append(inside)
    return clipped


def merge(
    picture: Size, regions: Sequence[Region], found: Sequence[Detections], choice: Choice
) -> Detections:
    """What was found in regions of one picture, as detections of the whole picture.

    A box that ends at an inner border of its region is cut: it goes when a whole box of its kind from another
    region covers most of it, and is flagged else. Of boxes that overlap by more than the threshold the whole
    one stays, then the better one.

    Args:
        picture: height, width in pixels.
        regions: inside the picture.
        found: per region, in pixels of the region.
        choice: thresholds, and which classes are one kind.
    """
    parts = [
        _in_picture(detections, region, picture) for detections, region in zip(found, regions, strict=True)
    ]
    together = Detections(
        np.concatenate([np.empty((0, 4), np.float32), *(part.boxes for part in parts)]),
        np.concatenate([np.empty(0, np.float32), *(part.scores for part in parts)]),
        [label for part in parts for label in part.labels],
        np.concatenate([np.empty(0, np.bool_), *(part.cut for part in parts)]),
    )
    kinds = _kinds(together.labels, choice)
    together, kinds = _without_covered(together, kinds)
    # Whole boxes outrank cut ones: a score is at most 1, so one more point puts them first.
    rank = together.scores + np.where(together.cut, 0, 1).astype(np.float32)
    kept = together.take(nms(together.boxes, rank, choice.iou_threshold, kinds))
    return kept.take(np.argsort(-kept.scores, kind="stable"))


def _in_picture(detections: Detections, region: Region, picture: Size) -> Detections:
    left, top, right, bottom = region
    height, width = picture
    moved = detections.shifted(left, top)
    margin_x, margin_y = max(1.0, BORDER * (right - left)), max(1.0, BORDER * (bottom - top))
    boxes = moved.boxes
    cut = np.zeros(len(moved), np.bool_)
    if left > 0:
        cut |= boxes[:, 0] <= left + margin_x
    if top > 0:
        cut |= boxes[:, 1] <= top + margin_y
    if right < width:
        cut |= boxes[:, 2] >= right - margin_x
    if bottom < height:
        cut |= boxes[:, 3] >= bottom - margin_y
    return Detections(boxes, moved.scores, moved.labels, cut)


def _kinds(labels: Sequence[str], choice: Choice) -> NDArray[np.intp]:
    names = list(dict.fromkeys(labels))
    merged = [
        -1 if choice.merge_vehicles and name in VEHICLES else number for number, name in enumerate(names)
    ]
    return np.array([merged[names.index(label)] for label in labels], np.intp)


def _without_covered(detections: Detections, kinds: NDArray[np.intp]) -> tuple[Detections, NDArray[np.intp]]:
    whole = np.flatnonzero(~detections.cut)
    keep = np.ones(len(detections), np.bool_)
    for index in np.flatnonzero(detections.cut):
        box = detections.boxes[index]
        rivals = whole[kinds[whole] == kinds[index]]
        area = (box[2] - box[0]) * (box[3] - box[1])
        keep[index] = not (shared_area(box, detections.boxes[rivals]) >= COVERED * area).any()
    return detections.take(keep), kinds[keep]
