"""Video files as a source of frames in stream time: nothing is dropped and two runs are equal."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from edge_agent.frames import Frame
from edge_agent.ingest._config import SourceConfig
from edge_agent.ingest._decode import PictureDecoder, to_image
from edge_agent.ingest._sampling import Grid, keyframes_suffice
from protocol.errors import PatrolError

LOCAL_FILES_ONLY = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg,h264,hevc,m4v,mpegvideo,mjpeg",
}
"""A playlist in disguise must not make the agent fetch from the network."""

DECODING_THREADS = 2


class Recording(ABC):
    """A source that ends and can be read again, with the same frames each time.

    Attributes:
        camera_id: stands in each frame.
        duration_ms: stream time of one pass, milliseconds.
        size: width and height of the first picture, pixels.
        start_ms: stream time of its first packet or picture, UTC milliseconds.
    """

    camera_id: str
    duration_ms: int
    size: tuple[int, int]
    start_ms: int

    @abstractmethod
    def frames(self) -> Iterator[Frame]:
        """Every sampled frame in the order of stream time, which goes on rising from one pass to the next.

        Raises:
            PatrolError: the recording can no longer be read.
        """


@dataclass(frozen=True, slots=True)
class _Layout:
    """What one look at a file's packets tells. Times in the file's own milliseconds."""

    first_ms: int
    end_ms: int
    keyframes_ms: tuple[int, ...]
    interval_ms: int
    time_base: Fraction


class VideoRecording(Recording):
    """A video file.

    At each boundary of the sampling period the first picture at or after it is taken. Only what this needs is
    decoded: from the last keyframe before a boundary on, or, with ``sampling = "keyframes"`` and keyframes at
    least twice in every period, those keyframes alone.

    Args:
        camera_id: stands in each frame.
        path: the file.
        config: start, period and sampling.
        loops: how often the file is played.

    Raises:
        PatrolError: the file is missing, is no video, is damaged, or its codec is unknown.
    """

    def __init__(self, camera_id: str, path: Path, config: SourceConfig, loops: int = 1) -> None:
        self.camera_id = camera_id
        self.start_ms = config.start_at_ms
        self._path = path
        self._loops = loops
        self._period_ms = round(config.sample_period_s * 1000)
        with self._opened() as (container, stream):
            self.size = (stream.codec_context.width, stream.codec_context.height)
            self._layout = self._look(container, stream)
        layout = self._layout
        self.duration_ms = layout.end_ms - layout.first_ms
        self._keyframes_only = config.sampling == "keyframes" and keyframes_suffice(
            layout.keyframes_ms, layout.first_ms, layout.end_ms, self._period_ms
        )

    def frames(self) -> Iterator[Frame]:
        grid = Grid(self._period_ms)
        seq = 0
        for loop in range(self._loops):
            offset_ms = loop * self.duration_ms - self._layout.first_ms
            for since_start_ms, picture in self._one_pass(grid, offset_ms):
                yield Frame(self.camera_id, self.start_ms + since_start_ms, to_image(picture), seq)
                seq += 1
        if seq == 0:
            raise self._error("no picture in this file can be decoded")

    def _one_pass(self, grid: Grid, offset_ms: int) -> Iterator[tuple[int, VideoFrame]]:
        """Sampled pictures with milliseconds since the start of the first pass."""
        with self._opened() as (container, stream):
            decoder = PictureDecoder(stream.codec_context, DECODING_THREADS)
            pick = self._pick_keyframes if self._keyframes_only else self._pick_exactly
            yield from pick(self._packets(container, stream), decoder, grid, offset_ms)

    def _pick_keyframes(
        self, packets: Iterator[Packet[VideoStream]], decoder: PictureDecoder, grid: Grid, offset_ms: int
    ) -> Iterator[tuple[int, VideoFrame]]:
        for packet in packets:
            at_ms = _ms(packet, self._layout.time_base)
            if not packet.is_keyframe or at_ms is None or not grid.reached(at_ms + offset_ms):
                continue
            picture = decoder.alone(packet)
            if picture is not None:
                grid.took(at_ms + offset_ms)
                yield at_ms + offset_ms, picture

    def _pick_exactly(
        self, packets: Iterator[Packet[VideoStream]], decoder: PictureDecoder, grid: Grid, offset_ms: int
    ) -> Iterator[tuple[int, VideoFrame]]:
        decode_from = self._keyframe_before(grid.boundary_ms - offset_ms)
        skipping = decode_from is not None
        last_ms = -1
        newest_key_ms: int | None = None

        def completed(packet: Packet[VideoStream] | None) -> Iterator[tuple[int, VideoFrame]]:
            nonlocal last_ms
            for picture in decoder.next(packet):
                at_ms = _ms(picture, self._layout.time_base)
                # Files without usable time stamps fall back on the nominal rate.
                since = at_ms + offset_ms if at_ms is not None else max(last_ms, 0) + self._layout.interval_ms
                if since > last_ms:
                    last_ms = since
                    yield since, picture

        for packet in packets:
            at_ms = _ms(packet, self._layout.time_base)
            if skipping:
                if not packet.is_keyframe or (
                    at_ms is not None and decode_from is not None and at_ms < decode_from
                ):
                    continue
                decoder.reset()
                skipping = False
            if packet.is_keyframe:
                newest_key_ms = at_ms
            for since, picture in completed(packet):
                if not grid.reached(since):
                    continue
                grid.took(since)
                yield since, picture
                decode_from = self._keyframe_before(grid.boundary_ms - offset_ms)
                # The decoder may already hold that keyframe: pictures come out later than packets go in.
                if decode_from is not None and newest_key_ms is not None and decode_from > newest_key_ms:
                    skipping = True
                    break
        if not skipping:
            for since, picture in completed(None):
                if grid.reached(since):
                    grid.took(since)
                    yield since, picture

    def _keyframe_before(self, at_ms: int) -> int | None:
        """Time of the last keyframe at or before `at_ms`, of the first one if none is, None without any."""
        keyframes = self._layout.keyframes_ms
        return keyframes[max(0, bisect_right(keyframes, at_ms) - 1)] if keyframes else None

    def _look(self, container: InputContainer, stream: VideoStream) -> _Layout:
        time_base = stream.time_base or Fraction(1, 1000)
        rate = stream.average_rate or stream.guessed_rate
        interval_ms = max(1, round(1000 / rate)) if rate else 40
        first: int | None = None
        last = 0
        count = 0
        keyframes = []
        for packet in self._packets(container, stream):
            count += 1
            at_ms = _ms(packet, time_base)
            if at_ms is None:
                continue
            first = at_ms if first is None else min(first, at_ms)
            last = max(last, at_ms)
            if packet.is_keyframe:
                keyframes.append(at_ms)
        if count == 0:
            raise self._error("this file holds no picture")
        if first is None:
            return _Layout(0, count * interval_ms, (), interval_ms, time_base)
        return _Layout(first, last + interval_ms, tuple(sorted(keyframes)), interval_ms, time_base)

    def _packets(self, container: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
        """The stream's packets that hold something."""
        try:
            for packet in container.demux(stream):
                if packet.size:
                    yield packet
        except av.error.FFmpegError as error:
            raise self._error(f"this file is damaged: {error.strerror}") from None

    @contextmanager
    def _opened(self) -> Iterator[tuple[InputContainer, VideoStream]]:
        try:
            container = av.open(str(self._path), options=dict(LOCAL_FILES_ONLY))
        except FileNotFoundError:
            raise self._error("there is no such file", mend="Check the path.") from None
        except (av.error.FFmpegError, OSError) as error:
            raise self._error(f"this file cannot be read as video: {error.strerror}") from None
        with container:
            if not container.streams.video:
                raise self._error("this file holds no video")
            stream = container.streams.video[0]
            # PyAV leaves the context out when no decoder is built in.
            if getattr(stream, "codec_context", None) is None:
                raise self._error("no decoder for this file's codec", mend="Convert it to H.264.")
            yield container, stream

    def _error(
        self, problem: str, mend: str | None = "Use a video file such as MP4, MKV or AVI."
    ) -> PatrolError:
        return PatrolError(problem, file=self._path, field="url", mend=mend)


def _ms(item: Packet[VideoStream] | VideoFrame, time_base: Fraction) -> int | None:
    """Milliseconds on the file's own clock. Pictures drained at the end do not know their time base."""
    stamp = item.pts if item.pts is not None else item.dts
    return None if stamp is None else int(stamp * time_base * 1000)
