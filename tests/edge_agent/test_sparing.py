"""Which parts of a picture the detector looks at again where cameras are looked at rarely."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
import pytest

from edge_agent.attention import Camera, note_doubts, observe
from edge_agent.doubts import Doubts
from edge_agent.frames import Frame, Image
from edge_agent.perception import Eyes, EyesConfig
from edge_agent.perception._change import Steadier, middle, shrink
from edge_agent.perception.eyes import Region
from edge_agent.stays import CameraState, Stay, StayRules, Terms, step
from edge_agent.stays.appearance import look_at
from models.detections import Detections
from zones import Box, ZoneFile, ZoneIndex

WIDTH, HEIGHT = 1920, 1080
PERIOD_MS = 10_000
AGE_MS = 60_000

ZONES = ZoneFile.model_validate(
    {
        "picture": {"width": WIDTH, "height": HEIGHT},
        "zone": [
            {"id": "P1", "name": "Pavement", "polygon": [(0, 400), (1920, 400), (1920, 1000), (0, 1000)]}
        ],
    }
)
BACKGROUND = (
    np.random.default_rng(5).integers(60, 120, (HEIGHT // 8, WIDTH // 8, 3)).repeat(8, 0).repeat(8, 1)
)


class Finder:
    """Finds bright things, as a detector does: those in the regions that it is given. Notes the regions."""

    def __init__(self) -> None:
        self.asked: list[tuple[Region, ...]] = []
        self.score = 0.9
        self.label = "car"

    def detect(self, pictures: Sequence[Image]) -> list[Detections]:
        raise AssertionError("only regions are asked for")

    def detect_regions(self, picture: Image, regions: Sequence[Region]) -> Detections:
        self.asked.append(tuple(regions))
        boxes = []
        for left, top, right, bottom in regions:
            rows, columns = np.nonzero(picture[top:bottom, left:right].min(axis=2) > 240)
            if len(rows):
                boxes.append(
                    [left + columns.min(), top + rows.min(), left + columns.max() + 1, top + rows.max() + 1]
                )
        unique = sorted({tuple(map(int, box)) for box in boxes})
        count = len(unique)
        return Detections(
            np.array(unique, np.float32).reshape(count, 4),
            np.full(count, self.score, np.float32),
            [self.label] * count,
            np.zeros(count, np.bool_),
        )


class Street:
    """Shows pictures to sparing eyes, one a period."""

    def __init__(self, age_ms: int = 10 * AGE_MS, calm_ms: int = 0) -> None:
        self.finder = Finder()
        config = EyesConfig(sparing=True, max_age_ms=age_ms, calm_age_ms=calm_ms)
        self.eyes = Eyes(ZoneIndex(ZONES, WIDTH, HEIGHT), self.finder, 416, config)
        self.number = 0

    def look(
        self, *things: Box, force: bool = False, spare: bool = True, state: CameraState | None = None
    ) -> tuple[list[Region], list[Box]]:
        """The regions that were looked at, and what is seen."""
        self.number += 1
        before = len(self.finder.asked)
        frame = picture(self.number * PERIOD_MS, *things)
        seen = self.eyes.observe(frame, state or CameraState("cam"), force=force, spare=spare)
        return [r for asked in self.finder.asked[before:] for r in asked], [item.box for item in seen.seen]


def picture(at_ms: int, *things: Box) -> Frame:
    image = BACKGROUND.astype(np.uint8).copy()
    for left, top, right, bottom in things:
        image[int(top) : int(bottom), int(left) : int(right)] = 250
    return Frame("cam", at_ms, image, at_ms)


CAR: Box = (200, 500, 560, 800)


def walker(place: int) -> Box:
    return (100 + 300 * place, 600, 150 + 300 * place, 740)


def test_a_street_where_people_walk_is_looked_at_part_by_part_once_in_a_while() -> None:
    street = Street(AGE_MS)
    first, _ = street.look()
    assert first == street.eyes.regions

    def asked(*places: int) -> list[Region]:
        return [region for place in places for region in street.look(walker(place))[0]]

    # Nobody who passes is worth a look. After six periods everything is; the first time sooner, each camera at its own time.
    assert asked(0, 3, 1) == []
    assert asked(4, 2, 5, 1, 0) == street.eyes.regions
    assert asked(3) == []
    assert asked(4) == street.eyes.regions[:1]


def test_what_shows_no_change_for_long_is_looked_at_ever_more_rarely() -> None:
    street = Street(AGE_MS, calm_ms=5 * AGE_MS)
    street.look()
    whole = street.eyes.regions[0]
    asked = [number for number in range(1, 200) if whole in street.look()[0]]
    waits = [after - before for before, after in pairwise(asked)]
    assert waits[0] == AGE_MS // PERIOD_MS
    assert waits == sorted(waits)
    assert waits[-1] == 5 * AGE_MS // PERIOD_MS
    # Where something changes it begins again.
    (tile,) = street.look(CAR)[0]
    asked = [number for number in range(1, 20) if tile in street.look(CAR)[0]]
    assert asked[:3] == [1, 1 + AGE_MS // PERIOD_MS, 1 + 2 * AGE_MS // PERIOD_MS], "once more as it lasts"


def test_where_there_is_no_time_what_shows_no_change_waits_and_what_changes_does_not() -> None:
    street = Street(AGE_MS, calm_ms=5 * AGE_MS)
    first, _ = street.look(spare=False)
    assert first == street.eyes.regions[:1], "the parts have their turns when there is time"
    late = [region for _ in range(20) for region in street.look(spare=False)[0]]
    assert late == []
    assert street.look(CAR, spare=False)[1] == [CAR]
    assert street.look(force=True, spare=False)[0] == street.eyes.regions
    street = Street(AGE_MS, calm_ms=5 * AGE_MS)
    street.look(spare=False)
    asked = [region for _ in street.eyes.regions[1:] for region in street.look()[0]]
    assert sorted(asked) == sorted(street.eyes.regions[1:]), "one a picture"
    street = Street(AGE_MS, calm_ms=5 * AGE_MS)
    in_time = [region for _ in range(5 * AGE_MS // PERIOD_MS + 4) for region in street.look(spare=False)[0]]
    assert set(in_time) == set(street.eyes.regions), "nothing waits for ever"


def test_the_first_look_is_where_vehicles_stood_whatever_the_time() -> None:
    street = Street(AGE_MS, calm_ms=5 * AGE_MS)
    look = look_at(picture(0, CAR).image, CAR)
    assert look is not None
    stay = Stay("s", "car", 0, 0, CAR, CAR, (CAR,), look)
    regions, seen = street.look(CAR, spare=False, state=CameraState("cam", stays=(stay,)))
    assert regions[0] == street.eyes.regions[0]
    assert len(regions) > 1
    assert all(any(r[0] <= x < r[2] and r[1] <= y < r[3] for r in regions[1:]) for x, y in (CAR[:2], CAR[2:]))
    assert seen == [CAR]


def test_what_showed_behind_who_walked_in_the_first_picture_waits_for_time_to_spare() -> None:
    def asked(label: str, spares: Sequence[bool]) -> list[int]:
        street = Street()
        street.finder.label = label
        street.look(walker(3), walker(4))
        street.finder.label = "car"
        people = [(walker(1),), (walker(5),), (), (), ()]
        return [len(street.look(*who, spare=spare)[0]) for who, spare in zip(people, spares, strict=True)]

    now = asked("person", [True] * 5)
    assert now[0] == 0
    assert now[1] > 0
    assert now[2:] == [0, 0, 0]
    assert asked("person", [False, False, False, True, True]) == [0, 0, 0, now[1], 0]
    assert asked("person", [False] * 5) == [0] * 5
    assert asked("car", [False] * 5) == now, "a vehicle that leaves does not wait"


def test_nothing_waits_of_a_picture_that_was_looked_at_wholly() -> None:
    street = Street()
    street.finder.label = "person"
    street.look(walker(3), walker(4))
    for who in (walker(1), walker(5)):
        assert street.look(who, spare=False)[0] == []
    assert street.look(force=True, spare=False)[0] == street.eyes.regions
    assert street.look()[0] == []


def test_what_waits_waits_on_under_other_zones() -> None:
    street = Street()
    street.finder.label = "person"
    street.look(walker(3), walker(4))
    for who in (walker(1), walker(5)):
        assert street.look(who, spare=False)[0] == []
    street.eyes = street.eyes.with_zones(ZoneIndex(ZONES, WIDTH, HEIGHT))
    assert street.look()[0] != []
    assert street.look()[0] == []


@pytest.mark.parametrize("size", [1, 2, 3, 10, 97, 57_600])
def test_the_middle_is_the_median(size: int) -> None:
    rng = np.random.default_rng(size)
    for values in (rng.normal(0, 9, size), rng.integers(0, 4, size)):
        grey = values.astype(np.float32)
        assert middle(grey) == float(np.median(grey))


def test_a_vehicle_is_looked_at_at_once_in_the_tile_that_holds_it_and_stays_seen() -> None:
    street = Street()
    street.look()
    street.look()

    regions, seen = street.look(CAR)
    assert seen == [CAR]
    assert len(regions) == 1
    assert regions[0] != street.eyes.regions[0]
    assert regions[0][0] <= CAR[0]
    assert regions[0][2] >= CAR[2]
    street.look(CAR)
    asked, seen = street.look(CAR)
    assert (asked, seen) == ([], [CAR])
    _, seen = street.look()
    assert seen == [], "it has left"


def test_something_small_that_lasts_is_looked_at_in_the_second_picture() -> None:
    street = Street()
    street.look()
    street.look()
    small: Box = (1500, 600, 1640, 740)

    assert street.look(small) == ([], [])
    regions, seen = street.look(small)
    assert len(regions) == 1
    assert seen == [small]


def test_what_a_check_is_not_sure_of_is_looked_at_again_where_it_is_until_it_is_a_stay() -> None:
    street = Street()
    rules = StayRules.for_period(PERIOD_MS / 1000)
    camera = Camera("cam", street.eyes, rules, CameraState("cam"), "", "", doubts=Doubts())

    def look(at_s: int, score: float, *things: Box, again: bool = False) -> tuple[Box, ...]:
        street.finder.asked.clear()
        street.finder.score = score
        seen = observe(camera, picture(at_s * 1000, *things), force=False, again=again)
        camera.state, _ = step(camera.state, seen, street.eyes.index, rules)
        note_doubts(camera, seen, Terms(), again=again)
        assert camera.doubts is not None
        return camera.doubts.places

    heap: Box = (1300, 500, 1660, 800)
    assert look(0, 0.27, heap) == (), "who can say what is new in the first picture"
    assert look(10, 0.27, heap) == ()
    assert look(20, 0.27, heap, CAR) == (CAR,)
    assert look(22, 0.27, heap, CAR, again=True) == (CAR,)
    assert len(street.finder.asked) == len(street.finder.asked[0]) == 1, "the tile that holds it, no more"
    assert not camera.state.stays
    assert look(24, 0.31, heap, CAR, again=True) == ()
    assert [(stay.anchor, stay.first_ms) for stay in camera.state.stays] == [(CAR, 24_000)]
    # What walks is told by the pictures of checks alone, whatever a second look has shown.
    assert look(30, 0.31, heap, CAR) == ()
    assert look(32, 0.31, heap, CAR, walker(3), again=True) == ()
    assert look(40, 0.31, heap, CAR, walker(3)) == ()
    assert street.finder.asked == []


def test_a_recheck_looks_at_everything() -> None:
    street = Street()
    street.look()
    assert street.look(force=True)[0] == street.eyes.regions


def test_measuring_the_shake_leaves_the_picture_as_it_is() -> None:
    """OpenCV 5.0's phase correlation multiplies its inputs by the window."""
    steadier = Steadier()
    grey = shrink(BACKGROUND.astype(np.uint8))
    kept = grey.copy()
    steadier.shift(grey)
    steadier.shift(grey)
    assert (grey == kept).all()


@pytest.mark.parametrize(
    ("right", "down", "light"), [(0, 0, 1.0), (4, -3, 0.88), (-9, 7, 1.0), (20, 13, 1.1)]
)
def test_what_comes_to_stand_is_no_shake(right: int, down: int, light: float) -> None:
    """A bus that stands before a third of the picture shifts nothing, and hides no shift that there is."""
    smooth = cv2.GaussianBlur(BACKGROUND.astype(np.float32), (0, 0), 9) * 2 - 90
    bus = smooth.copy()
    bus[500:900, 300:1300] = 205
    bus[560:740, 340:1260:160] = bus[560:740, 380:1260:160] = 40
    steadier = Steadier()
    steadier.shift(shrink(smooth.astype(np.uint8)))
    moved = np.roll(bus, (down, right), axis=(0, 1)) * light
    answer = steadier.shift(shrink(np.clip(moved, 0, 255).astype(np.uint8)))
    assert [share * WIDTH for share in answer] == pytest.approx([right, down], abs=0.5)
