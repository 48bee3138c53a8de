"""Rounds of all cameras: several are looked at at once, and what comes of it does not depend on how many.

Pictures are painted and what is detected in them is scripted, by a number in the picture's corner; eyes, tracker, cases,
database and zone files are the real ones.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_agent.build import Perceiver, make_engine
from edge_agent.config import CameraConfig, ZonesSection
from edge_agent.engine import Event
from edge_agent.frames import Frame, Image
from edge_agent.identity import Identity
from edge_agent.perception import Eyes, EyesConfig
from edge_agent.rounds import Feed, Rounds, default_workers
from edge_agent.store import Store
from edge_agent.turns import Turns
from edge_agent.vault import Vault
from edge_agent.zone_updates import ZoneUpdates
from models.detections import Detections
from protocol.clock import ManualClock
from protocol.errors import UnavailableError
from protocol.messages import CameraHealth
from tests.edge_agent.publishing import CAR, CONFIRM_S, ONE, OTHER, SETTLE_S, T0, ScriptedDetector
from tests.edge_agent.test_stays import Vehicle, paint

WAIT_S = 30
VIEWS: list[list[Vehicle]] = [[], [CAR], [OTHER], [CAR, OTHER]]


class Detector(ScriptedDetector):
    """Sees what the number in the picture's corner stands for; `before` is done at each look, `closer` at each
    closer one."""

    def __init__(self, before: Callable[[Image], None], closer: Callable[[], None]) -> None:
        super().__init__()
        self._before = before
        self._closer = closer

    def detect_regions(self, picture: Image, regions: object) -> Detections:
        self._before(picture)
        view = VIEWS[picture[0, 0, 0]]
        return Detections([v.box for v in view], [0.8] * len(view), [v.label for v in view])

    def detect(self, pictures: Sequence[Image]) -> list[Detections]:
        self._closer()
        return super().detect(pictures)


class Film:
    """A source whose next picture is there as soon as it is put in."""

    def __init__(self, camera_id: str) -> None:
        self.camera_id = camera_id
        self.next: Frame | None = None

    def show(self, beat: int, view: int) -> None:
        image = np.ascontiguousarray(paint(VIEWS[view], 11 + beat % 4))
        image[0, 0] = (view, int(self.camera_id.removeprefix("cam")), beat % 256)
        self.next = Frame(self.camera_id, T0 + beat * 1000, image, beat)

    def take(self, timeout_s: float) -> Frame | None:
        taken, self.next = self.next, None
        return taken

    def health(self) -> CameraHealth:
        return CameraHealth(camera_id=self.camera_id, state="live", since_ms=T0)

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def request_now(self) -> None: ...


class Box:
    """The deciding part of an agent with some cameras."""

    def __init__(
        self, folder: Path, cameras: int, workers: int, detector: Detector, behind: Callable[[], bool]
    ) -> None:
        self.clock = ManualClock(T0)
        self.told: list[Event] = []
        self.decided = 0
        self.faults: list[tuple[str, str]] = []
        self.films = [Film(f"cam{n}") for n in range(cameras)]
        self.store = Store(folder / "agent.db", Vault.open(folder / "keys" / "box.key"))
        eyes = EyesConfig(skip_unchanged=False)
        perceiver: Any = Perceiver(detector, 320, "scripted", "0" * 64, None, eyes=eyes)  # type: ignore[arg-type]
        self.engine = make_engine(
            self.store, Identity("j", "a"), folder, perceiver, on_event=self.told.append
        )
        configs = []
        for film in self.films:
            zones = folder / f"{film.camera_id}.toml"
            zones.write_text(ONE.replace("cam1", film.camera_id), "utf-8")
            configs.append(
                CameraConfig.model_validate(
                    {
                        "id": film.camera_id,
                        "url": "rtsp://127.0.0.1/",
                        "zones": zones,
                        "sample_period_s": 1,
                    }
                )
            )
        updates = ZoneUpdates(configs, ZonesSection(), folder, self.store)
        self.rounds = Rounds(
            {config.id: Feed(config, film) for config, film in zip(configs, self.films, strict=True)},
            self.engine,
            updates,
            perceiver,
            self.clock,
            self._guarded,
            self._decided,
            workers=workers,
            behind=behind,
        )

    def _decided(self) -> None:
        self.decided += 1

    def _guarded(self, what: str, act: Callable[[], Any]) -> None:
        try:
            act()
        except UnavailableError as error:
            self.faults.append((what, str(error)))

    def beat(self, beat: int, views: Sequence[int | None]) -> bool:
        for film, view in zip(self.films, views, strict=True):
            if view is not None:
                film.show(beat, view)
        return self.rounds.look()

    def close(self) -> None:
        self.rounds.close()
        self.store.close()


@contextmanager
def box(
    folder: Path,
    cameras: int,
    workers: int,
    before: Callable[[Image], None] = lambda _: None,
    *,
    closer: Callable[[], None] = lambda: None,
    behind: Callable[[], bool] = lambda: False,
) -> Iterator[Box]:
    folder.mkdir()
    one = Box(folder, cameras, workers, Detector(before, closer), behind)
    try:
        yield one
    finally:
        one.close()


def test_two_workers_look_at_two_cameras_at_once(tmp_path: Path) -> None:
    meeting = threading.Barrier(2, timeout=WAIT_S)
    with box(tmp_path / "two", 4, 2, lambda _: meeting.wait() and None) as one:
        assert one.beat(0, [0, 0, 0, 0])
        assert one.decided == 4, "each look waits until another one is under way"
        assert not one.beat(1, [None] * 4)


def test_closer_looks_go_on_side_by_side_and_are_decided_on_in_turn(tmp_path: Path) -> None:
    """The first camera's closer look ends only after the second's has begun."""
    second = threading.Event()
    first: list[int] = []

    def closer() -> None:
        first.append(threading.get_ident())
        if threading.get_ident() != first[0]:
            second.set()
        assert second.wait(WAIT_S)

    with box(tmp_path / "two", 2, 2, closer=closer) as one:
        for beat in range(SETTLE_S + CONFIRM_S):
            one.beat(beat, [1, 1])
        assert one.faults == []
        cases = [event["camera"] for event in one.told if event["state"] == "confirmed"]
        assert cases == ["cam0", "cam1"]
    assert threading.get_ident() not in first


@pytest.mark.parametrize("behind", [False, True])
def test_who_is_behind_looks_without_time_to_spare_and_puts_closer_looks_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behind: bool
) -> None:
    spare: set[bool] = set()
    observe = Eyes.observe

    def noted(self: Eyes, *given: Any, **named: Any) -> Any:
        spare.add(named["spare"])
        return observe(self, *given, **named)

    monkeypatch.setattr(Eyes, "observe", noted)
    looks: list[int] = []
    beats = iter(range(1000))
    now = [0]
    with box(tmp_path / "one", 1, 1, closer=lambda: looks.append(now[0]), behind=lambda: behind) as one:
        for _ in range(SETTLE_S + CONFIRM_S):
            now[0] = next(beats)
            one.beat(now[0], [1])
    assert spare == {not behind}
    assert looks, "none is put off for ever"
    first = looks[0]
    with box(tmp_path / "other", 1, 1, closer=lambda: looks.append(now[0])) as one:
        looks.clear()
        beats = iter(range(1000))
        for _ in range(SETTLE_S + CONFIRM_S):
            now[0] = next(beats)
            one.beat(now[0], [1])
    assert first - looks[0] == (2 if behind else 0)


@pytest.mark.parametrize("behind", [False, True])
def test_checks_that_come_late_are_told_where_the_box_is_behind(tmp_path: Path, behind: bool) -> None:
    with box(tmp_path / "one", 2, 1, behind=lambda: behind) as one:
        for beat in range(0, 20):
            one.beat(beat, [0, 0])
        assert one.rounds.problems == []
        for beat in range(20, 60, 2):
            one.beat(beat, [0, 0])
        assert [problem.partition(":")[0] for problem in one.rounds.problems] == ["behind"] * behind


def test_how_long_a_closer_look_took_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    took: list[int] = []
    monkeypatch.setattr(Turns, "took", lambda _, spent_ms: took.append(spent_ms))
    with box(tmp_path / "one", 1, 1, closer=lambda: one.clock.advance(70)) as one:
        for beat in range(SETTLE_S + CONFIRM_S):
            one.beat(beat, [1])
    assert took
    assert all(spent_ms >= 140 and spent_ms % 70 == 0 for spent_ms in took), "two views at least"


def test_one_worker_is_the_deciding_thread(tmp_path: Path) -> None:
    seen: set[int] = set()
    with box(tmp_path / "one", 3, 1, lambda _: seen.add(threading.get_ident())) as one:
        one.beat(0, [0, 0, 0])
    assert seen == {threading.get_ident()}


@pytest.mark.parametrize("workers", [2, 4])
def test_what_is_told_does_not_depend_on_who_was_faster(tmp_path: Path, workers: int) -> None:
    """Five cameras, one of which misses pictures; the first camera's look ends last, in each round."""
    rng = np.random.default_rng(5)
    script: list[list[int | None]] = []
    for beat in range(40):
        stands = [1 if 4 * n <= beat < 20 + 4 * n else 0 for n in range(4)]
        script.append([*stands, None if rng.random() < 0.4 else 3])

    def played(name: str, count: int, before: Callable[[Image], None] = lambda _: None) -> list[Event]:
        with box(tmp_path / name, 5, count, before) as one:
            for beat, views in enumerate(script):
                one.beat(beat, views)
            assert one.decided == sum(view is not None for views in script for view in views)
            assert one.faults == []
            return one.told

    others = threading.Semaphore(0)

    def slow(image: Image) -> None:
        """The first camera waits for the second."""
        camera = int(image[0, 0, 1])
        if camera == 0:
            assert others.acquire(timeout=WAIT_S)
        elif camera == 1:
            others.release()

    expected = played("alone", 1)
    assert {event["camera"] for event in expected} == {f"cam{n}" for n in range(5)}
    assert {"observing", "confirmed", "unnotifiable", "closed"} <= {event["state"] for event in expected}
    assert played("together", workers, slow) == expected


def test_a_fault_of_one_camera_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    def fails(image: Image) -> None:
        if image[0, 0, 1] == 1 and image[0, 0, 2] == 1:
            raise UnavailableError("no memory is left")

    with box(tmp_path / "some", 5, 2, fails) as one:
        for beat in range(3):
            one.beat(beat, [0] * 5)
        assert one.faults == [("camera cam1", "no memory is left")]
        assert one.decided == 14


def test_a_round_that_an_error_ended_leaves_nothing_to_the_next(tmp_path: Path) -> None:
    def breaks(image: Image) -> None:
        if image[0, 0, 1] == 0 and image[0, 0, 2] == 1:
            raise RuntimeError("a fault of the program")

    with box(tmp_path / "some", 3, 2, breaks) as one:
        one.beat(0, [0] * 3)
        with pytest.raises(RuntimeError, match="a fault of the program"):
            one.beat(1, [0] * 3)
        before = one.decided
        one.beat(2, [0] * 3)
        assert one.decided == before + 3


def test_as_many_as_there_are_cores_and_four_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, workers in ((1, 1), (2, 2), (4, 4), (64, 4)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, cores=cores: set(range(cores)))
        assert default_workers() == workers
