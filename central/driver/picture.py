"""The driver's own vehicle, cut from the sealed picture: made once, kept beside the picture, small enough for a phone."""

from __future__ import annotations

import io
import logging
import os
import secrets
from pathlib import Path

from django.conf import settings
from PIL import Image

from central.cases.models import Evidence
from central.cases.pictures import path_of
from central.driver.links import LIFE_AFTER_CLOCK_MS
from central.project.clock import now_ms

log = logging.getLogger(__name__)

KEPT_MS = LIFE_AFTER_CLOCK_MS + 24 * 3_600_000
"""How long a view stays on disk: until no link opens it any more. One that is wanted for longer is cut anew; the sealed
picture itself has its own term."""

SIDE = 720
"""Pixels of the longer side: sharp on a phone, some 60 kB."""

_AROUND = 0.45
"""Surroundings on each side, in sides of the vehicle: enough to know the place again."""


def view_of(evidence_id: int) -> Path | None:
    """The file of the view, made if need be; None while the picture has not arrived.

    What others' faces and plates are masked in stays masked: it is cut from the picture as it was sealed.
    """
    evidence = Evidence.objects.filter(pk=evidence_id, picture__isnull=False).first()
    if evidence is None:
        return None
    source = path_of(evidence.sha256)
    made = _folder() / evidence.sha256[:2] / f"{evidence.sha256}-{evidence.pk}.jpg"
    if made.exists():
        return made
    if not source.exists():
        return None
    with Image.open(source, formats=["JPEG"]) as image:
        # The decoder itself can shrink by a half or a quarter, which is most of the cost.
        region = _region(evidence, image.size)
        longer = max(region[2] - region[0], region[3] - region[1])
        whole = image.size
        image.draft("RGB", (round(whole[0] * SIDE / longer), round(whole[1] * SIDE / longer)))
        factor = image.size[0] / whole[0]
        part = image.crop(tuple(round(side * factor) for side in region)).convert("RGB")
    part.thumbnail((SIDE, SIDE), Image.Resampling.BICUBIC)
    out = io.BytesIO()
    part.save(out, "JPEG", quality=78)
    made.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = made.with_name(f".{made.name}.{os.getpid()}.{secrets.token_hex(4)}")
    draft.write_bytes(out.getvalue())
    draft.replace(made)
    return made


def sweep() -> int:
    """Delete the views that no link opens any more, and drafts that a crash left; returns how many."""
    before_s = (now_ms() - KEPT_MS) / 1000
    count = 0
    for file in _folder().glob("*/*"):
        try:
            if file.stat().st_mtime < before_s:
                file.unlink()
                count += 1
        except FileNotFoundError:
            continue  # another process sweeps too
        except OSError as error:
            log.warning("view %s cannot be deleted: %s", file.name, error.strerror)
    if count:
        log.info("deleted %d views of vehicles whose links have expired", count)
    return count


def _folder() -> Path:
    return Path(settings.PATROL.data) / "views"


def _region(evidence: Evidence, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The vehicle with its surroundings, or the whole picture where its place in it is not known."""
    if not evidence.box:
        return (0.0, 0.0, float(size[0]), float(size[1]))
    left, top, right, bottom = evidence.box
    across, down = (right - left) * _AROUND, (bottom - top) * _AROUND
    region = (
        max(0.0, left - across),
        max(0.0, top - down),
        min(float(size[0]), right + across),
        min(float(size[1]), bottom + down),
    )
    if region[2] - region[0] < 16 or region[3] - region[1] < 16:
        return (0.0, 0.0, float(size[0]), float(size[1]))
    return region
