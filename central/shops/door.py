"""How a merchant comes in: a code by SMS to the owner's number, and a session of its own that opens one shop.

A code is six digits, good for ten minutes and five attempts, and stored as a keyed hash. What is asked for is braked in the
database, so over all processes. Whether a number is the owner's is never told.
"""

from __future__ import annotations

import hmac
import secrets

from django.db import transaction

from central.contact.services import send
from central.owners.keys import the_key
from central.project.clock import now_ms
from central.shops.models import Entry, LoginCode, Session, Shop
from central.shops.sealing import mark
from notifier.owners import normal_phone
from protocol.errors import PatrolError

CODE_MS = 10 * 60_000
ATTEMPTS = 5
CODES_AN_HOUR = 5
BETWEEN_MS = 60_000
SESSION_MS = 4 * 3_600_000


class WaitError(PatrolError):
    """A code was sent a moment ago, or too many were."""

    def __init__(self, wait_s: int) -> None:
        super().__init__("a code was sent a moment ago")
        self.wait_s = wait_s


def ask(shop: Shop, phone: str) -> None:
    """Send a code if this is the owner's number; the caller learns nothing of whether it is.

    Raises:
        PatrolError: no telephone number.
        WaitError: not so soon.
    """
    try:
        number = normal_phone(phone)
    except ValueError as error:
        raise PatrolError("this is not a mobile number", field="phone") from error
    now = now_ms()
    key = the_key()
    with transaction.atomic():
        locked = Shop.objects.select_for_update().get(pk=shop.pk)
        sent = LoginCode.objects.filter(shop=locked, made_at_ms__gt=now - 3_600_000).order_by("-made_at_ms")
        instants = list(sent.values_list("made_at_ms", flat=True))
        if instants and now - instants[0] < BETWEEN_MS:
            raise WaitError(max(1, (BETWEEN_MS - now + instants[0]) // 1000))
        if len(instants) >= CODES_AN_HOUR:
            raise WaitError(max(1, (3_600_000 - now + instants[-1]) // 1000))
        digits = f"{secrets.randbelow(10**6):06d}"
        right = hmac.compare_digest(mark(key, locked.jurisdiction_id, number), locked.phone_mark)
        made = LoginCode.objects.create(shop=locked, digest="", made_at_ms=now)
        # A code of nobody's can never be typed in, and is counted all the same: the answer takes the same way.
        made.digest = _digest(made.pk, digits) if right else ""
        made.save(update_fields=["digest"])
        if right:
            send(
                jurisdiction_id=locked.jurisdiction_id,
                phone=number,
                key=f"shops/login/{made.pk}",
                text={
                    "zh": f"【平安码】登录验证码 {digits}，10 分钟内有效，请勿告知他人",
                    "en": f"[Shop safety] Your code is {digits}, good for 10 minutes. Tell it to nobody",
                },
                language=locked.language,
                urgent=True,
                kind="login_code",
                values={"code": digits},
            )


def enter(shop: Shop, digits: str) -> str | None:
    """The secret of a new session if these are the digits that were sent last; None otherwise, and the attempt counts."""
    now = now_ms()
    with transaction.atomic():
        locked = Shop.objects.select_for_update().get(pk=shop.pk)
        code = LoginCode.objects.filter(shop=locked, used_at_ms__isnull=True).order_by("-pk").first()
        if code is None or code.made_at_ms <= now - CODE_MS or code.attempts >= ATTEMPTS:
            return None
        code.attempts += 1
        right = hmac.compare_digest(_digest(code.pk, digits.strip()[:12]), code.digest or "-")
        if right:
            code.used_at_ms = now
        code.save(update_fields=["attempts", "used_at_ms"])
        if not right:
            return None
        secret = secrets.token_urlsafe(32)
        Session.objects.create(
            shop=locked, digest=_session(secret), made_at_ms=now, expires_at_ms=now + SESSION_MS
        )
        Entry.objects.create(shop=locked, kind="owner_came", at_ms=now, actor="owner", body={})
    return secret


def shop_of(secret: str) -> Shop | None:
    """The shop that a session opens; None where it has ended or never was."""
    if not secret or len(secret) > 100:
        return None
    found = Session.objects.select_related("shop").filter(digest=_session(secret)).first()
    if found is None or found.expires_at_ms <= now_ms() or not found.shop.active:
        return None
    return found.shop


def leave(secret: str) -> None:
    """End a session."""
    Session.objects.filter(digest=_session(secret[:100])).delete()


def _digest(number: int, digits: str) -> str:
    return the_key().index("shop-login", f"{number}/{digits}").hex()


def _session(secret: str) -> str:
    return the_key().index("shop-session", secret).hex()
