"""Cheap tests on a small grey copy of the picture: has anything changed, has the camera moved, is it dark?"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.frames import Image
from edge_agent.stays.appearance import Look, fitted, likeness, look_at
from zones import Box

SMALL_WIDTH = 320
"""Width of the small copy, pixels; one vehicle of interest covers several of its cells."""

CELL = 8
"""Side of a cell of the change test, small pixels."""

_CELL_CHANGE = 7.0
"""Mean grey difference of a cell that counts as change; sensor noise averages out below 2."""

_CELL_RESTS = 4.0
"""A cell that differs from the picture before by less than this is at rest."""

_LEAST_CELLS = 3
"""Fewer cells together are no vehicle worth a look of its own: where two passers-by happen to cover the same spot in two
pictures running, it seems to last. Smaller vehicles wait until the region has its turn."""

_VEHICLE_CELLS = 30
"""So many changed cells together (a thirtieth of the picture) are looked at at once. Fewer wait for the next picture, to
tell whether they last: people on a pavement are always somewhere else."""

_SLOWLY = 0.3
"""How fast such spots, and the light, become what lasts."""

_HIDDEN = 0.5
"""Share of a change that lay behind somebody in the first picture, from which it is that which they hid."""

_DARK_MEAN, _DARK_SPREAD = 14.0, 4.0
"""A picture darker and flatter than this shows nothing (lens cap, dead infrared)."""

_MAX_SHAKE = 0.02
"""Camera shake is followed up to this share of the width; anything larger is another view."""

_LEARN = 0.04
"""Share of each picture in the ground's memory: half is new after 17 pictures."""

_HALO = 0.1
"""Margin around vehicles, in shares of the box, that is not learned: mirrors, shadow, a loose box."""

_ENOUGH_KNOWN = 0.9
"""Share of a box that must have been seen empty before the ground under it counts as known."""

SEASONED = 3
"""Looks at a place without a vehicle after which it is known how it looks: at the first somebody may have stood there."""

LONG_SEASONED = 10
"""The same of a place at which something was found faintly: a car that stands there from the first picture on may be found
faintly for some looks, too."""

_DIM, _GREYISH = 60.0, 0.75
"""A picture is dim whose middle grey is below the one, or whose colours differ by less than the other (infrared)."""

_SHAKE_TRUST = 0.15
"""Least response of the phase correlation for its answer to be used."""

Grey = NDArray[np.float32]
Cells = NDArray[np.bool_]


def shrink(image: Image) -> Grey:
    """A grey copy 320 pixels wide, float32."""
    height, width = image.shape[:2]
    size = (SMALL_WIDTH, max(1, round(height * SMALL_WIDTH / width)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), dtype=np.float32)


def middle(values: Grey) -> float:
    """The median. NumPy's own takes seven times as long: it looks for values that are no numbers."""
    flat = values.ravel()
    half = flat.size // 2
    parted = np.partition(flat, half)
    upper = parted[half]
    return float(upper if flat.size % 2 else (parted[:half].max() + upper) / 2)


def is_dark(grey: Grey) -> bool:
    """Whether the picture shows nothing at all."""
    return float(grey.mean()) < _DARK_MEAN and float(grey.std()) < _DARK_SPREAD


def is_dim(image: Image, grey: Grey) -> bool:
    """Whether there is so little light that much looks like something else: drawn nights and dusks have a middle grey of 30 to 45,
    rain by day 73, real days 75 and more."""
    if middle(grey) < _DIM:
        return True
    blue, green, red = (image[::8, ::8, plane] for plane in range(3))
    most, least = np.maximum(np.maximum(blue, green), red), np.minimum(np.minimum(blue, green), red)
    return float((most - least).mean()) < _GREYISH


def has_changed(before: Grey, now: Grey) -> bool:
    """Whether any cell differs by more than noise, after a change of the whole picture's brightness is taken out."""
    if before.shape != now.shape:
        return True
    return bool(changed_cells(before, now).any())


