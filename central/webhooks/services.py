"""Subscriptions: made, changed, tried, given a new secret; and what was given up sent again."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Sequence

from django.conf import settings
from django.db import transaction

from central.cases.models import ApiKey
from central.cases.rules import services
from central.grids.models import Grid
from central.project.clock import now_ms
from central.webhooks import events, outward, signing
from central.webhooks.models import Delivery, DeliveryState, Subscription
from protocol.errors import PatrolError

MOST = 20
"""Subscriptions of one api client."""

OLD_SECRET_MS = 24 * 3_600_000
"""How long the secret before the newest signs as well."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")


def subscribe(
    name: str,
    key: ApiKey,
    url: str,
    *,
    wanted: Sequence[str] = (),
    service_codes: Sequence[str] = (),
    grids: Sequence[str] = (),
) -> tuple[Subscription, str]:
    """A new subscription and its secret, as receivers are given it.

    Args:
        name: what it is called.
        key: whose it is; it needs the right `webhook`.
        url: where events go; see `outward.check_url`.
        wanted: kinds of events; all where empty.
        service_codes: of which services; of all where empty.
        grids: codes of grids, with what lies below them; all where empty.

    Raises:
        PatrolError: a name that is taken, a key without the right, an address that may not be called, an unknown filter.
    """
    if not _NAME.match(name):
        raise PatrolError(
            "a name has letters, digits, '_', '.' and '-', at most 64", field="name", value=name
        )
    if "webhook" not in key.rights or key.revoked_at_ms is not None:
        raise PatrolError(
            "this key may not be told of cases",
            field="key",
            value=key.name,
            mend="Make one with --right webhook",
        )
    outward.check_url(url, settings.PATROL.webhook_networks)
    _known("event", wanted, events.EVENTS)
    _known("service", service_codes, services())
    known = Grid.objects.filter(jurisdiction_id=key.jurisdiction_id).values_list("code", flat=True)
    _known("grid", grids, known)
    if key.webhooks.count() >= MOST:
        raise PatrolError(f"a key has at most {MOST} webhooks", field="key", value=key.name)
    made, new = Subscription.objects.get_or_create(
        name=name,
        defaults={
            "key": key,
            "url": url,
            "events": sorted(set(wanted)),
            "services": sorted(set(service_codes)),
            "grids": sorted(set(grids)),
            "salt": secrets.token_hex(16),
            "made_at_ms": now_ms(),
        },
    )
    if not new:
        raise PatrolError("a webhook of this name exists already", field="name", value=name)
    return made, shown_secret(made)


def find(name: str) -> Subscription:
    """The subscription of this name.

    Raises:
        PatrolError: there is none.
    """
    found = Subscription.objects.select_related("key").filter(name=name).first()
    if found is None:
        raise PatrolError("there is no webhook of this name", field="name", value=name)
    return found


def shown_secret(subscription: Subscription) -> str:
    """Its newest secret."""
    return signing.shown(secrets_of(subscription)[0])


def secrets_of(subscription: Subscription) -> list[bytes]:
    """The secrets that sign now, the newest first: two for a day after a change."""
    generations = [subscription.generation]
    if subscription.generation > 1 and now_ms() < subscription.old_until_ms:
        generations.append(subscription.generation - 1)
    return [signing.secret(settings.SECRET_KEY, subscription.salt, each) for each in generations]


def rotate(name: str) -> str:
    """A new secret; the one before signs as well for a day, so that no message is refused while the receiver changes.

    Raises:
        PatrolError: there is none of this name.
    """
    with transaction.atomic():
        found = Subscription.objects.select_for_update().filter(name=name).first() or find(name)
        found.generation += 1
        found.old_until_ms = now_ms() + OLD_SECRET_MS
        found.save(update_fields=["generation", "old_until_ms"])
    return shown_secret(found)


def switch(name: str, *, active: bool, reason: str = "") -> Subscription:
    """Stop telling, or go on. What waits is kept and sent later.

    Raises:
        PatrolError: there is none of this name.
    """
    found = find(name)
    found.active, found.reason = active, reason[:200]
    found.save(update_fields=["active", "reason"])
    return found


def remove(name: str) -> None:
    """Forget a subscription and what waits for it.

    Raises:
        PatrolError: there is none of this name.
    """
    find(name).delete()


def send_test(name: str) -> Delivery:
    """A message that says nothing, to be sent like every other.

    Raises:
        PatrolError: there is none of this name.
    """
    found = find(name)
    at = now_ms()
    return Delivery.objects.create(
        subscription=found, message_id=events.new_id(), event=events.TEST, at_ms=at, due_at_ms=at
    )


def replay(subscription: Subscription, numbers: Iterable[int] = ()) -> int:
    """Send again what was given up, with the same ids; those of these numbers, or all. Returns how many."""
    rows = Delivery.objects.filter(subscription=subscription, state=DeliveryState.DEAD)
    numbers = list(numbers)
    if numbers:
        rows = rows.filter(pk__in=numbers)
    return rows.update(
        state=DeliveryState.WAITING, attempts=0, due_at_ms=now_ms(), ended_at_ms=None, error="", status=None
    )


def _known(field: str, given: Iterable[str], known: Iterable[str]) -> None:
    names = sorted(known)
    for name in given:
        if name not in names:
            raise PatrolError(
                f"there is no such {field}", field=field, value=name, mend=f"Known: {', '.join(names[:20])}"
            )
