"""From compressed packets to pictures."""

from __future__ import annotations

import os
import threading
import zlib
from collections import OrderedDict
from typing import Protocol, cast

import av
import av.error
import numpy as np
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from edge_agent.frames import Image
from edge_agent.ingest._rtp import parameter_sets_of

FINGERPRINT_ROW_STEP = 4
"""Every fourth row is compared: sensor noise touches all rows, and a quarter costs under a millisecond."""


MOST_IDLE_DECODERS = len(os.sched_getaffinity(0))
"""Decoders that are kept for the next keyframe, whichever camera sends it. Each holds some 20 MB at 1080p."""


class Decoder(Protocol):
    """Decodes the packets of one stream. Damaged pictures are left out: a smeared picture proves nothing."""

    def alone(self, keyframe: Packet[VideoStream]) -> VideoFrame | None:
        """The picture of one keyframe, with nothing decoded before it or after it; None if it is damaged."""

    def next(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        """The pictures that one more packet completes, in the order of showing. None at the end of the stream."""

    def reset(self) -> None:
        """Forget what was decoded, before packets are skipped."""


class PictureDecoder:
    """Decodes packets of one stream. Damaged pictures are left out: a smeared picture proves nothing.

    Args:
        context: the stream's codec context, not yet used.
        threads: decoding threads; 1 for cameras, because a hundred cameras are parallel enough.
    """

    def __init__(self, context: VideoCodecContext, threads: int = 1) -> None:
        self._context = context
        self._context.thread_count = threads
        self._context.thread_type = "AUTO" if threads > 1 else "SLICE"
        self._fresh = True

    def alone(self, keyframe: Packet[VideoStream]) -> VideoFrame | None:
        """The picture of one keyframe, with nothing decoded before it or after it; None if it is damaged."""
        self.reset()
        pictures = self.next(keyframe) + self.next(None)
        self.reset()
        return pictures[0] if pictures else None

    def next(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        """The pictures that one more packet completes, in the order of showing. None at the end of the stream."""
        self._fresh = False
        try:
            pictures = self._context.decode(packet)
        except (av.error.InvalidDataError, av.error.EOFError, av.error.ArgumentError):
            return []  # the last is what FFmpeg says of some mutilated parameter sets
        return [picture for picture in pictures if not picture.is_corrupt]

    def reset(self) -> None:
        """Forget what was decoded, before packets are skipped."""
        if not self._fresh and self._context.is_open:
            self._context.flush_buffers()
        self._fresh = True


class DecoderPool:
    """Decoders that cameras borrow for one keyframe each: two hundred of their own would hold gigabytes.

    No more keyframes are decoded at once than the machine has cores; who comes later waits. A decoder is lent again
    only for the same parameter sets, so that nothing of one camera's stream can reach another's picture.

    Args:
        at_once: how many may be lent at a time, and how many idle ones are kept.
    """

    def __init__(self, at_once: int = MOST_IDLE_DECODERS) -> None:
        self._at_once = at_once
        self._turns = threading.BoundedSemaphore(at_once)
        self._lock = threading.Lock()
        self._idle: OrderedDict[tuple[str, bytes], PictureDecoder] = OrderedDict()

    def decode(self, codec: str, sets: bytes, keyframe: Packet[VideoStream]) -> VideoFrame | None:
        """The picture of one keyframe, or None if it is damaged.

        Args:
            codec: FFmpeg's name.
            sets: tells which streams may share a decoder.
            keyframe: with its parameter sets.
        """
        with self._turns:
            with self._lock:
                decoder = self._idle.pop((codec, sets), None)
            if decoder is None:
                decoder = PictureDecoder(cast("VideoCodecContext", av.CodecContext.create(codec, "r")))
            picture = decoder.alone(keyframe)
            with self._lock:
                self._idle[codec, sets] = decoder
                while len(self._idle) > self._at_once:
                    self._idle.popitem(last=False)
            return picture


POOL = DecoderPool()
"""The process's decoders for keyframes."""


class SharedDecoder:
    """Borrows a decoder for each keyframe.

    Args:
        codec: ``h264`` or ``hevc``.
    """

    def __init__(self, codec: str, pool: DecoderPool = POOL) -> None:
        self._codec = codec
        self._pool = pool

    def alone(self, keyframe: Packet[VideoStream]) -> VideoFrame | None:
        sets = parameter_sets_of(self._codec, bytes(keyframe))
        return self._pool.decode(self._codec, sets, keyframe)

    def next(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        picture = None if packet is None else self.alone(packet)
        return [] if picture is None else [picture]

    def reset(self) -> None:
        """Nothing is remembered between two keyframes."""


def to_image(picture: VideoFrame) -> Image:
    """The picture as height x width x 3, uint8, BGR, read-only."""
    image = picture.to_ndarray(format="bgr24").astype(np.uint8, copy=False)
    image.flags.writeable = False
    return image


def fingerprint(image: Image) -> tuple[int, int, int]:
    """Height, width and a checksum of the green values: equal for pictures that are exactly equal."""
    green = np.ascontiguousarray(image[::FINGERPRINT_ROW_STEP, :, 1])
    return image.shape[0], image.shape[1], zlib.crc32(green.data)
