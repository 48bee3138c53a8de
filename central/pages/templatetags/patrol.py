"""Template filters: instants, plates, the protocol's and the agents' words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from django import template
from django.conf import settings
from django.urls import NoReverseMatch, reverse
from django.utils import formats
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from central.cases.rules import definition_of, title_of
from central.pages import words
from central.pages.sayings import say
from central.people import access_log
from central.project.clock import local, now_ms

register = template.Library()


@register.filter
def clock(at_ms: int | None) -> str | SafeString:
    """Hours and minutes where it is today, else with the date; a dash where it never was."""
    if not at_ms:
        return "–"
    moment = local(at_ms)
    text = f"{moment:%H:%M:%S}"
    if moment.date() != local(now_ms()).date():
        text = f"{formats.date_format(moment, 'MONTH_DAY_FORMAT')} {moment:%H:%M}"
    return format_html('<time datetime="{}">{}</time>', _iso(at_ms), text)


@register.filter
def age(at_ms: int | None) -> str | SafeString:
    """'3 min' since then or until then; the page's script keeps it true as time passes."""
    if at_ms is None:
        return "–"
    return format_html(
        '<time datetime="{}" data-age="{}">{}</time>', _iso(at_ms), at_ms, words_for(abs(now_ms() - at_ms))
    )


def words_for(ms: int) -> str:
    """A duration in its largest unit."""
    minutes = ms // 60_000
    if minutes < 1:
        return _("under a minute")
    if minutes < 60:
        return _("%(count)d min") % {"count": minutes}
    if minutes < 48 * 60:
        return _("%(hours)d h %(minutes)d min") % {"hours": minutes // 60, "minutes": minutes % 60}
    return _("%(count)d days") % {"count": minutes // 1440}


@register.filter
def instant(at_ms: int | None) -> str:
    """Date, time and zone in full, as paper needs them."""
    if not at_ms:
        return "–"
    return f"{local(at_ms):%Y-%m-%d %H:%M:%S %z}"


@register.simple_tag
def tiles(what: str = "address") -> str:
    """The tile server's address or credit, empty where none is set."""
    return (settings.PATROL.tiles_credit if what == "credit" else settings.PATROL.tiles) or ""


@register.filter
def countdown(due_at_ms: int | None) -> str | SafeString:
    """The clock that runs down to an instant; the page's script lets it tick. Late clocks count up, with a plus."""
    if due_at_ms is None:
        return "–"
    return format_html(
        '<time class="clock" datetime="{}" data-due="{}">{}</time>',
        _iso(due_at_ms),
        due_at_ms,
        clock_text(due_at_ms - now_ms()),
    )


def clock_text(left_ms: int) -> str:
    """`04:12`, `1:04:12`, or days and hours; a plus where the time is over."""
    seconds = abs(left_ms) // 1000
    sign = "+" if left_ms < 0 else ""
    if seconds >= 86_400:
        hours = seconds // 3600
        return sign + _("%(days)d d %(hours)d h") % {"days": hours // 24, "hours": hours % 24}
    hours, minutes, seconds = seconds // 3600, seconds // 60 % 60, seconds % 60
    return f"{sign}{hours}:{minutes:02}:{seconds:02}" if hours else f"{sign}{minutes:02}:{seconds:02}"


@register.simple_tag
def slot(name: str, *values: Any, title: str = "") -> SafeString:
    """A part that another app brings: fetched from the address of this name where that app has it, else nothing.

    Without a script nothing is fetched; where the part has a title, a link by that title then leads to it.
    """
    try:
        address = reverse(name, args=values)
    except NoReverseMatch:
        return SafeString("")
    plain = format_html('<noscript><p><a href="{}">{}</a></p></noscript>', address, title) if title else ""
    return format_html(
        '<div class="slot" hx-get="{}" hx-trigger="load, sse:changed, written" hx-target="this" hx-swap="innerHTML">{}</div>',
        address,
        plain,
    )


@register.simple_tag
def listed(filters: Any, **changes: str) -> str:
    """The address of the list with one filter changed."""
    return str(filters.address(**changes))


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")


@register.filter
def past(at_ms: int) -> bool:
    """Whether the instant has passed."""
    return at_ms <= now_ms()


@register.filter
def masked(plate: str) -> str:
    """The plate with its middle hidden."""
    return access_log.mask_plate(plate)


@register.filter
def word(value: str, table: str) -> Any:
    """A word of the protocol in the reader's language: `{{ camera.state|word:"CAMERA_STATES" }}`."""
    return getattr(words, table).get(value, value)


@register.simple_tag
def service(case: Any) -> str:
    """What kind of matter a case is, by its own rules; by the code where it has none."""
    if case.definition_id is None:
        return title_of(case.service_code, get_language() or "")
    return definition_of(case).titles.text(get_language() or "")


@register.filter
def said(text: str) -> str:
    """An agent's words in the reader's language."""
    return say(text)


@register.filter
def problem(text: str) -> str:
    """An agent's named trouble in the reader's language."""
    return words.problem(text)


@register.filter
def last_picture(evidence: Any) -> Any:
    """The picture to show first: the recheck's, else the newest that is no plate."""
    shown = [item for item in evidence if item.role != "plate"]
    rechecks = [item for item in shown if item.role == "recheck"]
    return (rechecks or shown or [None])[-1]


@register.simple_tag
def box_rect(item: Any, stay: Any) -> dict[str, str] | None:
    """The vehicle's box as an SVG rectangle inside a picture; None where it lies outside or is not known.

    A picture's own box is in its own pixels. Agents that do not send it tell the box of the last look only, in
    pixels of the camera's frame: that of the recheck picture, unless the frame was larger than pictures are sealed.
    """
    box = item.box or (stay.box if stay is not None and item.role == "recheck" else None)
    if not box:
        return None
    left, top = max(0.0, box[0]), max(0.0, box[1])
    right, bottom = min(float(item.width), box[2]), min(float(item.height), box[3])
    if right <= left or bottom <= top:
        return None
    return {
        # Texts, because a template would write numbers as the reader's language does.
        "x": f"{left:.1f}",
        "y": f"{top:.1f}",
        "width": f"{right - left:.1f}",
        "height": f"{bottom - top:.1f}",
    }


@register.simple_tag
def geo_link(case: Any) -> str:
    """A geo: address (RFC 5870, WGS-84), which a phone opens in the map of its owner's choice."""
    point = f"{case.latitude:.6f},{case.longitude:.6f}"
    return f"geo:{point}?q={point}({quote(case.place)})"