def changed_cells(before: Grey, now: Grey, by: float = _CELL_CHANGE) -> Cells:
    """Which cells of 8 x 8 small pixels differ by more than noise; two pictures of one shape."""
    difference = now - before
    difference -= middle(difference)
    rows, columns = (side // CELL for side in now.shape)
    cells = difference[: rows * CELL, : columns * CELL].reshape(rows, CELL, columns, CELL).mean(axis=(1, 3))
    return np.asarray(np.abs(cells) > by)


class Lasting:
    """Tells what has come to rest from what only passes.

    A cell's lasting value is what it last showed in two pictures running. A passer-by differs from the lasting value and
    from the picture before; a vehicle that has stopped differs from the lasting value alone, once.
    """

    def __init__(self) -> None:
        self._lasting: Grey | None = None
        self._before: Grey | None = None
        self._hidden: Cells | None = None

    def hide(self, cells: Cells) -> None:
        """In these cells of the first picture somebody walks: what shows when they have gone on is hardly anything new."""
        self._hidden = cells

    def look(self, grey: Grey) -> tuple[Cells, Cells, Cells]:
        """The cells of this picture in which something is there that was not in the picture before (or hides it),
        those in which it was there in the picture before as well but is new to what lasted, and those of the latter in which it
        may have stood behind somebody who walked in the first picture."""
        lasting, before = self._lasting, self._before
        self._before = grey
        if lasting is None or before is None or lasting.shape != grey.shape:
            self._lasting = grey.copy()
            nothing = np.zeros((grey.shape[0] // CELL, grey.shape[1] // CELL), bool)
            return nothing, nothing, nothing
        moving = changed_cells(before, grey, _CELL_RESTS)
        differs = changed_cells(lasting, grey)
        hidden = np.zeros_like(moving) if self._hidden is None else self._hidden
        self._hidden = hidden & moving
        new, shown = np.zeros_like(moving), np.zeros_like(moving)
        for _, group in groups(differs & ~moving):
            if group.sum() >= _LEAST_CELLS:
                new |= group
                if (group & hidden).sum() >= _HIDDEN * group.sum():
                    shown |= group
        weight = np.where(new | ~differs, 1.0, np.where(moving, 0.0, _SLOWLY)).astype(np.float32)
        size = (grey.shape[1], grey.shape[0])
        lasting += cv2.resize(weight, size, interpolation=cv2.INTER_NEAREST) * (grey - lasting)
        return moving & differs, new, shown


def cells_in(polygon: Sequence[tuple[float, float]], shape: tuple[int, ...]) -> Cells:
    """Which cells of a small picture of this shape a polygon, given in its pixels, touches; and their neighbours."""
    rows, columns = (side // CELL for side in shape)
    painted = np.zeros((rows, columns), np.uint8)
    corners = np.round(np.array(polygon, np.float64) / CELL - 0.5).astype(np.int32)
    cv2.fillPoly(painted, [corners], (1,))
    cv2.polylines(painted, [corners], isClosed=True, color=(1,))
    return np.asarray(cv2.dilate(painted, np.ones((3, 3), np.uint8)) > 0)


def large(cells: Cells) -> Cells:
    """The cells whose group is as large as a vehicle near enough to matter; groups of passers-by are smaller."""
    kept = np.zeros_like(cells)
    for _, group in groups(cells):
        if group.sum() >= _VEHICLE_CELLS:
            kept |= group
    return kept


def groups(cells: Cells) -> list[tuple[Box, Cells]]:
    """Changed cells that touch one another: each group's box in small pixels, and its cells."""
    count, marks, stats, _ = cv2.connectedComponentsWithStats(cells.astype(np.uint8), connectivity=8)
    found: list[tuple[Box, Cells]] = []
    for number in range(1, count):
        left, top, width, height = (float(v) * CELL for v in stats[number][:4])
        found.append(((left, top, left + width, top + height), np.asarray(marks == number)))
    return found


def share_changed(cells: Cells, box: Box) -> float:
    """Share of a box (small pixels) whose cells have changed; 0 outside of the picture."""
    left, top, right, bottom = (int(v // CELL) for v in box)
    part = cells[max(0, top) : max(0, bottom) + 1, max(0, left) : max(0, right) + 1]
    return float(part.mean()) if part.size else 0.0


_AT_REST = 0.06
"""Cells of shake that are none."""

_SLOPE, _NOISE = 1.5, 4.0
"""A shake changes a cell by no more than its slope times so many cells, and this many grey levels of noise."""


class Steadier:
    """Follows small camera shake against a slowly renewed reference.

    A shake moves all of the picture, whatever came or left only a part. Phase correlation tells roughly how far, but what came drags
    its answer along by up to a pixel or two of a picture 960 wide, and that is as much as tells a vehicle from its like. So the answer is
    settled by least squares over the slopes of the reference, without the cells that have changed by more than any small shake
    makes of their slope.
    """

    def __init__(self) -> None:
        self._reference: Grey | None = None
        self._window: Grey | None = None

    def shift(self, grey: Grey) -> tuple[float, float]:
        """How far this picture is moved against the reference, as shares of the width: (right, down)."""
        if self._reference is None or self._reference.shape != grey.shape or self._window is None:
            self._reference = grey
            self._window = cv2.createHanningWindow((grey.shape[1], grey.shape[0]), cv2.CV_32F)  # type: ignore[assignment]
            return 0.0, 0.0
        # OpenCV 5.0 multiplies its inputs by the window in place.
        (right, down), response = cv2.phaseCorrelate(self._reference.copy(), grey.copy(), self._window)
        if response < _SHAKE_TRUST or max(abs(right), abs(down)) > _MAX_SHAKE * SMALL_WIDTH:
            return 0.0, 0.0
        if max(abs(right), abs(down)) > _AT_REST:
            # From near by it finds the way itself, and begins where nothing is dragged along.
            near = max(abs(right), abs(down)) < 1
            right, down = _settled(self._reference, grey, (0.0, 0.0) if near else (right, down))
        rests = max(abs(right), abs(down)) <= _AT_REST
        steady = grey if rests else moved(grey, -right, -down)
        self._reference = cv2.addWeighted(self._reference, 0.95, steady, 0.05, 0)  # type: ignore[assignment]
        return (0.0, 0.0) if rests else (right / SMALL_WIDTH, down / SMALL_WIDTH)


def _settled(reference: Grey, grey: Grey, start: tuple[float, float]) -> tuple[float, float]:
    """How far a picture is moved against the reference, (right, down) in cells, from a rough answer; that if it leads away."""
    # Every third row and second column: few numbers are asked of thousands of cells.
    across = (reference[2:-2:3, 3:-1:2] - reference[2:-2:3, 1:-3:2]) / 2
    along = (reference[3:-1:3, 2:-2:2] - reference[1:-3:3, 2:-2:2]) / 2
    slope = _SLOPE * np.hypot(across, along) + _NOISE
    before = reference[2:-2:3, 2:-2:2]
    right, down = start
    for _ in range(2):
        steady = moved(grey, -right, -down) if right or down else grey
        now = steady[2:-2:3, 2:-2:2]
        # The light is another: a cloud, an exposure.
        change = now * (middle(before) / max(1.0, middle(now))) - before
        same = np.abs(change) <= slope
        if not same.any():
            break
        terms = np.stack([-across[same], -along[same], np.ones(int(same.sum()), np.float32), before[same]])
        motion = fitted(terms, change[same], trims=1)
        right, down = right + float(motion[0]), down + float(motion[1])
    astray = max(abs(right - start[0]), abs(down - start[1])) > _SLOPE
    return start if astray else (right, down)


class Ground:
    """The scene without vehicles, learned slowly wherever none is detected or stands.

    What is passed by quickly hardly marks it; what a vehicle stood on before it came is remembered under it.
    """

    def __init__(self) -> None:
        self._mean: Grey | None = None
        self._known: NDArray[np.uint8] | None = None
        self._last: Grey | None = None

    def learn(self, grey: Grey, taken: list[Box]) -> None:
        """Take in a steadied picture; `taken` are the boxes of vehicles, small pixels."""
        free = np.ones(grey.shape, dtype=bool)
        for left, top, right, bottom in taken:
            across, down = (right - left) * _HALO, (bottom - top) * _HALO
            free[
                max(0, int(top - down)) : int(bottom + down) + 1,
                max(0, int(left - across)) : int(right + across) + 1,
            ] = False
        if self._mean is None or self._known is None or self._mean.shape != grey.shape:
            self._mean, self._known = grey.copy(), free.astype(np.uint8)
            return
        fresh = free & (self._known == 0)
        self._mean[fresh] = grey[fresh]
        old = free & (self._known > 0)
        self._mean[old] += _LEARN * (grey[old] - self._mean[old])
        self._known[free & (self._known < LONG_SEASONED)] += 1

    def compare(self, grey: Grey, box: Box) -> tuple[float | None, float, bool]:
        """Likeness of a box to the empty ground (None where that is not known), to the picture before, and whether the empty ground
        was seen more than once or twice."""
        now = look_at(grey, box)
        before = None if self._last is None or self._last.shape != grey.shape else look_at(self._last, box)
        calm = likeness(now, before) if now is not None and before is not None else 0.0
        return self.known(grey, box, 1, now), calm, self._seen_often(grey, box, SEASONED)

    def known(self, grey: Grey, box: Box, looks: int = SEASONED, now: Look | None = None) -> float | None:
        """Likeness of a box to what is remembered of it, None where that was not seen in so many looks; `now` is how the box looks,
        if that is at hand."""
        if self._mean is None or not self._seen_often(grey, box, looks):
            return None
        now, ground = now or look_at(grey, box), look_at(self._mean, box)
        return None if now is None or ground is None else likeness(now, ground)

    def _seen_often(self, grey: Grey, box: Box, looks: int) -> bool:
        """Whether most of a box was learned at so many looks at least."""
        if self._known is None or self._known.shape != grey.shape:
            return False
        left, top, right, bottom = (max(0, round(v)) for v in box)
        known = self._known[top:bottom, left:right]
        return bool(known.size and (known >= looks).mean() >= _ENOUGH_KNOWN)

    def remember(self, grey: Grey) -> None:
        """This was the picture before the next."""
        self._last = grey


def moved(grey: Grey, right: float, down: float) -> Grey:
    """The picture shifted by this many pixels."""
    matrix = np.array([[1, 0, right], [0, 1, down]], dtype=np.float32)
    size = (grey.shape[1], grey.shape[0])
    return np.asarray(cv2.warpAffine(grey, matrix, size, borderMode=cv2.BORDER_REPLICATE), dtype=np.float32)
