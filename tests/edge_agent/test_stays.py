"""What stands, stays; what passes, does not. Pictures are painted here, looks and overlaps are the real ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.frames import Image
from edge_agent.stays import (
    CameraState,
    Look,
    Observation,
    Seen,
    StayEnded,
    StayEvent,
    StayRules,
    StaySettled,
    StayWatched,
    step,
)
from edge_agent.stays.appearance import around, likeness, look_at
from zones import Box, ZoneFile, ZoneIndex

T0 = 1_767_225_600_000
WIDTH, HEIGHT = 320, 240
PERIOD_S = 2.0
RULES = StayRules.for_period(PERIOD_S)

ZONES = ZoneFile.model_validate(
    {
        "picture": {"width": WIDTH, "height": HEIGHT},
        "zone": [{"id": "P1", "name": "Pavement", "polygon": [(20, 100), (300, 100), (300, 200), (20, 200)]}],
    }
)
INDEX = ZoneIndex(ZONES, WIDTH, HEIGHT)

PLACE: Box = (100, 110, 180, 170)


@dataclass(frozen=True)
class Vehicle:
    """A painted vehicle; `seed` is its looks. Not painted: a box that the detector puts around what others are."""

    box: Box
    seed: int
    label: str = "car"
    detected: bool = True
    painted: bool = True
    score: float = 0.8


def texture(seed: int, width: int, height: int) -> Image:
    """A blocky pattern, like bodywork and windows; the same seed is the same vehicle."""
    coarse = np.random.default_rng(seed).integers(30, 225, size=(6, 8, 1), dtype=np.uint8).repeat(3, axis=2)
    rows = np.linspace(0, 5.999, height).astype(int)
    columns = np.linspace(0, 7.999, width).astype(int)
    painted: Image = coarse[rows][:, columns]
    return painted


def paint(vehicles: list[Vehicle], noise_seed: int, light: float = 1.0) -> Image:
    """A street with the vehicles in order, later ones nearer; light scales brightness."""
    picture = texture(1, WIDTH, HEIGHT).astype(np.float32) * 0.2 + 90
    for vehicle in vehicles:
        if not vehicle.painted:
            continue
        left, top, right, bottom = (int(v) for v in vehicle.box)
        picture[max(0, top) : bottom, max(0, left) : right] = texture(
            vehicle.seed, right - left, bottom - top
        )[max(0, -top) :, max(0, -left) :][: HEIGHT - max(0, top), : WIDTH - max(0, left)]
    picture = picture * light + np.random.default_rng(noise_seed).normal(0, 3, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


BARE = paint([], 0)


class Street:
    """Feeds painted pictures to `step` and keeps what happened."""

    def __init__(self, rules: StayRules = RULES) -> None:
        self.rules = rules
        self.state = CameraState("cam1")
        self.events: list[StayEvent] = []
        self.now = T0
        self.last = paint([], 1)
        self.knows_ground = True
        """Whether the places were seen empty before."""

    def look(
        self, vehicles: list[Vehicle], *, light: float = 1.0, jitter: int = 0, after_s: float = PERIOD_S
    ) -> None:
        self.now += round(after_s * 1000)
        picture = paint(vehicles, self.now % 100_003, light)
        moves = np.random.default_rng(self.now % 99_991).integers(
            -jitter, jitter + 1, size=(len(vehicles), 4)
        )
        seen = []
        for vehicle, move in zip(vehicles, moves, strict=True):
            if vehicle.detected:
                left, top, right, bottom = (float(v + m) for v, m in zip(vehicle.box, move, strict=True))
                box = (left, top, right, bottom)
                seen.append(Seen(box, vehicle.label, vehicle.score, look_at(picture, box)))
        patches = {s.id: look for s in self.state.stays if (look := look_at(picture, s.spot)) is not None}
        empty = {
            i: likeness(patch, ground)
            for i, patch in patches.items()
            if self.knows_ground and (ground := self._at(BARE, i)) is not None
        }
        calm = {
            i: likeness(patch, old)
            for i, patch in patches.items()
            if (old := self._at(self.last, i)) is not None
        }
        self.last = picture
        rings = {
            s.id: look for s in self.state.stays if (look := look_at(picture, around(s.spot))) is not None
        }
        self._take(Observation(self.now, tuple(seen), patches, empty, calm, rings=rings))

    def _at(self, picture: Image, stay_id: str) -> Look | None:
        return look_at(picture, next(s.spot for s in self.state.stays if s.id == stay_id))

    def blind(self, kind: str, after_s: float = PERIOD_S) -> None:
        self.now += round(after_s * 1000)
        self._take(Observation(self.now, usable=False, gap=kind))  # type: ignore[arg-type]

    def _take(self, seen: Observation) -> None:
        self.state, events = step(self.state, seen, INDEX, self.rules)
        self.events.extend(events)

    def of(self, kind: type) -> list[StayEvent]:
        return [event for event in self.events if isinstance(event, kind)]


CAR = Vehicle(PLACE, seed=7)


def test_a_parked_car_is_one_stay_for_an_hour() -> None:
    street = Street()
    for _ in range(720):
        street.look([CAR], jitter=2, after_s=5)
    assert len(street.of(StaySettled)) == 1
    assert street.of(StayEnded) == []
    stay = street.state.stays[0]
    assert stay.first_ms == T0 + 6000  # a second after the first look: it may have rolled the last inch
    assert stay.covered_ms == stay.last_ms - stay.first_ms
    assert all(e.proven for e in street.of(StayWatched) if isinstance(e, StayWatched))


@pytest.mark.parametrize(("high", "share"), [(20, 0.3), (24, 0.2), (30, 0.3), (40, 0.4), (60, 0.5)])
def test_a_box_of_any_size_that_trembles_at_the_edge_neither_comes_nor_goes(high: int, share: float) -> None:
    """Each side by 3 px, which is more than the gap between entering and leaving: the place is the boxes' median."""
    bottom = round(200 + (1 - share) * 0.4 * high)
    car = Vehicle((100, bottom - high, 100 + round(1.6 * high), bottom), seed=7)
    street, places = Street(), set()
    for _ in range(22):
        street.look([car], jitter=3)
        # The smallest are not taken for the same in every look: candidates come beside them and pass.
        settled = [stay for stay in street.state.stays if stay.settled]
        places.update((s.id, s.anchor, s.zone_id, s.why) for s in settled if len(s.recent) == 9)
    assert len(places) == 1
    assert len(street.of(StaySettled)) <= 1
    assert street.of(StayEnded) == []


