"""A photo from a person's phone made safe: really decoded, upright, without metadata. Pure: bytes in, bytes out.

Whatever else the bytes may be - a page, an archive, a script in a comment - is not in what is kept, because the pixels are
written anew. Files that are two things at once are refused all the same: nobody makes them by accident.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
import warnings
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from central.cases.pictures import PIXELS_MAX, THUMBNAIL
from protocol.errors import PatrolError

LONGEST_SIDE = 4096
"""Pixels kept: a plate across the street is read in it, and a phone's 50 megapixels are not stored for ever."""

QUALITY = 88

_OTHER_FORMATS = re.compile(rb"<script|<html|<!doctype|<iframe|<\?php|%pdf-", re.IGNORECASE)
"""What a browser or viewer could take the file for. Long enough not to occur by chance in compressed pixels."""

_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)")


class BadPhotoError(PatrolError):
    """The bytes are not a photo that can be accepted; the text says why."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo as it is kept. `taken_at_ms` and the position (WGS-84, degrees) are what the phone said, or None."""

    data: bytes
    thumbnail: bytes
    width: int
    height: int
    original_sha256: str
    taken_at_ms: int | None = None
    longitude: float | None = None
    latitude: float | None = None

    @property
    def sha256(self) -> str:
        """Hash of what is kept."""
        return hashlib.sha256(self.data).hexdigest()


def formats() -> list[str]:
    """What is accepted, by Pillow's names. HEIC where a decoder is installed."""
    known = ["JPEG", "PNG", "WEBP"]
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return known
    register_heif_opener()
    return [*known, "HEIF"]


def read_photo(data: bytes, *, most_bytes: int, zone: str) -> Photo:
    """Decode a photo to its end and write it anew as JPEG, upright and without metadata.

    Args:
        data: the file as it was sent.
        most_bytes: larger files are refused unread.
        zone: time zone of a capture time that names none.

    Raises:
        BadPhotoError: too large, another format, two formats at once, cut short, too many pixels.
    """
    if not data:
        raise BadPhotoError("the file is empty")
    if len(data) > most_bytes:
        raise BadPhotoError(f"{len(data)} bytes, at most {most_bytes} are accepted")
    if _OTHER_FORMATS.search(data) or zipfile.is_zipfile(io.BytesIO(data)):
        raise BadPhotoError("the file is not only a picture")
    image, taken, position = _decode(data, zone)
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    kept = _jpeg(image, QUALITY)
    size = image.size
    image.thumbnail(THUMBNAIL, Image.Resampling.LANCZOS)
    longitude, latitude = position or (None, None)
    return Photo(
        data=kept,
        thumbnail=_jpeg(image, 80),
        width=size[0],
        height=size[1],
        original_sha256=hashlib.sha256(data).hexdigest(),
        taken_at_ms=taken,
        longitude=longitude,
        latitude=latitude,
    )


def _decode(data: bytes, zone: str) -> tuple[Image.Image, int | None, tuple[float, float] | None]:
    """(upright RGB pixels without metadata, capture time, position)."""
    accepted = formats()
    try:
        with warnings.catch_warnings():
            # Damaged metadata is no reason to lose a photo; a bomb is an error whatever the filter says.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=accepted) as image:
                if image.width * image.height > PIXELS_MAX:
                    raise BadPhotoError(f"{image.width}x{image.height} pixels are too many")
                taken, position = _metadata(image, zone)
                image.load()
                upright = _turned(image)
                return _flat(upright), taken, position
    except PatrolError:
        raise
    except UnidentifiedImageError:
        raise BadPhotoError(f"not a picture of a kind that is accepted: {', '.join(accepted)}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadPhotoError("it unfolds to too many pixels") from None
    except Exception as error:
        # Decoders fail in many ways on bytes that somebody made up; none of them is a fault of ours.
        raise BadPhotoError(f"the picture cannot be decoded: {type(error).__name__}") from None


def _turned(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:
        return image


def _flat(image: Image.Image) -> Image.Image:
    """RGB on white, in an image that carries nothing but pixels."""
    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        alpha = image.convert("RGBA")
        flat = Image.new("RGB", alpha.size, (255, 255, 255))
        flat.paste(alpha, mask=alpha.getchannel("A"))
        return flat
    flat = image.convert("RGB").copy()
    flat.info = {}
    return flat


def _jpeg(image: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality, optimize=True, progressive=True)
    return out.getvalue()


def _metadata(image: Image.Image, zone: str) -> tuple[int | None, tuple[float, float] | None]:
    try:
        exif = image.getexif()
        shot = exif.get_ifd(ExifTags.IFD.Exif)
        gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    except Exception:
        return None, None
    return _taken(exif, shot, zone), _position(gps)


def _taken(exif: Any, shot: dict[int, Any], zone: str) -> int | None:
    """When it was taken by the phone's clock, UTC milliseconds."""
    text = shot.get(ExifTags.Base.DateTimeOriginal) or exif.get(ExifTags.Base.DateTime)
    offset = shot.get(ExifTags.Base.OffsetTimeOriginal) or shot.get(ExifTags.Base.OffsetTime) or ""
    try:
        local = datetime.strptime(str(text).strip("\x00 "), "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007 - the zone follows
    except ValueError:
        return None
    found = _OFFSET.fullmatch(str(offset).strip("\x00 "))
    if found:
        sign = -1 if found[1] == "-" else 1
        ahead = sign * timedelta(hours=int(found[2]), minutes=int(found[3]))
        moment = (local - ahead).replace(tzinfo=UTC)
    else:
        moment = local.replace(tzinfo=ZoneInfo(zone))
    milliseconds = round(moment.timestamp() * 1000)
    return milliseconds if 0 < milliseconds < 2**52 else None


def _position(gps: dict[int, Any]) -> tuple[float, float] | None:
    """(longitude, latitude) in WGS-84 degrees, unless the phone said nothing or nonsense."""
    try:
        latitude = _degrees(gps[ExifTags.GPS.GPSLatitude], gps[ExifTags.GPS.GPSLatitudeRef], "S")
        longitude = _degrees(gps[ExifTags.GPS.GPSLongitude], gps[ExifTags.GPS.GPSLongitudeRef], "W")
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    if not (math.isfinite(latitude) and math.isfinite(longitude)):
        return None
    if abs(latitude) > 90 or abs(longitude) > 180 or (latitude == 0 and longitude == 0):
        return None
    return round(longitude, 7), round(latitude, 7)


def _degrees(parts: Any, side: Any, negative: str) -> float:
    degrees, minutes, seconds = (float(part) for part in parts)
    value = degrees + minutes / 60 + seconds / 3600
    return -value if str(side).strip("\x00 ").upper().startswith(negative) else value
