"""Template tags of the officer's pages: what the phone says, ways to a place, keys of plain forms."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from typing import Any

from django import template
from django.utils.translation import get_language

from central.cases.models import Case, WorkOrder
from central.driver.ways import MAPS
from central.field import words
from central.pages.templatetags.patrol import words_for
from central.project import clock
from notifier.navigation import map_links
from protocol.messages import Position

register = template.Library()

FIRST_ABROAD = ("apple", "google")
"""What a reader of English looks for first; readers of Chinese find Amap and Baidu in front."""


@register.simple_tag
def phone_words() -> str:
    """What the phone's script says, as JSON."""
    return json.dumps(words.for_the_script(), ensure_ascii=False)


@register.simple_tag
def now_ms() -> int:
    """The centre's clock, UTC ms."""
    return clock.now_ms()


@register.simple_tag
def new_key() -> str:
    """A key for a plain form: pressing twice is one action."""
    return str(uuid.uuid4())


@register.simple_tag
def ways(case: Case) -> list[dict[str, Any]]:
    """Buttons that open the place in a map application, each in the datum that it expects; none without a position."""
    if case.latitude is None or case.longitude is None:
        return []
    links = list(map_links(Position(longitude=case.longitude, latitude=case.latitude), case.place))
    if get_language() == "en":
        links.sort(key=lambda link: link.app not in FIRST_ABROAD)
    return [{"url": link.url, "name": MAPS[link.app], "app": link.app} for link in links]


@register.filter
def stamp(order: WorkOrder) -> str:
    """What a page of this task depends on: another stamp, and a phone keeps it anew."""
    came = sum(1 for item in order.case.evidence.all() if item.picture_id)
    parts = (order.state, order.kind, order.assignee_id or 0, order.case.history_length, came, get_language())
    return "-".join(str(part) for part in parts)


@register.filter
def coordinate(value: float | None) -> str:
    """Degrees for a script, in no reader's notation."""
    return "" if value is None else f"{value:.6f}"


@register.filter
def kept_pictures(evidence: Iterable[Any]) -> list[Any]:
    """The pictures that a phone keeps for a tunnel: those that have come, but for the plate alone."""
    return [item for item in evidence if item.role != "plate" and item.picture_id]


@register.filter
def delay(submission: Any) -> str:
    """How much later an action arrived than it was done."""
    return words_for(submission.received_at_ms - submission.tapped_at_ms)
