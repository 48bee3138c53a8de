"""One connection to one camera: which packets are decoded, and when their pictures were taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from edge_agent.frames import Image
from edge_agent.ingest._config import SourceConfig
from edge_agent.ingest._decode import Decoder, to_image
from edge_agent.ingest._problem import SourceProblem
from edge_agent.ingest._reader import PacketReader, VideoPacket
from edge_agent.ingest._sampling import SPREAD, Pace
from edge_agent.ingest._time import CaptureTimes, SteadyClock
from protocol.clock import Millis

LATE_MARGIN_MS = 5_000
"""Pictures later than the stall limit plus this are a backlog that will not drain, or a camera whose clock runs at a
wrong speed: a new connection mends both."""

DAMAGED_KEYFRAMES = 5
"""So many keyframes in a row that cannot be decoded mean that the stream is another one than was announced."""

PATIENCE_INTERVALS = 3
"""No picture for so many keyframe intervals or periods is a fault although packets arrive."""


class Outlet(Protocol):
    """Where a session's results go."""

    def cancelled(self) -> bool:
        """True if nobody wants this session's pictures any more."""

    def wanted_now(self) -> bool:
        """True if a picture is wanted without waiting for the period."""

    def makes_room(self) -> None:
        """Wait until a picture may be decoded. It is then delivered or given up."""

    def gives_up(self) -> None:
        """Nothing came of the picture for which room was made."""

    def untaken(self) -> bool:
        """True if the last picture waits to be looked at, and another would be of no use."""

    def connected(self) -> None:
        """The camera has answered and will send."""

    def repeats(self, image: Image) -> bool:
        """True if this picture is exactly the one before."""

    def deliver(self, image: Image, taken_ms: Millis) -> None:
        """A new picture."""

    def answered(self) -> None:
        """A picture that was wanted without waiting is decoded."""

    def remark(self, text: str) -> None:
        """What a person should know of the stream although it works."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A picture whose time is not certain yet. A keyframe is decoded only then."""

    shown: Image | Packet[VideoStream]
    pts_ms: int


