"""What a recording tells of the ground: where people set their feet, where vehicles drive, where they stand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.frames import Frame, Image
from edge_agent.perception.closer import RegionDetector, closer_look
from models.detections import Detection
from models.labels import VEHICLES
from protocol.errors import PatrolError
from zones import Box, footprint
from zones.geometry import iou, nested

Grid = NDArray[np.float32]

_SIDE = 640
"""Heat is kept at this width or less; a zone is not drawn finer than a few pixels of it."""

_PERSON = 0.3
_MOVING_VEHICLE = 0.35
_STANDING_VEHICLE = 0.25
"""Least scores. A standing vehicle is seen many times over, so single faint looks may count."""

_MOVED = 12.0
"""Mean difference from the middle picture, grey levels, from which what is detected is moving: a bush or a road mark that
passes for a person is part of the middle picture and differs by noise alone."""

_SAME_PLACE = 0.6
"""Overlap of two boxes from which they are one standing vehicle."""

_BACKGROUND = 41
"""Pictures of which the middle one is taken, spread over the recording."""

_LEAST_S, _LEAST_LOOKS, _LEAST_SHARE = 20.0, 5, 0.5
"""A vehicle stood: for this long (a third of a shorter recording), in so many pictures, in this share of them."""

_SURE = 0.15
"""Least answer of the closer looks, as for a case: road marks and heaps stay below it."""

_DRIVEN_OVER = 0.12
"""Where moving vehicles are in more than this share of the pictures is a lane, whatever seems to stand there."""

_APART = 0.4
"""Overlap from which two places are one."""


@dataclass(frozen=True, slots=True)
class Rest:
    """A vehicle that stood at one place.

    Attributes:
        box: median box, pixels of the picture.
        label: the class with the highest summed score.
        looks: in how many pictures it was found.
        share: `looks` by the pictures between the first and the last of them.
        seconds: from the first to the last of them.
        score: mean score.
        sure: closer looks' answer, how surely it is a vehicle at all; 0 where nobody looked.
        driven: share of the pictures in which a moving vehicle's footprint lay over its own.
    """

    box: Box
    label: str
    looks: int
    share: float
    seconds: float
    score: float
    sure: float = 0.0
    driven: float = 0.0


@dataclass(frozen=True, slots=True)
class Heat:
    """Sums over a recording; grids are `scale` times the picture's size.

    Attributes:
        width, height: the picture, pixels.
        scale: grid pixels per picture pixel.
        feet: how often somebody set foot there.
        wheels: how often a moving vehicle's footprint lay there.
        background: the picture without what moves, at grid size, BGR.
        last: the last picture, whole size.
        person_px: height of a person, picture pixels, as a line over the row of the feet: (slope, offset).
        people, passes: numbers of moving people and vehicles counted.
        rests: vehicles that stood.
        pictures, seconds: how much was looked at.
    """

    width: int
    height: int
    scale: float
    feet: Grid
    wheels: Grid
    background: Image
    last: Image
    person_px: tuple[float, float] | None
    people: int
    passes: int
    rests: tuple[Rest, ...]
    pictures: int
    seconds: float


@dataclass(slots=True)
class _Track:
    boxes: list[Box]
    first: int
    last: int
    first_ms: int
    last_ms: int
    score: float = 0.0
    votes: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Look:
    at_ms: int
    grey: NDArray[np.uint8]
    found: tuple[Detection, ...]


def gather(
    frames: Iterable[Frame],
    detector: RegionDetector,
    *,
    progress: Callable[[int], None] | None = None,
) -> Heat | None:
    """Look through a recording.

    Args:
        frames: pictures of one fixed camera, a second or so apart, all of one size.
        detector: finds vehicles and persons.
        progress: told the number of pictures looked at so far.

    Returns:
        What was seen, or None where there was no picture.

    Raises:
        PatrolError: the pictures differ in size.
    """
    looks: list[_Look] = []
    samples: list[tuple[int, Image]] = []
    keep_each = 1
    last: Image | None = None
    scale = 1.0
    for number, frame in enumerate(frames):
        height, width = frame.image.shape[:2]
        if last is not None and frame.image.shape != last.shape:
            raise PatrolError(
                f"picture {number + 1} has another size than those before it",
                value=f"{width}x{height}",
                mend="Use a recording of one camera with one setting.",
            )
        scale = min(1.0, _SIDE / width)
        small = cv2.resize(frame.image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)
        found = detector.detect_regions(frame.image, _regions(width, height))
        looks.append(_Look(frame.at_ms, grey, tuple(found)))
        if number % keep_each == 0:
            samples.append((number, frame.image))
            if len(samples) > _BACKGROUND:
                samples, keep_each = samples[::2], keep_each * 2
        last = frame.image
        if progress is not None:
            progress(number + 1)
    if last is None:
        return None
    shrunk = [
        cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for _, image in samples
    ]
    background = np.median(np.stack(shrunk), axis=0).astype(np.uint8)
    heat, tracks = _sum_up(looks, background, last, scale)
    return replace(heat, rests=_standing(heat, tracks, samples, detector))


def _regions(width: int, height: int) -> list[tuple[int, int, int, int]]:
    """The whole picture, and overlapping thirds of it for what is small."""
    across, down = round(width * 0.6), round(height * 0.6)
    corners = [(x, y) for y in (0, height - down) for x in (0, width - across)]
    return [(0, 0, width, height), *((x, y, x + across, y + down) for x, y in corners)]


def _sum_up(looks: list[_Look], background: Image, last: Image, scale: float) -> tuple[Heat, list[_Track]]:
    height, width = last.shape[:2]
    feet = np.zeros(background.shape[:2], np.float32)
    wheels = np.zeros_like(feet)
    still = cv2.cvtColor(background, cv2.COLOR_BGR2GRAY)
    sizes: list[tuple[float, float]] = []
    tracks: list[_Track] = []
    people = passes = 0
    for number, look in enumerate(looks):
        differs = np.asarray(cv2.absdiff(look.grey, still), np.uint8)
        for item in _one_each(look.found):
            left, top, right, bottom = box = _as_box(item.box)
            moving = _mean(differs, box, scale) >= _MOVED
            cut = bottom >= height - 2 or left <= 1 or right >= width - 1
            if item.label == "person":
                if item.score >= _PERSON and moving and bottom < height - 2:
                    people += 1
                    sizes.append((bottom, bottom - top))
                    _tread(feet, (left + right) / 2 * scale, bottom * scale, (right - left) * scale)
            elif item.label in VEHICLES:
                if moving and item.score >= _MOVING_VEHICLE:
                    passes += 1
                    outline = np.asarray(footprint(box, item.label).exterior.coords) * scale
                    _add(wheels, outline)
                if item.score >= _STANDING_VEHICLE and not cut:
                    _follow(tracks, box, item, number, look.at_ms)
    seconds = (looks[-1].at_ms - looks[0].at_ms) / 1000
    heat = Heat(
        width=width,
        height=height,
        scale=scale,
        feet=feet,
        wheels=wheels,
        background=background,
        last=last,
        person_px=_line(sizes),
        people=people,
        passes=passes,
        rests=(),
        pictures=len(looks),
        seconds=seconds,
    )
    return heat, tracks


def _standing(
    heat: Heat, tracks: list[_Track], samples: list[tuple[int, Image]], detector: RegionDetector
) -> tuple[Rest, ...]:
    """The vehicles that surely stood: seen often, most of the time, long enough, found again by closer looks, and not
    where others drive."""
    least_s = min(_LEAST_S, heat.seconds / 3)
    candidates = [(track, _rest(track, heat)) for track in tracks if len(track.boxes) >= _LEAST_LOOKS]
    candidates = [
        (track, rest)
        for track, rest in candidates
        if rest.share >= _LEAST_SHARE and rest.seconds >= least_s and rest.driven <= _DRIVEN_OVER
    ]
    candidates.sort(key=lambda pair: (-pair[1].looks * pair[1].score, pair[1].box))
    chosen: list[Rest] = []
    for track, rest in candidates:
        if any(max(iou(rest.box, other.box), nested(rest.box, other.box)) >= _APART for other in chosen):
            continue
        views = [image for number, image in samples if track.first <= number <= track.last]
        views = views or [samples[-1][1]]
        scores = [
            closer_look(detector, view, rest.box, VEHICLES) for view in views[:: max(1, len(views) // 3)]
        ]
        sure = round(float(np.median(scores)), 4)
        if sure >= _SURE:
            chosen.append(replace(rest, sure=sure))
    return tuple(sorted(chosen, key=lambda rest: rest.box))


def _follow(tracks: list[_Track], box: Box, item: Detection, number: int, at_ms: int) -> None:
    """Add a detection to the standing vehicle at its place, or begin one. A track keeps its first place: what creeps
    away from it is another one."""
    best = max(tracks, key=lambda track: iou(track.boxes[0], box), default=None)
    if best is None or iou(best.boxes[0], box) < _SAME_PLACE:
        best = _Track([], number, number, at_ms, at_ms)
        tracks.append(best)
    if best.boxes and best.last == number:
        return
    best.boxes.append(box)
    best.last, best.last_ms = number, at_ms
    best.score += float(item.score)
    best.votes[item.label] = best.votes.get(item.label, 0.0) + float(item.score)


def _rest(track: _Track, heat: Heat) -> Rest:
    left, top, right, bottom = (round(float(v), 1) for v in np.median(np.asarray(track.boxes), axis=0))
    looks = len(track.boxes)
    outline = np.asarray(footprint((left, top, right, bottom), "car").exterior.coords) * heat.scale
    place = np.zeros(heat.wheels.shape, np.uint8)
    cv2.fillPoly(place, [np.round(outline).astype(np.int32)], 1)
    over = float(heat.wheels[place > 0].mean()) if place.any() else 0.0
    return Rest(
        box=(left, top, right, bottom),
        label=max(track.votes, key=lambda label: (track.votes[label], label)),
        looks=looks,
        share=looks / (track.last - track.first + 1),
        seconds=(track.last_ms - track.first_ms) / 1000,
        score=round(track.score / looks, 4),
        driven=round(over / heat.pictures, 4),
    )


def _one_each(found: Iterable[Detection]) -> list[Detection]:
    kept: list[Detection] = []
    for item in sorted(found, key=lambda d: (-d.score, d.box)):
        if all(
            (item.label == "person") != (other.label == "person")
            or iou(_as_box(item.box), _as_box(other.box)) < 0.5
            for other in kept
        ):
            kept.append(item)
    return kept


def _mean(differs: NDArray[np.uint8], box: Box, scale: float) -> float:
    height, width = differs.shape
    left, top = max(0, int(box[0] * scale)), max(0, int(box[1] * scale))
    right, bottom = min(width, int(box[2] * scale) + 1), min(height, int(box[3] * scale) + 1)
    part = differs[top:bottom, left:right]
    return float(part.mean()) if part.size else 0.0


def _tread(grid: Grid, x: float, y: float, wide: float) -> None:
    """A foot print: an ellipse as wide as the person and a third as deep, for that is how the ground lies in a picture."""
    axes = (max(1, round(wide * 0.6)), max(1, round(wide * 0.25)))
    patch = np.zeros(grid.shape, np.uint8)
    cv2.ellipse(patch, (round(x), round(y)), axes, 0, 0, 360, 1, -1)
    grid += patch


def _add(grid: Grid, outline: NDArray[np.float64]) -> None:
    patch = np.zeros(grid.shape, np.uint8)
    cv2.fillPoly(patch, [np.round(outline).astype(np.int32)], 1)
    grid += patch


def _line(sizes: list[tuple[float, float]]) -> tuple[float, float] | None:
    """Height of a person over the row of the feet, by least squares; a mean where rows hardly differ."""
    if len(sizes) < 8:
        return None
    rows, heights = np.asarray(sizes).T
    if rows.std() < 8:
        return 0.0, float(np.median(heights))
    slope, offset = np.polyfit(rows, heights, 1)
    return (float(slope), float(offset)) if slope > 0 else (0.0, float(np.median(heights)))


def _as_box(values: Iterable[float]) -> Box:
    left, top, right, bottom = (float(v) for v in values)
    return (left, top, right, bottom)
