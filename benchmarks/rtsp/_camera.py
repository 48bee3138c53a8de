"""One path of the server: a file played by the clock to all who watch, with its faults."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from benchmarks.rtsp import _rtp
from benchmarks.rtsp._auth import Credentials
from benchmarks.rtsp._media import MediaFile
from benchmarks.rtsp._pacer import Pacer
from benchmarks.rtsp._rtp import CLOCK_HZ
from benchmarks.rtsp._timeline import Timeline
from benchmarks.rtsp._viewer import REPORT_EVERY_S, Cut, Viewer, report_for
from benchmarks.rtsp.faults import HEALTHY, Faults, FaultSwitch
from protocol.clock import Clock

Starts = Literal["added", "first_play"]

CATCH_UP_S = 2.0
"""When the process itself was held up for longer, pictures are left out up to the next keyframe."""

STILL_EVERY_S = 0.2
"""A frozen picture is sent again this often: it is a keyframe, and at full rate would be a flood."""


@dataclass(frozen=True)
class CameraStats:
    """What a camera has done so far."""

    path: str
    viewers: int
    pictures: int
    packets: int
    skipped: int
    position_s: float | None
    ended: bool


class Camera:
    """Plays one file.

    Args:
        path: where it is served, with a leading slash.
        media: what it plays.
        loop: begin anew after the end.
        hold: after the end, repeat the last group of pictures instead of ending. Not with ``loop``.
        offset_s: position in the file at which it starts, seconds.
        starts: ``added`` runs from the moment it is added to a running server, ``first_play`` waits for the first
            viewer.
        credentials: who may see it; None means everybody.
        clock: where the wall clock of its reports comes from.
        disconnect: closes all connections that use this camera; returns how many.
        on_end: called when the file is over.
    """

    def __init__(
        self,
        path: str,
        media: MediaFile,
        *,
        loop: bool,
        hold: bool,
        offset_s: float,
        starts: Starts,
        credentials: Credentials | None,
        clock: Clock,
        disconnect: Callable[[Camera], int],
        on_end: Callable[[], None],
    ) -> None:
        self.path = path
        self.media = media
        self.credentials = credentials
        self.switch = FaultSwitch(lambda: disconnect(self))
        self.viewers: list[Viewer] = []
        self.ended = False
        self._on_end = on_end
        self._starts = starts
        self._offset_s = offset_s
        self._clock = clock
        cycle_from = 0 if loop else media.keyframes[-1] if hold else None
        self._timeline = Timeline(
            [unit.decode_ticks for unit in media.units], media.keyframes, media.period_ticks, cycle_from
        )
        self._walks_alone = cycle_from is None  # somebody may wait for its end
        self._pacer: Pacer | None = None
        self._scheduled = False
        self._start_at: float | None = None
        self._next = 0
        self._late_s = 0.0
        self._still_index: int | None = None
        self._still_at = 0.0
        self.ssrc = secrets.randbits(32)
        self._sequence = secrets.randbits(16)
        self._rtp_base = secrets.randbits(32)
        self._random = random.Random(path)
        self._pictures = 0
        self._packets = 0
        self._skipped_by_gone = 0

    def begin(self, pacer: Pacer, now: float) -> None:
        """The server runs; start the clock unless it waits for a viewer."""
        self._pacer = pacer
        if self._starts == "added":
            self._start(now)

    def position_s(self, now: float) -> float | None:
        """Seconds played since the beginning of the file, counting rounds; None before the start."""
        return None if self._start_at is None else now - self._start_at

    def restart(self, position_s: float, now: float) -> None:
        """Jump to a position of the file. RTP timestamps go on rising as if nothing had happened."""
        before = self.position_s(now)
        self._start_at = now - position_s
        self.ended = False
        if before is not None:
            self._rtp_base += round((before - position_s) * CLOCK_HZ)
        for viewer in self.viewers:
            viewer.in_step = False
        self._next = self._timeline.first_at(position_s * CLOCK_HZ)
        self._schedule()

    def attach(self, viewer: Viewer, now: float) -> tuple[int, int] | None:
        """A viewer begins to watch.

        Returns:
            Sequence number and RTP timestamp of the first packet it will get, where they can be foretold.
        """
        if self._start_at is None:
            self._start(now)
        if not self.viewers and not self._scheduled:
            self._next = self._timeline.first_at((self.position_s(now) or 0.0) * CLOCK_HZ)
        viewer.started_at = now
        viewer.report_at = now
        viewer.in_step = False
        self.viewers.append(viewer)
        self._schedule()
        return self._foretell()

    def detach(self, viewer: Viewer) -> None:
        """A viewer pauses or leaves."""
        viewer.close()
        if viewer in self.viewers:
            self.viewers.remove(viewer)
            self._skipped_by_gone += viewer.skipped

    def stats(self, now: float) -> CameraStats:
        """Counts since the camera was added."""
        return CameraStats(
            path=self.path,
            viewers=len(self.viewers),
            pictures=self._pictures,
            packets=self._packets,
            skipped=self._skipped_by_gone + sum(viewer.skipped for viewer in self.viewers),
            position_s=self.position_s(now),
            ended=self.ended,
        )

    def _start(self, now: float) -> None:
        self._start_at = now - self._offset_s
        self._next = self._timeline.first_at(self._offset_s * CLOCK_HZ)
        if self._walks_alone:
            self._schedule()

    def _schedule(self) -> None:
        if self._pacer is not None and not self._scheduled:
            self._scheduled = True
            self._pacer.schedule(self._due(), self._fire)

    def _due(self) -> float:
        """When the next picture is to be sent, or, after the last one, when its time is over."""
        ticks = self._timeline.ticks(self._next)
        if ticks is None:
            ticks = self.media.period_ticks
        return (self._start_at or 0.0) + ticks / CLOCK_HZ + self._late_s

    def _foretell(self) -> tuple[int, int] | None:
        first = self._timeline.keyframe_from(self._next)
        if first is None or self.switch.now is not HEALTHY:
            return None
        sequence = self._sequence
        for number in range(self._next, first):
            spot = self._timeline.spot(number)
            sequence += len(self.media.units[spot[0]].starts) if spot else 0
        index, shift = self._timeline.spot(first) or (0, 0)
        return sequence & 0xFFFF, (
            self._rtp_base + self.media.units[index].present_ticks + shift
        ) & 0xFFFFFFFF

    def _fire(self, now: float) -> float | None:
        """Send what is due; called by the pacer."""
        faults = self.switch.now
        while self.viewers or self._walks_alone:
            due = self._due()
            if due > now:
                return due
            if self._timeline.spot(self._next) is None:
                self._end(faults, now)
                break
            if now - due > CATCH_UP_S + self._late_s:
                self._skip_to(now)
                continue
            self._send(faults, now)
            self._next += 1
            self._late_s = self._random.uniform(0, faults.jitter_ms / 1000) if faults.jitter_ms else 0.0
        self._scheduled = False
        return None

    def _skip_to(self, now: float) -> None:
        number = self._timeline.first_at((self.position_s(now) or 0.0) * CLOCK_HZ)
        later = self._timeline.keyframe_from(number)
        self._next = number if later is None else later
        self._late_s = 0.0
        for viewer in self.viewers:
            viewer.in_step = False

    def _send(self, faults: Faults, now: float) -> None:
        spot = self._timeline.spot(self._next)
        if spot is None or not self.viewers:
            return
        index, shift = spot
        timestamp = (self._rtp_base + self.media.units[index].present_ticks + shift) & 0xFFFFFFFF
        viewers = self.viewers
        if faults is not HEALTHY:
            sent = self._chosen(faults, index, now)
            if sent is None:
                return
            index = sent
            viewers = self._unstalled(faults, now)
        elif self._still_index is not None:
            self._leave_still()
        unit = self.media.units[index]
        wire = unit.stamped(self._sequence, timestamp, self.ssrc)
        self._sequence = (self._sequence + len(unit.starts)) & 0xFFFF
        cut = Cut(unit, wire, unit.starts)
        if faults.loss_percent:
            cut = self._thinned(cut, faults.loss_percent)
        self._pictures += 1
        for viewer in viewers:
            if now >= viewer.report_at and (viewer.in_step or unit.keyframe):
                viewer.report_at = now + REPORT_EVERY_S
                viewer.send_report(self._report(viewer, faults, now))
            if viewer.offer(cut):
                self._packets += len(cut.starts)

    def _chosen(self, faults: Faults, index: int, now: float) -> int | None:
        """Index of the picture to send under faults, or None for nothing."""
        if faults.freeze or faults.black_hole:
            for viewer in self.viewers:
                viewer.in_step = False
            return None
        if not faults.frozen_picture:
            if self._still_index is not None:
                self._leave_still()
            return index
        if self._still_index is None:
            self._still_index = max(key for key in self.media.keyframes if key <= index)
            self._still_at = now
        if now < self._still_at:
            return None
        self._still_at = now + STILL_EVERY_S
        return self._still_index

    def _leave_still(self) -> None:
        self._still_index = None
        for viewer in self.viewers:
            viewer.in_step = False

    def _unstalled(self, faults: Faults, now: float) -> list[Viewer]:
        if faults.stall_after_s is None:
            return self.viewers
        going = []
        for viewer in self.viewers:
            if now - viewer.started_at < faults.stall_after_s:
                going.append(viewer)
            else:
                viewer.in_step = False
        return going

    def _thinned(self, cut: Cut, percent: float) -> Cut:
        wire = bytearray()
        starts = []
        ends = (*cut.starts[1:], len(cut.wire))
        for start, end in zip(cut.starts, ends, strict=True):
            if self._random.random() * 100 >= percent:
                starts.append(len(wire))
                wire += cut.wire[start:end]
        return Cut(cut.unit, wire, tuple(starts))

    def _report(self, viewer: Viewer, faults: Faults, now: float) -> bytes:
        played = round((self.position_s(now) or 0.0) * CLOCK_HZ)
        return report_for(
            viewer,
            self.ssrc,
            utc_s=self._clock.utc_ms() / 1000 + faults.clock_offset_s,
            rtp_time=self._rtp_base + played,
            name=self.path.strip("/") or "camera",
        )

    def _end(self, faults: Faults, now: float) -> None:
        """The file is over: say goodbye to everyone."""
        self.ended = True
        if not faults.black_hole:
            for viewer in self.viewers:
                viewer.send_report(self._report(viewer, faults, now) + _rtp.goodbye(self.ssrc))
        for viewer in list(self.viewers):
            self.detach(viewer)
        self._on_end()
