"""The register: shops, and the codes on their doors."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from central.grids.models import Grid
from central.grids.services import leaf_code
from central.owners.keys import the_key
from central.project.clock import local_day, midnight_ms, now_ms
from central.shops.models import Category, Code, Entry, Round, Session, Shop
from central.shops.sealing import Owner, clean, mark, put
from protocol.errors import PatrolError

FIELDS = {"name": 120, "licence": 40, "address": 300, "number": 40}
TOKEN_BYTES = 15
"""120 bits in 20 letters: a code is no number that one could count up, and the picture stays coarse."""


@dataclass(frozen=True, slots=True)
class NewShop:
    """One shop as a register has it. The number is the register's own; it makes an import of the same shop an update."""

    number: str
    name: str
    category: str
    licence: str = ""
    address: str = ""
    longitude: float | None = None
    latitude: float | None = None
    owner: Owner = field(default_factory=Owner)
    language: str = "zh-hans"


def check(new: NewShop) -> NewShop:
    """The same with clean fields.

    Raises:
        PatrolError: a field that is missing, too long or makes no sense.
    """
    texts = {name: str(getattr(new, name)).strip() for name in FIELDS}
    for name, most in FIELDS.items():
        if len(texts[name]) > most or not texts[name].replace("\n", "").isprintable():
            raise PatrolError(f"at most {most} letters that can be shown", field=name, value=texts[name][:60])
    for name in ("number", "name"):
        if not texts[name]:
            raise PatrolError("this is needed", field=name)
    if new.category not in Category.values:
        raise PatrolError(
            "there is no such category",
            field="category",
            value=new.category[:40],
            mend=f"One of: {', '.join(Category.values)}",
        )
    if (new.longitude is None) != (new.latitude is None):
        raise PatrolError("a place has a longitude and a latitude", field="longitude")
    if new.longitude is not None and not -180 <= new.longitude <= 180:
        raise PatrolError("a longitude lies within ±180°", field="longitude", value=str(new.longitude))
    if new.latitude is not None and not -90 <= new.latitude <= 90:
        raise PatrolError("a latitude lies within ±90°", field="latitude", value=str(new.latitude))
    if new.language not in ("zh-hans", "en"):
        raise PatrolError("a language is zh-hans or en", field="language", value=new.language[:20])
    return NewShop(
        category=new.category,
        longitude=new.longitude,
        latitude=new.latitude,
        owner=clean(new.owner),
        language=new.language,
        **texts,
    )


@dataclass(frozen=True, slots=True)
class Registered:
    """What became of an import: how many are new, changed, and as they were."""

    added: int
    changed: int
    unchanged: int


def register(jurisdiction_id: str, shops: Iterable[NewShop], actor: str) -> Registered:
    """Add shops that are not known and change those that are, by their numbers, all or none. New ones get a code.

    Raises:
        PatrolError: a field of one of them is wrong, or a number comes twice.
        UnavailableError: the key of the sealed fields cannot be used now.
    """
    wanted: dict[str, NewShop] = {}
    for new in shops:
        clean_one = check(new)
        if clean_one.number in wanted:
            raise PatrolError("this number comes twice", field="number", value=clean_one.number)
        wanted[clean_one.number] = clean_one
    key, now = the_key(), now_ms()
    grids = {grid.code: grid for grid in Grid.objects.filter(jurisdiction_id=jurisdiction_id)}
    added: list[Shop] = []
    log: list[Entry] = []
    changed = 0
    with transaction.atomic():
        known = {
            shop.number: shop
            for shop in Shop.objects.select_for_update().filter(
                jurisdiction_id=jurisdiction_id, number__in=list(wanted)
            )
        }
        for number, new in wanted.items():
            shop = known.get(number) or Shop(
                jurisdiction_id=jurisdiction_id, number=number, registered_at_ms=now, colour_since_ms=now
            )
            what = _set(shop, new, key, grids)
            if shop.pk is None:
                added.append(shop)
            elif what:
                changed += 1
                shop.save()
                log.append(Entry(shop=shop, kind="changed", at_ms=now, actor=actor, body={"fields": what}))
        Shop.objects.bulk_create(added, batch_size=200)
        Code.objects.bulk_create(
            [Code(shop=shop, token=new_token(), issued_at_ms=now) for shop in added], batch_size=500
        )
        log += [Entry(shop=shop, kind="registered", at_ms=now, actor=actor, body={}) for shop in added]
        Entry.objects.bulk_create(log, batch_size=500)
        Round.objects.get_or_create(jurisdiction_id=jurisdiction_id, defaults={"due_at_ms": now})
    return Registered(len(added), changed, len(wanted) - len(added) - changed)


