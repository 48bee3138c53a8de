"""One camera's eyes: detector on the part of the picture that matters, looks of places, when to skip inference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from edge_agent.frames import Frame, Image
from edge_agent.perception._change import Grey, Steadier, has_changed, is_dark, shrink
from edge_agent.stays import CameraState, Observation, Seen
from edge_agent.stays.appearance import Look, look_at
from models.detections import Detections
from protocol.clock import Millis
from zones import Box, ZoneIndex

Region = tuple[int, int, int, int]


class RegionDetector(Protocol):
    """What the eyes need of a detector."""

    def detect_regions(self, picture: Image, regions: list[Region]) -> Detections: ...


@dataclass(frozen=True, slots=True)
class EyesConfig:
    """How a camera is looked at.

    Attributes:
        margin: how far beyond the zones the detector looks, in shares of the zones' extent; vehicles stand
            half in, and what hides them comes from outside.
        detail: the largest reduction of the picture before the detector; above it, tiles are added.
        max_age_ms: inference is never skipped for longer than this.
        skip_unchanged: whether inference is skipped while nothing moves.
    """

    margin: float = 0.35
    detail: float = 2.6
    max_age_ms: int = 20_000
    skip_unchanged: bool = True


class Eyes:
    """Turns the pictures of one camera into observations.

    Args:
        index: the camera's zones, scaled to its pictures.
        detector: shared by all cameras.
        input_side: the detector's input side, pixels.
        config: how to look.
    """

    def __init__(
        self, index: ZoneIndex, detector: RegionDetector, input_side: int, config: EyesConfig
    ) -> None:
        self.index = index
        self._detector = detector
        self._config = config
        self._whole = _region(index, config.margin)
        self._regions = [self._whole, *_tiles(self._whole, round(input_side * config.detail))]
        self._steadier = Steadier()
        self._last_grey: Grey | None = None
        self._last_at_ms: Millis = 0
        self._last_detections: Detections | None = None
        self.inferences = 0
        self.skipped = 0

    @property
    def regions(self) -> list[Region]:
        """The parts of the picture on which the detector runs."""
        return list(self._regions)

    def observe(self, frame: Frame, state: CameraState, *, force: bool) -> Observation:
        """What the frame shows of the camera's zones and of the places where vehicles stand.

        Args:
            frame: the picture.
            state: whose stays' places are looked at.
            force: run the detector even if nothing changed (a recheck must not rest on an old inference).
        """
        left, top, right, bottom = self._whole
        grey = shrink(frame.image[top:bottom, left:right])
        if is_dark(grey):
            self._last_detections = None
            return Observation(frame.at_ms, usable=False, gap="dark")
        share = self._steadier.shift(grey)
        shift = (share[0] * (right - left), share[1] * (right - left))
        detections = self._detect(frame, grey, force=force)
        seen = tuple(
            Seen(
                _moved(_as_box(d.box), -shift[0], -shift[1]),
                d.label,
                round(float(d.score), 4),
                look_at(frame.image, _as_box(d.box)),
            )
            for d in detections
        )
        patches: dict[str, Look] = {}
        for stay in state.stays:
            patch = look_at(frame.image, _moved(stay.anchor, *shift))
            if patch is not None:
                patches[stay.id] = patch
        return Observation(frame.at_ms, tuple(sorted(seen, key=lambda s: s.box)), patches)

    def _detect(self, frame: Frame, grey: Grey, *, force: bool) -> Detections:
        recent = (
            self._last_detections is not None and frame.at_ms - self._last_at_ms < self._config.max_age_ms
        )
        if (
            not force
            and self._config.skip_unchanged
            and recent
            and self._last_detections is not None
            and self._last_grey is not None
            and not has_changed(self._last_grey, grey)
        ):
            self.skipped += 1
            return self._last_detections
        self._last_detections = self._detector.detect_regions(frame.image, self._regions)
        self._last_grey = grey
        self._last_at_ms = frame.at_ms
        self.inferences += 1
        return self._last_detections


def _as_box(values: object) -> Box:
    left, top, right, bottom = (round(float(v), 2) for v in values)  # type: ignore[attr-defined]
    return (left, top, right, bottom)


def _moved(box: Box, right: float, down: float) -> Box:
    if right == 0 and down == 0:
        return box
    return (
        round(box[0] + right, 2),
        round(box[1] + down, 2),
        round(box[2] + right, 2),
        round(box[3] + down, 2),
    )


def _region(index: ZoneIndex, margin: float) -> Region:
    """The zones' bounding box with a margin, at least a third of the picture each way, whole pixels."""
    left, top, right, bottom = index.bounds()
    side = max((right - left), (bottom - top)) * margin
    wide = max(right - left + 2 * side, index.width / 3)
    high = max(bottom - top + 2 * side, index.height / 3)
    middle = ((left + right) / 2, (top + bottom) / 2)
    x1 = max(0, min(round(middle[0] - wide / 2), index.width - round(wide)))
    y1 = max(0, min(round(middle[1] - high / 2), index.height - round(high)))
    return (x1, y1, min(index.width, x1 + round(wide)), min(index.height, y1 + round(high)))


def _tiles(whole: Region, side: int) -> list[Region]:
    """Overlapping tiles of at most `side` pixels, none where the whole is no larger."""
    left, top, right, bottom = whole
    if right - left <= side and bottom - top <= side:
        return []

    def starts(low: int, high: int) -> list[int]:
        length = high - low
        if length <= side:
            return [low]
        count = -(-(length - side // 4) // (side - side // 4))
        return [round(low + i * (length - side) / (count - 1)) for i in range(count)]

    return [
        (x, y, min(right, x + side), min(bottom, y + side))
        for y in starts(top, bottom)
        for x in starts(left, right)
    ]
