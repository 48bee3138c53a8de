"""What a notice keeps under seal: who is to be warned, at which number, with what."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from central.notices.models import Notice, Warned
from central.owners.services import phone_mark, plate_mark
from notifier.letter import Letter
from notifier.owners import OwnersKey
from protocol.clock import Millis
from protocol.errors import PatrolError
from protocol.messages import Position


class Content(BaseModel):
    """The sealed part of a notice."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)
    letter: Letter
    vehicle_class: str
    position: Position | None = None
    phone: str | None = Field(default=None, repr=False)
    preferred: str | None = None
    page_until_ms: Millis | None = None


def seal(key: OwnersKey, notice_key: str, content: Content) -> bytes:
    """Sealed, and bound to its notice."""
    return key.seal(content.model_dump_json().encode(), notice_key.encode())


def unseal(key: OwnersKey, notice: Notice) -> Content:
    """The content of a notice.

    Raises:
        PatrolError: it was forgotten, sealed with another key, or changed.
    """
    if notice.sealed is None:
        raise PatrolError("the content of this notice is not kept any more", value=notice.reference)
    try:
        return Content.model_validate_json(key.unseal(bytes(notice.sealed), notice.key.encode()))
    except ValueError as error:
        raise PatrolError("the content of this notice cannot be opened", value=notice.reference) from error


def reseal(old: OwnersKey, new: OwnersKey, **_: Any) -> None:
    """The key changes: whatever is still under seal is sealed anew, with new marks; marks without it are of no use."""
    Notice.objects.filter(sealed=None).update(plate_mark="", phone_mark="")
    for notice in list(Notice.objects.exclude(sealed=None)):
        content = unseal(old, notice)
        notice.sealed = seal(new, notice.key, content)
        notice.plate_mark = plate_mark(new, content.letter.plate)
        notice.phone_mark = "" if content.phone is None else phone_mark(new, content.phone)
        notice.save(update_fields=["sealed", "plate_mark", "phone_mark"])
    Warned.objects.exclude(notice__sealed__isnull=False).delete()
    for warned in list(Warned.objects.select_related("notice")):
        assert warned.notice is not None
        warned.plate_mark = warned.notice.plate_mark
        warned.save(update_fields=["plate_mark"])
