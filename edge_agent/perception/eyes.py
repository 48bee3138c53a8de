"""One camera's eyes: detector on the part of the picture that matters, looks of places, when to skip inference."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edge_agent.frames import Frame, Image
from edge_agent.perception._change import (
    CELL,
    LONG_SEASONED,
    Cells,
    Grey,
    Ground,
    Lasting,
    Steadier,
    cells_in,
    changed_cells,
    groups,
    has_changed,
    is_dark,
    is_dim,
    large,
    moved,
    share_changed,
    shrink,
)
from edge_agent.perception._merge import one_each, together
from edge_agent.perception._regions import Ages, holds, tiles, whole_region
from edge_agent.perception.closer import (
    Region,
    RegionDetector,
    as_box,
    closer_look,
    moved_box,
    wider_views,
)
from edge_agent.stays import CameraState, Observation, Seen, StayRules
from edge_agent.stays.appearance import Look, around, look_at
from edge_agent.stays.wholes import View
from models.detections import Detections
from protocol.clock import Millis
from zones import Box, ZoneIndex

_MOVED = 0.4
"""Share of a detection's box that has changed, from which it is no longer there."""


@dataclass(frozen=True, slots=True)
class EyesConfig:
    """How a camera is looked at.

    Attributes:
        score: detections below it are not used for tracking. Low, because a case also needs closer looks.
        sure: detections below it may be things that were always there.
        margin: how far beyond the zones the detector looks, in shares of the zones' extent; vehicles stand
            half in, and what hides them comes from outside.
        detail: the largest reduction of the picture before the detector; above it, tiles are added.
        max_age_ms: inference is never skipped for longer than this.
        calm_age_ms: of a camera that is looked at sparingly, a part of the picture in which nothing has changed for long, or for
            which there is no time, may be older than that, but never than this, if this is longer.
        skip_unchanged: whether inference is skipped while nothing moves.
        sparing: look again only at the parts of the picture in which something as large as a vehicle is new in a zone or
            where a vehicle stands, or something smaller lasts for two pictures; and of the other parts at one a picture,
            the one whose turn it is (`Ages`). For cameras that are looked at rarely, of which a box has many.
    """

    score: float = 0.2
    sure: float = StayRules().begin_score
    margin: float = 0.35
    detail: float = 2.6
    max_age_ms: int = 20_000
    calm_age_ms: int = 0
    skip_unchanged: bool = True
    sparing: bool = False