def test_a_car_that_was_there_at_the_start_is_seen() -> None:
    street = Street()
    for _ in range(4):
        street.look([CAR])
    assert len(street.of(StaySettled)) == 1


def test_passing_traffic_never_settles() -> None:
    street = Street()
    for moment in range(200):
        street.look([Vehicle((moment * 37 % 300 - 40, 110, moment * 37 % 300 + 40, 170), seed=moment // 8)])
    assert street.events == []


def test_creeping_traffic_never_settles() -> None:
    """A queue that moves a quarter of a car's length every two seconds does not stand."""
    street = Street()
    for moment in range(40):
        left = (moment * 20) % 240
        street.look([Vehicle((left, 110, left + 80, 170), seed=3)])
    assert street.of(StaySettled) == []


def test_a_car_that_rolls_the_last_inch_is_proven_all_the_same() -> None:
    """Its first look was taken a few pixels before it stopped; that must not cast doubt on it for ever."""
    street = Street()
    street.look([Vehicle((96, 110, 176, 170), seed=7)])
    for _ in range(15):
        street.look([CAR])
    assert len(street.of(StaySettled)) == 1
    assert street.of(StayWatched)[-1].proven  # type: ignore[union-attr]


@pytest.mark.parametrize("pulls_out", [False, True], ids=["between two looks", "as a look is taken"])
def test_departure_is_told_with_its_first_moment(pulls_out: bool) -> None:
    """Also where nobody has seen the ground empty, and the last look shows the car already a little aside."""
    street, aside = Street(), Vehicle((114, 110, 194, 170), seed=7)
    street.knows_ground = not pulls_out
    for _ in range(10):
        street.look([CAR])
    if pulls_out:
        street.look([aside])
        assert street.state.stays[0].anchor == PLACE
        followed = street.state
        street.look([aside])
        assert street.state.stays[0].anchor == aside.box, "it only moved a little"
        street.state, street.now = followed, street.now - 2000
    left_at = street.now + 2000
    for _ in range(5):
        street.look([])
    ended = street.of(StayEnded)
    assert [(e.at_ms, e.reason) for e in ended if isinstance(e, StayEnded)] == [(left_at, "departed")]
    assert street.state.stays == ()


@pytest.mark.parametrize("looks", [3, 8, 30])
def test_a_bus_that_the_detector_does_not_know_ends_nothing_while_it_moves(looks: int) -> None:
    """Close to the lens a bus is a roof; nothing is detected, and the place shows neither car nor ground."""
    street = Street()
    for _ in range(10):
        street.look([CAR])
    for moment in range(looks):
        street.look([Vehicle((0, 0, 320, 240), seed=500 + moment, label="bus", detected=False)])
    assert street.of(StayEnded) == []
    street.look([CAR])
    street.look([CAR])
    assert len(street.of(StaySettled)) == 1
    assert [g.kind for g in street.state.stays[0].gaps] == ["occluded"]


def test_a_place_that_changed_for_good_means_that_the_car_has_left() -> None:
    """A heap of sand lies there now: not the ground that is remembered, but it does not move either."""
    street = Street()
    for _ in range(10):
        street.look([CAR])
    left_at = street.now + 2000
    for _ in range(20):
        street.look([Vehicle(PLACE, seed=77, detected=False)])
    assert [(e.reason, e.at_ms) for e in street.of(StayEnded) if isinstance(e, StayEnded)] == [
        ("departed", left_at)
    ]


@pytest.mark.parametrize("looks", [3, 8, 30])
def test_a_bus_that_hides_the_car_ends_nothing_and_counts_nothing(looks: int) -> None:
    bus = Vehicle((60, 90, 300, 230), seed=99, label="bus")
    street = Street()
    for _ in range(10):
        street.look([CAR])
    covered = street.state.stays[0].covered_ms
    for _ in range(looks):
        street.look([Vehicle(CAR.box, CAR.seed, detected=False), bus])
    assert street.of(StayEnded) == []
    assert street.state.stays[0].covered_ms == covered
    street.look([CAR])
    street.look([CAR])
    stay = next(s for s in street.state.stays if s.first_ms == T0 + 3000)
    assert stay.covered_ms == covered + 2000
    assert [g.kind for g in stay.gaps] == ["occluded"]
    assert len(street.of(StaySettled)) == 1


def test_a_detector_that_misses_a_standing_car_changes_nothing() -> None:
    street = Street()
    for moment in range(60):
        street.look([Vehicle(CAR.box, CAR.seed, detected=moment < 5 or moment % 3 == 0)])
    assert len(street.of(StaySettled)) == 1
    assert street.of(StayEnded) == []


def test_dusk_and_headlights_change_nothing() -> None:
    street = Street()
    for moment in range(300):
        flash = 1.25 if moment % 11 == 0 else 1.0
        street.look([CAR], light=max(0.3, 1 - moment / 400) * flash, jitter=1)
    assert len(street.of(StaySettled)) == 1
    assert street.of(StayEnded) == []


def test_another_car_in_the_same_place_is_another_stay() -> None:
    street = Street()
    for _ in range(10):
        street.look([CAR])
    for _ in range(10):
        street.look([Vehicle((103, 111, 183, 171), seed=8)])
    assert [e.reason for e in street.of(StayEnded) if isinstance(e, StayEnded)] == ["replaced"]
    assert len(street.of(StaySettled)) == 2


def test_the_same_model_a_little_aside_after_an_outage_is_not_taken_for_the_first() -> None:
    """Nobody watched for ten minutes; a twin stands 6 pixels further. No proof, so no continuity."""
    street = Street()
    for _ in range(10):
        street.look([CAR])
    twin = Vehicle((106, 112, 186, 172), seed=CAR.seed)
    street.look([twin], after_s=600)
    assert not any(
        e.proven for e in street.of(StayWatched) if isinstance(e, StayWatched) and e.at_ms == street.now
    )
    for _ in range(10):
        street.look([twin])
    assert len(street.of(StaySettled)) == 2


def test_the_same_car_after_an_outage_is_the_same_stay_with_a_gap() -> None:
    street = Street()
    for _ in range(10):
        street.look([CAR], jitter=1)
    covered = street.state.stays[0].covered_ms
    street.look([CAR], after_s=600)
    street.look([CAR])
    stay = street.state.stays[0]
    assert len(street.of(StaySettled)) == 1
    assert [(g.kind, g.end_ms - g.start_ms) for g in stay.gaps] == [("offline", 600_000)]
    assert stay.covered_ms == covered + 2000


@pytest.mark.parametrize("kind", ["dark", "frozen"])
def test_a_blind_camera_ends_nothing_and_counts_nothing(kind: str) -> None:
    street = Street()
    for _ in range(10):
        street.look([CAR])
    covered = street.state.stays[0].covered_ms
    for _ in range(100):
        street.blind(kind)
    street.look([CAR])
    stay = street.state.stays[0]
    assert stay.covered_ms == covered
    assert [g.kind for g in stay.gaps] == [kind]
    assert street.of(StayEnded) == []


def test_an_old_picture_changes_nothing() -> None:
    street = Street()
    for _ in range(5):
        street.look([CAR])
    before = street.state
    street.now -= 4000
    street.look([])
    assert street.state == before


def test_a_neighbour_that_leaves_does_not_take_the_car_with_it() -> None:
    street = Street()
    neighbour = Vehicle((182, 112, 262, 172), seed=21)
    for _ in range(10):
        street.look([CAR, neighbour], jitter=1)
    for _ in range(10):
        street.look([CAR], jitter=1)
    assert len(street.of(StayEnded)) == 1
    assert [s.label for s in street.state.stays] == ["car"]
    assert street.state.stays[0].covered_ms == 37_000


@given(st.integers(0, 2**31), st.integers(-3, 3), st.integers(-3, 3))
@settings(max_examples=60, deadline=None)
def test_likeness_knows_light_from_difference(seed: int, right: int, down: int) -> None:
    """The same place in another light is alike; another vehicle is not."""
    car = Vehicle(PLACE, seed)
    day = look_at(paint([car], 1), PLACE)
    dusk = look_at(paint([car], 2, light=0.4), PLACE)
    other = look_at(
        paint([Vehicle((PLACE[0] + right, PLACE[1] + down, PLACE[2], PLACE[3]), seed + 1)], 3), PLACE
    )
    assert day is not None
    assert dusk is not None
    assert other is not None
    assert likeness(day, dusk) > 0.9
    assert likeness(day, other) < 0.75


@given(st.integers(0, 2**31), st.integers(-8, 8), st.integers(-8, 8), st.integers(8, 600))
@settings(max_examples=15, deadline=None)
def test_a_twin_in_its_place_is_not_the_first_and_the_first_is(
    seed: int, right: int, down: int, away_s: int
) -> None:
    """Nobody watched. What stands there to the pixel goes on; a twin from two pixels aside on never does, however alike."""
    street = Street()
    car = Vehicle(PLACE, seed)
    for _ in range(8):
        street.look([car], jitter=1)
    moved = max(abs(right), abs(down))
    left, top, far, bottom = PLACE
    after = Vehicle((left + right, top + down, far + right, bottom + down), seed)
    street.look([after], after_s=away_s)
    for _ in range(4):
        street.look([after])
    first = [s for s in street.state.stays if s.first_ms == T0 + 3000]
    if moved == 0:
        assert len(first) == 1
        assert len(street.of(StaySettled)) == 1
    elif moved >= 2:
        assert first == []
        back = [e for e in street.of(StayWatched) if e.at_ms > T0 + 16_000 and e.stay.first_ms == T0 + 3000]
        assert not any(e.proven for e in back if isinstance(e, StayWatched))


def test_who_is_a_little_off_his_place_is_told_from_who_stands_there_to_the_inch() -> None:
    """Two pixels of eighty: a car that pulls out is seen so at most once; one that a push or a lamp moved is seen so again."""
    street = Street()
    for _ in range(10):
        street.look([CAR])
    assert street.state.stays[0].stirred == 0
    left, top, right, bottom = PLACE
    pushed = Vehicle((left + 2, top, right + 2, bottom), CAR.seed)
    for looks in (1, 2):
        street.look([pushed])
        assert (street.state.stays[0].verdict, street.state.stays[0].stirred) == ("present", looks)
    for _ in range(8):
        street.look([pushed])
    assert street.state.stays[0].stirred == 0, "by then it is known so"


@given(st.integers(0, 2**31), st.integers(1, 24), st.integers(200, 20_000))
@settings(max_examples=15, deadline=None)
def test_standing_never_begins_before_the_vehicle_stands(seed: int, left_px: int, every_ms: int) -> None:
    """It brakes at 1 m/s2, five metres long, and is seen at any moment of it, at any period. In the last quarter of a second it
    rolls three centimetres, half a pixel: no picture tells that from standing."""
    street = Street()
    rest_m = left_px / 80 * 5
    stands_ms = T0 + every_ms + round((2 * rest_m) ** 0.5 * 1000)
    for number in range(6):
        at_ms = T0 + (number + 1) * every_ms
        missing = max(0.0, (stands_ms - at_ms) / 1000) ** 2 / 2 / 5 * 80
        left, top, right, bottom = PLACE
        street.look([Vehicle((left - missing, top, right - missing, bottom), seed)], after_s=every_ms / 1000)
    assert all(stay.first_ms >= stands_ms - 250 for stay in street.state.stays if stay.settled)


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(1, 30)), min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_standing_time_is_never_more_than_the_time_that_passed(looks: list[tuple[bool, bool, int]]) -> None:
    street = Street()
    for there, detected, after_s in looks:
        street.look([Vehicle(PLACE, 7, detected=detected)] if there else [], after_s=after_s)
    for stay in street.state.stays:
        assert 0 <= stay.covered_ms <= stay.last_ms - stay.first_ms
        assert all(g.start_ms < g.end_ms for g in stay.gaps)
        total = stay.covered_ms + sum(g.end_ms - g.start_ms for g in stay.gaps)
        assert total == stay.last_ms - stay.first_ms, "every moment is covered or a gap with a kind"