class Session:
    """Reads one connection to its end.

    Attributes (read by the watchdog from its own thread):
        opened: the camera has answered.
        active_ms: last sign of life, monotonic milliseconds.
        picture_ms: last decoded picture, monotonic milliseconds.
        first_picture_ms: first decoded picture, monotonic milliseconds; None before it.
    """

    def __init__(
        self, reader: PacketReader, config: SourceConfig, clock: SteadyClock, outlet: Outlet
    ) -> None:
        self._reader = reader
        self._config = config
        self._clock = clock
        self._outlet = outlet
        self._times = CaptureTimes()
        self._period_ms = period_ms = round(config.sample_period_s * 1000)
        self._pace = Pace(period_ms)
        self._waiting: _Waiting | None = None
        self._damaged = 0
        self._saw_keyframe = False
        self._first_wait_ms = 0
        self.opened = False
        self._packet_ms = self.picture_ms = clock.monotonic_ms()
        self.first_picture_ms: int | None = None

    @property
    def active_ms(self) -> int:
        """Last sign of life, monotonic milliseconds."""
        return max(self._packet_ms, self._reader.heard_ms)

    def interrupt(self) -> None:
        """Let `run` end soon; may be called by any thread once its outlet is cancelled."""
        self._reader.interrupt()

    @property
    def patience_ms(self) -> int:
        """How long packets may arrive without a picture, milliseconds."""
        longest = max(
            self._first_wait_ms, self._pace.key_interval_ms or 0, round(self._config.sample_period_s * 1000)
        )
        return max(round(self._config.stall_after_s * 1000), PATIENCE_INTERVALS * longest)

    def run(self) -> None:
        """Connect and read until the camera ends the stream or the session is cancelled.

        Raises:
            SourceProblem: the connection did not work or broke.
            PatrolError: the password cannot be read.
        """
        try:
            decoder = self._reader.open()
            self._packet_ms = self.picture_ms = self._clock.monotonic_ms()
            self.opened = True
            self._outlet.connected()
            for packet in self._reader.packets():
                if self._outlet.cancelled():
                    return
                self._packet_ms = self._clock.monotonic_ms()
                self._handle(packet, decoder)
        finally:
            self._outlet.gives_up()
            self._reader.close()

    def _handle(self, packet: VideoPacket, decoder: Decoder) -> None:
        if packet.pts_ms is None:
            # A picture that nobody can date proves nothing.
            return
        arrived_ms = self._clock.utc_ms()
        for stamp_ms, came_ms in packet.marks or ((packet.pts_ms, arrived_ms),):
            if not self._times.saw(stamp_ms, came_ms):
                # Stamps of the old scale cannot be converted any more.
                self._waiting = None
                self._saw_keyframe = False
                decoder.reset()
        if packet.keyframe:
            self._note_keyframe(packet.pts_ms)
        late_ms = arrived_ms - self._times.taken_ms(packet.pts_ms)
        if late_ms > self._config.stall_after_s * 1000 + LATE_MARGIN_MS:
            raise SourceProblem("stalled", f"pictures arrive {late_ms / 1000:.0f} s late")
        if self._config.sampling == "keyframes":
            if packet.keyframe and self._due(packet.pts_ms):
                self._waiting = _Waiting(packet.packet, packet.pts_ms)
        else:
            for picture, pts_ms in self._decoded(packet, packet.pts_ms, decoder):
                self._decoded_at(pts_ms)
                self._waiting = _Waiting(to_image(picture), pts_ms)
        self._deliver_when_certain(decoder)

    def _note_keyframe(self, pts_ms: int) -> None:
        if not self._saw_keyframe:
            self._saw_keyframe = True
            self._first_wait_ms = self.active_ms - self.picture_ms
        self._pace.saw_keyframe(pts_ms)
        interval_ms = self._pace.key_interval_ms
        sparse = self._config.sampling == "keyframes" and self._pace.too_sparse and interval_ms is not None
        self._outlet.remark(
            f"keyframes come every {interval_ms / 1000:.1f} s but the sampling period is "
            f"{self._config.sample_period_s:g} s: shorten the camera's keyframe interval or set sampling to all"
            if sparse and interval_ms is not None
            else ""
        )

    def _decoded(self, packet: VideoPacket, pts_ms: int, decoder: Decoder) -> list[tuple[VideoFrame, int]]:
        """The picture of this packet that is due, if there is one, with its stamp."""
        if not self._saw_keyframe:
            return []
        due = []
        for picture in decoder.next(packet.packet):
            stamp_ms = pts_ms if picture.pts is None else int(picture.pts * packet.packet.time_base * 1000)
            self.picture_ms = self._clock.monotonic_ms()
            if self._due(stamp_ms):
                due.append((picture, stamp_ms))
        return due[-1:]

    def _due(self, pts_ms: int) -> bool:
        if self._outlet.wanted_now():
            return True
        if not self._pace.due(pts_ms):
            return False
        if self._outlet.untaken():
            self.picture_ms = self._clock.monotonic_ms()  # it could be decoded
            return False
        return True

    def _judge(self, intact: bool) -> None:
        self._damaged = 0 if intact else self._damaged + 1
        if self._damaged >= DAMAGED_KEYFRAMES:
            raise SourceProblem("stalled", f"{DAMAGED_KEYFRAMES} keyframes in a row could not be decoded")

    def _decoded_at(self, pts_ms: int) -> None:
        if self._pace.due(pts_ms):
            # One that was asked for in between moves no check: cameras stay spread over the period.
            share = 1.0
            if self.first_picture_ms is None:
                taken_ms = self._times.taken_ms(pts_ms)
                share = SPREAD.second_share(self._config.url, self._period_ms, taken_ms)
            self._pace.took(pts_ms, share)
        self._outlet.answered()
        self.picture_ms = self._clock.monotonic_ms()
        if self.first_picture_ms is None:
            self.first_picture_ms = self.picture_ms

    def _deliver_when_certain(self, decoder: Decoder) -> None:
        waiting = self._waiting
        if waiting is None or not self._times.settled:
            return
        self._waiting = None
        image = waiting.shown
        if isinstance(image, Packet):
            self._outlet.makes_room()
            picture = decoder.alone(image)
            self._judge(picture is not None)
            if picture is None:
                self._outlet.gives_up()
                return
            self._decoded_at(waiting.pts_ms)
            image = to_image(picture)
        if self._outlet.repeats(image):
            self._outlet.gives_up()
        else:
            self._outlet.deliver(image, self._times.taken_ms(waiting.pts_ms))
