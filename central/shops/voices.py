"""What passers-by bring: ratings and tip-offs. Nobody is asked for a name; limits are counted by keyed hashes in the database."""

from __future__ import annotations

from django.db import transaction

from central.owners.keys import the_key
from central.project.clock import local_day, now_ms
from central.shops import photos
from central.shops.colours import recolour_one
from central.shops.models import Entry, Rating, Severity, Shop, TipOff, TipOffState
from protocol.errors import PatrolError

RATINGS_OF_NETWORK = 10
"""Ratings of one shop a day from one network address: a shop's own wireless network has many guests, a mobile network more."""

RATINGS_OF_NETWORK_ANYWHERE = 60
TIP_OFFS_OF_NETWORK = 8
"""Tip-offs a day from one network address, over all shops."""

TEXT_LENGTH = 1000


class TooManyError(PatrolError):
    """Enough for today; tomorrow again."""


def network_of(address: str, now: int | None = None) -> str:
    """Keyed hash of a network address and the day: the same address cannot be followed from day to day."""
    day = local_day(now_ms() if now is None else now)
    return the_key().index("shop-network", f"{day.isoformat()}/{address}").hex()


def device_of(secret: str) -> str:
    """Keyed hash of the word that a browser keeps."""
    return the_key().index("shop-device", secret).hex()


def rate(shop: Shop, stars: int, *, device: str, network: str) -> Rating:
    """One to five stars; a second rating of the same device on the same day replaces the first.

    Args:
        shop: which.
        stars: 1 to 5.
        device: see `device_of`.
        network: see `network_of`.

    Raises:
        PatrolError: no such number of stars.
        TooManyError: this network has rated enough today.
    """
    if stars not in range(1, 6):
        raise PatrolError("one to five stars", field="stars", value=str(stars)[:10])
    now = now_ms()
    day = local_day(now)
    with transaction.atomic():
        locked = Shop.objects.select_for_update().get(pk=shop.pk)
        today = Rating.objects.filter(network=network, day=day).exclude(shop=locked, device=device)
        if (
            today.filter(shop=locked).count() >= RATINGS_OF_NETWORK
            or today.count() >= RATINGS_OF_NETWORK_ANYWHERE
        ):
            raise TooManyError("enough ratings from here today")
        made, _new = Rating.objects.update_or_create(
            shop=locked, device=device, day=day, defaults={"stars": stars, "network": network, "at_ms": now}
        )
        recolour_one(locked)
    return made


def tip_off(shop: Shop, text: str, *, key: str, network: str, photo: bytes | None = None) -> TipOff:
    """Somebody saw something. The same key again is the same tip-off.

    Raises:
        PatrolError: nothing said, too much said, or a photo that cannot be accepted.
        TooManyError: this network has said enough today.
    """
    said = text.strip()
    if not 5 <= len(said) <= TEXT_LENGTH:
        raise PatrolError(f"what did you see? 5 to {TEXT_LENGTH} letters", field="text")
    if not 8 <= len(key) <= 100:
        raise PatrolError("a key has 8 to 100 characters", field="key")
    now = now_ms()
    day = local_day(now)
    with transaction.atomic():
        locked = Shop.objects.select_for_update().get(pk=shop.pk)
        known = TipOff.objects.filter(shop=locked, key=key).first()
        if known is not None:
            return known
        if TipOff.objects.filter(network=network, day=day).count() >= TIP_OFFS_OF_NETWORK:
            raise TooManyError("enough tip-offs from here today")
        kept = photos.keep(locked, photo, "public") if photo else None
        made = TipOff.objects.create(
            shop=locked, key=key, text=said, photo=kept, network=network, day=day, at_ms=now
        )
        Entry.objects.create(
            shop=locked, kind="tip_off", at_ms=now, actor="public", body={"tip_off": made.pk}
        )
    return made


def decide_tip_off(tip: TipOff, actor: str, *, severity: str, note: str) -> TipOff:
    """An inspector went and looked. Decided once.

    Args:
        tip: which.
        actor: who looked.
        severity: how grave what was found is; empty where there was nothing.
        note: what was found.

    Raises:
        PatrolError: no such severity, or nothing said.
    """
    if severity and severity not in Severity.values:
        raise PatrolError("minor, major or grave", field="severity", value=severity[:20])
    if not note.strip():
        raise PatrolError("say what was found", field="note")
    with transaction.atomic():
        shop = Shop.objects.select_for_update().get(pk=tip.shop_id)
        held = TipOff.objects.select_for_update().get(pk=tip.pk, shop=shop)
        if held.state != TipOffState.NEW:
            return held
        held.state = TipOffState.VERIFIED if severity else TipOffState.UNFOUNDED
        held.severity, held.note = severity, note.strip()[:500]
        held.decided_by, held.decided_at_ms = actor[:160], now_ms()
        held.save()
        body = {"tip_off": held.pk, "state": str(held.state), "severity": severity, "note": held.note}
        Entry.objects.create(shop=shop, kind="tip_off_decided", at_ms=now_ms(), actor=actor[:160], body=body)
        recolour_one(shop)
    return held
