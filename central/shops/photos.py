"""Photos of shops: made safe as those of cases are, and kept as files named by their hash."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from central.cases.attachments import read_sent, write_photo
from central.cases.photos import BadPhotoError
from central.project.clock import now_ms
from central.shops.models import Photo, Shop

MOST_A_DAY = 300
"""Photos of one shop a day, whoever sends them."""


def keep(shop: Shop, data: bytes, actor: str) -> Photo:
    """Keep a photo.

    Raises:
        BadPhotoError: not a photo that can be accepted, or too many of this shop today.
        OSError: the disk is full or may not be written.
    """
    if shop.photos.filter(received_at_ms__gte=now_ms() - 86_400_000).count() >= MOST_A_DAY:
        raise BadPhotoError(f"a shop takes at most {MOST_A_DAY} photos a day", field="photo")
    photo = read_sent(data)
    thumbnail = write_photo(photo)
    return Photo.objects.create(
        shop=shop,
        sha256=photo.sha256,
        thumbnail_sha256=thumbnail,
        original_sha256=photo.original_sha256,
        actor=actor[:160],
        received_at_ms=now_ms(),
    )


def bytes_of(upload: UploadedFile | None) -> bytes | None:
    """The bytes of an upload, no more than a photo may have and one; None where nothing was chosen."""
    if upload is None:
        return None
    most = settings.PATROL.picture_bytes + 1
    return b"".join(_some(upload, most))


def _some(upload: UploadedFile, most: int) -> Iterator[bytes]:
    for chunk in upload.chunks():
        yield chunk[:most]
        most -= len(chunk)
        if most <= 0:
            return
