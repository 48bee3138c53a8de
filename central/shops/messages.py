"""What a merchant is told: on the page of the shop, and by SMS where there is a number. Once for each key."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet

from central.contact.services import send
from central.project.clock import local_day, now_ms
from central.shops.models import Certificate, CertificateKind, Colour, Entry, Note, Shop
from central.shops.rules import DAY_MS, rule_in_force
from central.shops.sealing import owner_of
from central.shops.words import in_both

WARN_DAYS = (30, 7, 1)
"""So many days before something runs out its merchant is warned; whoever comes late to it gets the nearest warning alone."""


def tell(shop: Shop, *, key: str, kind: str, zh: str, en: str) -> bool:
    """A note for the merchant and an SMS to the owner, in the caller's transaction; False if it was told before."""
    words = {"kind": kind, "zh": zh[:500], "en": en[:500], "at_ms": now_ms()}
    _note, fresh = shop.notes.get_or_create(key=f"{shop.pk}/{key}", defaults=words)
    owner = owner_of(shop) if shop.phone_mark else None
    if owner is not None and owner.phone:
        send(
            jurisdiction_id=shop.jurisdiction_id,
            phone=owner.phone,
            key=f"shops/{shop.pk}/{key}",
            text={"zh": f"【平安码】{shop.name}：{zh}"[:480], "en": f"[Shop safety] {shop.name}: {en}"[:480]},
            language=shop.language,
            kind=f"shop_{kind}",
        )
    return fresh


def remind(shops: list[Shop], actor: str) -> int:
    """Ask merchants to look at what is open, at most once a day each; returns how many were asked."""
    day = local_day(now_ms()).isoformat()
    asked = 0
    with transaction.atomic():
        for shop in shops:
            key = f"remind/{day}"
            if shop.notes.filter(key=f"{shop.pk}/{key}").exists():
                continue
            zh, en = in_both(Colour(shop.colour))
            first = (
                shop.reasons[0]
                if shop.reasons
                else {"zh": "请按时自查", "en": "please go through your checklist"}
            )
            tell(
                shop,
                key=key,
                kind="reminder",
                zh=f"当前为{zh}，请及时处理：{first['zh']}",
                en=f"your code is {en}. Please see to: {first['en']}",
            )
            Entry.objects.create(shop=shop, kind="reminded", at_ms=now_ms(), actor=actor[:160], body={})
            asked += 1
    return asked


def warn_of_red(shops: QuerySet[Shop]) -> int:
    """Tell merchants whose code is red, once for each red, and when it becomes a case; returns how many were told."""
    days = rule_in_force().enforcement.red_days
    told = 0
    for shop in shops.filter(active=True, colour=Colour.RED).order_by("pk"):
        key = f"red/{shop.colour_since_ms}"
        if shop.notes.filter(key=f"{shop.pk}/{key}").exists():
            continue
        why = shop.reasons[0]
        day = local_day(shop.colour_since_ms + days * DAY_MS)
        with transaction.atomic():
            tell(
                shop,
                key=key,
                kind="red",
                zh=f"当前为红码：{why['zh']}。{day} 前未整改的，将立案处理",
                en=f"your code is red: {why['en']}. A case is opened if it is not mended by {day}",
            )
        told += 1
    return told


def warn_of_expiry(shops: QuerySet[Shop]) -> int:
    """Tell merchants what runs out soon, once for each thing and distance; returns how many were told."""
    today = local_day(now_ms())
    soon = Certificate.objects.filter(
        replaced_at_ms__isnull=True,
        shop__in=shops.filter(active=True),
        expires_on__gte=today,
        expires_on__lte=today + timedelta(days=max(WARN_DAYS)),
    )
    told = 0
    known: set[str] = set(
        Note.objects.filter(kind="expiry", shop__in=shops, at_ms__gte=now_ms() - 40 * DAY_MS).values_list(
            "key", flat=True
        )
    )
    for certificate in soon.select_related("shop").order_by("pk"):
        left = (certificate.expires_on - today).days
        step = min(days for days in WARN_DAYS if days >= left)
        key = f"expiry/{certificate.pk}/{step}"
        if f"{certificate.shop_id}/{key}" in known:
            continue
        zh, en = in_both(CertificateKind(certificate.kind))
        with transaction.atomic():
            tell(
                certificate.shop,
                key=key,
                kind="expiry",
                zh=f"{zh}{certificate.label}将于 {certificate.expires_on} 到期，请及时更换",
                en=f"{en} {certificate.label} runs out on {certificate.expires_on}; please replace it",
            )
        told += 1
    return told
