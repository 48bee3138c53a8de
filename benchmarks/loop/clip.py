"""The benchmark's clip: 20 seconds of a drawn street as a 1080p camera sends them, made once and kept.

Drawing 1080p pictures is slow, so the street is drawn five times a second and each picture is sent five times with
fresh sensor noise: the stream has the packets, the bit rate and the keyframes of a 25 Hz camera, and traffic moves in
steps of a fifth of a second.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import simulator
from benchmarks.rtsp._prepare import cache_folder
from protocol.errors import UnavailableError

SCENE = Path(__file__).parent / "street.toml"
STANDING = 2
"""Vehicles that stand in the zone from beginning to end."""

SECONDS = 20
FPS = 25
GOP_S = 2.0
BITS_PER_S = 4_000_000
_REPEAT = 5
_NOISE = 2.5
"""Grey levels, standard deviation: what a small sensor shows by day."""


def load_clip(progress: Callable[[int, int], None] | None = None, *, folder: Path | None = None) -> Path:
    """The clip, from the user's cache or drawn now (about half a minute).

    Args:
        progress: told (pictures done, pictures in all).
        folder: the cache; by default the user's.

    Raises:
        UnavailableError: the cache cannot be written.
    """
    scene = simulator.load_scene(SCENE)
    folder = folder or cache_folder()
    file = folder / f"bench-{_fingerprint(scene)}.mp4"
    if file.exists():
        return file
    partial = file.with_suffix(f".{os.getpid()}.partial.mp4")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _encode(scene, partial, progress)
        with partial.open("rb") as handle:
            os.fsync(handle.fileno())
        partial.replace(file)
    except OSError as error:
        raise UnavailableError(
            f"the benchmark's clip cannot be kept: {error.strerror or error}",
            file=folder,
            mend="Make room, or point XDG_CACHE_HOME at a folder that can be written.",
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return file


def _fingerprint(scene: simulator.Scene) -> str:
    """The scene's content and the code that draws and encodes it."""
    digest = hashlib.sha256(scene.spec.model_dump_json().encode())
    for module in (*sorted(Path(simulator.__file__).parent.glob("**/*.py")), Path(__file__)):
        digest.update(module.read_bytes())
    return digest.hexdigest()[:32]


def _encode(scene: simulator.Scene, path: Path, progress: Callable[[int, int], None] | None) -> None:
    import av

    with av.open(str(path), "w") as container:
        options = simulator.encoder_options("h264", fps=FPS, gop_s=GOP_S, bitrate=BITS_PER_S, raw=False)
        stream: Any = container.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height = scene.size
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = BITS_PER_S
        stream.codec_context.max_b_frames = 0
        total = SECONDS * FPS
        for number, picture in enumerate(pictures(scene)):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format="yuv420p")
            frame.pts = number
            frame.time_base = Fraction(1, FPS)
            container.mux(stream.encode(frame))
            if progress is not None:
                progress(number + 1, total)
        container.mux(stream.encode())


def pictures(scene: simulator.Scene) -> Iterator[NDArray[np.uint8]]:
    """Each drawn picture five times, with noise that is never the same twice in a row."""
    import cv2

    rng = np.random.default_rng(scene.spec.seed)
    width, height = scene.size
    grain = rng.normal(0, _NOISE, (height + 64, width + 64, 1)).repeat(3, axis=2).astype(np.int16)
    for number in range(SECONDS * FPS):
        if number % _REPEAT == 0:
            drawn = scene.render(round(number * 1000 / FPS)).astype(np.int16)
        top, left = rng.integers(0, 64, 2)
        noisy = cv2.add(drawn, grain[top : top + height, left : left + width])
        yield np.clip(noisy, 0, 255).astype(np.uint8)