def _set(shop: Shop, new: NewShop, key: Any, grids: Mapping[str, Grid]) -> list[str]:
    """Put the fields in; names of those that differ."""
    values: Mapping[str, Any] = {
        "name": new.name,
        "category": new.category,
        "licence": new.licence,
        "address": new.address,
        "longitude": new.longitude,
        "latitude": new.latitude,
        "language": new.language,
        "active": True,
    }
    different = [name for name, value in values.items() if getattr(shop, name) != value]
    for name, value in values.items():
        setattr(shop, name, value)
    grid = grids.get(leaf_of_place(shop) or "")
    if shop.grid_id != (grid.pk if grid else None):
        shop.grid = grid
        different.append("grid")
    phone_mark = mark(key, shop.jurisdiction_id, new.owner.phone) if new.owner.phone else ""
    if shop.sealed is None or (new.owner.phone and phone_mark != shop.phone_mark):
        put(shop, new.owner, key)
        different.append("owner")
    return different


def leaf_of_place(shop: Shop) -> str | None:
    """Code of the leaf grid in which a shop lies."""
    if shop.longitude is None or shop.latitude is None:
        return None
    return leaf_code(shop.jurisdiction_id, shop.longitude, shop.latitude)


def new_token() -> str:
    """What a code says: nothing about the shop."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def renew_code(shop: Shop, actor: str, reason: str = "", last_day: date | None = None) -> Code:
    """Revoke the code in force and give out a new one, for ever or to the end of a day: the old picture leads to a page that
    says so.

    Raises:
        PatrolError: that day is over.
    """
    if last_day is not None and last_day < local_day(now_ms()):
        raise PatrolError("this day is over", field="until", value=last_day.isoformat())
    expires_at_ms = None if last_day is None else midnight_ms(last_day + timedelta(days=1))
    with transaction.atomic():
        Shop.objects.select_for_update().get(pk=shop.pk)
        revoke_code(shop, actor, reason)
        code = Code.objects.create(
            shop=shop, token=new_token(), issued_at_ms=now_ms(), expires_at_ms=expires_at_ms
        )
        Entry.objects.create(
            shop=shop, kind="code_issued", at_ms=now_ms(), actor=actor, body={"code": code.pk}
        )
    return code


def revoke_code(shop: Shop, actor: str, reason: str = "") -> bool:
    """Take the code in force back; False if there was none. Whoever is logged in by it is logged out."""
    now = now_ms()
    with transaction.atomic():
        gone = Code.objects.filter(shop=shop, revoked_at_ms__isnull=True).update(
            revoked_at_ms=now, reason=reason.strip()[:200]
        )
        if gone:
            Session.objects.filter(shop=shop).delete()
            body = {"reason": reason.strip()[:200]}
            Entry.objects.create(shop=shop, kind="code_revoked", at_ms=now, actor=actor, body=body)
    return bool(gone)


def address_of(token: str, base: str | None = None) -> str:
    """What the picture on the door says.

    Raises:
        PatrolError: no public address is set.
    """
    base = base or settings.PATROL.public_url
    if base is None:
        raise PatrolError(
            "a code on a door needs the address under which people reach the centre",
            field="PATROL_CENTRAL_PUBLIC_URL",
            mend="Set it to the https address of the centre, such as https://patrol.example.gov.cn",
        )
    return f"{base.rstrip('/')}/s/{token}"
