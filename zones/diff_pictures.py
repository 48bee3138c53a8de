"""A picture of what has changed between two zone files: ground gained, lost and kept, with a legend in words.

Gained and lost ground differ by colour and by the direction of their hatching, so that nobody has to tell colours
apart and a black and white print still says which is which.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from shapely import get_parts
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from protocol.errors import PatrolError
from zones.diff import Difference, forbidden_ground, same_shape
from zones.model import ZoneFile
from zones.pictures import Image

if TYPE_CHECKING:
    import cv2

Mask = NDArray[np.uint8]

_GAINED, _LOST, _KEPT = (30, 90, 235), (170, 120, 10), (150, 150, 150)
"""Blue, green, red: orange red, blue, grey; told apart by people who see no red or no green."""

_PAPER = (242, 244, 245)
_STRIP = (40, 36, 32)
_INK = (255, 255, 255)
_HALO = (20, 20, 20)

_WORDS = {
    "gained": "now forbidden, was not",
    "lost": "was forbidden, is not any more",
    "kept": "forbidden before and after",
    "others": "outlines: thin = old, thick = new, of zones that changed",
}


def draw_difference(
    old: ZoneFile,
    new: ZoneFile,
    difference: Difference,
    picture: Image | None = None,
    *,
    legend: bool = True,
) -> Image:
    """Both files over a picture of the camera, a legend with areas below.

    Args:
        old, new: the files that were compared.
        difference: what `compare` said of them.
        picture: a picture of the camera, any size of the same shape; without one a plain sheet.
        legend: whether a legend stands below.

    Raises:
        PatrolError: the files were drawn on pictures of different shapes.
    """
    if not same_shape(old, new):
        raise PatrolError(
            f"the files were drawn on pictures of different shapes ({old.picture.width}x{old.picture.height} and "
            f"{new.picture.width}x{new.picture.height}), so they cannot be drawn over one another",
            field="--out",
            mend="Leave --out away, or draw the new zones on a picture of the old camera.",
        )
    if picture is None:
        picture = np.full((new.picture.height, new.picture.width, 3), _PAPER, np.uint8)
    height, width = picture.shape[:2]
    unit = max(1.0, min(width, height) / 360)
    size = (height, width)
    before = forbidden_ground(old, (width / old.picture.width, height / old.picture.height))
    after = forbidden_ground(new, (width / new.picture.width, height / new.picture.height))
    canvas = _faded(picture)
    for shape, colour, slope in (
        (before.intersection(after), _KEPT, 0),
        (after.difference(before), _GAINED, 1),
        (before.difference(after), _LOST, -1),
    ):
        canvas = _fill(canvas, _mask(shape, size), colour, slope, unit)
    _outlines(canvas, old, new, difference, unit)
    return np.vstack([canvas, _legend(difference, width, unit)]) if legend else canvas


def _faded(picture: Image) -> Image:
    """Less colour and contrast, so that what is drawn stands out."""
    grey = picture.mean(axis=2, keepdims=True)
    return np.asarray(np.clip(picture * 0.35 + grey * 0.35 + 70, 0, 255), np.uint8)


def _mask(shape: BaseGeometry, size: tuple[int, int]) -> Mask:
    import cv2

    mask: Mask = np.zeros(size, np.uint8)
    for part in get_parts(shape):
        if not isinstance(part, Polygon) or part.is_empty:
            continue
        rings = [
            np.rint(np.asarray(ring.coords)).astype(np.int32) for ring in (part.exterior, *part.interiors)
        ]
        cv2.fillPoly(mask, rings, 255)
    return mask


def _fill(canvas: Image, mask: Mask, colour: tuple[int, int, int], slope: int, unit: float) -> Image:
    """Tint where the mask is set; with a slope, lines of full colour rise (1) or fall (-1) across it."""
    inside = mask > 0
    tinted: Any = canvas.astype(np.float32)
    weight = 0.55 if slope == 0 else 0.4
    tinted[inside] = tinted[inside] * (1 - weight) + np.array(colour, np.float32) * weight
    if slope:
        rows, columns = np.indices(mask.shape)
        gap = max(6, round(8 * unit))
        lines = (columns + slope * rows) % gap < max(2, gap // 4)
        tinted[inside & lines] = colour
    return np.asarray(np.clip(tinted, 0, 255), np.uint8)


def _outlines(canvas: Image, old: ZoneFile, new: ZoneFile, difference: Difference, unit: float) -> None:
    import cv2

    height, width = canvas.shape[:2]
    font = cv2.FontFace("uni")

    def points(file: ZoneFile, zone_id: str) -> NDArray[np.int32]:
        polygon = next(zone.polygon for zone in file.zone if zone.id == zone_id)
        factor = np.array([width / file.picture.width, height / file.picture.height])
        return np.asarray(np.rint(np.array(polygon) * factor), np.int32)

    for change in difference.zones:
        labels: list[tuple[NDArray[np.int32], str]] = []
        if change.change != "added":
            outline = points(old, change.was or change.id)
            cv2.polylines(canvas, [outline], True, _HALO, max(1, round(unit)), cv2.LINE_AA)
            labels = [(outline, f"{change.was or change.id} (gone)")]
        if change.change != "removed":
            outline = points(new, change.id)
            cv2.polylines(canvas, [outline], True, _INK, max(3, round(3.5 * unit)), cv2.LINE_AA)
            cv2.polylines(canvas, [outline], True, _HALO, max(2, round(2 * unit)), cv2.LINE_AA)
            labels = [(outline, f"{change.id} (new)" if change.change == "added" else change.id)]
        for outline, text in labels:
            inner = Polygon(outline.tolist()).representative_point()
            _write(canvas, text, (float(inner.x), float(inner.y)), 14 * unit, font)


def _write(canvas: Image, text: str, at: tuple[float, float], size: float, font: cv2.FontFace) -> None:
    import cv2

    height, width = canvas.shape[:2]
    pixels = max(9, round(size))
    _, _, wide, _ = cv2.getTextSize((width, height), text, (0, 0), font, pixels)
    x = round(min(max(3, at[0] - wide / 2), max(3, width - wide - 3)))
    y = round(min(max(pixels, at[1] + pixels / 2), height - 4))
    for dx, dy in ((-2, 0), (2, 0), (0, -2), (0, 2), (-1, -1), (1, 1), (-1, 1), (1, -1)):
        cv2.putText(canvas, text, (x + dx, y + dy), _HALO, font, pixels)
    cv2.putText(canvas, text, (x, y), _INK, font, pixels)


def _legend(difference: Difference, width: int, unit: float) -> Image:
    import cv2

    ground = difference.forbidden
    assert ground is not None, "files of one shape have ground to compare"
    font = cv2.FontFace("uni")
    pixels, row = max(9, round(12 * unit)), math.ceil(20 * unit)
    rows = [
        ("gained", _GAINED, 1, area_words(ground.gained_px, ground.gained_m2)),
        ("lost", _LOST, -1, area_words(ground.lost_px, ground.lost_m2)),
        ("kept", _KEPT, 0, area_words(ground.kept_px, ground.kept_m2)),
        ("others", None, 0, ""),
    ]
    strip = np.full((row * len(rows) + math.ceil(8 * unit), width, 3), _STRIP, np.uint8)
    for number, (name, colour, slope, area) in enumerate(rows):
        top = round(4 * unit) + number * row
        box = (slice(top + round(3 * unit), top + round(16 * unit)), slice(round(6 * unit), round(28 * unit)))
        if colour is None:
            middle = top + round(10 * unit)
            cv2.line(strip, (round(6 * unit), middle), (round(15 * unit), middle), _INK, max(1, round(unit)))
            cv2.line(
                strip, (round(18 * unit), middle), (round(28 * unit), middle), _INK, max(3, round(3 * unit))
            )
        else:
            patch = np.full((*strip[box].shape[:2], 3), _PAPER, np.uint8)
            strip[box] = _fill(patch, np.full(patch.shape[:2], 255, np.uint8), colour, slope, unit)
        text = _WORDS[name] + (f": {area}" if area else "")
        cv2.putText(strip, text, (round(36 * unit), top + round(15 * unit)), _INK, font, pixels)
    return strip


def area_words(px: float, m2: float | None) -> str:
    """``1,234 px²`` and, where that is known, square metres."""
    return f"{px:,.0f} px²" + ("" if m2 is None else f" ({m2:,.1f} m²)")
