"""Which tasks are offered to an officer, and until when."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from central.dispatch.models import Offer, OfferState
from central.dispatch.offers import open_to
from central.people.models import User
from central.project.clock import now_ms


def leases_of(user: User) -> dict[int, int]:
    """Work orders that are offered to this officer now -> until when, UTC ms."""
    return dict(open_to(user).values_list("order_id", "expires_at_ms"))


def offered_to_others(user: User) -> QuerySet[Any]:
    """Work orders that somebody else is asked for now, for a subquery."""
    return _running(user).exclude(officer=user).values("order_id")


def _running(user: User) -> QuerySet[Any]:
    seen: QuerySet[Any] = Offer.objects.visible_to(user)
    return seen.filter(state=OfferState.OFFERED, expires_at_ms__gt=now_ms())
