"""How packets come from a camera: the interface, and FFmpeg behind it for cameras that the thin reader does not know."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from edge_agent.ingest._config import SourceConfig
from edge_agent.ingest._decode import Decoder, PictureDecoder
from edge_agent.ingest._problem import SourceProblem, connection_problem, reading_problem
from protocol.clock import Clock

SOCKET_LIMIT_SHARE = 0.9
"""FFmpeg's own limit on silence is a little shorter than the watchdog's, so that it normally ends by itself."""

REORDER_WAIT_US = 300_000
"""How long FFmpeg waits for a UDP packet that is out of order."""

RTP_VIDEO_CLOCK = Fraction(1, 90_000)
"""Seconds per unit of a video stream's time stamps (RFC 3551)."""


@dataclass(frozen=True, slots=True)
class VideoPacket:
    """One compressed picture.

    Attributes:
        packet: what the decoder takes.
        pts_ms: time stamp on the camera's scale, milliseconds; None if it has none.
        keyframe: whether it can be decoded alone.
        marks: (time stamp, arrival by the steady clock) of packets that were received since the last one and are not
            handed out, milliseconds; they tell how late packets are. Empty: this packet arrives now.
    """

    packet: Packet[VideoStream]
    pts_ms: int | None
    keyframe: bool
    marks: tuple[tuple[int, int], ...] = ()


class PacketReader(Protocol):
    """One connection to one camera, used by one thread from `open` to `close`.

    Attributes:
        heard_ms: last sign of life that only the reader knows of, monotonic milliseconds; 0 where the packets tell it.
    """

    heard_ms: int

    def open(self) -> Decoder:
        """Connect.

        Returns:
            A decoder for the stream's packets.

        Raises:
            SourceProblem: why not. Comes after a bounded time.
        """

    def packets(self) -> Iterator[VideoPacket]:
        """Packets as they arrive, until the camera ends the stream.

        Raises:
            SourceProblem: the connection broke, or was silent for too long.
        """

    def close(self) -> None:
        """Give back everything; may be called at any time by the same thread, also twice."""

    def interrupt(self) -> None:
        """Let `packets` end soon; may be called by any thread. A reader whose packets come often need do nothing."""


class FfmpegReader:
    """RTSP over TCP or UDP by FFmpeg.

    FFmpeg bounds its own waits by the `timeout` option. PyAV's time-out is used only while connecting: during
    reading its callback would take Python's lock several times per network packet.
    """

    def __init__(self, config: SourceConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._silence_limit_s = config.stall_after_s * SOCKET_LIMIT_SHARE
        self._container: InputContainer | None = None
        self.heard_ms = 0

    def open(self) -> Decoder:
        config = self._config
        url = config.dial_url()
        options = {
            "rtsp_transport": config.transport,
            "timeout": str(round(self._silence_limit_s * 1e6)),
            "allowed_media_types": "video",
            "max_delay": str(REORDER_WAIT_US),
            # The decoder reads size and format from the stream itself; probing would cost seconds and pictures.
            "probesize": "32",
            "analyzeduration": "0",
        }
        if config.is_encrypted:
            options["tls_verify"] = "1" if config.tls_verify else "0"
            if config.tls_ca_file is not None:
                options["ca_file"] = str(config.tls_ca_file)
        began_ms = self._clock.monotonic_ms()
        try:
            self._container = av.open(url, options=options, timeout=(config.connect_timeout_s, None))
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise connection_problem(
                error,
                has_credentials=config.username is not None,
                transport=config.transport,
                encrypted=config.is_encrypted,
                waited_s=(self._clock.monotonic_ms() - began_ms) / 1000,
                limit_s=min(config.connect_timeout_s, self._silence_limit_s),
            ) from None
        streams = self._container.streams.video
        if not streams:
            raise SourceProblem("unsupported", "the camera sends no video at this address")
        # PyAV leaves the context out when no decoder is built in.
        context = getattr(streams[0], "codec_context", None)
        if context is None:
            raise SourceProblem("unsupported", "no decoder for the camera's codec: set it to H.264 or H.265")
        return PictureDecoder(streams[0].codec_context)

    def packets(self) -> Iterator[VideoPacket]:
        if self._container is None:
            return
        stream = self._container.streams.video[0]
        milliseconds = 1000 * (stream.time_base or RTP_VIDEO_CLOCK)
        first = True
        asked_ms = self._clock.monotonic_ms()
        try:
            for packet in self._container.demux(stream):
                if self._clock.monotonic_ms() - asked_ms >= self._silence_limit_s * 1000:
                    # When its wait runs out FFmpeg first hands over what its parser still held, as if the camera
                    # had just sent it, and would then wait once more.
                    raise SourceProblem("stalled", f"nothing received for {self._silence_limit_s:.0f} s")
                if not packet.size:
                    continue
                stamp = packet.pts if packet.pts is not None else packet.dts
                # FFmpeg counts from the first packet on, and leaves the stamp of that one out.
                pts_ms = int(stamp * milliseconds) if stamp is not None else 0 if first else None
                first = False
                yield VideoPacket(packet, pts_ms, packet.is_keyframe)
                asked_ms = self._clock.monotonic_ms()
        except (av.error.FFmpegError, OSError) as error:
            raise reading_problem(error, self._silence_limit_s) from None

    def close(self) -> None:
        if self._container is not None:
            container, self._container = self._container, None
            container.close()

    def interrupt(self) -> None:
        """A live camera's next packet comes at once, and a silent one ends by its own limit."""
