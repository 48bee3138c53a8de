"""Evidence pictures on disk: checked, named by their hash, written whole or not at all."""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import warnings
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from PIL import Image, UnidentifiedImageError

PIXELS_MAX = 50_000_000
"""More than an 8K camera gives; a small file that unfolds to more is an attack."""

THUMBNAIL = (640, 640)


class BadPictureError(ValueError):
    """The bytes are not a picture that can be accepted; the text says why."""


class OtherPictureError(BadPictureError):
    """The bytes are not those of the picture that was named; nothing is said of that one."""


@dataclass(frozen=True, slots=True)
class Size:
    """Pixels of a picture that was decoded to its end."""

    width: int
    height: int


def check(data: bytes, sha256: str) -> tuple[Size, bytes]:
    """Prove that `data` is the JPEG that its name says; its size and a JPEG thumbnail without metadata.

    Raises:
        BadPictureError: too large, another hash, not a JPEG, cut short, too many pixels.
    """
    if len(data) > settings.PATROL.picture_bytes:
        raise BadPictureError(f"{len(data)} bytes, at most {settings.PATROL.picture_bytes} are accepted")
    if hashlib.sha256(data).hexdigest() != sha256:
        raise OtherPictureError("the bytes do not have the hash that the topic names")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
                size = Size(*image.size)
                if size.width * size.height > PIXELS_MAX:
                    raise BadPictureError(f"{size.width}x{size.height} pixels are too many")
                image.load()
                small = image.convert("RGB")
    except BadPictureError:
        raise
    except UnidentifiedImageError:
        raise BadPictureError("not a JPEG picture") from None
    except (OSError, ValueError, SyntaxError, Warning, Image.DecompressionBombError) as error:
        raise BadPictureError(f"the JPEG cannot be decoded: {error}") from None
    small.thumbnail(THUMBNAIL, Image.Resampling.LANCZOS)
    thumbnail = io.BytesIO()
    small.save(thumbnail, "JPEG", quality=80, optimize=True, progressive=True)
    return size, thumbnail.getvalue()


def store(data: bytes, thumbnail: bytes, sha256: str) -> None:
    """Write both files. Durable when this returns; a file that is there already stays.

    Raises:
        OSError: the disk is full or may not be written.
    """
    write_once(path_of(sha256), data)
    write_once(path_of(sha256, thumbnail=True), thumbnail)


def path_of(sha256: str, *, thumbnail: bool = False) -> Path:
    """Where the picture lies."""
    folder = "thumbnails" if thumbnail else "evidence"
    return Path(settings.PATROL.data) / folder / sha256[:2] / f"{sha256}.jpg"


def write_once(path: Path, data: bytes) -> None:
    """Write a file that is named by what it holds: whole or not at all, read by its owner alone, durable.

    Raises:
        OSError: the disk is full or may not be written.
    """
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
