"""Filters of the hotline's pages."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.translation import get_language

from central.cases.rules import definition_of

register = template.Library()


@register.filter
def stands(case: Any) -> str:
    """Where a case stands by its own rules, in their words."""
    found = definition_of(case).by_name.get(case.process_state) if case.definition_id else None
    return found.titles.text(get_language() or "") if found else ""
