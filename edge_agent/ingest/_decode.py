"""From compressed packets to pictures."""

from __future__ import annotations

import zlib

import av.error
import numpy as np
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from edge_agent.frames import Image

FINGERPRINT_ROW_STEP = 4
"""Every fourth row is compared: sensor noise touches all rows, and a quarter costs under a millisecond."""


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
        except (av.error.InvalidDataError, av.error.EOFError):
            return []
        return [picture for picture in pictures if not picture.is_corrupt]

    def reset(self) -> None:
        """Forget what was decoded, before packets are skipped."""
        if not self._fresh and self._context.is_open:
            self._context.flush_buffers()
        self._fresh = True


def to_image(picture: VideoFrame) -> Image:
    """The picture as height x width x 3, uint8, BGR, read-only."""
    image = picture.to_ndarray(format="bgr24").astype(np.uint8, copy=False)
    image.flags.writeable = False
    return image


def fingerprint(image: Image) -> tuple[int, int, int]:
    """Height, width and a checksum of the green values: equal for pictures that are exactly equal."""
    green = np.ascontiguousarray(image[::FINGERPRINT_ROW_STEP, :, 1])
    return image.shape[0], image.shape[1], zlib.crc32(green.data)
