"""A merchant appeals against a colour, and an inspector decides which facts count no more. Both stand in the shop's log."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from central.project.clock import now_ms
from central.shops.colours import recolour_one
from central.shops.messages import tell
from central.shops.models import Appeal, AppealState, Colour, Entry, Shop
from protocol.errors import PatrolError


def appeal(shop: Shop, text: str, actor: str) -> Appeal:
    """Against the colour as it is now. While one is open, a second gives the first.

    Raises:
        PatrolError: the code is green, or nothing was said.
    """
    said = text.strip()
    if not 5 <= len(said) <= 1000:
        raise PatrolError("why is the colour wrong? 5 to 1000 letters", field="text")
    now = now_ms()
    with transaction.atomic():
        locked = Shop.objects.select_for_update().get(pk=shop.pk)
        known = locked.appeals.filter(state=AppealState.OPEN).first()
        if known is not None:
            return known
        if locked.colour == Colour.GREEN:
            raise PatrolError("a green code needs no appeal", field="text")
        made = Appeal.objects.create(
            shop=locked, colour=locked.colour, reasons=locked.reasons, text=said, at_ms=now
        )
        body = {"appeal": made.pk, "colour": locked.colour}
        Entry.objects.create(shop=locked, kind="appeal", at_ms=now, actor=actor[:160], body=body)
    return made


def decide(case: Appeal, actor: str, *, set_aside: Iterable[str], note: str) -> Appeal:
    """Which facts count no more - none: rejected -, and why. The colour is computed again. Decided once.

    Raises:
        PatrolError: no word on why, or a fact that the colour did not rest on.
    """
    if not note.strip():
        raise PatrolError("a decision needs its grounds", field="note")
    keys = sorted(set(set_aside))
    known = {key for reason in case.reasons for key in reason["facts"]}
    strange = [key for key in keys if key not in known]
    if strange:
        raise PatrolError("the colour did not rest on this", field="set_aside", value=strange[0][:60])
    with transaction.atomic():
        shop = Shop.objects.select_for_update().get(pk=case.shop_id)
        held = Appeal.objects.select_for_update().get(pk=case.pk, shop=shop)
        if held.state != AppealState.OPEN:
            return held
        held.state = AppealState.UPHELD if keys else AppealState.REJECTED
        held.set_aside, held.note = keys, note.strip()[:1000]
        held.decided_by, held.decided_at_ms = actor[:160], now_ms()
        held.save()
        body = {"appeal": held.pk, "state": str(held.state), "set_aside": keys, "note": held.note}
        Entry.objects.create(shop=shop, kind="appeal_decided", at_ms=now_ms(), actor=actor[:160], body=body)
        recolour_one(shop)
        upheld = bool(keys)
        tell(
            shop,
            key=f"appeal/{held.pk}",
            kind="appeal",
            zh=f"您的申诉{'成立' if upheld else '未予支持'}：{held.note}"[:480],
            en=f"Your appeal was {'upheld' if upheld else 'rejected'}: {held.note}"[:480],
        )
    return held