class Eyes:
    """Turns the pictures of one camera into observations.

    Args:
        index: the camera's zones, scaled to its pictures.
        detector: shared by all cameras; one detection an object, also down to low scores.
        input_side: the detector's input side, pixels.
        config: how to look.
    """

    def __init__(
        self, index: ZoneIndex, detector: RegionDetector, input_side: int, config: EyesConfig
    ) -> None:
        self.index = index
        self._detector = detector
        self._input_side = input_side
        self._config = config
        self._whole = whole_region(index, config.margin)
        self._regions = [self._whole, *tiles(self._whole, round(input_side * config.detail))]
        self._steadier = Steadier()
        self._ground = Ground()
        self._former = Ground()
        self._shift = (0.0, 0.0)
        self._last_grey: Grey | None = None
        self._last_at_ms: Millis = 0
        self._last_detections: Detections | None = None
        self._ages = Ages(config.max_age_ms, max(config.max_age_ms, config.calm_age_ms))
        self._zones: Cells | None = None
        self._new: Cells | None = None
        self._owed: Cells | None = None
        self._lasting: Lasting | None = Lasting() if config.sparing else None
        self.inferences = 0
        self.skipped = 0

    def with_zones(self, index: ZoneIndex) -> Eyes:
        """These eyes for other zones of the same pictures. What was learned of the scene stays, where the zones lie
        within the part of the picture that was looked at so far."""
        other = Eyes(index, self._detector, self._input_side, self._config)
        left, top, right, bottom = other._whole
        if (
            left >= self._whole[0]
            and top >= self._whole[1]
            and right <= self._whole[2]
            and bottom <= self._whole[3]
        ):
            other._whole, other._regions = self._whole, self._regions
            other._steadier, other._ground, other._former = self._steadier, self._ground, self._former
            other._last_grey, other._last_at_ms = self._last_grey, self._last_at_ms
            other._last_detections = self._last_detections
            other._ages = self._ages
            other._lasting, other._owed = self._lasting, self._owed
        other.inferences, other.skipped = self.inferences, self.skipped
        return other

    @property
    def regions(self) -> list[Region]:
        """The parts of the picture on which the detector runs."""
        return list(self._regions)

    def observe(self, frame: Frame, state: CameraState, *, force: bool, spare: bool = True) -> Observation:
        """What the frame shows of the camera's zones and of the places where vehicles stand.

        Args:
            frame: the picture.
            state: whose stays' places are looked at.
            force: run the detector even if nothing changed (a recheck must not rest on an old inference).
            spare: whether there is time for what can wait, see `EyesConfig.calm_age_ms`.
        """
        return self._observe(frame, state, force=force, spare=spare)

    def look_again(self, frame: Frame, state: CameraState, places: Sequence[Box]) -> Observation:
        """`observe` between two checks: the detector runs where these places are, and what comes to rest is told from what
        passes by the pictures of the checks alone, as if this one had not been."""
        return self._observe(frame, state, force=False, spare=True, places=places)

    def is_new(self, box: Box) -> bool:
        """Whether most of what the last `observe` showed in this box was not there before. Never, unless `sparing`."""
        return self._new is not None and share_changed(self._new, self._small(box, self._new)) >= _MOVED

    def _observe(
        self,
        frame: Frame,
        state: CameraState,
        *,
        force: bool,
        spare: bool,
        places: Sequence[Box] | None = None,
    ) -> Observation:
        left, top, right, bottom = self._whole
        grey = shrink(frame.image[top:bottom, left:right])
        if is_dark(grey):
            self._last_detections = None
            return Observation(frame.at_ms, usable=False, gap="dark")
        share = self._steadier.shift(grey)
        self._shift = shift = (share[0] * (right - left), share[1] * (right - left))
        detections = self._detect(frame, grey, state, force=force, spare=spare, places=places)
        size = (float(self.index.width), float(self.index.height))
        sure = one_each([d for d in detections if d.score >= self._config.score], size)
        patches: dict[str, Look] = {}
        rings: dict[str, Look] = {}
        empty: dict[str, float] = {}
        calm: dict[str, float] = {}
        before: dict[str, float] = {}
        factor = grey.shape[1] / (right - left)
        steady = moved(grey, -share[0] * grey.shape[1], -share[1] * grey.shape[1]) if any(share) else grey

        def small(box: Box) -> Box:
            x1, y1, x2, y2 = box
            return ((x1 - left) * factor, (y1 - top) * factor, (x2 - left) * factor, (y2 - top) * factor)

        seen = tuple(
            self._faint(
                Seen(
                    moved_box(as_box(d.box), -shift[0], -shift[1]),
                    d.label,
                    round(float(d.score), 4),
                    look_at(frame.image, as_box(d.box)),
                ),
                steady,
                small,
            )
            for d in sure
        )
        for stay in state.stays:
            patch = look_at(frame.image, moved_box(stay.spot, *shift))
            if patch is not None:
                patches[stay.id] = patch
            ring = look_at(frame.image, around(moved_box(stay.spot, *shift)))
            if ring is not None:
                rings[stay.id] = ring
            ground, calm[stay.id], seasoned = self._ground.compare(steady, small(stay.spot))
            if ground is not None:
                empty[stay.id] = round(ground, 4)
            if ground is not None and seasoned:
                before[stay.id] = empty[stay.id]
            elif (former := self._former.known(steady, small(stay.spot), LONG_SEASONED)) is not None:
                before[stay.id] = round(former, 4)
        self._learn(steady, seen, state, small)
        return Observation(
            frame.at_ms,
            tuple(sorted(seen, key=lambda s: s.box)),
            patches,
            empty,
            calm,
            rings=rings,
            before=before,
            dim=is_dim(frame.image[top:bottom, left:right], grey),
        )

    def _faint(self, item: Seen, steady: Grey, small: Callable[[Box], Box]) -> Seen:
        """A detection, with what is known of its place if it is faint."""
        if item.score >= self._config.sure or item.label == "person":
            return item
        ground = self._ground.known(steady, small(item.box))
        return item if ground is None else replace(item, before=round(ground, 4))

    def _learn(
        self, steady: Grey, seen: Sequence[Seen], state: CameraState, small: Callable[[Box], Box]
    ) -> None:
        """Remember the scene without anything that may be a vehicle; and, for what nobody saw come, the scene without those
        that are found surely enough to begin a stay: a shrub that is found faintly all the time was there before, too."""
        taken = [small(stay.spot) for stay in state.stays]
        vehicles = [(item.score, small(item.box)) for item in seen if item.label != "person"]
        self._ground.learn(steady, [*taken, *(box for _, box in vehicles)])
        self._ground.remember(steady)
        self._former.learn(steady, [*taken, *(box for score, box in vehicles if score >= self._config.sure)])

    def examine(self, image: Image, box: Box, labels: Collection[str], *, piece: Box | None = None) -> float:
        """A closer look at one box, see `closer_look`."""
        return closer_look(self._detector, image, box, labels, piece=piece)

    def wider(self, image: Image, box: Box) -> Iterator[View]:
        """Wider views around a box, see `wider_views`, in the picture that was observed last."""
        return wider_views(self._detector, image, box, self._shift)

    def look(self, image: Image, box: Box) -> Look | None:
        """The look of a box in the picture that was observed last."""
        return look_at(image, moved_box(box, *self._shift))

    def _detect(
        self,
        frame: Frame,
        grey: Grey,
        state: CameraState,
        *,
        force: bool,
        spare: bool,
        places: Sequence[Box] | None,
    ) -> Detections:
        last, before = self._last_detections, self._last_grey
        regions = self._regions
        factor = grey.shape[1] / (self._whole[2] - self._whole[0])
        if self._lasting is not None and places is None:
            moving, lasting, shown = self._lasting.look(grey)
            self._new = moving | lasting
        if places is not None and last is not None and before is not None and before.shape == grey.shape:
            regions = self._changed_regions(frame.at_ms, self._cells_of(places, grey, factor), factor)
            last = self._unmoved(last, changed_cells(before, grey))
        elif not force and self._config.skip_unchanged and last is not None and before is not None:
            if self._lasting is not None and before.shape == grey.shape:
                watched = self._watched(grey, state, factor)
                new = (self._in_time(lasting, shown, spare=spare) & watched) | large(moving & watched)
                regions = self._changed_regions(frame.at_ms, new, factor, spare=spare)
                last = self._unmoved(last, changed_cells(before, grey))
            elif frame.at_ms - self._last_at_ms < self._config.max_age_ms and not has_changed(before, grey):
                regions = []
        elif last is None and self._config.sparing and not spare and not force:
            # The other parts' turns come when there is time for them.
            stood_on = self._cells_of([stay.spot for stay in state.stays], grey, factor)
            regions = [self._whole, *self._covering(stood_on, factor)]
        if not regions and last is not None:
            self.skipped += 1
            return last
        found = self._detector.detect_regions(frame.image, regions)
        if len(regions) == len(self._regions):
            self._owed = None
        elif last is not None:
            found = together(last, found, regions)
        self._last_detections = found
        self._last_grey = grey
        self._last_at_ms = frame.at_ms
        if last is None and self._lasting is not None:
            people = [as_box(d.box) for d in found if d.label == "person"]
            self._lasting.hide(self._cells_of(people, grey, factor))
            self._ages.changed(self._regions, frame.at_ms)
            # All cameras of a box begin at once; they are not to grow old at once.
            ago_ms = round(_share(frame.camera_id) * self._config.max_age_ms)
            self._ages.looked(self._regions, frame.at_ms - self._config.max_age_ms)
            self._ages.looked(regions, frame.at_ms - ago_ms)
        else:
            self._ages.looked(regions, frame.at_ms)
        self.inferences += 1
        return found

    def _in_time(self, lasting: Cells, shown: Cells, *, spare: bool) -> Cells:
        """Where to look now of what lasts: what showed when somebody had gone on waits until there is time to spare."""
        owed = shown if self._owed is None or self._owed.shape != shown.shape else shown | self._owed
        self._owed = None if spare else owed
        return lasting | owed if spare else lasting & ~shown

    def _changed_regions(
        self, at_ms: Millis, cells: Cells, factor: float, *, spare: bool = True
    ) -> list[Region]:
        """Which regions to look at: for each change in a zone a tile that holds it wholly, or else the whole and the
        tiles that show a part of it; and one region whose turn it is, if there is time to spare."""
        wanted: list[Region] = []
        for box, group in groups(cells):
            left, top, right, bottom = (side / factor for side in box)
            left, right = left + self._whole[0], right + self._whole[0]
            top, bottom = top + self._whole[1], bottom + self._whole[1]
            # Tiles come after the whole: the last that fits shows most detail.
            fitting = [r for r in self._regions if holds(r, (left, top, right, bottom), self._whole)]
            if fitting[-1] != self._whole or len(self._regions) == 1:
                wanted += [] if any(region in wanted for region in fitting[1:]) else fitting[-1:]
            else:
                wanted += [self._whole, *self._covering(group, factor)]
        wanted = [region for region in self._regions if region in wanted]
        self._ages.changed(wanted, at_ms)
        oldest = self._ages.due(self._regions, at_ms, spare=spare)
        return wanted if oldest is None or oldest in wanted else [*wanted, oldest]

    def _covering(self, cells: Cells, factor: float) -> list[Region]:
        """As few tiles as show all these cells."""
        rows, columns = np.nonzero(cells)
        x = (columns + 0.5) * CELL / factor + self._whole[0]
        y = (rows + 0.5) * CELL / factor + self._whole[1]
        shown = {
            r: (r[0] <= x) & (x < r[2]) & (r[1] <= y) & (y < r[3]) for r in self._regions if r != self._whole
        }
        chosen: list[Region] = []
        left = np.ones(len(x), bool)
        while left.any() and shown:
            best = max(shown, key=lambda region: int((shown[region] & left).sum()))
            if not (shown[best] & left).any():
                break
            chosen.append(best)
            left &= ~shown[best]
        return chosen

    def _watched(self, grey: Grey, state: CameraState, factor: float) -> Cells:
        """The cells in which a change matters: those of the zones, and of the places where vehicles stand."""
        left, top = self._whole[:2]
        if self._zones is None or self._zones.shape != tuple(side // CELL for side in grey.shape):
            zones = np.zeros(tuple(side // CELL for side in grey.shape), bool)
            for zone_id in self.index.zones:
                corners = self.index.shape(zone_id).exterior.coords
                zones |= cells_in([((x - left) * factor, (y - top) * factor) for x, y in corners], grey.shape)
            self._zones = zones
        return self._zones | self._cells_of([stay.spot for stay in state.stays], grey, factor)

    def _cells_of(self, boxes: Sequence[Box], grey: Grey, factor: float) -> Cells:
        """The cells that boxes of the whole picture touch; and their neighbours."""
        left, top = self._whole[:2]
        found = np.zeros(tuple(side // CELL for side in grey.shape), bool)
        for x1, y1, x2, y2 in boxes:
            corners = [(x1, y1), (x2, y1), (x2, y2), (x1, y2)]
            found |= cells_in([((x - left) * factor, (y - top) * factor) for x, y in corners], grey.shape)
        return found

    def _small(self, box: Box, cells: Cells) -> Box:
        """A box of the whole picture in the pixels of the small copy that has these cells."""
        left, top, right, _ = self._whole
        factor = cells.shape[1] * CELL / (right - left)
        x1, y1, x2, y2 = box
        return ((x1 - left) * factor, (y1 - top) * factor, (x2 - left) * factor, (y2 - top) * factor)

    def _unmoved(self, last: Detections, cells: Cells) -> Detections:
        """Earlier detections without those at whose place the picture has changed since: they moved on."""
        keep = [
            number
            for number, box in enumerate(last.boxes)
            if share_changed(cells, self._small(as_box(box), cells)) < _MOVED
        ]
        return last if len(keep) == len(last) else last.take(np.array(keep, np.intp))


def _share(name: str) -> float:
    """A share from 0 up to 1 that is this name's own. No checksum: those of names that differ in a digit lie close together."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") / 2**32
