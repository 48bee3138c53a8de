"""Scenes and videos named on a command line, made into files ready to serve."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import platformdirs

from benchmarks.rtsp._media import MediaFile
from protocol.errors import PatrolError, UnavailableError

Progress = Callable[[int, int], None]
"""Told (pictures done, pictures in all)."""

SCENE_SUFFIX = ".toml"


def is_scene(source: str) -> bool:
    """Whether a source is a scene (a TOML file or the name of a built-in one) and not a video file."""
    return source.endswith(SCENE_SUFFIX) or not (Path(source).suffix or Path(source).exists())


def cache_folder() -> Path:
    """Where rendered scenes are kept for the next time."""
    return Path(platformdirs.user_cache_path("street-patrol")) / "scenes"


def rendered(
    source: str, options: dict[str, Any], *, folder: Path | None = None, progress: Progress | None = None
) -> Path:
    """The video of a scene: from the cache where the same scene was rendered before, else rendered now.

    Args:
        source: a scene file, or the name of a built-in scene.
        options: what `benchmarks.simulator.encode` takes (codec, fps, gop_s, bitrate, size).
        folder: the cache; by default the user's.
        progress: told how far the rendering is.

    Raises:
        PatrolError: the scene is wrong.
        UnavailableError: the cache cannot be written.
    """
    from benchmarks import simulator

    scene = simulator.load_scene(Path(source) if source.endswith(SCENE_SUFFIX) else source)
    folder = folder or cache_folder()
    file = folder / f"{_fingerprint(scene, options)}.mp4"
    if file.exists():
        return file
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnavailableError(
            f"the rendered scene cannot be kept: {error.strerror or error}",
            file=folder,
            mend="Make room, or point XDG_CACHE_HOME at a folder that can be written.",
        ) from error
    simulator.encode(scene, file, progress=progress, **options)
    return file


def truth_of(video: Path) -> str | None:
    """Path of the ground truth that lies beside a rendered video; None for other videos."""
    beside = video.with_name(f"{video.stem}.truth.json")
    return str(beside) if beside.exists() else None


def _fingerprint(scene: Any, options: dict[str, Any]) -> str:
    """Name of the rendered file: the scene's content, the way it is encoded, and the code that draws it."""
    from benchmarks import simulator

    digest = hashlib.sha256(scene.spec.model_dump_json().encode())
    digest.update(json.dumps(options, sort_keys=True, default=str).encode())
    for module in sorted(Path(simulator.__file__).parent.glob("**/*.py")):
        digest.update(module.read_bytes())
    return digest.hexdigest()[:32]


def password_from(file: Path) -> str:
    """The first line of a file that holds a password.

    Raises:
        PatrolError: the file cannot be read or is empty.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise PatrolError(
            f"the password cannot be read: {reason}", file=file, field="--password-file"
        ) from error
    if not lines or not lines[0]:
        raise PatrolError("the password file is empty", file=file, field="--password-file")
    return lines[0]


def bits_per_second(text: str) -> int:
    """``4M``, ``800k`` or ``4000000`` as bits a second.

    Raises:
        PatrolError: the text is no rate.
    """
    unit = {"k": 1_000, "m": 1_000_000}.get(text[-1:].lower(), 1)
    try:
        value = float(text[:-1] if unit > 1 else text) * unit
    except ValueError:
        value = 0.0
    if not 1_000 <= value <= 1e9:
        raise PatrolError("not a bit rate", field="--bitrate", value=text, mend="Write e.g. 4M or 800k.")
    return round(value)


def picture_size(text: str) -> tuple[int, int]:
    """``1280x720`` as (width, height), both even.

    Raises:
        PatrolError: the text is no size.
    """
    width, _, height = text.lower().partition("x")
    if not (width.isascii() and width.isdigit() and height.isascii() and height.isdigit()):
        raise PatrolError("not a picture size", field="--size", value=text, mend="Write e.g. 1280x720.")
    size = (int(width), int(height))
    if not all(16 <= side <= 7680 and side % 2 == 0 for side in size):
        raise PatrolError("both sides must be even, from 16 to 7680 pixels", field="--size", value=text)
    return size


def open_all(
    sources: list[str], options: dict[str, Any], *, progress: Callable[[str], Progress] | None = None
) -> list[MediaFile]:
    """Every source as a file ready to serve, in order; the same source is read only once.

    Args:
        sources: scenes and video files.
        options: how scenes are encoded.
        progress: makes the listener for one scene's rendering.
    """
    media: dict[str, MediaFile] = {}
    for source in sources:
        if source not in media:
            file: str | Path = source
            if is_scene(source):
                file = rendered(source, options, progress=progress(source) if progress else None)
            media[source] = MediaFile.open(file)
    return [media[source] for source in sources]
