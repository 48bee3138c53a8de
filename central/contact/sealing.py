"""What a message keeps under seal: the number and what it reads."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from central.contact.models import Message
from central.owners.services import phone_mark
from notifier.owners import OwnersKey
from protocol.errors import PatrolError


@dataclass(frozen=True, slots=True)
class Content:
    """The sealed part.

    Args:
        phone: E.164.
        text: what the person reads, in the one language it goes out in.
        values: words for gateways whose templates lie with the gateway.
    """

    phone: str = field(repr=False)
    text: str = field(repr=False)
    values: dict[str, str] = field(default_factory=dict, repr=False)


def seal(key: OwnersKey, message_key: str, content: Content) -> bytes:
    """Sealed, and bound to its message."""
    return key.seal(json.dumps(asdict(content), ensure_ascii=False).encode(), _bound(message_key))


def unseal(key: OwnersKey, message: Message) -> Content:
    """The content of a message.

    Raises:
        PatrolError: it was forgotten, sealed with another key, or changed.
    """
    if message.sealed is None:
        raise PatrolError("the content of this message is not kept any more", value=message.reference)
    try:
        return Content(**json.loads(key.unseal(bytes(message.sealed), _bound(message.key))))
    except (ValueError, TypeError) as error:
        raise PatrolError("the content of this message cannot be opened", value=message.reference) from error


def reseal(old: OwnersKey, new: OwnersKey, **_: Any) -> None:
    """The key changes: what is under seal is sealed anew, with a new mark; marks without it are of no use."""
    Message.objects.filter(sealed=None).exclude(phone_mark="").update(phone_mark="")
    for message in list(Message.objects.exclude(sealed=None)):
        content = unseal(old, message)
        message.sealed = seal(new, message.key, content)
        message.phone_mark = phone_mark(new, content.phone)
        message.save(update_fields=["sealed", "phone_mark"])


def _bound(message_key: str) -> bytes:
    return b"contact/" + message_key.encode()
