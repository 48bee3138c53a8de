"""Make people and other vehicles' plates unrecognisable before a picture leaves the box.

Works from boxes that the detector already gave; no faces are searched for. The regions are chosen generously:
too much covered costs a little scenery, too little exposes somebody who has nothing to do with the case.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from edge_agent.frames import Image

HEAD_SHARE = 0.3
"""Share of a person's box, from its top, that holds the head. A standing person's head is about 1/8 of the
height; a crouching, seated or cut-off one's up to 0.3."""

HEAD_MARGIN = 0.15
"""Share of a person's width and head height added on each side: detectors' boxes are a little tight."""

PLATE_SHARE = 0.55
"""Share of a vehicle's box, from its bottom, that can hold a plate, seen from any side and height."""

BLOCKS = 6
"""Mosaic blocks along a region's shorter side. A face of 6 blocks cannot be recognised, a plate not be read."""

SMALLEST_BLOCK = 8
"""Pixels."""

Box = tuple[float, float, float, float]
Region = tuple[int, int, int, int]
"""Left, top, right, bottom in whole pixels, right and bottom excluded."""


def head_region(person: Box) -> Box:
    """Where the head of a person in this box is."""
    left, top, right, bottom = person
    height = (bottom - top) * HEAD_SHARE
    side, above = (right - left) * HEAD_MARGIN, height * HEAD_MARGIN
    return (left - side, top - above, right + side, top + height)


def plate_region(vehicle: Box) -> Box:
    """Where a plate of a vehicle in this box can be."""
    left, top, right, bottom = vehicle
    return (left, bottom - (bottom - top) * PLATE_SHARE, right, bottom)


def hidden_regions(
    shape: tuple[int, ...], people: Sequence[Box], vehicles: Sequence[Box], keep: Box | None = None
) -> tuple[Region, ...]:
    """The regions to hide, in whole pixels inside the picture.

    Args:
        shape: the picture's shape, height first.
        people: boxes of persons, riders included; pixels.
        vehicles: boxes of vehicles that have nothing to do with the case.
        keep: box of the vehicle the case is about. No plate region reaches into it, for a neighbour's box
            often overlaps it and its own plate must stay readable; heads are hidden there as well.
    """
    heads = [_clip(head_region(person), shape) for person in people]
    plates = [_clip(plate_region(vehicle), shape) for vehicle in vehicles]
    if keep is not None:
        kept = _clip(keep, shape)
        plates = [piece for plate in plates for piece in _without(plate, kept)]
    return tuple(region for region in (*heads, *plates) if region[0] < region[2] and region[1] < region[3])


def hide(image: Image, regions: Sequence[Region]) -> Image:
    """A copy of a picture with regions turned into a coarse mosaic; the picture itself is not touched.

    Args:
        image: height x width x 3, uint8, BGR.
        regions: from `hidden_regions`.
    """
    hidden = image.copy()
    for left, top, right, bottom in regions:
        # From the untouched picture: a mosaic of a mosaic would depend on the order of the regions.
        part = image[top:bottom, left:right]
        height, width = part.shape[:2]
        block = max(SMALLEST_BLOCK, min(height, width) // BLOCKS)
        coarse = cv2.resize(
            part, (max(1, width // block), max(1, height // block)), interpolation=cv2.INTER_AREA
        )
        hidden[top:bottom, left:right] = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST)
    return hidden


def mask_people(
    image: Image, people: Sequence[Box], vehicles: Sequence[Box] = (), keep: Box | None = None
) -> Image:
    """A copy of a picture in which people's heads and other vehicles' plates cannot be recognised.

    Args:
        image: height x width x 3, uint8, BGR.
        people, vehicles, keep: see `hidden_regions`.
    """
    return hide(image, hidden_regions(image.shape, people, vehicles, keep))


def _clip(box: Box, shape: tuple[int, ...]) -> Region:
    """The box grown to whole pixels, cut to the picture. Cutting is right here: nothing is decided by it."""
    left, top = np.floor(box[:2]).astype(int)
    right, bottom = np.ceil(box[2:]).astype(int)
    height, width = shape[:2]
    return (max(0, int(left)), max(0, int(top)), min(width, int(right)), min(height, int(bottom)))


def _without(region: Region, kept: Region) -> list[Region]:
    """A region less another one: up to four pieces, above, below, left and right of it."""
    left, top, right, bottom = region
    inner = (max(left, kept[0]), max(top, kept[1]), min(right, kept[2]), min(bottom, kept[3]))
    if inner[0] >= inner[2] or inner[1] >= inner[3]:
        return [region]
    pieces = [
        (left, top, right, inner[1]),
        (left, inner[3], right, bottom),
        (left, inner[1], inner[0], inner[3]),
        (inner[2], inner[1], right, inner[3]),
    ]
    return [piece for piece in pieces if piece[0] < piece[2] and piece[1] < piece[3]]
