"""The round of all cameras: the newest picture of each in its turn; then, where the round is not late, second looks.

Several cameras' pictures are looked at at once where there are cores for it. What happens in them is decided on by one thread, in
the cameras' order, so that nothing depends on who was faster.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

from edge_agent.attention import Outlook
from edge_agent.build import Perceiver
from edge_agent.config import CameraConfig
from edge_agent.engine import Engine
from edge_agent.frames import Frame
from edge_agent.glances import Glance
from edge_agent.ingest import Source
from edge_agent.second_looks import SecondLooks
from edge_agent.stays import GapKind, Observation
from edge_agent.turns import Load, Turns
from edge_agent.zone_updates import ZoneUpdates
from protocol.clock import Clock, Millis
from protocol.errors import PatrolError, UnavailableError

_GAPS: dict[str, GapKind] = {"frozen": "frozen"}

_MOST_WORKERS = 4
"""As many by default: what Python itself does between two inferences lets no more of them run at once."""

_AHEAD = 8
"""Pictures a worker that are under way at most, from when they are looked at until they are decided on: while one vehicle is looked at closely,
which takes up to a second, the other cameras' pictures go on. One of 1080p takes 6 MB."""

_LATE_PERIODS = 1.5
"""A check that comes so long after the last one is late."""

Guarded = Callable[[str, Callable[[], Any]], None]
"""Does something; a fault of a named part is told in the agent's health."""


@dataclass(slots=True)
class Feed:
    """One camera of the running agent."""

    config: CameraConfig
    source: Source
    gap: GapKind = "offline"
    size: tuple[int, int] | None = None
    problem: str | None = None
    checked_ms: Millis | None = None


@dataclass(frozen=True, slots=True)
class _Shown:
    """A picture that is looked at. `seen` waits for what it shows."""

    frame: Frame
    feed: Feed
    again: bool
    seen: Callable[[], Observation]


@dataclass(frozen=True, slots=True)
class _Considered:
    """A picture that is attended to. `outcome` waits for what comes of it, or raises what went wrong before."""

    shown: _Shown
    outcome: Callable[[], tuple[Glance, Outlook]]
    done: Callable[[], bool]


def default_workers() -> int:
    """How many cameras' pictures are looked at at once where the configuration does not say."""
    return min(_MOST_WORKERS, len(os.sched_getaffinity(0)))


