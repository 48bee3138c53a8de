"""Whether a bay is free: decided over several looks, never from one, and never from silence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.bays import BayLook, BayRules, BayState, BayWatch, status_at, step
from edge_agent.frames import Frame
from edge_agent.stays import Observation, Seen
from protocol.messages import BayReport
from tests.edge_agent.test_stays import Vehicle, paint
from zones import ZoneFile, ZoneIndex

T0 = 1_767_225_600_000
RULES = BayRules()
WIDTH, HEIGHT = 320, 240

ZONES = ZoneFile.model_validate(
    {
        "picture": {"width": WIDTH, "height": HEIGHT},
        "position": {"longitude": 116.33, "latitude": 39.91},
        "zone": [
            {
                "id": "P1",
                "name": "Pavement",
                "polygon": [(20, 200), (300, 200), (300, 235), (20, 235)],
            },
            {
                "id": "B1",
                "name": "Bay 1",
                "kind": "parking_bay",
                "classes": ["car"],
                "polygon": [(90, 120), (190, 120), (190, 180), (90, 180)],
            },
            {
                "id": "B2",
                "name": "Bay 2",
                "kind": "parking_bay",
                "position": {"longitude": 116.34, "latitude": 39.92},
                "polygon": [(200, 120), (300, 120), (300, 180), (200, 180)],
            },
        ],
    }
)
IN_B1 = Vehicle((100, 110, 180, 170), seed=7)
IN_B2 = Vehicle((210, 112, 290, 172), seed=8)
PASSING = [Vehicle((20 + 45 * n, 150, 110 + 45 * n, 215), seed=3) for n in range(5)]
BUS = Vehicle((60, 90, 310, 232), seed=9, label="bus")


@dataclass
class Street:
    """A camera with two bays; each second a picture."""

    second: int = 0

    def __post_init__(self) -> None:
        self.watch = BayWatch(ZoneIndex(ZONES, WIDTH, HEIGHT))

    @property
    def now(self) -> int:
        return T0 + self.second * 1000

    def look(
        self,
        vehicles: list[Vehicle],
        seconds: int = 1,
        *,
        missed: tuple[Vehicle, ...] = (),
        gap: str | None = None,
    ) -> Street:
        """So many seconds of this street; `missed` stand there but are not detected."""
        for _ in range(seconds):
            self.second += 1
            image = paint(vehicles, 11 + self.second % 4)
            frame = Frame("cam1", self.now, image, self.second)
            seen = tuple(Seen(v.box, v.label, 0.8) for v in vehicles if v not in missed)
            usable = gap is None
            self.watch.look(frame, Observation(self.now, seen, usable=usable, gap=gap or "offline"))
        return self

    def status(self, bay: str = "B1") -> str:
        return status_at(self.watch.states[bay], self.now, RULES)[0]

    def reason(self, bay: str = "B1") -> str:
        return status_at(self.watch.states[bay], self.now, RULES)[2]

    def report(self) -> BayReport | None:
        return self.watch.report("sanlihe", "box-1", "cam1", self.now)


def test_only_parking_bays_are_watched() -> None:
    street = Street().look([])
    assert set(street.watch.states) == {"B1", "B2"}
    assert not BayWatch(ZoneIndex(ZONES.model_copy(update={"zone": ZONES.zone[:1]}), WIDTH, HEIGHT))


def test_a_bay_is_free_only_after_it_was_seen_empty_for_long_enough() -> None:
    street = Street().look([], 20)
    assert street.status() == "unknown"
    assert street.look([], 10).status() == "free"


def test_a_car_that_comes_to_rest_takes_its_bay_and_no_other() -> None:
    street = Street().look([], 30).look([IN_B1], 2)
    assert street.status() == "free"
    street.look([IN_B1], 3)
    assert (street.status("B1"), street.status("B2")) == ("occupied", "free")


def test_a_car_that_was_there_at_the_start_is_seen() -> None:
    assert Street().look([IN_B1], 6).status() == "occupied"


def test_who_passes_takes_nothing() -> None:
    street = Street().look([], 30)
    for _ in range(6):
        for vehicle in PASSING:
            street.look([vehicle])
    assert street.status() == "free"


def test_a_bay_is_free_again_some_looks_after_the_car_has_left() -> None:
    street = Street().look([IN_B1], 10).look([], 6)
    assert street.status() == "occupied"
    assert street.look([], 6).status() == "free"


def test_a_car_that_the_detector_misses_keeps_its_bay() -> None:
    street = Street().look([IN_B1], 10).look([IN_B1], 300, missed=(IN_B1,))
    assert street.status() == "occupied"
    assert street.look([], 20).status() == "free"


def test_a_car_that_comes_unseen_by_the_detector_does_not_leave_the_bay_free() -> None:
    street = Street().look([], 40).look([IN_B1], 60, missed=(IN_B1,))
    assert street.status() == "free", "nothing is known against it yet"
    assert street.look([IN_B1], 60, missed=(IN_B1,)).status() == "unknown"
    assert street.reason() == "occluded"


def test_a_bus_before_the_bays_says_nothing_of_them() -> None:
    street = Street().look([IN_B1], 10).look([IN_B1, BUS], 60, missed=(IN_B1,))
    assert street.status() == "occupied"
    assert street.look([IN_B1, BUS], 60, missed=(IN_B1,)).status() == "unknown"
    street = Street().look([], 30).look([BUS], 120)
    assert street.status("B1") == "unknown"


@pytest.mark.parametrize("gap", ["dark", "frozen"])
def test_in_the_dark_nothing_is_known(gap: str) -> None:
    street = Street().look([], 30).look([], 91, gap=gap)
    assert (street.status(), street.reason()) == ("unknown", gap)
    assert street.look([], 20).status() == "unknown"
    assert street.look([], 10).status() == "free"


def test_a_silent_camera_makes_its_bays_unknown_without_another_picture() -> None:
    street = Street().look([], 30)
    street.second += 91
    assert (street.status(), street.reason()) == ("unknown", "offline")
    report = street.report()
    assert report is not None
    assert {bay.status for bay in report.bays} == {"unknown"}
    assert report.bays[0].observed_at_ms == T0 + 30_000


def test_a_report_is_sent_when_something_changes_and_now_and_then() -> None:
    street = Street().look([], 30)
    first = street.report()
    assert first is not None
    assert street.report() == first, "again until it was handed over"
    street.watch.told(first)
    assert street.look([], 100).report() is None
    assert street.look([], 21).report() is not None
    street.watch.told(street.report())  # type: ignore[arg-type]
    changed = street.look([IN_B2], 5).report()
    assert changed is not None
    by_id = {bay.bay_id: bay for bay in changed.bays}
    assert by_id["B2"].status == "occupied"
    assert by_id["B2"].since_ms == T0 + 152_000
    assert by_id["B2"].position is not None
    assert by_id["B2"].position.longitude == 116.34
    assert by_id["B1"].position is not None
    assert by_id["B1"].position.longitude == 116.33, "the file's, where the bay has none"
    assert by_id["B1"].allowed == ("car",)


def test_an_old_picture_changes_nothing() -> None:
    street = Street().look([], 30)
    before = dict(street.watch.states)
    frame = Frame("cam1", T0 + 1000, paint([IN_B1], 1), 1)
    street.watch.look(frame, Observation(T0 + 1000, (Seen(IN_B1.box, "car", 0.9),)))
    assert street.watch.states == before


_SIGHTS = st.sampled_from(["empty", "car", "elsewhere", "covered", "dark"])


def _as_look(sight: str, at_ms: int, jitter: float) -> BayLook:
    box = (100.0 + jitter, 110.0, 180.0 + jitter, 170.0)
    match sight:
        case "car":
            return BayLook(at_ms, standing={"B": (box, 0.9)})
        case "elsewhere":
            return BayLook(at_ms, standing={"B": ((300.0, 110.0, 380.0, 170.0), 0.9)})
        case "covered":
            return BayLook(at_ms, covered={"B": 0.9})
        case "dark":
            return BayLook(at_ms, usable=False, reason="dark")
    return BayLook(at_ms)


@given(
    st.lists(st.tuples(_SIGHTS, st.integers(1, 12), st.integers(200, 4000), st.floats(-3, 3)), max_size=12)
)
def test_free_is_never_said_of_a_bay_that_was_not_just_seen_empty(
    course: list[tuple[str, int, int, float]],
) -> None:
    """Whatever the order of looks: free needs several clear, empty ones in a row, occupied several at one place."""
    state, at_ms = BayState(since_ms=T0), T0
    history: list[tuple[int, str]] = []
    for sight, times, gap_ms, jitter in course:
        for _ in range(times):
            at_ms += gap_ms
            before = state
            state = step(state, "B", _as_look(sight, at_ms, jitter), 0.4, 0.25, RULES)
            history.append((at_ms, sight))
            if state.status != before.status and state.status != "unknown":
                wanted = {"free": {"empty"}, "occupied": {"car", "elsewhere"}}[state.status]
                last = history[-(RULES.free_hits if state.status == "free" else RULES.occupied_hits) :]
                assert {seen for _, seen in last} <= wanted
                assert at_ms - last[0][0] >= 0
                assert state.since_ms <= at_ms
            told, since_ms, _ = status_at(state, at_ms, RULES)
            assert since_ms <= at_ms
            if told != "unknown":
                assert state.seen_ms is not None
                assert at_ms - state.seen_ms <= RULES.stale_ms


def test_looks_of_a_bay_at_the_edge_of_the_picture_are_left_out() -> None:
    """A vehicle that is half outside is still counted by its footprint; nothing fails for want of pixels."""
    street = Street()
    frame = Frame("cam1", T0 + 1, np.zeros((HEIGHT, WIDTH, 3), np.uint8), 1)
    outside = Seen((-60.0, 110.0, -10.0, 170.0), "car", 0.9)
    street.watch.look(frame, Observation(T0 + 1, (outside,)))
    assert street.watch.states["B1"].status == "unknown"
