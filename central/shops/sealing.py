"""Who owns a shop: name and number, sealed with the centre's key and found again by a keyed hash."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from central.owners.keys import the_key
from central.shops.models import Shop
from notifier.masking import mask_phone
from notifier.owners import OwnersKey, normal_phone
from protocol.errors import PatrolError

_BOUND = b"shop-owner"


@dataclass(frozen=True, slots=True)
class Owner:
    """In the clear: only in memory."""

    name: str = field(default="", repr=False)
    phone: str = field(default="", repr=False)


def clean(owner: Owner) -> Owner:
    """The same with a number as it is stored, E.164.

    Raises:
        PatrolError: no mobile number, or a name that is too long.
    """
    if len(owner.name) > 80 or "\x00" in owner.name:
        raise PatrolError("a name has at most 80 characters", field="owner")
    phone = owner.phone.strip()
    if phone:
        try:
            phone = normal_phone(phone)
        except ValueError as error:
            raise PatrolError(f"no phone number: {error}", field="phone", value=mask_phone(phone)) from error
    return Owner(owner.name.strip(), phone)


def put(shop: Shop, owner: Owner, key: OwnersKey | None = None) -> None:
    """Set the owner of a shop that is not saved yet. `owner` is clean."""
    key = key or the_key()
    shop.sealed = _seal(key, owner)
    shop.phone_mark = mark(key, shop.jurisdiction_id, owner.phone) if owner.phone else ""
    shop.phone_masked = mask_phone(owner.phone) if owner.phone else ""


def owner_of(shop: Shop) -> Owner:
    """Name and number in the clear, for the one who sends the message.

    Raises:
        PatrolError: sealed with another key, or changed.
        UnavailableError: the key cannot be used now.
    """
    if shop.sealed is None:
        return Owner()
    return _open(the_key(), shop)


def mark(key: OwnersKey, jurisdiction_id: str, phone: str) -> str:
    """By what a number is found without being stored in the clear."""
    return key.index("shop-owner", f"{jurisdiction_id}/{phone}").hex()


def reseal(old: OwnersKey, new: OwnersKey, **_: Any) -> None:
    """The key changes: owners are sealed anew, with new marks."""
    for shop in Shop.objects.exclude(sealed=None).iterator(chunk_size=500):
        put(shop, _open(old, shop), new)
        shop.save(update_fields=["sealed", "phone_mark", "phone_masked"])


def _open(key: OwnersKey, shop: Shop) -> Owner:
    assert shop.sealed is not None
    try:
        content = json.loads(key.unseal(bytes(shop.sealed), _BOUND))
    except ValueError as error:
        raise PatrolError("the owner of this shop cannot be unsealed", value=f"shop {shop.pk}") from error
    return Owner(content["name"], content["phone"])


def _seal(key: OwnersKey, owner: Owner) -> bytes:
    return key.seal(
        json.dumps({"name": owner.name, "phone": owner.phone}, ensure_ascii=False).encode(), _BOUND
    )
