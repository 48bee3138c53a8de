"""Short films made for tests: each picture shows its own number."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 256, 96
BITS = 16
ENCODERS = {"h264": "libx264", "h265": "libx265", "mjpeg": "mjpeg"}


def numbered(number: int) -> NDArray[np.uint8]:
    """A noisy picture, BGR, that shows `number` as black and white columns."""
    noise = np.random.default_rng(number).integers(0, 40, (HEIGHT, WIDTH, 3), np.uint8)
    for bit in range(BITS):
        if number >> bit & 1:
            noise[:, bit * (WIDTH // BITS) : (bit + 1) * (WIDTH // BITS)] += 180
    return noise


def number_in(image: NDArray[np.uint8]) -> int:
    """The number that a picture made by `numbered` shows."""
    columns = image.mean(axis=(0, 2)).reshape(BITS, -1).mean(axis=1)
    return sum(1 << bit for bit in range(BITS) if columns[bit] > 110)


def encode(
    path: Path,
    images: Iterable[NDArray[np.uint8]],
    *,
    codec: str = "h264",
    fps: int = 10,
    gop: int = 5,
    bframes: int = 0,
) -> Path:
    """Write a film with a keyframe every `gop` pictures."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(ENCODERS[codec], rate=fps)
        stream.time_base = Fraction(1, fps)
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.gop_size = gop
        if codec == "h264":
            stream.options = {"preset": "ultrafast", "bf": str(bframes), "sc_threshold": "0", "threads": "1"}
        elif codec == "h265":
            stream.options = {
                "preset": "ultrafast",
                "x265-params": f"bframes={bframes}:keyint={gop}:min-keyint={gop}:scenecut=0:log-level=none:pools=1",
            }
        for count, image in enumerate(images):
            if count == 0:
                stream.height, stream.width = image.shape[:2]
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts = count
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
