"""Carries what waits: at least once, in the order of each case, with ever longer waits, and not for ever.

A delivery in hand is put off by its lease before the call, so a process that dies in between sends it once more later, with
the same id. A later event of a case is not sent while an earlier one for the same subscription waits.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import UTC, datetime

from django.conf import settings
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from central.cases.api_schemas import case_out
from central.cases.models import Case
from central.grids.models import Grid
from central.project.chain import canonical
from central.project.clock import now_ms
from central.project.leases import take_due
from central.webhooks import events, outward, signing
from central.webhooks.models import Delivery, DeliveryState, Subscription
from central.webhooks.services import secrets_of
from protocol.clock import Millis
from protocol.errors import PatrolError

LEASE_MS = 60_000
"""Longer than a call can take."""

WAITS_S = (5, 30, 120, 600, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""After each failed attempt; after the last, three days and some hours after the first, it is given up."""

KEPT_MS = 30 * 86_400_000
_REASONABLE_S = 86_400


def claim(busy: Collection[int] = ()) -> Delivery | None:
    """The next delivery that is due, put off by its lease; None where nothing is.

    Args:
        busy: subscriptions that a thread of this process serves already: a slow receiver holds up itself alone.
    """
    earlier = Delivery.objects.filter(
        subscription=OuterRef("subscription"),
        case=OuterRef("case"),
        state=DeliveryState.WAITING,
        pk__lt=OuterRef("pk"),
    )
    waiting = (
        Delivery.objects.filter(state=DeliveryState.WAITING)
        .filter(subscription__active=True, subscription__key__revoked_at_ms=None)
        .exclude(subscription__in=list(busy))
        .filter(Q(case__isnull=True) | ~Exists(earlier))
        .order_by("due_at_ms", "pk")
    )
    return _claim(waiting)


def claim_one(number: int) -> Delivery | None:
    """The delivery of this number, if it waits and is due; put off by its lease."""
    return _claim(Delivery.objects.filter(pk=number, state=DeliveryState.WAITING))


def _claim(waiting: QuerySet[Delivery]) -> Delivery | None:
    found = take_due(waiting, LEASE_MS)
    if found is None:
        return None
    found.attempts += 1
    if not found.body:
        if not _is_wanted(found):
            found.state, found.ended_at_ms = DeliveryState.LEFT_OUT, now_ms()
        else:
            found.body = _body(found)
    found.save(update_fields=["attempts", "body", "state", "ended_at_ms"])
    return found


def carry(found: Delivery, resolve: outward.Lookup = outward.lookup) -> bool:
    """Send a claimed delivery once and note what came back; whether it was received."""
    subscription = Subscription.objects.select_related("key").get(pk=found.subscription_id)
    body = found.body.encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "street-patrol",
        **signing.headers(found.message_id, now_ms() // 1000, body, secrets_of(subscription)),
    }
    try:
        answer = outward.post(
            subscription.url,
            body,
            headers,
            allowed=settings.PATROL.webhook_networks,
            resolve=resolve,
            whole_s=outward.WHOLE_S,
        )
    except PatrolError as error:
        return _failed(found, None, error.problem, 0)
    if 200 <= answer.status < 300:
        _received(found, answer.status)
        return True
    if answer.status == 410:
        Subscription.objects.filter(pk=subscription.pk).update(
            active=False, reason="the receiver wants no more"
        )
        events.forget()
    return _failed(found, answer.status, f"answered {answer.status}", answer.retry_after_s)


def run_once(busy: Collection[int] = ()) -> bool:
    """Carry one delivery; whether there was one."""
    found = claim(busy)
    if found is None:
        return False
    if found.state == DeliveryState.WAITING:
        carry(found)
    return True


def sweep() -> int:
    """Delete what ended long ago; returns how many. What was given up stays as long."""
    ended = Delivery.objects.exclude(state=DeliveryState.WAITING).filter(ended_at_ms__lt=now_ms() - KEPT_MS)
    return ended.delete()[0]


def _received(found: Delivery, status: int) -> None:
    now = now_ms()
    mine = Delivery.objects.filter(pk=found.pk, state=DeliveryState.WAITING)
    mine.update(state=DeliveryState.DONE, status=status, error="", ended_at_ms=now)
    Subscription.objects.filter(pk=found.subscription_id).update(success_at_ms=now)


def _failed(found: Delivery, status: int | None, error: str, retry_after_s: int) -> bool:
    now = now_ms()
    mine = Delivery.objects.filter(pk=found.pk, state=DeliveryState.WAITING, attempts=found.attempts)
    if found.attempts > len(WAITS_S):
        mine.update(state=DeliveryState.DEAD, status=status, error=error[:200], ended_at_ms=now)
    else:
        wait_ms = wait_of(found.attempts, retry_after_s)
        mine.update(status=status, error=error[:200], due_at_ms=now + wait_ms)
    Subscription.objects.filter(pk=found.subscription_id).update(failure_at_ms=now)
    return False


def wait_of(attempts: int, retry_after_s: int = 0) -> Millis:
    """Milliseconds until the next attempt: what is left of a fifth is drawn, so that a receiver that comes back is not stormed."""
    wait_s = max(WAITS_S[attempts - 1], min(retry_after_s, _REASONABLE_S))
    return wait_s * 1000 + secrets.randbelow(wait_s * 200 + 1)


def _is_wanted(found: Delivery) -> bool:
    """Whether the case lies in one of the grids that were asked for."""
    codes = found.subscription.grids
    if not codes or found.case_id is None:
        return True
    grid_id = Case.objects.values_list("grid_id", flat=True).get(pk=found.case_id)
    while grid_id is not None:
        code, grid_id = Grid.objects.values_list("code", "parent_id").get(pk=grid_id)
        if code in codes:
            return True
    return False


def _body(found: Delivery) -> str:
    data: dict[str, object] = {}
    if found.case_id is not None:
        case = Case.objects.select_related("grid").get(pk=found.case_id)
        data = {**found.facts, "case": case_out(case, new=False)}
    at = datetime.fromtimestamp(found.at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return canonical({"type": found.event, "timestamp": at.replace("+00:00", "Z"), "data": data})


def waiting() -> dict[int, int]:
    """How many deliveries wait, by the number of their subscription."""
    rows = (
        Delivery.objects.filter(state=DeliveryState.WAITING)
        .values_list("subscription")
        .annotate(n=Count("pk"))
    )
    return dict(rows)
