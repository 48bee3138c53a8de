"""Pictures are decoded when there is room for them: no further ahead of those who look, and in the order of their coming."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import av
import numpy as np
import pytest
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.frames import Frame, Image
from edge_agent.ingest import SourceConfig, SteadyClock, VideoPacket
from edge_agent.ingest._room import LATE_S, Room
from edge_agent.ingest._session import Session
from edge_agent.ingest._slot import Slot
from edge_agent.ingest._time import SETTLE_MS
from protocol.clock import ManualClock

WAIT_S = 30.0
IMAGE = np.zeros((2, 2, 3), np.uint8)


Until = Callable[..., None]


class Guest(threading.Thread):
    """Waits for a place."""

    def __init__(self, enter: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._enter = enter
        self.inside = threading.Event()
        self.start()

    def run(self) -> None:
        self._enter()
        self.inside.set()


def test_who_came_first_goes_in_first(wait_until: Until) -> None:
    room = Room(2)
    for _ in range(2):
        room.enter(WAIT_S)
    guests: list[Guest] = []
    for count in range(1, 5):
        guests.append(Guest(lambda: room.enter(WAIT_S)))
        wait_until(lambda count=count: room.waiting == count)
    for number in range(4):
        assert [guest.inside.is_set() for guest in guests] == [n < number for n in range(4)]
        room.leave()
        assert guests[number].inside.wait(WAIT_S)
    assert (room.inside, room.waiting) == (2, 0)


def test_nobody_is_late_at_once_and_who_waits_is_in_the_end(wait_until: Until) -> None:
    room = Room(1)
    room.enter(WAIT_S)
    guest = Guest(lambda: room.enter(WAIT_S))
    wait_until(lambda: room.waiting == 1)
    wait_until(lambda: room.crowded)
    room.leave()
    assert guest.inside.wait(WAIT_S)
    assert not room.crowded


def test_who_loses_patience_goes_in_all_the_same_and_the_room_is_crowded_until_one_has_left() -> None:
    room = Room(1)
    room.enter(WAIT_S)
    room.enter(LATE_S / 50)
    assert room.inside == 2
    assert room.crowded
    room.leave()
    assert (room.inside, room.crowded) == (1, False)
    room.leave()
    assert room.inside == 0


@pytest.mark.parametrize("end", [Slot.hurry, Slot.close])
def test_a_camera_that_is_asked_or_stopped_waits_no_longer(
    end: Callable[[Slot], None], wait_until: Until
) -> None:
    room = Room(1)
    room.enter(WAIT_S)
    slot = Slot(room)
    guest = Guest(lambda: slot.reserve(10 * WAIT_S))
    wait_until(lambda: room.waiting == 1)
    end(slot)
    assert guest.inside.wait(WAIT_S)
    assert room.inside == (2 if end is Slot.hurry else 1)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["reserve", "put", "take", "give_up", "close"])))
)
def test_every_place_is_given_back(steps: list[tuple[int, str]]) -> None:
    room = Room(2)
    slots = [Slot(room) for _ in range(3)]
    held = [False] * 3
    shown = [False] * 3
    closed = [False] * 3
    for number, (which, step) in enumerate(steps):
        slot = slots[which]
        if step == "reserve":
            slot.reserve(0)
            held[which] |= not closed[which]
        elif step == "put":
            slot.put(Frame("cam", number, IMAGE, number))
            held[which] |= not closed[which]
            shown[which] = True
        elif step == "take":
            assert (slot.take(0) is not None) == shown[which]
            held[which] &= not shown[which]
            shown[which] = False
        elif step == "give_up":
            slot.give_up()
            held[which] &= shown[which]
        else:
            slot.close()
            held[which], closed[which] = False, True
        assert room.inside == sum(held)
    for slot in slots:
        slot.close()
    assert room.inside == 0


class Film:
    """A camera with a keyframe a second, read at once, and its decoder. Pictures are grey, darker where they are `damaged`."""

    heard_ms = 0

    def __init__(self, clock: ManualClock, seconds: int, damaged: frozenset[int] = frozenset()) -> None:
        self._clock = clock
        self._seconds = seconds
        self._damaged = damaged
        self.decoded: list[int] = []

    def open(self) -> Film:
        return self

    def packets(self) -> Iterator[VideoPacket]:
        for second in range(self._seconds):
            packet: Packet[VideoStream] = Packet(bytes([second]))  # type: ignore[assignment]
            yield VideoPacket(packet, second * 1000, keyframe=True)
            self._clock.advance(1000)

    def close(self) -> None: ...

    def interrupt(self) -> None: ...

    def alone(self, keyframe: Packet[VideoStream]) -> VideoFrame | None:
        second = bytes(keyframe)[0]
        self.decoded.append(second)
        if second in self._damaged:
            return None
        return av.VideoFrame.from_ndarray(np.full((16, 16, 3), second, np.uint8), format="bgr24")

    def next(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        raise AssertionError("keyframes alone")

    def reset(self) -> None: ...


class Desk:
    """Takes what a session delivers; `looks` says at which of the seconds it has a look."""

    def __init__(self, clock: ManualClock, looks: Callable[[int], bool]) -> None:
        self._clock = clock
        self._looks = looks
        self.slot = Slot(Room(1))
        self.room = self.slot._room
        self.began_ms = clock.monotonic_ms()
        self.taken: list[int] = []
        self.places: list[int] = []

    def cancelled(self) -> bool:
        frame = (
            self.slot.take(0) if self._looks((self._clock.monotonic_ms() - self.began_ms) // 1000) else None
        )
        if frame is not None:
            self.taken.append(int(frame.image[0, 0, 0]))
        self.places.append(self.room.inside)
        return False

    def wanted_now(self) -> bool:
        return False

    def untaken(self) -> bool:
        return self.slot.waiting_since() is not None

    def makes_room(self) -> None:
        self.slot.reserve(0)

    def gives_up(self) -> None:
        self.slot.give_up()

    def connected(self) -> None: ...

    def repeats(self, image: Image) -> bool:
        return False

    def deliver(self, image: Image, taken_ms: int) -> None:
        self.slot.put(Frame("cam", taken_ms, image, 0))

    def answered(self) -> None: ...

    def remark(self, text: str) -> None: ...


def played(
    film_s: int, looks: Callable[[int], bool], damaged: frozenset[int] = frozenset()
) -> tuple[Film, Desk]:
    """A camera that is looked at every two seconds, as long as its film lasts."""
    clock = ManualClock()
    film, desk = Film(clock, film_s, damaged), Desk(clock, looks)
    config = SourceConfig(url="rtsp://127.0.0.1/", sample_period_s=2)
    Session(film, config, SteadyClock(clock), desk).run()
    return film, desk


def test_no_picture_is_decoded_that_nobody_looks_at() -> None:
    assert SETTLE_MS <= 1000
    film, desk = played(20, lambda second: second % 7 == 6)
    assert film.decoded[:2] == [1, 6], "the first when it can be dated, the next when that was taken"
    assert desk.taken == film.decoded[: len(desk.taken)]
    assert len(film.decoded) <= len(desk.taken) + 1
    assert desk.room.inside == len(film.decoded) - len(desk.taken)


def test_what_cannot_be_decoded_takes_no_place_and_the_next_keyframe_is_tried() -> None:
    film, desk = played(8, lambda second: True, frozenset({1, 2, 5}))
    assert film.decoded[:3] == [1, 2, 3]
    assert 5 not in desk.taken
    assert set(desk.places) == {0}
    assert desk.room.inside == 0
