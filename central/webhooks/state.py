"""How webhooks are, for the command line and the administrators' page."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Min, Q

from central.webhooks.models import DeliveryState, Subscription
from protocol.clock import iso


def rows(jurisdictions: set[str] | None = None) -> list[dict[str, Any]]:
    """Every subscription, or those of some jurisdictions.

    Args:
        jurisdictions: None for all.
    """
    found = Subscription.objects.select_related("key").order_by("name")
    if jurisdictions is not None:
        found = found.filter(key__jurisdiction_id__in=jurisdictions)
    waiting, dead = (
        Count("deliveries", filter=Q(deliveries__state=state))
        for state in (DeliveryState.WAITING, DeliveryState.DEAD)
    )
    oldest = Min("deliveries__at_ms", filter=Q(deliveries__state=DeliveryState.WAITING))
    return [
        {
            "number": one.pk,
            "name": one.name,
            "key": one.key.name,
            "jurisdiction": one.key.jurisdiction_id,
            "url": one.url,
            "events": one.events,
            "services": one.services,
            "grids": one.grids,
            "state": "active"
            if one.active and one.key.revoked_at_ms is None
            else one.reason or "key revoked",
            "is_active": one.active,
            "waiting": one.waiting,
            "oldest": iso(one.oldest) if one.oldest else None,
            "oldest_ms": one.oldest,
            "dead": one.dead,
            "success": iso(one.success_at_ms) if one.success_at_ms else None,
            "success_ms": one.success_at_ms,
            "failure": iso(one.failure_at_ms) if one.failure_at_ms else None,
            "failure_ms": one.failure_at_ms,
        }
        for one in found.annotate(waiting=waiting, dead=dead, oldest=oldest)
    ]