class Rounds:
    """Shows the engine the cameras' pictures. For the deciding thread alone.

    Args:
        feeds: the cameras, in the order of the round.
        engine: decides.
        zones: gives a camera its zones once the size of its pictures is known.
        perceiver: the models.
        clock: the agent's.
        guarded: whose faults do not end the round.
        decided: called after each picture.
        workers: pictures that are looked at at once; one is looked at in the deciding thread itself.
        behind: whether more pictures wait than are looked at.
    """

    def __init__(
        self,
        feeds: Mapping[str, Feed],
        engine: Engine,
        zones: ZoneUpdates,
        perceiver: Perceiver,
        clock: Clock,
        guarded: Guarded,
        decided: Callable[[], None],
        *,
        workers: int = 1,
        behind: Callable[[], bool] = lambda: False,
    ) -> None:
        self._feeds = feeds
        self._engine = engine
        self._zones = zones
        self._perceiver = perceiver
        self._clock = clock
        self._guarded = guarded
        self._decided = decided
        self._turns = Turns(behind)
        self._load = Load()
        self._second = SecondLooks()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="looking") if workers > 1 else None
        self._ahead = _AHEAD * workers if self._pool is not None else 0
        self._shown: deque[_Shown] = deque()
        self._considered: deque[_Considered] = deque()

    def close(self) -> None:
        """End the workers."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    @property
    def problems(self) -> list[str]:
        """What the agent's health should tell of its load."""
        return [self._load.problem] if self._load.problem is not None else []

    def look(self) -> bool:
        """One round. Whether there was any picture."""
        worked = False
        self._shown.clear()  # what a round that a fault has ended left
        self._considered.clear()
        self._turns.begin(self._clock.monotonic_ms())
        for camera_id, feed in self._feeds.items():
            if (state := feed.source.health().state) != "live":
                feed.gap = _GAPS.get(state, "offline")
            fresh = self._engine.wants_fresh(camera_id, self._clock.utc_ms())
            if fresh:
                feed.source.request_now()
            frame = feed.source.take(0)
            if frame is not None and (fresh or not self._second.keeps(frame)):
                worked = True
                self._show(frame, feed)
        self._decide()
        while self._has_time() and (frame := self._second.take(self._clock.utc_ms())) is not None:
            worked = True
            self._show(frame, self._feeds[frame.camera_id], again=True)
        self._decide()
        if self._has_time():
            for camera_id in self._second.ask(self._clock.utc_ms()):
                self._feeds[camera_id].source.request_now()
        return worked

    def _has_time(self) -> bool:
        return self._turns.has_time(self._clock.monotonic_ms())

    def _show(self, frame: Frame, feed: Feed, *, again: bool = False) -> None:
        """Let it be looked at, once there are not too many others under way."""
        height, width = frame.image.shape[:2]
        if feed.size != (width, height):
            self._guarded(_name(frame), partial(self._take_up, feed, width, height))
        if feed.size is None or feed.problem is not None:
            return
        look = self._engine.looking(frame, again=again, spare=self._has_time())
        if look is None:
            return
        seen = look if self._pool is None else self._pool.submit(look).result
        self._shown.append(_Shown(frame, feed, again, seen))
        self._decide(self._ahead)

    def _take_up(self, feed: Feed, width: int, height: int) -> None:
        try:
            self._zones.take_up(
                feed.config.id, width, height, self._perceiver, self._engine, self._clock.utc_ms()
            )
        except UnavailableError:
            feed.size = None
            raise
        except PatrolError as error:
            feed.size = None  # other zones may come, without a restart
            feed.problem = f"camera {feed.config.id}: zones: {error}"
            return
        feed.size, feed.problem = (width, height), None

    def _decide(self, left: int = 0) -> None:
        """Consider what was shown, and decide on it where something happened, in its order, until so many are left."""
        while len(self._shown) + len(self._considered) > left:
            if self._shown:
                self._consider(self._shown.popleft())
            else:
                self._decide_on(self._considered.popleft())
            while self._considered and self._considered[0].done():
                self._decide_on(self._considered.popleft())

    def _consider(self, shown: _Shown) -> None:
        frame = shown.frame
        closer = False

        def has_time() -> bool:
            nonlocal closer
            now_ms = self._clock.monotonic_ms()
            closer = not shown.again and self._turns.may_look_closer(frame.camera_id, now_ms)
            return closer

        try:
            seen = shown.seen()
            glance = self._engine.considering(frame, seen, shown.feed.gap, has_time, again=shown.again)
        except PatrolError as error:
            self._considered.append(_Considered(shown, partial(_refuse, error), _yes))  # told in its turn
            return
        attend = partial(self._timed, glance.attend) if closer else glance.attend
        if self._pool is None or not glance.wants:
            considered = _Considered(shown, lambda: (glance, attend()), _yes)
        else:
            outlook = self._pool.submit(attend)
            considered = _Considered(shown, lambda: (glance, outlook.result()), outlook.done)
        if glance.quiet:
            self._decide_on(considered)
        else:
            self._considered.append(considered)

    def _timed(self, attend: Callable[[], Outlook]) -> Outlook:
        began_ms = self._clock.monotonic_ms()
        outlook = attend()
        self._turns.took(self._clock.monotonic_ms() - began_ms)
        return outlook

    def _decide_on(self, considered: _Considered) -> None:
        self._guarded(_name(considered.shown.frame), partial(self._take, considered))

    def _take(self, considered: _Considered) -> None:
        shown = considered.shown
        frame, feed = shown.frame, shown.feed
        self._engine.decide(*considered.outcome())
        feed.gap = "offline"
        self._decided()
        period_ms = round(feed.config.sample_period_s * 1000)
        if not shown.again:
            before_ms, feed.checked_ms = feed.checked_ms, frame.at_ms
            late = before_ms is not None and frame.at_ms - before_ms > _LATE_PERIODS * period_ms
            self._load.note(self._clock.monotonic_ms(), late=late and self._turns.behind())
        doubts = self._engine.cameras[frame.camera_id].doubts
        if doubts is not None:
            self._second.looked(
                frame.camera_id, frame.at_ms, period_ms, again=shown.again, wanted=bool(doubts.places)
            )


def _name(frame: Frame) -> str:
    return f"camera {frame.camera_id}"


def _refuse(error: PatrolError) -> NoReturn:
    raise error


def _yes() -> bool:
    return True
