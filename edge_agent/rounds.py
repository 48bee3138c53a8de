"""The round of all cameras: the newest picture of each in its turn; then, where the round is not late, second looks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edge_agent.build import Perceiver
from edge_agent.config import CameraConfig
from edge_agent.engine import Engine
from edge_agent.frames import Frame
from edge_agent.ingest import Source
from edge_agent.second_looks import SecondLooks
from edge_agent.stays import GapKind
from edge_agent.turns import Turns
from edge_agent.zone_updates import ZoneUpdates
from protocol.clock import Clock
from protocol.errors import PatrolError, UnavailableError

_GAPS: dict[str, GapKind] = {"frozen": "frozen"}

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
    ) -> None:
        self._feeds = feeds
        self._engine = engine
        self._zones = zones
        self._perceiver = perceiver
        self._clock = clock
        self._guarded = guarded
        self._decided = decided
        self._turns = Turns()
        self._second = SecondLooks()

    def look(self) -> bool:
        """One round. Whether there was any picture."""
        worked = False
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
        while self._has_time() and (frame := self._second.take(self._clock.utc_ms())) is not None:
            worked = True
            self._show(frame, self._feeds[frame.camera_id], again=True)
        if self._has_time():
            for camera_id in self._second.ask(self._clock.utc_ms()):
                self._feeds[camera_id].source.request_now()
        return worked

    def _has_time(self) -> bool:
        return self._turns.has_time(self._clock.monotonic_ms())

    def _show(self, frame: Frame, feed: Feed, *, again: bool = False) -> None:
        self._guarded(f"camera {frame.camera_id}", lambda: self._look(frame, feed, again=again))

    def _look(self, frame: Frame, feed: Feed, *, again: bool) -> None:
        height, width = frame.image.shape[:2]
        if feed.size != (width, height):
            feed.size = (width, height)
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
            feed.problem = None
        if feed.problem is not None:
            return
        closer = not again and self._turns.may_look_closer(frame.camera_id, self._clock.monotonic_ms())
        self._engine.frame(frame, feed.gap, closer=closer, again=again)
        feed.gap = "offline"
        self._decided()
        doubts = self._engine.cameras[frame.camera_id].doubts
        if doubts is not None:
            period_ms = round(feed.config.sample_period_s * 1000)
            self._second.looked(
                frame.camera_id, frame.at_ms, period_ms, again=again, wanted=bool(doubts.places)
            )
