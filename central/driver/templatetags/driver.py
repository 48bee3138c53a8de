"""Template filters of the driver's page."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from django import template
from django.utils import formats, timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from central.project.clock import now_ms
from notifier.navigation import MapLink

register = template.Library()

MAPS = {
    "amap": _("Amap"),
    "baidu": _("Baidu Maps"),
    "tencent": _("Tencent Maps"),
    "apple": _("Apple Maps"),
    "google": _("Google Maps"),
    "geo": _("Other map"),
}


@register.filter
def hour(at_ms: int | None) -> str | SafeString:
    """Hours and minutes, with the date where it is not today."""
    if at_ms is None:
        return "–"
    moment = timezone.localtime(datetime.fromtimestamp(at_ms / 1000, UTC))
    text = f"{moment:%H:%M}"
    if moment.date() != timezone.localtime(datetime.fromtimestamp(now_ms() / 1000, UTC)).date():
        text = f"{formats.date_format(moment, 'MONTH_DAY_FORMAT')} {text}"
    iso = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds")
    return format_html('<time datetime="{}">{}</time>', iso, text)


@register.filter
def ways(links: Iterable[MapLink]) -> SafeString:
    """A button for each map application, the first in front. Joined here: a loop in the template costs five times as
    much, on each page for each bay."""
    return format_html_join(
        "",
        '<a class="button{}" href="{}" rel="noreferrer noopener nofollow">{}</a>',
        ((" go" if number == 0 else "", link.url, MAPS[link.app]) for number, link in enumerate(links)),
    )
