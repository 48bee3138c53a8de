"""Filters of the hotline's pages."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from central.cases.rules import state_of
from central.hotline.models import OrderState

register = template.Library()


@register.filter
def stands(case: Any) -> str:
    """Where a case stands by its own rules, in their words."""
    return state_of(case, get_language() or "")


@register.filter
def order_state(name: str | None) -> str:
    """How an order stands, by the word that both sides use, as people read it."""
    if name == "open":
        return _("Open")
    return str(OrderState(name).label) if name in OrderState.values else name or "–"
