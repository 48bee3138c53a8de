"""Template filters for shares and decimals; attributes of drawings need a point whatever the language."""

from __future__ import annotations

from django import template

register = template.Library()


@register.filter
def percent(share: float | None) -> str:
    """'70.4 %'; a dash where nothing was counted."""
    return "–" if share is None else f"{share * 100:.1f}\u00a0%"


@register.filter
def plain(value: float | None) -> str:
    """A number with one decimal and a point; a dash for none."""
    return "–" if value is None else f"{value:.1f}"
