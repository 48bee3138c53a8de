"""What the farm's cameras show: a street where nobody stands, and one where two vehicles come to stand for 80 s.

Both halves are drawn and encoded once (1080p25 at 4 Mb/s and 640x360 at 0.5 Mb/s, a keyframe every 2 s) and kept.
They are put together in memory, so that a hundred cameras share the bytes of 40 s of video.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from benchmarks import simulator
from benchmarks.loop.clip import FPS, GOP_S, SCENE, SECONDS, STANDING, pictures
from benchmarks.rtsp import MediaFile
from benchmarks.rtsp._prepare import cache_folder
from protocol.errors import UnavailableError

Stream = Literal["main", "sub"]

SIZES: dict[Stream, tuple[int, int]] = {"main": (1920, 1080), "sub": (640, 360)}
BITS_PER_S: dict[Stream, int] = {"main": 4_000_000, "sub": 500_000}

ROUNDS_EMPTY, ROUNDS_STANDING = 6, 4
EMPTY_S = ROUNDS_EMPTY * SECONDS
STAY_S = ROUNDS_STANDING * SECONDS
CYCLE_S = EMPTY_S + STAY_S
VEHICLES = STANDING

Progress = Callable[[int, int], None]


def load_media(
    stream: Stream, progress: Progress | None = None, *, folder: Path | None = None
) -> tuple[MediaFile, MediaFile]:
    """The street where only traffic passes, 20 s, and one cycle with a stay: empty for `EMPTY_S`, then standing.

    Args:
        stream: the camera's main or sub-stream.
        progress: told (pictures drawn, pictures in all) while a clip is made.
        folder: where clips are kept; by default the user's cache.

    Raises:
        UnavailableError: the clips cannot be kept.
    """
    empty, standing = (MediaFile.open(files[stream]) for files in load_clips(progress, folder=folder))
    return empty, _joined([empty] * ROUNDS_EMPTY + [standing] * ROUNDS_STANDING)


def _joined(parts: list[MediaFile]) -> MediaFile:
    """Played one after the other; the packets' bytes are shared."""
    units, keyframes, shift = [], [], 0
    for part in parts:
        keyframes += [len(units) + index for index in part.keyframes]
        units += [
            replace(unit, decode_ticks=unit.decode_ticks + shift, present_ticks=unit.present_ticks + shift)
            for unit in part.units
        ]
        shift += part.period_ticks
    return replace(parts[0], units=units, keyframes=keyframes, period_ticks=shift)


def load_clips(
    progress: Progress | None = None, *, folder: Path | None = None
) -> tuple[dict[Stream, Path], dict[Stream, Path]]:
    """The two halves, empty and standing, each as both streams; from the cache or drawn now (some minutes)."""
    scene = simulator.load_scene(SCENE)
    bare = simulator.Scene(scene.spec.model_copy(update={"vehicle": ()}))
    folder = folder or cache_folder()
    mark = _fingerprint(scene)
    made = []
    for number, (name, what) in enumerate((("empty", bare), ("standing", scene))):
        files: dict[Stream, Path] = {
            stream: folder / f"capacity-{mark}-{name}-{stream}.mp4" for stream in SIZES
        }
        if not all(file.exists() for file in files.values()):
            _make(what, files, progress, number)
        made.append(files)
    return made[0], made[1]


def _make(scene: simulator.Scene, files: dict[Stream, Path], progress: Progress | None, number: int) -> None:
    partial = {stream: file.with_suffix(f".{os.getpid()}.partial.mp4") for stream, file in files.items()}
    folder = next(iter(files.values())).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _encode(scene, partial, progress, number)
        for stream, file in partial.items():
            file.replace(files[stream])
    except OSError as error:
        raise UnavailableError(
            f"the benchmark's clips cannot be kept: {error.strerror or error}",
            file=folder,
            mend="Make room, or point XDG_CACHE_HOME at a folder that can be written.",
        ) from error
    finally:
        for file in partial.values():
            file.unlink(missing_ok=True)


def _encode(
    scene: simulator.Scene, files: dict[Stream, Path], progress: Progress | None, number: int
) -> None:
    import av

    outputs: list[tuple[Any, Any, tuple[int, int]]] = []
    for name, file in files.items():
        container = av.open(str(file), "w")
        options = simulator.encoder_options("h264", fps=FPS, gop_s=GOP_S, bitrate=BITS_PER_S[name], raw=False)
        stream: Any = container.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height = SIZES[name]
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = BITS_PER_S[name]
        stream.codec_context.max_b_frames = 0
        outputs.append((container, stream, SIZES[name]))
    total = SECONDS * FPS
    for count, picture in enumerate(pictures(scene)):
        frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
        for container, stream, (width, height) in outputs:
            small = frame.reformat(width=width, height=height, format="yuv420p", interpolation="AREA")
            small.pts = count
            small.time_base = Fraction(1, FPS)
            container.mux(stream.encode(small))
        if progress is not None:
            progress(number * total + count + 1, 2 * total)
    for container, stream, _ in outputs:
        container.mux(stream.encode())
        container.close()


def _fingerprint(scene: simulator.Scene) -> str:
    digest = hashlib.sha256(scene.spec.model_dump_json().encode())
    for module in sorted(Path(simulator.__file__).parent.glob("**/*.py")):
        digest.update(module.read_bytes())
    digest.update(f"{SIZES} {BITS_PER_S} {GOP_S} {SECONDS}".encode())
    return digest.hexdigest()[:24]
