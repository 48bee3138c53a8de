"""Scenes as H.264 or H.265 files, with their ground truth beside them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from benchmarks.simulator.scene import Scene
from protocol.errors import PatrolError, UnavailableError

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

Codec = Literal["h264", "h265", "hevc"]
_LIBRARY = {"h264": "libx264", "h265": "libx265"}
_RAW = {".h264": "h264", ".264": "h264", ".h265": "hevc", ".265": "hevc", ".hevc": "hevc"}


def truth_path(path: Path) -> Path:
    """Where the ground truth of a video lies: ``street.mp4`` -> ``street.truth.json``."""
    return path.with_name(f"{path.stem}.truth.json")


def frame_times(scene: Scene, fps: float) -> Iterator[int]:
    """Instants of all pictures of a scene at a rate, milliseconds."""
    for i in range(frame_count(scene, fps)):
        yield round(i * 1000 / fps)


def frame_count(scene: Scene, fps: float) -> int:
    """How many pictures a scene has at a rate."""
    return max(1, round(scene.duration_ms * fps / 1000))


def encoder_options(
    codec: Codec, *, fps: float, gop_s: float, bitrate: int | None, raw: bool
) -> dict[str, str]:
    """Settings like those of a network camera: a keyframe every `gop_s` seconds, no B-frames, no scene cuts."""
    gop = max(1, round(gop_s * fps))
    if codec == "h264":
        options = {
            "preset": "veryfast",
            "x264-params": f"keyint={gop}:min-keyint={gop}:scenecut=0:bframes=0:repeat-headers={int(raw)}",
        }
    else:
        options = {
            "preset": "ultrafast",
            "x265-params": f"keyint={gop}:min-keyint={gop}:scenecut=0:bframes=0:open-gop=0:repeat-headers={int(raw)}:log-level=error",
        }
    if bitrate is None:
        options["crf"] = "23" if codec == "h264" else "26"
    return options


def encode(
    scene: Scene,
    path: Path | str,
    *,
    codec: Codec = "h264",
    fps: float | None = None,
    gop_s: float = 2.0,
    bitrate: int | None = None,
    size: tuple[int, int] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Draw a whole scene into a video, and write its ground truth as ``<name>.truth.json`` beside it.

    Both files appear complete or not at all.

    Args:
        path: ``.mp4``, or ``.h264``/``.h265`` for a bare stream.
        codec: h264 or h265 (also called hevc).
        fps: pictures per second; the scene's own by default.
        gop_s: seconds between keyframes.
        bitrate: bits per second; None for constant quality.
        size: width and height in pixels; the scene's own by default. The horizontal field of view stays.
        progress: called with (pictures done, pictures in all).

    Returns:
        The path of the ground truth.

    Raises:
        PatrolError: a codec, size or name that cannot be.
        UnavailableError: the file cannot be written.
    """
    path = Path(path)
    if codec == "hevc":
        codec = "h265"
    _check(path, codec, gop_s)
    if size is not None or fps is not None:
        scene = scene.changed(size=size, fps=fps)
    beside = truth_path(path)
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    partial_truth = beside.with_name(f".{path.stem}.{os.getpid()}.truth.partial")
    try:
        _write_video(scene, partial, codec, gop_s, bitrate, progress)
        _sync(partial)
        with partial_truth.open("w", encoding="utf-8") as file:
            file.write(scene.truth().model_dump_json(indent=1))
            file.flush()
            os.fsync(file.fileno())
        partial_truth.replace(beside)
        partial.replace(path)
    except OSError as error:
        raise UnavailableError(
            f"cannot write: {error.strerror or error}",
            file=path,
            mend="Choose a folder that exists and has room.",
        ) from None
    finally:
        partial.unlink(missing_ok=True)
        partial_truth.unlink(missing_ok=True)
    return beside


def _check(path: Path, codec: str, gop_s: float) -> None:
    if codec not in _LIBRARY:
        raise PatrolError("no such codec", field="--codec", value=codec, mend="Use h264 or h265.")
    suffix = path.suffix.lower()
    if suffix != ".mp4" and _RAW.get(suffix) != {"h264": "h264", "h265": "hevc"}[codec]:
        raise PatrolError(
            f"a {codec} video cannot be written under this name",
            field="--out",
            value=str(path),
            mend=f"Name it *.mp4 or *.{codec}.",
        )
    if not 0.04 <= gop_s <= 600:
        raise PatrolError(
            "keyframe spacing out of range", field="--gop", value=gop_s, mend="Give seconds, e.g. --gop 2."
        )


def _write_video(
    scene: Scene,
    path: Path,
    codec: Codec,
    gop_s: float,
    bitrate: int | None,
    progress: Callable[[int, int], None] | None,
) -> None:
    import av

    raw = path.suffix.lower() in _RAW
    total = frame_count(scene, scene.fps)
    form = _RAW[path.suffix.lower()] if raw else "mp4"
    try:
        container: OutputContainer = av.open(str(path), "w", format=form)
    except av.FFmpegError as error:
        raise OSError(error.errno, error.strerror) from None
    with container:
        rate = Fraction(scene.fps).limit_denominator(1001)
        options = encoder_options(codec, fps=scene.fps, gop_s=gop_s, bitrate=bitrate, raw=raw)
        stream: Any = container.add_stream(_LIBRARY[codec], rate=rate, options=options)
        _set_up(stream, scene, bitrate, codec)
        for i, t_ms in enumerate(frame_times(scene, scene.fps)):
            frame = av.VideoFrame.from_ndarray(scene.render(t_ms), format="bgr24").reformat(format="yuv420p")
            frame.pts = i
            frame.time_base = 1 / rate
            for packet in stream.encode(frame):
                container.mux(packet)
            if progress:
                progress(i + 1, total)
        for packet in stream.encode():
            container.mux(packet)


def _set_up(stream: VideoStream, scene: Scene, bitrate: int | None, codec: Codec) -> None:
    stream.width, stream.height = scene.size
    stream.pix_fmt = "yuv420p"
    stream.codec_context.max_b_frames = 0
    if bitrate:
        stream.bit_rate = bitrate
    if codec == "h265":
        stream.codec_context.codec_tag = "hvc1"


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
