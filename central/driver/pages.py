"""How the driver's pages are put together: Jinja2, because these are the only pages that the public opens, all at once
after a change of the street's rules, and Django's own templates take ten times as long for them. Officers' pages stay
with Django's.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.template.loader import render_to_string
from django.templatetags.static import static
from django.utils import formats, timezone
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, ngettext
from jinja2 import Environment, StrictUndefined

from central.project.clock import now_ms


def render(template: str, context: dict[str, Any]) -> str:
    """A page in the language that is active; a name that the context lacks is an error."""
    return render_to_string(f"driver/{template}", context, using="jinja2")


def environment(**options: Any) -> Environment:
    """Jinja2 as these pages need it: everything is escaped, nothing is missing in silence (Django's settings name it)."""
    ours = {"autoescape", "undefined", "trim_blocks"}
    rest = {name: value for name, value in options.items() if name not in ours}
    made = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, **rest)
    made.add_extension("jinja2.ext.i18n")
    made.install_gettext_callables(gettext, ngettext)  # type: ignore[attr-defined]
    made.globals["static"] = static
    made.filters["hour"] = hour
    return made


def hour(at_ms: int | None) -> str | SafeString:
    """Hours and minutes, with the date where it is not today."""
    if at_ms is None:
        return "–"
    zone = timezone.get_current_timezone()
    moment = datetime.fromtimestamp(at_ms / 1000, zone)
    text = f"{moment:%H:%M}"
    if moment.date() != datetime.fromtimestamp(now_ms() / 1000, zone).date():
        text = f"{formats.date_format(moment, 'MONTH_DAY_FORMAT')} {text}"
    iso = moment.astimezone(UTC).isoformat(timespec="seconds")
    # Digits, and the words of a month: nothing that anybody wrote.
    return mark_safe(f'<time datetime="{iso}">{text}</time>')  # noqa: S308
