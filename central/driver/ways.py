"""The buttons that open a bay in a map application."""

from __future__ import annotations

from functools import lru_cache

from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from notifier.navigation import map_links
from protocol.messages import Position

MAPS = {
    "amap": _("Amap"),
    "baidu": _("Baidu Maps"),
    "tencent": _("Tencent Maps"),
    "apple": _("Apple Maps"),
    "google": _("Google Maps"),
    "geo": _("Other map"),
}

REMEMBERED = 4096
"""Bays whose buttons are kept, some 2 kB each. The same bays are shown again and again, to one driver and to the next."""


def ways_to(position: Position, name: str) -> SafeString:
    """A button for each map application, the first in front, in the language that is active.

    Args:
        position: of the bay, WGS-84.
        name: of the bay.
    """
    return _ways(position.longitude, position.latitude, name, get_language())


@lru_cache(REMEMBERED)
def _ways(longitude: float, latitude: float, name: str, _language: str | None) -> SafeString:
    links = map_links(Position(longitude=longitude, latitude=latitude), name)
    return format_html_join(
        "",
        '<a class="button{}" href="{}" rel="noreferrer noopener nofollow">{}</a>',
        ((" go" if number == 0 else "", link.url, MAPS[link.app]) for number, link in enumerate(links)),
    )
