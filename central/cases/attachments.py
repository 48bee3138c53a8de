"""Photos that people add to a case: taken once per key, kept as files named by their hash, told in the history."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction

from central.cases import history
from central.cases.models import Attachment, Case
from central.cases.photos import BadPhotoError, Photo, read_photo
from central.cases.pictures import write_once
from central.live.services import TASKS, announce
from central.project.clock import now_ms
from protocol.errors import PatrolError

MOST = 60
"""Photos of one case. A flood of them would cost everyone who opens it."""

KEY_LENGTH = 100


class OtherContentError(PatrolError):
    """This key has brought another file before; a retry sends the same bytes."""


def attach(
    case: Case,
    user: Any,
    data: bytes,
    filename: str,
    key: str,
    *,
    actor: str | None = None,
    photo: Photo | None = None,
) -> Attachment:
    """Keep a photo of a case. The same key with the same bytes again gives what was kept the first time.

    The caller has made sure that the user may see the case. It opens its own transaction and locks the case in it; the file is
    written before its row, since a row without its file would be a lie.

    Args:
        case: the case; it need not be locked.
        user: who adds it, or None where `actor` says it.
        data: the file as it came.
        filename: what its sender called it; kept for people, never used as a path.
        key: what makes a repetition the same photo, at most 100 characters.
        actor: ``api:…`` or the like, for photos that no user added.
        photo: what `read_photo` made of these bytes, where the caller has read them already.

    Raises:
        BadPhotoError: not a photo that can be accepted, or the case has too many.
        OtherContentError: the key brought other bytes before.
        OSError: the disk is full or may not be written.
    """
    if not 1 <= len(key) <= KEY_LENGTH or not key.isprintable():
        raise PatrolError("a key has 1 to 100 printable characters", field="key", value=key[:KEY_LENGTH])
    digest = hashlib.sha256(data).hexdigest()
    known = Attachment.objects.filter(case=case, key=key).first()
    if known is not None:
        return _same(known, digest)
    photo = photo or read_sent(data)
    thumbnail = write_photo(photo)
    with transaction.atomic():
        locked = Case.objects.select_for_update().get(pk=case.pk)
        known = Attachment.objects.filter(case=locked, key=key).first()
        if known is not None:
            return _same(known, digest)
        if locked.attachments.count() >= MOST:
            raise BadPhotoError(f"a case holds at most {MOST} photos")
        made = _keep(locked, user, photo, thumbnail, filename, key, actor)
        announce(TASKS)
    return made


def attach_upload(case: Case, user: Any, file: UploadedFile, key: uuid.UUID) -> Attachment:
    """Keep a photo that came with a form.

    Args:
        case, user: as for `attach`.
        file: what was chosen.
        key: of the form. Another photo after a refusal is another photo.

    Raises:
        BadPhotoError, OtherContentError, OSError: as `attach` does.
    """
    if (file.size or 0) > settings.PATROL.picture_bytes:
        raise BadPhotoError("too large")
    data = file.read()
    name = f"{key}-{hashlib.sha256(data).hexdigest()[:16]}"
    return attach(case, user, data, str(file.name or "")[:200], name)


def read_sent(data: bytes) -> Photo:
    """`read_photo` within the limits of this centre.

    Raises:
        BadPhotoError: not a photo that can be accepted.
    """
    return read_photo(data, most_bytes=settings.PATROL.picture_bytes, zone=settings.TIME_ZONE)


def write_photo(photo: Photo) -> str:
    """Write the files of a photo, before its row: a row without its file would be a lie. Returns the thumbnail's hash.

    Raises:
        OSError: the disk is full or may not be written.
    """
    thumbnail = hashlib.sha256(photo.thumbnail).hexdigest()
    write_once(path_of(photo.sha256), photo.data)
    write_once(path_of(thumbnail, thumbnail=True), photo.thumbnail)
    return thumbnail


def path_of(sha256: str, *, thumbnail: bool = False) -> Path:
    """Where a kept file lies."""
    folder = "attachment-thumbnails" if thumbnail else "attachments"
    return Path(settings.PATROL.data) / folder / sha256[:2] / f"{sha256}.jpg"


def _keep(
    case: Case, user: Any, photo: Photo, thumbnail: str, filename: str, key: str, actor: str | None
) -> Attachment:
    now = now_ms()
    actor = actor or f"user:{user.get_username()}"
    made = Attachment.objects.create(
        case=case,
        key=key,
        user=user,
        actor=actor[:160],
        filename=_shown(filename),
        original_sha256=photo.original_sha256,
        stored_sha256=photo.sha256,
        thumbnail_sha256=thumbnail,
        size=len(photo.data),
        width=photo.width,
        height=photo.height,
        taken_at_ms=photo.taken_at_ms,
        longitude=photo.longitude,
        latitude=photo.latitude,
        received_at_ms=now,
    )
    history.append(
        case,
        "attachment",
        now,
        actor,
        attachment=made.pk,
        original_sha256=photo.original_sha256,
        sha256=photo.sha256,
        thumbnail_sha256=thumbnail,
        taken_at_ms=photo.taken_at_ms,
    )
    return made


def _shown(filename: str) -> str:
    """A file's name without folders and without what cannot be shown."""
    last = filename.replace("\\", "/").rpartition("/")[2]
    return "".join(letter for letter in last if letter.isprintable())[-200:]


def _same(known: Attachment, digest: str) -> Attachment:
    if known.original_sha256 != digest:
        raise OtherContentError("this key has brought another file before", field="key", value=known.key)
    return known
